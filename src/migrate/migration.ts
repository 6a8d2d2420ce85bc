/**
 * A migration: one file of a module, filled for the schema and the identity type it is to be applied with.
 *
 * What the runner, the exports, the lint and the drift all start from, so that they agree on what there is and in which order.
 */
import { type SqlFile, type SqlModule, sqlModules } from '../generated/modules.ts'
import { terminated } from './module-file.ts'
import { type ModuleChoice, orderModules } from './module-order.ts'
import { fillPlaceholders, type IdentityType, type PlaceholderValues } from './placeholders.ts'

/** Which migrations, and for what they are filled. */
export interface MigrationSet {
  /** Modules of the library by name and modules of the host; what they require comes along. */
  readonly modules: readonly ModuleChoice[]
  /** The schema that gets the host-visible tables; it must exist. Default `public`. */
  readonly schema?: string | undefined
  /** The type of a user's identity (`sub`). Default `uuid`. */
  readonly id?: IdentityType | undefined
}

/** One file, ready to run. */
export interface Migration {
  /** `module/version_slug`: what people call it. */
  readonly name: string
  readonly module: SqlModule
  readonly file: SqlFile
  /** The host's schema: what unqualified names of a host's file mean. */
  readonly schema: string
  /** The schema it is for; '' for a file that names none and so exists once per database. */
  readonly targetSchema: string
  /** The identity type it is for; '' for a file that does not use it. */
  readonly idType: string
  /** Placeholders filled, the last statement closed with a semicolon. */
  readonly sql: string
  /** What undoes it, placeholders filled; undefined when nothing does. */
  readonly down: string | undefined
}

/** The module that makes the ledger itself; it comes first, always. */
export const ledgerModule: SqlModule = sqlModules.ledger

/**
 * Returns the migrations of a set in the order to apply them, the ledger's own first.
 *
 * @throws {TenonError} OPTION_INVALID for an unknown module, schema or identity type; IDENTIFIER_INVALID; MIGRATION_SOURCE
 * @example
 * ```ts
 * listMigrations({ modules: ['auth'] }).map((migration) => migration.name)
 * // ['ledger/0001_migrations', 'roles/0001_roles', 'auth/0001_subject', 'auth/0002_auth']
 * ```
 */
export function listMigrations(set: MigrationSet): readonly Migration[] {
  const values: PlaceholderValues = { schema: set.schema ?? 'public', id: set.id ?? 'uuid' }
  const modules = [ledgerModule, ...orderModules(set.modules).filter((module) => module !== ledgerModule)]
  return modules.flatMap((module) =>
    module.files.map((file) => ({
      name: `${module.name}/${file.version}_${file.slug}`,
      module,
      file,
      schema: values.schema,
      targetSchema: file.placeholders.includes(':"schema"') ? values.schema : '',
      idType: file.placeholders.includes(':id_type') ? values.id : '',
      sql: fillPlaceholders(terminated(file.sql), values),
      down: file.down === undefined ? undefined : fillPlaceholders(terminated(file.down), values),
    })),
  )
}
