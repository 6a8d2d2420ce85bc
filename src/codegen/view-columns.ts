/**
 * Tells from the query tree of a view which of its columns can be null, and which column of a table each one shows.
 *
 * Whatever it does not understand can be null: a type that promises too little costs a check, one that promises too much an outage.
 */
import type { CatalogColumn, CatalogRelation } from './catalog.ts'
import { listAt, nodeAt, nodesAt, parseNodeTree, type TreeNode, type TreeValue, wordAt } from './node-tree.ts'

/** What is known of one column of a view. */
export interface ViewColumn {
  readonly notNull: boolean
  /** The table's column whose values it shows unchanged. */
  readonly base: { readonly relation: CatalogRelation; readonly column: CatalogColumn } | undefined
}

const unknown: ViewColumn = { notNull: false, base: undefined }

/** Reads views, and views on views. */
export class ViewReader {
  readonly #relations: ReadonlyMap<string, CatalogRelation>
  readonly #queries: ReadonlyMap<string, string>
  /** Whether a table's column is NOT NULL, its domain counted. */
  readonly #isNotNull: (column: CatalogColumn) => boolean
  readonly #known = new Map<string, ReadonlyMap<number, ViewColumn>>()

  constructor(
    relations: ReadonlyMap<string, CatalogRelation>,
    rules: readonly { readonly relation: string; readonly query: string }[],
    isNotNull: (column: CatalogColumn) => boolean,
  ) {
    this.#relations = relations
    this.#queries = new Map(rules.map(({ relation, query }) => [relation, query]))
    this.#isNotNull = isNotNull
  }

  /** The column of that number of a table or view. */
  column(oid: string, number: number): ViewColumn {
    const relation = this.#relations.get(oid)
    const column = relation?.columns.find((candidate) => candidate.number === number)
    if (relation === undefined || column === undefined) return unknown
    if (relation.kind !== 'v' && relation.kind !== 'm')
      return { notNull: this.#isNotNull(column), base: { relation, column } }
    return this.#view(oid).get(number) ?? unknown
  }

  #view(oid: string): ReadonlyMap<number, ViewColumn> {
    const known = this.#known.get(oid)
    if (known !== undefined) return known
    // Until it is read: a view cannot be built on itself, but nothing here depends on that.
    this.#known.set(oid, new Map())
    const columns = this.#read(this.#queries.get(oid))
    this.#known.set(oid, columns)
    return columns
  }

  #read(text: string | undefined): ReadonlyMap<number, ViewColumn> {
    if (text === undefined) return new Map()
    let tree: TreeValue
    try {
      tree = parseNodeTree(text)
    } catch {
      return new Map()
    }
    const [query] = Array.isArray(tree) ? tree : []
    if (typeof query !== 'object' || !('kind' in query) || query.kind !== 'QUERY') return new Map()
    return new Map([...this.#targets(new Scope(query, undefined))])
  }

  #targets(scope: Scope): ReadonlyMap<number, ViewColumn> {
    const { query } = scope
    const result = new Map<number, ViewColumn>()
    // The rows of a set operation come from several queries; grouping sets null what they leave out.
    if (nodeAt(query, 'setOperations') !== undefined || listAt(query, 'groupingSets').length > 0) return result
    for (const target of nodesAt(query, 'targetList')) {
      if (wordAt(target, 'resjunk') === 'true') continue
      result.set(Number(wordAt(target, 'resno')), this.#expression(nodeAt(target, 'expr'), scope))
    }
    return result
  }

  #expression(node: TreeNode | undefined, scope: Scope): ViewColumn {
    if (node === undefined) return unknown
    const notNull = (value: boolean): ViewColumn => ({ notNull: value, base: undefined })
    const each = (field: string) => nodesAt(node, field).map((item) => this.#expression(item, scope).notNull)
    switch (node.kind) {
      case 'VAR':
        return this.#variable(node, scope)
      case 'CONST':
        return notNull(wordAt(node, 'constisnull') === 'false')
      case 'RELABELTYPE':
      case 'COERCETODOMAIN':
        return notNull(this.#expression(nodeAt(node, 'arg'), scope).notNull)
      case 'COALESCEEXPR':
        return notNull(each('args').includes(true))
      // GREATEST and LEAST skip nulls.
      case 'MINMAXEXPR':
        return notNull(each('args').includes(true))
      case 'BOOLEXPR':
        return notNull(!each('args').includes(false))
      case 'CASEEXPR':
        return notNull(
          this.#expression(nodeAt(node, 'defresult'), scope).notNull &&
            nodesAt(node, 'args').every((when) => this.#expression(nodeAt(when, 'result'), scope).notNull),
        )
      case 'NULLTEST':
      case 'BOOLEANTEST':
      case 'DISTINCTEXPR':
      case 'ARRAYEXPR':
      case 'ARRAY':
      case 'ROWEXPR':
        return notNull(true)
      case 'AGGREF':
        return notNull(countFunctions.has(wordAt(node, 'aggfnoid')))
      case 'WINDOWFUNC':
        return notNull(countFunctions.has(wordAt(node, 'winfnoid')) || rankFunctions.has(wordAt(node, 'winfnoid')))
      case 'SUBLINK':
        return notNull(wordAt(node, 'subLinkType') === existsSublink)
      default:
        return unknown
    }
  }

  #variable(node: TreeNode, here: Scope): ViewColumn {
    let scope: Scope | undefined = here
    for (let level = Number(wordAt(node, 'varlevelsup')); level > 0; level--) scope = scope?.outer
    const index = Number(wordAt(node, 'varno'))
    const attribute = Number(wordAt(node, 'varattno'))
    const entry = scope?.entries[index - 1]
    if (scope === undefined || entry === undefined || attribute < 1) return unknown
    const found = this.#entry(entry, attribute, scope)
    const nulling = node.fields.get('varnullingrels')
    const isNulled = scope.nullable.has(index) || (Array.isArray(nulling) && nulling.length > 1)
    return isNulled ? { notNull: false, base: found.base } : found
  }

  #entry(entry: TreeNode, attribute: number, scope: Scope): ViewColumn {
    switch (wordAt(entry, 'rtekind')) {
      case '0':
        return this.column(wordAt(entry, 'relid'), attribute)
      case '1': {
        const query = nodeAt(entry, 'subquery')
        return query === undefined ? unknown : (this.#targets(new Scope(query, scope)).get(attribute) ?? unknown)
      }
      case '2':
        return this.#expression(nodesAt(entry, 'joinaliasvars')[attribute - 1], scope)
      case '6': {
        let home: Scope | undefined = scope
        for (let level = Number(wordAt(entry, 'ctelevelsup')); level > 0; level--) home = home?.outer
        const name = wordAt(entry, 'ctename')
        const cte = nodesAt(home?.query, 'cteList').find((candidate) => wordAt(candidate, 'ctename') === name)
        const query = nodeAt(cte, 'ctequery')
        if (home === undefined || query === undefined || wordAt(cte, 'cterecursive') === 'true') return unknown
        return this.#targets(new Scope(query, home)).get(attribute) ?? unknown
      }
      // The group step of 18: its columns are the expressions grouped by.
      case '9':
        return this.#expression(nodesAt(entry, 'groupexprs')[attribute - 1], scope)
      default:
        return unknown
    }
  }
}

/** count(any) and count(*). */
const countFunctions = new Set(['2147', '2803'])
/** row_number, rank, dense_rank, percent_rank, cume_dist. */
const rankFunctions = new Set(['3100', '3101', '3102', '3103', '3104'])
const existsSublink = '0'

/** A query, its range table, and the entries that an outer join can fill with nulls. */
class Scope {
  readonly query: TreeNode
  readonly outer: Scope | undefined
  readonly entries: readonly TreeNode[]
  readonly nullable = new Set<number>()

  constructor(query: TreeNode, outer: Scope | undefined) {
    this.query = query
    this.outer = outer
    this.entries = nodesAt(query, 'rtable')
    for (const item of nodesAt(nodeAt(query, 'jointree'), 'fromlist')) this.#join(item, false)
  }

  #join(item: TreeNode, nullable: boolean): void {
    if (nullable && wordAt(item, 'rtindex') !== '') this.nullable.add(Number(wordAt(item, 'rtindex')))
    if (item.kind !== 'JOINEXPR') return
    const type = wordAt(item, 'jointype')
    const left = nodeAt(item, 'larg')
    const right = nodeAt(item, 'rarg')
    // 1 left, 2 full, 3 right; every other kind than 0 is one that no view has.
    if (left !== undefined) this.#join(left, nullable || (type !== '0' && type !== '1'))
    if (right !== undefined) this.#join(right, nullable || (type !== '0' && type !== '3'))
  }
}
