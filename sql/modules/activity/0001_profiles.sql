-- profiles: one row per user.
--
-- purpose: the table of the demo that a user owns by being its key.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".profiles;

create table :"schema".profiles (
  user_id :id_type not null default cast(tenon.subject() as :id_type),
  display_name text not null,
  email text,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint profiles_pkey primary key (user_id)
);

comment on table :"schema".profiles is 'One row per user; the user sees and changes only the own one.';

create trigger update_profile_modtime
  before update on :"schema".profiles
  for each row execute function tenon.update_modified_column();

alter table :"schema".profiles enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy profiles_user_id_policy on :"schema".profiles
  for all to authenticated
  using (user_id = (select cast(tenon.subject() as :id_type)))
  with check (user_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy profiles_service_role_policy on :"schema".profiles
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".profiles from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".profiles to anon;
grant select, insert, update, delete on table :"schema".profiles to authenticated, service_role;
