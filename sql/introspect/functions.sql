-- Purpose: functions, procedures, window functions and aggregates: everything that pg_get_functiondef says, which is result, language,
--   volatility, security, settings and body.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them; args are the types of the arguments.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-proc.html
select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end as kind,
  n.nspname::text as schema, null::text as "table", p.proname::text as name, pg_catalog.oidvectortypes(p.proargtypes) as args, null::json as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'definition', case when p.prokind <> 'a' then pg_catalog.pg_get_functiondef(p.oid) end,
    'transition', 'sfunc ' || a.aggtransfn::pg_catalog.regprocedure::text,
    'state', 'stype ' || pg_catalog.format_type(a.aggtranstype, null),
    'final', case when a.aggfinalfn <> 0 then 'finalfunc ' || a.aggfinalfn::pg_catalog.regprocedure::text end,
    'combine', case when a.aggcombinefn <> 0 then 'combinefunc ' || a.aggcombinefn::pg_catalog.regprocedure::text end,
    'initial', 'initcond ' || pg_catalog.quote_literal(a.agginitval),
    'result', case when p.prokind = 'a' then 'returns ' || pg_catalog.pg_get_function_result(p.oid) end
  )) as parts
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join pg_catalog.pg_aggregate as a on a.aggfnoid = p.oid
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  -- Deptype i: the constructors of a range type.
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype in ('e', 'i')
  )
