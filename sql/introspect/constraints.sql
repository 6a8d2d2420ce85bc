-- Purpose: primary keys, unique, foreign key, check and exclusion constraints of tables, and the checks of domains, each with its validity
--   and deferrability. NOT NULL is a property of the column (columns.sql). What a partition or a child only inherits is left out.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-constraint.html
select 'constraint' as kind, n.nspname::text as schema, coalesce(c.relname, t.typname)::text as "table", k.conname::text as name, null::text as args,
  case when c.oid is null
    then pg_catalog.json_build_array('domain', n.nspname, null, t.typname, null)
    else pg_catalog.json_build_array('table', n.nspname, null, c.relname, null)
  end as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object('definition', pg_catalog.pg_get_constraintdef(k.oid))) as parts
from pg_catalog.pg_constraint as k
left join pg_catalog.pg_class as c on c.oid = k.conrelid
left join pg_catalog.pg_type as t on t.oid = k.contypid
join pg_catalog.pg_namespace as n on n.oid = coalesce(c.relnamespace, t.typnamespace)
where k.contype in ('p', 'u', 'f', 'c', 'x')
  and k.conparentid = 0
  and (k.conislocal or k.coninhcount = 0)
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.deptype = 'e' and (
      d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = k.conrelid
      or d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = k.contypid
    )
  )
