-- tenon.add_search_function(): a function through which a search under row-level security is served by the index of the words.
--
-- purpose: under row security a condition of the query is used on an index only when its operator is leakproof, and @@ is
--   not: whatever the index, a session reads every row that its policy leaves. Where these are many, make
--     select tenon.add_search_function('public.articles', 'articles_tenant_policy')
--   It makes public.search_articles(query tsquery, …), which runs with its owner's rights, asks what the policies ask and
--   the words, both by the index, and gives keys and ranks and nothing else. Whoever joins the table with them reads its
--   rows under its policies as ever; `through` of searchRows does.
--   Why nobody sees more by it, and nobody less: the condition of the policies stands in it, it takes none from its caller,
--   and only roles of the policy that is named may call it, as long as they may read key and words themselves. The other
--   policies of the table that are for all of these roles stand in it too: permissive ones by or, restrictive ones by and.
--   At each search it compares all of that with what it was when it was made, and fails when something was changed: make it
--   again then (drop it first). It fails as well for a role to which the table shows other rows, such as one with BYPASSRLS.
--   Refused is whatever need not say the same to an owner as to a session (0002's search_obstacle): policies that look into
--   tables or at the current role, and functions that might. One with its owner's rights and a search_path of its own, as
--   those of the module tenancy are, or with a parsed body (begin atomic, return), as tenon.subject() is, is none of these.
--   As with any index that several tenants share, how long a search takes depends on the words of all of them.
-- parameters: none. add_search_function: target regclass, policy name, column_name name default words, function_name name
--   default search_ and the name of the table
-- privilege: ownership of the table; CREATE on its schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/rules-privileges.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.add_search_function(regclass, name, name, name);

create function tenon.add_search_function(
  target regclass,
  policy name,
  column_name name default 'words',
  function_name name default null
) returns text
  language plpgsql
  set search_path = ''
as $function$
declare
  class record;
  scope record;
  key record;
  obstacle text;
  made text;
  signature text;
  grantees text;
begin
  select relation.relname, namespace.oid as schema, namespace.nspname into class
  from pg_catalog.pg_class as relation
  join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
  where relation.oid = target;
  select * into scope from tenon.search_scope(target, policy);
  if not found then
    raise exception using
      errcode = 'undefined_object',
      constraint = 'search_policy_unfit',
      message = pg_catalog.format('%s has no permissive policy %I for SELECT, or a restrictive one for some of its roles alone', target, policy),
      hint = 'name the policy that lets sessions read, and give restrictive ones to all of its roles';
  end if;
  -- The policy's own functions run as the owner of the search: nobody but the table's owner may lend their rights to them.
  if not exists (
    select from pg_catalog.pg_class as owned join pg_catalog.pg_roles as owner on owner.oid = owned.relowner
    where owned.oid = target and owner.rolname = current_user
  ) then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'search_owner',
      message = pg_catalog.format('the search of %s is made by its owner alone', target),
      hint = 'set role to the owner of the table first';
  end if;
  -- A policy that let the owner see everything would undo what FORCE is for.
  if pg_catalog.row_security_active(target) then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_forced',
      message = pg_catalog.format('row security of %s binds its owner, so the owner cannot search for others', target),
      hint = 'alter table … no force row level security, or give the table to a role with BYPASSRLS that nobody logs in as';
  end if;
  obstacle := tenon.search_obstacle(scope.policies);
  if obstacle is not null then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_policy_owner',
      message = pg_catalog.format('the policies of %s need not say the same to its owner: %s', target, obstacle),
      hint = 'move that into a function that is SECURITY DEFINER and has a search_path of its own, or whose body is begin atomic and reads no table';
  end if;
  if exists (
    select from pg_catalog.pg_roles as role
    where role.oid = any (scope.roles) and not (role.rolsuper or role.rolbypassrls)
      and not tenon.search_is_whole(role.oid, target, scope.policies)
  ) then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_policy_others',
      message = pg_catalog.format('another policy of %s shows more to some of the roles of %I', target, policy),
      hint = 'give it to all of these roles, or to none of them';
  end if;
  -- > by the key's own order: the one that its name alone would find may be another type's.
  select attribute.attname, pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) as type,
    pg_catalog.format('operator(%I.%s)', namespace.nspname, operator.oprname) as follows into key
  from pg_catalog.pg_index as index
  join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
  join pg_catalog.pg_opclass as opclass on opclass.oid = index.indclass[0]
  join pg_catalog.pg_amop as member on member.amopfamily = opclass.opcfamily
    and member.amoplefttype = opclass.opcintype and member.amoprighttype = opclass.opcintype and member.amopstrategy = 5
  join pg_catalog.pg_operator as operator on operator.oid = member.amopopr
  join pg_catalog.pg_namespace as namespace on namespace.oid = operator.oprnamespace
  where index.indrelid = target and index.indisprimary and index.indnkeyatts = 1;
  if not found then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_key',
      message = pg_catalog.format('%s has no primary key of one column', target),
      hint = 'give it one: results are joined by it';
  end if;
  if not exists (
    select from pg_catalog.pg_attribute as attribute
    where attribute.attrelid = target and attribute.attname = column_name and not attribute.attisdropped
      and attribute.atttypid = 'pg_catalog.tsvector'::pg_catalog.regtype
  ) then
    raise exception using
      errcode = 'undefined_column',
      constraint = 'search_words',
      message = pg_catalog.format('%s has no column %I of type tsvector', target, column_name),
      hint = 'make one with tenon.add_search, or name yours as column_name';
  end if;
  made := coalesce(function_name::text, 'search_' || class.relname);
  if pg_catalog.octet_length(made) > 63 then
    raise exception using
      errcode = 'name_too_long',
      constraint = 'search_function_name',
      message = pg_catalog.format('the search of %s would have a name that is too long', target),
      hint = 'pass function_name, of 63 bytes at most';
  end if;
  -- One of other types would stand beside it, and calls would not know which is meant.
  if exists (select from pg_catalog.pg_proc as taken where taken.proname = made and taken.pronamespace = class.schema) then
    raise exception using
      errcode = 'duplicate_function',
      constraint = 'search_function_exists',
      message = pg_catalog.format('there is a function %I.%I already', class.nspname, made),
      hint = 'drop it first, or pass function_name';
  end if;

  -- Planned for each query: which index is right depends on how rare its words are.
  signature := pg_catalog.format(
    '%I.%I(tsquery, real[], integer, boolean, bigint, real, %s, name)', class.nspname, made, key.type
  );
  execute pg_catalog.format(
    $create$create function %1$I.%2$I(
      query tsquery,
      weights real[] default '{0.1, 0.2, 0.4, 1}',
      normalization integer default 0,
      cover boolean default false,
      most bigint default null,
      after_rank real default null,
      after_key %3$s default null,
      reader name default current_user
    ) returns table (search_key %3$s, search_rank real)
      language plpgsql stable security definer
      set search_path = ''
      set plan_cache_mode = force_custom_plan
      as %4$L$create$,
    class.nspname, made, key.type,
    -- Parameters by number: no column that a policy names is mistaken for one.
    pg_catalog.format(
      $body$
#variable_conflict use_column
begin
  perform tenon.assert_search(%1$L, %2$L, %3$L, %4$L, %5$L, $8);
  return query
  select found.search_key, found.search_rank
  from (
    select %6$I.%7$I as search_key,
      case when $4
        then pg_catalog.ts_rank_cd($2, %6$I.%8$I, $1, $3)
        else pg_catalog.ts_rank($2, %6$I.%8$I, $1, $3)
      end as search_rank
    from %1$s
    where %9$s and %6$I.%8$I operator(pg_catalog.@@) $1
  ) as found
  where $6 is null or found.search_rank < $6
    or (found.search_rank = $6 and found.search_key %10$s $7)
  order by found.search_rank desc, found.search_key
  limit $5;
end$body$,
      target, policy, scope.mark, signature, array[key.attname, column_name], class.relname, key.attname, column_name, scope.condition, key.follows
    )
  );
  execute pg_catalog.format(
    'comment on function %s is %L', signature,
    pg_catalog.format('Keys and ranks of rows of %s that a query finds under its policy %s; made by tenon.add_search_function.', target, policy)
  );
  grantees := (
    select pg_catalog.string_agg(pg_catalog.quote_ident(role.rolname), ', ' order by role.rolname)
    from pg_catalog.pg_roles as role
    where (role.oid = any (scope.roles) or 0 = any (scope.roles))
      and role.rolname !~ '^pg_'
      and tenon.search_is_whole(role.oid, target, scope.policies)
      and tenon.search_is_for(role.oid, target, array[key.attname, column_name], scope.roles, scope.functions)
  );
  execute pg_catalog.format('revoke all on function %s from public', signature);
  if grantees is not null then
    execute pg_catalog.format('grant execute on function %s to %s', signature, grantees);
  end if;
  return pg_catalog.format('%I.%I', class.nspname, made);
end
$function$;
comment on function tenon.add_search_function(regclass, name, name, name) is 'Makes the function that searches a table by its index under what its policies say, and returns its name. searchRows takes it as option through.';

revoke all on function tenon.add_search_function(regclass, name, name, name) from public;
