-- projects: named things with a free-form jsonb column.
--
-- purpose: the table of the demo that is queried by JSON and paged by its owner.
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity
-- privilege: CREATE on the schema, GRANT on it
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/datatype-json.html#JSON-INDEXING
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: demo
-- down:
--   drop table :"schema".projects;

create table :"schema".projects (
  id uuid not null default pg_catalog.gen_random_uuid(),
  owner_id :id_type not null default cast(tenon.subject() as :id_type),
  name text not null,
  slug text not null,
  metadata jsonb not null default '{}',
  status text not null default 'active',
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint projects_pkey primary key (id),
  -- Per owner: a slug that were unique for all would tell one tenant which names another has.
  constraint projects_slug_key unique (owner_id, slug),
  constraint projects_status_check check (status in ('active', 'paused', 'archived'))
);

comment on table :"schema".projects is 'Projects; the owner sees and changes only the own ones.';
comment on column :"schema".projects.metadata is 'Free-form JSON, such as {"tags": ["important"], "priority": 4}; other types at these keys are allowed.';

-- Both lead with the column of the policy. Pages by time; and the list most screens show, which leaves the rest out.
create index projects_owner_id_created_at_idx on :"schema".projects (owner_id, created_at desc, id);
create index projects_owner_id_updated_at_idx on :"schema".projects (owner_id, updated_at desc) where status = 'active';

-- For @>, @? and @@ on the whole document. These operators are not leakproof, so under row-level security PostgreSQL
-- first narrows by owner (the indexes above) and then filters; roles that bypass row security use these two directly.
create index projects_metadata_idx on :"schema".projects using gin (metadata jsonb_path_ops);
-- For `metadata -> 'tags' ? 'important'`: the operator ? needs jsonb_ops, the default class.
create index projects_metadata_tags_idx on :"schema".projects using gin ((metadata -> 'tags'));

create trigger update_project_modtime
  before update on :"schema".projects
  for each row execute function tenon.update_modified_column();

alter table :"schema".projects enable row level security;

-- The subject is cast, never the column: a cast column cannot use its index. The (select …) makes it run once per query.
create policy projects_owner_id_policy on :"schema".projects
  for all to authenticated
  using (owner_id = (select cast(tenon.subject() as :id_type)))
  with check (owner_id = (select cast(tenon.subject() as :id_type)));

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy projects_service_role_policy on :"schema".projects
  for all to service_role using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".projects from public, anon, authenticated, service_role;
grant usage on schema :"schema" to anon, authenticated, service_role;
grant select on table :"schema".projects to anon;
grant select, insert, update, delete on table :"schema".projects to authenticated, service_role;
