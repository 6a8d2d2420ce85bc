-- tenon.watch_table(): tells which rows of a table were changed, by NOTIFY or through the outbox.
--
-- purpose: after a statement that changed rows, their primary keys are told, never their values:
--     select tenon.watch_table('public.orders');
--   on a channel of the table, which tenon.change_channel() names; payload {"operation": "update", "keys": [["17"]]}, with the key's
--   columns in order, as text in ISO form and UTC. A key that an UPDATE changed is told as a delete of the old one. Of more than max_keys rows only their number is told, {"operation": "insert", "rows": 5000}: whoever follows
--   reads again. NOTIFY does not keep anything for those who are away. With durable each row is an event of topic changes:schema.table in
--   tenon.outbox, with the row's key as its key, and nothing is lost; that takes the module outbox.
--   Any login of the database can listen, and learns the keys of all rows: they should say nothing by themselves.
--   Rows that are written straight into a partition are told by triggers of that partition alone: watch it as well.
--   tenon.unwatch_table() takes it away. TRUNCATE is told as {"operation": "truncate"}, without keys.
-- parameters: none. tenon.watch_table: target regclass, durable boolean default false, max_keys integer default 100, 1 to 10000
-- privilege: CREATE on the database; calling it takes the right to make triggers on the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createtrigger.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.watch_table(regclass, boolean, integer) cascade;
--   drop function tenon.unwatch_table(regclass);
--   drop function tenon.tell_changes() cascade;
--   drop function tenon.enqueue_changes() cascade;
--   drop function tenon.change_channel(regclass);

create schema if not exists tenon;

create function tenon.change_channel(target regclass) returns text
  language sql stable
  set search_path = ''
begin atomic
  -- A channel has 63 bytes, and a table's name can have as many.
  select 'tenon_changes_' operator(pg_catalog.||) pg_catalog.md5(
    namespace.nspname operator(pg_catalog.||) '.' operator(pg_catalog.||) class.relname
  )
  from pg_catalog.pg_class as class
  join pg_catalog.pg_namespace as namespace on namespace.oid operator(pg_catalog.=) class.relnamespace
  where class.oid operator(pg_catalog.=) change_channel.target;
end;
comment on function tenon.change_channel(regclass) is 'The channel on which changes of a table are told: tenon_changes_ and the md5 of schema.table.';

-- Arguments of both: columns of the key as a JSON array, how many keys are told, the channel or topic. Transition tables are called
-- changed and, of an UPDATE, gone. format() prints by the type's own output function: a cast could be somebody's function.

-- Runs as whoever changes the table, and needs nothing of schema tenon.
create function tenon.tell_changes() returns trigger
  language plpgsql
  set search_path = ''
  set datestyle = 'ISO, MDY'
  set intervalstyle = 'postgres'
  set timezone = 'UTC'
  set bytea_output = 'hex'
as $function$
declare
  max_keys constant integer := tg_argv[1];
  channel constant text := tg_argv[2];
  operation constant text := pg_catalog.lower(tg_op);
  key_text text;
  source record;
  changed_rows bigint;
  part text;
begin
  if tg_op = 'TRUNCATE' then
    perform pg_catalog.pg_notify(channel, pg_catalog.jsonb_build_object('operation', operation)::text);
    return null;
  end if;
  key_text := (
    select pg_catalog.format('pg_catalog.jsonb_build_array(%s)', pg_catalog.string_agg(pg_catalog.format('pg_catalog.format(''%%s'', %I)', name), ', '))
    from pg_catalog.jsonb_array_elements_text(tg_argv[0]::pg_catalog.jsonb) as name
  );
  for source in
    select told.operation, told.keys
    from (values
      (1, 'delete', pg_catalog.format('select %1$s as value from gone except select %1$s from changed', key_text)),
      (2, operation, pg_catalog.format('select %s as value from changed', key_text))
    ) as told (place, operation, keys)
    where tg_op = 'UPDATE' or told.place = 2
    order by told.place
  loop
    execute pg_catalog.format('select pg_catalog.count(*) from (%s) as row_key', source.keys) into changed_rows;
    continue when changed_rows = 0;
    if changed_rows > max_keys then
      perform pg_catalog.pg_notify(
        channel, pg_catalog.jsonb_build_object('operation', source.operation, 'rows', changed_rows)::text
      );
      continue;
    end if;
    -- In parts that fit into a payload of 7,999 bytes, with room for what is around the keys.
    for part in execute pg_catalog.format(
      $sql$
        select pg_catalog.jsonb_build_object('operation', $1, 'keys', pg_catalog.jsonb_agg(sized.value order by sized.place))::text
        from (
          select counted.*, pg_catalog.sum(counted.bytes) over (order by counted.place) as running
          from (
            select row_key.value, pg_catalog.octet_length(row_key.value::text) + 2 as bytes, pg_catalog.row_number() over () as place
            from (%s) as row_key
          ) as counted
        ) as sized
        group by sized.running / 3900
        order by pg_catalog.min(sized.place)
      $sql$,
      source.keys
    ) using source.operation loop
      if pg_catalog.octet_length(part) > 7900 then
        part := pg_catalog.jsonb_build_object('operation', source.operation, 'rows', changed_rows)::text;
      end if;
      perform pg_catalog.pg_notify(channel, part);
    end loop;
  end loop;
  return null;
end
$function$;
comment on function tenon.tell_changes() is 'Trigger function of tenon.watch_table: tells the keys of the rows that a statement changed.';

-- Defined with its owner's rights: who changes the table need not be allowed to enqueue.
create function tenon.enqueue_changes() returns trigger
  language plpgsql security definer
  set search_path = ''
  set datestyle = 'ISO, MDY'
  set intervalstyle = 'postgres'
  set timezone = 'UTC'
  set bytea_output = 'hex'
as $function$
declare
  topic constant text := tg_argv[2];
  operation constant text := pg_catalog.lower(tg_op);
  key_text text;
  gone_keys text := '';
begin
  if tg_op = 'TRUNCATE' then
    perform tenon.enqueue(topic, pg_catalog.jsonb_build_object('operation', operation));
    return null;
  end if;
  key_text := (
    select pg_catalog.format('pg_catalog.jsonb_build_array(%s)', pg_catalog.string_agg(pg_catalog.format('pg_catalog.format(''%%s'', %I)', name), ', '))
    from pg_catalog.jsonb_array_elements_text(tg_argv[0]::pg_catalog.jsonb) as name
  );
  if tg_op = 'UPDATE' then
    gone_keys := pg_catalog.format(
      'select 1 as place, ''delete'' as operation, lost.value from (select %1$s as value from gone except select %1$s from changed) as lost union all ',
      key_text
    );
  end if;
  -- All at once and in the order of the keys, so that two statements with the same rows do not wait for each other.
  execute pg_catalog.format(
    $sql$
      select pg_catalog.count(*) from tenon.enqueue_many((
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
          'topic', $1,
          'key', pg_catalog.left(told.value::text, 400),
          'payload', pg_catalog.jsonb_build_object('operation', told.operation, 'key', told.value)::text
        ) order by told.place)
        from (%s select 2 as place, $2 as operation, row_key.value from (select %s as value from changed) as row_key) as told
        having pg_catalog.count(*) > 0
      ))
    $sql$,
    gone_keys, key_text
  ) using topic, operation;
  return null;
end
$function$;
comment on function tenon.enqueue_changes() is 'Trigger function of tenon.watch_table: enqueues an event for each row that a statement changed.';
revoke all on function tenon.enqueue_changes() from public;

create function tenon.watch_table(target regclass, durable boolean default false, max_keys integer default 100) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  columns jsonb;
  arguments text;
  told_by text;
begin
  if durable is null or max_keys is null or max_keys < 1 or max_keys > 10000 then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'changes_arguments',
      message = 'watch_table: durable is true or false, and max_keys 1 to 10000';
  end if;
  select pg_catalog.jsonb_agg(attribute.attname order by place.ordinality) into columns
  from pg_catalog.pg_index as key
  cross join lateral pg_catalog.unnest(key.indkey::smallint[]) with ordinality as place (number, ordinality)
  join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.indrelid and attribute.attnum = place.number
  where key.indrelid = target and key.indisprimary;
  if columns is null then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'changes_no_key',
      message = pg_catalog.format('%s has no primary key, so its rows cannot be told apart', target),
      hint = 'alter table … add primary key (…)';
  end if;
  if durable and pg_catalog.to_regprocedure('tenon.enqueue(text,jsonb,text,jsonb,text,timestamptz)') is null then
    raise exception using
      errcode = 'undefined_function',
      constraint = 'changes_no_outbox',
      message = 'durable changes go through tenon.outbox, which is not there',
      hint = 'Apply the module outbox.';
  end if;

  perform tenon.unwatch_table(target);
  arguments := (
    select pg_catalog.format(
      '%L, %L, %L', columns::text, max_keys::text,
      case when durable then pg_catalog.format('changes:%s.%s', namespace.nspname, class.relname) else tenon.change_channel(target) end
    )
    from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    where class.oid = target
  );
  told_by := case when durable then 'tenon.enqueue_changes' else 'tenon.tell_changes' end;
  -- One trigger each: a transition table belongs to one operation.
  execute pg_catalog.format(
    'create trigger tenon_watch_insert after insert on %s referencing new table as changed for each statement execute function %s(%s)',
    target, told_by, arguments
  );
  execute pg_catalog.format(
    'create trigger tenon_watch_update after update on %s referencing old table as gone new table as changed for each statement execute function %s(%s)',
    target, told_by, arguments
  );
  execute pg_catalog.format(
    'create trigger tenon_watch_delete after delete on %s referencing old table as changed for each statement execute function %s(%s)',
    target, told_by, arguments
  );
  execute pg_catalog.format(
    'create trigger tenon_watch_truncate after truncate on %s for each statement execute function %s(%s)',
    target, told_by, arguments
  );
end
$function$;
comment on function tenon.watch_table(regclass, boolean, integer) is 'Lets changes of a table be told from now on; a second call changes how.';

create function tenon.unwatch_table(target regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  watching name;
begin
  for watching in
    select tgname from pg_catalog.pg_trigger
    where tgrelid = target and tgname in ('tenon_watch_insert', 'tenon_watch_update', 'tenon_watch_delete', 'tenon_watch_truncate')
  loop
    execute pg_catalog.format('drop trigger %I on %s', watching, target);
  end loop;
end
$function$;
comment on function tenon.unwatch_table(regclass) is 'Ends what tenon.watch_table began.';

revoke all on function tenon.watch_table(regclass, boolean, integer) from public;
revoke all on function tenon.unwatch_table(regclass) from public;
