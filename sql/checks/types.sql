-- Purpose: what a pool has to know of types to parse their values: the arrays that generated metadata names, their element types, and what
--   lies beneath domains.
-- Parameters: $1 text[] = element types as schema.name.
-- Returns: one row: `types` jsonb, arrays of array type, element type beneath every domain, delimiter; `newest` oid, the highest of all types.
-- Privilege: none.
-- Runs with search_path = '', so that operators are PostgreSQL's own.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
with recursive elements as (
  select t.typarray as array_type, t.oid, t.typtype, t.typbasetype, t.typdelim
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where n.nspname || '.' || t.typname = any ($1::text[]) and t.typarray <> 0
  union all
  select e.array_type, b.oid, b.typtype, b.typbasetype, b.typdelim
  from elements as e
  join pg_catalog.pg_type as b on b.oid = e.typbasetype
  where e.typtype = 'd'
)
select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(e.array_type::bigint, e.oid::bigint, e.typdelim)), '[]') as types,
  (select max(oid) from pg_catalog.pg_type)::bigint as newest
from elements as e
where e.typtype <> 'd'
