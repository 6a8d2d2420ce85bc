-- Purpose: the settings under which the catalog says the same of the same object, whatever the login's own: every name with its schema,
--   constants in one notation. They hold until the end of the transaction, or of the statement outside one.
-- Parameters: none.
-- Returns: one row, one column `ready` boolean, true. readCatalog puts it before each of the other files.
-- Privilege: EXECUTE on pg_catalog.set_config, which everybody has unless the module restrict-set-config took it away.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/runtime-config-client.html
select pg_catalog.set_config('search_path', '', true) is not null
  and pg_catalog.set_config('quote_all_identifiers', 'off', true) is not null
  and pg_catalog.set_config('datestyle', 'ISO, YMD', true) is not null
  and pg_catalog.set_config('intervalstyle', 'postgres', true) is not null
  and pg_catalog.set_config('timezone', 'UTC', true) is not null
  and pg_catalog.set_config('bytea_output', 'hex', true) is not null
  and pg_catalog.set_config('extra_float_digits', '1', true) is not null
  and pg_catalog.set_config('lc_monetary', 'C', true) is not null as ready
