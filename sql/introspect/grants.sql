-- Purpose: who may do what: one row per privilege and grantee on a table, view, column, sequence, function, schema or type. An owner's own
--   privileges are left out, and what PUBLIC has by default is in. Of pg_catalog only what somebody changed: functions whose
--   privileges are not those of the beginning.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them; table, name and args are those of the object, parts say kind, privilege and grantee, which is
--   not there for PUBLIC. MAINTAIN (17 and later) is left out where it came with ALL.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/ddl-priv.html
with target as (
  select case when c.relkind in ('v', 'm') then 'view' when c.relkind = 'S' then 'sequence' else 'table' end as kind,
    n.nspname as schema, null::name as "table", c.relname as name, null::text as args, c.relowner as owner, c.relacl as acl,
    -- The sequence of an identity column is no object of its own.
    (
      select pg_catalog.json_build_array('table', m.nspname, null, o.relname, null)
      from pg_catalog.pg_depend as d
      join pg_catalog.pg_class as o on o.oid = d.refobjid
      join pg_catalog.pg_namespace as m on m.oid = o.relnamespace
      where c.relkind = 'S' and d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'i'
    ) as parent,
    'pg_catalog.pg_class'::pg_catalog.regclass as classid, c.oid as objid
  from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'v', 'm', 'S') and c.relacl is not null
  union all
  select 'column', n.nspname, c.relname, a.attname, null, c.relowner, a.attacl,
    case when c.relkind in ('v', 'm') then pg_catalog.json_build_array('view', n.nspname, null, c.relname, null) end,
    'pg_catalog.pg_class'::pg_catalog.regclass, c.oid
  from pg_catalog.pg_attribute as a
  join pg_catalog.pg_class as c on c.oid = a.attrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where a.attacl is not null and not a.attisdropped
  union all
  select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, n.nspname, null, p.proname,
    pg_catalog.oidvectortypes(p.proargtypes), p.proowner, coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), null,
    'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid
  from pg_catalog.pg_proc as p join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where n.nspname <> 'pg_catalog'
    or p.proacl is distinct from (
      select i.initprivs from pg_catalog.pg_init_privs as i
      where i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass and i.objoid = p.oid and i.objsubid = 0
    )
  union all
  select 'schema', n.nspname, null, n.nspname, null, n.nspowner, n.nspacl, null, 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid
  from pg_catalog.pg_namespace as n
  where n.nspacl is not null
  union all
  select case t.typtype when 'd' then 'domain' else 'type' end, n.nspname, null, t.typname, null, t.typowner,
    coalesce(t.typacl, pg_catalog.acldefault('T', t.typowner)), null, 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  left join pg_catalog.pg_class as c on c.oid = t.typrelid
  where t.typtype in ('e', 'd', 'r') or t.typtype = 'c' and c.relkind = 'c'
),
-- Two grantors of one privilege are one grant here.
granted as (
  select t.kind, t.schema, t."table", t.name, t.args, t.parent::text as parent, t.objid,
    a.grantee, a.privilege_type, pg_catalog.bool_or(a.is_grantable) as grantable
  from target as t
  cross join pg_catalog.aclexplode(t.acl) as a
  where a.grantee <> t.owner
    and (t.schema !~ '^pg_' and t.schema <> 'information_schema' and ($1::text[] is null or t.schema = any ($1::text[]))
      or t.schema = 'pg_catalog' and t.args is not null)
    and not exists (
      select from pg_catalog.pg_depend as d where d.classid = t.classid and d.objid = t.objid and d.deptype in ('e')
    )
    -- The constructors of a range type.
    and not exists (
      select from pg_catalog.pg_depend as d
      where t.args is not null and d.classid = t.classid and d.objid = t.objid and d.deptype = 'i'
    )
  group by 1, 2, 3, 4, 5, 6, 7, 8, 9
),
counted as (
  select g.*, pg_catalog.count(*) filter (where g.privilege_type <> 'MAINTAIN') over (partition by g.kind, g.objid, g."table", g.name, g.grantee) as others
  from granted as g
)
select 'grant' as kind, g.schema::text as schema, g."table"::text as "table", g.name::text as name, g.args, g.parent::json as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'on', g.kind,
    'privilege', pg_catalog.lower(g.privilege_type),
    'grantee', case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end,
    'option', case when g.grantable then 'with grant option' end
  )) as parts
from counted as g
where not (g.privilege_type = 'MAINTAIN' and g.others = 7)
