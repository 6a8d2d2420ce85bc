-- Purpose: primary, unique and foreign keys and checks of tables, with the columns they are about.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15. A constraint can be NOT ENFORCED since 18, where to_jsonb shows the column that older ones lack.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-constraint.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', k.conrelid::text,
  'name', k.conname,
  'kind', k.contype,
  'columns', (
    select coalesce(pg_catalog.json_agg(a.attname order by u.place), '[]')
    from pg_catalog.unnest(k.conkey) with ordinality as u (attnum, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum
  ),
  'references', case when k.contype = 'f' then k.confrelid::text end,
  'referencedColumns', case when k.contype = 'f' then (
    select pg_catalog.json_agg(a.attname order by u.place)
    from pg_catalog.unnest(k.confkey) with ordinality as u (attnum, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.attnum
  ) end,
  'onUpdate', case when k.contype = 'f' then k.confupdtype end,
  'onDelete', case when k.contype = 'f' then k.confdeltype end,
  'deferrable', case when k.condeferrable then true end,
  'nullsNotDistinct', (select case when i.indnullsnotdistinct then true end from pg_catalog.pg_index as i where i.indexrelid = k.conindid and k.contype = 'u'),
  'expression', case when k.contype = 'c' then pg_catalog.pg_get_expr(k.conbin, k.conrelid) end,
  'valid', k.convalidated,
  'enforced', coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
)) as found
from pg_catalog.pg_constraint as k
join pg_catalog.pg_class as c on c.oid = k.conrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where k.contype in ('p', 'u', 'f', 'c')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by k.conrelid, k.conname collate "C"
