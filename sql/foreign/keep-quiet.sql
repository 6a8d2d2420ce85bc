-- Purpose: switches off, for this transaction, whatever would write the next statements down, as far as this login may; and says what it may
--   not that would write down a statement that a DO block runs.
-- Parameters: none.
-- Returns: one row: `loud` text, names of settings with which nested statements are kept, or null.
-- Privilege: none; a superuser, or who was granted SET on these parameters, switches all of them off.
-- Oldest PostgreSQL: 15, the first with privileges on parameters.
-- Source: https://www.postgresql.org/docs/current/runtime-config-logging.html, https://www.postgresql.org/docs/current/pgstatstatements.html
with wanted (name, value, nested) as (
  values
    ('log_statement', 'none', null),
    ('log_min_duration_statement', '-1', null),
    ('log_min_duration_sample', '-1', null),
    ('log_transaction_sample_rate', '0', null),
    ('log_min_error_statement', 'panic', null),
    -- Without the context, in which the end of a connection would quote the statement that it ended.
    ('log_error_verbosity', 'terse', null),
    ('log_parameter_max_length', '0', null),
    ('pg_stat_statements.track', 'none', 'all'),
    ('auto_explain.log_min_duration', '-1', null),
    -- Of pgaudit every setting but none keeps nested statements of some kind.
    ('pgaudit.log', 'none', '.*')
),
present as materialized (
  select wanted.*, pg_catalog.current_setting(wanted.name, true) as now, pg_catalog.has_parameter_privilege(wanted.name, 'SET') as settable
  from wanted
  -- A superuser may set what no library has defined; that is nothing to switch off.
  where exists (select from pg_catalog.pg_settings where pg_settings.name = wanted.name)
),
quiet as materialized (
  select present.name, pg_catalog.set_config(present.name, present.value, true) as value from present where present.settable
)
select (select pg_catalog.string_agg(present.name, ', ' order by present.name) from present
  where not present.settable and present.now ~ ('^(' || present.nested || ')$') and present.now not in ('', 'none')) as loud,
  (select count(*) from quiet) as quiet
