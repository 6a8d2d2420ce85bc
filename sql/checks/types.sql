-- Purpose: what a pool has to know of types to parse their values: the arrays that generated metadata names, their element types, and what
--   lies beneath domains; with codecs also the types that those may read, and their arrays.
-- Parameters: $1 text[] = element types as schema.name; $2 boolean = whether there are codecs; $3 oid[] = types that results had.
-- Returns: one row: `types` jsonb, arrays of array type, element type beneath every domain, delimiter; `coded` jsonb, types as
--   src/kernel/codec.ts has them; `listed` jsonb, the types of the database but for rows of tables, which are many, save those of $3.
-- Privilege: none.
-- Runs with search_path = '', so that operators are PostgreSQL's own.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
with recursive beneath as (
  select d.oid as domain, d.typbasetype as base from pg_catalog.pg_type as d where d.typtype = 'd'
  union all
  select b.domain, d.typbasetype from beneath as b join pg_catalog.pg_type as d on d.oid = b.base where d.typtype = 'd'
),
plain as (
  select b.domain, b.base from beneath as b join pg_catalog.pg_type as t on t.oid = b.base where t.typtype <> 'd'
),
coded as (
  select t.oid, n.nspname, t.typname, t.typtype, e.extname, t.typrelid, coalesce(p.base, r.rngsubtype, m.rngsubtype) as subtype
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  left join pg_catalog.pg_range as r on r.rngtypid = t.oid
  left join pg_catalog.pg_range as m on m.rngmultitypid = t.oid
  left join plain as p on p.domain = coalesce(r.rngsubtype, m.rngsubtype)
  left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  left join pg_catalog.pg_extension as e on e.oid = d.refobjid
  where $2::boolean and (
    t.typtype in ('r', 'm')
    or (t.typtype = 'b' and t.typcategory <> 'A' and (n.nspname <> 'pg_catalog' or t.typcategory in ('G', 'T')))
    or (t.typtype = 'c' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_' and (
      select relkind = 'c' from pg_catalog.pg_class as c where c.oid = t.typrelid
    ))
  )
),
attributes as (
  select a.attrelid, a.attnum, a.attname, t.oid as type,
    case when t.typcategory = 'A' then coalesce(i.base, t.typelem) end as element
  from pg_catalog.pg_attribute as a
  left join plain as p on p.domain = a.atttypid
  join pg_catalog.pg_type as t on t.oid = coalesce(p.base, a.atttypid)
  left join plain as i on i.domain = t.typelem
  where a.attrelid in (select c.typrelid from coded as c where c.typtype = 'c') and a.attnum > 0 and not a.attisdropped
),
written as (
  select a.attrelid, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
    'name', a.attname,
    'type', a.type::bigint,
    'element', a.element::bigint
  ) order by a.attnum) as attributes
  from attributes as a
  group by a.attrelid
),
elements as (
  select t.typarray as array_type, t.oid, t.typtype, t.typbasetype, t.typdelim
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where t.typarray <> 0 and (n.nspname || '.' || t.typname = any ($1::text[])
    or t.oid in (select c.oid from coded as c) or t.typarray in (select a.type from attributes as a))
  union all
  select e.array_type, b.oid, b.typtype, b.typbasetype, b.typdelim
  from elements as e
  join pg_catalog.pg_type as b on b.oid = e.typbasetype
  where e.typtype = 'd'
),
-- Those of the database itself begin at FirstNormalObjectId.
listed as (
  select t.oid
  from pg_catalog.pg_type as t
  left join pg_catalog.pg_type as i on i.oid = t.typelem and t.typcategory = 'A'
  left join pg_catalog.pg_class as c on c.oid = coalesce(nullif(t.typrelid, 0::pg_catalog.oid), i.typrelid)
  where t.oid >= 16384::pg_catalog.oid and (
    c.relkind is null or c.relkind = 'c' or t.oid = any ($3::pg_catalog.oid[])
    or t.oid in (select a.type from attributes as a) or t.oid in (select e.oid from elements as e)
  )
)
select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(e.array_type::bigint, e.oid::bigint, e.typdelim)), '[]') as types,
  (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
    'oid', c.oid::bigint,
    'schema', c.nspname,
    'name', c.typname,
    'kind', case c.typtype when 'b' then 'base' when 'c' then 'composite' when 'r' then 'range' else 'multirange' end,
    'extension', c.extname,
    'subtype', c.subtype::bigint,
    'attributes', case when c.typtype = 'c' then coalesce(w.attributes, '[]') end
  ))), '[]') from coded as c left join written as w on w.attrelid = c.typrelid) as coded,
  (select coalesce(pg_catalog.jsonb_agg(l.oid::bigint), '[]') from listed as l) as listed
from elements as e
where e.typtype <> 'd'
