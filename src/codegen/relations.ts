/**
 * Relations of tables from their foreign keys, in both directions and through tables that only join two others, each under a name of its own.
 *
 * Names come from the schema alone, in the order of the catalog, so that the same schema always gives the same ones.
 */
import type { ForeignKeyMetadata, RelationMetadata, TableMetadata } from '../kernel/metadata.ts'
import { toCamelCase, toPascalCase } from './names.ts'

type Relations = Readonly<Record<string, RelationMetadata>>

/** Relations by the key of their table. */
export function relationsOf(tables: readonly TableMetadata[]): ReadonlyMap<string, Relations> {
  const reader = new RelationReader(tables)
  return new Map(tables.map((table) => [table.key, reader.read(table)]))
}

interface Edge {
  readonly from: TableMetadata
  readonly to: TableMetadata
  readonly foreignKey: ForeignKeyMetadata
}

class RelationReader {
  readonly #tables: readonly TableMetadata[]
  readonly #edges: readonly Edge[]

  constructor(tables: readonly TableMetadata[]) {
    this.#tables = tables
    this.#edges = tables.flatMap((from) =>
      from.foreignKeys.flatMap((foreignKey) => {
        const to = this.#tables.find(({ schema, name }) => schema === foreignKey.schema && name === foreignKey.table)
        return to === undefined ? [] : [{ from, to, foreignKey }]
      }),
    )
  }

  read(table: TableMetadata): Relations {
    const found: { readonly names: readonly string[]; readonly relation: RelationMetadata }[] = []
    for (const { to, foreignKey } of this.#edges.filter(({ from }) => from === table))
      found.push({
        names: [parentName(table, foreignKey), nameOf(to), `${nameOf(to)}By${roleOf(table, foreignKey)}`],
        relation: {
          kind: 'one',
          table: to.key,
          columns: foreignKey.columns,
          referencedColumns: foreignKey.referencedColumns,
          ...(foreignKey.columns.some((column) => table.columns[column]?.nullable) ? { nullable: true } : {}),
        },
      })
    const children = this.#edges.filter(({ to }) => to === table)
    for (const { from, foreignKey } of children) {
      const alone = children.filter((other) => other.from === from).length === 1 && from !== table
      const byRole = `${nameOf(from)}By${roleOf(from, foreignKey)}`
      found.push({
        names: alone ? [nameOf(from), byRole] : [byRole],
        relation: {
          kind: foreignKey.cardinality === 'one-to-one' ? 'one' : 'many',
          table: from.key,
          columns: foreignKey.referencedColumns,
          referencedColumns: foreignKey.columns,
          ...(foreignKey.cardinality === 'one-to-one' ? { nullable: true } : {}),
        },
      })
    }
    for (const { from: joining, foreignKey } of children) {
      const [other, ...more] = this.#edges.filter((edge) => edge.from === joining && edge.foreignKey !== foreignKey)
      if (other === undefined || more.length > 0 || !isJoining(joining, foreignKey, other.foreignKey)) continue
      found.push({
        names: [
          nameOf(other.to),
          `${nameOf(other.to)}Through${toPascalCase(joining.name)}`,
          `${nameOf(other.to)}Through${toPascalCase(joining.name)}By${roleOf(joining, foreignKey)}`,
        ],
        relation: {
          kind: 'many',
          table: other.to.key,
          columns: foreignKey.referencedColumns,
          referencedColumns: other.foreignKey.referencedColumns,
          through: { table: joining.key, columns: foreignKey.columns, referencedColumns: other.foreignKey.columns },
        },
      })
    }
    return named(table, found)
  }
}

/** Nothing but the two foreign keys makes a row of it what it is. */
function isJoining(table: TableMetadata, one: ForeignKeyMetadata, other: ForeignKeyMetadata): boolean {
  const columns = new Set([...one.columns, ...other.columns])
  const key = table.primaryKey
  return key.length === columns.size && key.every((column) => columns.has(column))
}

function named(
  table: TableMetadata,
  found: readonly { readonly names: readonly string[]; readonly relation: RelationMetadata }[],
): Relations {
  const taken = new Set(Object.keys(table.columns))
  return Object.fromEntries(
    found.map(({ names, relation }) => {
      const last = names.at(-1) ?? ''
      let name = names.find((candidate) => !taken.has(candidate)) ?? last
      for (let number = 2; taken.has(name); number++) name = `${last}${number}`
      taken.add(name)
      return [name, relation]
    }),
  )
}

const nameOf = ({ name }: TableMetadata): string => toCamelCase(name)

/** What a foreign key of one column is called: `owner_id` is the owner. */
function roleOf(table: TableMetadata, { columns }: ForeignKeyMetadata): string {
  const names = columns.map((column) => table.columns[column]?.name ?? column)
  return toPascalCase(names.map(withoutSuffix).join('_'))
}

function parentName(table: TableMetadata, foreignKey: ForeignKeyMetadata): string {
  const [only, ...more] = foreignKey.columns.map((column) => table.columns[column]?.name ?? column)
  // Of several columns no one says what they point at.
  return more.length > 0 || only === undefined ? toCamelCase(foreignKey.table) : toCamelCase(withoutSuffix(only))
}

const withoutSuffix = (name: string): string => name.replace(/_?(?:id|uuid|key|fk|Id|ID)$/, '') || name
