/** One overload of several, where names and values do not tell which. */
import { TenonError } from '../kernel/errors.ts'
import type { FunctionsOfName } from '../kernel/metadata.ts'
import type { CallableFunctions, SignaturesOf } from './signatures.ts'

/** Each once, because what was compiled is kept by it. */
const picked = new WeakMap<FunctionsOfName, FunctionsOfName[]>()
const siblings = new WeakSet<FunctionsOfName>()

/** The places of a tuple. */
type Place<S extends readonly unknown[]> =
  Exclude<keyof S, keyof (readonly unknown[])> extends infer Key
    ? Key extends `${infer Digits extends number}`
      ? Digits
      : never
    : never

/**
 * One overload of a function, by its place in the generated types: for those whose arguments have the same names and the same kinds of values,
 * such as `score(text)` and `score(uuid)`.
 *
 * @param place - from 0, in the order of the generated code
 * @throws {TenonError} FUNCTION_ARGUMENTS when there are not as many
 * @example
 * ```ts
 * await call(me, overload(functions.score, 1), { user: 'ada' })
 * ```
 */
export function overload<C extends CallableFunctions, const P extends Place<SignaturesOf<C>>>(
  callable: C,
  place: P,
): FunctionsOfName & { readonly signatures?: readonly [SignaturesOf<C>[P]] | undefined } {
  const known = picked.get(callable)?.[place]
  if (known !== undefined) return known
  const one = callable.overloads[place]
  if (one === undefined)
    throw new TenonError({
      code: 'FUNCTION_ARGUMENTS',
      message: `${callable.schema}.${callable.name} has ${callable.overloads.length} overloads`,
      hint: 'Places count from 0.',
      schema: callable.schema,
    })
  const made: FunctionsOfName = { schema: callable.schema, name: callable.name, overloads: [one] }
  const list = picked.get(callable) ?? []
  list[place] = made
  picked.set(callable, list)
  siblings.add(made)
  return made
}

/** Whether the server has others of the name, so that it has to be told the type of every argument. */
export function hasSiblings(callable: FunctionsOfName): boolean {
  return callable.overloads.length > 1 || siblings.has(callable)
}
