/**
 * Tells where a live database differs from what its migrations make: replays them elsewhere and compares the catalogs.
 *
 * Owns the order of things. It changes nothing in the live database.
 */
import { type Database, type DedicatedConnection, withDedicatedConnection } from '../../database/index.ts'
import { introspect } from '../../generated/introspect.ts'
import { sqlModules } from '../../generated/modules.ts'
import { isTenonError, TenonError } from '../../kernel/errors.ts'
import { quoteIdentifier } from '../../kernel/identifier.ts'
import { applyMigrations } from '../apply-migrations.ts'
import { type Ledger, readLedger } from '../ledger.ts'
import { listMigrations, type Migration, type MigrationSet } from '../migration.ts'
import { orderModules } from '../module-order.ts'
import { isPending, type MigrationState, toPlan } from '../plan.ts'
import type { Catalog, CatalogObject } from './catalog-object.ts'
import { type CompareCatalogsOptions, compareCatalogs, type Difference } from './compare-catalogs.ts'
import { differingParts } from './definition-text.ts'
import { readCatalog } from './read-catalog.ts'
import { extensionsIn, openReplayDatabase, type ReplayDatabase, type Surroundings } from './replay-database.ts'
import { toReplaySets } from './replay-set.ts'
import { ancestorsOf } from './scope.ts'

/** Options of {@link findDrift}. */
export interface FindDriftOptions extends MigrationSet, Pick<CompareCatalogsOptions, 'whole' | 'ignore'> {
  /**
   * An empty database to replay on, which keeps what the replay makes; for migrations that need what an embedded database lacks. Default:
   * an embedded database in memory, with the roles and extensions of the live one.
   */
  readonly replay?: Database<unknown> | undefined
  /** Stops between two steps. */
  readonly signal?: AbortSignal | undefined
}

/** A difference, and where the object comes from. */
export interface DriftDifference extends Difference {
  /** The migration that makes the object, or the one it is on, as `module/version_slug`; undefined when its file does not tell. */
  readonly migration?: string | undefined
}

/** What {@link findDrift} found. */
export interface DriftReport {
  /** Those of one table together; empty when the database is as its migrations make it. */
  readonly differences: readonly DriftDifference[]
  /** Migrations of the set that are not applied; what they make was not compared. */
  readonly pending: readonly string[]
  /** Migrations whose file and ledger disagree: edited, missing, diverged, other-identity. `tenon migrate status` says more. */
  readonly disputed: readonly { readonly name: string; readonly state: MigrationState }[]
  /** Modules of the host that the ledger names and the set does not: what they made on the library's tables shows as extra. */
  readonly unknown: readonly string[]
  /** How many objects were compared. */
  readonly compared: number
}

/**
 * Compares a database with what its migrations make. The files that its ledger says are applied are replayed on an empty database, and the
 * two catalogs are compared; files that are pending are listed and not compared. Modules of the library that the ledger names are replayed
 * even when the set leaves them out.
 *
 * A difference is an object of the migrations that is missing or another, something extra on one of them (column, constraint, index,
 * policy, trigger, grant, comment), and anything extra in the schemas of the library. Tables of the host that no migration of the set makes
 * are none, unless `whole` is set. Owners and the order of columns are not compared. Partitions by range, which come and go with time, are
 * compared where both have them.
 *
 * @param db - a database with a service connection, or an embedded one; it is only read
 * @param options - the same modules, schema and identity type that the database was migrated with
 * @returns differences, each with SQL or a next step; nothing is repaired
 * @throws {TenonError} OPTION_INVALID, IDENTIFIER_INVALID or MIGRATION_SOURCE before anything is sent; SERVICE_MISSING without a service
 *   connection; DEPENDENCY_MISSING without PGlite; EMBEDDED_UNSUPPORTED when a migration creates an extension that PGlite does not ship;
 *   MIGRATION_FAILED when the replay fails; OPTION_INVALID when the database to replay on is not empty; TIMEOUT_LOCK when a table stays
 *   locked for longer than 10 s
 * @example
 * ```ts
 * const report = await findDrift(db, { modules: ['projects', ...(await readModules('migrations'))] })
 * if (report.differences.length > 0) console.log(toDriftText(report))
 * ```
 * The SQL it makes: `begin transaction isolation level repeatable read, read only; …sql/introspect/*.sql…; rollback`
 */
export async function findDrift<DB>(db: Database<DB>, options: FindDriftOptions): Promise<DriftReport> {
  const migrations = listMigrations(options)
  options.signal?.throwIfAborted()
  const { ledger, surroundings, live } = await readLive(db)
  const plan = toPlan(migrations, ledger)
  const told = {
    pending: plan.filter(isPending).map(({ name }) => name),
    disputed: plan
      .filter((planned) => !isPending(planned) && planned.state !== 'applied')
      .map(({ name, state }) => ({ name, state })),
    unknown: unknownModules(options, ledger),
  }
  if (ledger.size === 0) return { differences: [], ...told, compared: 0 }
  options.signal?.throwIfAborted()
  const sets = toReplaySets(options, ledger)
  const replayed = sets.flatMap(listMigrations)
  const { before, after } = await replay(sets, replayed, surroundings, options)
  const expected = madeSince(before, after)
  // What an empty database has too is the server's.
  const actual = new Map([...live].filter(([key]) => expected.has(key) || !before.has(key) || !after.has(key)))
  const removed = new Set([...before.keys()].filter((key) => !after.has(key)))
  const differences = compareCatalogs(expected, actual, { ...options, removed })
  return {
    differences: differences.map((difference) => {
      const migration = makerOf(difference.object, difference.change === 'extra' ? actual : expected, replayed)
      return migration === undefined ? difference : { ...difference, migration }
    }),
    ...told,
    compared: expected.size,
  }
}

interface Live {
  readonly ledger: Ledger
  readonly surroundings: Surroundings
  readonly live: Catalog
}

// Under a storm of DDL three of ten reads fail (measured), so that five in a row are a matter of half a percent.
const mostReads = 5

async function readLive<DB>(db: Database<DB>): Promise<Live> {
  return await withDedicatedConnection(db, { service: true }, async (connection) => {
    const ledger = await readLedger(connection)
    if (ledger.size === 0)
      return { ledger, surroundings: { roles: [], extensions: {}, supabase: false }, live: new Map() }
    for (let reads = 1; ; reads++) {
      try {
        return { ledger, ...(await readSnapshot(connection)) }
      } catch (error) {
        // XX000: an object was dropped between the snapshot and the moment the server wrote down what it is.
        if (!isTenonError(error) || error.sqlstate !== 'XX000' || reads === mostReads) throw error
      }
    }
  })
}

/** One snapshot, whatever else is going on there. It waits for a migration that holds a lock, but not for ever. */
async function readSnapshot(connection: DedicatedConnection): Promise<Omit<Live, 'ledger'>> {
  await connection.script(
    'begin transaction isolation level repeatable read, read only; set local lock_timeout to 10000',
  )
  try {
    const { rows } = await connection.query<Surroundings>(introspect.surroundings)
    const [surroundings] = rows
    if (surroundings === undefined) throw new Error('sql/introspect/surroundings.sql gave no row')
    return { surroundings, live: await catalogOf(connection) }
  } finally {
    await connection.script('rollback').catch(() => {})
  }
}

async function catalogOf(connection: DedicatedConnection): Promise<Catalog> {
  return await readCatalog((text, values) => connection.query(text, values))
}

/** Modules that the ledger names, that are not the library's, and that were not given. */
function unknownModules(options: MigrationSet, ledger: Ledger): readonly string[] {
  const given = orderModules(options.modules).map(({ name }) => name)
  const named = new Set([...ledger.values()].map(({ module }) => module))
  return [...named].filter((name) => !given.includes(name) && !Object.hasOwn(sqlModules, name)).sort()
}

interface Replayed {
  /** The empty database. */
  readonly before: Catalog
  readonly after: Catalog
}

async function replay(
  sets: readonly MigrationSet[],
  migrations: readonly Migration[],
  surroundings: Surroundings,
  options: FindDriftOptions,
): Promise<Replayed> {
  if (options.replay !== undefined) {
    await assertEmpty(options.replay)
    return await replayOn(options.replay, sets, options)
  }
  await using embedded = await openReplayDatabase(
    surroundings,
    migrations.map(({ sql }) => sql),
  )
  try {
    return await replayOn(embedded.db, sets, options)
  } catch (error) {
    throw explain(error, embedded, migrations)
  }
}

async function replayOn(
  db: Database<unknown>,
  sets: readonly MigrationSet[],
  { signal }: FindDriftOptions,
): Promise<Replayed> {
  const read = () => withDedicatedConnection(db, { service: true }, catalogOf)
  const schemas = sets.map(({ schema = 'public' }) => `create schema if not exists ${quoteIdentifier(schema)};`)
  await withDedicatedConnection(db, { service: true }, (connection) => connection.script(schemas.join('\n')))
  const before = await read()
  for (const set of sets) await applyMigrations(db, { ...set, signal })
  return { before, after: await read() }
}

async function assertEmpty(db: Database<unknown>): Promise<void> {
  const ledger = await withDedicatedConnection(db, { service: true }, readLedger)
  if (ledger.size === 0) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'option replay names a database that migrations were applied to already',
    hint: 'pass an empty one, such as a new one from: create database drift_replay',
  })
}

function explain(error: unknown, { extensions }: ReplayDatabase, migrations: readonly Migration[]): unknown {
  if (!isTenonError(error) || error.sqlstate === undefined) return error
  const elsewhere = 'replay on an empty database of a server that has what they need: option replay (--replay-url)'
  const lacking = migrations.flatMap(({ name, sql }) =>
    extensionsIn(sql).flatMap((extension) =>
      extensions.includes(extension.name) ? [] : { name, extension: extension.name },
    ),
  )
  // 0A000: the extension is not available.
  const [first] = error.sqlstate === '0A000' ? lacking : []
  if (first !== undefined)
    return new TenonError({
      code: 'EMBEDDED_UNSUPPORTED',
      message: `${first.name} creates extension ${quoteIdentifier(first.extension)}, which the embedded database does not have`,
      hint: elsewhere,
      sqlstate: error.sqlstate,
      cause: error,
    })
  return new TenonError({
    code: 'MIGRATION_FAILED',
    message: `the replay on an embedded database failed: ${error.message}`,
    hint: elsewhere,
    sqlstate: error.sqlstate,
    cause: error,
  })
}

/** What the migrations made or changed. */
function madeSince(before: Catalog, after: Catalog): Catalog {
  return new Map(
    [...after].filter(([key, object]) => {
      const old = before.get(key)
      return old === undefined || differingParts(old, object).length > 0
    }),
  )
}

/** The migration whose file makes the object or what it belongs to. */
function makerOf(object: CatalogObject, catalog: Catalog, migrations: readonly Migration[]): string | undefined {
  for (const { kind, identity } of [object, ...ancestorsOf(object, catalog)]) {
    if (kind === 'grant' || kind === 'comment') continue
    const maker = migrations.findLast(({ file, schema }) =>
      file.creates.some(
        (created) =>
          created.kind === kind &&
          created.name === identity.name &&
          (created.schema === ':"schema"' ? schema : created.schema) === identity.schema,
      ),
    )
    if (maker !== undefined) return maker.name
  }
  return undefined
}
