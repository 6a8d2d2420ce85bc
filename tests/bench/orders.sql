-- Tables of the benchmarks, all under row-level security by tenant: 100 tenants with 50 customers, 1,000 orders of 3 items each; notes to
-- be written, and events of two tenants to be streamed. Order i belongs to tenant-(i % 100) and customer i % 5000, and is i minutes old.
-- A point read is by primary key; the policy then compares the tenant. Policies read their setting once per statement, as an InitPlan.
create table customers (
  id bigint primary key,
  tenant_id text not null,
  name text not null,
  email text not null
);

insert into customers
select i, 'tenant-' || (i % 100), 'Customer ' || i, 'customer-' || i || '@example.org'
from generate_series(0, 4999) as i;

create index customers_tenant_id_idx on customers (tenant_id);

create table orders (
  id bigint primary key,
  customer_id bigint not null,
  tenant_id text not null,
  total numeric(12, 2) not null,
  metadata jsonb not null,
  created_at timestamptz not null
);

insert into orders
select
  i,
  i % 5000,
  'tenant-' || (i % 100),
  (i % 10000) / 100.0,
  jsonb_build_object('tags', jsonb_build_array('new', 'web'), 'priority', i % 5, 'note', md5(i::text)),
  timestamptz '2026-01-01 00:00:00+00' - i * interval '1 minute'
from generate_series(1, 100000) as i;

create index orders_tenant_id_created_at_idx on orders (tenant_id, created_at);

create index orders_customer_id_created_at_idx on orders (customer_id, created_at);

-- The same for those whom the policy adds a condition: without its column in the index, the planner, which takes customer and tenant for
-- independent, joins two indexes to find 20 rows.
create index orders_customer_id_tenant_id_created_at_idx on orders (customer_id, tenant_id, created_at);

create table order_items (
  order_id bigint not null,
  line integer not null,
  tenant_id text not null,
  sku text not null,
  price numeric(12, 2) not null,
  primary key (order_id, line)
);

insert into order_items
select i, line, 'tenant-' || (i % 100), 'sku-' || (i + line) % 1000, (i % 1000) / 10.0
from generate_series(1, 100000) as i, generate_series(1, 3) as line;

-- Checked once for all rows, and not for each.
alter table orders add foreign key (customer_id) references customers;
alter table order_items add foreign key (order_id) references orders;

create table notes (
  id bigint generated always as identity primary key,
  tenant_id text not null,
  subject text not null,
  body text not null,
  created_at timestamptz not null default now()
);

create index notes_tenant_id_idx on notes (tenant_id);

create table events (
  id bigint primary key,
  tenant_id text not null,
  kind text not null,
  occurred_at timestamptz not null
);

insert into events
select i, 'tenant-' || (i % 2), 'kind-' || i % 7, timestamptz '2026-01-01 00:00:00+00' + i * interval '1 second'
from generate_series(1, 40000) as i;

create index events_tenant_id_id_idx on events (tenant_id, id);

-- What a report costs that nobody indexed for: whoever reads it waits for 200 ms.
create view slow_reports with (security_invoker = true) as
select 1 as id, pg_sleep(0.2)::text as slept;

alter table customers enable row level security;
alter table orders enable row level security;
alter table order_items enable row level security;
alter table notes enable row level security;
alter table events enable row level security;

create policy customers_select_tenant on customers for select to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

create policy orders_select_tenant on orders for select to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

create policy order_items_select_tenant on order_items for select to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

create policy notes_all_tenant on notes to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')))
  with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

create policy events_select_tenant on events for select to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

grant select on customers, orders, order_items, events, slow_reports to authenticated;
grant select, insert on notes to authenticated;
