-- Purpose: schemas, whether the login may look into them, the server's version, and the roles that policies and grants name.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS
select pg_catalog.json_build_object(
  'name', n.nspname,
  'usage', pg_catalog.has_schema_privilege(n.oid, 'usage'),
  'login', current_user,
  'version', pg_catalog.current_setting('server_version_num')::integer,
  'roles', (
    select coalesce(pg_catalog.json_agg(distinct r.rolname), '[]')
    from pg_catalog.pg_class as c
    cross join lateral (
      select g.grantee as oid from pg_catalog.aclexplode(c.relacl) as g where g.grantee <> c.relowner
      union
      select pg_catalog.unnest(p.polroles) from pg_catalog.pg_policy as p where p.polrelid = c.oid
    ) as named
    join pg_catalog.pg_roles as r on r.oid = named.oid and not r.rolsuper and not r.rolbypassrls
    where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm')
  )
) as found
from pg_catalog.pg_namespace as n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by n.nspname collate "C"
