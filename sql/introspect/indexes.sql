-- Purpose: indexes of tables and materialized views, and whether they are valid. Those that a constraint made are part of the constraint;
--   those that a partition has from its parent follow the parent.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-index.html
select 'index' as kind, n.nspname::text as schema, c.relname::text as "table", i.relname::text as name, null::text as args,
  pg_catalog.json_build_array(case c.relkind when 'm' then 'view' else 'table' end, n.nspname, null, c.relname, null) as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'uniqueness', case when x.indisunique then 'unique' end,
    -- What stands after the name, so that an index that was renamed is known again.
    'definition', pg_catalog.substr(
      pg_catalog.pg_get_indexdef(x.indexrelid),
      pg_catalog.length('create ' || case when x.indisunique then 'unique ' else '' end || 'index ' || pg_catalog.quote_ident(i.relname)) + 2
    ),
    -- Of a partitioned table it only says that a partition has no such index yet.
    'validity', case when not x.indisvalid and i.relkind = 'i' then 'invalid' end
  )) as parts
from pg_catalog.pg_index as x
join pg_catalog.pg_class as i on i.oid = x.indexrelid
join pg_catalog.pg_class as c on c.oid = x.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm') and not i.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_constraint as k
    where k.conrelid = x.indrelid and k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x')
  )
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
