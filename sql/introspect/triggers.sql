-- Purpose: triggers and whether they are enabled, and rewrite rules. Those that PostgreSQL makes for a constraint, and those that a partition
--   has from its parent, follow the constraint and the parent.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-trigger.html, https://www.postgresql.org/docs/current/catalog-pg-rewrite.html
with fired as (
  select 'trigger' as kind, t.tgrelid as relation, t.tgname as name, t.tgenabled as enabled,
    pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^CREATE (CONSTRAINT )?TRIGGER (?:[^"\s]+|"(?:[^"]|"")*") ', 'create \1trigger ') as definition
  from pg_catalog.pg_trigger as t
  where not t.tgisinternal and t.tgparentid = 0
  union all
  select 'rule', r.ev_class, r.rulename, r.ev_enabled,
    pg_catalog.regexp_replace(pg_catalog.pg_get_ruledef(r.oid), '^CREATE RULE (?:[^"\s]+|"(?:[^"]|"")*") ', 'create rule ')
  from pg_catalog.pg_rewrite as r
  where r.rulename <> '_RETURN'
)
select f.kind, n.nspname::text as schema, c.relname::text as "table", f.name::text as name, null::text as args,
  pg_catalog.json_build_array(case when c.relkind in ('v', 'm') then 'view' else 'table' end, n.nspname, null, c.relname, null) as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'definition', f.definition,
    'state', case f.enabled when 'D' then 'disabled' when 'R' then 'enabled for replicas only' when 'A' then 'enabled always' else 'enabled' end
  )) as parts
from fired as f
join pg_catalog.pg_class as c on c.oid = f.relation
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
