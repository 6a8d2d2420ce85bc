// What tenon/foreign asks the server, and the statements it has quoted there.
// Generated from sql/foreign by codegen/build-sql.ts: change the SQL there, then run `npm run generate`.

/** The texts of sql/foreign, by file name. */
export const foreign: {
  /** sql/foreign/create-server.sql */
  readonly createServer: string
  /** sql/foreign/create-table.sql */
  readonly createTable: string
  /** sql/foreign/import-schema.sql */
  readonly importSchema: string
  /** sql/foreign/keep-quiet.sql */
  readonly keepQuiet: string
  /** sql/foreign/put-mapping.sql */
  readonly putMapping: string
  /** sql/foreign/revoke-tables.sql */
  readonly revokeTables: string
  /** sql/foreign/servers-of-tables.sql */
  readonly serversOfTables: string
  /** sql/foreign/tables-in-schema.sql */
  readonly tablesInSchema: string
} = {
  createServer: `-- Purpose: the statement that makes a foreign server; names and options are quoted here.
-- Parameters: $1 text = name; $2 text = foreign-data wrapper; $3 jsonb = options, texts by name.
-- Returns: one row, one column \`statement\` text. Privilege: none; running it takes USAGE on the wrapper and CREATE on the database.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createserver.html
select pg_catalog.format('create server %I foreign data wrapper %I', $1::text, $2::text) || coalesce((
  select ' options (' || pg_catalog.string_agg(pg_catalog.format('%I %L', option.key, option.value), ', ' order by option.key) || ')'
  from pg_catalog.jsonb_each_text($3::jsonb) as option
), '') as statement
`,
  createTable: `-- Purpose: the statement that makes a foreign table.
-- Parameters: $1 text = schema; $2 text = name; $3 text = server; $4 jsonb = columns, an array of {name, type, notNull}: a type is SQL, which
--   the caller has checked; $5 jsonb = options.
-- Returns: one row, one column \`statement\` text. Privilege: none; running it takes USAGE on the server and CREATE on the schema, and of
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
`,
  importSchema: `-- Purpose: the statement that imports tables of a foreign server.
-- Parameters: $1 text = server; $2 text = remote schema; $3 text = local schema; $4 text[] = only these; $5 text[] = all but these; $6 jsonb = options.
-- Returns: one row, one column \`statement\` text. Privilege: none; running it takes USAGE on the server and CREATE on the schema.
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
`,
  keepQuiet: `-- Purpose: switches off, for this transaction, whatever would write the next statements down, as far as this login may; and says what it may
--   not that would write down a statement that a DO block runs.
-- Parameters: none.
-- Returns: one row: \`loud\` text, names of settings with which such a statement is written down, or null.
-- Privilege: none; a superuser, or who was granted SET on these parameters, switches all of them off.
-- Oldest PostgreSQL: 15, the first with privileges on parameters.
-- Source: https://www.postgresql.org/docs/current/runtime-config-logging.html, https://www.postgresql.org/docs/current/pgstatstatements.html
with wanted (name, value, nested, by_context) as (
  values
    ('log_statement', 'none', null, false),
    ('log_min_duration_statement', '-1', null, false),
    ('log_min_duration_sample', '-1', null, false),
    ('log_transaction_sample_rate', '0', null, false),
    ('log_min_error_statement', 'panic', null, false),
    -- Without the context, in which every message about a statement of a DO block quotes it: also the end of a connection.
    ('log_error_verbosity', 'terse', null, false),
    ('log_parameter_max_length', '0', null, false),
    -- Trees of statements, with their values. Anybody may set these.
    ('debug_print_raw_parse', 'off', 'on', false),
    ('debug_print_parse', 'off', 'on', false),
    ('debug_print_rewritten', 'off', 'on', false),
    ('debug_print_plan', 'off', 'on', false),
    -- Messages that come while a statement of a DO block runs, and quote it in their context.
    ('log_parser_stats', 'off', 'on', true),
    ('log_min_messages', 'panic', 'debug[1-5]', true),
    ('log_lock_waits', 'off', null, true),
    ('client_min_messages', 'error', null, false),
    ('transaction_timeout', '0', null, false),
    ('pg_stat_statements.track', 'none', 'all', false),
    ('pg_stat_statements.track_utility', 'off', null, false),
    ('auto_explain.log_min_duration', '-1', null, false),
    -- Of pgaudit every setting but none keeps nested statements of some kind.
    ('pgaudit.log', 'none', '.*', false)
),
present as materialized (
  select wanted.*, pg_catalog.current_setting(wanted.name, true) as now, pg_catalog.has_parameter_privilege(wanted.name, 'SET')
    or (select context from pg_catalog.pg_settings where pg_settings.name = wanted.name) = 'user' as settable
  from wanted
  -- A superuser may set what no library has defined; that is nothing to switch off.
  where exists (select from pg_catalog.pg_settings where pg_settings.name = wanted.name)
),
-- Whether messages have a context, after this.
context as materialized (
  select not present.settable and present.now <> 'terse' as is_written from present where present.name = 'log_error_verbosity'
),
quiet as materialized (
  select present.name, pg_catalog.set_config(present.name, present.value, true) as value from present where present.settable
  union all
  -- A wait for a lock is written down when it has lasted as long as deadlock_timeout: none is to.
  select 'lock_timeout', pg_catalog.set_config('lock_timeout', greatest(least(
    nullif(lock.setting::integer, 0), (select deadlock.setting::integer / 2 from pg_catalog.pg_settings as deadlock where deadlock.name = 'deadlock_timeout')
  ), 1)::text, true)
  from pg_catalog.pg_settings as lock cross join context cross join present as waits
  where lock.name = 'lock_timeout' and context.is_written and waits.name = 'log_lock_waits' and waits.now = 'on' and not waits.settable
)
select (
    select pg_catalog.string_agg(present.name, ', ' order by present.name)
    from present cross join context
    where not present.settable and present.now ~ ('^(' || present.nested || ')$') and present.now not in ('', 'none')
      and (context.is_written or not present.by_context)
      -- A user mapping is a utility statement.
      and not (present.name = 'pg_stat_statements.track' and exists (
        select from present as utilities where utilities.name = 'pg_stat_statements.track_utility' and (utilities.settable or utilities.now = 'off')
      ))
  ) as loud,
  (select count(*) from quiet) as quiet
`,
  putMapping: `-- Purpose: makes or replaces a user mapping of what lies in pg_temp.tenon_user_mapping: one row with \`server\`, \`login\` (null is PUBLIC) and
--   \`options\`, jsonb as text. The values come there by COPY, whose data no setting of the server writes down.
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
`,
  revokeTables: `-- Purpose: the statements that take back what default privileges gave on foreign tables that this transaction made: no row security guards them.
-- Parameters: $1 text = schema; $2 oid[] = foreign tables that were there before.
-- Returns: rows of \`name\` text, the new tables, and \`statement\` text, null where nothing is to be taken back.
-- Privilege: none; running them takes ownership of the tables.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
select class.relname::text as name, (
  select pg_catalog.format('revoke all on table %I.%I from ', namespace.nspname, class.relname)
    || pg_catalog.string_agg(distinct case acl.grantee when 0::pg_catalog.oid then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end, ', ')
  from pg_catalog.aclexplode(class.relacl) as acl
  where acl.grantee <> class.relowner
) as statement
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1::text and class.relkind = 'f' and class.oid <> all ($2::oid[])
order by class.relname
`,
  serversOfTables: `-- Purpose: the server of each foreign table that a plan names.
-- Parameters: $1 text[] = names of tables, quoted and with their schema.
-- Returns: rows of \`name\` text, as given, \`table\` text, quoted only where it has to be, and \`server\` text.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-foreign-table.html
select asked.name, pg_catalog.format('%I.%I', namespace.nspname, class.relname) as table, server.srvname::text as server
from pg_catalog.unnest($1::text[]) as asked (name)
join pg_catalog.pg_foreign_table as foreign_table on foreign_table.ftrelid = pg_catalog.to_regclass(asked.name)::pg_catalog.oid
join pg_catalog.pg_class as class on class.oid = foreign_table.ftrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_foreign_server as server on server.oid = foreign_table.ftserver
`,
  tablesInSchema: `-- Purpose: which foreign tables a schema has.
-- Parameters: $1 text = schema.
-- Returns: one row, one column \`tables\` oid[] as text.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
select coalesce(pg_catalog.array_agg(class.oid), '{}')::text as tables
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1::text and class.relkind = 'f'
`,
}
