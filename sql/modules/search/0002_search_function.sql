-- tenon.add_search_function(): a function through which a search under row-level security is served by the index of the words.
--
-- purpose: under row security a condition of the query is used on an index only when its operator is leakproof, and @@ is
--   not: whatever the index, a session reads every row that its policy leaves. Where these are many, make
--     select tenon.add_search_function('public.articles', 'articles_tenant_policy')
--   It makes public.search_articles(query tsquery, …), which runs with its owner's rights, asks what the policy asks and
--   the words, both by the index, and gives keys and ranks and nothing else. Whoever joins the table with them reads its
--   rows under its policies as ever; `through` of searchRows does.
--   Why nobody sees more by it: the text of the policy stands in it, it takes no condition from its caller, and only the
--   roles of the policy may call it. It compares the policy with what it was when it was made and fails when that was
--   changed, dropped, or joined by a restrictive one: make it again then (drop it first).
--   Refused are policies that look into other tables or at the current role, which would give other answers to an owner,
--   and a table with restrictive policies. A function that the policy calls is called as the owner: one that reads
--   tables under row security must be SECURITY DEFINER itself, as those of the module tenancy are.
--   As with any index that several tenants share, how long a search takes depends on the words of all of them.
-- parameters: none. add_search_function: target regclass, policy name, column_name name default words, function_name name
--   default search_ and the name of the table; search_scope: target regclass, policy name
-- privilege: ownership of the table; CREATE on its schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/rules-privileges.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.add_search_function(regclass, name, name, name);
--   drop function tenon.search_scope(regclass, name);

-- Everything that the answer of a search function stands on: as text, to be compared. Null when it may give none.
create function tenon.search_scope(target regclass, policy name) returns text
  language sql stable
  set search_path = ''
begin atomic
  select pg_catalog.pg_get_expr(scope.polqual, scope.polrelid)
      || (select pg_catalog.string_agg(coalesce(role.rolname, 'public'), ', ' order by role.rolname)
          from pg_catalog.unnest(scope.polroles) as granted(oid)
          left join pg_catalog.pg_roles as role on role.oid = granted.oid)
  from pg_catalog.pg_policy as scope
  join pg_catalog.pg_class as class on class.oid = scope.polrelid and class.relrowsecurity
  where scope.polrelid = search_scope.target and scope.polname = search_scope.policy
    and scope.polpermissive and scope.polcmd in ('r', '*')
    and not exists (
      select from pg_catalog.pg_policy as narrowing
      where narrowing.polrelid = scope.polrelid and not narrowing.polpermissive and narrowing.polcmd in ('r', '*')
    );
end;
comment on function tenon.search_scope(regclass, name) is 'What a policy for SELECT says and to whom, as text; null when there is no such policy, or a restrictive one beside it.';

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
  made text;
  signature text;
  scope_text constant text := tenon.search_scope(target, policy);
  grantees text;
begin
  select relation.relname, relation.relnamespace, relation.relforcerowsecurity, namespace.nspname into class
  from pg_catalog.pg_class as relation
  join pg_catalog.pg_namespace as namespace on namespace.oid = relation.relnamespace
  where relation.oid = target;
  select found.oid, pg_catalog.pg_get_expr(found.polqual, found.polrelid) as expression, found.polroles into scope
  from pg_catalog.pg_policy as found where found.polrelid = target and found.polname = policy;
  if scope_text is null then
    raise exception using
      errcode = 'undefined_object',
      constraint = 'search_policy_unfit',
      message = pg_catalog.format('%s has no permissive policy %I for SELECT, or has a restrictive one', target, policy),
      hint = 'name the policy that lets sessions read; rows that restrictive policies hide would take the places of others';
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
  if class.relforcerowsecurity and not exists (
    select from pg_catalog.pg_roles as owner where owner.rolname = current_user and (owner.rolsuper or owner.rolbypassrls)
  ) then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_forced',
      message = pg_catalog.format('row security of %s binds its owner, so the owner cannot search for others', target),
      hint = 'alter table … no force row level security, or give the table to a role with BYPASSRLS that nobody logs in as';
  end if;
  if pg_catalog.regexp_replace(scope.expression, $re$'[^']*'$re$, '', 'g')
      ~ '\m(CURRENT_USER|CURRENT_ROLE|SESSION_USER|USER|pg_has_role|has_[a-z_]+_privilege|row_security_active)\M'
    or exists (
      select from pg_catalog.pg_depend as reference
      where reference.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and reference.objid = scope.oid
        and reference.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and reference.refobjid <> target
    )
  then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_policy_owner',
      message = pg_catalog.format('policy %I of %s looks into another table or at the current role: as the owner it would say something else', policy, target),
      hint = 'move that into a SECURITY DEFINER function that the policy calls';
  end if;
  select attribute.attname, pg_catalog.format_type(attribute.atttypid, attribute.atttypmod) as type into key
  from pg_catalog.pg_index as index
  join pg_catalog.pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = index.indkey[0]
  where index.indrelid = target and index.indisprimary and index.indnkeyatts = 1;
  if key is null then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_key',
      message = pg_catalog.format('%s has no primary key of one column', target),
      hint = 'give it one: results are joined by it';
  end if;

  -- Planned for each query: which index is right depends on how rare its words are.
  made := coalesce(function_name, pg_catalog."left"('search_' || class.relname, 63));
  signature := pg_catalog.format(
    '%I.%I(tsquery, real[], integer, boolean, bigint, real, %s)', class.nspname, made, key.type
  );
  execute pg_catalog.format(
    $create$create function %1$I.%2$I(
      query tsquery,
      weights real[] default '{0.1, 0.2, 0.4, 1}',
      normalization integer default 0,
      cover boolean default false,
      most bigint default null,
      after_rank real default null,
      after_key %3$s default null
    ) returns table (search_key %3$s, search_rank real)
      language plpgsql stable security definer
      set search_path = ''
      set plan_cache_mode = force_custom_plan
      as %4$L$create$,
    class.nspname, made, key.type,
    pg_catalog.format(
      $body$
#variable_conflict use_column
begin
  if tenon.search_scope(%1$L, %2$L) is distinct from %3$L then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'search_policy_changed',
      message = 'the policy that this search was made for is not what it was',
      hint = 'drop the function and call tenon.add_search_function again';
  end if;
  return query
  select found.search_key, found.search_rank
  from (
    select %4$I.%5$I as search_key,
      case when %6$I.cover
        then pg_catalog.ts_rank_cd(%6$I.weights, %4$I.%7$I, %6$I.query, %6$I.normalization)
        else pg_catalog.ts_rank(%6$I.weights, %4$I.%7$I, %6$I.query, %6$I.normalization)
      end as search_rank
    from %8$s
    where (%9$s) and %4$I.%7$I operator(pg_catalog.@@) %6$I.query
  ) as found
  where %6$I.after_rank is null or found.search_rank < %6$I.after_rank
    or (found.search_rank = %6$I.after_rank and found.search_key > %6$I.after_key)
  order by found.search_rank desc, found.search_key
  limit %6$I.most;
end$body$,
      target, policy, scope_text, class.relname, key.attname, made, column_name, target, scope.expression
    )
  );
  execute pg_catalog.format(
    'comment on function %s is %L', signature,
    pg_catalog.format('Keys and ranks of rows of %s that a query finds under its policy %s; made by tenon.add_search_function.', target, policy)
  );
  -- To those of the policy's roles that may read the key and the words by themselves.
  grantees := (
    select pg_catalog.string_agg(pg_catalog.quote_ident(role.rolname), ', ' order by role.rolname)
    from pg_catalog.pg_roles as role
    where (role.oid = any (scope.polroles) or 0 = any (scope.polroles))
      and role.rolname !~ '^pg_'
      and pg_catalog.has_column_privilege(role.oid, target, key.attname, 'SELECT')
      and pg_catalog.has_column_privilege(role.oid, target, column_name, 'SELECT')
  );
  execute pg_catalog.format('revoke all on function %s from public', signature);
  if grantees is not null then
    execute pg_catalog.format('grant execute on function %s to %s', signature, grantees);
  end if;
  return pg_catalog.format('%I.%I', class.nspname, made);
end
$function$;
comment on function tenon.add_search_function(regclass, name, name, name) is 'Makes the function that searches a table by its index under what a policy says, and returns its name. searchRows takes it as option through.';

-- search_scope stays with everybody: the functions call it as their owners, and it says what pg_policies says.
revoke all on function tenon.add_search_function(regclass, name, name, name) from public;
