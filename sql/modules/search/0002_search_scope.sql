-- What the policies of a table say to those who search it, and whether an owner can say it for them: what 0003's functions stand on.
--
-- purpose: a search function runs with its owner's rights and asks what the policies ask. That is the answer of the table itself
--   only where the same condition holds for everybody who may call it, and means the same to the owner:
--   - search_scope puts the policies together as row security does: permissive ones by or, restrictive ones by and. A policy
--     counts that is for all roles of the one that is named. A restrictive one for some of them alone makes it none.
--   - search_obstacle judges the stored expressions themselves, and what they call. Only what is known to answer an owner as it
--     answers a session passes: operators and immutable functions of the server, what it has for settings, times and texts,
--     immutable functions in C, texts that only take settings apart, as Supabase's auth.uid() does, functions whose body the server has parsed (begin atomic, return) and that are judged in turn,
--     and functions with their owner's rights and a search_path of their own, which are the same to everybody. Tables, the
--     current role, the current schema and names looked up while it runs do not pass, nor does what the server writes down
--     without the schemas of its operators.
--   - search_is_for and search_is_whole say of a role whether it may have the answer at all, and whether the table would give
--     it more; assert_search asks all of that again at each search, since policies, functions and grants change.
-- parameters: none. search_scope: target regclass, policy name
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createpolicy.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.assert_search(regclass, name, text, regprocedure, name[], name);
--   drop function tenon.search_is_whole(oid, regclass, oid[]);
--   drop function tenon.search_is_for(oid, regclass, name[], oid[], oid[]);
--   drop function tenon.search_obstacle(oid[]);
--   drop function tenon.search_reads_settings(oid);
--   drop function tenon.search_scope(regclass, name);

-- PL/pgSQL, because it keeps its plans, whatever the search that asks it does with its own. Functions are those that the policies call, down to the
-- ones with their owner's rights; the mark changes with anything that the answer stands on, and not by a dump and a restore.
create function tenon.search_scope(target regclass, policy name)
  returns table (condition text, mark text, policies oid[], roles oid[], functions oid[])
  language plpgsql stable
  set search_path = ''
  set plan_cache_mode = force_generic_plan
as $function$
#variable_conflict use_column
begin
  return query
  with recursive named as (
    select own.polroles as roles
    from pg_catalog.pg_policy as own
    join pg_catalog.pg_class as class on class.oid = own.polrelid and class.relrowsecurity
    where own.polrelid = search_scope.target and own.polname = search_scope.policy
      and own.polpermissive and own.polcmd in ('r', '*') and own.polqual is not null
  ), reading as (
    select each.oid, each.polname, each.polpermissive, pg_catalog.pg_get_expr(each.polqual, each.polrelid) as expression,
      0::pg_catalog.oid = any (each.polroles) or each.polroles @> named.roles as is_for_all
    from named
    join pg_catalog.pg_policy as each on each.polrelid = search_scope.target and each.polcmd in ('r', '*') and each.polqual is not null
  ), whole as (
    select
      '(' || pg_catalog.string_agg('(' || expression || ')', ' or ' order by polname) filter (where polpermissive) || ')'
        || coalesce(pg_catalog.string_agg(' and (' || expression || ')', '' order by polname) filter (where not polpermissive), '') as expression,
      pg_catalog.array_agg(oid order by polname) as policies
    from reading
    where is_for_all
    having pg_catalog.count(*) > 0 and not exists (select from reading as narrowing where not (narrowing.is_for_all or narrowing.polpermissive))
  ), called (oid) as (
    select coalesce(operator.oprcode::pg_catalog.oid, depend.refobjid)
    from whole
    join pg_catalog.pg_depend as depend on depend.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and depend.objid = any (whole.policies)
    left join pg_catalog.pg_operator as operator on depend.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and operator.oid = depend.refobjid
    where depend.refclassid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
    union
    select coalesce(operator.oprcode::pg_catalog.oid, depend.refobjid)
    from called
    join pg_catalog.pg_proc as caller on caller.oid = called.oid and not caller.prosecdef
    join pg_catalog.pg_depend as depend on depend.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and depend.objid = called.oid
    left join pg_catalog.pg_operator as operator on depend.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and operator.oid = depend.refobjid
    where depend.refclassid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
  ), standing as (
    select pg_catalog.array_agg(function.oid) as functions,
      pg_catalog.string_agg(
        case when function.prosecdef or function.prokind = 'a'
          then pg_catalog.format('%s %s %s', function.oid::pg_catalog.regprocedure, function.prosecdef, function.proconfig)
          else pg_catalog.pg_get_functiondef(function.oid)
        end,
        ' ' order by function.oid::pg_catalog.regprocedure::pg_catalog.text collate "C"
      ) as text
    from called
    join pg_catalog.pg_proc as function on function.oid = called.oid
  )
  select whole.expression,
    pg_catalog.md5(pg_catalog.concat_ws(
      ' ', whole.expression, standing.text,
      (select pg_catalog.string_agg(coalesce(role.rolname, 'public'), ' ' order by role.rolname)
       from pg_catalog.unnest(named.roles) as granted(oid)
       left join pg_catalog.pg_roles as role on role.oid = granted.oid)
    )),
    whole.policies, named.roles, coalesce(standing.functions, '{}')
  from named, whole, standing;
end
$function$;
comment on function tenon.search_scope(regclass, name) is 'What the policies of a table ask of everybody whom a permissive policy for SELECT is for, as one condition; no row when there is no such policy, or a restrictive one for some of them alone.';

-- Supabase's auth.uid() and its kin have a text for a body, which the server reads only when it runs: these are read here, word by word.
create function tenon.search_reads_settings(function oid) returns boolean
  language sql stable
  set search_path = ''
begin atomic
  select language.lanname = 'sql' and called.prosqlbody is null
    and pg_catalog.regexp_replace(called.prosrc, $re$'[^'\\]*'$re$, $re$''$re$, 'g') ~* $re$^\s*select(\m(coalesce|nullif|(pg_catalog\.)?(current_setting|uuid|text|jsonb|json|int|integer|bigint)|true)\M|''|::|->>|->|[(),\s])+;?\s*$$re$
    and pg_catalog.regexp_replace(called.prosrc, $re$current_setting\s*\(\s*'(?!search_path')[^'\\]*'$re$, '', 'gi') !~* 'current_setting'
  from pg_catalog.pg_proc as called
  join pg_catalog.pg_language as language on language.oid = called.prolang
  where called.oid = function;
end;
comment on function tenon.search_reads_settings(oid) is 'Whether the text of a function in SQL takes apart settings that it names, and does nothing else.';

create function tenon.search_obstacle(policies oid[]) returns text
  language sql stable
  set search_path = ''
begin atomic
  -- Expressions as the server keeps them: whatever they call stands in them by its number.
  with recursive trees (tree, source, name, is_policy) as (
    select policy.polqual::pg_catalog.text, pg_catalog.pg_get_expr(policy.polqual, policy.polrelid), pg_catalog.format('policy %I', policy.polname), true
    from pg_catalog.pg_policy as policy
    where policy.oid = any (policies)
    union
    select body.prosqlbody::pg_catalog.text, pg_catalog.pg_get_function_sqlbody(body.oid), body.oid::pg_catalog.regprocedure::pg_catalog.text, false
    from trees
    cross join lateral pg_catalog.regexp_matches(trees.tree, ':(funcid|opno|eqop|sortop) (\d+)', 'g') as part(words)
    left join pg_catalog.pg_operator as operator on part.words[1] <> 'funcid' and operator.oid = part.words[2]::pg_catalog.oid
    join pg_catalog.pg_proc as body on body.oid = coalesce(operator.oprcode::pg_catalog.oid, part.words[2]::pg_catalog.oid)
    where not body.prosecdef and body.prosqlbody is not null
  ), calls as (
    select trees.name, trees.is_policy, trees.tree, operator.oid is not null as is_operator,
      function.oid, function.proname, function.prokind, function.provolatile, function.prosecdef, function.proconfig, function.prolang, function.prosqlbody,
      coalesce(operator.oprnamespace, function.pronamespace) = 'pg_catalog'::pg_catalog.regnamespace as is_of_server
    from trees
    cross join lateral pg_catalog.regexp_matches(trees.tree, ':(funcid|aggfnoid|winfnoid|opno|eqop|sortop) (\d+)', 'g') as part(words)
    left join pg_catalog.pg_operator as operator on part.words[1] in ('opno', 'eqop', 'sortop') and operator.oid = part.words[2]::pg_catalog.oid
    join pg_catalog.pg_proc as function on function.oid = coalesce(operator.oprcode::pg_catalog.oid, part.words[2]::pg_catalog.oid)
  ), types as (
    select trees.name, part.words[1] as place, type.typname
    from trees
    cross join lateral pg_catalog.regexp_matches(trees.tree, ':(\w*type) (\d+)', 'g') as part(words)
    join pg_catalog.pg_type as type on type.oid = part.words[2]::pg_catalog.oid and type.typnamespace = 'pg_catalog'::pg_catalog.regnamespace
  ), obstacles as (
    select trees.name, 'reads a table' as what from trees where trees.tree ~ ':relid [1-9]'
    union all
    -- The kinds of SQLVALUEFUNCTION that are no times and no database.
    select trees.name, 'asks for the current role or schema' from trees where trees.tree ~ '\{SQLVALUEFUNCTION :op (9|10|11|12|14) '
    union all
    select trees.name, 'converts to a domain or compares rows' from trees where trees.tree ~ '\{(COERCETODOMAIN|ROWCOMPAREEXPR|NEXTVALUEEXPR) '
    union all
    select trees.name, 'asks for a setting that is not named in it, or for the search_path'
    from trees
    where pg_catalog.regexp_replace(trees.source, $re$current_setting\('(?!search_path')[^']*'::text$re$, '', 'gi') ~* 'current_setting\('
    union all
    -- What these are called, and what is found by a name, depends on the search_path.
    select types.name, 'uses the type ' || types.typname
    from types
    where types.typname ~ '^reg' and not (types.place = 'consttype' and types.typname in ('regconfig', 'regdictionary'))
    union all
    -- The server writes these without the schema of their operator.
    select calls.name, 'uses an operator of an extension in nullif, distinct, case or order by'
    from calls
    where calls.is_policy and calls.is_operator and not calls.is_of_server
      and calls.tree ~ '\{(DISTINCTEXPR|NULLIFEXPR|CASETESTEXPR|SORTGROUPCLAUSE) '
    union all
    select calls.name, 'calls ' || calls.oid::pg_catalog.regprocedure
    from calls
    where not case
      when calls.is_of_server then calls.is_operator or calls.provolatile = 'i' or calls.prosqlbody is not null or calls.proname in (
        'current_setting', 'now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp', 'age', 'date', 'date_part', 'date_trunc',
        'date_add', 'date_subtract', 'extract', 'time', 'timetz', 'timestamp', 'timestamptz', 'timezone', 'make_timestamptz', 'to_char', 'to_date', 'to_timestamp',
        'concat', 'concat_ws', 'format', 'array_to_string', 'to_json', 'to_jsonb', 'json_build_array', 'json_build_object', 'jsonb_build_array',
        'jsonb_build_object', 'row_to_json', 'array_to_json', 'jsonb_populate_record', 'jsonb_to_record', 'jsonb_to_recordset',
        'to_tsvector', 'to_tsquery', 'plainto_tsquery', 'phraseto_tsquery', 'websearch_to_tsquery'
      )
      when calls.prokind <> 'f' then false
      when calls.prosecdef then exists (select from pg_catalog.unnest(calls.proconfig) as setting(text) where setting.text like 'search\_path=%')
      when calls.prosqlbody is not null or tenon.search_reads_settings(calls.oid) then true
      else calls.provolatile = 'i' and calls.prolang in (select language.oid from pg_catalog.pg_language as language where language.lanname in ('c', 'internal'))
    end
  )
  select obstacles.name || ' ' || obstacles.what from obstacles order by 1 limit 1;
end;
comment on function tenon.search_obstacle(oid[]) is 'Why policies need not say the same to an owner as to a session; null when they do.';

create function tenon.search_is_for(reader oid, target regclass, columns name[], roles oid[], functions oid[]) returns boolean
  language sql stable
  set search_path = ''
begin atomic
  select case when reader = 0 then false else
    (0::pg_catalog.oid = any (roles) or exists (select from pg_catalog.unnest(roles) as role(oid) where pg_catalog.pg_has_role(reader, role.oid, 'usage')))
    and not exists (select from pg_catalog.unnest(columns) as read(name) where not pg_catalog.has_column_privilege(reader, target, read.name, 'select'))
    and not exists (select from pg_catalog.unnest(functions) as called(oid) where not pg_catalog.has_function_privilege(reader, called.oid, 'execute'))
  end;
end;
comment on function tenon.search_is_for(oid, regclass, name[], oid[], oid[]) is 'Whether a role could ask the table itself: it has one of the roles, reads the columns and executes what the policies call. Never PUBLIC.';

create function tenon.search_is_whole(reader oid, target regclass, policies oid[]) returns boolean
  language sql stable
  set search_path = ''
begin atomic
  select not (role.rolsuper or role.rolbypassrls)
    and (class.relforcerowsecurity or not pg_catalog.pg_has_role(reader, class.relowner, 'usage'))
    and not exists (
      select from pg_catalog.pg_policy as other
      where other.polrelid = target and other.polpermissive and other.polcmd in ('r', '*') and other.polqual is not null
        and other.oid <> all (policies)
        and exists (
          select from pg_catalog.unnest(other.polroles) as granted(oid)
          where granted.oid = 0 or pg_catalog.pg_has_role(reader, granted.oid, 'usage')
        )
    )
  from pg_catalog.pg_roles as role, pg_catalog.pg_class as class
  where role.oid = reader and class.oid = target;
end;
comment on function tenon.search_is_whole(oid, regclass, oid[]) is 'Whether these policies are all that a table shows a role by: it is bound by row security, and no other permissive policy is for it.';

-- The reader is what the caller says of itself: with another name it gets no row that the table would not show it.
create function tenon.assert_search(target regclass, policy name, mark text, made regprocedure, columns name[], reader name) returns void
  language plpgsql stable
  set search_path = ''
  set plan_cache_mode = force_generic_plan
as $function$
declare
  scope record;
begin
  select standing.* into scope from tenon.search_scope(target, policy) as standing where standing.mark = assert_search.mark;
  if not found or exists (
    select from pg_catalog.pg_proc as search
    cross join lateral pg_catalog.aclexplode(coalesce(search.proacl, pg_catalog.acldefault('f', search.proowner))) as given
    where search.oid = made and given.grantee <> search.proowner
      and not tenon.search_is_for(given.grantee, target, columns, scope.roles, scope.functions)
  ) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'search_policy_changed',
      message = pg_catalog.format('the policies, functions or grants that the search of %s was made for are not what they were', target),
      hint = 'drop the function and call tenon.add_search_function again';
  end if;
  if pg_catalog.row_security_active(target) then
    raise exception using
      errcode = 'object_not_in_prerequisite_state',
      constraint = 'search_forced',
      message = pg_catalog.format('row security of %s binds the owner of its search', target),
      hint = 'give table and function to one role: its row security is not forced, or the role has BYPASSRLS';
  end if;
  if not coalesce(tenon.search_is_whole(
    (select role.oid from pg_catalog.pg_roles as role where role.rolname = reader), target, scope.policies
  ), false) then
    raise exception using
      errcode = 'feature_not_supported',
      constraint = 'search_reader',
      message = pg_catalog.format('%s shows the role that searches it other rows than policy %I does', target, policy),
      hint = 'search without the function';
  end if;
end
$function$;
comment on function tenon.assert_search(regclass, name, text, regprocedure, name[], name) is 'What a search function asks first: that its answer is still the answer of the table to whoever calls it.';

-- These stay with everybody: search functions call them as their owners, and they say what pg_policies and pg_proc say.
