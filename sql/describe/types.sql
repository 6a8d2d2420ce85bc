-- Purpose: every type that a column, an argument or another type can be of: enums with labels in order, domains with their checks,
--   composites, ranges, arrays and base types, the server's own among them.
-- Parameters: none.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'oid', t.oid::text,
  'schema', n.nspname,
  'name', t.typname,
  'kind', t.typtype,
  -- An array type has its element's delimiter; box is the one type that takes a semicolon.
  -- oidvector and int2vector have elements and are no arrays to a client.
  'element', (select e.oid::text from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid),
  'base', case when t.typtype = 'd' then t.typbasetype::text end,
  'baseTypmod', case when t.typtype = 'd' then t.typtypmod end,
  'sqlType', case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
  'notNull', case when t.typtype = 'd' then t.typnotnull end,
  'default', t.typdefault,
  'labels', case when t.typtype = 'e' then (
    select coalesce(pg_catalog.json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum as e where e.enumtypid = t.oid
  ) end,
  'attributes', case when c.relkind = 'c' then (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', a.attname, 'type', a.atttypid::text, 'typmod', a.atttypmod, 'sqlType', pg_catalog.format_type(a.atttypid, a.atttypmod)
    ) order by a.attnum), '[]')
    from pg_catalog.pg_attribute as a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ) end,
  'subtype', coalesce(r.rngsubtype, m.rngsubtype)::text,
  'multirange', r.rngmultitypid::pg_catalog.regtype::text,
  -- Where the operators < <= = <> >= > of its default order are, unless they are the server's own.
  'operators', (
    select pg_catalog.min(s.nspname::text)
    from pg_catalog.pg_opclass as o
    join pg_catalog.pg_am as a on a.oid = o.opcmethod and a.amname = 'btree'
    join pg_catalog.pg_amop as m on m.amopfamily = o.opcfamily and m.amoplefttype = o.opcintype and m.amoprighttype = o.opcintype
    join pg_catalog.pg_operator as p on p.oid = m.amopopr and p.oprname = (array['<', '<=', '=', '>=', '>'])[m.amopstrategy]
    join pg_catalog.pg_namespace as s on s.oid = p.oprnamespace and s.nspname <> 'pg_catalog'
    where o.opcintype = t.oid and o.opcdefault
    having pg_catalog.count(*) = 5 and pg_catalog.count(distinct s.oid) = 1 and pg_catalog.bool_or(exists (
      select from pg_catalog.pg_operator as u where u.oid = p.oprnegate and u.oprname = '<>' and u.oprnamespace = s.oid
    ))
  ),
  'checks', case when t.typtype = 'd' then (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', k.conname, 'expression', pg_catalog.pg_get_expr(k.conbin, 0), 'valid', k.convalidated
    ) order by k.conname collate "C")
    from pg_catalog.pg_constraint as k where k.contypid = t.oid and k.contype = 'c'
  ) end,
  'extension', (
    select x.extname from pg_catalog.pg_depend as d
    join pg_catalog.pg_extension as x on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and x.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  ),
  'comment', pg_catalog.obj_description(t.oid, 'pg_type')
)) as found
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join pg_catalog.pg_class as c on c.oid = t.typrelid
left join pg_catalog.pg_range as r on r.rngtypid = t.oid
left join pg_catalog.pg_range as m on m.rngmultitypid = t.oid
where n.nspname !~ '^pg_(toast|temp)' and n.nspname <> 'information_schema'
order by n.nspname collate "C", t.typname collate "C"
