-- Purpose: comments on schemas, tables, columns, views, sequences, indexes, constraints, policies, triggers, functions and types.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them; table, name and args are those of the object, parts say kind and text.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-description.html
with described as (
  select case when d.objsubid > 0 then 'column' when c.relkind = 'v' then 'view' when c.relkind = 'm' then 'materialized view' when c.relkind = 'S' then 'sequence'
      when c.relkind in ('i', 'I') then 'index' when c.relkind = 'c' then 'type' else 'table' end as kind,
    n.nspname as schema,
    case when d.objsubid > 0 then c.relname when c.relkind in ('i', 'I') then o.relname end as "table",
    case when d.objsubid > 0 then a.attname else c.relname end as name,
    null::text as args,
    case when d.objsubid > 0 and c.relkind in ('v', 'm') then pg_catalog.json_build_array('view', n.nspname, null, c.relname, null) end as parent,
    d.description, d.classoid, c.oid as objoid
  from pg_catalog.pg_description as d
  join pg_catalog.pg_class as c on c.oid = d.objoid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
  left join pg_catalog.pg_index as x on x.indexrelid = c.oid
  left join pg_catalog.pg_class as o on o.oid = x.indrelid
  where d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
  union all
  select 'schema', n.nspname, null, n.nspname, null, null, d.description, d.classoid, n.oid
  from pg_catalog.pg_description as d join pg_catalog.pg_namespace as n on n.oid = d.objoid
  where d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  union all
  select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, n.nspname, null, p.proname,
    pg_catalog.oidvectortypes(p.proargtypes), null, d.description, d.classoid, p.oid
  from pg_catalog.pg_description as d join pg_catalog.pg_proc as p on p.oid = d.objoid join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
  union all
  select case t.typtype when 'd' then 'domain' else 'type' end, n.nspname, null, t.typname, null, null, d.description, d.classoid, t.oid
  from pg_catalog.pg_description as d join pg_catalog.pg_type as t on t.oid = d.objoid join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where d.classoid = 'pg_catalog.pg_type'::pg_catalog.regclass
  union all
  select case when c.oid is null then 'domain constraint' else 'constraint' end, n.nspname, coalesce(c.relname, t.typname), k.conname, null, null,
    d.description,
    case when c.oid is null then 'pg_catalog.pg_type'::pg_catalog.regclass else 'pg_catalog.pg_class'::pg_catalog.regclass end, coalesce(c.oid, t.oid)
  from pg_catalog.pg_description as d
  join pg_catalog.pg_constraint as k on k.oid = d.objoid
  left join pg_catalog.pg_class as c on c.oid = k.conrelid
  left join pg_catalog.pg_type as t on t.oid = k.contypid
  join pg_catalog.pg_namespace as n on n.oid = coalesce(c.relnamespace, t.typnamespace)
  where d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
  union all
  select 'policy', n.nspname, c.relname, p.polname, null, null, d.description, 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid
  from pg_catalog.pg_description as d
  join pg_catalog.pg_policy as p on p.oid = d.objoid
  join pg_catalog.pg_class as c on c.oid = p.polrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass
  union all
  select 'trigger', n.nspname, c.relname, t.tgname, null, null, d.description, 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid
  from pg_catalog.pg_description as d
  join pg_catalog.pg_trigger as t on t.oid = d.objoid
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and t.tgparentid = 0
)
select 'comment' as kind, s.schema::text as schema, s."table"::text as "table", s.name::text as name, s.args, s.parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'on', case s.kind when 'domain constraint' then 'constraint' when 'materialized view' then 'view' else s.kind end,
    -- What COMMENT wants to know of it besides.
    'of', case s.kind when 'domain constraint' then 'domain' when 'materialized view' then 'materialized' end,
    'text', s.description
  )) as parts
from described as s
where s.schema !~ '^pg_' and s.schema <> 'information_schema'
  and ($1::text[] is null or s.schema = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d where d.classid = s.classoid and d.objid = s.objoid and d.deptype = 'e'
  )
