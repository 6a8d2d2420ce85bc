// Queries that read what generated code has to know of a schema.
// Generated from sql/describe by codegen/build-sql.ts: change the SQL there, then run `npm run generate`.

/** The texts of sql/describe, by file name. */
export const describe: {
  /** sql/describe/constraints.sql */
  readonly constraints: string
  /** sql/describe/functions.sql */
  readonly functions: string
  /** sql/describe/indexes.sql */
  readonly indexes: string
  /** sql/describe/policies.sql */
  readonly policies: string
  /** sql/describe/relations.sql */
  readonly relations: string
  /** sql/describe/rules.sql */
  readonly rules: string
  /** sql/describe/schemas.sql */
  readonly schemas: string
  /** sql/describe/types.sql */
  readonly types: string
} = {
  constraints: `-- Purpose: primary, unique and foreign keys and checks of tables, with the columns they are about.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15. A constraint can be NOT ENFORCED since 18, where to_jsonb shows the column that older ones lack.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-constraint.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', k.conrelid::text,
  'name', k.conname,
  'kind', k.contype,
  'columns', (
    select coalesce(pg_catalog.json_agg(a.attname order by u.place), '[]')
    from pg_catalog.unnest(k.conkey) with ordinality as u (attnum, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = u.attnum
  ),
  'references', case when k.contype = 'f' then k.confrelid::text end,
  'referencedColumns', case when k.contype = 'f' then (
    select pg_catalog.json_agg(a.attname order by u.place)
    from pg_catalog.unnest(k.confkey) with ordinality as u (attnum, place)
    join pg_catalog.pg_attribute as a on a.attrelid = k.confrelid and a.attnum = u.attnum
  ) end,
  'onUpdate', case when k.contype = 'f' then k.confupdtype end,
  'onDelete', case when k.contype = 'f' then k.confdeltype end,
  'deferrable', case when k.condeferrable then true end,
  'nullsNotDistinct', (select case when i.indnullsnotdistinct then true end from pg_catalog.pg_index as i where i.indexrelid = k.conindid and k.contype = 'u'),
  'expression', case when k.contype = 'c' then pg_catalog.pg_get_expr(k.conbin, k.conrelid) end,
  'valid', k.convalidated,
  'enforced', coalesce((pg_catalog.to_jsonb(k) ->> 'conenforced')::boolean, true)
)) as found
from pg_catalog.pg_constraint as k
join pg_catalog.pg_class as c on c.oid = k.conrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where k.contype in ('p', 'u', 'f', 'c')
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by k.conrelid, k.conname collate "C"
`,
  functions: `-- Purpose: functions, procedures and plain aggregates that a statement can call, with arguments and result. Trigger functions, aggregates
--   of an order, window functions, what only the server itself can call, what belongs to an extension and what a range type brings along
--   are left out.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-proc.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'schema', n.nspname,
  'name', p.proname,
  'kind', p.prokind,
  'identity', pg_catalog.pg_get_function_identity_arguments(p.oid),
  'arguments', (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', nullif(p.proargnames[a.place], ''),
      'type', a.type::text,
      'mode', coalesce(p.proargmodes[a.place]::text, 'i')
    ) order by a.place), '[]')
    from pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as a (type, place)
  ),
  'defaults', p.pronargdefaults,
  'result', p.prorettype::text,
  'set', p.proretset,
  'volatility', case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
  'strict', p.proisstrict,
  'definer', p.prosecdef,
  'comment', pg_catalog.obj_description(p.oid, 'pg_proc')
)) as found
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
left join pg_catalog.pg_aggregate as g on g.aggfnoid = p.oid
where p.prokind in ('f', 'p', 'a') and coalesce(g.aggkind, 'n') = 'n'
  -- No statement has a value of these.
  and not exists (
    select from pg_catalog.unnest(p.proargtypes::oid[] || p.prorettype) as u (type)
    join pg_catalog.pg_type as t on t.oid = u.type
    join pg_catalog.pg_namespace as s on s.oid = t.typnamespace and s.nspname = 'pg_catalog'
    where t.typname in ('trigger', 'event_trigger', 'internal') or t.typname like '%\\_handler'
  )
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
  and not exists (
    select from pg_catalog.pg_depend as e
    where e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and e.objid = p.oid and e.deptype in ('e', 'i')
  )
order by n.nspname collate "C", p.proname collate "C", pg_catalog.pg_get_function_identity_arguments(p.oid) collate "C"
`,
  indexes: `-- Purpose: indexes with method, key columns or expressions, operator classes, included columns and predicate.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-index.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', i.indrelid::text,
  'name', x.relname,
  'method', m.amname,
  'unique', i.indisunique,
  'valid', i.indisvalid,
  'nullsNotDistinct', case when i.indnullsnotdistinct then true end,
  'keys', (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'column', a.attname,
      'expression', case when i.indkey[s - 1] = 0 then pg_catalog.pg_get_indexdef(i.indexrelid, s, true) end,
      'opclass', o.opcname,
      'opclassIsDefault', o.opcdefault,
      'descending', m.amname = 'btree' and i.indoption[s - 1] & 1 = 1,
      'nullsFirst', m.amname = 'btree' and i.indoption[s - 1] & 2 = 2
    ) order by s)
    from pg_catalog.generate_series(1, i.indnkeyatts) as s
    left join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[s - 1] and i.indkey[s - 1] <> 0
    left join pg_catalog.pg_opclass as o on o.oid = i.indclass[s - 1]
  ),
  'include', (
    select pg_catalog.json_agg(a.attname order by s)
    from pg_catalog.generate_series(i.indnkeyatts + 1, i.indnatts) as s
    join pg_catalog.pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[s - 1]
  ),
  'predicate', pg_catalog.pg_get_expr(i.indpred, i.indrelid)
)) as found
from pg_catalog.pg_index as i
join pg_catalog.pg_class as x on x.oid = i.indexrelid
join pg_catalog.pg_am as m on m.oid = x.relam
join pg_catalog.pg_class as c on c.oid = i.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by i.indrelid, x.relname collate "C"
`,
  policies: `-- Purpose: policies of row-level security.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-policy.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'relation', p.polrelid::text,
  'name', p.polname,
  'command', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
  'permissive', p.polpermissive,
  'roles', (
    select pg_catalog.json_agg(case when g.oid = 0 then 'public' else g.oid::pg_catalog.regrole::text end order by g.oid::pg_catalog.regrole::text collate "C")
    from pg_catalog.unnest(p.polroles) as g (oid)
  ),
  'using', pg_catalog.pg_get_expr(p.polqual, p.polrelid),
  'check', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
)) as found
from pg_catalog.pg_policy as p
join pg_catalog.pg_class as c on c.oid = p.polrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by p.polrelid, p.polname collate "C"
`,
  relations: `-- Purpose: tables, partitioned and foreign tables, views and materialized views with their columns in order, for generated code.
--   What belongs to an extension is left out.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
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
`,
  rules: `-- Purpose: the stored query trees of views and materialized views, from which src/codegen/view-columns.ts tells what a column comes from.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
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
`,
  schemas: `-- Purpose: schemas, whether the login may look into them, the server's version, and the roles that policies and grants name.
-- Parameters: $1 text[] = names of schemas, or null for all but the server's own.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-ACCESS
select pg_catalog.json_build_object(
  'name', n.nspname,
  'usage', pg_catalog.has_schema_privilege(n.oid, 'usage'),
  'login', current_user,
  'version', pg_catalog.current_setting('server_version_num')::integer,
  'roles', (
    select coalesce(pg_catalog.json_agg(distinct r.rolname), '[]')
    from pg_catalog.pg_class as c
    cross join lateral (
      select g.grantee as oid from pg_catalog.aclexplode(c.relacl) as g where g.grantee <> c.relowner
      union
      select pg_catalog.unnest(p.polroles) from pg_catalog.pg_policy as p where p.polrelid = c.oid
    ) as named
    join pg_catalog.pg_roles as r on r.oid = named.oid and not r.rolsuper and not r.rolbypassrls
    where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'f', 'v', 'm')
  )
) as found
from pg_catalog.pg_namespace as n
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and ($1::text[] is null or n.nspname = any ($1::text[]))
order by n.nspname collate "C"
`,
  types: `-- Purpose: every type that a column, an argument or another type can be of: enums with labels in order, domains with their checks,
--   composites, ranges, arrays and base types, the server's own among them.
-- Parameters: none.
-- Returns: rows of one column \`found\` json; src/codegen/catalog.ts has its shape.
-- Privilege: none.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/catalog-pg-type.html
select pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
  'oid', t.oid::text,
  'schema', n.nspname,
  'name', t.typname,
  'kind', t.typtype,
  -- An array type has its element's delimiter; box is the one type that takes a semicolon.
  -- oidvector and int2vector have elements and are no arrays to a client.
  'element', (select e.oid::text from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid),
  'base', case when t.typtype = 'd' then t.typbasetype::text end,
  'baseTypmod', case when t.typtype = 'd' then t.typtypmod end,
  'sqlType', case when t.typtype = 'd' then pg_catalog.format_type(t.typbasetype, t.typtypmod) end,
  'notNull', case when t.typtype = 'd' then t.typnotnull end,
  'default', t.typdefault,
  'labels', case when t.typtype = 'e' then (
    select coalesce(pg_catalog.json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_catalog.pg_enum as e where e.enumtypid = t.oid
  ) end,
  'attributes', case when c.relkind = 'c' then (
    select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', a.attname, 'type', a.atttypid::text, 'typmod', a.atttypmod, 'sqlType', pg_catalog.format_type(a.atttypid, a.atttypmod)
    ) order by a.attnum), '[]')
    from pg_catalog.pg_attribute as a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ) end,
  'subtype', coalesce(r.rngsubtype, m.rngsubtype)::text,
  'multirange', r.rngmultitypid::pg_catalog.regtype::text,
  -- Where the operators < <= = <> >= > of its default order are, unless they are the server's own.
  'operators', (
    select pg_catalog.min(s.nspname::text)
    from pg_catalog.pg_opclass as o
    join pg_catalog.pg_am as a on a.oid = o.opcmethod and a.amname = 'btree'
    join pg_catalog.pg_amop as m on m.amopfamily = o.opcfamily and m.amoplefttype = o.opcintype and m.amoprighttype = o.opcintype
    join pg_catalog.pg_operator as p on p.oid = m.amopopr and p.oprname = (array['<', '<=', '=', '>=', '>'])[m.amopstrategy]
    join pg_catalog.pg_namespace as s on s.oid = p.oprnamespace and s.nspname <> 'pg_catalog'
    where o.opcintype = t.oid and o.opcdefault
    having pg_catalog.count(*) = 5 and pg_catalog.count(distinct s.oid) = 1 and pg_catalog.bool_or(exists (
      select from pg_catalog.pg_operator as u where u.oid = p.oprnegate and u.oprname = '<>' and u.oprnamespace = s.oid
    ))
  ),
  'checks', case when t.typtype = 'd' then (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', k.conname, 'expression', pg_catalog.pg_get_expr(k.conbin, 0), 'valid', k.convalidated
    ) order by k.conname collate "C")
    from pg_catalog.pg_constraint as k where k.contypid = t.oid and k.contype = 'c'
  ) end,
  'extension', (
    select x.extname from pg_catalog.pg_depend as d
    join pg_catalog.pg_extension as x on d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and x.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and d.objid = t.oid and d.deptype = 'e'
  ),
  'comment', pg_catalog.obj_description(t.oid, 'pg_type')
)) as found
from pg_catalog.pg_type as t
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join pg_catalog.pg_class as c on c.oid = t.typrelid
left join pg_catalog.pg_range as r on r.rngtypid = t.oid
left join pg_catalog.pg_range as m on m.rngmultitypid = t.oid
where n.nspname !~ '^pg_(toast|temp)' and n.nspname <> 'information_schema'
order by n.nspname collate "C", t.typname collate "C"
`,
}
