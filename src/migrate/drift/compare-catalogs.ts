/**
 * Compares two catalogs: what the migrations make, and what is there.
 *
 * Owns which difference is worth a line. What to do about it is hint.ts; which objects count at all is scope.ts.
 */
import type { Catalog, CatalogKind, CatalogObject } from './catalog-object.ts'
import { differingParts } from './definition-text.ts'
import { changedHint, extraHint, missingHint, renamedHint } from './hint.ts'
import { ancestorsOf, isExtraInScope, isMissingInScope, rootOf } from './scope.ts'

/** Options of {@link compareCatalogs}. */
export interface CompareCatalogsOptions {
  /**
   * Every object that only the actual catalog has is a difference. Default false: only what is on an object of the expected catalog, and
   * what is in the schemas of the library.
   */
  readonly whole?: boolean | undefined
  /** Objects that are none of this comparison's business, with what belongs to them. */
  readonly ignore?: ((object: CatalogObject) => boolean) | undefined
}

/** One difference. */
export interface Difference {
  /** missing: only expected. extra: only there. changed: another definition or another name. */
  readonly change: 'missing' | 'extra' | 'changed'
  /** The expected object; of an extra one, the one that is there. */
  readonly object: CatalogObject
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
  const changed: Difference[] = []
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
  const extra = new Map<string, CatalogObject>()
  for (const [key, object] of actual) {
    if (expected.has(key) || ignored(object, actual)) continue
    if (isExtraInScope(object, { expected, actual, whole: options.whole ?? false })) extra.set(key, object)
  }
  const renamed = toRenames(missing, extra)
  const handled = new Set(renamed.flatMap(({ object, found }) => [object, found]))
  const told: readonly Difference[] = [
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
    .map((difference) => ({
      difference,
      place: placeOf(difference, difference.change === 'extra' ? actual : expected),
    }))
    .sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0))
    .map(({ difference }) => difference)
}

function toChange(expected: CatalogObject, actual: CatalogObject, parts: readonly string[]): Difference {
  const of = (object: CatalogObject) => parts.flatMap((part) => object.parts[part] ?? []).join(' ')
  const hint = changedHint(expected, actual, parts)
  return { change: 'changed', object: expected, expected: of(expected), actual: of(actual), hint }
}

function toRename(expected: CatalogObject, actual: CatalogObject): Difference {
  const hint = renamedHint(expected, actual)
  const of = (object: CatalogObject) => `named ${object.name}`
  return { change: 'changed', object: expected, expected: of(expected), actual: of(actual), hint }
}

const renamable: readonly CatalogKind[] = ['column', 'constraint', 'index', 'policy', 'trigger']

/** Pairs of a missing and an extra object that differ in their name alone, where no other pair would do as well. */
function toRenames(missing: Objects, extra: Objects): readonly { object: CatalogObject; found: CatalogObject }[] {
  return [...missing.values()]
    .filter(({ kind }) => renamable.includes(kind))
    .flatMap((object) => {
      const isSame = (other: CatalogObject) =>
        other.kind === object.kind && other.on === object.on && differingParts(object, other).length === 0
      const [found, second] = [...extra.values()].filter(isSame)
      const alone = second === undefined && [...missing.values()].filter(isSame).length === 1
      return found !== undefined && alone ? [{ object, found }] : []
    })
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
function placeOf({ object }: Difference, catalog: Catalog): string {
  const root = rootOf(object, catalog)
  const rank = (kind: CatalogKind) => String.fromCharCode(order.indexOf(kind) + 1)
  return [root.schema, rank(root.kind), root.name, rank(object.kind), object.name].join('\0')
}
