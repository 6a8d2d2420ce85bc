-- Purpose: the statement that imports tables of a foreign server.
-- Parameters: $1 text = server; $2 text = remote schema; $3 text = local schema; $4 text[] = only these; $5 text[] = all but these; $6 jsonb = options.
-- Returns: one row, one column `statement` text. Privilege: none; running it takes USAGE on the server and CREATE on the schema.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-importforeignschema.html
select pg_catalog.format('import foreign schema %I', $2::text)
  || coalesce(' limit to (' || (select pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ') from pg_catalog.unnest($4::text[]) as name) || ')', '')
  || coalesce(' except (' || (select pg_catalog.string_agg(pg_catalog.quote_ident(name), ', ') from pg_catalog.unnest($5::text[]) as name) || ')', '')
  || pg_catalog.format(' from server %I into %I', $1::text, $3::text)
  || coalesce((
    select ' options (' || pg_catalog.string_agg(pg_catalog.format('%I %L', option.key, option.value), ', ' order by option.key) || ')'
    from pg_catalog.jsonb_each_text($6::jsonb) as option
  ), '') as statement
