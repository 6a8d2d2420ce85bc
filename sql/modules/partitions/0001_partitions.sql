-- Partitions by time: making them ahead, dropping old ones, and seeing rows that found none.
--
-- purpose: keeps a table that is partitioned by RANGE over one column of type date, timestamp or timestamptz supplied with
--   partitions. Bounds are in UTC, whatever the session's time zone is. A host that has pg_partman does not need it.
--     select tenon.create_partitions('public.events', 'month', 3)
--   Every new partition has row security on and no grant: rows are reached through the parent and its policies only.
-- parameters: none. The functions: parent regclass; unit text, day, week, month or year; ahead integer, how many after the
--   current one; since timestamptz, where to begin; older_than timestamptz
-- privilege: CREATE on the database; calling the functions takes ownership of the table
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/ddl-partitioning.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.default_partition_rows(regclass);
--   drop function tenon.drop_partitions(regclass, timestamptz);
--   drop function tenon.create_partitions(regclass, text, integer, timestamptz);

create schema if not exists tenon;

-- "set timezone" makes the server print and read bounds in UTC.
create function tenon.create_partitions(
  parent regclass,
  unit text,
  ahead integer default 3,
  since timestamptz default pg_catalog.now()
) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
as $function$
declare
  parent_name constant text := (select relname from pg_catalog.pg_class where oid = parent);
  parent_schema constant text :=
    (select namespace.nspname from pg_catalog.pg_class as class
     join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace where class.oid = parent);
  starts timestamp;
  ends timestamp;
  suffix text;
  stem text;
  partition_name text;
  existing oid;
  grantee text;
begin
  if unit not in ('day', 'week', 'month', 'year') or ahead < 0 or ahead > 1000 or since is null then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'partitions_arguments',
      message = 'create_partitions: unit is day, week, month or year, ahead 0 to 1000, and since a time';
  end if;
  if not exists (
    select from pg_catalog.pg_partitioned_table as partitioned
    join pg_catalog.pg_attribute as attribute
      on attribute.attrelid = partitioned.partrelid and attribute.attnum = partitioned.partattrs[0]
    where partitioned.partrelid = parent and partitioned.partstrat = 'r' and partitioned.partnatts = 1
      and attribute.atttypid in (
        'pg_catalog.date'::pg_catalog.regtype, 'pg_catalog.timestamp'::pg_catalog.regtype, 'pg_catalog.timestamptz'::pg_catalog.regtype
      )
  ) then
    raise exception using
      errcode = 'wrong_object_type',
      constraint = 'partitions_not_by_time',
      message = pg_catalog.format('%s is not partitioned by range over one column of a time', parent),
      hint = 'create table … partition by range (at)';
  end if;

  -- Two callers at once would both find a partition missing.
  execute pg_catalog.format('lock table %s in share update exclusive mode', parent);

  for step in 0 .. ahead loop
    starts := pg_catalog.date_trunc(unit, since at time zone 'UTC') + step * ('1 ' || unit)::pg_catalog.interval;
    ends := starts + ('1 ' || unit)::pg_catalog.interval;
    suffix := '_p' || pg_catalog.to_char(starts, case unit when 'year' then 'YYYY' when 'month' then 'YYYYMM' else 'YYYYMMDD' end);
    -- 63 bytes at most; what is cut is told apart by a hash of the whole name.
    stem := parent_name;
    if pg_catalog.octet_length(stem || suffix) > 63 then
      while pg_catalog.octet_length(stem || suffix) > 63 - 7 loop
        stem := pg_catalog.left(stem, -1);
      end loop;
      stem := stem || '_' || pg_catalog.left(pg_catalog.md5(parent_name), 6);
    end if;
    partition_name := stem || suffix;

    existing := (
      select class.oid from pg_catalog.pg_class as class
      join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
      where namespace.nspname = parent_schema and class.relname = partition_name
    );
    if existing is not null then
      continue when exists (select from pg_catalog.pg_inherits where inhparent = parent and inhrelid = existing);
      raise exception using
        errcode = 'duplicate_table',
        constraint = 'partitions_name_taken',
        message = pg_catalog.format('table %I.%I is in the way: it is no partition of %s', parent_schema, partition_name, parent),
        hint = 'rename it, or attach it';
    end if;

    -- Attaching takes a weaker lock on the parent than creating in place would.
    execute pg_catalog.format(
      'create table %I.%I (like %s including all excluding indexes excluding identity)',
      parent_schema, partition_name, parent
    );
    execute pg_catalog.format('alter table %I.%I enable row level security', parent_schema, partition_name);
    -- Default privileges of the host may have granted what row security on the parent was to guard.
    for grantee in
      select case acl.grantee when 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end
      from pg_catalog.pg_class as class, pg_catalog.aclexplode(class.relacl) as acl
      where class.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', parent_schema, partition_name))
        and acl.grantee <> class.relowner
      group by acl.grantee
    loop
      execute pg_catalog.format('revoke all on table %I.%I from %s', parent_schema, partition_name, grantee);
    end loop;
    begin
      execute pg_catalog.format(
        'alter table %s attach partition %I.%I for values from (%L) to (%L)',
        parent, parent_schema, partition_name, starts at time zone 'UTC', ends at time zone 'UTC'
      );
    exception when check_violation then
      raise exception using
        errcode = 'check_violation',
        constraint = 'partitions_default_rows',
        message = pg_catalog.format('rows in the default partition of %s belong into %s', parent, partition_name),
        hint = pg_catalog.format(
          'move them: detach the default partition, make the partition, insert the rows into the parent (%s rows lie there)',
          tenon.default_partition_rows(parent)
        );
    end;
    return next partition_name;
  end loop;
end
$function$;

comment on function tenon.create_partitions(regclass, text, integer, timestamptz) is 'Makes the partitions that are missing, from the one that holds "since" to "ahead" later ones, and returns their names.';

create function tenon.drop_partitions(parent regclass, older_than timestamptz) returns setof text
  language plpgsql
  set search_path = ''
  set timezone = 'UTC'
as $function$
declare
  old record;
begin
  for old in
    select namespace.nspname, class.relname
    from pg_catalog.pg_inherits as inherits
    join pg_catalog.pg_class as class on class.oid = inherits.inhrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
    cross join lateral (
      select pg_catalog.substring(pg_catalog.pg_get_expr(class.relpartbound, class.oid), $re$TO \('([^']+)'\)$$re$) as upper_bound
    ) as bound
    -- The default partition has no upper bound, and neither has one up to MAXVALUE.
    where inherits.inhparent = parent and bound.upper_bound is not null and bound.upper_bound <> 'infinity'
      and bound.upper_bound::pg_catalog.timestamptz <= older_than
    order by bound.upper_bound::pg_catalog.timestamptz
  loop
    execute pg_catalog.format('alter table %s detach partition %I.%I', parent, old.nspname, old.relname);
    execute pg_catalog.format('drop table %I.%I', old.nspname, old.relname);
    return next old.relname;
  end loop;
end
$function$;

comment on function tenon.drop_partitions(regclass, timestamptz) is 'Drops, with their rows, the partitions that end at or before "older_than", and returns their names. Never the default partition.';

create function tenon.default_partition_rows(parent regclass) returns bigint
  language plpgsql stable
  set search_path = ''
as $function$
declare
  default_partition constant oid := (select partdefid from pg_catalog.pg_partitioned_table where partrelid = parent);
  found_rows bigint := 0;
begin
  if default_partition is not null and default_partition <> 0 then
    execute pg_catalog.format('select count(*) from only %s', default_partition::pg_catalog.regclass) into found_rows;
  end if;
  return found_rows;
end
$function$;

comment on function tenon.default_partition_rows(regclass) is 'Rows in the default partition, 0 when there is none: they keep the partition that they belong into from being made.';

revoke all on function tenon.create_partitions(regclass, text, integer, timestamptz) from public;
revoke all on function tenon.drop_partitions(regclass, timestamptz) from public;
revoke all on function tenon.default_partition_rows(regclass) from public;
