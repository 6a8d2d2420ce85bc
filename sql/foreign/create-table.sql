-- Purpose: the statement that makes a foreign table.
-- Parameters: $1 text = schema; $2 text = name; $3 text = server; $4 jsonb = columns, an array of {name, type, notNull}: a type is SQL, which
--   the caller has checked; $5 jsonb = options.
-- Returns: one row, one column `statement` text. Privilege: none; running it takes USAGE on the server and CREATE on the schema, and of
--   file_fdw pg_read_server_files.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createforeigntable.html
select pg_catalog.format(
  'create foreign table %I.%I (%s) server %I options (%s)', $1::text, $2::text,
  (select pg_catalog.string_agg(
     pg_catalog.format('%I %s%s', field.value ->> 'name', field.value ->> 'type', case when (field.value ->> 'notNull')::boolean then ' not null' end),
     ', ' order by field.ordinality)
   from pg_catalog.jsonb_array_elements($4::jsonb) with ordinality as field),
  $3::text,
  (select pg_catalog.string_agg(pg_catalog.format('%I %L', option.key, option.value), ', ' order by option.key)
   from pg_catalog.jsonb_each_text($5::jsonb) as option)
) as statement
