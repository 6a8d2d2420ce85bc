/** Primary, unique and foreign keys and indexes of a table, by the names that generated code uses. */
import type {
  ForeignKeyAction,
  ForeignKeyMetadata,
  IndexKeyMetadata,
  IndexMetadata,
  TableMetadata,
  UniqueKeyMetadata,
} from '../kernel/metadata.ts'
import type { Catalog, CatalogConstraint, CatalogIndex, CatalogRelation } from './catalog.ts'

type Keys = Pick<TableMetadata, 'primaryKey' | 'uniqueKeys' | 'foreignKeys' | 'indexes'>
type ToKeys = (names: readonly string[]) => readonly string[]

/** Reads the keys of the table with that oid. */
export function keysOf(
  oid: string,
  catalog: Catalog,
  relations: ReadonlyMap<string, CatalogRelation>,
  toKeys: ToKeys,
  toKey: (name: string) => string,
): Keys {
  const constraints = catalog.constraints.filter(({ relation }) => relation === oid)
  const indexes = catalog.indexes.filter(({ relation }) => relation === oid)
  const primaryKey = toKeys(constraints.find(({ kind }) => kind === 'p')?.columns ?? [])
  const uniqueKeys = uniqueKeysOf(constraints, indexes, toKeys)
  const isUnique = (columns: readonly string[]) =>
    [primaryKey, ...uniqueKeys.map((key) => key.columns)].some(
      (key) => key.length > 0 && key.every((column) => columns.includes(column)),
    )
  const foreignKeys = constraints.flatMap((constraint): readonly ForeignKeyMetadata[] => {
    const target = relations.get(constraint.references ?? '')
    // A table of a schema that is not read is nothing one can refer to.
    if (constraint.kind !== 'f' || target === undefined) return []
    const columns = toKeys(constraint.columns)
    return [
      {
        name: constraint.name,
        columns,
        schema: target.schema,
        table: target.name,
        referencedColumns: (constraint.referencedColumns ?? []).map(toKey),
        cardinality: isUnique(columns) ? 'one-to-one' : 'many-to-one',
        ...actionOf('onUpdate', constraint.onUpdate),
        ...actionOf('onDelete', constraint.onDelete),
        ...(constraint.deferrable === true ? { deferrable: true as const } : {}),
      },
    ]
  })
  return { primaryKey, uniqueKeys, foreignKeys, indexes: indexes.map((index) => toIndex(index, toKeys)) }
}

function uniqueKeysOf(
  constraints: readonly CatalogConstraint[],
  indexes: readonly CatalogIndex[],
  toKeys: ToKeys,
): readonly UniqueKeyMetadata[] {
  const named = constraints.filter(({ kind }) => kind === 'u')
  const taken = new Set(constraints.flatMap(({ kind, name }) => (kind === 'u' || kind === 'p' ? name : [])))
  const bare = indexes.filter(
    (index) =>
      index.unique &&
      index.valid &&
      index.predicate === undefined &&
      !taken.has(index.name) &&
      index.keys.every(({ column }) => column !== undefined),
  )
  return [
    ...named.map(({ name, columns, nullsNotDistinct }) => ({ name, columns, nullsNotDistinct })),
    ...bare.map(({ name, keys, nullsNotDistinct }) => ({
      name,
      columns: keys.map(({ column = '' }) => column),
      nullsNotDistinct,
    })),
  ].map(({ name, columns, nullsNotDistinct }) => ({
    name,
    columns: toKeys(columns),
    ...(nullsNotDistinct === true ? { nullsNotDistinct } : {}),
  }))
}

function toIndex(index: CatalogIndex, toKeys: ToKeys): IndexMetadata {
  return {
    name: index.name,
    method: index.method,
    keys: index.keys.map((key): IndexKeyMetadata => {
      const nulls = key.nullsFirst === key.descending ? undefined : key.nullsFirst ? 'first' : 'last'
      return {
        ...(key.column === undefined ? {} : { column: toKeys([key.column])[0] ?? key.column }),
        ...(key.expression === undefined ? {} : { expression: key.expression }),
        ...(key.opclass === undefined || key.opclassIsDefault === true ? {} : { opclass: key.opclass }),
        ...(key.descending ? { descending: true } : {}),
        ...(nulls === undefined ? {} : { nulls }),
      }
    }),
    ...(index.include === undefined ? {} : { include: toKeys(index.include) }),
    ...(index.unique ? { unique: true } : {}),
    ...(index.nullsNotDistinct === true ? { nullsNotDistinct: true } : {}),
    ...(index.predicate === undefined ? {} : { where: index.predicate }),
    ...(index.valid ? {} : { invalid: true }),
  }
}

const actions: Readonly<Record<string, ForeignKeyAction>> = {
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
}

// "No action" is what every key has that says nothing.
function actionOf<Field extends string>(field: Field, letter: string | undefined) {
  const action = actions[letter ?? '']
  return action === undefined ? {} : ({ [field]: action } as { readonly [Key in Field]: ForeignKeyAction })
}
