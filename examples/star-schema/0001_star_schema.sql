-- A small star: sales, by product, store and time, for several tenants; and totals of a day beside them.
-- requires: roles, reports
-- down:
--   drop view public.my_daily_totals;
--   drop materialized view public.daily_totals;
--   drop table public.sales, public.products, public.stores;

create table public.products (
  id integer not null,
  name text not null,
  category text not null,
  constraint products_pkey primary key (id)
);
comment on table public.products is 'What is sold.';
create table public.stores (
  id integer not null,
  name text not null,
  region text not null,
  constraint stores_pkey primary key (id)
);
comment on table public.stores is 'Where it is sold.';
create table public.sales (
  tenant text not null,
  product_id integer not null references public.products (id),
  store_id integer not null references public.stores (id),
  quantity integer not null,
  amount numeric(10, 2) not null,
  sold_at timestamptz not null
);
comment on table public.sales is 'The facts: a row per sale, written in the order of time.';

-- Rows lie in the order of their time, so the lowest and highest time of each 32 pages find a span of it; the index of ten million rows has some dozen kilobytes.
create index sales_sold_at_idx on public.sales using brin (sold_at) with (pages_per_range = 32);

alter table public.products enable row level security;
alter table public.stores enable row level security;
alter table public.sales enable row level security;
create policy products_select_policy on public.products for select to authenticated using (true);
create policy stores_select_policy on public.stores for select to authenticated using (true);
create policy sales_select_policy on public.sales for select to authenticated
  using (tenant = (select nullif(pg_catalog.current_setting('app.tenant', true), '')));

-- Nobody but the service sees the materialized view: no policy guards it. Sessions see the view on it, which has the condition.
create materialized view public.daily_totals as
  select tenant, product_id, pg_catalog.date_trunc('day', sold_at, 'UTC') as day, pg_catalog.sum(quantity) as quantity, pg_catalog.sum(amount) as amount
  from public.sales group by 1, 2, 3
  with no data;
comment on materialized view public.daily_totals is 'Sales of a day. Not granted to sessions: see my_daily_totals.';
create unique index daily_totals_key on public.daily_totals (tenant, product_id, day);
create view public.my_daily_totals with (security_barrier = true) as
  select product_id, day, quantity, amount from public.daily_totals
  where tenant = (select nullif(pg_catalog.current_setting('app.tenant', true), ''));
comment on view public.my_daily_totals is 'The rows of daily_totals that are the tenant''s.';

revoke all on public.products, public.stores, public.sales, public.daily_totals, public.my_daily_totals from public, anon, authenticated, service_role;
grant select on public.products, public.stores, public.sales, public.my_daily_totals to authenticated;
