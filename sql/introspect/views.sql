-- Purpose: views and materialized views: their query and their options, such as security_invoker.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15. Up to 15 a query of one table names that table before every column; definition-text.ts evens it out.
-- Source: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG
select 'view' as kind, n.nspname::text as schema, null::text as "table", c.relname::text as name, null::text as args, null::json as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'view', case c.relkind when 'm' then 'materialized view' else 'view' end,
    'options', (
      select 'with (' || pg_catalog.string_agg(o.option, ', ' order by o.option collate "C") || ')' from pg_catalog.unnest(c.reloptions) as o (option)
    ),
    'query', 'as ' || pg_catalog.btrim(pg_catalog.pg_get_viewdef(c.oid), '; ')
  )) as parts
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('v', 'm')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
