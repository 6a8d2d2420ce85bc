-- Purpose: extended statistics.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-statistic-ext.html
select 'statistics' as kind, n.nspname::text as schema, null::text as "table", s.stxname::text as name, null::text as args,
  pg_catalog.json_build_array('table', m.nspname, null, c.relname, null) as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object('definition', pg_catalog.pg_get_statisticsobjdef(s.oid))) as parts
from pg_catalog.pg_statistic_ext as s
join pg_catalog.pg_namespace as n on n.oid = s.stxnamespace
join pg_catalog.pg_class as c on c.oid = s.stxrelid
join pg_catalog.pg_namespace as m on m.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass and d.objid = s.oid and d.deptype = 'e'
  )
