-- Purpose: tables, partitioned and foreign tables: persistence, inheritance, partitioning, storage options, row security, replica identity.
-- Parameters: $1 text[] = names of schemas, or null for all.
-- Returns: rows as schemas.sql describes them.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html
select 'table' as kind, n.nspname::text as schema, null::text as "table", c.relname::text as name, null::text as args,
  -- A partition belongs to its parent.
  case when c.relispartition then (
    select pg_catalog.json_build_array('table', m.nspname, null, p.relname, null)
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as p on p.oid = i.inhparent
    join pg_catalog.pg_namespace as m on m.oid = p.relnamespace
    where i.inhrelid = c.oid
  ) end as parent,
  pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
    'table', case c.relkind when 'p' then 'partitioned table' when 'f' then 'foreign table' else 'table' end,
    'persistence', case c.relpersistence when 'u' then 'unlogged' end,
    'of type', case when c.reloftype <> 0 then 'of ' || pg_catalog.format_type(c.reloftype, null) end,
    'inheritance', case when not c.relispartition then (
      select 'inherits (' || pg_catalog.string_agg(i.inhparent::pg_catalog.regclass::text, ', ' order by i.inhseqno) || ')'
      from pg_catalog.pg_inherits as i where i.inhrelid = c.oid
    ) end,
    'partition of', case when c.relispartition then (
      select 'partition of ' || i.inhparent::pg_catalog.regclass::text from pg_catalog.pg_inherits as i where i.inhrelid = c.oid
    ) end,
    'partition bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
    'partition key', 'partition by ' || case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end,
    'server', (
      select 'server ' || pg_catalog.quote_ident(s.srvname) from pg_catalog.pg_foreign_table as f
      join pg_catalog.pg_foreign_server as s on s.oid = f.ftserver where f.ftrelid = c.oid
    ),
    'options', (
      select 'with (' || pg_catalog.string_agg(o.option, ', ' order by o.option collate "C") || ')' from pg_catalog.unnest(c.reloptions) as o (option)
    ),
    'toast options', (
      select 'with (' || pg_catalog.string_agg('toast.' || o.option, ', ' order by o.option collate "C") || ')'
      from pg_catalog.pg_class as t cross join pg_catalog.unnest(t.reloptions) as o (option) where t.oid = c.reltoastrelid
    ),
    'row security', case when c.relrowsecurity then 'row level security enabled' else 'row level security disabled' end,
    'row security of the owner', case when c.relforcerowsecurity then 'row level security forced' end,
    'replica identity', case c.relreplident
      when 'f' then 'replica identity full'
      when 'n' then 'replica identity nothing'
      when 'i' then 'replica identity index ' || coalesce((
        select pg_catalog.quote_ident(i.relname) from pg_catalog.pg_index as x join pg_catalog.pg_class as i on i.oid = x.indexrelid
        where x.indrelid = c.oid and x.indisreplident
      ), '(dropped)')
    end
  )) as parts
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e'
  )
