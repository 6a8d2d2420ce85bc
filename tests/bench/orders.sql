-- Table of the benchmarks: 100,000 orders of 100 tenants, readable under row-level security by tenant.
-- Order i belongs to tenant-(i % 100). A point read is by primary key; the policy then compares the tenant.
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

alter table orders enable row level security;

create policy orders_select_tenant on orders for select to authenticated
  using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')));

grant select on orders to authenticated;
