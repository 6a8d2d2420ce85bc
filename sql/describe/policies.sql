-- Purpose: policies of row-level security.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-policy.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', p.polrelid::text,
  'name', p.polname,
  'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
  'permissive', p.polpermissive,
  'roles', (
    select pg_catalog.json_agg(case when g.oid = 0 then 'public' else g.oid::pg_catalog.regrole::text end order by g.oid::pg_catalog.regrole::text collate "C")
    from pg_catalog.unnest(p.polroles) as g (oid)
  ),
  'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
  'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
)) as found
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by p.polrelid, p.polname collate "C"
