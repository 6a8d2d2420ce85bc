/**
 * Which statements may run where: the rules of sessions, and what a drop-in sends as a script.
 *
 * Owns the refusals and their words. The shape of a text is read in wire/statement-text.ts.
 */
import type { CompiledQuery } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import type { StatementPlan } from './wire/statement-plan.ts'

/** Who a connection works for. */
export type ConnectionMode =
  /** A drop-in for Kysely's own dialect: no context, no rules, pg's errors. */
  | 'plain'
  /** The privileged pool: audited, otherwise free. */
  | 'service'
  /** Row security: context in every unit, every rule of the wire. */
  | 'session'

/**
 * Refuses what would end a session's transaction, change who runs it, or leave something behind.
 *
 * @throws {TenonError} TRANSACTION_SHAPE or STATEMENT_INVALID
 */
export function assertSessionStatement(plan: StatementPlan, inTransaction: boolean): void {
  if (plan.form === 'self-contained' || plan.form === 'framed') return
  if (plan.form === 'inside-transaction' && inTransaction) return
  if (plan.keyword === 'copy') {
    throw new TenonError({
      code: 'STATEMENT_INVALID',
      message: 'COPY cannot run in a session',
      hint: 'PostgreSQL refuses COPY FROM under row-level security; insert arrays with unnest(), or run COPY on a pg client of the service login.',
    })
  }
  throw new TenonError({
    code: 'TRANSACTION_SHAPE',
    message: `${wordOf(plan)} cannot run in a session${plan.form === 'inside-transaction' ? ' outside a transaction' : ''}`,
    hint: 'Use transaction(), savepoint(), the options of session(), or SET LOCAL of a setting that the session does not manage.',
  })
}

/** Refuses anything but queries, where several go under one Sync or through a portal. */
export function assertQuery(plan: StatementPlan, where: string): void {
  if (plan.form === 'self-contained') return
  throw new TenonError({
    code: 'STATEMENT_INVALID',
    message: `${where} takes queries only, not ${wordOf(plan)}`,
    hint: 'Run it on its own, or inside transaction().',
  })
}

/** What to say when a statement has ended the transaction it was to run in. */
export function brokenOut(what: string): TenonError {
  return new TenonError({
    code: 'TRANSACTION_SHAPE',
    message: `${what} ended the transaction of its session; the connection was destroyed`,
    hint: 'Leave transaction control to transaction().',
  })
}

/** What pg would send as a simple Query: no parameters and not built by Kysely, or no query at all. */
export function isScript(
  plan: StatementPlan,
  compiledQuery: CompiledQuery,
  mode: ConnectionMode,
  inTransaction: boolean,
): boolean {
  if (mode === 'session' || compiledQuery.parameters.length > 0) return false
  if (plan.form !== 'self-contained') return true
  if (compiledQuery.query.kind !== 'RawNode') return false
  // A service's single statement keeps its context, so that triggers see who acted; several cannot have one outside a transaction.
  return mode === 'plain' || inTransaction || /;\s*\S/.test(plan.text)
}

/** A keyword is a word of SQL, never a value; anything longer is not shown. */
export function wordOf(plan: StatementPlan): string {
  return /^[a-z]{1,20}$/.test(plan.keyword) ? plan.keyword.toUpperCase() : 'such a statement'
}
