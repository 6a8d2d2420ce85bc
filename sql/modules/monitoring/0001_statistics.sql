-- Views of the server's own statistics, for people and for alerts.
--
-- purpose: tenon.table_health, index_usage, connection_counts, long_transactions, database_size and cache_hit. They show
--   numbers and names of objects and never the text of somebody's query, which can hold values. What a role sees of other
--   roles' sessions is what PostgreSQL lets it see: grant pg_monitor for all of it.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/monitoring-stats.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop view tenon.cache_hit;
--   drop view tenon.database_size;
--   drop view tenon.long_transactions;
--   drop view tenon.connection_counts;
--   drop view tenon.index_usage;
--   drop view tenon.table_health;

create schema if not exists tenon;

create view tenon.table_health with (security_invoker = true) as
  select
    stat.schemaname as schema_name,
    stat.relname as table_name,
    stat.n_live_tup as live_rows,
    stat.n_dead_tup as dead_rows,
    round(100.0 * stat.n_dead_tup / nullif(stat.n_live_tup + stat.n_dead_tup, 0), 1) as dead_percent,
    stat.n_mod_since_analyze as changes_since_analyze,
    greatest(stat.last_vacuum, stat.last_autovacuum) as last_vacuum,
    greatest(stat.last_analyze, stat.last_autoanalyze) as last_analyze,
    stat.seq_scan as sequential_scans,
    coalesce(stat.idx_scan, 0) as index_scans,
    pg_catalog.pg_total_relation_size(stat.relid) as bytes,
    pg_catalog.age(class.relfrozenxid) as transactions_since_freeze
  from pg_catalog.pg_stat_user_tables as stat
  join pg_catalog.pg_class as class on class.oid = stat.relid;

comment on view tenon.table_health is 'One row per table: live and dead rows, when it was vacuumed and analyzed, how it is read, its size with indexes, its age.';

create view tenon.index_usage with (security_invoker = true) as
  select
    namespace.nspname as schema_name,
    class.relname as table_name,
    index_class.relname as index_name,
    coalesce(stat.idx_scan, 0) as scans,
    pg_catalog.pg_relation_size(index.indexrelid) as bytes,
    index.indisvalid as is_valid,
    index.indisunique as is_unique,
    -- The same columns, operators, expressions and condition as an older index of the table.
    exists (
      select from pg_catalog.pg_index as twin
      where twin.indrelid = index.indrelid and twin.indexrelid < index.indexrelid
        and twin.indkey::text = index.indkey::text and twin.indclass::text = index.indclass::text
        and twin.indcollation::text = index.indcollation::text and twin.indoption::text = index.indoption::text
        and twin.indexprs::text is not distinct from index.indexprs::text
        and twin.indpred::text is not distinct from index.indpred::text
    ) as is_duplicate
  from pg_catalog.pg_index as index
  join pg_catalog.pg_class as index_class on index_class.oid = index.indexrelid
  join pg_catalog.pg_class as class on class.oid = index.indrelid
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
  left join pg_catalog.pg_stat_user_indexes as stat on stat.indexrelid = index.indexrelid
  where namespace.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
    and namespace.nspname not like 'pg\_temp\_%' and namespace.nspname not like 'pg\_toast\_temp\_%';

comment on view tenon.index_usage is 'One row per index: how often it was scanned since the statistics were reset, its size, whether it is valid, unique or a duplicate.';

create view tenon.connection_counts with (security_invoker = true) as
  select
    coalesce(activity.state, 'unknown') as state,
    pg_catalog.count(*) as connections,
    pg_catalog.current_setting('max_connections')::pg_catalog.int4 as limit_of_server
  from pg_catalog.pg_stat_activity as activity
  where activity.backend_type = 'client backend' or activity.backend_type is null
  group by activity.state;

comment on view tenon.connection_counts is 'Connections of clients to the whole server, by state.';

create view tenon.long_transactions with (security_invoker = true) as
  select
    activity.pid,
    activity.usename as login,
    activity.application_name as application,
    activity.state,
    pg_catalog.clock_timestamp() - activity.xact_start as transaction_age,
    pg_catalog.clock_timestamp() - activity.state_change as in_state_for,
    activity.wait_event_type,
    activity.wait_event,
    pg_catalog.pg_blocking_pids(activity.pid) as blocked_by
  from pg_catalog.pg_stat_activity as activity
  where activity.xact_start is not null and activity.pid <> pg_catalog.pg_backend_pid();

comment on view tenon.long_transactions is 'Transactions that are open on this server, without the text of their queries; order by transaction_age desc for the oldest.';

create view tenon.database_size with (security_invoker = true) as
  select
    database.datname as database_name,
    pg_catalog.pg_database_size(database.oid) as bytes,
    pg_catalog.age(database.datfrozenxid) as transactions_since_freeze
  from pg_catalog.pg_database as database
  where database.datname = pg_catalog.current_database();

comment on view tenon.database_size is 'The size of this database, and its age in transactions: 2 billion is the end.';

create view tenon.cache_hit with (security_invoker = true) as
  select
    stat.blks_hit as blocks_from_memory,
    stat.blks_read as blocks_read,
    round(100.0 * stat.blks_hit / nullif(stat.blks_hit + stat.blks_read, 0), 2) as hit_percent,
    stat.deadlocks,
    stat.temp_bytes,
    stat.xact_rollback as rollbacks,
    stat.stats_reset as since
  from pg_catalog.pg_stat_database as stat
  where stat.datname = pg_catalog.current_database();

comment on view tenon.cache_hit is 'How much of this database was read from memory, with deadlocks, spilled bytes and rollbacks since the statistics were reset.';

revoke all on
  tenon.table_health, tenon.index_usage, tenon.connection_counts, tenon.long_transactions, tenon.database_size, tenon.cache_hit
  from public, anon, authenticated, service_role;
grant usage on schema tenon to service_role, pg_monitor;
grant select on
  tenon.table_health, tenon.index_usage, tenon.connection_counts, tenon.long_transactions, tenon.database_size, tenon.cache_hit
  to service_role, pg_monitor;
