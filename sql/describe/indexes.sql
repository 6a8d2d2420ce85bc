-- Purpose: indexes with method, key columns or expressions, operator classes, included columns and predicate.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-index.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', i.indrelid::text,
  'name', x.relname,
  'method', m.amname,
  'unique', i.indisunique,
  'valid', i.indisvalid,
  'nullsNotDistinct', case when i.indnullsnotdistinct then true end,
  'keys', (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'column', a.attname,
      'expression', case when i.indkey[s - 1] = 0 then pg_catalog.pg_get_indexdef(i.indexrelid, s, true) end,
      'opclass', o.opcname,
      'opclassIsDefault', o.opcdefault,
      'descending', m.amname = 'btree' and i.indoption[s - 1] & 1 = 1,
      'nullsFirst', m.amname = 'btree' and i.indoption[s - 1] & 2 = 2
    ) order by s)
    from pg_catalog.generate_series(1, i.indnkeyatts) as s
    left join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[s - 1] and i.indkey[s - 1] <> 0
    left join pg_catalog.pg_opclass as o on o.oid = i.indclass[s - 1]
  ),
  'include', (
    select pg_catalog.json_agg(a.attname order by s)
    from pg_catalog.generate_series(i.indnkeyatts + 1, i.indnatts) as s
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[s - 1]
  ),
  'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid)
)) as found
from pg_catalog.pg_index as i
join pg_catalog.pg_class as x on x.oid = i.indexrelid
join pg_catalog.pg_am as m on m.oid = x.relam
join pg_catalog.pg_class as c on c.oid = i.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by i.indrelid, x.relname collate "C"
