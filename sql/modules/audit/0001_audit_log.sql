-- tenon.audit_log: who changed what.
--
-- purpose: an append-only table, one partition a month. Nobody but the roles named here reads it, and rows come from the
--   triggers of 0002 only. UPDATE, DELETE and TRUNCATE are refused to its owner too, except by tenon.audit_erase() and
--   tenon.audit_retain(); an owner who drops the trigger, and a superuser, can still do anything: for more than that,
--   ship the rows to another system.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   drop table tenon.audit_log;
--   drop function tenon.keep_audit_log();

create table tenon.audit_log (
  id bigint generated always as identity,
  at timestamptz not null default pg_catalog.clock_timestamp(),
  transaction_id xid8 not null default pg_catalog.pg_current_xact_id(),
  schema_name text not null,
  table_name text not null,
  action text not null,
  -- The primary key, or null where the table has none.
  row_key jsonb,
  before jsonb,
  after jsonb,
  changed text[],
  -- Who really acts (tenon.actor), for whom (the subject of the claims), as which role, and why (tenon.reason).
  actor text,
  subject text,
  role text not null,
  reason text,
  application text,
  constraint audit_log_pkey primary key (id, at),
  constraint audit_log_action_check check (action in ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ERASE', 'RETAIN'))
) partition by range (at);

comment on table tenon.audit_log is 'Append-only: one row per changed row of the tables given to tenon.audit_table(). Read by service_role, and by roles that are granted it and have a policy.';

create index audit_log_table_name_at_idx on tenon.audit_log (schema_name, table_name, at desc);
create index audit_log_subject_at_idx on tenon.audit_log (subject, at desc);

alter table tenon.audit_log enable row level security;

create policy audit_log_service_role_policy on tenon.audit_log
  for select to service_role using (true);

revoke all on table tenon.audit_log from public, anon, authenticated, service_role;
revoke all on sequence tenon.audit_log_id_seq from public, anon, authenticated, service_role;
grant usage on schema tenon to service_role;
grant select on table tenon.audit_log to service_role;

-- A change must never fail because nobody made next month's partition; tenon.default_partition_rows() tells of such rows.
create table tenon.audit_log_default partition of tenon.audit_log default;
comment on table tenon.audit_log_default is 'Rows for whose month no partition was made in time; tenon.audit_maintain() makes them ahead.';
alter table tenon.audit_log_default enable row level security;
revoke all on table tenon.audit_log_default from public, anon, authenticated, service_role;

do $partitions$
begin
  perform tenon.create_partitions('tenon.audit_log', 'month', 3);
end
$partitions$;

create function tenon.keep_audit_log() returns trigger
  language plpgsql
  set search_path = ''
as $function$
begin
  if pg_catalog.current_setting('tenon.audit_maintenance', true) = 'on' then
    return case when tg_op = 'DELETE' then old else new end;
  end if;
  raise exception using
    errcode = 'insufficient_privilege',
    constraint = 'audit_append_only',
    message = pg_catalog.format('%s on tenon.audit_log is refused: it is append-only', tg_op),
    hint = 'tenon.audit_erase() and tenon.audit_retain() are the ways to take something out';
end
$function$;

comment on function tenon.keep_audit_log() is 'Trigger function: refuses whatever is not an INSERT into tenon.audit_log.';
revoke all on function tenon.keep_audit_log() from public;

create trigger audit_log_append_only
  before update or delete on tenon.audit_log
  for each row execute function tenon.keep_audit_log();

create trigger audit_log_append_only_truncate
  before truncate on tenon.audit_log
  for each statement execute function tenon.keep_audit_log();
