/**
 * COPY FROM STDIN as a query whose one parameter is its rows: statement and rows in one write, in the form of any other statement.
 *
 * For the service alone: PostgreSQL refuses it where row-level security binds, and a session refuses it before that.
 */
import { Buffer } from 'node:buffer'
import type { CompiledQuery } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { Pace } from './wire/pace.ts'
import { assertUnitBytes, maxParameterBytes, refuseBytes, toParameterText } from './wire/parameters.ts'
import type { StatementPlan } from './wire/statement-plan.ts'
import type { Step } from './wire/unit.ts'

type Row = Readonly<Record<string, unknown>>

/** Rows in the text form of COPY. */
export class CopyRows {
  // Private, so that a log that prints its parameters prints no rows.
  readonly #bytes: Uint8Array

  /**
   * @param columns - by name, how a row gives its value: one that parameters take
   * @throws {TenonError} PARAMETER_INVALID, LIMIT_DEPTH or LIMIT_BYTES, naming a column and never a value
   */
  constructor(columns: ReadonlyMap<string, (row: Row) => unknown>, rows: readonly Row[]) {
    const values = [...columns.values()]
    let text = ''
    for (const row of rows) {
      for (let i = 0; i < values.length; i++) {
        if (i > 0) text += '\t'
        text += field((values[i] as (row: Row) => unknown)(row))
      }
      text += '\n'
      // Before it is longer than a string can be.
      if (text.length > maxParameterBytes) refuseBytes(text.length)
    }
    // Once for all of them; looking for the place costs only where there is one.
    if (text.includes('\0') || !text.isWellFormed()) refuseText(columns, rows)
    this.#bytes = Buffer.from(text)
    assertUnitBytes([[this.#bytes]])
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }
}

/** The plan and step of a COPY; undefined of any other query. */
export function copyOf({
  sql,
  parameters,
}: CompiledQuery): { readonly plan: StatementPlan; readonly step: Step } | undefined {
  const [rows] = parameters
  if (!(rows instanceof CopyRows)) return undefined
  return {
    // It leaves behind what an INSERT would.
    plan: {
      text: sql,
      name: '',
      form: 'self-contained',
      keyword: 'copy',
      opaque: false,
      readOnly: false,
      pace: new Pace(),
    },
    step: { text: sql, name: '', values: [], silent: true, copyData: rows.bytes },
  }
}

/** @see https://www.postgresql.org/docs/18/sql-copy.html#SQL-COPY-FILE-FORMATS */
function field(value: unknown): string {
  if (typeof value === 'number') return String(value)
  const text = typeof value === 'string' ? value : toParameterText(value)
  if (text === null) return '\\N'
  return special.test(text) ? text.replace(specials, (char) => escapes[char] ?? char) : text
}

const special = /[\\\t\n\r]/
const specials = /[\\\t\n\r]/g
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function refuseText(columns: ReadonlyMap<string, (row: Row) => unknown>, rows: readonly Row[]): never {
  const isWrong = (value: unknown) => {
    const text = field(value)
    return text.includes('\0') || !text.isWellFormed()
  }
  const [name] = [...columns].find(([, value]) => rows.some((row) => isWrong(value(row)))) ?? []
  throw new TenonError({
    code: 'PARAMETER_INVALID',
    message: `a value of ${name} contains a NUL character or half of a surrogate pair, which PostgreSQL text cannot hold`,
    hint: 'Remove or repair it, or store the bytes in a bytea column.',
  })
}
