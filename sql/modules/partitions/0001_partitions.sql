-- Partitions: making them, ahead where they go by time or number, dropping old ones, and seeing rows that found none.
--
-- purpose: keeps partitioned tables supplied. Ranges are of one column, of type date, timestamp or timestamptz, or smallint,
--   integer, bigint or numeric; times are bounded in UTC, whatever the session's time zone is. Lists are of one column of any
--   type, hashes of any columns.
--     select tenon.create_partitions('public.events', 'month', 3)
--     select tenon.create_number_partitions('public.readings', 1000000)
--     select tenon.create_list_partition('public.orders', 'orders_europe', array['de', 'fr'])
--     select tenon.create_hash_partitions('public.sessions', 8)
--   Every new partition has row security on and no grant: rows are reached through the parent and its policies only. Indexes
--   belong on the parent, which gives them to each partition. A table that pg_partman manages is refused: it makes the partitions.
-- parameters: none. The functions: parent regclass; unit text, hour, day, week, month, quarter or year; width bigint, numbers
--   in a partition; ahead integer, how many after the current one; since timestamptz or bigint, where to begin;
--   older_than timestamptz; partition_name text; list text[], a null in it is null; from_default boolean, takes the rows along;
--   modulus integer
-- privilege: CREATE on the database; calling the functions takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-partitioning.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.default_partition_rows(regclass);
--   drop function tenon.drop_partitions(regclass, timestamptz);
--   drop function tenon.partitions_before(regclass, text);
--   drop function tenon.partitions_to_drop(regclass);
--   drop function tenon.unmark_attached(regclass);
--   drop function tenon.unmark_to_drop(regclass);
--   drop function tenon.mark_to_drop(regclass, regclass);
--   drop function tenon.partitions_lock(regclass, text);
--   drop function tenon.create_hash_partitions(regclass, integer);
--   drop function tenon.create_list_partition(regclass, text, text[], boolean);
--   drop function tenon.create_number_partitions(regclass, bigint, integer, bigint);
--   drop function tenon.create_partitions(regclass, text, integer, timestamptz);
--   drop function tenon.create_ranges(regclass, text, numeric, text, integer);
--   drop function tenon.create_range(regclass, text, text, text);
--   drop function tenon.free_partition_name(regclass, text);
--   drop function tenon.partition_step(regclass, text, numeric, text, integer);
--   drop function tenon.move_from_default(regclass, regclass, text);
--   drop function tenon.attach_new_partition(regclass, regclass, text);
--   drop function tenon.make_partition(regclass, text);
--   drop function tenon.limit_lock_waits();
--   drop function tenon.range_partitions(regclass, boolean);
--   drop function tenon.range_order(text, text);
--   drop function tenon.range_kind(regclass);
--   drop function tenon.partition_key_column(regclass);
--   drop function tenon.partition_table_name(text, text);
--   drop function tenon.assert_not_by_hash(regclass);
--   drop function tenon.assert_own_partitions(regclass);
--   drop function tenon.partman_schema(regclass);

create schema if not exists tenon;

create function tenon.partman_schema(parent regclass) returns text
  language plpgsql stable
  set search_path = ''
as $function$
declare
  partman constant text :=
    (select namespace.nspname from pg_catalog.pg_extension as extension
     join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace where extension.extname = 'pg_partman');
  managed boolean;
begin
  if partman is null then return null; end if;
  execute pg_catalog.format('select exists (select from %I.part_config where parent_table = $1)', partman) into managed
    using (select namespace.nspname || '.' || class.relname from pg_catalog.pg_class as class
           join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace where class.oid = parent);
  return case when managed then partman end;
exception when insufficient_privilege then
  -- Who manages a table with pg_partman can read its configuration.
  return null;
end
$function$;

comment on function tenon.partman_schema(regclass) is 'Schema of pg_partman when it manages the table, else null.';

create function tenon.assert_own_partitions(parent regclass) returns void
  language plpgsql stable
  set search_path = ''
as $function$
begin
  if tenon.partman_schema(parent) is not null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'partitions_managed',
      message = pg_catalog.format('pg_partman manages the partitions of %s', parent),
      hint = 'select * from tenon.run_partman(…) lets it do its work; its part_config says what that is';
  end if;
end
$function$;

comment on function tenon.assert_own_partitions(regclass) is 'Refuses a table that pg_partman manages.';

create function tenon.assert_not_by_hash(parent regclass) returns void
  language plpgsql stable
  set search_path = ''
as $function$
begin
  if exists (select from pg_catalog.pg_partitioned_table where partrelid = parent and partstrat = 'h') then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_by_hash',
      message = pg_catalog.format('%s is partitioned by hash: no partition of it is of a time, a number or a value, and none is the default', parent),
      hint = 'tenon.create_hash_partitions(…) makes all that are missing';
  end if;
end
$function$;

comment on function tenon.assert_not_by_hash(regclass) is 'Refuses a table whose partitions have no order and no values.';

-- 63 bytes at most; what is cut is told apart by a hash of the whole stem.
create function tenon.partition_table_name(stem text, suffix text) returns text
  language plpgsql immutable
  set search_path = ''
as $function$
declare
  cut text := stem;
begin
  if pg_catalog.octet_length(stem || suffix) <= 63 then return stem || suffix; end if;
  while cut <> '' and pg_catalog.octet_length(cut || suffix) > 63 - 7 loop
    cut := pg_catalog.left(cut, -1);
  end loop;
  return cut || '_' || pg_catalog.left(pg_catalog.md5(stem), 6) || suffix;
end
$function$;

comment on function tenon.partition_table_name(text, text) is 'A name for a partition or its index, cut to what PostgreSQL takes.';

-- As text: the server would keep the columns that its catalog has today, and an upgrade changes them.
create function tenon.partition_key_column(parent regclass) returns pg_catalog.pg_attribute
  language sql stable
  set search_path = ''
as $function$
  select attribute.*
  from pg_catalog.pg_partitioned_table as partitioned
  join pg_catalog.pg_attribute as attribute
    on attribute.attrelid = partitioned.partrelid and attribute.attnum = partitioned.partattrs[0]
  where partitioned.partrelid = parent and partitioned.partnatts = 1
$function$;

comment on function tenon.partition_key_column(regclass) is 'The one column that a table is partitioned by; null for an expression or several.';

create function tenon.range_kind(parent regclass) returns text
  language sql stable
  set search_path = ''
as $function$
  select case
    when attribute.atttypid in (
      'pg_catalog.date'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype
    ) then 'time'
    when attribute.atttypid in (
      'pg_catalog.int2'::pg_catalog.regtype, 'pg_catalog.int4'::pg_catalog.regtype, 'pg_catalog.int8'::pg_catalog.regtype,
      'pg_catalog.numeric'::pg_catalog.regtype
    ) then 'number'
  end
  from pg_catalog.pg_partitioned_table as partitioned
  cross join tenon.partition_key_column(parent) as attribute
  where partitioned.partrelid = parent and partitioned.partstrat = 'r'
$function$;

comment on function tenon.range_kind(regclass) is 'time or number, where a table is partitioned by range over one column of these; else null.';

-- Times and numbers in one order. date and timestamp are read as UTC.
create function tenon.range_order(kind text, bound text) returns numeric
  language sql stable
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
begin atomic
  select case kind
    when 'time' then extract(epoch from bound::pg_catalog.timestamptz)
    else bound::pg_catalog.numeric
  end;
end;

comment on function tenon.range_order(text, text) is 'Where a bound of a range lies, as a number.';

create function tenon.range_partitions(parent regclass, pending boolean default false) returns table (
  partition regclass, lower_bound text, upper_bound text, lower_at numeric, upper_at numeric
)
  language plpgsql stable
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $function$
declare
  -- Once, and no function per row: a table can have thousands.
  kind constant text := tenon.range_kind(parent);
begin
  if kind is null then return; end if;
  return query
    -- Materialized: each bound is written out and taken apart once, and not for each use.
    with found as materialized (
      select inherits.inhrelid::regclass as partition, pg_catalog.regexp_match(
        pg_catalog.pg_get_expr(class.relpartbound, class.oid), $re$FROM \('?([^']+?)'?\) TO \('?([^']+?)'?\)$$re$
      ) as bounds
      from pg_catalog.pg_inherits as inherits
      join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
      where inherits.inhparent = parent and inherits.inhdetachpending = pending
    )
    select
      found.partition,
      -- With its zone: a timestamp's own text would be read as local time by whoever gets it.
      case
        when found.bounds[1] = 'MINVALUE' then null
        when kind = 'time' then found.bounds[1]::timestamptz::text
        else found.bounds[1]
      end,
      case
        when found.bounds[2] = 'MAXVALUE' then null
        when kind = 'time' then found.bounds[2]::timestamptz::text
        else found.bounds[2]
      end,
      case
        when found.bounds[1] = 'MINVALUE' then '-Infinity'
        when kind = 'time' then extract(epoch from found.bounds[1]::timestamptz)
        else found.bounds[1]::numeric
      end as place,
      case
        when found.bounds[2] = 'MAXVALUE' then 'Infinity'
        when kind = 'time' then extract(epoch from found.bounds[2]::timestamptz)
        else found.bounds[2]::numeric
      end
    from found
    where found.bounds is not null
    order by place;
end
$function$;

comment on function tenon.range_partitions(regclass, boolean) is 'The partitions of a table by time or number, with their bounds: times are instants in UTC, null is without end. Not the default partition. "pending": those that are half detached, instead of the others.';

-- What waits for a strong lock makes every query after it wait too: better to give up soon and come back.
create function tenon.limit_lock_waits() returns text
  language plpgsql
  set search_path = ''
as $function$
declare
  before constant text := pg_catalog.current_setting('lock_timeout');
begin
  if before = '0' then
    perform pg_catalog.set_config('lock_timeout', '3s', true);
  end if;
  return before;
end
$function$;

comment on function tenon.limit_lock_waits() is 'Bounds waits for locks where nobody has, and returns lock_timeout as it was, for set_config(…, true) afterwards.';

create function tenon.make_partition(parent regclass, partition_name text) returns regclass
  language plpgsql
  set search_path = ''
as $function$
declare
  of_parent record;
  grantee text;
begin
  select namespace.nspname as schema_name, class.relam as method, class.reltablespace as tablespace,
    pg_catalog.pg_get_userbyid(class.relowner) as owner
  into of_parent
  from pg_catalog.pg_class as class
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
  where class.oid = parent;
  if pg_catalog.to_regclass(pg_catalog.format('%I.%I', of_parent.schema_name, partition_name)) is not null then
    raise exception using
      errcode = 'duplicate_table',
      constraint = 'partitions_name_taken',
      message = pg_catalog.format('table %I.%I is in the way: it is no partition of %s', of_parent.schema_name, partition_name, parent),
      hint = 'rename it, or attach it';
  end if;
  -- Made apart and attached: that takes a weaker lock on the parent than creating in place would.
  execute pg_catalog.format(
    'create table %I.%I (like %s including all excluding indexes excluding identity)%s%s',
    of_parent.schema_name, partition_name, parent,
    (select pg_catalog.format(' using %I', amname) from pg_catalog.pg_am where oid = of_parent.method),
    (select pg_catalog.format(' tablespace %I', spcname) from pg_catalog.pg_tablespace where oid = of_parent.tablespace)
  );
  if of_parent.owner <> current_user then
    execute pg_catalog.format('alter table %I.%I owner to %I', of_parent.schema_name, partition_name, of_parent.owner);
  end if;
  execute pg_catalog.format('alter table %I.%I enable row level security', of_parent.schema_name, partition_name);
  -- Default privileges of the host may have granted what row security on the parent was to guard.
  for grantee in
    select case acl.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end
    from pg_catalog.pg_class as class, pg_catalog.aclexplode(class.relacl) as acl
    where class.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', of_parent.schema_name, partition_name))
      and acl.grantee <> class.relowner
    group by acl.grantee
  loop
    execute pg_catalog.format('revoke all on table %I.%I from %s', of_parent.schema_name, partition_name, grantee);
  end loop;
  return pg_catalog.to_regclass(pg_catalog.format('%I.%I', of_parent.schema_name, partition_name));
end
$function$;

comment on function tenon.make_partition(regclass, text) is 'Makes a table like the parent, with row security and without grants; it is not attached yet.';

create function tenon.attach_new_partition(parent regclass, partition regclass, bound text) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  -- Attaching locks the default partition against reads too.
  lock_timeout constant text := tenon.limit_lock_waits();
begin
  execute pg_catalog.format('alter table %s attach partition %s for values %s', parent, partition, bound);
  perform pg_catalog.set_config('lock_timeout', lock_timeout, true);
exception
  when check_violation then
    raise exception using
      errcode = 'check_violation',
      constraint = 'partitions_default_rows',
      message = pg_catalog.format('rows in the default partition of %s belong into %s', parent, partition),
      hint = pg_catalog.format(
        'tenon.drain_default() moves those of a range, create_list_partition(…, from_default => true) those of a list (%s rows lie there)',
        tenon.default_partition_rows(parent)
      );
  when invalid_object_definition then
    raise exception using
      errcode = 'invalid_object_definition',
      constraint = 'partitions_overlap',
      message = pg_catalog.format('partition %s of %s would overlap another', partition, parent),
      hint = 'select * from tenon.partition_status(…) shows the bounds that there are';
end
$function$;

comment on function tenon.attach_new_partition(regclass, regclass, text) is 'Attaches a table that is empty, or whose rows were just moved here; the bound is SQL.';

-- A move is no change of a row: triggers of the host (an audit, a refusal of deletes) do not fire.
create function tenon.move_from_default(parent regclass, target regclass, condition text) returns bigint
  language plpgsql
  set search_path = ''
  set row_security = off
as $function$
declare
  default_partition constant regclass := (select partdefid from pg_catalog.pg_partitioned_table where partrelid = parent)::pg_catalog.regclass;
  column_list constant text := (
    select pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' order by attnum) from pg_catalog.pg_attribute
    where attrelid = parent and attnum > 0 and not attisdropped and attgenerated = ''
  );
  host_trigger record;
  triggers text[] := '{}';
  moved bigint;
begin
  -- A cascade would follow the rows that are deleted here, and never know that they came back.
  if exists (select from pg_catalog.pg_constraint where confrelid = parent and contype = 'f') then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'partitions_referenced',
      message = pg_catalog.format('rows of %s cannot be moved: foreign keys reference the table', parent),
      hint = 'drop the foreign keys, move the rows, and add the keys again, in one transaction';
  end if;
  if (select relkind from pg_catalog.pg_class where oid = default_partition) <> 'r' then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_default_kind',
      message = pg_catalog.format('the default partition of %s is no plain table', parent);
  end if;
  execute pg_catalog.format('lock table only %s in access exclusive mode', default_partition);
  for host_trigger in
    select tgname, case tgenabled when 'R' then 'replica' when 'A' then 'always' else '' end as mode from pg_catalog.pg_trigger
    where tgrelid = default_partition and not tgisinternal and tgenabled <> 'D'
  loop
    execute pg_catalog.format('alter table %s disable trigger %I', default_partition, host_trigger.tgname);
    triggers := triggers || pg_catalog.format('alter table %s enable %s trigger %I', default_partition, host_trigger.mode, host_trigger.tgname);
  end loop;
  execute pg_catalog.format(
    'with moved as (delete from only %1$s where %2$s returning %3$s) insert into %4$s (%3$s) overriding system value select %3$s from moved',
    default_partition, condition, column_list, target
  );
  get diagnostics moved = row_count;
  -- Deferred checks of what was just deleted would keep the table from being altered.
  set constraints all immediate;
  for step in 1 .. pg_catalog.cardinality(triggers) loop
    execute triggers[step];
  end loop;
  return moved;
end
$function$;

comment on function tenon.move_from_default(regclass, regclass, text) is 'Moves rows of the default partition into a table that is not attached; the condition is SQL. Returns how many.';

-- One step of a range: the interval that holds a value, or one that many intervals later.
create function tenon.partition_step(
  parent regclass, unit text, width numeric, bound text, later integer default 0,
  out lower_bound text, out upper_bound text, out partition_name text
)
  language plpgsql stable
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $function$
declare
  kind constant text := tenon.range_kind(parent);
  stem constant text := (select relname from pg_catalog.pg_class where oid = parent);
  length interval;
  starts timestamp;
  first_number numeric;
begin
  if kind = 'time' and unit in ('hour', 'day', 'week', 'month', 'quarter', 'year') and width is null then
    length := case unit when 'quarter' then interval '3 months' else ('1 ' || unit)::interval end;
    starts := pg_catalog.date_trunc(unit, bound::timestamptz at time zone 'UTC') + later * length;
    lower_bound := starts at time zone 'UTC';
    upper_bound := (starts + length) at time zone 'UTC';
    partition_name := tenon.partition_table_name(stem, '_p' || pg_catalog.to_char(starts, case unit
      when 'year' then 'YYYY' when 'quarter' then 'YYYY"q"Q' when 'month' then 'YYYYMM' when 'hour' then 'YYYYMMDD"h"HH24' else 'YYYYMMDD'
    end));
  elsif kind = 'number' and width > 0 and width = pg_catalog.trunc(width) and unit is null then
    first_number := (pg_catalog.floor(bound::numeric / width) + later) * width;
    lower_bound := pg_catalog.trunc(first_number);
    upper_bound := pg_catalog.trunc(first_number + width);
    partition_name := tenon.partition_table_name(
      stem, case when first_number < 0 then '_pm' else '_p' end || pg_catalog.trunc(pg_catalog.abs(first_number))
    );
  elsif kind is null then
    perform tenon.assert_not_by_hash(parent);
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_range',
      message = pg_catalog.format('%s is not partitioned by range over one column of a time or a number', parent),
      hint = 'create table … partition by range (at)';
  else
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = pg_catalog.format(
        case kind when 'time' then '%s goes by time: a unit is hour, day, week, month, quarter or year, and there is no width'
          else '%s goes by number: the width is a whole number above 0, and there is no unit' end,
        parent
      );
  end if;
end
$function$;

comment on function tenon.partition_step(regclass, text, numeric, text, integer) is 'Bounds and name of the partition that a value belongs into, or of a later one.';

-- Another partition in the middle of an interval cuts it in two, and a drain that was interrupted leaves its end open.
create function tenon.free_partition_name(parent regclass, wanted text) returns text
  language plpgsql stable
  set search_path = ''
as $function$
declare
  partition_name text := wanted;
begin
  for part in 2 .. 1000 loop
    exit when not exists (
      select from pg_catalog.pg_inherits as inherits
      join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
      join pg_catalog.pg_class as own on own.oid = inherits.inhparent and own.relnamespace = class.relnamespace
      where inherits.inhparent = parent and class.relname = partition_name
    );
    partition_name := tenon.partition_table_name(wanted, '_' || part);
  end loop;
  return partition_name;
end
$function$;

comment on function tenon.free_partition_name(regclass, text) is 'The name, or one with a number behind it where a partition of the table has it already.';

create function tenon.create_range(parent regclass, wanted_name text, from_bound text, to_bound text) returns text
  language plpgsql
  set search_path = ''
as $function$
declare
  partition_name constant text := tenon.free_partition_name(parent, wanted_name);
begin
  perform tenon.attach_new_partition(
    parent, tenon.make_partition(parent, partition_name), pg_catalog.format('from (%L) to (%L)', from_bound, to_bound)
  );
  return partition_name;
end
$function$;

comment on function tenon.create_range(regclass, text, text, text) is 'Makes one partition of a range, and returns its name.';

create function tenon.create_ranges(parent regclass, unit text, width numeric, since text, ahead integer) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $function$
declare
  kind constant text := tenon.range_kind(parent);
  lowers numeric[];
  uppers numeric[];
  lower_bounds text[];
  upper_bounds text[];
  place integer := 1;
  step record;
  starts numeric;
  ends numeric;
  from_bound text;
begin
  if ahead is null or ahead < 0 or ahead > 1000 or since is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'partitions are made 0 to 1000 ahead, from a place that is given';
  end if;
  perform tenon.assert_own_partitions(parent);
  perform tenon.partition_step(parent, unit, width, since);

  -- Two callers at once would both find a partition missing.
  execute pg_catalog.format('lock table only %s in share update exclusive mode', parent);

  -- Read once: those that are made here lie before all that are looked for after them.
  select pg_catalog.array_agg(ranges.lower_at order by ranges.lower_at), pg_catalog.array_agg(ranges.upper_at order by ranges.lower_at),
    pg_catalog.array_agg(ranges.lower_bound order by ranges.lower_at), pg_catalog.array_agg(ranges.upper_bound order by ranges.lower_at)
  into lowers, uppers, lower_bounds, upper_bounds
  from tenon.range_partitions(parent) as ranges;

  for later in 0 .. ahead loop
    step := tenon.partition_step(parent, unit, width, since, later);
    from_bound := step.lower_bound;
    starts := tenon.range_order(kind, from_bound);
    ends := tenon.range_order(kind, step.upper_bound);
    -- What others cover of the interval is left to them, whatever their names are: as after a change of the unit, or a drain that
    -- was interrupted. What they leave gets partitions.
    while place <= pg_catalog.cardinality(lowers) and lowers[place] < ends loop
      if uppers[place] > starts then
        if lowers[place] > starts then
          return next tenon.create_range(parent, step.partition_name, from_bound, lower_bounds[place]);
        end if;
        starts := uppers[place];
        from_bound := upper_bounds[place];
      end if;
      -- It may reach into the next interval.
      exit when starts >= ends;
      place := place + 1;
    end loop;
    if starts < ends then
      return next tenon.create_range(parent, step.partition_name, from_bound, step.upper_bound);
    end if;
  end loop;
end
$function$;

comment on function tenon.create_ranges(regclass, text, numeric, text, integer) is 'What create_partitions and create_number_partitions have in common.';

create function tenon.create_partitions(
  parent regclass,
  unit text,
  ahead integer default 3,
  since timestamptz default pg_catalog.now()
) returns setof text
  language sql
  set search_path = ''
begin atomic
  -- Text that is the same whatever the session prints times like.
  select tenon.create_ranges(
    parent, coalesce(unit, ''), null, pg_catalog.to_char(since at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"'), ahead
  );
end;

comment on function tenon.create_partitions(regclass, text, integer, timestamptz) is 'Makes the partitions that are missing, from the one that holds "since" to "ahead" later ones, and returns their names.';

create function tenon.create_number_partitions(
  parent regclass,
  width bigint,
  ahead integer default 3,
  since bigint default null
) returns setof text
  language plpgsql
  set search_path = ''
  set row_security = off
as $function$
declare
  largest text := since;
begin
  if tenon.range_kind(parent) = 'number' and since is null then
    -- Before the default partition is read: two callers who had read it would both wait for the other to let go of it.
    execute pg_catalog.format('lock table only %s in share update exclusive mode', parent);
    execute pg_catalog.format('select max(%I) from %s', (tenon.partition_key_column(parent)).attname, parent) into largest;
  end if;
  return query select tenon.create_ranges(parent, null, coalesce(width, 0), coalesce(largest, '0'), ahead);
end
$function$;

comment on function tenon.create_number_partitions(regclass, bigint, integer, bigint) is 'The same by number: from the partition that holds "since", or the largest number that there is.';

create function tenon.create_list_partition(
  parent regclass,
  partition_name text,
  list text[],
  from_default boolean default false
) returns bigint
  language plpgsql
  set search_path = ''
as $function$
declare
  key constant pg_catalog.pg_attribute := tenon.partition_key_column(parent);
  by_list constant boolean := exists (select from pg_catalog.pg_partitioned_table where partrelid = parent and partstrat = 'l');
  literals text;
  made regclass;
  moved bigint := 0;
  lock_timeout text;
begin
  perform tenon.assert_not_by_hash(parent);
  if not by_list or key.attname is null then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_list',
      message = pg_catalog.format('%s is not partitioned by list over one column', parent),
      hint = 'create table … partition by list (region)';
  end if;
  if coalesce(pg_catalog.cardinality(list), 0) = 0 or coalesce(partition_name, '') = '' or from_default is null
    or pg_catalog.octet_length(partition_name) > 63 then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'a list partition has a name of 63 bytes at most, and one value at least';
  end if;
  perform tenon.assert_own_partitions(parent);
  literals := (select pg_catalog.string_agg(pg_catalog.quote_nullable(value), ', ') from pg_catalog.unnest(list) as given (value));
  lock_timeout := tenon.limit_lock_waits();
  execute pg_catalog.format(
    'lock table only %s in %s mode', parent, case when from_default then 'access exclusive' else 'share update exclusive' end
  );
  made := tenon.make_partition(parent, partition_name);
  if from_default and exists (select from pg_catalog.pg_partitioned_table where partrelid = parent and partdefid <> 0) then
    moved := tenon.move_from_default(parent, made, pg_catalog.format(
      '%1$I in (%2$s)%3$s', key.attname, literals,
      case when pg_catalog.array_position(list, null) is not null then pg_catalog.format(' or %I is null', key.attname) end
    ));
  end if;
  perform tenon.attach_new_partition(parent, made, pg_catalog.format('in (%s)', literals));
  perform pg_catalog.set_config('lock_timeout', lock_timeout, true);
  return moved;
end
$function$;

comment on function tenon.create_list_partition(regclass, text, text[], boolean) is 'Makes a partition for values, with their rows in the default partition where "from_default" says so, and returns how many were moved.';

create function tenon.create_hash_partitions(parent regclass, modulus integer) returns setof text
  language plpgsql
  set search_path = ''
as $function$
declare
  stem constant text := (select relname from pg_catalog.pg_class where oid = parent);
  remainders integer[];
  partition_name text;
begin
  if not exists (select from pg_catalog.pg_partitioned_table where partrelid = parent and partstrat = 'h') then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_hash',
      message = pg_catalog.format('%s is not partitioned by hash', parent),
      hint = 'create table … partition by hash (user_id)';
  end if;
  if modulus is null or modulus < 1 or modulus > 1024 then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'a table has 1 to 1024 partitions by hash';
  end if;
  perform tenon.assert_own_partitions(parent);
  execute pg_catalog.format('lock table only %s in share update exclusive mode', parent);
  remainders := array(
    select (pg_catalog.regexp_match(bound.text, $re$remainder (\d+)$re$))[1]::integer
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
    cross join lateral (select pg_catalog.pg_get_expr(class.relpartbound, class.oid) as text) as bound
    where inherits.inhparent = parent and bound.text like pg_catalog.format('%%(modulus %s, %%', modulus)
  );
  if exists (select from pg_catalog.pg_inherits where inhparent = parent having count(*) > pg_catalog.cardinality(remainders)) then
    raise exception using
      errcode = 'invalid_object_definition',
      constraint = 'partitions_overlap',
      message = pg_catalog.format('%s has partitions of another modulus', parent),
      hint = 'rows do not move to another modulus by themselves: make a new table, copy them, and rename';
  end if;
  for remainder in 0 .. modulus - 1 loop
    continue when remainder = any (remainders);
    partition_name := tenon.partition_table_name(stem, '_h' || remainder);
    perform tenon.attach_new_partition(
      parent, tenon.make_partition(parent, partition_name), pg_catalog.format('with (modulus %s, remainder %s)', modulus, remainder)
    );
    return next partition_name;
  end loop;
end
$function$;

comment on function tenon.create_hash_partitions(regclass, integer) is 'Makes the partitions by hash that are missing, and returns their names.';

create function tenon.partitions_lock(parent regclass, work text) returns bigint
  language sql stable
  set search_path = ''
begin atomic
  select pg_catalog.hashtextextended('tenon.partitions.' || work, parent::oid::bigint);
end;

comment on function tenon.partitions_lock(regclass, text) is 'Key of the advisory lock that calls take which attach or detach partitions of a table, so that one of each works at a time.';

-- A concurrent detach is a transaction of its own, and so the drop after it is another: whoever comes next has to know that it is due.
-- The table says so itself: that survives a dump, and goes with the table.
create function tenon.mark_to_drop(parent regclass, partition regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
begin
  perform tenon.unmark_to_drop(partition);
  execute pg_catalog.format('comment on table %s is %L', partition, pg_catalog.concat_ws(
    E'\n',
    pg_catalog.obj_description(partition, 'pg_class'),
    pg_catalog.format('[tenon: to be dropped, a partition of %s until %s]', parent, (
      select ranges.upper_bound from tenon.range_partitions(parent) as ranges where ranges.partition = mark_to_drop.partition
    ))
  ));
end
$function$;

comment on function tenon.mark_to_drop(regclass, regclass) is 'Writes into the comment of a partition that it is detached to be dropped.';

create function tenon.unmark_to_drop(partition regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
declare
  marked constant text := pg_catalog.obj_description(partition, 'pg_class');
  mark constant text := $re$\n?\[tenon: to be dropped, a partition of .* until [^\]]*\]$$re$;
begin
  if marked ~ mark then
    execute pg_catalog.format('comment on table %s is %L', partition, nullif(pg_catalog.regexp_replace(marked, mark, ''), ''));
  end if;
end
$function$;

comment on function tenon.unmark_to_drop(regclass) is 'Takes the mark of mark_to_drop back: the table is kept.';

create function tenon.unmark_attached(parent regclass) returns void
  language plpgsql
  set search_path = ''
as $function$
begin
  -- A detach that has begun leaves it half detached; before that, nothing came of the mark.
  perform tenon.unmark_to_drop(inherits.inhrelid)
  from pg_catalog.pg_inherits as inherits
  where inherits.inhparent = parent and not inherits.inhdetachpending;
end
$function$;

comment on function tenon.unmark_attached(regclass) is 'Takes the marks back of partitions whose detach was interrupted before it began. Call it with partitions_lock(…, ''detach'') held: whoever else holds that may be about to.';

create function tenon.partitions_to_drop(parent regclass) returns table (partition regclass, upper_bound text)
  language plpgsql stable
  set search_path = ''
as $function$
begin
  return query
    select class.oid::regclass, mark.parts[2]
    from pg_catalog.pg_description as description
    join pg_catalog.pg_class as class on class.oid = description.objoid
    cross join lateral pg_catalog.regexp_match(
      description.description, $re$\[tenon: to be dropped, a partition of (.*) until ([^\]]*)\]$$re$
    ) as mark (parts)
    where description.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and description.objsubid = 0
      and class.relkind in ('r', 'p') and not class.relispartition and mark.parts[1] = parent::text
    order by class.relname;
end
$function$;

comment on function tenon.partitions_to_drop(regclass) is 'Tables that were detached to be dropped, and are still there.';

create function tenon.partitions_before(parent regclass, bound text) returns table (schema_name text, partition_name text, state text)
  language plpgsql stable
  set search_path = ''
as $function$
declare
  kind constant text := tenon.range_kind(parent);
begin
  if kind is null then
    perform tenon.assert_not_by_hash(parent);
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_range',
      message = pg_catalog.format('%s is not partitioned by range over one column of a time or a number', parent);
  end if;
  -- A slip of the sign would take the partition of today.
  if kind = 'time' and tenon.range_order(kind, bound) > extract(epoch from pg_catalog.now()) then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = pg_catalog.format('%s cannot lose partitions before a time in the future', parent);
  end if;
  perform tenon.assert_own_partitions(parent);
  return query
    select namespace.nspname::text, class.relname::text, ranges.state
    -- What an interrupted detach has left comes first: no other partition can be detached concurrently before.
    from (
      select 'half detached' as state, half.partition, half.upper_at from tenon.range_partitions(parent, true) as half
      union all
      select 'detached', gone.partition, tenon.range_order(kind, gone.upper_bound) from tenon.partitions_to_drop(parent) as gone
      union all
      select 'attached', whole.partition, whole.upper_at from tenon.range_partitions(parent) as whole
    ) as ranges
    join pg_catalog.pg_class as class on class.oid = ranges.partition
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    -- Of a partition without an end nothing is ever wholly older.
    where ranges.upper_at <> 'Infinity' and ranges.upper_at <= tenon.range_order(kind, bound)
    order by pg_catalog.array_position(array['half detached', 'detached'], ranges.state), ranges.upper_at;
end
$function$;

comment on function tenon.partitions_before(regclass, text) is 'The partitions that end at or before a time or number, oldest first, but after what an earlier run left half detached, or detached and not dropped. Never the default partition.';

create function tenon.drop_partitions(parent regclass, older_than timestamptz) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $function$
declare
  lock_timeout constant text := tenon.limit_lock_waits();
  old record;
begin
  if tenon.range_kind(parent) = 'number' then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_range',
      message = pg_catalog.format('%s is not partitioned by time', parent);
  end if;
  -- Two callers at once would both find a partition that one of them drops.
  perform pg_catalog.pg_advisory_xact_lock(tenon.partitions_lock(parent, 'detach'));
  perform tenon.unmark_attached(parent);
  for old in select * from tenon.partitions_before(parent, older_than::text) loop
    if old.state <> 'detached' then
      execute pg_catalog.format(
        'alter table %s detach partition %I.%I%s', parent, old.schema_name, old.partition_name,
        case when old.state = 'half detached' then ' finalize' end
      );
    end if;
    execute pg_catalog.format('drop table %I.%I', old.schema_name, old.partition_name);
    return next old.partition_name;
  end loop;
  perform pg_catalog.set_config('lock_timeout', lock_timeout, true);
end
$function$;

comment on function tenon.drop_partitions(regclass, timestamptz) is 'Drops, with their rows, the partitions that end at or before "older_than", and returns their names. Never the default partition.';

create function tenon.default_partition_rows(parent regclass) returns bigint
  language plpgsql stable
  set search_path = ''
  set row_security = off
as $function$
declare
  default_partition constant oid := (select partdefid from pg_catalog.pg_partitioned_table where partrelid = parent);
  found_rows bigint := 0;
begin
  if default_partition is not null and default_partition <> 0 then
    execute pg_catalog.format('select count(*) from %s', default_partition::pg_catalog.regclass) into found_rows;
  end if;
  return found_rows;
end
$function$;

comment on function tenon.default_partition_rows(regclass) is 'Rows in the default partition, 0 when there is none: they keep the partition that they belong into from being made.';

revoke all on function tenon.partman_schema(regclass) from public;
revoke all on function tenon.assert_own_partitions(regclass) from public;
revoke all on function tenon.partition_table_name(text, text) from public;
revoke all on function tenon.partition_key_column(regclass) from public;
revoke all on function tenon.range_kind(regclass) from public;
revoke all on function tenon.range_order(text, text) from public;
revoke all on function tenon.range_partitions(regclass, boolean) from public;
revoke all on function tenon.limit_lock_waits() from public;
revoke all on function tenon.make_partition(regclass, text) from public;
revoke all on function tenon.attach_new_partition(regclass, regclass, text) from public;
revoke all on function tenon.move_from_default(regclass, regclass, text) from public;
revoke all on function tenon.partition_step(regclass, text, numeric, text, integer) from public;
revoke all on function tenon.free_partition_name(regclass, text) from public;
revoke all on function tenon.create_range(regclass, text, text, text) from public;
revoke all on function tenon.create_ranges(regclass, text, numeric, text, integer) from public;
revoke all on function tenon.create_partitions(regclass, text, integer, timestamptz) from public;
revoke all on function tenon.create_number_partitions(regclass, bigint, integer, bigint) from public;
revoke all on function tenon.create_list_partition(regclass, text, text[], boolean) from public;
revoke all on function tenon.create_hash_partitions(regclass, integer) from public;
revoke all on function tenon.partitions_lock(regclass, text) from public;
revoke all on function tenon.mark_to_drop(regclass, regclass) from public;
revoke all on function tenon.unmark_to_drop(regclass) from public;
revoke all on function tenon.partitions_to_drop(regclass) from public;
revoke all on function tenon.partitions_before(regclass, text) from public;
revoke all on function tenon.drop_partitions(regclass, timestamptz) from public;
revoke all on function tenon.default_partition_rows(regclass) from public;
