/**
 * Which objects count: what the migrations make, what stands on it, and what is in the library's schemas. Tables of the host that no
 * migration of the set makes are its own affair.
 */
import { type Catalog, type CatalogObject, schemaKey, toKey } from './catalog-object.ts'

/** What an object belongs to, nearest first: its table, that one's partitioned table, the schema. */
export function ancestorsOf(object: CatalogObject, catalog: Catalog): readonly CatalogObject[] {
  const ancestors: CatalogObject[] = []
  let current: CatalogObject | undefined = object
  while (current !== undefined) {
    current = current.on === undefined ? undefined : catalog.get(current.on)
    if (current !== undefined) ancestors.push(current)
  }
  const schema = catalog.get(schemaKey(object.schema))
  return schema === undefined || schema === object || ancestors.includes(schema) ? ancestors : [...ancestors, schema]
}

/** The object under which a difference is told: the table of a column, the outermost table of a partition. */
export function rootOf(object: CatalogObject, catalog: Catalog): CatalogObject {
  return (
    ancestorsOf(object, catalog).findLast(({ kind }) => kind !== 'schema' || object.on === schemaKey(object.schema)) ??
    object
  )
}

/**
 * Whether it is a difference that the database lacks this.
 *
 * A partition by range is for a time or a stretch of numbers: which ones a replay makes depends on the day it runs.
 */
export function isMissingInScope(object: CatalogObject, expected: Catalog): boolean {
  return ![object, ...ancestorsOf(object, expected)].some((each) =>
    each.parts['partition bound']?.startsWith('FOR VALUES FROM'),
  )
}

/** Schemas that hold nothing but the library's objects. */
const librarySchemas = ['tenon', 'tenon_private']

/** Whether it is a difference that the database has this and the migrations do not make it. */
export function isExtraInScope(
  object: CatalogObject,
  context: { readonly expected: Catalog; readonly actual: Catalog; readonly whole: boolean },
): boolean {
  const { expected, actual, whole } = context
  // Partitions are made as rows come; they are no change of the table.
  const lineage = [object, ...ancestorsOf(object, actual)]
  if (lineage.some((each) => each.parts['partition bound'] !== undefined && !expected.has(toKey(each.identity))))
    return false
  // Platforms change privileges of the server's own functions; only those that a migration changes are compared.
  if (object.schema === 'pg_catalog') return [...expected.values()].some(({ on }) => on === object.on)
  if (whole || librarySchemas.includes(object.schema)) return true
  if (object.on === undefined) return false
  if (expected.has(object.on)) return true
  const owner = actual.get(object.on)
  return owner !== undefined && isExtraInScope(owner, context)
}
