/** What is known of an open transaction, and a batch in which every statement runs as who we are. Pure: nothing here sends anything. */
import type { StatementPlan } from './wire/statement-plan.ts'
import type { Step, StepResult } from './wire/unit.ts'

export interface TransactionState {
  /** BEGIN, until it has been sent. */
  begin: Step | undefined
  /** A statement may have changed who we are: the next unit says it again. */
  stale: boolean
  /** Something off the pure list ran: clean before release. */
  opaque: boolean
  wrote: boolean
  /** After DDL a prepared statement's result may no longer fit its plan, and healing is impossible inside a transaction. */
  unnamed: boolean
  /** The first error: what a caller has to know, where the server would only say that the transaction is aborted. */
  error: unknown
  /** A stream's portal that ran to its end; the next unit closes it. */
  portal: string | undefined
  /** COMMIT or ROLLBACK is under way. */
  ending: boolean
}

/** A transaction of which nothing was sent yet. */
export function newTransaction(begin: Step): TransactionState {
  return {
    begin,
    stale: false,
    opaque: false,
    wrote: false,
    unnamed: false,
    error: undefined,
    portal: undefined,
    ending: false,
  }
}

/**
 * Says again who we are after every statement of a batch that could have changed it.
 *
 * @param restatement - the step that says it; undefined where nobody has to be told
 * @returns the steps to send, and how the results of the caller's own are picked from theirs
 */
export function restated(
  plans: readonly StatementPlan[],
  steps: readonly Step[],
  restatement: Step | undefined,
): { readonly steps: readonly Step[]; pick(results: readonly StepResult[]): readonly StepResult[] } {
  if (restatement === undefined || !plans.some((plan) => plan.opaque)) return { steps, pick: (results) => results }
  const all: Step[] = []
  const places = steps.map((step, i) => {
    if (plans[i - 1]?.opaque === true) all.push(restatement)
    return all.push(step) - 1
  })
  return { steps: all, pick: (results) => places.map((place) => results[place] as StepResult) }
}
