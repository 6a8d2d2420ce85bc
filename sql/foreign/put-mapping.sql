-- Purpose: makes or replaces a user mapping of what lies in pg_temp.tenon_user_mapping: one row with `server`, `login` (null is PUBLIC) and
--   `options`, jsonb as text. The values come there by COPY, whose data no setting of the server writes down.
-- Parameters: none.
-- Returns: nothing. An error keeps its SQLSTATE and loses its text and context, in which the server quotes the statement.
-- Privilege: ownership of the server; or USAGE on it, for a mapping of one's own.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createusermapping.html
do $mapping$
declare
  asked record;
  target text;
  option_list text;
begin
  select given.server, given.login into strict asked from pg_temp.tenon_user_mapping as given;
  target := coalesce(pg_catalog.quote_ident(asked.login), 'public');
  -- Of the table, and not of a variable: its value would stand in the plan, which auto_explain and debug_print_plan write down.
  select pg_catalog.string_agg(pg_catalog.format('%I %L', option.key, option.value), ', ') into option_list
  from pg_temp.tenon_user_mapping as given cross join lateral pg_catalog.jsonb_each_text(given.options::pg_catalog.jsonb) as option;
  execute pg_catalog.format('drop user mapping if exists for %s server %I', target, asked.server);
  execute pg_catalog.format('create user mapping for %s server %I options (%s)', target, asked.server, option_list);
exception when query_canceled or others then
  -- A cancel is none of the others, and its context would quote the statement in the log.
  raise exception using errcode = sqlstate, message = 'the user mapping was not made', constraint = 'foreign_user_mapping';
end
$mapping$
