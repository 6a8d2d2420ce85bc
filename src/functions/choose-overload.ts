/**
 * Which overload is called: by the names of the arguments, and where several are left by the kinds of their values.
 *
 * Refuses what fits none, or more than one, before anything is sent; the message lists the signatures and never a value.
 */
import { TenonError } from '../kernel/errors.ts'
import { isExpression } from '../kernel/expressions.ts'
import type { ArgumentMetadata, FunctionMetadata, FunctionsOfName } from '../kernel/metadata.ts'
import { canBe } from './value-kinds.ts'

/** Arguments by key; those that are undefined are left out. */
export type Given = ReadonlyMap<string, unknown>

/**
 * The arguments of a call.
 *
 * @throws {TenonError} FUNCTION_ARGUMENTS when they are none, OPTION_INVALID when what is called is no member of the generated `functions`
 */
export function readArguments(callable: FunctionsOfName, given: unknown): Given {
  assertCallable(callable)
  if (!isPlain(given)) throw refusal(callable, 'the arguments are no plain object', 'Pass { name: value }.')
  // A map, because an argument may be called `constructor`, which every object has.
  return new Map(Object.entries(given).filter(([, value]) => value !== undefined))
}

/** What is none, such as a Date, a Map or a promise that nobody waited for, has no keys, and would be taken for no arguments at all. */
function isPlain(given: unknown): given is object {
  if (typeof given !== 'object' || given === null || isExpression(given)) return false
  const prototype: object | null = Object.getPrototypeOf(given)
  // Of another realm, too: an object whose prototype has none itself.
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'hasOwnProperty'))
}

/**
 * The overload that takes these arguments.
 *
 * @throws {TenonError} FUNCTION_ARGUMENTS when none does, or more than one
 */
export function chooseOverload(callable: FunctionsOfName, given: Given): FunctionMetadata {
  const keys = [...given.keys()]
  const named = callable.overloads.filter((candidate) => misfit(candidate, keys) === undefined)
  if (named.length === 0) throw refusal(callable, whyNone(callable, keys))
  const fitting = named.filter((candidate) =>
    [...given].every(([key, value]) => isExpression(value) || canBe(value, argumentOf(candidate, key))),
  )
  const [one, another] = callable.overloads.length === 1 ? named : fitting
  if (one === undefined) throw refusal(callable, 'the values fit none of its overloads')
  if (another === undefined) return one
  throw refusal(
    callable,
    `${fitting.length} overloads take ${keys.length === 0 ? 'no arguments' : keys.join(', ')}`,
    `Choose one with overload(), by its place: ${signaturesOf(callable)}`,
  )
}

function assertCallable(callable: FunctionsOfName): void {
  const { overloads } = (callable ?? {}) as Partial<FunctionsOfName>
  if (Array.isArray(overloads) && overloads.length > 0) return
  throw new TenonError({
    code: 'OPTION_INVALID',
    message: 'what is to be called is no function of generated metadata',
    hint: 'Pass a member of the export `functions` of metadata.ts; run `tenon codegen` when it is not there.',
  })
}

function argumentOf({ arguments: all }: FunctionMetadata, key: string): ArgumentMetadata | undefined {
  return all.find((argument) => argument.key === key)
}

/** Why the names do not fit an overload. */
function misfit(candidate: FunctionMetadata, keys: readonly string[]): string | undefined {
  const unknown = keys.find((key) => argumentOf(candidate, key) === undefined)
  if (unknown !== undefined) return `it takes no argument ${shortened(unknown)}`
  const missing = candidate.arguments.filter(
    ({ key, optional }) => key !== undefined && optional !== true && !keys.includes(key),
  )
  return missing.length === 0 ? undefined : `${missing.map(({ key }) => key).join(', ')} must be given`
}

function whyNone(callable: FunctionsOfName, keys: readonly string[]): string {
  const [only, ...more] = callable.overloads
  const reason = only !== undefined && more.length === 0 ? misfit(only, keys) : undefined
  return reason ?? `none of its overloads takes ${keys.length === 0 ? 'no arguments' : keys.map(shortened).join(', ')}`
}

/** A key that was built of data is not shown whole. */
const shortened = (key: string): string => (/^[\w$ -]{1,63}$/.test(key) ? key : 'of such a name')

/** An error of a call. */
export function refusal(callable: FunctionsOfName, why: string, hint?: string): TenonError {
  return new TenonError({
    code: 'FUNCTION_ARGUMENTS',
    message: `${callable.schema}.${callable.name}: ${why}`,
    hint: hint ?? `It takes: ${signaturesOf(callable)}`,
    schema: callable.schema,
  })
}

/** As a person writes them: `(userId uuid, days int4 = default)`. */
function signaturesOf({ overloads }: FunctionsOfName): string {
  return overloads
    .map(({ arguments: all }, place) => {
      const parts = all.flatMap(({ key, type, optional, mode }) =>
        key === undefined
          ? []
          : [
              `${mode === 'variadic' ? 'variadic ' : ''}${key} ${type.replace(/^pg_catalog\./, '')}${optional === true ? ' = default' : ''}`,
            ],
      )
      return `${overloads.length > 1 ? `${place}: ` : ''}(${parts.join(', ')})`
    })
    .join('; ')
}
