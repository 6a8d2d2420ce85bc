-- Refreshing materialized views: one at a time, remembered, and only when they are too old.
--
-- purpose: tenon.refresh_view(view) refreshes a materialized view and writes down that it did: tenon.view_refreshes keeps the
--   last 100 refreshes of each. Two callers wait for each other (or, with wait => false, the second is told that the view is
--   busy), and with max_age the second finds it fresh: it is refreshed once.
--   What the query of a view fails with is returned and remembered as an SQLSTATE and not raised: an error would roll back the
--   memory of it. What is no fault of the view is raised and not remembered: a caller who may not refresh it, locks that are not
--   had in time, deadlocks, timeouts and cancels. A view that was never filled is refreshed plainly, also concurrently.
--   tenon.view_freshness(view) says when a view was last refreshed, to sessions too. It has its owner's rights, because sessions
--   see nothing of the table behind it, and gives no more than times and an SQLSTATE.
-- parameters: none. The functions: view regclass; concurrent boolean, so that readers read on (takes a unique index);
--   max_age interval, null refreshes always; wait boolean. Statuses: refreshed, fresh, busy, unindexed, failed
-- privilege: CREATE on the database; refreshing takes ownership of the view, or MAINTAIN on it (PostgreSQL 17), and SELECT
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.view_freshness(regclass);
--   drop function tenon.refresh_view(regclass, boolean, interval, boolean);
--   drop table tenon.view_refreshes;

create schema if not exists tenon;

create table tenon.view_refreshes (
  id bigint generated always as identity,
  view regclass not null,
  concurrent boolean not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  row_count bigint,
  refreshed_by text not null,
  error_code text,
  constraint view_refreshes_pkey primary key (id),
  constraint view_refreshes_row_count_check check ((row_count is null) = (error_code is not null))
);

comment on table tenon.view_refreshes is 'One row per refresh of a materialized view: when, how long, how many rows, by whom, or the SQLSTATE it failed with.';

create index view_refreshes_view_id_idx on tenon.view_refreshes (view, id desc);

alter table tenon.view_refreshes enable row level security;

create policy view_refreshes_service_role_policy on tenon.view_refreshes
  for all to service_role using (true) with check (true);

create function tenon.refresh_view(
  view regclass,
  concurrent boolean default false,
  max_age interval default null,
  wait boolean default true
) returns table (status text, started_at timestamptz, finished_at timestamptz, row_count bigint, error_code text)
  language plpgsql
  set search_path = ''
as $function$
declare
  -- "tenr" and the view: no other lock of ours has these upper 32 bits.
  lock_key constant bigint := (x'74656e72'::bigint << 32) | view::oid::bigint;
  filled boolean;
  owned boolean;
  refreshed_at timestamptz;
begin
  select class.relispopulated, pg_catalog.pg_has_role(class.relowner, 'USAGE') into filled, owned
  from pg_catalog.pg_class as class where class.oid = view and class.relkind = 'm';
  if filled is null then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'refresh_view_kind',
      message = pg_catalog.format('%s is no materialized view', view),
      hint = 'create materialized view …';
  end if;
  -- Asked before: later, the same SQLSTATE is that of the view's owner on the tables below it.
  owned := owned or case
    when pg_catalog.current_setting('server_version_num')::integer >= 170000
      then pg_catalog.has_table_privilege(view, 'MAINTAIN')
    else false
  end;
  if not owned or not pg_catalog.has_table_privilege(view, 'SELECT') then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'refresh_view_privilege',
      message = pg_catalog.format('%s may not refresh %s', current_user, view),
      hint = 'It takes the owner of the view, or MAINTAIN (PostgreSQL 17), and SELECT.';
  end if;

  if wait then
    perform pg_catalog.pg_advisory_xact_lock(lock_key);
  elsif not pg_catalog.pg_try_advisory_xact_lock(lock_key) then
    status := 'busy';
    return next;
    return;
  end if;

  -- Asked for behind the lock: whoever had it may just have refreshed.
  select refresh.finished_at, refresh.started_at, refresh.row_count into refreshed_at, started_at, row_count
  from tenon.view_refreshes as refresh
  where refresh.view = refresh_view.view and refresh.error_code is null
  order by refresh.id desc limit 1;
  select class.relispopulated into filled from pg_catalog.pg_class as class where class.oid = view;
  -- Its age is that of what it shows, which is as old as the beginning of its refresh.
  if filled and max_age is not null and started_at >= pg_catalog.clock_timestamp() - max_age then
    status := 'fresh';
    finished_at := refreshed_at;
    return next;
    return;
  end if;

  row_count := null;
  if concurrent and not exists (
    select from pg_catalog.pg_index as index
    where index.indrelid = view and index.indisunique and index.indimmediate and index.indisvalid
      and index.indpred is null and index.indexprs is null
  ) then
    status := 'unindexed';
    return next;
    return;
  end if;

  -- A transaction that sees one state of the database fills the view with that.
  started_at := case
    when pg_catalog.current_setting('transaction_isolation') in ('repeatable read', 'serializable')
      then pg_catalog.transaction_timestamp()
    else pg_catalog.clock_timestamp()
  end;
  begin
    execute pg_catalog.format(
      'refresh materialized view %s %s', case when concurrent and filled then 'concurrently' else '' end, view
    );
    execute pg_catalog.format('select pg_catalog.count(*) from %s', view) into row_count;
    status := 'refreshed';
  exception
    when serialization_failure or deadlock_detected or lock_not_available or object_in_use then
      raise;
    when others then
      get stacked diagnostics error_code = returned_sqlstate;
      row_count := null;
      status := 'failed';
  end;
  finished_at := pg_catalog.clock_timestamp();

  insert into tenon.view_refreshes (view, concurrent, started_at, finished_at, row_count, refreshed_by, error_code)
  values (
    view, concurrent and filled, started_at, finished_at, row_count,
    coalesce(nullif(pg_catalog.current_setting('tenon.actor', true), ''), session_user), error_code
  );
  delete from tenon.view_refreshes as old
  where old.view = refresh_view.view and old.id <= (
    select kept.id from tenon.view_refreshes as kept where kept.view = refresh_view.view order by kept.id desc offset 100 limit 1
  );
  return next;
end
$function$;

comment on function tenon.refresh_view(regclass, boolean, interval, boolean) is 'Refreshes a materialized view unless it is younger than "max_age", and writes it down. Returns refreshed, fresh, busy, unindexed or failed.';

create function tenon.view_freshness(view regclass)
  returns table (data_as_of timestamptz, refreshed_at timestamptz, failed_at timestamptz, error_code text, answered_at timestamptz)
  language sql stable security definer
  set search_path = ''
as $function$
  select good.started_at, good.finished_at, bad.finished_at, bad.error_code, pg_catalog.statement_timestamp()
  from (select view_freshness.view as view) as asked
  left join lateral (
    select refresh.id, refresh.started_at, refresh.finished_at from tenon.view_refreshes as refresh
    where refresh.view = asked.view and refresh.error_code is null
      -- Emptied by somebody else since, it shows nothing of any time.
      and exists (select from pg_catalog.pg_class as class where class.oid = asked.view and class.relispopulated)
    order by refresh.id desc limit 1
  ) as good on true
  left join lateral (
    select refresh.finished_at, refresh.error_code from tenon.view_refreshes as refresh
    where refresh.view = asked.view order by refresh.id desc limit 1
  ) as bad on bad.error_code is not null
$function$;

comment on function tenon.view_freshness(regclass) is 'When a materialized view was last refreshed, and the SQLSTATE of the latest refresh if that failed. Has its owner''s rights: sessions do not see the table behind it.';

revoke all on table tenon.view_refreshes from public, anon, authenticated, service_role;
revoke all on sequence tenon.view_refreshes_id_seq from public, anon, authenticated, service_role;
revoke all on function tenon.refresh_view(regclass, boolean, interval, boolean) from public;
revoke all on function tenon.view_freshness(regclass) from public;
grant usage on schema tenon to authenticated, service_role;
grant select, insert, update, delete on table tenon.view_refreshes to service_role;
grant execute on function tenon.refresh_view(regclass, boolean, interval, boolean) to service_role;
grant execute on function tenon.view_freshness(regclass) to authenticated, service_role;
