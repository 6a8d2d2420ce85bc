-- Purpose: functions, procedures and plain aggregates that a statement can call, with arguments and result. Trigger functions, aggregates
--   of an order, window functions, what only the server itself can call, what belongs to an extension and what a range type brings along
--   are left out.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-proc.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'schema', n.nspname,
  'name', p.proname,
  'kind', p.prokind,
  'identity', pg_catalog.pg_get_function_identity_arguments(p.oid),
  'arguments', (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', nullif(p.proargnames[a.place], ''),
      'type', a.type::text,
      'mode', coalesce(p.proargmodes[a.place]::text, 'i')
    ) order by a.place), '[]')
    from pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as a (type, place)
  ),
  'defaults', p.pronargdefaults,
  'result', p.prorettype::text,
  'set', p.proretset,
  'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
  'strict', p.proisstrict,
  'definer', p.prosecdef,
  'comment', pg_catalog.obj_description(p.oid, 'pg_proc')
)) as found
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join pg_catalog.pg_aggregate as g on g.aggfnoid = p.oid
where p.prokind in ('f', 'p', 'a') and coalesce(g.aggkind, 'n') = 'n'
  -- No statement has a value of these.
  and not exists (
    select from pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) as u (type)
    join pg_catalog.pg_type as t on t.oid = u.type
    join pg_catalog.pg_namespace as s on s.oid = t.typnamespace and s.nspname = 'pg_catalog'
    where t.typname in ('trigger', 'event_trigger', 'internal') or t.typname like '%\_handler'
  )
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as e
    where e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and e.objid = p.oid and e.deptype in ('e', 'i')
  )
order by n.nspname collate "C", p.proname collate "C", pg_catalog.pg_get_function_identity_arguments(p.oid) collate "C"
