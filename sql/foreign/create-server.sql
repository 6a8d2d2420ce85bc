-- Purpose: the statement that makes a foreign server; names and options are quoted here.
-- Parameters: $1 text = name; $2 text = foreign-data wrapper; $3 jsonb = options, texts by name.
-- Returns: one row, one column `statement` text. Privilege: none; running it takes USAGE on the wrapper and CREATE on the database.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createserver.html
select pg_catalog.format('create server %I foreign data wrapper %I', $1::text, $2::text) || coalesce((
  select ' options (' || pg_catalog.string_agg(pg_catalog.format('%I %L', option.key, option.value), ', ' order by option.key) || ')'
  from pg_catalog.jsonb_each_text($3::jsonb) as option
), '') as statement
