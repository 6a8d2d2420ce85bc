-- measures: lengths with their unit, as a type with functions, operators and an aggregate of its own.
--
-- purpose: how a schema makes a composite type and an enum, a function on them, an operator with commutator, negator and estimators, and an
--   aggregate whose partial results can be combined, so that PostgreSQL may work on it in parallel. A measure is a value such as (1.5,km).
--   Bodies are in return form without `set`: PostgreSQL puts them in the place of the call, so that an operator costs no call.
-- parameters: :"schema" identifier, where the types are made. The functions: measure (amount numeric, unit measure_unit)
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/xoper-optimization.html
-- requires: roles
-- transactional: yes
-- kind: demo
-- down:
--   drop aggregate :"schema".total(:"schema".measure);
--   drop operator :"schema".+ (:"schema".measure, :"schema".measure);
--   drop operator :"schema".=~= (:"schema".measure, :"schema".measure), :"schema".<~> (:"schema".measure, :"schema".measure);
--   drop function :"schema".measures_differ(:"schema".measure, :"schema".measure), :"schema".measures_match(:"schema".measure, :"schema".measure);
--   drop function :"schema".add_measures(:"schema".measure, :"schema".measure), :"schema".conversions(:"schema".measure);
--   drop function :"schema".metres(:"schema".measure), :"schema".metres(numeric, :"schema".measure_unit);
--   drop type :"schema".measure, :"schema".measure_unit;

create type :"schema".measure_unit as enum ('mm', 'm', 'km');
create type :"schema".measure as (amount numeric, unit :"schema".measure_unit);

comment on type :"schema".measure is 'A length with its unit, such as (1.5,km).';

create function :"schema".metres(amount numeric, unit :"schema".measure_unit) returns numeric
  language sql immutable strict parallel safe
  return amount * case unit when 'mm' then 0.001 when 'm' then 1 when 'km' then 1000 end;

create function :"schema".metres(value :"schema".measure) returns numeric
  language sql immutable strict parallel safe
  return :"schema".metres((value).amount, (value).unit);

comment on function :"schema".metres(:"schema".measure) is 'A measure in metres.';
comment on function :"schema".metres(numeric, :"schema".measure_unit) is 'A length in metres.';

create function :"schema".conversions(value :"schema".measure) returns table (unit :"schema".measure_unit, amount numeric)
  language sql immutable strict parallel safe rows 3
  begin atomic
    select units.unit, :"schema".metres(value) / :"schema".metres(1, units.unit)
    from pg_catalog.unnest(pg_catalog.enum_range(cast(null as :"schema".measure_unit))) as units (unit)
    order by units.unit;
  end;

comment on function :"schema".conversions(:"schema".measure) is 'A measure in every unit. @notnull';

create function :"schema".measures_match(a :"schema".measure, b :"schema".measure) returns boolean
  language sql immutable strict parallel safe
  return :"schema".metres(a) = :"schema".metres(b);

create function :"schema".measures_differ(a :"schema".measure, b :"schema".measure) returns boolean
  language sql immutable strict parallel safe
  return :"schema".metres(a) <> :"schema".metres(b);

-- The commutator lets the planner turn it round, the negator rewrite `not (a =~= b)`; without estimators it would guess how many rows match.
create operator :"schema".=~= (
  leftarg = :"schema".measure,
  rightarg = :"schema".measure,
  function = :"schema".measures_match,
  commutator = operator(:"schema".=~=),
  negator = operator(:"schema".<~>),
  restrict = pg_catalog.eqsel,
  join = pg_catalog.eqjoinsel
);

create operator :"schema".<~> (
  leftarg = :"schema".measure,
  rightarg = :"schema".measure,
  function = :"schema".measures_differ,
  commutator = operator(:"schema".<~>),
  negator = operator(:"schema".=~=),
  restrict = pg_catalog.neqsel,
  join = pg_catalog.neqjoinsel
);

comment on operator :"schema".=~= (:"schema".measure, :"schema".measure) is 'The same length, whatever the units.';
comment on operator :"schema".<~> (:"schema".measure, :"schema".measure) is 'Another length, whatever the units.';

create function :"schema".add_measures(a :"schema".measure, b :"schema".measure) returns :"schema".measure
  language sql immutable strict parallel safe
  return cast(row(
    case when (a).unit = (b).unit then (a).amount + (b).amount else :"schema".metres(a) + :"schema".metres(b) end,
    case when (a).unit = (b).unit then (a).unit else 'm' end
  ) as :"schema".measure);

create operator :"schema".+ (
  leftarg = :"schema".measure,
  rightarg = :"schema".measure,
  function = :"schema".add_measures,
  commutator = operator(:"schema".+)
);

comment on operator :"schema".+ (:"schema".measure, :"schema".measure) is 'The sum, in their unit where they have one, in metres elsewhere.';

-- A strict step takes the first value as it is and leaves nulls out, as sum() does; two partial sums are added like two values.
create aggregate :"schema".total(:"schema".measure) (
  sfunc = :"schema".add_measures,
  stype = :"schema".measure,
  combinefunc = :"schema".add_measures,
  parallel = safe
);

comment on aggregate :"schema".total(:"schema".measure) is 'The sum of measures; null of none.';

revoke all on function
  :"schema".metres(:"schema".measure),
  :"schema".metres(numeric, :"schema".measure_unit),
  :"schema".conversions(:"schema".measure),
  :"schema".measures_match(:"schema".measure, :"schema".measure),
  :"schema".measures_differ(:"schema".measure, :"schema".measure),
  :"schema".add_measures(:"schema".measure, :"schema".measure),
  :"schema".total(:"schema".measure)
from public, anon;
grant usage on schema :"schema" to authenticated, service_role;
grant execute on function
  :"schema".metres(:"schema".measure),
  :"schema".metres(numeric, :"schema".measure_unit),
  :"schema".conversions(:"schema".measure),
  :"schema".measures_match(:"schema".measure, :"schema".measure),
  :"schema".measures_differ(:"schema".measure, :"schema".measure),
  :"schema".add_measures(:"schema".measure, :"schema".measure),
  :"schema".total(:"schema".measure)
to authenticated, service_role;
