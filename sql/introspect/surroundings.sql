-- Purpose: what migrations find in a database that they did not make: roles, extensions, and Supabase's schema auth. A replay elsewhere is
--   given the same.
-- Parameters: none.
-- Returns: one row: roles text[]; extensions json, schema by name; supabase boolean.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/view-pg-roles.html
select
  array(select r.rolname::text from pg_catalog.pg_roles as r where r.rolname !~ '^pg_' order by r.rolname collate "C") as roles,
  (
    select coalesce(pg_catalog.json_object_agg(e.extname, n.nspname order by e.extname), '{}')
    from pg_catalog.pg_extension as e join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
  ) as extensions,
  exists (
    select from pg_catalog.pg_namespace as n where n.nspname = 'auth' and n.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
  ) as supabase
