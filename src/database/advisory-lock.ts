/**
 * Advisory locks by name, held to the end of the transaction they are taken in.
 *
 * Owns the way from a name to PostgreSQL's 64 bits, and the bound of the wait. Locks of a whole connection are not offered: behind a pooler
 * they outlive whoever took them.
 */
import { createHash } from 'node:crypto'
import {
  AliasNode,
  ColumnNode,
  FromNode,
  IdentifierNode,
  ParensNode,
  ReferenceNode,
  type SelectQueryNode,
} from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions, runQuery } from '../kernel/executor.ts'
import { aliased, bound, call, cast, constant, type Sql } from '../kernel/expressions.ts'

/** What an advisory lock is, beside its name. */
export interface TryAdvisoryLockOptions extends RunOptions {
  /**
   * Keeps names apart: the same name in two namespaces is two locks. Pass the tenant where tenants choose names, since a lock is the whole
   * database's and row security does not part it.
   */
  readonly namespace?: string | undefined
  /** `shared` holders exclude only exclusive ones. Default `exclusive`. */
  readonly mode?: 'exclusive' | 'shared' | undefined
}

/** Options of {@link advisoryLock}. */
export interface AdvisoryLockOptions extends TryAdvisoryLockOptions {
  /** Milliseconds to wait. Without it, as long as `lock_timeout` and `statement_timeout` of the session allow. */
  readonly timeoutMs?: number | undefined
}

/**
 * Takes a lock by name and waits until it is free. It ends with the transaction: there is nothing to unlock and nothing to forget.
 *
 * Two that wait for each other are a deadlock, of which the server ends one (TRANSACTION_DEADLOCK, which `transaction({ retry })` repeats).
 * After a timeout the transaction is aborted, as after any error; {@link tryAdvisoryLock} leaves it usable. Rolling back to a savepoint frees the
 * locks taken after it, as it does those of rows: take a lock before the first savepoint, or again. An embedded database has one connection,
 * where every lock is free.
 *
 * @param trx - a transaction
 * @param key - any name. It never leaves the process: the lock is the first 64 bits of a SHA-256 of namespace and name, so that two names meet
 *   by chance only among billions, and every version of PostgreSQL and of this package finds the same lock
 * @throws {TenonError} TIMEOUT_LOCK when it was not free in time, OPTION_INVALID outside a transaction
 * @example
 * ```ts
 * await me.transaction(async (trx) => {
 *   await advisoryLock(trx, 'invoice-numbers', { namespace: tenantId, timeoutMs: 2_000 })
 *   …
 * })
 * ```
 * The SQL:
 * ```sql
 * select pg_advisory_xact_lock(cast($1 as int8)) as "locked"
 * -- with timeoutMs, lock_timeout around it is as it was before:
 * select set_config('lock_timeout', concat("before", cast(pg_advisory_xact_lock("key") as text)), true) as "locked" from
 *   (select current_setting('lock_timeout') as "before", set_config('lock_timeout', cast($1 as text), true) as "during", cast($2 as int8) as "key") as "lock"
 * ```
 * @see https://www.postgresql.org/docs/18/explicit-locking.html#ADVISORY-LOCKS
 */
export async function advisoryLock(trx: Executor, key: string, options: AdvisoryLockOptions = {}): Promise<void> {
  const { timeoutMs } = options
  const take = (id: Sql): Sql => call(functionOf('pg_advisory_xact_lock', options), id)
  const id = lockId(trx, key, options)
  if (timeoutMs === undefined) return void (await runQuery(trx, select([aliased(take(id), 'locked')]), options))
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > 2_147_483_647)
    throw invalid(
      'timeoutMs is not a whole number of milliseconds from 1 to 2147483647',
      'Use tryAdvisoryLock() not to wait at all, and leave timeoutMs out to wait for as long as it takes.',
    )
  const setting = constant('lock_timeout')
  const set = (value: Sql): Sql => call('set_config', setting, value, constant(true))
  const inner = select([
    aliased(call('current_setting', setting), 'before'),
    aliased(set(bound(`${timeoutMs}ms`, 'text')), 'during'),
    aliased(id, 'key'),
  ])
  // What is volatile in the inner select keeps it a step of its own, done before the lock is asked for.
  const restored = set(call('concat', column('before'), cast(take(column('key')), 'text')))
  await runQuery(trx, select([aliased(restored, 'locked')], inner), options)
}

/**
 * Takes a lock by name if it is free, and waits for nobody. It ends with the transaction.
 *
 * @param trx - a transaction
 * @param key - as {@link advisoryLock} takes it
 * @returns whether the transaction has it now
 * @throws {TenonError} OPTION_INVALID outside a transaction
 * @example
 * ```ts
 * await db.service({ actor: 'cron', reason: 'reminders' }).transaction().execute(async (trx) => {
 *   if (!(await tryAdvisoryLock(trx, 'reminders'))) return // another process is at it
 *   …
 * })
 * ```
 * The SQL:
 * ```sql
 * select pg_try_advisory_xact_lock(cast($1 as int8)) as "locked"
 * ```
 */
export async function tryAdvisoryLock(
  trx: Executor,
  key: string,
  options: TryAdvisoryLockOptions = {},
): Promise<boolean> {
  const lock = call(functionOf('pg_try_advisory_xact_lock', options), lockId(trx, key, options))
  const { rows } = await runQuery<{ readonly locked: boolean }>(trx, select([aliased(lock, 'locked')]), options)
  return rows[0]?.locked === true
}

function functionOf(name: string, { mode = 'exclusive' }: TryAdvisoryLockOptions): string {
  if (mode === 'exclusive') return name
  if (mode === 'shared') return `${name}_shared`
  throw invalid('mode is neither exclusive nor shared', "Pass mode: 'shared', or leave it out.")
}

function lockId(trx: Executor, key: string, { namespace = '' }: TryAdvisoryLockOptions): Sql {
  executorOf(trx)
  if (trx.isTransaction !== true)
    throw invalid(
      'an advisory lock is taken outside a transaction, where it would end at once',
      'Take it with the transaction: transaction(async (trx) => { await advisoryLock(trx, key); … }).',
    )
  for (const [what, text] of [
    ['key', key],
    ['namespace', namespace],
  ] as const)
    if (typeof text !== 'string' || !text.isWellFormed() || (what === 'key' && text === ''))
      throw invalid(`the ${what} of an advisory lock is no text`, 'Pass a string; a key is not empty.')
  // As JSON no namespace and key can spell another pair, and no lock of the application's own numbers is meant.
  const hash = createHash('sha256')
    .update(JSON.stringify(['tenon.advisory', namespace, key]))
    .digest()
  return bound(hash.readBigInt64BE(0), 'int8')
}

function select(selections: readonly ReturnType<typeof aliased>[], from?: SelectQueryNode): SelectQueryNode {
  const source =
    from === undefined
      ? {}
      : { from: FromNode.create([AliasNode.create(ParensNode.create(from), IdentifierNode.create('lock'))]) }
  return { kind: 'SelectQueryNode', selections, ...source }
}

function column(name: string): Sql {
  return ReferenceNode.create(ColumnNode.create(name))
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
