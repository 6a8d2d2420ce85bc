-- tenon.count_rows(): keeps in every row of a table how many rows of another belong to it.
--
-- purpose: counting at each read is slow where many rows belong to one. Maintained by triggers in the transaction that changes them:
--     select tenon.count_rows('public.comments', 'post_id', 'public.posts', 'comments_count');
--   The column must be there; it is filled at once. One statement costs one UPDATE, however many rows it changes. Transactions that change
--   rows of one parent wait for each other. The number counts all rows, whatever row security hides from whoever reads it.
--   Rows that are written straight into a partition are not counted, because that fires no trigger of the parent.
--   tenon.uncount_rows() takes it away and leaves the column.
-- parameters: none. tenon.count_rows: child regclass, foreign_key name of its column, parent regclass with a primary key of one column,
--   counter name of its column
-- privilege: CREATE on the database; calling it takes ownership of both tables, by the role that owns the module's functions
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.count_rows(regclass, name, regclass, name);
--   drop function tenon.uncount_rows(regclass, name);
--   drop function tenon.adjust_counter() cascade;

create schema if not exists tenon;

-- Arguments: foreign key of the child, schema, name and key of the parent, its counter. Defined with its owner's rights: who may add a
-- comment need not be allowed to change the post. It changes nothing but the counter, by what the statement added and took away.
create function tenon.adjust_counter() returns trigger
  language plpgsql security definer
  set search_path = ''
as $function$
declare
  difference text;
begin
  if tg_op = 'TRUNCATE' then
    execute pg_catalog.format('update %I.%I set %I = 0 where %I <> 0', tg_argv[1], tg_argv[2], tg_argv[4], tg_argv[4]);
    return null;
  end if;
  difference := case tg_op
    when 'INSERT' then 'select %1$I as key, 1 as amount from added'
    when 'DELETE' then 'select %1$I as key, -1 as amount from gone'
    else 'select %1$I as key, 1 as amount from added union all select %1$I, -1 from gone'
  end;
  difference := pg_catalog.format(
    'select changed.key, pg_catalog.sum(changed.amount) as amount from (%s) as changed group by changed.key having pg_catalog.sum(changed.amount) <> 0',
    pg_catalog.format(difference, tg_argv[0])
  );
  -- In the order of the keys, so that two statements do not wait for each other; and in a statement of its own: one that updates what it has
  -- just locked comes by an older version of the row, for which another may wait that waits for this one.
  execute pg_catalog.format(
    $sql$
      select from %2$I.%3$I as parent
      where parent.%4$I in (select difference.key from (%1$s) as difference)
      order by parent.%4$I for no key update
    $sql$,
    difference, tg_argv[1], tg_argv[2], tg_argv[3]
  );
  execute pg_catalog.format(
    $sql$
      update %2$I.%3$I as parent set %5$I = parent.%5$I + difference.amount from (%1$s) as difference
      where parent.%4$I = difference.key
    $sql$,
    difference, tg_argv[1], tg_argv[2], tg_argv[3], tg_argv[4]
  );
  return null;
end
$function$;
comment on function tenon.adjust_counter() is 'Trigger function of tenon.count_rows.';
revoke all on function tenon.adjust_counter() from public;

create function tenon.count_rows(child regclass, foreign_key name, parent regclass, counter name) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  parent_key name;
  parent_schema name;
  parent_name name;
  arguments text;
begin
  select attribute.attname, namespace.nspname, class.relname into parent_key, parent_schema, parent_name
  from pg_catalog.pg_index as key
  join pg_catalog.pg_class as class on class.oid = key.indrelid
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
  join pg_catalog.pg_attribute as attribute on attribute.attrelid = key.indrelid and attribute.attnum = key.indkey[0]
  where key.indrelid = count_rows.parent and key.indisprimary and key.indnkeyatts = 1;
  if parent_key is null
    or not exists (select from pg_catalog.pg_attribute where attrelid = child and attname = foreign_key and attnum > 0 and not attisdropped)
    or not exists (select from pg_catalog.pg_attribute where attrelid = parent and attname = counter and attnum > 0 and not attisdropped)
  then
    raise exception using
      errcode = 'undefined_column',
      constraint = 'counters_columns',
      message = pg_catalog.format('count_rows takes a column of %s, and of %s a primary key of one column and a column for the number', child, parent),
      hint = 'alter table … add column … bigint not null default 0';
  end if;

  -- The counter is changed with the rights of the function's owner, and with it run the triggers of the parent.
  if not exists (
    select from pg_catalog.pg_class as class
    join pg_catalog.pg_proc as function on function.oid = 'tenon.adjust_counter()'::pg_catalog.regprocedure
    join pg_catalog.pg_roles as owner on owner.oid = function.proowner
    where class.oid = parent and class.relowner = function.proowner
      and (not class.relforcerowsecurity or owner.rolsuper or owner.rolbypassrls)
  ) then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'counters_owner',
      message = pg_catalog.format('%s must belong to the owner of tenon.adjust_counter(), whom its row security does not bind', parent),
      hint = 'Apply the module as the owner of the table, and do not FORCE ROW LEVEL SECURITY on it.';
  end if;

  perform tenon.uncount_rows(child, foreign_key);
  -- Nothing may be added between the count and the trigger.
  execute pg_catalog.format('lock table %s in share row exclusive mode', child);
  arguments := pg_catalog.format('%L, %L, %L, %L, %L', foreign_key, parent_schema, parent_name, parent_key, counter);
  execute pg_catalog.format(
    'create trigger %I after insert on %s referencing new table as added for each statement execute function tenon.adjust_counter(%s)',
    'tenon_count_insert_' || pg_catalog.md5(foreign_key), child, arguments
  );
  execute pg_catalog.format(
    'create trigger %I after update on %s referencing old table as gone new table as added for each statement execute function tenon.adjust_counter(%s)',
    'tenon_count_update_' || pg_catalog.md5(foreign_key), child, arguments
  );
  execute pg_catalog.format(
    'create trigger %I after delete on %s referencing old table as gone for each statement execute function tenon.adjust_counter(%s)',
    'tenon_count_delete_' || pg_catalog.md5(foreign_key), child, arguments
  );
  execute pg_catalog.format(
    'create trigger %I after truncate on %s for each statement execute function tenon.adjust_counter(%s)',
    'tenon_count_truncate_' || pg_catalog.md5(foreign_key), child, arguments
  );
  execute pg_catalog.format(
    $sql$
      update %1$s as parent set %2$I = coalesce(counted.number, 0)
      from %1$s as every_parent
      left join (select child.%3$I as key, pg_catalog.count(*) as number from %4$s as child group by child.%3$I) as counted
        on counted.key = every_parent.%5$I
      where every_parent.%5$I = parent.%5$I and parent.%2$I is distinct from coalesce(counted.number, 0)
    $sql$,
    parent, counter, foreign_key, child, parent_key
  );
end
$function$;
comment on function tenon.count_rows(regclass, name, regclass, name) is 'Keeps in a column of the parent how many rows of the child belong to it, from now on and for those that are there.';

create function tenon.uncount_rows(child regclass, foreign_key name) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  counting name;
begin
  for counting in
    select tgname from pg_catalog.pg_trigger
    where tgrelid = child and tgname like 'tenon\_count\_%' and tgname like '%' || pg_catalog.md5(foreign_key)
  loop
    execute pg_catalog.format('drop trigger %I on %s', counting, child);
  end loop;
end
$function$;
comment on function tenon.uncount_rows(regclass, name) is 'Ends what tenon.count_rows began; the column stays as it is.';

revoke all on function tenon.count_rows(regclass, name, regclass, name) from public;
revoke all on function tenon.uncount_rows(regclass, name) from public;
