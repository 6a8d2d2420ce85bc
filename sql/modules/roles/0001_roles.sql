-- The roles that sessions run under, and the one login that may take them.
--
-- purpose: makes anon, authenticated and service_role (they cannot log in) and tenon_login, which can log in, has no right
--   of its own and is a member of anon and authenticated only. On Supabase the first three exist, so only tenon_login is
--   made. Takes TEMPORARY on this database and CREATE on schema public away from PUBLIC where the caller may (a temporary
--   table of one tenant would hide a table from the next); a host role that needs one of them gets it by an own GRANT.
--   Roles that exist are never altered: one that is too powerful stops the file with the SQL that mends it.
--   The password is the host's own step, so that none stands in a file or a log: \password tenon_login in psql, or
--   ALTER ROLE tenon_login PASSWORD '…'.
-- parameters: none
-- privilege: superuser or CREATEROLE (nothing but CONNECT when the roles exist); database owner for the two REVOKEs
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/role-membership.html
-- requires: none
-- transactional: yes
-- kind: core
-- down: none (roles belong to the whole server and other databases may use them; sql/README.md says how to drop them)

do $roles$
declare
  -- On Supabase these three roles, their grants and schema auth belong to the platform.
  on_supabase constant boolean :=
    pg_catalog.to_regrole('supabase_admin') is not null
    and pg_catalog.to_regrole('authenticator') is not null
    and exists (
      select from pg_catalog.pg_namespace as namespace
      where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
    );
  -- Since PostgreSQL 16 INHERIT and SET belong to the single membership, and CREATEROLE gives a creator ADMIN only.
  has_membership_options constant boolean := pg_catalog.current_setting('server_version_num')::integer >= 160000;
  grant_options constant text := case when has_membership_options then ' with inherit false, set true' else '' end;
  may_create_roles constant boolean :=
    (select rolsuper or rolcreaterole from pg_catalog.pg_roles where rolname = current_user);
  owns_database constant boolean := (
    select pg_catalog.pg_has_role(current_user, datdba, 'usage')
    from pg_catalog.pg_database where datname = pg_catalog.current_database()
  );
  wanted constant text[] := case
    when on_supabase then array['tenon_login']
    else array['anon', 'authenticated', 'service_role', 'tenon_login']
  end;
  missing text;
  attributes text;
  wanted_role text;
  problems text;
  mend text;
begin
  -- Each RAISE carries a key in `constraint`: drivers that hide the text of raised errors still tell which one it was.
  select pg_catalog.string_agg(name, ', ' order by ordinal) into missing
  from pg_catalog.unnest(wanted) with ordinality as list (name, ordinal)
  where pg_catalog.to_regrole(name) is null;

  if missing is not null and not may_create_roles then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'roles_createrole_missing',
      message = pg_catalog.format('role %I may not create the missing roles: %s', current_user, missing),
      hint = pg_catalog.format('run this file as a superuser, or first: alter role %I createrole', current_user);
  end if;

  foreach wanted_role in array wanted loop
    continue when pg_catalog.to_regrole(wanted_role) is not null;
    attributes := case wanted_role
      when 'tenon_login' then
        'login noinherit nosuperuser nocreatedb nocreaterole nobypassrls noreplication'
      when 'service_role' then 'nologin bypassrls'
      else 'nologin'
    end;
    begin
      begin
        execute pg_catalog.format('create role %I %s', wanted_role, attributes);
      exception when insufficient_privilege then
        -- BYPASSRLS can be given by superusers only (15), or by a creator who has it (16 and later).
        if wanted_role <> 'service_role' then raise; end if;
        execute 'create role service_role nologin';
      end;
    exception when duplicate_object or unique_violation then
      null; -- another database of this server made the role at this very moment
    end;
  end loop;

  if not (select rolbypassrls or rolsuper from pg_catalog.pg_roles where rolname = 'service_role') then
    raise notice 'service_role has no BYPASSRLS here: it sees the rows of a table only through a policy "to service_role using (true) with check (true)", which every table of tenon has and host tables need too';
  end if;

  -- A session role that can step around row security would make every policy void.
  select pg_catalog.string_agg(rolname, ', ' order by rolname) into problems
  from pg_catalog.pg_roles
  where rolname in ('anon', 'authenticated') and (rolsuper or rolbypassrls);
  if problems is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'roles_session_role_powerful',
      message = pg_catalog.format('role %s exists and bypasses row security', problems),
      hint = pg_catalog.format('check who relies on it, then: alter role %s nosuperuser nobypassrls', problems);
  end if;

  with recursive login as (
    select * from pg_catalog.pg_roles where rolname = 'tenon_login'
  ),
  -- to_jsonb, because the columns inherit_option and set_option exist from 16 on (and "edge", because one is named member).
  membership as (
    select role.rolname, pg_catalog.to_jsonb(edge) as options
    from pg_catalog.pg_auth_members as edge
    join login on login.oid = edge.member
    join pg_catalog.pg_roles as role on role.oid = edge.roleid
  ),
  reached (oid) as (
    select login.oid from login
    union
    select edge.roleid from pg_catalog.pg_auth_members as edge join reached on reached.oid = edge.member
  ),
  finding (problem, mended_by) as (
    select 'has ' || flag.attribute, 'alter role tenon_login no' || flag.attribute
    from login, lateral (values
      ('superuser', rolsuper), ('createdb', rolcreatedb), ('createrole', rolcreaterole),
      ('bypassrls', rolbypassrls), ('replication', rolreplication), ('inherit', rolinherit)
    ) as flag (attribute, is_set)
    where flag.is_set
    union all
    select distinct
      pg_catalog.format('is a member of %I', membership.rolname),
      pg_catalog.format('revoke %I from tenon_login', membership.rolname)
    from membership
    where membership.rolname not in ('anon', 'authenticated')
    union all
    select distinct
      pg_catalog.format('inherits the rights of %I', membership.rolname),
      pg_catalog.format('grant %I to tenon_login with inherit false', membership.rolname)
    from membership
    where membership.rolname in ('anon', 'authenticated') and (membership.options ->> 'inherit_option')::boolean
    union all
    -- What anon and authenticated are members of is the host's affair, unless it undoes row security.
    select
      pg_catalog.format('reaches %I, which bypasses row security or makes roles', role.rolname),
      pg_catalog.format('revoke %I from the role between', role.rolname)
    from reached join pg_catalog.pg_roles as role on role.oid = reached.oid
    where role.rolname <> 'tenon_login'
      and role.rolname not in (select rolname from membership)
      and (role.rolsuper or role.rolbypassrls or role.rolcreaterole)
    union all
    select 'owns objects', 'reassign owned by tenon_login to another role, in each database'
    from login
    where exists (
      select from pg_catalog.pg_shdepend as dependency
      where dependency.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
        and dependency.refobjid = login.oid
        and dependency.deptype = 'o'
    )
  )
  select pg_catalog.string_agg(problem, ', ' order by problem), pg_catalog.string_agg(mended_by, '; ' order by problem)
  into problems, mend
  from finding;
  if problems is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'roles_login_powerful',
      message = 'role tenon_login exists and is more than a powerless login: it ' || problems,
      hint = mend || '; or rename that role, and this file makes a new one';
  end if;

  foreach wanted_role in array array['anon', 'authenticated'] loop
    if not exists (
      select from pg_catalog.pg_auth_members as edge
      where edge.roleid = pg_catalog.to_regrole(wanted_role)
        and edge.member = pg_catalog.to_regrole('tenon_login')
        and coalesce((pg_catalog.to_jsonb(edge) ->> 'set_option')::boolean, true)
    ) then
      begin
        execute pg_catalog.format('grant %I to tenon_login%s', wanted_role, grant_options);
      exception
        when unique_violation then
          null; -- another database of this server granted it at this very moment
        when insufficient_privilege then
          raise exception using
            errcode = 'insufficient_privilege',
            constraint = 'roles_grant_refused',
            message = pg_catalog.format('role %I may not grant %I', current_user, wanted_role),
            hint = pg_catalog.format('as its creator or a superuser: grant %I to tenon_login%s', wanted_role, grant_options);
      end;
    end if;

    -- Whoever runs this may act for a session too (a management connection, tests), as Supabase's postgres may.
    -- pg_has_role(…, 'member') would be true for ADMIN alone, which does not allow SET ROLE.
    if not on_supabase
      and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
      and not exists (
        select from pg_catalog.pg_auth_members as edge
        where edge.roleid = pg_catalog.to_regrole(wanted_role)
          and edge.member = pg_catalog.to_regrole(pg_catalog.quote_ident(current_user))
          and coalesce((pg_catalog.to_jsonb(edge) ->> 'set_option')::boolean, true)
      )
    then
      begin
        execute pg_catalog.format('grant %I to %I%s', wanted_role, current_user, grant_options);
      exception
        when unique_violation then null;
        when insufficient_privilege then
          raise notice 'role % may not take the role %: only tenon_login can run sessions', current_user, wanted_role;
      end;
    end if;
  end loop;

  if not pg_catalog.has_database_privilege('tenon_login', pg_catalog.current_database(), 'connect') then
    if owns_database then
      execute pg_catalog.format('grant connect on database %I to tenon_login', pg_catalog.current_database());
    else
      raise notice 'tenon_login may not connect; as the owner of the database: grant connect on database % to tenon_login',
        pg_catalog.quote_ident(pg_catalog.current_database());
    end if;
  end if;

  if on_supabase then return; end if;

  if pg_catalog.has_database_privilege('public', pg_catalog.current_database(), 'temporary') then
    if owns_database then
      execute pg_catalog.format('revoke temporary on database %I from public', pg_catalog.current_database());
    else
      raise notice 'every role may make temporary tables here; as the owner of the database: revoke temporary on database % from public',
        pg_catalog.quote_ident(pg_catalog.current_database());
    end if;
  end if;

  -- Databases that were made before PostgreSQL 15 still have it.
  if pg_catalog.to_regnamespace('public') is not null
    and pg_catalog.has_schema_privilege('public', 'public', 'create')
  then
    if (
      select pg_catalog.pg_has_role(current_user, nspowner, 'usage')
      from pg_catalog.pg_namespace where nspname = 'public'
    ) then
      revoke create on schema public from public;
    else
      raise notice 'every role may make objects in schema public; as its owner: revoke create on schema public from public';
    end if;
  end if;
end
$roles$;
