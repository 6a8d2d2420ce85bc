-- user_activities: what a user did, and whether it was finished.
--
-- purpose: the rows that calculate_activity_score counts.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".user_activities;

create table :"schema".user_activities (
  id bigint generated always as identity,
  user_id :id_type not null default cast(tenon.subject() as :id_type),
  kind text not null,
  completed boolean not null default false,
  created_at timestamptz not null default pg_catalog.now(),
  constraint user_activities_pkey primary key (id),
  constraint user_activities_user_id_fkey foreign key (user_id) references :"schema".profiles (user_id) on delete cascade
);

comment on table :"schema".user_activities is 'What a user did; the user sees and changes only the own rows.';

-- Leads with the column of the policy (and of the foreign key), then serves the last 30 days.
create index user_activities_user_id_created_at_idx on :"schema".user_activities (user_id, created_at desc);

alter table :"schema".user_activities enable row level security;

create policy user_activities_user_id_policy on :"schema".user_activities
  for all to authenticated
  using (user_id = (select cast(tenon.subject() as :id_type)))
  with check (user_id = (select cast(tenon.subject() as :id_type)));

create policy user_activities_service_role_policy on :"schema".user_activities
  for all to service_role using (true) with check (true);

revoke all on table :"schema".user_activities from public, anon, authenticated, service_role;
grant select on table :"schema".user_activities to anon;
grant select, insert, update, delete on table :"schema".user_activities to authenticated, service_role;

-- An identity column needs no right on its sequence; default privileges of the host may have let anon call setval.
revoke all on sequence :"schema".user_activities_id_seq from public, anon, authenticated, service_role;
