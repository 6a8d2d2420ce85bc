-- Purpose: the stored query trees of views and materialized views, from which src/codegen/view-columns.ts tells what a column comes from.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15. Which outer joins can make a column null is in the tree since 16.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-rewrite.html
select pg_catalog.json_build_object('relation', w.ev_class::text, 'query', w.ev_action::text) as found
from pg_catalog.pg_rewrite as w
join pg_catalog.pg_class as c on c.oid = w.ev_class
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where w.ev_type = '1' and c.relkind in ('v', 'm')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by w.ev_class
