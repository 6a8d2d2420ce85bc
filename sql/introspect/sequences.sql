-- Purpose: sequences and which column owns them; not how far they are, and not those of identity columns, which are part of the column.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-sequence.html
select 'sequence' as kind, n.nspname::text as schema, null::text as "table", c.relname::text as name, null::text as args, null::json as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'persistence', case c.relpersistence when 'u' then 'unlogged' end,
    'type', 'as ' || pg_catalog.format_type(s.seqtypid, null),
    'increment', 'increment by ' || s.seqincrement,
    'minimum', 'minvalue ' || s.seqmin,
    'maximum', 'maxvalue ' || s.seqmax,
    'start', 'start with ' || s.seqstart,
    'cache', 'cache ' || s.seqcache,
    'cycle', case when s.seqcycle then 'cycle' end,
    'owner', (
      select 'owned by ' || d.refobjid::pg_catalog.regclass::text || '.' || pg_catalog.quote_ident(a.attname)
      from pg_catalog.pg_depend as d
      join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'a'
    )
  )) as parts
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_sequence as s on s.seqrelid = c.oid
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype in ('e', 'i')
  )
