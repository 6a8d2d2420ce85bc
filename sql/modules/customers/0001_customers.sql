-- customers: people somebody sells to.
--
-- purpose: the table of the demo that shows the updated_at trigger.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createtrigger.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".customers;

create table :"schema".customers (
  id uuid not null default pg_catalog.gen_random_uuid(),
  owner_id :id_type not null default cast(tenon.subject() as :id_type),
  name text not null,
  email text,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint customers_pkey primary key (id)
);

comment on table :"schema".customers is 'Customers; the owner sees and changes only the own ones.';

create index customers_owner_id_created_at_idx on :"schema".customers (owner_id, created_at desc, id);

create trigger update_customer_modtime
  before update on :"schema".customers
  for each row execute function tenon.update_modified_column();

alter table :"schema".customers enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy customers_owner_id_policy on :"schema".customers
  for all to authenticated
  using (owner_id = (select cast(tenon.subject() as :id_type)))
  with check (owner_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy customers_service_role_policy on :"schema".customers
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".customers from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".customers to anon;
grant select, insert, update, delete on table :"schema".customers to authenticated, service_role;
