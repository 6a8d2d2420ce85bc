/**
 * What is decided once per SQL text: its name, how it may be sent, and what it may leave behind.
 *
 * The decision is kept by text, because the text alone determines what the server does; the operation tree is only walked the first
 * time a text is seen.
 */
import { createHash } from 'node:crypto'
import type { CompiledQuery } from 'kysely'
import { TenonError } from '../../kernel/errors.ts'
import { Pace } from './pace.ts'
import { readEffects } from './purity.ts'
import { readStatementShape, type StatementForm } from './statement-text.ts'

/** How one SQL text is handled. */
export interface StatementPlan {
  readonly text: string
  /** Name to prepare it under; '' when it is not worth a name. */
  readonly name: string
  readonly form: StatementForm
  readonly keyword: string
  readonly opaque: boolean
  readonly readOnly: boolean
  /** How long it takes. */
  readonly pace: Pace
}

/** Texts are kept for as long as they are among the last this many. */
const planLimit = 4096
/** Longer texts (long IN lists, VALUES of many rows) seldom come twice: they get no name and are not remembered. */
const namedTextLimit = 16_384

/** A name made of the text, so that the same name can never stand for another statement, whoever else prepared one. */
export function statementName(text: string): string {
  return `t${createHash('sha256').update(text).digest('base64url').slice(0, 20)}`
}

export class StatementPlans {
  readonly #plans = new Map<string, StatementPlan>()
  readonly #isManaged: (setting: string) => boolean
  #shadowed: ReadonlySet<string> = new Set()

  constructor(isManaged: (setting: string) => boolean) {
    this.#isManaged = isManaged
  }

  /** Learns which names of harmless functions the database also gives to functions of its own. */
  setShadowed(names: Iterable<string>): void {
    this.#shadowed = new Set(names)
    this.#plans.clear()
  }

  /** The plan of a text that was seen before. */
  known(text: string): StatementPlan | undefined {
    return this.#plans.get(text)
  }

  /**
   * The plan of a compiled query.
   *
   * @throws {TenonError} STATEMENT_INVALID when the text holds a NUL, which would cut the message short
   */
  of(compiledQuery: CompiledQuery): StatementPlan {
    const known = this.#plans.get(compiledQuery.sql)
    if (known !== undefined) return known
    const plan = this.#make(compiledQuery)
    if (this.#plans.size >= planLimit) {
      const oldest = this.#plans.keys().next()
      if (!oldest.done) this.#plans.delete(oldest.value)
    }
    if (plan.text.length <= namedTextLimit) this.#plans.set(plan.text, plan)
    return plan
  }

  #make(compiledQuery: CompiledQuery): StatementPlan {
    const text = compiledQuery.sql
    if (text.includes('\0')) {
      throw new TenonError({
        code: 'STATEMENT_INVALID',
        message: 'the SQL text contains a NUL character',
        hint: 'Bind text as a parameter instead of writing it into the SQL.',
      })
    }
    const shape = readStatementShape(text, this.#isManaged)
    const named = shape.form === 'self-contained' && text.length <= namedTextLimit
    const effects = readEffects(compiledQuery, this.#shadowed)
    return { text, name: named ? statementName(text) : '', ...shape, ...effects, pace: new Pace() }
  }
}
