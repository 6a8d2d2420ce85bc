-- Purpose: which foreign tables a schema has.
-- Parameters: $1 text = schema.
-- Returns: one row, one column `tables` oid[] as text.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
select coalesce(pg_catalog.array_agg(class.oid), '{}')::text as tables
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1::text and class.relkind = 'f'
