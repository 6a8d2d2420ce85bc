// The doctor's checks and what sessions ask the server: one query each.
// Generated from sql/checks by codegen/build-sql.ts: change the SQL there, then run `npm run generate`.

/** The texts of sql/checks, by file name. */
export const checks: {
  /** sql/checks/foreign-tables.sql */
  readonly foreignTables: string
  /** sql/checks/login.sql */
  readonly login: string
  /** sql/checks/types.sql */
  readonly types: string
} = {
  foreignTables: `-- Purpose: foreign tables that session roles reach. Row security does not guard them: a policy of the remote server sees one login for everybody
--   who shares a user mapping, and none of the claims of a session. Advice: revoke them from session roles, and grant a view with
--   security_barrier whose condition is \`owner = (select tenon.subject())\`, which is sent along.
-- Parameters: $1 text[] = the session roles of the database.
-- Returns: rows of schema, name, server, role, privileges text[], and mapping: role (one for this role), public (one for everybody) or none.
-- Privilege: none; of mappings one sees that they are there, and no more.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-createusermapping.html, https://www.postgresql.org/docs/current/ddl-rowsecurity.html
select
  namespace.nspname::text as schema,
  class.relname::text as name,
  server.srvname::text as server,
  role.rolname::text as role,
  granted.privileges,
  case
    when exists (select from pg_catalog.pg_user_mappings as mapping where mapping.srvid = server.oid and mapping.umuser = role.oid) then 'role'
    when exists (select from pg_catalog.pg_user_mappings as mapping where mapping.srvid = server.oid and mapping.umuser = 0::pg_catalog.oid) then 'public'
    else 'none'
  end as mapping
from pg_catalog.pg_foreign_table as foreign_table
join pg_catalog.pg_class as class on class.oid = foreign_table.ftrelid
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
join pg_catalog.pg_foreign_server as server on server.oid = foreign_table.ftserver
join pg_catalog.pg_roles as role on role.rolname = any ($1::text[])
cross join lateral (
  select pg_catalog.array_agg(privilege order by privilege) as privileges
  from pg_catalog.unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as privilege
  where pg_catalog.has_table_privilege(role.oid, class.oid, privilege)
    or privilege in ('SELECT', 'INSERT', 'UPDATE') and pg_catalog.has_any_column_privilege(role.oid, class.oid, privilege)
) as granted
where granted.privileges is not null and pg_catalog.has_schema_privilege(role.oid, namespace.oid, 'USAGE')
order by 1, 2, 4
`,
  login: `-- Purpose: everything a pool has to know once, at its first checkout: what its login may do, what the session roles are, which settings
--   PostgreSQL would have applied had those roles logged in themselves, and the columns behind each constraint.
-- Parameters: $1 text[] = the session roles of the database; $2 text[] = names of functions that are taken to be harmless;
--   $3 text[] = the same of extensions, where they are the extension's.
-- Returns: one row, one column \`facts\` jsonb.
-- Privilege: none beyond CONNECT; reads pg_roles, pg_auth_members, pg_db_role_setting and other catalogs open to everyone.
-- Runs with search_path = '', so that operators are PostgreSQL's own.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html, https://www.postgresql.org/docs/current/catalog-pg-db-role-setting.html
with declared as (
  select r.oid, r.rolname, r.rolsuper, r.rolbypassrls
  from pg_catalog.pg_roles r
  where r.rolname = any ($1::text[])
),
login as (
  select r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolreplication, r.rolcreaterole
  from pg_catalog.pg_roles r
  where r.rolname = session_user
),
-- Roles the login can become that are neither declared nor merely groups of declared ones.
beyond as (
  select r.rolname
  from pg_catalog.pg_roles r, login l
  where r.oid <> l.oid
    and not l.rolsuper
    and pg_catalog.pg_has_role(l.oid, r.oid, 'member')
    and r.rolname <> all ($1::text[])
    and (r.rolsuper or r.rolbypassrls or not exists (select from declared d where pg_catalog.pg_has_role(d.oid, r.oid, 'member')))
),
-- Rights that the login has without SET ROLE: a reset would give them to whoever comes next.
inherited as (
  select d.rolname
  from declared d, login l
  where not l.rolsuper and pg_catalog.pg_has_role(l.oid, d.oid, 'usage')
),
relations as (
  select c.oid, n.nspname, c.relname, c.relowner, c.relrowsecurity, c.relforcerowsecurity
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
),
settings as (
  select d.rolname, pg_catalog.split_part(s.setting, '=', 1) as name, pg_catalog.substr(s.setting, pg_catalog.strpos(s.setting, '=') + 1) as value,
    -- The setting for this database goes over the one for all databases.
    row_number() over (partition by d.rolname, pg_catalog.split_part(s.setting, '=', 1) order by r.setdatabase desc) as place
  from declared d
  join pg_catalog.pg_db_role_setting r on r.setrole = d.oid
    and r.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database()))
  cross join lateral pg_catalog.unnest(r.setconfig) as s(setting)
),
settable as (
  select s.rolname, s.name, s.value
  from settings s
  left join pg_catalog.pg_settings p on p.name = s.name
  where s.place = 1 and (p.context = 'user' or (p.name is null and s.name like '%.%'))
)
select pg_catalog.jsonb_build_object(
  'login', (select pg_catalog.jsonb_build_object('name', l.rolname, 'superuser', l.rolsuper, 'bypassRls', l.rolbypassrls, 'replication', l.rolreplication, 'createRole', l.rolcreaterole) from login l),
  'beyond', (select coalesce(pg_catalog.jsonb_agg(b.rolname order by b.rolname), '[]') from beyond b),
  'inherited', (select coalesce(pg_catalog.jsonb_agg(i.rolname order by i.rolname), '[]') from inherited i),
  'owned', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.format('%I.%I', o.nspname, o.relname)), '[]')
    from (select r.nspname, r.relname from relations r, login l where r.relowner = l.oid order by 1, 2 limit 10) o),
  'roles', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'name', d.rolname,
      'superuser', d.rolsuper,
      'bypassRls', d.rolbypassrls,
      'member', (select pg_catalog.pg_has_role(l.oid, d.oid, 'member') from login l),
      'exempt', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.format('%I.%I', e.nspname, e.relname)), '[]')
        from (select r.nspname, r.relname from relations r
          where r.relrowsecurity and not r.relforcerowsecurity and pg_catalog.pg_has_role(d.oid, r.relowner, 'usage') order by 1, 2 limit 10) e),
      'settings', (select coalesce(pg_catalog.jsonb_object_agg(s.name, s.value), '{}') from settable s where s.rolname = d.rolname)
    )), '[]') from declared d),
  'defaults', (select coalesce(pg_catalog.jsonb_object_agg(n.name, coalesce(pg_catalog.current_setting(n.name, true), '')), '{}') from (select distinct name from settable) n),
  'statementTimeout', pg_catalog.current_setting('statement_timeout'),
  'serverVersion', pg_catalog.current_setting('server_version_num')::integer,
  'backendPid', pg_catalog.pg_backend_pid(),
  -- What these extensions bring along is as harmless as the server's own; a name of $3 that nothing has could be made at any time.
  'shadowed', (select coalesce(pg_catalog.jsonb_agg(distinct w.name), '[]')
    from (select pg_catalog.unnest($2::text[]) as name, true as own union all select pg_catalog.unnest($3::text[]), false) w
    left join pg_catalog.pg_proc p on p.proname = w.name
    left join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where case when p.oid is null then not w.own else n.nspname <> 'pg_catalog' and not exists (
      select from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
        and e.extname in ('btree_gin', 'btree_gist', 'citext', 'cube', 'earthdistance', 'fuzzystrmatch', 'hstore', 'intarray', 'ltree',
          'pg_trgm', 'postgis', 'unaccent', 'uuid-ossp', 'vector')
    ) end),
  'legacyClaims', exists (
      select from pg_catalog.pg_proc p
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where n.nspname not in ('pg_catalog', 'information_schema')
        and coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) ~ 'request\\.jwt\\.claim(\\.|''|")')
    or exists (
      select from pg_catalog.pg_policy p
      where pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) ~ 'request\\.jwt\\.claim(\\.|''|")')
    or exists (
      select from pg_catalog.pg_attrdef d
      where pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ 'request\\.jwt\\.claim(\\.|''|")')
    or exists (
      select from pg_catalog.pg_constraint c
      where c.contype = 'c' and pg_catalog.pg_get_expr(c.conbin, c.conrelid) ~ 'request\\.jwt\\.claim(\\.|''|")')
    or exists (
      select from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
        and pg_catalog.pg_get_viewdef(c.oid) ~ 'request\\.jwt\\.claim(\\.|''|")'),
  'constraints', (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(k.nspname, k.relname, k.name, k.columns)), '[]')
    from (
      select r.nspname, r.relname, c.conname as name, c.conkey as keys, r.oid from pg_catalog.pg_constraint c join relations r on r.oid = c.conrelid where c.contype in ('p', 'u', 'f', 'c', 'x')
      union all
      -- A unique index that stands for no constraint is named in the error all the same.
      select r.nspname, r.relname, i.relname, x.indkey::smallint[], r.oid
      from pg_catalog.pg_index x join pg_catalog.pg_class i on i.oid = x.indexrelid join relations r on r.oid = x.indrelid
      where x.indisunique and not exists (select from pg_catalog.pg_constraint c where c.conindid = x.indexrelid and c.contype in ('p', 'u', 'x'))
      limit 20000
    ) keyed
    cross join lateral (
      select keyed.nspname, keyed.relname, keyed.name,
        (select coalesce(pg_catalog.jsonb_agg(a.attname order by u.place), '[]')
         from pg_catalog.unnest(keyed.keys) with ordinality as u(attnum, place)
         join pg_catalog.pg_attribute a on a.attrelid = keyed.oid and a.attnum = u.attnum) as columns
    ) k)
) as facts
`,
  types: `-- Purpose: what a pool has to know of types to parse their values: the arrays that generated metadata names, their element types, and what
--   lies beneath domains; with codecs also the types that those may read, and their arrays.
-- Parameters: $1 text[] = element types as schema.name; $2 boolean = whether there are codecs; $3 oid[] = types that results had.
-- Returns: one row: \`types\` jsonb, arrays of array type, element type beneath every domain, delimiter; \`coded\` jsonb, types as
--   src/kernel/codec.ts has them; \`listed\` jsonb, the types of the database but for rows of tables, which are many, save those of $3.
-- Privilege: none.
-- Runs with search_path = '', so that operators are PostgreSQL's own.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
with recursive beneath as (
  select d.oid as domain, d.typbasetype as base from pg_catalog.pg_type as d where d.typtype = 'd'
  union all
  select b.domain, d.typbasetype from beneath as b join pg_catalog.pg_type as d on d.oid = b.base where d.typtype = 'd'
),
plain as (
  select b.domain, b.base from beneath as b join pg_catalog.pg_type as t on t.oid = b.base where t.typtype <> 'd'
),
coded as (
  select t.oid, n.nspname, t.typname, t.typtype, e.extname, t.typrelid, coalesce(p.base, r.rngsubtype, m.rngsubtype) as subtype
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  left join pg_catalog.pg_range as r on r.rngtypid = t.oid
  left join pg_catalog.pg_range as m on m.rngmultitypid = t.oid
  left join plain as p on p.domain = coalesce(r.rngsubtype, m.rngsubtype)
  left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  left join pg_catalog.pg_extension as e on e.oid = d.refobjid
  where $2::boolean and (
    t.typtype in ('r', 'm')
    or (t.typtype = 'b' and t.typcategory <> 'A' and (n.nspname <> 'pg_catalog' or t.typcategory in ('G', 'T')))
    or (t.typtype = 'c' and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_' and (
      select relkind = 'c' from pg_catalog.pg_class as c where c.oid = t.typrelid
    ))
  )
),
attributes as (
  select a.attrelid, a.attnum, a.attname, t.oid as type,
    case when t.typcategory = 'A' then coalesce(i.base, t.typelem) end as element
  from pg_catalog.pg_attribute as a
  left join plain as p on p.domain = a.atttypid
  join pg_catalog.pg_type as t on t.oid = coalesce(p.base, a.atttypid)
  left join plain as i on i.domain = t.typelem
  where a.attrelid in (select c.typrelid from coded as c where c.typtype = 'c') and a.attnum > 0 and not a.attisdropped
),
written as (
  select a.attrelid, pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
    'name', a.attname,
    'type', a.type::bigint,
    'element', a.element::bigint
  ) order by a.attnum) as attributes
  from attributes as a
  group by a.attrelid
),
elements as (
  select t.typarray as array_type, t.oid, t.typtype, t.typbasetype, t.typdelim
  from pg_catalog.pg_type as t
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where t.typarray <> 0 and (n.nspname || '.' || t.typname = any ($1::text[])
    or t.oid in (select c.oid from coded as c) or t.typarray in (select a.type from attributes as a))
  union all
  select e.array_type, b.oid, b.typtype, b.typbasetype, b.typdelim
  from elements as e
  join pg_catalog.pg_type as b on b.oid = e.typbasetype
  where e.typtype = 'd'
),
-- Those of the database itself begin at FirstNormalObjectId.
listed as (
  select t.oid
  from pg_catalog.pg_type as t
  left join pg_catalog.pg_type as i on i.oid = t.typelem and t.typcategory = 'A'
  left join pg_catalog.pg_class as c on c.oid = coalesce(nullif(t.typrelid, 0::pg_catalog.oid), i.typrelid)
  where t.oid >= 16384::pg_catalog.oid and (
    c.relkind is null or c.relkind = 'c' or t.oid = any ($3::pg_catalog.oid[])
    or t.oid in (select a.type from attributes as a) or t.oid in (select e.oid from elements as e)
  )
)
select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(e.array_type::bigint, e.oid::bigint, e.typdelim)), '[]') as types,
  (select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object(
    'oid', c.oid::bigint,
    'schema', c.nspname,
    'name', c.typname,
    'kind', case c.typtype when 'b' then 'base' when 'c' then 'composite' when 'r' then 'range' else 'multirange' end,
    'extension', c.extname,
    'subtype', c.subtype::bigint,
    'attributes', case when c.typtype = 'c' then coalesce(w.attributes, '[]') end
  ))), '[]') from coded as c left join written as w on w.attrelid = c.typrelid) as coded,
  (select coalesce(pg_catalog.jsonb_agg(l.oid::bigint), '[]') from listed as l) as listed
from elements as e
where e.typtype <> 'd'
`,
}
