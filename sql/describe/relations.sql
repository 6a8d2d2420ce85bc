-- Purpose: tables, partitioned and foreign tables, views and materialized views with their columns in order, for generated code.
--   What belongs to an extension is left out.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column `found` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-class.html, https://www.postgresql.org/docs/current/catalog-pg-attribute.html
select pg_catalog.json_build_object(
  'oid', c.oid::text,
  'schema', n.nspname,
  'name', c.relname,
  'kind', c.relkind,
  'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
  'rowSecurity', c.relrowsecurity,
  'forced', c.relforcerowsecurity,
  'isPartition', c.relispartition,
  'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
  'partitionKey', pg_catalog.pg_get_partkeydef(c.oid),
  'parents', (
    select pg_catalog.json_agg(i.inhparent::text order by i.inhseqno) from pg_catalog.pg_inherits as i where i.inhrelid = c.oid
  ),
  -- Bits as in CmdType: 4 update, 8 insert, 16 delete. A wrapper without a handler cannot be asked.
  'writable', case
    when c.relkind = 'v' then pg_catalog.pg_relation_is_updatable(c.oid, true)
    when c.relkind = 'f' then case
      when exists (
        select from pg_catalog.pg_foreign_table as f
        join pg_catalog.pg_foreign_server as s on s.oid = f.ftserver
        join pg_catalog.pg_foreign_data_wrapper as w on w.oid = s.srvfdw
        where f.ftrelid = c.oid and w.fdwhandler <> 0
      ) then pg_catalog.pg_relation_is_updatable(c.oid, true)
      else 0
    end
  end,
  -- Policies guard no materialized view: who reads it past them, and the tables beneath that have some.
  'readers', case when c.relkind = 'm' then (
    select pg_catalog.json_agg(distinct case x.grantee when 0 then 'public' else r.rolname::text end)
    from (
      select c.relacl as acl
      union all
      select b.attacl from pg_catalog.pg_attribute as b where b.attrelid = c.oid and b.attacl is not null and not b.attisdropped
    ) as g
    cross join lateral pg_catalog.aclexplode(g.acl) as x
    left join pg_catalog.pg_roles as r on r.oid = x.grantee
    where x.privilege_type = 'SELECT' and x.grantee <> c.relowner and r.rolbypassrls is not true and r.rolsuper is not true
  ) end,
  'guarded', case when c.relkind = 'm' then (
    with recursive beneath as (
      select c.oid as relation
      union
      select d.refobjid
      from beneath as b
      join pg_catalog.pg_rewrite as w on w.ev_class = b.relation
      join pg_catalog.pg_depend as d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    )
    select pg_catalog.json_agg(s.nspname || '.' || t.relname order by s.nspname collate "C", t.relname collate "C")
    from beneath as b
    join pg_catalog.pg_class as t on t.oid = b.relation and t.relrowsecurity
    join pg_catalog.pg_namespace as s on s.oid = t.relnamespace
  ) end,
  'insteadOfInsert', exists (
    -- Bits of tgtype: 4 insert, 64 instead.
    select from pg_catalog.pg_trigger as g where g.tgrelid = c.oid and g.tgtype & 68 = 68
  ),
  'columns', (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', a.attnum,
      'name', a.attname,
      'type', a.atttypid::text,
      'typmod', a.atttypmod,
      'sqlType', pg_catalog.format_type(a.atttypid, a.atttypmod),
      -- NOT NULL that is not validated yet leaves rows from before.
      'notNull', a.attnotnull and not exists (
        select from pg_catalog.pg_constraint as q
        where q.conrelid = c.oid and q.contype = 'n' and q.conkey = array[a.attnum] and not q.convalidated
      ),
      'default', case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
      'generation', case when a.attgenerated <> '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end,
      'identity', a.attidentity,
      'generated', a.attgenerated,
      'deterministic', coalesce(k.collisdeterministic, true),
      'comment', pg_catalog.col_description(c.oid, a.attnum),
      'writable', case when c.relkind = 'v' then pg_catalog.pg_column_is_updatable(c.oid, a.attnum, true) end
    ) order by a.attnum), '[]')
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_catalog.pg_collation as k on k.oid = a.attcollation
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  )
) as found
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f', 'v', 'm')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as e
    where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
  )
order by n.nspname collate "C", c.relname collate "C"
