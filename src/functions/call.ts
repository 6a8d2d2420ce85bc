/**
 * `call()`: runs a function or procedure and gives what it returns.
 *
 * Owns the shape of the result and what an error says of the function. Expressions for other queries are function-call's.
 */
import { AliasNode, IdentifierNode, RawNode, type RootOperationNode, SelectionNode, SelectQueryNode } from 'kysely'
import { CompiledShapes } from '../kernel/compiled-shapes.ts'
import { isTenonError, TenonError } from '../kernel/errors.ts'
import type { Executor, RunOptions } from '../kernel/executor.ts'
import { aliased, isExpression, type Sql } from '../kernel/expressions.ts'
import type { FunctionMetadata, FunctionsOfName } from '../kernel/metadata.ts'
import { chooseOverload, readArguments, refusal } from './choose-overload.ts'
import { functionNode, passedTo, shapeOf, valuesOf } from './function-node.ts'
import type { ArgumentsOf, CallableFunctions, PickedArguments, PickedSignature } from './signatures.ts'
import { isPolymorphic } from './value-kinds.ts'

/** Arguments, and how to run: the arguments may be missing where nothing has to be given. */
export type CallRest<A> =
  Record<string, never> extends A ? readonly [args?: A, options?: RunOptions] : readonly [args: A, options?: RunOptions]

/** The object of a callable is made once, by the generated code; what was compiled for it is kept as long as it is. */
const compiled = new WeakMap<FunctionsOfName, CompiledShapes>()

/**
 * Calls a function or procedure of the database, with the rights of the executor, in one round trip.
 *
 * Arguments are by name; those with a default may be left out, and `undefined` is left out too. With several overloads the names decide, and
 * then the kinds of the values; where they do not tell, {@link overload} does. A strict function takes no null, because it would not be called.
 *
 * @param callable - a member of the generated `functions`
 * @param rest - the arguments by name, and `{ signal }`
 * @returns the value of a scalar; an array of a set; an object of OUT arguments or a row, null of a row that is null in every column; undefined of
 * `void` and of a procedure without OUT arguments
 * @throws {TenonError} FUNCTION_ARGUMENTS before anything is sent; the server's errors name the function
 * @example
 * ```ts
 * const score = await call(me, functions.calculateActivityScore, { userId })
 * ```
 * The SQL:
 * ```sql
 * select "public"."calculate_activity_score"("user_id" => cast($1 as "pg_catalog"."uuid")) as "value"
 * ```
 * What returns columns is `select * from f(…)`, a procedure is `call p(…)`.
 * @see https://www.postgresql.org/docs/current/sql-syntax-calling-funcs.html
 */
export async function call<C extends CallableFunctions, const A extends ArgumentsOf<C>>(
  executor: Executor,
  callable: C,
  ...rest: CallRest<PickedArguments<C, A>>
): Promise<PickedSignature<C, A>['returns']> {
  // The types have said so much; what else it may be is looked at.
  const [first = {}, options = {}] = rest as readonly [unknown?, RunOptions?]
  const given = readArguments(callable, first)
  const chosen = chooseOverload(callable, given)
  if (chosen.kind === 'aggregate') throw refusal(callable, 'it is an aggregate', 'Use aggregateCall() in a query.')
  if ([...given.values()].some(isExpression))
    throw refusal(callable, 'call() takes values, not expressions', 'Use functionCall() in a query.')
  const passed = passedTo(callable, chosen, given)
  const shapes = compiled.get(callable) ?? new CompiledShapes()
  compiled.set(callable, shapes)
  const shape = `${callable.overloads.indexOf(chosen)}\0${shapeOf(passed)}`
  try {
    const { rows } = await shapes.run<Readonly<Record<string, unknown>>>(
      executor,
      shape,
      valuesOf(passed),
      () => queryOf(chosen, functionNode(callable, passed)),
      options,
    )
    return resultOf(chosen, rows)
  } catch (error) {
    throw about(callable, chosen, error)
  }
}

function queryOf(chosen: FunctionMetadata, node: Sql): RootOperationNode {
  // Kysely has no node of CALL; the text is fixed, and its only child a call as everywhere else.
  if (chosen.kind === 'procedure') return RawNode.create(['call ', ''], [node])
  if (chosen.row !== true)
    return SelectQueryNode.cloneWithSelections(SelectQueryNode.create(), [aliased(node, 'value')])
  const select = SelectQueryNode.createFrom([AliasNode.create(node, IdentifierNode.create('r'))])
  return SelectQueryNode.cloneWithSelections(select, [SelectionNode.createSelectAll()])
}

function resultOf(chosen: FunctionMetadata, rows: readonly Readonly<Record<string, unknown>>[]): unknown {
  const { kind, returns, row, set } = chosen
  const [first] = rows
  if (kind === 'procedure') return row === true ? first : undefined
  if (row === true) {
    if (set === true) return rows
    return first === undefined || (!hasColumnsOfItsOwn(chosen) && isNothing(first)) ? null : first
  }
  if (returns === 'pg_catalog.void') return undefined
  return set === true ? rows.map(({ value }) => value) : (first?.['value'] ?? null)
}

/** OUT arguments, each of which may be null; one alone is the result itself. */
function hasColumnsOfItsOwn({ arguments: all }: FunctionMetadata): boolean {
  return all.filter(({ mode }) => mode === 'out' || mode === 'inout' || mode === 'table').length > 1
}

/** In FROM a row that is null is one of nulls. */
function isNothing(row: Readonly<Record<string, unknown>>): boolean {
  return Object.values(row).every((value) => value === null)
}

/** Says in an error of the server which function it is about: its own sentence speaks of types, or of nothing. */
function about({ schema, name }: FunctionsOfName, { kind, arguments: all }: FunctionMetadata, error: unknown): unknown {
  if (!isTenonError(error) || error.name !== 'TenonError') return error
  const endsTransaction = error.sqlstate === '2D000'
  // No such function, or none for these types together.
  const isOfTypes = error.sqlstate === '42883' || error.sqlstate === '42804'
  if (!endsTransaction && !/^(QUERY_|PARAMETER_|LIMIT_)/.test(error.code)) return error
  return new TenonError({
    ...error.toJSON(),
    message: `${schema}.${name}: ${error.message}`,
    hint: endsTransaction
      ? `A ${kind} that commits by itself cannot run in a transaction, which a session always is: run it with withDedicatedConnection(db, { service: true }, …).`
      : isOfTypes && all.some(({ type }) => isPolymorphic(type))
        ? 'The server takes the type of an argument from the value: use functionCall() in a query, with an expression that names it, such as sql`cast(… as mood)`.'
        : error.sqlstate === '42883'
          ? 'Run `tenon codegen` again when the function has changed.'
          : error.hint,
    position: error.position,
    cause: error.cause,
  })
}
