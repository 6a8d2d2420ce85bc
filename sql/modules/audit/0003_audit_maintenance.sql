-- tenon.audit_maintain(), audit_retain() and audit_erase(): keeping the log supplied, short and lawful.
--
-- purpose: audit_maintain makes partitions ahead (call it monthly). audit_retain drops whole months that are older than
--   the time to keep. audit_erase takes a person out of the log: rows that the person caused lose subject, actor and
--   values, rows that mention the person (a top-level value equal to the subject) lose their values and key. That an
--   action happened, to which table, when and as which role stays, because without it the log could be emptied by
--   whoever fears it. The erasure is a row itself and does not name whom it was for.
-- parameters: none. The functions: ahead integer, months; keep interval; subject text
-- privilege: ownership of tenon.audit_log, for calling them too
-- oldest postgresql: 15
-- source: https://gdpr-info.eu/art-17-gdpr/
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.audit_erase(text);
--   drop function tenon.audit_retain(interval);
--   drop function tenon.audit_maintain(integer);

create function tenon.audit_maintain(ahead integer default 3) returns setof text
  language sql
  set search_path = ''
begin atomic
  select tenon.create_partitions('tenon.audit_log'::regclass, 'month', audit_maintain.ahead);
end;

comment on function tenon.audit_maintain(integer) is 'Makes the partitions of the coming months, and returns the names of the new ones.';

create function tenon.audit_retain(keep interval) returns setof text
  language plpgsql
  set search_path = ''
as $function$
declare
  dropped text;
begin
  if keep is null or keep < interval '1 day' then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'audit_keep_too_short',
      message = 'audit_retain keeps a day at least';
  end if;
  for dropped in select tenon.drop_partitions('tenon.audit_log', pg_catalog.now() - keep) loop
    insert into tenon.audit_log (schema_name, table_name, action, role, actor, reason)
    values (
      'tenon', dropped, 'RETAIN', session_user,
      nullif(pg_catalog.current_setting('tenon.actor', true), ''), nullif(pg_catalog.current_setting('tenon.reason', true), '')
    );
    return next dropped;
  end loop;
end
$function$;

comment on function tenon.audit_retain(interval) is 'Drops the months that ended longer ago than "keep", and returns the names of their partitions.';

create function tenon.audit_erase(subject text) returns bigint
  language plpgsql
  set search_path = ''
  set tenon.audit_maintenance = 'on'
as $function$
declare
  erased bigint;
begin
  if subject is null or subject = '' then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'audit_no_subject',
      message = 'audit_erase needs a subject';
  end if;
  update tenon.audit_log as entry
  set before = null,
      after = null,
      row_key = case when mentioned.in_key then null else entry.row_key end,
      subject = nullif(entry.subject, audit_erase.subject),
      actor = nullif(entry.actor, audit_erase.subject)
  from (
    select log.id, log.at, exists (
      select from pg_catalog.jsonb_each_text(log.row_key) as field where field.value = audit_erase.subject
    ) as in_key
    from tenon.audit_log as log
    where log.subject = audit_erase.subject
      or log.actor = audit_erase.subject
      or exists (
        select from pg_catalog.jsonb_each_text(
          coalesce(log.before, '{}') operator(pg_catalog.||) coalesce(log.row_key, '{}')
        ) as field where field.value = audit_erase.subject
      )
      or exists (select from pg_catalog.jsonb_each_text(log.after) as field where field.value = audit_erase.subject)
  ) as mentioned
  where entry.id = mentioned.id and entry.at = mentioned.at;
  get diagnostics erased = row_count;
  insert into tenon.audit_log (schema_name, table_name, action, role, actor, reason)
  values (
    'tenon', 'audit_log', 'ERASE', session_user,
    nullif(nullif(pg_catalog.current_setting('tenon.actor', true), ''), audit_erase.subject),
    nullif(pg_catalog.current_setting('tenon.reason', true), '')
  );
  return erased;
end
$function$;

comment on function tenon.audit_erase(text) is 'Takes the values of a person out of the log and returns how many rows were touched; that something happened stays.';

revoke all on function tenon.audit_maintain(integer) from public;
revoke all on function tenon.audit_retain(interval) from public;
revoke all on function tenon.audit_erase(text) from public;
