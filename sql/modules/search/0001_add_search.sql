-- Full-text search on a table: a column of words, its indexes, and languages that do not mind accents.
--
-- purpose: one call makes a table searchable:
--     select tenon.add_search('public.articles', '{"title": "A", "body": "D"}', 'english', policy_column => 'tenant_id', trigram_columns => '{title}')
--   It adds a generated column (words tsvector), which no write can forget, and the indexes. Adding the column rewrites the
--   table under a lock that nobody reads through: on a large one do it when there is time, and build the indexes apart:
--   with build => false they are not made but returned, as statements to run one by one outside a transaction.
--   policy_column is the column that row-level security compares: indexes lead with it, because @@ is not leakproof and
--   the policy goes first. What is served through the words themselves under row security is 0002's function.
--   A text is read up to 250,000 characters over all columns: a tsvector holds 1 MB and 16,383 positions, and a longer
--   text would make the write fail.
--   tenon.unaccented_language('german') makes the configuration public.german_unaccented: with the extension unaccent
--   in front of the language's own dictionaries, so that cafe finds café. Nothing immutable is needed around unaccent().
-- parameters: none. add_search: target regclass; columns jsonb, column to weight A, B, C or D; language regconfig; column_name
--   name default words; policy_column name; trigram_columns text[]; build boolean default true.
--   unaccented_language: base regconfig, schema name default public
-- privilege: CREATE on the database; calling add_search takes ownership of the table, unaccented_language CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/textsearch-tables.html
-- requires: none
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.unaccented_language(regconfig, name);
--   drop function tenon.add_search(regclass, jsonb, regconfig, name, name, text[], boolean);

create schema if not exists tenon;

create function tenon.add_search(
  target regclass,
  columns jsonb,
  language regconfig,
  column_name name default 'words',
  policy_column name default null,
  trigram_columns text[] default '{}',
  build boolean default true
) returns setof text
  language plpgsql
  set search_path = ''
as $function$
declare
  most constant integer := 250000;
  parts text;
  lead constant text := case when policy_column is null then '' else pg_catalog.quote_ident(policy_column) || ', ' end;
  how constant text := case when build then '' else 'concurrently ' end;
  trigram_class text;
  statement text;
begin
  if target is null or language is null or column_name is null or build is null
    or coalesce(pg_catalog.jsonb_typeof(columns), '') <> 'object' or columns = '{}'
    or exists (select from pg_catalog.jsonb_each_text(columns) as given where given.value is null or given.value not in ('A', 'B', 'C', 'D'))
  then
    raise exception using
      errcode = 'invalid_parameter_value',
      constraint = 'search_arguments',
      message = 'add_search: columns is an object of column names and their weights A, B, C or D, and language a text search configuration',
      hint = $hint$select tenon.add_search('public.articles', '{"title": "A", "body": "D"}', 'english')$hint$;
  end if;
  if policy_column is not null and not exists (select from pg_catalog.pg_extension where extname = 'btree_gin') then
    raise exception using
      errcode = 'undefined_object',
      constraint = 'search_btree_gin_missing',
      message = 'add_search: an index that leads with policy_column takes the extension btree_gin',
      hint = 'create extension btree_gin';
  end if;
  trigram_class := (
    select pg_catalog.quote_ident(namespace.nspname) || '.gin_trgm_ops'
    from pg_catalog.pg_extension as extension
    join pg_catalog.pg_namespace as namespace on namespace.oid = extension.extnamespace
    where extension.extname = 'pg_trgm'
  );
  if pg_catalog.cardinality(trigram_columns) > 0 and trigram_class is null then
    raise exception using
      errcode = 'undefined_object',
      constraint = 'search_pg_trgm_missing',
      message = 'add_search: trigram_columns takes the extension pg_trgm',
      hint = 'create extension pg_trgm';
  end if;

  -- The weightiest first, so that a phrase does not run from one column into the next by chance of their names.
  parts := (
    select pg_catalog.string_agg(
      pg_catalog.format(
        'pg_catalog.setweight(pg_catalog.to_tsvector(%L::pg_catalog.regconfig, pg_catalog."left"(coalesce(%I::pg_catalog.text, %L), %s)), %L)',
        language, given.key, '', most / given.number, given.value
      ),
      ' || ' order by given.value, given.key
    )
    from (select each.key, each.value, pg_catalog.count(*) over () as number from pg_catalog.jsonb_each_text(columns) as each) as given
  );
  execute pg_catalog.format('alter table %s add column %I tsvector not null generated always as (%s) stored', target, column_name, parts);
  execute pg_catalog.format(
    'comment on column %s.%I is %L', target, column_name, 'Words of the row for full-text search; made by tenon.add_search.'
  );

  for statement in
    select pg_catalog.format('create index %son %s using gin (%s%I)', how, target, lead, column_name)
    union all
    select pg_catalog.format('create index %son %s using gin (%s%I %s)', how, target, lead, each.name, trigram_class)
    from pg_catalog.unnest(trigram_columns) as each(name)
  loop
    if build then
      execute statement;
    end if;
    return next statement;
  end loop;
end
$function$;
comment on function tenon.add_search(regclass, jsonb, regconfig, name, name, text[], boolean) is 'Adds a generated column of words and its indexes to a table, and returns the statements of the indexes: run already, or with build false to be run.';

create function tenon.unaccented_language(base regconfig, schema name default 'public') returns text
  language plpgsql
  set search_path = ''
as $function$
declare
  made text;
  unaccent text;
  mapping record;
begin
  unaccent := (
    select pg_catalog.format('%I.%I', namespace.nspname, dictionary.dictname)
    from pg_catalog.pg_ts_dict as dictionary
    join pg_catalog.pg_namespace as namespace on namespace.oid = dictionary.dictnamespace
    join pg_catalog.pg_depend as owned on owned.classid = 'pg_catalog.pg_ts_dict'::pg_catalog.regclass and owned.objid = dictionary.oid and owned.deptype = 'e'
    join pg_catalog.pg_extension as extension on extension.oid = owned.refobjid
    where extension.extname = 'unaccent'
    order by dictionary.oid
    limit 1
  );
  if unaccent is null then
    raise exception using
      errcode = 'undefined_object',
      constraint = 'search_unaccent_missing',
      message = 'unaccented_language takes the extension unaccent',
      hint = 'create extension unaccent';
  end if;
  made := (select pg_catalog.format('%I.%I', schema, cfgname || '_unaccented') from pg_catalog.pg_ts_config where oid = base);
  execute pg_catalog.format('create text search configuration %s (copy = %s)', made, base);
  -- Words that can hold accents: those of ASCII alone, numbers, addresses and so on stay as they are.
  for mapping in
    select token.alias,
      pg_catalog.string_agg(pg_catalog.format('%I.%I', namespace.nspname, dictionary.dictname), ', ' order by mapped.mapseqno) as dictionaries
    from pg_catalog.pg_ts_config as config
    join pg_catalog.pg_ts_config_map as mapped on mapped.mapcfg = config.oid
    join pg_catalog.pg_ts_dict as dictionary on dictionary.oid = mapped.mapdict
    join pg_catalog.pg_namespace as namespace on namespace.oid = dictionary.dictnamespace
    cross join lateral pg_catalog.ts_token_type(config.cfgparser) as token
    where config.oid = base and token.tokid = mapped.maptokentype
      and token.alias in ('word', 'hword', 'hword_part', 'numword', 'numhword', 'hword_numpart')
    group by token.alias
  loop
    execute pg_catalog.format(
      'alter text search configuration %s alter mapping for %I with %s, %s', made, mapping.alias, unaccent, mapping.dictionaries
    );
  end loop;
  return made;
end
$function$;
comment on function tenon.unaccented_language(regconfig, name) is 'Makes a text search configuration like another that does not mind accents, and returns its name: english becomes english_unaccented.';

revoke all on function tenon.add_search(regclass, jsonb, regconfig, name, name, text[], boolean) from public;
revoke all on function tenon.unaccented_language(regconfig, name) from public;
