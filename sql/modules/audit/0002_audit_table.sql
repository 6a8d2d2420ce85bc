-- tenon.audit_table(): puts a table under audit.
--
-- purpose: attaches triggers that write every changed row into tenon.audit_log:
--     select tenon.audit_table('public.customers', array['card_number'])
--   Excluded columns are named where they changed; their values never reach the log. Call it again to change the list,
--   and after the primary key has changed.
-- parameters: none. The functions: target regclass; excluded_columns text[]
-- privilege: ownership of tenon.audit_log; calling audit_table takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: roles, auth, partitions
-- transactional: yes
-- kind: feature
-- down:
--   do $down$
--   declare
--     audited record;
--   begin
--     for audited in
--       select distinct tgrelid::regclass as target from pg_catalog.pg_trigger
--       where tgfoid = 'tenon.audit_change()'::regprocedure and tgparentid = 0
--     loop
--       perform tenon.unaudit_table(audited.target);
--     end loop;
--   end
--   $down$;
--   drop function tenon.unaudit_table(regclass);
--   drop function tenon.audit_table(regclass, text[]);
--   drop function tenon.audit_change();

-- Definer rights: whoever may change a row need not, and must not, be able to write the log. It reads no table.
create function tenon.audit_change() returns trigger
  language plpgsql
  security definer
  set search_path = ''
as $function$
declare
  key_columns constant text[] := tg_argv[0];
  excluded constant text[] := tg_argv[1];
  old_row jsonb;
  new_row jsonb;
  changed text[];
begin
  if tg_op in ('UPDATE', 'DELETE') then old_row := pg_catalog.to_jsonb(old); end if;
  if tg_op in ('UPDATE', 'INSERT') then new_row := pg_catalog.to_jsonb(new); end if;
  if tg_op = 'UPDATE' then
    changed := array(
      select key from pg_catalog.jsonb_each(new_row) as field (key, value)
      where field.value is distinct from old_row operator(pg_catalog.->) field.key
      order by key
    );
    if changed = '{}' then return null; end if;
  end if;
  insert into tenon.audit_log (
    schema_name, table_name, action, row_key, before, after, changed, actor, subject, role, reason, application
  ) values (
    tg_table_schema,
    tg_table_name,
    tg_op,
    -- The primary key alone. An excluded key would be no key, so it is not excluded here.
    case when key_columns <> '{}' then (
      select pg_catalog.jsonb_object_agg(key, coalesce(new_row, old_row) operator(pg_catalog.->) key)
      from pg_catalog.unnest(key_columns) as list (key)
      where coalesce(new_row, old_row) is not null
    ) end,
    old_row operator(pg_catalog.-) excluded,
    new_row operator(pg_catalog.-) excluded,
    changed,
    nullif(pg_catalog.current_setting('tenon.actor', true), ''),
    tenon.subject(),
    -- Not current_user, which is the owner of this function.
    coalesce(nullif(pg_catalog.current_setting('role', true), 'none'), session_user),
    nullif(pg_catalog.current_setting('tenon.reason', true), ''),
    nullif(pg_catalog.current_setting('application_name', true), '')
  );
  return null;
end
$function$;

comment on function tenon.audit_change() is 'Trigger function: writes what happened to tenon.audit_log. Attached by tenon.audit_table().';
revoke all on function tenon.audit_change() from public;

create function tenon.audit_table(target regclass, excluded_columns text[] default '{}') returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  key_columns constant text[] := array(
    select attribute.attname::text
    from pg_catalog.pg_index as index
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = index.indrelid and attribute.attnum = any (index.indkey)
    where index.indrelid = target and index.indisprimary
    order by attribute.attnum
  );
  unknown text;
begin
  select name into unknown from pg_catalog.unnest(excluded_columns) as list (name)
  where name is null or not exists (
    select from pg_catalog.pg_attribute
    where attrelid = target and attname = name and attnum > 0 and not attisdropped
  )
  limit 1;
  if found or excluded_columns is null then
    raise exception using
      errcode = 'undefined_column',
      constraint = 'audit_unknown_column',
      message = pg_catalog.format('%s has no column %s to exclude', target, coalesce(pg_catalog.quote_ident(unknown), 'null'));
  end if;
  perform tenon.unaudit_table(target);
  execute pg_catalog.format(
    'create trigger tenon_audit_change after insert or update or delete on %s for each row execute function tenon.audit_change(%L, %L)',
    target, key_columns, excluded_columns
  );
  execute pg_catalog.format(
    'create trigger tenon_audit_truncate after truncate on %s for each statement execute function tenon.audit_change(%L, %L)',
    target, key_columns, excluded_columns
  );
end
$function$;

comment on function tenon.audit_table(regclass, text[]) is 'Puts a table under audit, or changes which columns are excluded.';

create function tenon.unaudit_table(target regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
begin
  execute pg_catalog.format('drop trigger if exists tenon_audit_change on %s', target);
  execute pg_catalog.format('drop trigger if exists tenon_audit_truncate on %s', target);
end
$function$;

comment on function tenon.unaudit_table(regclass) is 'Takes a table out of audit; what was written stays.';

revoke all on function tenon.audit_table(regclass, text[]) from public;
revoke all on function tenon.unaudit_table(regclass) from public;
