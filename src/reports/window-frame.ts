/** Frames of window functions, which Kysely's `over` does not have: the rows around a row that a function looks at. */
import { BinaryOperationNode, OperatorNode, type OverNode, UnaryOperationNode } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import type { Sql } from '../kernel/expressions.ts'
import { type Every, toWidth } from './every.ts'

/** Where a frame begins or ends. `Offset` is a number of rows, groups, or of what is ordered by; of a time a width. */
export type FrameBound<Offset> =
  | 'unbounded preceding'
  | 'current row'
  | 'unbounded following'
  | { readonly preceding: Offset }
  | { readonly following: Offset }

type Bounds<Offset> = readonly [start: FrameBound<Offset>, end: FrameBound<Offset>]

/** A frame: of rows, of groups of equal rows, or of a range of values. */
export type Frame = (
  | { readonly rows: Bounds<number> }
  | { readonly groups: Bounds<number> }
  | { readonly range: Bounds<number | Every> }
) & { readonly exclude?: 'current row' | 'group' | 'ties' | undefined }

/**
 * Gives a window a frame, inside `over`, as the last thing it is given. Without one PostgreSQL takes all rows up to those that are equal to the current one.
 *
 * @param window - with its order: `range` with an offset, and `groups`, take one
 * @throws {TenonError} OPTION_INVALID when the frame is none
 * @example
 * ```ts
 * .select(({ fn }) => fn.avg<number>('amount').over((w) => frame(w.partitionBy('product').orderBy('day'), { rows: [{ preceding: 6 }, 'current row'] })).as('week'))
 * ```
 * The SQL:
 * ```sql
 * avg("amount") over(partition by "product" order by "day" rows between 6 preceding and current row) as "week"
 * -- { range: [{ preceding: '7 days' }, 'current row'] }
 * range between '7 days' preceding and current row
 * ```
 * @see https://www.postgresql.org/docs/18/sql-expressions.html#SYNTAX-WINDOW-FUNCTIONS
 */
export function frame<Window extends { toOperationNode(): OverNode }>(window: Window, frame: Frame): Window {
  const modes = (['rows', 'groups', 'range'] as const).filter((mode) => mode in frame)
  const [mode] = modes
  if (mode === undefined || modes.length > 1) throw invalid('a frame has one of rows, groups and range')
  const bounds: unknown = (frame as Readonly<Record<string, unknown>>)[mode]
  if (!Array.isArray(bounds) || bounds.length !== 2) throw invalid(`the bounds of ${mode} are no pair of start and end`)
  const [start, end] = bounds.map((bound: unknown) => boundOf(bound, mode))
  if (start === undefined || end === undefined || start.place > end.place || start.place === 4 || end.place === 0)
    throw invalid('a frame begins before it ends')
  const between = BinaryOperationNode.create(word(start.text), word('and'), word(end.text))
  const clause =
    frame.exclude === undefined
      ? between
      : BinaryOperationNode.create(between, word('exclude'), word(excluded(frame.exclude)))
  const { orderBy, ...over } = window.toOperationNode()
  if (orderBy === undefined && (mode === 'groups' || (mode === 'range' && /['\d]/.test(start.text + end.text))))
    throw invalid(`a frame of ${mode} takes a window with an order`)
  const words = word(`${mode} between`)
  const node: Sql =
    orderBy === undefined
      ? UnaryOperationNode.create(words, clause)
      : BinaryOperationNode.create(orderBy, words, clause)
  // Kysely has no place for a frame, and its compiler writes whatever stands where the order does.
  const overNode = { ...over, orderBy: node }
  // The class of windows is not exported, and each knows its own.
  return new (window.constructor as new (props: { readonly overNode: object }) => Window)({ overNode })
}

/** Kysely's compiler writes an operator as it is; these are words of ours and whole numbers. */
function word(text: string): OperatorNode {
  return OperatorNode.create(text as '=')
}

const places: Readonly<Record<string, number>> = {
  'unbounded preceding': 0,
  'current row': 2,
  'unbounded following': 4,
}

function boundOf(bound: unknown, mode: string): { readonly text: string; readonly place: number } {
  if (typeof bound === 'string' && Object.hasOwn(places, bound)) return { text: bound, place: places[bound] as number }
  const given = typeof bound === 'object' && bound !== null ? Object.entries(bound) : []
  const [direction, offset] = given[0] ?? []
  if (given.length !== 1 || (direction !== 'preceding' && direction !== 'following'))
    throw invalid('a bound of a frame is none that there is')
  return { text: `${offsetOf(offset, mode)} ${direction}`, place: direction === 'preceding' ? 1 : 3 }
}

function offsetOf(offset: unknown, mode: string): string {
  if (typeof offset === 'number') {
    if (mode === 'range' ? Number.isFinite(offset) && offset >= 0 : Number.isSafeInteger(offset) && offset >= 0)
      return String(offset)
    throw invalid('an offset of a frame is no number from 0')
  }
  if (mode !== 'range') throw invalid(`an offset of ${mode} is no whole number from 0`)
  const { of, count } = toWidth(offset as Every, 'an offset of a frame')
  return `'${count} ${of}'`
}

function excluded(what: unknown): string {
  if (what === 'current row' || what === 'group' || what === 'ties') return what
  throw invalid('exclude is neither current row, group nor ties')
}

function invalid(message: string): TenonError {
  return new TenonError({
    code: 'OPTION_INVALID',
    message,
    hint: "Pass, for example, { rows: [{ preceding: 6 }, 'current row'] }.",
  })
}
