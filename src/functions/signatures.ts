/**
 * What the generated types say of a function: which arguments it takes, and what it gives for them.
 *
 * Types alone. What happens at run time is choose-overload's.
 */
import type { Expression } from 'kysely'
import type { FunctionsOfName } from '../kernel/metadata.ts'

/** Arguments and result of one overload. */
export interface Signature {
  readonly arguments: unknown
  readonly returns: unknown
  /** Of what can stand in FROM. */
  readonly row?: unknown
  /** Of a row of a type: as one value, in a select list. */
  readonly value?: unknown
}

/** A member of the generated `functions`. */
export interface CallableFunctions extends FunctionsOfName {
  /** Carries the types; it has no value. */
  readonly signatures?: readonly Signature[] | undefined
}

/** The overloads of a function, as a tuple. */
export type SignaturesOf<C extends CallableFunctions> = NonNullable<C['signatures']>

/** What any of the overloads takes. */
export type ArgumentsOf<C extends CallableFunctions> = SignaturesOf<C>[number]['arguments']

/** The first overload that takes these arguments, and never without one. */
export type FirstFit<S extends readonly unknown[], A> = S extends readonly [infer One, ...infer More]
  ? One extends Signature
    ? A extends One['arguments']
      ? [Exclude<keyof A, keyof One['arguments']>] extends [never]
        ? One
        : FirstFit<More, A>
      : FirstFit<More, A>
    : never
  : never

/** The type of the arguments: that of the one overload; with several what was given, when one takes it. */
export type PickedArguments<C extends CallableFunctions, A> =
  SignaturesOf<C> extends readonly [infer One extends Signature]
    ? One['arguments']
    : [FirstFit<SignaturesOf<C>, A>] extends [never]
      ? ArgumentsOf<C>
      : A

/** The overload that is called. */
export type PickedSignature<C extends CallableFunctions, A> =
  SignaturesOf<C> extends readonly [infer One extends Signature] ? One : FirstFit<SignaturesOf<C>, A>

/** Arguments that may be expressions too: a column can be null where a value given by hand should not. */
export type OperandsOf<A> = { [Key in keyof A]: A[Key] | OperandExpression<A[Key]> }

// Objects are read in another type than they are written (json, bytes, intervals): any expression may stand for one.
type OperandExpression<T> = [Exclude<Extract<T, object>, Date>] extends [never]
  ? unknown extends T
    ? Expression<unknown>
    : Expression<T | null>
  : Expression<unknown>

/** What expressions among the arguments give, for finding the overload. */
export type ValuesOf<A> = { [Key in keyof A]: A[Key] extends Expression<infer T> ? NonNullable<T> : A[Key] }
