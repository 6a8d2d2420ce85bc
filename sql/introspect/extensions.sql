-- Purpose: installed extensions and their schema. Versions differ by server and are no part of it.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-extension.html
select 'extension' as kind, ''::text as schema, null::text as "table", e.extname::text as name, null::text as args, null::json as parent,
  pg_catalog.json_build_object('schema', 'with schema ' || pg_catalog.quote_ident(n.nspname)) as parts
from pg_catalog.pg_extension as e
join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
where $1::text[] is null or n.nspname = any ($1::text[])
