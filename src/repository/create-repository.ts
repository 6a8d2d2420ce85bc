/** Makes repositories. */
import { TenonError } from '../kernel/errors.ts'
import type { TableMetadata } from '../kernel/metadata.ts'
import type { Validator } from '../kernel/validator.ts'
import { refuse } from './columns.ts'
import { createInsertMethods } from './insert-methods.ts'
import { createReadMethods } from './read-methods.ts'
import type { Repository } from './repository.ts'
import { RepositoryCore } from './repository-core.ts'
import type { AnyTable, ColumnOf } from './table-shape.ts'
import { createUpdateMethods } from './update-methods.ts'

/** Options of {@link createRepository}. */
export interface RepositoryOptions<T extends AnyTable> {
  /** Generated schemas, `schemas.projects`: what is written is checked, and what they give is written. */
  readonly schemas?: { readonly insert?: Validator; readonly update?: Validator } | undefined
  /** A column for the time of deletion: `delete` sets it, and rows that have it are not found. */
  readonly softDelete?: ColumnOf<T> | undefined
  /** A column that counts the updates of a row: `update` adds one, and refuses a version that is not the row's. */
  readonly version?: ColumnOf<T> | undefined
}

/**
 * Makes a repository of a generated table.
 *
 * @param table - of the generated metadata.ts: `tables.projects`
 * @throws {TenonError} OPTION_INVALID when an option names a column that the table does not have
 * @example
 * ```ts
 * const projects = createRepository(tables.projects, { schemas: schemas.projects })
 * const page = await projects.page(me, { where: { metadata: { tags: { has: 'important' } } }, orderBy: { createdAt: 'desc' }, limit: 20 })
 * ```
 */
export function createRepository<T extends AnyTable>(table: T, options: RepositoryOptions<T> = {}): Repository<T> {
  for (const name of ['softDelete', 'version'] as const) {
    const column = options[name]
    if (column !== undefined && !Object.hasOwn(table.columns, column))
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: `${name} names no column of ${table.key}`,
        hint: 'Pass the key of a column.',
      })
  }
  // The methods are typed by the table; inside they know it as metadata. Tests of types hold the two together.
  const core = new RepositoryCore(table, options)
  const reads = createReadMethods(core)
  const writes = { ...createInsertMethods(core), ...createUpdateMethods(core) }
  const methods = { table, ...reads, ...(table.kind === 'materialized view' ? refusing(table, writes) : writes) }
  return methods as unknown as Repository<T>
}

/** What PostgreSQL would refuse of a materialized view, without a word about the reason. */
function refusing(table: TableMetadata, writes: object): Readonly<Record<string, () => Promise<never>>> {
  const refused = async (): Promise<never> =>
    refuse(
      table,
      'it is a materialized view, whose rows can be neither written nor locked',
      'Write to the tables beneath it, and refresh it: refreshView() of tenon/reports.',
    )
  return Object.fromEntries([...Object.keys(writes), 'lock'].map((name) => [name, refused]))
}
