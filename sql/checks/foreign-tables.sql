-- Purpose: foreign tables that session roles reach. Row security does not guard them: a policy of the remote server sees one login for everybody
--   who shares a user mapping, and none of the claims of a session. Advice: revoke them from session roles, and grant a view with
--   security_barrier whose condition is `owner = (select tenon.subject())`, which is sent along.
-- Parameters: $1 text[] = the session roles of the database.
-- Returns: rows of schema, name, server, role, privileges text[], and mapping: role (one for this role), public (one for everybody) or none.
-- Privilege: none; of mappings one sees that they are there, and no more.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createusermapping.html, https://www.postgresql.org/docs/current/ddl-rowsecurity.html
select
  namespace.nspname::text as schema,
  class.relname::text as name,
  server.srvname::text as server,
  role.rolname::text as role,
  granted.privileges,
  case
    when exists (select from pg_catalog.pg_user_mappings as mapping where mapping.srvid = server.oid and mapping.umuser = role.oid) then 'role'
    when exists (select from pg_catalog.pg_user_mappings as mapping where mapping.srvid = server.oid and mapping.umuser = 0::pg_catalog.oid) then 'public'
    else 'none'
  end as mapping
from pg_catalog.pg_foreign_table as foreign_table
join pg_catalog.pg_class as class on class.oid = foreign_table.ftrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_foreign_server as server on server.oid = foreign_table.ftserver
join pg_catalog.pg_roles as role on role.rolname = any ($1::text[])
cross join lateral (
  select pg_catalog.array_agg(privilege order by privilege) as privileges
  from pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as privilege
  where pg_catalog.has_table_privilege(role.oid, class.oid, privilege)
    or privilege in ('SELECT', 'INSERT', 'UPDATE') and pg_catalog.has_any_column_privilege(role.oid, class.oid, privilege)
) as granted
where granted.privileges is not null and pg_catalog.has_schema_privilege(role.oid, namespace.oid, 'USAGE')
order by 1, 2, 4
