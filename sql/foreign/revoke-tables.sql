-- Purpose: the statements that take back what default privileges gave on foreign tables that this transaction made: no row security guards them.
-- Parameters: $1 text = schema; $2 oid[] = foreign tables that were there before.
-- Returns: rows of `name` text, the new tables, and `statement` text, null where nothing is to be taken back.
-- Privilege: none; running them takes ownership of the tables.
-- Oldest PostgreSQL: 15.
-- Source: https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
select class.relname::text as name, (
  select pg_catalog.format('revoke all on table %I.%I from ', namespace.nspname, class.relname)
    || pg_catalog.string_agg(distinct case acl.grantee when 0::pg_catalog.oid then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(acl.grantee)) end, ', ')
  from pg_catalog.aclexplode(class.relacl) as acl
  where acl.grantee <> class.relowner
) as statement
from pg_catalog.pg_class as class
join pg_catalog.pg_namespace as namespace on namespace.oid = class.relnamespace
where namespace.nspname = $1::text and class.relkind = 'f' and class.oid <> all ($2::oid[])
order by class.relname
