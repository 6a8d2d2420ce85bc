-- Purpose: row security policies: permissive or restrictive, command, roles, using, with check.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-policy.html
select 'policy' as kind, n.nspname::text as schema, c.relname::text as "table", p.polname::text as name, null::text as args,
  pg_catalog.json_build_array('table', n.nspname, null, c.relname, null) as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'combination', case when p.polpermissive then 'as permissive' else 'as restrictive' end,
    'command', 'for ' || case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
    'roles', 'to ' || (
      select pg_catalog.string_agg(r.role, ', ' order by r.role collate "C")
      from (
        select case when u.oid = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(u.oid)) end
        from pg_catalog.unnest(p.polroles) as u (oid)
      ) as r (role)
    ),
    'using', 'using (' || pg_catalog.pg_get_expr(p.polqual, p.polrelid) || ')',
    'with check', 'with check (' || pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) || ')'
  )) as parts
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
