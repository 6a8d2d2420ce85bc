-- Purpose: switches off, for this transaction, whatever would write the next statements down, as far as this login may; and says what it may
--   not that would write down a statement that a DO block runs.
-- Parameters: none.
-- Returns: one row: `loud` text, names of settings with which such a statement is written down, or null.
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
