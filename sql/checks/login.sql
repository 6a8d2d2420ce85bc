-- Purpose: everything a pool has to know once, at its first checkout: what its login may do, what the session roles are, which settings
--   PostgreSQL would have applied had those roles logged in themselves, and the columns behind each constraint.
-- Parameters: $1 text[] = the session roles of the database; $2 text[] = names of functions that are taken to be harmless;
--   $3 text[] = the same of extensions, where they are the extension's.
-- Returns: one row, one column `facts` jsonb.
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
        and coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) ~ 'request\.jwt\.claim(\.|''|")')
    or exists (
      select from pg_catalog.pg_policy p
      where pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) ~ 'request\.jwt\.claim(\.|''|")')
    or exists (
      select from pg_catalog.pg_attrdef d
      where pg_catalog.pg_get_expr(d.adbin, d.adrelid) ~ 'request\.jwt\.claim(\.|''|")')
    or exists (
      select from pg_catalog.pg_constraint c
      where c.contype = 'c' and pg_catalog.pg_get_expr(c.conbin, c.conrelid) ~ 'request\.jwt\.claim(\.|''|")')
    or exists (
      select from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
        and pg_catalog.pg_get_viewdef(c.oid) ~ 'request\.jwt\.claim(\.|''|")'),
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
