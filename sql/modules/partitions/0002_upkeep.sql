-- Upkeep of partitioned tables: how they stand, moving rows out of the default partition, attaching full tables, pg_partman.
--
-- purpose: partition_status says what there is. drain_default moves rows of the default partition where they belong, a batch a
--   call: call it until "more" is false. Each call locks the table for as long as its batch takes, and no row is ever out of
--   sight; half a month is a partition that ends where the batch did, and grows with the next call. Until it is whole it has
--   CHECK constraints tenon_drain_0 and on, of which ATTACH learns that it need not look through it.
--     select * from tenon.drain_default('public.events', 'month')
--   attach_statements lists what attaches a full table without a long lock: run its rows one by one, each outside a transaction.
--   The row "attach" is several statements that belong together: sent as one simple query, they are one transaction. Where a row
--   fails, "undo" of those before it leaves the tables as they were.
--     select statement from tenon.attach_statements('public.events', 'public.events_2019', '2019-01-01', '2020-01-01') \gexec
-- parameters: none. The functions: parent regclass; partition regclass; unit text or width bigint, as for creating; batch integer,
--   rows; lower_bound and upper_bound text; list text[], a null in it is null
-- privilege: ownership of the functions of 0001; calling these takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.run_partman(regclass);
--   drop function tenon.attach_statements(regclass, regclass, text, text, text[]);
--   drop function tenon.index_definition(oid);
--   drop function tenon.drain_default(regclass, text, bigint, integer);
--   drop function tenon.partition_status(regclass);
--   drop function tenon.table_grantees(regclass);

create function tenon.table_grantees(target regclass) returns setof text
  language sql stable
  set search_path = ''
begin atomic
  select distinct case acl.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(acl.grantee)::text end
  from pg_catalog.pg_class as class
  cross join lateral (
    select class.relacl as acl
    union all
    select attribute.attacl from pg_catalog.pg_attribute as attribute
    where attribute.attrelid = class.oid and attribute.attacl is not null and not attribute.attisdropped
  ) as granted
  cross join lateral pg_catalog.aclexplode(granted.acl) as acl
  where class.oid = table_grantees.target and acl.grantee <> class.relowner;
end;

comment on function tenon.table_grantees(regclass) is 'Who has a privilege on a table or on columns of it, besides its owner; public too.';

create function tenon.partition_status(parent regclass) returns jsonb
  language plpgsql stable
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
  set row_security = off
as $function$
declare
  kind constant text := tenon.range_kind(parent);
  -- Counting goes no further: a forgotten default partition can hold a billion rows.
  most_counted constant integer := 100000;
  partitioned pg_catalog.pg_partitioned_table;
  partitions jsonb;
  gaps jsonb;
  default_rows bigint;
  hash_covered boolean;
  covered_until text;
  covered_at numeric := extract(epoch from pg_catalog.now());
  existing record;
begin
  select * into partitioned from pg_catalog.pg_partitioned_table where partrelid = parent;
  if not found then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_partitioned',
      message = pg_catalog.format('%s is not partitioned', parent);
  end if;

  select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
    'schema', namespace.nspname,
    'name', class.relname,
    'bound', pg_catalog.pg_get_expr(class.relpartbound, class.oid),
    'from', ranges.lower_bound,
    'to', ranges.upper_bound,
    'isDefault', class.oid = partitioned.partdefid,
    'detachPending', inherits.inhdetachpending,
    'rows', leaves.rows,
    'bytes', leaves.bytes,
    'rowSecurity', members.row_security,
    'grantedTo', members.granted_to
  ) order by class.oid = partitioned.partdefid, ranges.lower_at, class.relname), '[]')
  into partitions
  from pg_catalog.pg_inherits as inherits
  join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
  join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
  left join tenon.range_partitions(parent) as ranges on ranges.partition = class.oid
  cross join lateral (
    -- -1 says that nobody has looked yet.
    select pg_catalog.sum(leaf.reltuples::bigint) filter (where leaf.reltuples >= 0) as rows,
      pg_catalog.sum(pg_catalog.pg_total_relation_size(leaf.oid::pg_catalog.regclass)) as bytes
    from pg_catalog.pg_partition_tree(class.oid::pg_catalog.regclass) as tree
    join pg_catalog.pg_class as leaf on leaf.oid = tree.relid
    where tree.isleaf
  ) as leaves
  cross join lateral (
    -- Partitions of a partition are reached as directly as itself, and a grant of one column reaches rows too.
    select pg_catalog.bool_and(member.relrowsecurity) as row_security,
      coalesce(pg_catalog.jsonb_agg(distinct grants.role) filter (where grants.role is not null), '[]') as granted_to
    from pg_catalog.pg_partition_tree(class.oid::pg_catalog.regclass) as tree
    join pg_catalog.pg_class as member on member.oid = tree.relid
    left join lateral (select tenon.table_grantees(member.oid::pg_catalog.regclass) as role) as grants on true
  ) as members
  where inherits.inhparent = parent;

  -- Each modulus is a factor of the largest.
  if partitioned.partstrat = 'h' then
    select coalesce(pg_catalog.sum(parts.largest / parts.modulus) = max(parts.largest), false) into hash_covered
    from (
      select bound.modulus, max(bound.modulus) over () as largest
      from pg_catalog.pg_inherits as inherits
      join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
      cross join lateral (
        select (pg_catalog.regexp_match(pg_catalog.pg_get_expr(class.relpartbound, class.oid), 'modulus ([0-9]+)'))[1]::bigint as modulus
      ) as bound
      where inherits.inhparent = parent and not inherits.inhdetachpending
    ) as parts;
  end if;

  if partitioned.partdefid <> 0 then
    execute pg_catalog.format('select count(*) from (select from %s limit %s) as counted', partitioned.partdefid::pg_catalog.regclass, most_counted)
      into default_rows;
  end if;

  select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('from', gap.previous, 'to', gap.lower_bound) order by gap.lower_at), '[]')
  into gaps
  from (
    select ranges.lower_bound, ranges.lower_at,
      pg_catalog.lag(ranges.upper_bound) over (order by ranges.lower_at) as previous,
      pg_catalog.lag(ranges.upper_at) over (order by ranges.lower_at) as previous_at
    from tenon.range_partitions(parent) as ranges
  ) as gap
  where gap.lower_at > gap.previous_at;

  -- A number has no now: what counts there is how far the ranges reach.
  for existing in select * from tenon.range_partitions(parent) as ranges order by ranges.lower_at loop
    if kind = 'number' or (existing.lower_at <= covered_at and existing.upper_at > covered_at) then
      covered_at := existing.upper_at;
      covered_until := coalesce(existing.upper_bound, 'infinity');
    end if;
  end loop;

  return pg_catalog.jsonb_build_object(
    'strategy', case partitioned.partstrat when 'r' then 'range' when 'l' then 'list' else 'hash' end,
    'key', pg_catalog.pg_get_partkeydef(parent),
    'kind', kind,
    'managedBy', case when tenon.partman_schema(parent) is not null then 'pg_partman' end,
    'partitions', partitions,
    'defaultRows', default_rows,
    'defaultRowsCapped', coalesce(default_rows = most_counted, false),
    'gaps', gaps,
    'dropPending', (
      select coalesce(pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('schema', namespace.nspname, 'name', class.relname, 'to', gone.upper_bound) order by class.relname
      ), '[]')
      from tenon.partitions_to_drop(parent) as gone
      join pg_catalog.pg_class as class on class.oid = gone.partition
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    ),
    'attachPending', (
      select coalesce(pg_catalog.jsonb_agg(
        pg_catalog.jsonb_build_object('schema', namespace.nspname, 'name', class.relname)
        order by class.oid = partitioned.partdefid, class.relname
      ), '[]')
      from pg_catalog.pg_constraint as checks
      join pg_catalog.pg_class as class on class.oid = checks.conrelid
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where checks.conname = 'tenon_attach_check'
        and (class.oid = partitioned.partdefid
          or pg_catalog.obj_description(checks.oid, 'pg_constraint') = pg_catalog.format('to be attached to %s', parent))
        -- Whoever holds this is at work.
        and not exists (
          select from pg_catalog.pg_locks as locks
          where locks.locktype = 'advisory' and locks.objsubid = 1 and locks.granted
            and locks.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
            and (locks.classid::bigint << 32) | locks.objid::bigint = tenon.partitions_lock(parent, 'attach')
        )
    ),
    'coveredUntil', covered_until,
    'covered', case when kind = 'time' then covered_until is not null else hash_covered end,
    'rowSecurity', (select relrowsecurity from pg_catalog.pg_class where oid = parent)
  );
end
$function$;

comment on function tenon.partition_status(regclass) is 'How a partitioned table stands: partitions with bounds and estimates, rows in the default one, gaps, tables that wait to be attached or dropped, how far from now it is covered.';

create function tenon.drain_default(
  parent regclass, unit text default null, width bigint default null, batch integer default 10000
) returns table (partition_name text, moved bigint, more boolean)
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
  set row_security = off
as $function$
#variable_conflict use_variable
declare
  kind constant text := tenon.range_kind(parent);
  key constant text := pg_catalog.quote_ident((tenon.partition_key_column(parent)).attname);
  key_type constant text :=
    (select pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) from tenon.partition_key_column(parent) as attribute);
  default_partition constant regclass :=
    (select nullif(partdefid, 0) from pg_catalog.pg_partitioned_table where partrelid = parent)::pg_catalog.regclass;
  -- What belongs into no partition stays: null, and times and numbers without end.
  belonging constant text := pg_catalog.format(case kind
    when 'time' then '%1$s is not null and pg_catalog.isfinite(%1$s)'
    else $sql$%1$s is not null and %1$s::text not in ('NaN', 'Infinity', '-Infinity')$sql$
  end, key);
  -- More would make each row dearer, and fewer have the partition looked through more often.
  cuts_ahead constant integer := 16;
  smallest text;
  step record;
  from_bound text;
  to_bound text;
  growing record;
  cuts text[];
  next_cut integer;
  cut text;
  is_too_many boolean;
  is_rest boolean;
  obsolete text;
  target regclass;
begin
  if batch is null or batch < 1 then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'a batch is one row at least';
  end if;
  perform tenon.assert_own_partitions(parent);
  perform tenon.partition_step(parent, unit, width, case kind when 'time' then '2000-01-01 00:00:00+00' else '0' end);
  if default_partition is null then return; end if;

  perform tenon.limit_lock_waits();
  -- The strong lock at once: one that grows while others read and then write ends in a deadlock.
  execute pg_catalog.format('lock table only %s in access exclusive mode', parent);
  execute pg_catalog.format('lock table only %s in access exclusive mode', default_partition);

  execute pg_catalog.format('select min(%s)::text from only %s where %s', key, default_partition, belonging) into smallest;
  if smallest is null then return; end if;
  step := tenon.partition_step(parent, unit, width, smallest);
  select coalesce((
    select ranges.upper_bound from tenon.range_partitions(parent) as ranges
    where ranges.upper_at <= tenon.range_order(kind, smallest) and ranges.upper_at > tenon.range_order(kind, step.lower_bound)
    order by ranges.upper_at desc limit 1
  ), step.lower_bound) into from_bound;
  select coalesce((
    select ranges.lower_bound from tenon.range_partitions(parent) as ranges
    where ranges.lower_at > tenon.range_order(kind, smallest) and ranges.lower_at < tenon.range_order(kind, step.upper_bound)
    order by ranges.lower_at limit 1
  ), step.upper_bound) into to_bound;

  -- The first part of this interval, from an earlier batch. Its constraints say so, and up to where it was to grow: another partition
  -- that ends here, a month where years are drained, is none of ours.
  select ranges.partition, ranges.lower_bound, plan.cuts into growing
  from tenon.range_partitions(parent) as ranges
  join pg_catalog.pg_constraint as lowest on lowest.conrelid = ranges.partition and lowest.conname = 'tenon_drain_0'
  cross join lateral (
    select pg_catalog.array_agg(value order by ordinality) as cuts
    from pg_catalog.jsonb_array_elements_text(pg_catalog.obj_description(lowest.oid, 'pg_constraint')::jsonb) with ordinality
  ) as plan
  where ranges.upper_at = tenon.range_order(kind, from_bound) and ranges.lower_at >= tenon.range_order(kind, step.lower_bound)
    and tenon.range_order(kind, plan.cuts[pg_catalog.cardinality(plan.cuts)]) >= tenon.range_order(kind, to_bound);

  -- A batch ends before a cut. Rows of one key stay together, also when they are more than a batch.
  if growing.partition is not null then
    cuts := growing.cuts;
    next_cut := (
      select min(ordinality) from pg_catalog.unnest(cuts) with ordinality as planned (value, ordinality)
      where tenon.range_order(kind, planned.value) > tenon.range_order(kind, smallest)
    );
    -- Rows that came since the cuts were made can be a great many.
    execute pg_catalog.format(
      'select exists (select from only %1$s where %2$s >= %3$L and %2$s < %4$L offset %5$s)',
      default_partition, key, smallest, cuts[next_cut], 2 * batch::bigint
    ) into is_too_many;
    if is_too_many then next_cut := null; end if;
  end if;
  if next_cut is null then
    execute pg_catalog.format($sql$
      select pg_catalog.array_agg(value order by place) from (
        select %1$s::text as value, min(place) as place
        from (
          select %1$s, row_number() over (order by %1$s) as place
          from (select %1$s from only %2$s where %1$s >= %3$L and %1$s < %4$L order by %1$s limit %5$s) as first
        ) as numbered
        where place > 1 and (place - 1) %% %6$s = 0 and %1$s > %3$L
        group by %1$s
      ) as chosen
    $sql$, key, default_partition, smallest, to_bound, batch::bigint * cuts_ahead + 1, batch) into cuts;
    cuts := cuts || to_bound;
  end if;
  cut := cuts[coalesce(next_cut, 1)];
  if tenon.range_order(kind, cut) >= tenon.range_order(kind, to_bound) then
    cut := to_bound;
  end if;
  execute pg_catalog.format(
    'select not exists (select from only %1$s where %2$s >= %3$L and %2$s < %4$L)', default_partition, key, cut, to_bound
  ) into is_rest;
  if is_rest then
    cut := to_bound;
  end if;

  if growing.partition is not null then
    target := growing.partition;
    from_bound := growing.lower_bound;
    execute pg_catalog.format('alter table %s detach partition %s', parent, target);
    for obsolete in
      select constraints.conname from pg_catalog.pg_constraint as constraints
      cross join lateral (select (pg_catalog.regexp_match(constraints.conname, '^tenon_drain_([0-9]+)$'))[1]::integer as number) as place
      where constraints.conrelid = target and place.number is not null and (next_cut is null or place.number between 1 and next_cut - 1)
    loop
      execute pg_catalog.format('alter table %s drop constraint %I', target, obsolete);
    end loop;
    partition_name := (select relname from pg_catalog.pg_class where oid = target);
  else
    partition_name := tenon.free_partition_name(parent, step.partition_name);
    target := tenon.make_partition(parent, partition_name);
  end if;
  if next_cut is null then
    -- Checked once for many batches, and for none of those that a new partition begins with: ATTACH then knows without looking.
    execute pg_catalog.format('alter table %s add constraint tenon_drain_0 check (%s is not null and %s >= %L::%s)%s', target, key, key, from_bound, key_type, (
      select pg_catalog.string_agg(pg_catalog.format(', add constraint tenon_drain_%s check (%s < %L::%s)', ordinality, key, value, key_type), '' order by ordinality)
      from pg_catalog.unnest(cuts) with ordinality as planned (value, ordinality)
    ));
    execute pg_catalog.format('comment on constraint tenon_drain_0 on %s is %L', target, pg_catalog.to_json(cuts));
  end if;
  moved := tenon.move_from_default(parent, target, pg_catalog.format('%1$s >= %2$L and %1$s < %3$L', key, from_bound, cut));
  perform tenon.attach_new_partition(parent, target, pg_catalog.format('from (%L) to (%L)', from_bound, cut));
  if cut = to_bound then
    for obsolete in
      select constraints.conname from pg_catalog.pg_constraint as constraints
      where constraints.conrelid = target and constraints.conname ~ '^tenon_drain_[0-9]+$'
    loop
      execute pg_catalog.format('alter table %s drop constraint %I', target, obsolete);
    end loop;
  end if;
  more := true;
  if is_rest then
    execute pg_catalog.format('select exists (select from only %s where %s)', default_partition, belonging) into more;
  end if;
  return next;
end
$function$;

comment on function tenon.drain_default(regclass, text, bigint, integer) is 'Moves the first rows of the default partition into the partition of their interval. No row: nothing is left that could be moved.';

-- Without the names of the index and its table, which may hold any words.
create function tenon.index_definition(index_id oid) returns text
  language sql stable
  set search_path = ''
begin atomic
  select pg_catalog.substr(pg_catalog.pg_get_indexdef(index.indexrelid), 1 + pg_catalog.length(pg_catalog.format(
    'CREATE %sINDEX %I ON %s%s', case when index.indisunique then 'UNIQUE ' end, class.relname,
    case when class.relkind = 'I' then 'ONLY ' end, index.indrelid::pg_catalog.regclass::text
  )))
  from pg_catalog.pg_index as index
  join pg_catalog.pg_class as class on class.oid = index.indexrelid
  where index.indexrelid = index_id;
end;

comment on function tenon.index_definition(oid) is 'What an index is, from USING on.';

create function tenon.attach_statements(
  parent regclass, partition regclass, lower_bound text default null, upper_bound text default null, list text[] default null
) returns table (step text, statement text, undo text)
  language plpgsql stable
  set search_path = ''
  set timezone = 'UTC'
  set datestyle = 'ISO'
as $function$
declare
  strategy constant "char" := (select partstrat from pg_catalog.pg_partitioned_table where partrelid = parent);
  key constant pg_catalog.pg_attribute := tenon.partition_key_column(parent);
  key_type constant text := pg_catalog.format_type(key.atttypid, key.atttypmod);
  key_name constant text := pg_catalog.quote_ident(key.attname);
  default_partition constant regclass :=
    (select nullif(partdefid, 0) from pg_catalog.pg_partitioned_table where partrelid = parent)::pg_catalog.regclass;
  parent_name constant text := (select relname from pg_catalog.pg_class where oid = parent);
  own_name constant text := (select relname from pg_catalog.pg_class where oid = partition);
  own_schema constant text := (select namespace.nspname from pg_catalog.pg_class as class
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace where class.oid = partition);
  kind constant text := tenon.range_kind(parent);
  values_list text;
  bound text;
  inside text;
  outside text;
  wanted record;
  index_name text;
  existing record;
  starts numeric;
  ends numeric;
  is_overlapping boolean;
  is_in_default boolean;
  at_last text[] := '{}';
  members regclass[];
begin
  perform tenon.assert_own_partitions(parent);
  perform tenon.assert_not_by_hash(parent);
  if exists (select from pg_catalog.pg_inherits where inhparent = parent and inhrelid = partition) then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_attached',
      message = pg_catalog.format('%s is a partition of %s already', partition, parent);
  end if;
  if strategy = 'r' and key.attname is not null and list is null and (lower_bound is not null or upper_bound is not null) then
    if kind = 'time' then
      -- A time without a zone is one of UTC here, whatever the session that runs the statements says.
      lower_bound := lower_bound::timestamptz;
      upper_bound := upper_bound::timestamptz;
    end if;
    bound := pg_catalog.format('from (%s) to (%s)', coalesce(pg_catalog.quote_literal(lower_bound), 'minvalue'), coalesce(pg_catalog.quote_literal(upper_bound), 'maxvalue'));
    inside := pg_catalog.concat_ws(' and ', key_name || ' is not null',
      key_name || ' >= ' || pg_catalog.quote_literal(lower_bound) || '::' || key_type,
      key_name || ' < ' || pg_catalog.quote_literal(upper_bound) || '::' || key_type);
    outside := pg_catalog.concat_ws(' or ', key_name || ' is null',
      key_name || ' < ' || pg_catalog.quote_literal(lower_bound) || '::' || key_type,
      key_name || ' >= ' || pg_catalog.quote_literal(upper_bound) || '::' || key_type);
  elsif strategy = 'l' and key.attname is not null and pg_catalog.cardinality(list) > 0 and lower_bound is null and upper_bound is null then
    bound := (select pg_catalog.format('in (%s)', pg_catalog.string_agg(pg_catalog.quote_nullable(value), ', ')) from pg_catalog.unnest(list) as given (value));
    values_list := (select pg_catalog.string_agg(pg_catalog.format('%L::%s', value, key_type), ', ')
      from pg_catalog.unnest(list) as given (value) where value is not null);
    inside := key_name || ' = any (array[' || values_list || '])';
    outside := key_name || ' <> all (array[' || values_list || '])';
    if pg_catalog.array_position(list, null) is null then
      inside := pg_catalog.concat_ws(' and ', key_name || ' is not null', inside);
      outside := pg_catalog.concat_ws(' or ', key_name || ' is null', outside);
    else
      inside := pg_catalog.concat_ws(' or ', key_name || ' is null', inside);
      outside := pg_catalog.concat_ws(' and ', key_name || ' is not null', outside);
    end if;
  else
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = pg_catalog.format('%s: a range is attached by its bounds, a list by its values, and both have one column', parent);
  end if;

  -- Hours of building indexes may lie between here and ATTACH, which would refuse.
  if kind is not null then
    starts := coalesce(tenon.range_order(kind, lower_bound), '-Infinity');
    ends := coalesce(tenon.range_order(kind, upper_bound), 'Infinity');
    is_overlapping := starts >= ends or exists (
      select from (select * from tenon.range_partitions(parent) union all select * from tenon.range_partitions(parent, true)) as ranges
      where ranges.partition <> attach_statements.partition
        and ranges.lower_at < ends and ranges.upper_at > starts
    );
  elsif strategy = 'l' and not (select relispartition from pg_catalog.pg_class where oid = parent) then
    for existing in
      select inhrelid, pg_catalog.pg_get_partition_constraintdef(inhrelid) as condition from pg_catalog.pg_inherits
      where inhparent = parent and inhrelid <> partition and inhrelid is distinct from default_partition
    loop
      execute pg_catalog.format(
        'select exists (select from (select value::%s as %s from pg_catalog.unnest($1) as given (value)) as row_of where %s)',
        key_type, key_name, existing.condition
      ) into is_overlapping using list;
      exit when is_overlapping;
    end loop;
  end if;
  if is_overlapping then
    raise exception using
      errcode = 'invalid_object_definition',
      constraint = 'partitions_overlap',
      message = pg_catalog.format('partition %s of %s would overlap another, or its bounds are empty', partition, parent),
      hint = 'select tenon.partition_status(…) shows the bounds that there are';
  end if;

  if default_partition is not null then
    execute pg_catalog.format('select exists (select from %s where not (%s))', default_partition, outside) into is_in_default;
    if is_in_default then
      raise exception using
        errcode = 'check_violation',
        constraint = 'partitions_default_rows',
        message = pg_catalog.format('rows in the default partition of %s belong into %s', parent, partition),
        hint = 'Move them into that table first.';
    end if;
  end if;

  -- Left by a run that was interrupted.
  if exists (select from pg_catalog.pg_constraint where conrelid = partition and conname = 'tenon_attach_check') then
    return query select 'clear', pg_catalog.format('alter table %s drop constraint tenon_attach_check', partition), null;
  end if;
  if exists (select from pg_catalog.pg_constraint where conrelid = default_partition and conname = 'tenon_attach_check') then
    return query select 'clear', pg_catalog.format('alter table %s drop constraint tenon_attach_check', default_partition), null;
  end if;

  -- Found true beforehand, under a lock that stops nobody, so that attaching need not look.
  return query select 'check', pg_catalog.format('alter table %s add constraint tenon_attach_check check (%s) not valid', partition, inside)
      -- Says whose it is, should nobody come back.
      || pg_catalog.format('; comment on constraint tenon_attach_check on %s is %L', partition, 'to be attached to ' || parent::text),
    pg_catalog.format('alter table %s drop constraint if exists tenon_attach_check', partition);
  return query select 'validate', pg_catalog.format('alter table %s validate constraint tenon_attach_check', partition), null;

  -- An index that the parent has and the table has not would be built while attaching holds its locks.
  for wanted in
    select class.relname, index.indisunique, tenon.index_definition(index.indexrelid) as definition, key_constraint.contype as constraint_type
    from pg_catalog.pg_index as index
    join pg_catalog.pg_class as class on class.oid = index.indexrelid
    left join pg_catalog.pg_constraint as key_constraint on key_constraint.conindid = index.indexrelid and key_constraint.contype in ('p', 'u', 'x')
    where index.indrelid = parent and index.indisvalid
    order by class.relname
  loop
    -- An exclusion constraint has no way of being built beforehand.
    continue when wanted.constraint_type = 'x';
    continue when exists (
      select from pg_catalog.pg_index as own
      left join pg_catalog.pg_constraint as key_constraint on key_constraint.conindid = own.indexrelid and key_constraint.contype in ('p', 'u')
      where own.indrelid = partition and own.indisvalid and own.indisunique = wanted.indisunique
        and tenon.index_definition(own.indexrelid) = wanted.definition
        and key_constraint.contype is not distinct from wanted.constraint_type
    );
    index_name := tenon.partition_table_name(own_name, case
      when pg_catalog.starts_with(wanted.relname, parent_name || '_') then pg_catalog.substr(wanted.relname, pg_catalog.length(parent_name) + 1)
      else '_' || pg_catalog.left(pg_catalog.md5(wanted.relname), 6)
    end);
    if exists (
      select from pg_catalog.pg_index as own
      where own.indrelid = partition and not own.indisvalid and own.indexrelid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', own_schema, index_name))
    ) then
      return query select 'clear', pg_catalog.format('drop index concurrently %I.%I', own_schema, index_name), null;
    end if;
    -- Built by an interrupted run, and not yet made a constraint.
    if not exists (
      select from pg_catalog.pg_index as own
      where own.indrelid = partition and own.indisvalid and own.indexrelid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', own_schema, index_name))
    ) then
      return query select 'index', pg_catalog.format(
        'create %sindex concurrently %I on %s%s', case when wanted.indisunique then 'unique ' end, index_name, partition, wanted.definition
      ), pg_catalog.format('drop index concurrently if exists %I.%I', own_schema, index_name);
    end if;
    if wanted.constraint_type is not null then
      at_last := at_last || pg_catalog.format(
        'alter table %s add constraint %I %s using index %I', partition, index_name,
        case wanted.constraint_type when 'p' then 'primary key' else 'unique' end, index_name
      );
    end if;
  end loop;

  -- After the indexes: from here on rows of these bounds are refused, and building may take hours.
  if default_partition is not null then
    return query select 'default check', pg_catalog.format('alter table %s add constraint tenon_attach_check check (%s) not valid', default_partition, outside),
      pg_catalog.format('alter table %s drop constraint if exists tenon_attach_check', default_partition);
    return query select 'default validate', pg_catalog.format('alter table %s validate constraint tenon_attach_check', default_partition), null;
  end if;

  -- What changes the table for good is one transaction with ATTACH: a table that is refused keeps its grants, identity and policies.
  -- Partitions that the table has are reached as directly as itself.
  members := array[partition] || array(select relid from pg_catalog.pg_partition_tree(partition) where relid <> partition);
  at_last := at_last || array(select pg_catalog.format('alter table %s enable row level security', member) from pg_catalog.unnest(members) as member)
    || array(
      -- Of all columns as well.
      select pg_catalog.format('revoke all on table %s from %s', member, case grantee when 'public' then 'public' else pg_catalog.quote_ident(grantee) end)
      from pg_catalog.unnest(members) as member, tenon.table_grantees(member) as grantee
    );
  -- From 17 on the parent's identity is that of its partitions, and one of a table's own is refused.
  if pg_catalog.current_setting('server_version_num')::integer >= 170000 then
    at_last := at_last || array(
      select pg_catalog.format('alter table %s alter column %I drop identity', partition, attribute.attname)
      from pg_catalog.pg_attribute as attribute
      where attribute.attrelid = partition and attribute.attidentity <> '' and not attribute.attisdropped
    );
  end if;
  at_last := at_last || pg_catalog.format('alter table %s attach partition %s for values %s', parent, partition, bound)
    || pg_catalog.format('alter table %s drop constraint tenon_attach_check', partition);
  if default_partition is not null then
    at_last := at_last || pg_catalog.format('alter table %s drop constraint tenon_attach_check', default_partition);
  end if;
  -- It is no longer one that retention took off.
  at_last := at_last || pg_catalog.format('select tenon.unmark_to_drop(%L)', partition);
  return query select 'attach', pg_catalog.array_to_string(at_last, '; '), null;
end
$function$;

comment on function tenon.attach_statements(regclass, regclass, text, text, text[]) is 'The statements that attach a full table with short locks only, in order; run each by itself, outside a transaction.';

create function tenon.run_partman(parent regclass) returns table (partition_name text, change text)
  language plpgsql
  set search_path = ''
as $function$
declare
  partman constant text := tenon.partman_schema(parent);
  before oid[];
  names text[];
begin
  if partman is null then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'partitions_not_managed',
      message = pg_catalog.format('pg_partman does not manage %s', parent);
  end if;
  select pg_catalog.array_agg(class.oid), pg_catalog.array_agg(class.relname::text) into before, names
  from pg_catalog.pg_inherits as inherits
  join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
  where inherits.inhparent = parent;
  execute pg_catalog.format('select %I.run_maintenance($1)', partman)
    using (select namespace.nspname || '.' || class.relname from pg_catalog.pg_class as class
           join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace where class.oid = parent);
  return query
    select class.relname::text, 'created'
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
    where inherits.inhparent = parent and class.oid <> all (coalesce(before, '{}'))
    union all
    select old.name, 'gone'
    -- Of several arrays only without its schema.
    from unnest(before, names) as old (id, name)
    where not exists (select from pg_catalog.pg_inherits where inhparent = parent and inhrelid = old.id)
    order by 2, 1;
end
$function$;

comment on function tenon.run_partman(regclass) is 'Lets pg_partman maintain a table by its own configuration, and returns which partitions came and went.';

revoke all on function tenon.table_grantees(regclass) from public;
revoke all on function tenon.partition_status(regclass) from public;
revoke all on function tenon.drain_default(regclass, text, bigint, integer) from public;
revoke all on function tenon.index_definition(oid) from public;
revoke all on function tenon.attach_statements(regclass, regclass, text, text, text[]) from public;
revoke all on function tenon.run_partman(regclass) from public;
