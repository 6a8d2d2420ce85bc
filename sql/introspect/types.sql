-- Purpose: enums with their labels in order, composite types with their attributes, ranges with their subtype, and domains with type, default
--   and NOT NULL. The checks of a domain are in constraints.sql.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
select case t.typtype when 'd' then 'domain' else 'type' end as kind, n.nspname::text as schema, null::text as "table", t.typname::text as name,
  null::text as args, null::json as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'labels', case when t.typtype = 'e' then (
      select 'enum (' || coalesce(pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' order by e.enumsortorder), '') || ')'
      from pg_catalog.pg_enum as e where e.enumtypid = t.oid
    ) end,
    'attributes', case when t.typtype = 'c' then (
      select '(' || coalesce(pg_catalog.string_agg(
        pg_catalog.quote_ident(a.attname) || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
          || case when a.attcollation <> y.typcollation then ' collate ' || a.attcollation::pg_catalog.regcollation::text else '' end,
        ', ' order by a.attnum), '') || ')'
      from pg_catalog.pg_attribute as a join pg_catalog.pg_type as y on y.oid = a.atttypid
      where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) end,
    'range', (
      select 'range (subtype = ' || pg_catalog.format_type(r.rngsubtype, null)
        || case when r.rngcollation <> 0 then ', collation = ' || r.rngcollation::pg_catalog.regcollation::text else '' end
        || case when r.rngcanonical <> 0 then ', canonical = ' || r.rngcanonical::pg_catalog.regproc::text else '' end
        || case when r.rngsubdiff <> 0 then ', subtype_diff = ' || r.rngsubdiff::pg_catalog.regproc::text else '' end
        || ', multirange_type_name = ' || pg_catalog.format_type(r.rngmultitypid, null) || ')'
      from pg_catalog.pg_range as r where r.rngtypid = t.oid
    ),
    'type', case when t.typtype = 'd' then 'as ' || pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
    'collation', case when t.typtype = 'd' then (
      select 'collate ' || t.typcollation::pg_catalog.regcollation::text from pg_catalog.pg_type as b
      where b.oid = t.typbasetype and b.typcollation <> t.typcollation
    ) end,
    'default', case when t.typtype = 'd' then 'default ' || t.typdefault end,
    'not null', case when t.typtype = 'd' and t.typnotnull then 'not null' end
  )) as parts
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join pg_catalog.pg_class as c on c.oid = t.typrelid
where (t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  )
