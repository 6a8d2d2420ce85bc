/**
 * A call as SQL: `"schema"."f"("a" => cast($1 as "pg_catalog"."uuid"))`.
 *
 * Arguments are named where the server allows it, so that those with defaults can be left out anywhere. Names are written by
 * kernel/identifier.ts and stand where no plugin of Kysely's changes them.
 */
import { OperatorNode, UnaryOperationNode } from 'kysely'
import {
  bound,
  call as callNode,
  cast,
  constant,
  isExpression,
  nodeOf,
  parameter,
  type Sql,
} from '../kernel/expressions.ts'
import { quoteIdentifier, quoteQualified } from '../kernel/identifier.ts'
import type { ArgumentMetadata, FunctionMetadata, FunctionsOfName } from '../kernel/metadata.ts'
import { type Given, refusal } from './choose-overload.ts'
import { hasSiblings } from './overload.ts'
import { isPolymorphic, typeOfValue } from './value-kinds.ts'

/** `schema.name`, or an array of such, as SQL. */
export function sqlType(type: string): string {
  const [element, array] = type.endsWith('[]') ? [type.slice(0, -2), '[]'] : [type, '']
  const dot = element.indexOf('.')
  return `${quoteQualified(element.slice(0, dot), element.slice(dot + 1))}${array}`
}

/** What a call passes: arguments with their values, in the order in which they are written. */
export interface Passed {
  readonly argument: ArgumentMetadata
  readonly value: unknown
  /** By place, because it has no name, or something after it has none. */
  readonly byPlace: boolean
}

/**
 * Puts arguments in the order of SQL: those by place first.
 *
 * @throws {TenonError} FUNCTION_ARGUMENTS when one is left out that something given by place stands behind, or when nothing says what type a
 * polymorphic one has
 */
export function passedTo(callable: FunctionsOfName, chosen: FunctionMetadata, given: Given): readonly Passed[] {
  const { kind, arguments: all } = chosen
  // CALL wants something in the place of OUT arguments.
  const written = all.filter(({ key, mode }) => key !== undefined || (kind === 'procedure' && mode === 'out'))
  const isGiven = ({ key }: ArgumentMetadata) => key === undefined || given.has(key)
  // By name the server finds a function with VARIADIC only where every argument is given.
  const isByPlace = kind === 'aggregate' || written.some(({ mode }) => mode === 'variadic')
  const last = written.findLastIndex((argument) => isGiven(argument) && (isByPlace || argument.name === undefined))
  const passed = written.flatMap((argument, place): readonly Passed[] => {
    const { key } = argument
    if (isGiven(argument))
      return [{ argument, value: key === undefined ? null : given.get(key), byPlace: place <= last }]
    if (place < last) throw refusal(callable, `${key} can be left out only when what follows it is left out too`)
    return []
  })
  assertTold(callable, passed)
  return passed
}

/**
 * The server takes the type of a polymorphic argument from what is passed. A value that writes itself says none: a range of numbers is one of int4,
 * int8 or numeric. Another argument may say it for both, but no element says which type of range has it.
 */
function assertTold(callable: FunctionsOfName, passed: readonly Passed[]): void {
  const types = openTypes(passed)
  const isTold = ({ value }: Passed, i: number) => isExpression(value) || types[i] !== undefined
  const untold = passed.find((one, i) => {
    const { type } = one.argument
    if (!isPolymorphic(type) || one.value === null || isTold(one, i)) return false
    // The server takes lists of nothing for lists of texts there.
    if (type === 'pg_catalog.anycompatiblearray' && Array.isArray(one.value)) return false
    return !passed.some((other, place) => isTold(other, place) && saysTypeOf(other.argument.type, type))
  })
  if (untold !== undefined)
    throw refusal(
      callable,
      `nothing says which type ${untold.argument.key} has`,
      'Ranges, rows, empty lists and the like can be of several types: use functionCall() in a query, with an expression that names one, such as sql`cast(… as int4range)`.',
    )
}

/** Whether the type of one argument follows from that of another. */
function saysTypeOf(from: string, to: string): boolean {
  const isCompatible = (type: string) => type.startsWith('pg_catalog.anycompatible')
  const isRange = (type: string) => type.endsWith('range')
  const isOpen = isPolymorphic(from) && from !== 'pg_catalog.any' && to !== 'pg_catalog.any'
  return isOpen && isCompatible(from) === isCompatible(to) && (isRange(from) || !isRange(to))
}

/** What of a call decides its text. */
export function shapeOf(passed: readonly Passed[]): string {
  const types = openTypes(passed)
  return passed
    .map(({ argument: { name, key, type } }, i) =>
      isPolymorphic(type) ? `${key}\0${types[i] ?? ''}` : (key ?? `\0${name}`),
    )
    .join('\0\0')
}

/**
 * What the values of polymorphic arguments are sent as. Those that the server takes for one type are of one, whatever each would be by itself:
 * a whole number beside one that is not, and a null beside anything.
 */
function openTypes(passed: readonly Passed[]): readonly (string | undefined)[] {
  if (!passed.some(({ argument: { type } }) => isPolymorphic(type))) return []
  const isOpen = passed.map(({ argument: { type } }) => isPolymorphic(type) && type !== 'pg_catalog.any')
  const isOne = passed.map(({ argument: { type } }, i) => isOpen[i] && !type.startsWith('pg_catalog.anycompatible'))
  const own = passed.map(({ value }) => typeOfValue(value))
  const [wide, another] = ['float8', 'int8'].filter((type) =>
    own.some((each, i) => isOne[i] && each?.replace('[]', '') === type),
  )
  const isTold = passed.some(({ value }, i) => isOpen[i] && value !== null)
  return passed.map(({ argument: { type }, value }, i) => {
    if (value === null) return isOpen[i] && isTold ? undefined : type === 'pg_catalog.anyarray' ? 'jsonb[]' : 'jsonb'
    return isOne[i] && wide !== undefined && another === undefined ? own[i]?.replace('int4', wide) : own[i]
  })
}

/** The values of a call, in the order in which the text has them. */
export function valuesOf(passed: readonly Passed[]): readonly unknown[] {
  return passed.filter(({ argument }) => argument.key !== undefined).map(({ value }) => value)
}

/** The name of a function as SQL; Kysely writes names of functions as they are. */
export function functionName({ schema, name }: FunctionsOfName): string {
  return quoteQualified(schema, name)
}

/** The arguments as SQL. */
export function argumentNodes(callable: FunctionsOfName, passed: readonly Passed[]): readonly Sql[] {
  const casts = hasSiblings(callable)
  const types = openTypes(passed)
  return passed.map(({ argument, value, byPlace }, i) => {
    const { name, mode } = argument
    const node = valueNode(argument, value, { casts, openType: types[i] })
    // "any" takes no array in place of its values.
    const words = [
      ...(mode === 'variadic' && argument.type !== 'pg_catalog.any' ? ['variadic'] : []),
      ...(byPlace || name === undefined ? [] : [`${quoteIdentifier(name)} =>`]),
    ]
    // An operator is written as it is: no plugin takes the name for that of a column.
    return words.length === 0 ? node : UnaryOperationNode.create(OperatorNode.create(words.join(' ') as 'not'), node)
  })
}

/** A call of a function. */
export function functionNode(callable: FunctionsOfName, passed: readonly Passed[]): Sql {
  return callNode(functionName(callable), ...argumentNodes(callable, passed))
}

function valueNode(
  { key, type }: ArgumentMetadata,
  value: unknown,
  { casts, openType }: { readonly casts: boolean; readonly openType: string | undefined },
): Sql {
  if (key === undefined) return constant(null)
  const isOpen = isPolymorphic(type)
  if (isExpression(value)) return casts && !isOpen ? cast(nodeOf(value), sqlType(type)) : nodeOf(value)
  if (!isOpen) return bound(value, sqlType(type))
  return openType === undefined ? parameter(value) : bound(value, sqlType(`pg_catalog.${openType}`))
}
