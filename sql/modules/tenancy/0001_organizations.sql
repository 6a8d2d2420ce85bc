-- Organizations, who belongs to them in which role, and the helper that policies of host tables call.
--
-- purpose: tenants as rows. A table comes under tenancy by a column organization_id, an index on it and policies that
--   compare it with any (array(select tenon_private.organization_ids('member'))); sql/README.md shows one.
--   Roles are owner, admin, member and viewer. Who is admin or owner manages the memberships up to the own role, and
--   nobody above it; everybody may leave; the last owner may neither leave nor be demoted, whoever asks for it.
--   An organization is made by create_organization(name, slug), which makes the caller its owner. There is no INSERT for
--   sessions: RETURNING would ask the policy before the membership exists.
--   Stands once per database, because policies of all its schemas call one helper; a second schema is refused.
-- parameters: :"schema" identifier, where the tables are made; :id_type uuid, text or bigint, the type of a user's identity.
--   tenon_private.organization_ids: minimum_role tenon_private.organization_role, default viewer.
--   create_organization: name text, slug text
-- privilege: CREATE on the database and on the schema, GRANT on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: feature
-- down:
--   drop function :"schema".create_organization(text, text);
--   drop policy organizations_select_policy on :"schema".organizations;
--   drop policy organizations_update_policy on :"schema".organizations;
--   drop policy organizations_delete_policy on :"schema".organizations;
--   drop policy memberships_select_policy on :"schema".memberships;
--   drop policy memberships_insert_policy on :"schema".memberships;
--   drop policy memberships_update_policy on :"schema".memberships;
--   drop policy memberships_delete_policy on :"schema".memberships;
--   drop function tenon_private.organization_ids(tenon_private.organization_role);
--   drop function tenon_private.still_has_owner(uuid);
--   drop table :"schema".memberships, :"schema".organizations;
--   drop function tenon_private.keep_last_owner();
--   drop type tenon_private.organization_role;
--   do $down$
--   begin
--     drop schema tenon_private;
--   exception when dependent_objects_still_exist then
--     null; -- another module has its helpers there too
--   end
--   $down$;

do $once$
begin
  if pg_catalog.to_regtype('tenon_private.organization_role') is not null then
    raise exception using
      errcode = 'duplicate_object',
      constraint = 'tenancy_stands_once',
      message = 'tenancy stands in this database already',
      hint = 'use the organizations that are there: tables of every schema can be put under them';
  end if;
end
$once$;

-- Nobody gets USAGE: a policy is bound to its functions when it is created and needs EXECUTE on them only, so session
-- roles run the helpers through policies and cannot call them by name.
create schema if not exists tenon_private;
comment on schema tenon_private is 'Helpers that policies of tenon call. Not an interface: no role has USAGE.';
revoke all on schema tenon_private from public, anon, authenticated, service_role;

-- In this order, so that >= compares them. The column below is text, since = on an enum is not leakproof and would keep
-- its index from being used under row security; the parameter of a policy is this type, so that a misspelt role fails
-- when the policy is created and not by denying everything.
create type tenon_private.organization_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type tenon_private.organization_role is 'Roles in an organization, the least powerful first.';

create table :"schema".organizations (
  id uuid not null default pg_catalog.gen_random_uuid(),
  name text not null,
  slug text not null,
  created_at timestamptz not null default pg_catalog.now(),
  updated_at timestamptz not null default pg_catalog.now(),
  constraint organizations_pkey primary key (id),
  -- Unique for all, as a part of a URL or a host name is; that a slug is taken can be seen by everybody who tries it.
  constraint organizations_slug_key unique (slug),
  -- A DNS label, in lower case so that Acme and acme are not two.
  constraint organizations_slug_check check (slug ~ '^[a-z0-9](-?[a-z0-9]){0,62}$' and pg_catalog.length(slug) <= 63)
);
comment on table :"schema".organizations is 'Tenants; a member sees the own ones, an admin renames them, an owner deletes them.';

create table :"schema".memberships (
  organization_id uuid not null,
  user_id :id_type not null,
  role text not null,
  created_at timestamptz not null default pg_catalog.now(),
  constraint memberships_pkey primary key (organization_id, user_id),
  constraint memberships_organization_id_fkey foreign key (organization_id)
    references :"schema".organizations (id) on delete cascade,
  constraint memberships_role_check check (role in ('owner', 'admin', 'member', 'viewer'))
);
comment on table :"schema".memberships is 'Who belongs to which organization, in which role; members see the memberships of the own organizations.';

-- All that the helper reads.
create index memberships_user_id_idx on :"schema".memberships (user_id, organization_id) include (role);

-- Defined with its owner's rights: with the caller's, the policy of memberships would call itself (42P17).
create function tenon_private.organization_ids(minimum_role tenon_private.organization_role default 'viewer')
  returns setof uuid
  language sql stable parallel safe security definer
  set search_path = ''
begin atomic
  select membership.organization_id
  from :"schema".memberships as membership
  where membership.user_id = (select cast(tenon.subject() as :id_type))
    and cast(membership.role as tenon_private.organization_role) >= organization_ids.minimum_role;
end;
comment on function tenon_private.organization_ids(tenon_private.organization_role) is 'Organizations that the session''s subject belongs to in this role or a higher one. In a policy: organization_id = any (array(select tenon_private.organization_ids(''member''))), which runs it once per query and uses an index.';
revoke all on function tenon_private.organization_ids(tenon_private.organization_role) from public, anon, service_role;
grant execute on function tenon_private.organization_ids(tenon_private.organization_role) to authenticated;

-- The update changes nothing and is what makes two removals wait for each other: the second then counts anew, or gets
-- 40001 where its snapshot is older. A mere lock on the row would let two of them through under REPEATABLE READ.
create function tenon_private.still_has_owner(organization_id uuid) returns boolean
  language sql volatile security definer
  set search_path = ''
begin atomic
  update :"schema".organizations as organization set name = organization.name
  where organization.id = still_has_owner.organization_id;
  -- An organization that is gone needs no owner: its memberships go with it.
  select not exists (
    select from :"schema".organizations as organization where organization.id = still_has_owner.organization_id
  ) or exists (
    select from :"schema".memberships as membership
    where membership.organization_id = still_has_owner.organization_id and membership.role = 'owner'
  );
end;
comment on function tenon_private.still_has_owner(uuid) is 'Locks the organization against another removal of an owner and tells whether one is left.';
revoke all on function tenon_private.still_has_owner(uuid) from public, anon, authenticated, service_role;

-- Defined with its owner's rights, so that nobody else needs EXECUTE on still_has_owner.
create function tenon_private.keep_last_owner() returns trigger
  language plpgsql security definer
  set search_path = ''
as $function$
begin
  if not tenon_private.still_has_owner(old.organization_id) then
    raise exception using
      errcode = 'check_violation',
      schema = tg_table_schema,
      table = tg_table_name,
      constraint = 'memberships_last_owner_check',
      message = 'an organization keeps at least one owner',
      hint = 'make another member an owner first, or delete the organization';
  end if;
  return null;
end
$function$;
comment on function tenon_private.keep_last_owner() is 'Trigger function: refuses to remove or demote the last owner of an organization.';
revoke all on function tenon_private.keep_last_owner() from public, anon, authenticated, service_role;

-- AFTER, so that one statement may demote one owner and make another. For every role: a service that deletes a user
-- has to decide what becomes of the organization.
create trigger memberships_last_owner_deleted
  after delete on :"schema".memberships
  for each row when (old.role = 'owner')
  execute function tenon_private.keep_last_owner();
create trigger memberships_last_owner_updated
  after update on :"schema".memberships
  for each row when (
    old.role = 'owner' and (new.role <> 'owner' or new.organization_id <> old.organization_id)
  )
  execute function tenon_private.keep_last_owner();

create trigger update_organization_modtime
  before update on :"schema".organizations
  for each row when (old.* is distinct from new.*)
  execute function tenon.update_modified_column();

-- Defined with its owner's rights: the first membership of an organization is the one that no policy could allow.
create function :"schema".create_organization(name text, slug text) returns :"schema".organizations
  language sql volatile security definer
  set search_path = ''
begin atomic
  with made as (
    insert into :"schema".organizations (name, slug)
    values (create_organization.name, create_organization.slug)
    returning *
  ), owned as (
    -- Without a subject this is null, and the whole call fails with 23502.
    insert into :"schema".memberships (organization_id, user_id, role)
    select made.id, cast(tenon.subject() as :id_type), 'owner' from made
  )
  select made.* from made;
end;
comment on function :"schema".create_organization(text, text) is 'Makes an organization whose owner is the session''s subject, and returns it. 23505 when the slug is taken.';
revoke all on function :"schema".create_organization(text, text) from public, anon, service_role;
grant execute on function :"schema".create_organization(text, text) to authenticated;

alter table :"schema".organizations enable row level security;
alter table :"schema".memberships enable row level security;

create policy organizations_select_policy on :"schema".organizations
  for select to authenticated
  using (id = any (array(select tenon_private.organization_ids())));
create policy organizations_update_policy on :"schema".organizations
  for update to authenticated
  using (id = any (array(select tenon_private.organization_ids('admin'))))
  with check (id = any (array(select tenon_private.organization_ids('admin'))));
create policy organizations_delete_policy on :"schema".organizations
  for delete to authenticated
  using (id = any (array(select tenon_private.organization_ids('owner'))));

create policy memberships_select_policy on :"schema".memberships
  for select to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids())));
-- Up to the own role: an admin neither makes an owner nor touches one, and so cannot promote itself.
create policy memberships_insert_policy on :"schema".memberships
  for insert to authenticated
  with check (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  );
create policy memberships_update_policy on :"schema".memberships
  for update to authenticated
  using (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  )
  with check (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
  );
-- The same, and everybody may leave.
create policy memberships_delete_policy on :"schema".memberships
  for delete to authenticated
  using (
    organization_id = any (array(select tenon_private.organization_ids('owner')))
    or (role <> 'owner' and organization_id = any (array(select tenon_private.organization_ids('admin'))))
    or user_id = (select cast(tenon.subject() as :id_type))
  );

-- For servers where nobody may give BYPASSRLS; without effect where service_role has it.
create policy organizations_service_role_policy on :"schema".organizations
  for all to service_role using (true) with check (true);
create policy memberships_service_role_policy on :"schema".memberships
  for all to service_role using (true) with check (true);
-- For the functions above, which run as the owner: under FORCE ROW LEVEL SECURITY they would see nothing without it.
create policy organizations_definer_policy on :"schema".organizations
  for all to current_user using (true) with check (true);
create policy memberships_definer_policy on :"schema".memberships
  for all to current_user using (true) with check (true);

-- Default privileges of the host (Supabase grants ALL) would leave TRUNCATE, which no policy stops.
revoke all on table :"schema".organizations, :"schema".memberships from public, anon, authenticated, service_role;
grant usage on schema :"schema" to authenticated, service_role;
grant select, update (name, slug), delete on table :"schema".organizations to authenticated;
grant select, insert, update (role), delete on table :"schema".memberships to authenticated;
grant select, insert, update, delete on table :"schema".organizations, :"schema".memberships to service_role;
