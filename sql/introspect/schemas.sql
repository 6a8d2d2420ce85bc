-- Purpose: the schemas of a database, without the server's own.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows of kind, schema, table, name, args text, parent json, parts json, the shape of every file of this folder: parent is kind,
--   schema, table, name and args of the object that this one belongs to, or null; parts is its definition, by what the parts are called.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-namespace.html
select 'schema' as kind, n.nspname::text as schema, null::text as "table", n.nspname::text as name, null::text as args, null::json as parent,
  json '{}' as parts
from pg_catalog.pg_namespace as n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass and d.objid = n.oid and d.deptype = 'e'
  )
