/**
 * Changes to a document: gathered as a tree, written as one expression over the column, so that one UPDATE does them all and concurrent
 * ones lose nothing.
 *
 * Owns what a change does where there is nothing yet: missing parents, and those that are JSON null, are made; a parent that is something
 * else is an error of the statement, never overwritten.
 */
import { TenonError } from '../kernel/errors.ts'
import { binary, bound, call, cast, choose, constant, isNotNull, parameter, type Sql } from '../kernel/expressions.ts'
import { atPath } from './json-filter.ts'
import { objectOr } from './json-items.ts'
import { type JsonSteps, toJsonText } from './json-text.ts'

type Step = string | number
/** Nothing there before; what was there; or what a change put there. */
type Base =
  | { readonly kind: 'column' }
  | { readonly kind: 'value'; readonly value: unknown }
  | { readonly kind: 'absent' }

const column: Base = { kind: 'column' }

interface Ends {
  readonly before: readonly unknown[]
  readonly after: readonly unknown[]
}

/** What becomes of one place of the document. */
class Place {
  base: Base = column
  readonly children = new Map<Step, Place>()
  /** Added to the number there. */
  increment: number | undefined
  /** Put around the array there. */
  ends: Ends | undefined
  inserts: { readonly position: number; readonly value: unknown }[] = []
  /** An object is made even of nothing. */
  makes = false
  /** Its children are put over whatever is there, even if that is no object: JSON Merge Patch. */
  replaces = false

  get isComputed(): boolean {
    return this.increment !== undefined || this.ends !== undefined || this.inserts.length > 0
  }
}

function refuse(what: string): never {
  throw new TenonError({
    code: 'QUERY_FILTER',
    message: `the patch ${what}`,
    hint: 'Do it in two updates, or set the whole value.',
  })
}

/** The operations of a patch, by path; gathers them in a tree. */
export class Changes {
  readonly root = new Place()

  #at(steps: JsonSteps): Place {
    let place = this.root
    for (const step of steps) {
      if (place.isComputed) refuse('changes something inside a value that it computes')
      if (place.base.kind === 'absent') place.base = { kind: 'value', value: typeof step === 'number' ? [] : {} }
      if (place.base.kind === 'value') this.#open(place, step)
      const child = place.children.get(step) ?? new Place()
      place.children.set(step, child)
      place = child
    }
    return place
  }

  // A value that this patch put there is taken apart, so that its parts can be changed like others.
  #open(place: Place, step: Step): void {
    if (place.base.kind !== 'value') return
    const { value } = place.base
    if (value === null) place.base = { kind: 'value', value: {} }
    else if (typeof value !== 'object') refuse('goes into a value that it set, which has no parts')
    else if (Array.isArray(value) !== (typeof step === 'number'))
      refuse('takes a key of an array, or a position of an object')
    if (place.children.has(step)) return
    const child = new Place()
    const there = place.base.value as Readonly<Record<Step, unknown>>
    child.base = Object.hasOwn(there, step) ? { kind: 'value', value: there[step] } : { kind: 'absent' }
    place.children.set(step, child)
  }

  set(steps: JsonSteps, value: unknown): void {
    // Checked here, where the caller stands in the stack.
    toJsonText(value)
    this.#reset(steps, { kind: 'value', value })
  }

  unset(steps: JsonSteps): void {
    if (steps.length === 0) refuse('unsets the whole document')
    // Its parents were made for it, and stay.
    if (creates(this.#at(steps)) && typeof steps.at(-1) === 'string') this.#at(steps.slice(0, -1)).makes = true
    this.#reset(steps, { kind: 'absent' })
  }

  #reset(steps: JsonSteps, base: Base): void {
    const place = this.#at(steps)
    place.base = base
    place.children.clear()
    place.increment = undefined
    place.ends = undefined
    place.inserts = []
    place.makes = false
    place.replaces = false
  }

  merge(steps: JsonSteps, value: object, deep: boolean): void {
    if (!isMergeable(value)) refuse('merges what is no object')
    toJsonText(value)
    if (Object.keys(value).length === 0) this.#at(steps).makes = true
    for (const [key, item] of Object.entries(value)) {
      if (item === undefined) continue
      if (deep && isMergeable(item)) {
        this.merge([...steps, key], item, true)
        this.#at([...steps, key]).replaces = true
      } else this.set([...steps, key], item)
    }
  }

  addEnds(steps: JsonSteps, { before = [], after = [] }: Partial<Ends>): void {
    toJsonText([...before, ...after])
    const place = this.#computed(steps)
    const { ends } = place
    place.ends = { before: [...before, ...(ends?.before ?? [])], after: [...(ends?.after ?? []), ...after] }
  }

  insert(steps: JsonSteps, value: unknown): void {
    const position = steps.at(-1)
    if (typeof position !== 'number') refuse('inserts at a key: insert takes the position in an array')
    toJsonText(value)
    this.#computed(steps.slice(0, -1)).inserts.push({ position, value })
  }

  increment(steps: JsonSteps, by: number): void {
    toJsonText(by)
    const place = this.#computed(steps)
    place.increment = (place.increment ?? 0) + by
  }

  #computed(steps: JsonSteps): Place {
    const place = this.#at(steps)
    if (place.children.size > 0) refuse('computes a value whose parts it changes')
    return place
  }
}

const isMergeable = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !('toJSON' in value)

const asJson = (value: unknown): Sql => bound(toJsonText(value), 'jsonb')
const textSteps = (steps: JsonSteps): Sql => parameter(steps.map(String))

/** The new document, given the old one; null counts as empty. */
export function patchNode(old: Sql, changes: Changes): Sql {
  const { root } = changes
  const document = root.base.kind === 'column' ? call('coalesce', old, bound(emptyOf(changes), 'jsonb')) : old
  const made = write(document, root, [])
  const removed = absentPaths(root, [])
  return removed.reduce<Sql>((node, steps) => {
    // The server refuses a key of an array; where nothing is, nothing is removed.
    const path = choose(isNotNull(atPath(document, steps)), bound(steps.map(String), 'text[]'), bound([], 'text[]'))
    return call('jsonb_delete_path', node, path)
  }, made)
}

// JSON null counts as nothing.
const orElse = (value: Sql, empty: string): Sql =>
  call('coalesce', call('nullif', value, bound('null', 'jsonb')), bound(empty, 'jsonb'))

function write(document: Sql, place: Place, steps: JsonSteps): Sql {
  const { base, children, ends, increment, inserts } = place
  const there =
    base.kind === 'column'
      ? atPath(document, steps)
      : base.kind === 'value'
        ? asJson(left(place, base.value))
        : undefined
  if (increment !== undefined) {
    const number = there === undefined ? constant(0) : orElse(there, '0')
    return call('to_jsonb', binary(cast(number, 'numeric'), '+', bound(increment, 'numeric')))
  }
  if (ends !== undefined || inserts.length > 0) return writeArray(there, place)
  const makers = [...children].filter(([, child]) => creates(child))
  if (makers.length === 0) {
    const old = there ?? asJson(null)
    return place.replaces ? objectOr(old) : place.makes ? orElse(old, '{}') : old
  }
  const empty = typeof makers[0]?.[0] === 'number' ? '[]' : '{}'
  const parent = there === undefined ? bound(empty, 'jsonb') : place.replaces ? objectOr(there) : orElse(there, empty)
  // jsonb_set refuses a parent that is neither object nor array, and a key of an array.
  return makers.reduce<Sql>(
    (node, [step, child]) =>
      call('jsonb_set', node, textSteps([step]), write(document, child, [...steps, step]), constant(true)),
    parent,
  )
}

function writeArray(there: Sql | undefined, { ends, inserts }: Place): Sql {
  const array = there === undefined ? bound('[]', 'jsonb') : orElse(there, '[]')
  let made = array
  if (ends !== undefined && ends.before.length > 0) made = binary(asJson(ends.before), '||', made)
  if (ends !== undefined && ends.after.length > 0) made = binary(made, '||', asJson(ends.after))
  for (const { position, value } of inserts)
    made = call('jsonb_insert', made, textSteps([position]), asJson(value), constant(position < 0))
  // jsonb_array_length refuses what is no array; || would make one of it.
  return choose(binary(call('jsonb_array_length', array), '>=', constant(0)), made, array)
}

/** Whether something is put at a place or below it; removals make nothing. */
function creates(place: Place): boolean {
  if (place.isComputed || place.replaces || place.makes || place.base.kind === 'value') return true
  return [...place.children.values()].some(creates)
}

/** A value that the patch put there, without the parts that it took away again. */
function left({ children }: Place, value: unknown): unknown {
  const gone = [...children].flatMap(([step, child]) => (child.base.kind === 'absent' && !creates(child) ? [step] : []))
  if (gone.length === 0 || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.filter((_, i) => !gone.includes(i) && !gone.includes(i - value.length))
  return Object.fromEntries(Object.entries(value).filter(([key]) => !gone.includes(key)))
}

function absentPaths(place: Place, steps: JsonSteps): readonly JsonSteps[] {
  if (place.base.kind === 'value') return []
  // Positions are those before the patch: the last ones go first.
  const children = [...place.children].sort(([a], [b]) => (typeof a === 'number' && typeof b === 'number' ? b - a : 0))
  const below = children.flatMap(([step, child]) => absentPaths(child, [...steps, step]))
  return place.base.kind === 'absent' && !creates(place) ? [steps] : below
}

const emptyOf = ({ root }: Changes): string =>
  root.ends !== undefined || root.inserts.length > 0 ? '[]' : root.increment !== undefined ? '0' : '{}'
