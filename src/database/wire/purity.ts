/**
 * Tells whether a compiled statement can leave something behind on its connection.
 *
 * Owns the list of functions known to be harmless. A statement built only of Kysely's own nodes and these functions cannot change
 * a session-level setting or take a session lock; anything else (raw SQL, unknown functions) is followed by a clean-up.
 */
import type { CompiledQuery, FunctionNode, GroupByItemNode, OperationNode, RawNode } from 'kysely'
import { TenonError } from '../../kernel/errors.ts'

/** Functions of pg_catalog that read their arguments and nothing else. */
export const pureFunctions: ReadonlySet<string> = new Set(
  (
    'abs all any any_value array_agg array_append array_length array_position array_prepend array_remove array_to_json avg ' +
    'bool_and bool_or btrim cardinality ceil ceiling char_length coalesce concat concat_ws count cume_dist current_date ' +
    'date_bin date_part date_trunc dense_rank every exp extract first_value floor format gen_random_uuid generate_series greatest grouping initcap json_agg ' +
    'json_array_length json_build_array json_build_object json_object_agg jsonb_agg jsonb_array_elements jsonb_array_elements_text ' +
    'jsonb_array_length jsonb_build_array jsonb_delete_path jsonb_build_object jsonb_each jsonb_each_text jsonb_exists jsonb_extract_path jsonb_extract_path_text ' +
    'jsonb_insert jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_pretty json_array_elements json_array_elements_text json_each json_each_text ' +
    'jsonb_set jsonb_strip_nulls jsonb_to_recordset jsonb_typeof json_object_keys json_strip_nulls json_typeof lag last_value lead least left length ln log lower lpad ltrim make_interval max min mod mode ' +
    'now nth_value ntile nullif num_nulls octet_length percent_rank percentile_cont percentile_disc position power random rank regexp_replace repeat ' +
    'replace reverse right round row row_number row_to_json rpad rtrim sign split_part sqrt starts_with string_agg strpos substr substring sum timezone ' +
    'to_char to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector phraseto_tsquery plainto_tsquery websearch_to_tsquery ts_headline ts_rank ts_rank_cd ' +
    'translate trim trunc tsquery_phrase unnest upper uuid_generate_v4 width_bucket ' +
    'area array_cat array_replace broadcast center family host inet_same_family isempty lower_inf masklen netmask network range_merge set_masklen upper_inf'
  ).split(' '),
)

/**
 * The same of well-known extensions. A name of these is harmless only on a database where every function that has it belongs to one of the
 * extensions that sql/checks/login.sql lists.
 */
export const extensionFunctions: ReadonlySet<string> = new Set(
  (
    'similarity word_similarity strict_word_similarity unaccent akeys avals each hstore_to_jsonb slice index lca nlevel subpath ' +
    'inner_product vector_dims ' +
    'st_area st_asgeojson st_asmvt st_asmvtgeom st_astext st_buffer st_centroid st_clusterdbscan st_clusterkmeans ' +
    'st_collect st_contains st_convexhull st_coveredby st_covers st_crosses st_difference st_distance st_dwithin ' +
    'st_envelope st_equals st_extent st_forcepolygonccw st_intersection st_intersects st_isempty st_isvalid ' +
    'st_length st_makeenvelope st_makevalid st_overlaps st_perimeter st_pointonsurface st_segmentize ' +
    'st_simplifypreservetopology st_tileenvelope st_touches st_transform st_union st_within st_x st_xmax st_xmin ' +
    'st_y st_ymax st_ymin'
  ).split(' '),
)

/**
 * Locks that end with the transaction they were taken in. Nothing but the transaction knows of them, and a pure statement alone is one.
 */
const transactionLocks: ReadonlySet<string> = new Set([
  'pg_advisory_xact_lock',
  'pg_advisory_xact_lock_shared',
  'pg_try_advisory_xact_lock',
  'pg_try_advisory_xact_lock_shared',
])

/** Words of GROUP BY that look like functions there; anywhere else a function of the application's own may have the name. */
const groupings: ReadonlySet<string> = new Set(['rollup', 'cube', 'grouping sets'])

/** Literal text that Kysely writes into raw nodes of its own: order directions, merge actions, `true`, separators. */
const pureLiterals = new Set(['asc', 'desc', 'true', 'do nothing', 'delete', 'merge_action()', ', '])
const savepointCommands = new Set(['savepoint ', 'rollback to ', 'release '])
/** Fragments around one child: a reference, a value or an identifier by itself, and Kysely's JSON helpers. */
const pureFrames = new Set([
  '|',
  "(select coalesce(json_agg(agg), '[]') from | as agg)",
  '(select to_json(obj) from | as obj)',
  'json_build_object(|)',
])

/**
 * Whether a raw node is one of the shapes Kysely itself makes. The shape counts, not its pieces: two harmless children put side by side
 * can spell a function call.
 */
function isPureRaw({ sqlFragments, parameters }: RawNode): boolean {
  if (parameters.length === 0) return sqlFragments.length === 1 && pureLiterals.has(sqlFragments[0] as string)
  if (parameters.length === 1) return pureFrames.has(sqlFragments.join('|'))
  if (sqlFragments.every((fragment, i) => fragment === (i === 0 || i === sqlFragments.length - 1 ? '' : '.'))) {
    return parameters.every((child) => child.kind === 'IdentifierNode')
  }
  if (!sqlFragments.every((fragment) => fragment === '')) return false
  if (parameters.length === 2)
    return isLiteral(parameters[0], savepointCommands) && parameters[1]?.kind === 'IdentifierNode'
  // sql.join: children with separators between them.
  return parameters.length % 2 === 1 && parameters.every((child, i) => i % 2 === 0 || isLiteral(child, comma))
}

const comma = new Set([', '])

function isLiteral(node: OperationNode | undefined, texts: ReadonlySet<string>): boolean {
  if (node?.kind !== 'RawNode') return false
  const { sqlFragments, parameters } = node as RawNode
  return parameters.length === 0 && sqlFragments.length === 1 && texts.has(sqlFragments[0] as string)
}

/** A ring of nodes has no end; the stack holds several times this many. */
const deepestNode = 2_000

interface Findings {
  /** Pure names that functions of the application's own also have. */
  readonly shadowed: ReadonlySet<string>
  raw: boolean
  functions: boolean
  writes: boolean
}

const writeKinds = new Set(['InsertQueryNode', 'UpdateQueryNode', 'DeleteQueryNode', 'MergeQueryNode'])

/** What a statement may do, read off its tree. */
export interface StatementEffects {
  /** Holds raw SQL or a function off the pure list: the connection is cleaned after it. */
  readonly opaque: boolean
  /** Certainly only reads: a lost connection can be reported as retryable. */
  readonly readOnly: boolean
}

/** Reads the effects of a compiled query off its operation nodes. */
export function readEffects(
  compiledQuery: Pick<CompiledQuery, 'query'>,
  shadowed: ReadonlySet<string>,
): StatementEffects {
  const findings: Findings = { raw: false, functions: false, writes: false, shadowed }
  visit(compiledQuery.query, findings)
  const opaque = findings.raw || findings.functions
  return { opaque, readOnly: !opaque && !findings.writes && compiledQuery.query.kind === 'SelectQueryNode' }
}

function visit(value: unknown, findings: Findings, depth = 0): void {
  if (typeof value !== 'object' || value === null) return
  if (depth > deepestNode) {
    throw new TenonError({
      code: 'LIMIT_DEPTH',
      message: 'the query is nested too deeply',
      hint: 'Split it, or bind large structures as parameters.',
    })
  }
  if (Array.isArray(value)) {
    for (const item of value) visit(item, findings, depth + 1)
    return
  }
  const node = value as Partial<OperationNode>
  if (node.kind === 'GroupByItemNode') {
    visitGrouping((node as GroupByItemNode).groupBy, findings, depth + 1)
    return
  }
  if (typeof node.kind === 'string') inspect(node as OperationNode, findings)
  // Values of parameters are data: a caller's object with a `kind` of its own must not be walked into.
  if (node.kind === 'ValueNode' || node.kind === 'PrimitiveValueListNode') return
  for (const child of Object.values(value)) visit(child, findings, depth + 1)
}

/** An item of GROUP BY, or of the grouping sets in it: what stands in a rollup is an expression again. */
function visitGrouping(node: OperationNode, findings: Findings, depth: number): void {
  const { func, arguments: inner } = node as FunctionNode
  if (node.kind !== 'FunctionNode' || !groupings.has(func)) visit(node, findings, depth)
  else if (func !== 'grouping sets') visit(inner, findings, depth + 1)
  else for (const item of inner) visitGrouping(item, findings, depth + 1)
}

function inspect(node: OperationNode, findings: Findings): void {
  if (writeKinds.has(node.kind)) findings.writes = true
  else if (node.kind === 'RawNode') {
    if (!isPureRaw(node as RawNode) && !isLiteral(node, savepointCommands)) findings.raw = true
  } else if (node.kind === 'FunctionNode' || node.kind === 'AggregateFunctionNode') {
    const name = (node as OperationNode & { readonly func: string }).func
    if (
      !(pureFunctions.has(name) || extensionFunctions.has(name) || transactionLocks.has(name)) ||
      findings.shadowed.has(name)
    )
      findings.functions = true
  } else if (node.kind === 'IdentifierNode') {
    // The one relation whose rules set parameters of the session.
    if ((node as OperationNode & { readonly name: string }).name === 'pg_settings') findings.functions = true
  }
}
