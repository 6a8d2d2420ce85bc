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
export const librarySchemas: readonly string[] = ['tenon', 'tenon_private']

/**
 * Returns what tells whether it is a difference that the database has an object which the migrations do not make.
 *
 * @param options.whole - the migrations make everything
 */
export function createScope(options: {
  readonly expected: Catalog
  readonly actual: Catalog
  readonly whole: boolean
}): (object: CatalogObject) => boolean {
  const { expected, actual, whole } = options
  const changedByMigrations = new Set(
    [...expected.values()].flatMap(({ schema, on }) => (schema === 'pg_catalog' ? on : [])),
  )
  const isInScope = (object: CatalogObject): boolean => {
    // Partitions are made as rows come; they are no change of the table.
    const isPartition = ({ parts, identity }: CatalogObject) =>
      parts['partition bound'] !== undefined && !expected.has(toKey(identity))
    if ([object, ...ancestorsOf(object, actual)].some(isPartition)) return false
    // Platforms change privileges of the server's own functions; only those that a migration changes are compared.
    if (object.schema === 'pg_catalog') return changedByMigrations.has(object.on)
    if (whole || librarySchemas.includes(object.schema)) return true
    if (object.on === undefined) return false
    if (expected.has(object.on)) return true
    const owner = actual.get(object.on)
    return owner !== undefined && isInScope(owner)
  }
  return isInScope
}
