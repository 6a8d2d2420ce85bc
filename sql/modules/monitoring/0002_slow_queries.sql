-- tenon.slow_queries(): what pg_stat_statements has seen take most time.
--
-- purpose: works where the extension is there, and says so where it is not: it has to be in shared_preload_libraries,
--   which managed servers have a switch for, and created in the database, which this file tries. Its texts are
--   normalised: constants are $1, $2, ….
-- parameters: none. The function: most integer, how many rows
-- privilege: CREATE on the database; a superuser, or the right to create the extension, where it is missing
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/pgstatstatements.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.slow_queries(integer);

do $extension$
begin
  if not exists (select from pg_catalog.pg_extension where extname = 'pg_stat_statements') then
    -- Supabase keeps extensions in a schema of their own; elsewhere the library's schema is nobody else's.
    if pg_catalog.to_regnamespace('extensions') is not null then
      create extension pg_stat_statements schema extensions;
    else
      create extension pg_stat_statements schema tenon;
    end if;
  end if;
exception when others then
  raise notice 'pg_stat_statements is not here (%): tenon.slow_queries() returns nothing until an administrator creates it', sqlstate;
end
$extension$;

create function tenon.slow_queries(most integer default 20)
  returns table (
    query_id bigint,
    query text,
    calls bigint,
    total_ms double precision,
    mean_ms double precision,
    longest_ms double precision,
    rows_returned bigint,
    hit_percent numeric
  )
  language plpgsql stable
  set search_path = ''
as $function$
declare
  schema_name constant text := (
    select namespace.nspname from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'pg_stat_statements'
  );
begin
  if schema_name is null then
    raise notice 'pg_stat_statements is not in this database: create extension pg_stat_statements, as an administrator';
    return;
  end if;
  return query execute pg_catalog.format(
    $query$
      select statement.queryid, statement.query, statement.calls, statement.total_exec_time, statement.mean_exec_time,
        statement.max_exec_time, statement.rows,
        round(100.0 * statement.shared_blks_hit / nullif(statement.shared_blks_hit + statement.shared_blks_read, 0), 1)
      from %I.pg_stat_statements as statement
      join pg_catalog.pg_database as database on database.oid = statement.dbid
      where database.datname = pg_catalog.current_database()
      order by statement.total_exec_time desc
      limit $1
    $query$,
    schema_name
  ) using most;
exception when object_not_in_prerequisite_state then
  raise notice 'pg_stat_statements is created but not loaded: add it to shared_preload_libraries and restart the server';
end
$function$;

comment on function tenon.slow_queries(integer) is 'The statements that took most time in this database, from pg_stat_statements; nothing, and a notice, where that is not to be had.';

revoke all on function tenon.slow_queries(integer) from public;
grant usage on schema tenon to service_role, pg_monitor;
grant execute on function tenon.slow_queries(integer) to service_role, pg_monitor;
