/**
 * Runs fixed SQL, and statements that the server itself has quoted, through an executor.
 *
 * Owns the way: no plugin touches these. What such statements fail with is foreign-error's.
 */
import { CompiledQuery } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { type Executor, executorOf, type RunOptions } from '../kernel/executor.ts'

/** Runs one statement of sql/foreign, or one that such a statement gave. */
export async function runSql<Row = Readonly<Record<string, unknown>>>(
  executor: Executor,
  text: string,
  values: readonly unknown[] = [],
  { signal }: RunOptions = {},
): Promise<readonly Row[]> {
  const own = executorOf(executor).withoutPlugins()
  const { rows } = await own.executeQuery<Row>(
    CompiledQuery.raw(text, [...values]),
    signal === undefined ? undefined : { signal },
  )
  return rows
}

/** Has the server quote a statement, and runs that. */
export async function runQuoted(
  executor: Executor,
  text: string,
  values: readonly unknown[],
  options?: RunOptions,
): Promise<void> {
  const [quoted] = await runSql<{ readonly statement: string }>(executor, text, values, options)
  if (quoted !== undefined) await runSql(executor, quoted.statement, [], options)
}

/** `db.service(…)`, or a transaction of it: what can run several statements as one. */
export interface ServiceExecutor extends Executor {
  transaction(): { execute<T>(callback: (trx: Executor) => Promise<T>): Promise<T> }
}

/** Runs a callback in a transaction: the caller's, where the executor is one. */
export async function inTransaction<T>(service: ServiceExecutor, callback: (trx: Executor) => Promise<T>): Promise<T> {
  executorOf(service)
  return service.isTransaction === true ? await callback(service) : await service.transaction().execute(callback)
}

/** Options of a foreign-data wrapper: texts by name. */
export type WrapperOptions = Readonly<Record<string, string | number | boolean>>

/**
 * As JSON, all values as texts.
 *
 * @throws {TenonError} OPTION_INVALID, naming the option and never its value
 */
export function toOptionsJson(options: WrapperOptions, forbidden: readonly string[] = [], why = ''): string {
  const texts: Record<string, string> = {}
  for (const [name, value] of Object.entries(options)) {
    if (forbidden.includes(name))
      throw new TenonError({ code: 'OPTION_INVALID', message: `option ${name} has no place here`, hint: why })
    if (
      !/^[a-z_][a-z0-9_]{0,62}$/.test(name) ||
      !['string', 'number', 'boolean'].includes(typeof value) ||
      String(value).includes('\0')
    )
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'an option of a foreign-data wrapper has a wrong name or a value that is no text',
        hint: 'Names are lower-case words such as fetch_size; values are texts, numbers or booleans.',
      })
    texts[name] = String(value)
  }
  return JSON.stringify(texts)
}
