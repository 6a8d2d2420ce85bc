/**
 * Compares two catalogs: what the migrations make, and what is there.
 *
 * Owns which difference is worth a line. What to do about it is hint.ts; which objects count at all is scope.ts.
 */
import { type Catalog, type CatalogKind, type CatalogObject, toKey } from './catalog-object.ts'
import { differingParts } from './definition-text.ts'
import { changedHint, extraHint, missingHint, renamedHint } from './hint.ts'
import { ancestorsOf, createScope, isMissingInScope, rootOf } from './scope.ts'

/** Options of {@link compareCatalogs}. */
export interface CompareCatalogsOptions {
  /**
   * Every object that only the actual catalog has is a difference. Default false: only what is on an object of the expected catalog, and
   * what is in the schemas of the library.
   */
  readonly whole?: boolean | undefined
  /** Keys of objects that must not be there, such as a grant that a migration takes away. */
  readonly removed?: ReadonlySet<string> | undefined
  /** Objects that are none of this comparison's business, with what belongs to them. */
  readonly ignore?: ((object: CatalogObject) => boolean) | undefined
}

/** One difference. */
export interface Difference {
  /** missing: only expected. extra: only there. changed: another definition or another name. */
  readonly change: 'missing' | 'extra' | 'changed'
  /** The expected object; of an extra one, the one that is there. */
  readonly object: CatalogObject
  /** Key of the outermost object it is on, under which it is told: `table public.projects` for one of its columns. */
  readonly root: string
  /** What differs, as expected; undefined for an extra object. */
  readonly expected?: string | undefined
  /** What differs, as it is there; undefined for a missing object. */
  readonly actual?: string | undefined
  /** SQL that takes the actual database back to what is expected, or the next step where no SQL should. Nothing runs it. */
  readonly hint: string
}

/**
 * Returns the differences between two catalogs.
 *
 * Of an object that is missing or extra, nothing that belongs to it is told again. Partitions are compared by what they have in common with
 * the expected ones: they come and go with time.
 *
 * @param expected - what should be there
 * @param actual - what is there
 * @returns differences, those of one table together; empty when there are none
 * @example
 * ```ts
 * for (const { change, object, hint } of compareCatalogs(expected, actual)) console.log(change, object.kind, object.name, hint)
 * ```
 */
export function compareCatalogs(
  expected: Catalog,
  actual: Catalog,
  options: CompareCatalogsOptions = {},
): readonly Difference[] {
  const ignored = (object: CatalogObject, catalog: Catalog) =>
    options.ignore !== undefined && [object, ...ancestorsOf(object, catalog)].some(options.ignore)
  const missing = new Map<string, CatalogObject>()
  const changed: Found[] = []
  for (const [key, object] of expected) {
    if (ignored(object, expected)) continue
    const found = actual.get(key)
    if (found === undefined) {
      if (isMissingInScope(object, expected)) missing.set(key, object)
      continue
    }
    const parts = differingParts(object, found)
    if (parts.length > 0) changed.push(toChange(object, found, parts))
  }
  const isInScope = createScope({ expected, actual, whole: options.whole ?? false })
  const extra = new Map(
    [...actual].filter(
      ([key, object]) =>
        !expected.has(key) && (options.removed?.has(key) === true || isInScope(object)) && !ignored(object, actual),
    ),
  )
  const renamed = toRenames(missing, extra)
  const handled = new Set(renamed.flatMap(({ object, found }) => [object, found]))
  const told: readonly Found[] = [
    ...changed,
    ...renamed.map(({ object, found }) => toRename(object, found)),
    ...topmost(missing, expected)
      .filter((object) => !handled.has(object))
      .map((object) => ({
        change: 'missing' as const,
        object,
        expected: object.definition,
        hint: missingHint(object),
      })),
    ...topmost(extra, actual)
      .filter((object) => !handled.has(object))
      .map((object) => ({ change: 'extra' as const, object, actual: object.definition, hint: extraHint(object) })),
  ]
  return told
    .map((found) => {
      const root = rootOf(found.object, found.change === 'extra' ? actual : expected)
      return { difference: { ...found, root: rootKey(root) }, place: placeOf(found.object, root) }
    })
    .sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
    .map(({ difference }) => difference)
}

type Found = Omit<Difference, 'root'>

function toChange(expected: CatalogObject, actual: CatalogObject, parts: readonly string[]): Found {
  const of = (object: CatalogObject) =>
    parts.map((part) => object.parts[part] ?? absent[part as keyof typeof absent] ?? `no ${part}`).join(', ')
  const hint = changedHint(expected, actual, parts)
  return { change: 'changed', object: expected, expected: of(expected), actual: of(actual), hint }
}

/** What it means that a part is not there. */
const absent = {
  persistence: 'logged',
  'not null': 'null allowed',
  'row security of the owner': 'row level security not forced',
  uniqueness: 'not unique',
  validity: 'valid',
  option: 'without grant option',
}

function toRename(expected: CatalogObject, actual: CatalogObject): Found {
  const hint = renamedHint(expected, actual)
  const of = (object: CatalogObject) => `named ${object.name}`
  return { change: 'changed', object: expected, expected: of(expected), actual: of(actual), hint }
}

const renamable: readonly CatalogKind[] = ['column', 'constraint', 'index', 'policy', 'trigger']

/** Pairs of a missing and an extra object that differ in their name alone, where no other pair would do as well. */
function toRenames(missing: Objects, extra: Objects): readonly { object: CatalogObject; found: CatalogObject }[] {
  const byPlace = (objects: Objects) =>
    Map.groupBy(
      [...objects.values()].filter(({ kind }) => renamable.includes(kind)),
      ({ kind, on }) => `${kind} ${on}`,
    )
  const candidates = byPlace(extra)
  return [...byPlace(missing)].flatMap(([place, objects]) =>
    objects.flatMap((object) => {
      const isSame = (other: CatalogObject) => differingParts(object, other).length === 0
      const [found, second] = (candidates.get(place) ?? []).filter(isSame)
      const alone = second === undefined && objects.filter(isSame).length === 1
      return found !== undefined && alone ? [{ object, found }] : []
    }),
  )
}

type Objects = ReadonlyMap<string, CatalogObject>

/** Without what belongs to another one of them: a dropped table is one difference, however many columns it had. */
function topmost(objects: Objects, catalog: Catalog): readonly CatalogObject[] {
  const set = new Set(objects.values())
  return [...set].filter((object) => !ancestorsOf(object, catalog).some((ancestor) => set.has(ancestor)))
}

const order: readonly CatalogKind[] = [
  'schema',
  'extension',
  'type',
  'domain',
  'sequence',
  'table',
  'view',
  'column',
  'constraint',
  'index',
  'statistics',
  'trigger',
  'rule',
  'policy',
  'function',
  'procedure',
  'aggregate',
  'grant',
  'comment',
]

/** Where a difference stands in the list: with its table, the table itself first. */
function placeOf(object: CatalogObject, root: CatalogObject): string {
  const rank = (kind: CatalogKind) => String.fromCharCode(order.indexOf(kind) + 1)
  return [root.schema, rank(root.kind), rootKey(root), rank(object.kind), object.name].join('\0')
}

// A grant on what neither side compares, such as a function of the server, is told under that.
function rootKey({ identity, on, kind }: CatalogObject): string {
  return (kind === 'grant' || kind === 'comment' ? on : undefined) ?? toKey(identity)
}
