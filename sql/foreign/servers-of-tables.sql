-- Purpose: the server of each foreign table that a plan names.
-- Parameters: $1 text[] = names of tables, quoted and with their schema.
-- Returns: rows of `name` text, as given, `table` text, quoted only where it has to be, and `server` text.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-foreign-table.html
select asked.name, pg_catalog.format('%I.%I', namespace.nspname, class.relname) as table, server.srvname::text as server
from pg_catalog.unnest($1::text[]) as asked (name)
join pg_catalog.pg_foreign_table as foreign_table on foreign_table.ftrelid = pg_catalog.to_regclass(asked.name)::pg_catalog.oid
join pg_catalog.pg_class as class on class.oid = foreign_table.ftrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_foreign_server as server on server.oid = foreign_table.ftserver
