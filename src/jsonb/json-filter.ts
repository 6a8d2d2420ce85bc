/**
 * Filters on documents as SQL.
 *
 * Owns which SQL a condition becomes: equality is containment, which GIN indexes serve; order is compared as jsonb with its type checked,
 * which a btree index on the path serves. Nothing is cast, so that no document, whatever it holds, raises an error.
 */
import { TenonError } from '../kernel/errors.ts'
import {
  all,
  any,
  binary,
  bound,
  call,
  constant,
  isNotNull,
  isNull,
  parameter,
  type Sql,
} from '../kernel/expressions.ts'
import { Containment } from './containment.ts'
import { exists, itemsOf } from './json-items.ts'
import { assertJsonString, assertSteps, type JsonSteps, toJsonPathText, toJsonText } from './json-text.ts'

/** Names of conditions, and what each takes. */
const operands = {
  eq: 'value',
  ne: 'value',
  in: 'list',
  notIn: 'list',
  exists: 'boolean',
  isNull: 'boolean',
  type: 'text',
  gt: 'scalar',
  gte: 'scalar',
  lt: 'scalar',
  lte: 'scalar',
  startsWith: 'text',
  like: 'text',
  ilike: 'text',
  has: 'value',
  hasAny: 'list',
  hasAll: 'list',
  some: 'filter',
  contains: 'value',
  containedBy: 'value',
  hasKey: 'text',
  hasAnyKey: 'texts',
  hasAllKeys: 'texts',
} as const

export type JsonConditionName = keyof typeof operands

const comparisons = { gt: '>', gte: '>=', lt: '<', lte: '<=' } as const

function refuse(steps: JsonSteps, what: string, hint: string): never {
  const where = steps.length === 0 ? 'a document' : 'a path of a document'
  throw new TenonError({ code: 'QUERY_FILTER', message: `the filter on ${where} ${what}`, hint })
}

/** A jsonb value at the end of a path: `root -> 'a' -> 0`. */
export function atPath(root: Sql, steps: JsonSteps): Sql {
  return steps.reduce<Sql>(
    (node, step) => binary(node, '->', typeof step === 'string' ? bound(step, 'text') : bound(step, 'int4')),
    root,
  )
}

/** The same as text; JSON null is SQL's null. */
export function textAtPath(root: Sql, steps: JsonSteps): Sql {
  const last = steps.at(-1)
  if (last === undefined) return binary(root, '#>>', parameter([]))
  const key = typeof last === 'string' ? bound(last, 'text') : bound(last, 'int4')
  return binary(atPath(root, steps.slice(0, -1)), '->>', key)
}

const asJson = (value: unknown): Sql => bound(toJsonText(value, 'refused'), 'jsonb')
const hasOnlyKeys = (steps: JsonSteps): boolean => steps.every((step) => typeof step === 'string')
const isComposite = (value: unknown): boolean => typeof value === 'object' && value !== null

/**
 * A filter as a condition.
 *
 * @param root - a jsonb expression, written as often as the filter needs it
 * @throws {TenonError} QUERY_FILTER when it is no filter, PARAMETER_INVALID when a value is none that JSON has
 */
export function filterNode(root: Sql, filter: unknown, steps: JsonSteps = []): Sql {
  const compiler = new Compiler(root)
  for (const asked of conditionsOf(filter, assertSteps(steps)))
    compiler.condition(asked.steps, asked.name, asked.operand)
  return compiler.toNode()
}

/** One condition at a path. */
export function conditionNode(root: Sql, steps: JsonSteps, name: JsonConditionName, operand: unknown): Sql {
  const compiler = new Compiler(root)
  compiler.condition(assertSteps(steps), name, operand)
  return compiler.toNode()
}

/** One thing that a filter asks for. */
export interface AskedCondition {
  readonly steps: JsonSteps
  readonly name: JsonConditionName
  readonly operand: unknown
}

/**
 * What a filter asks for, condition by condition.
 *
 * @throws {TenonError} QUERY_FILTER when it is no filter
 */
export function conditionsOf(filter: unknown, steps: JsonSteps = []): readonly AskedCondition[] {
  if (filter === undefined)
    refuse(steps, 'is undefined', 'Leave the key out; null asks for JSON null, { exists: false } for nothing.')
  if (!isPlainObject(filter)) return [{ steps, name: 'eq', operand: filter }]
  const keys = Object.keys(filter)
  const names = keys.filter((key) => Object.hasOwn(operands, key))
  if (names.length > 0 && names.length < keys.length)
    refuse(
      steps,
      `has conditions (${names.join(', ')}) beside keys`,
      'A key that is called like a condition is asked with json(ref(…)).at(key).',
    )
  // Of the names `operands` has all.
  if (names.length > 0) return names.map((name) => ({ steps, name: name as JsonConditionName, operand: filter[name] }))
  return keys.flatMap((key) => conditionsOf(filter[key], [...steps, assertJsonString(key)]))
}

class Compiler {
  readonly #root: Sql
  readonly #contained: Containment[] = []
  readonly #others: Sql[] = []

  constructor(root: Sql) {
    this.#root = root
  }

  toNode(): Sql {
    const contained = this.#contained.map((document) => binary(this.#root, '@>', asJson(document.toValue())))
    return all([...contained, ...this.#others])
  }

  condition(steps: JsonSteps, name: JsonConditionName, operand: unknown): void {
    assertOperand(steps, name, operand)
    switch (name) {
      case 'eq':
        this.#equals(steps, operand)
        return
      case 'has':
        this.#contains(steps, { items: [operand] })
        return
      case 'hasAll':
        // Of no item at all the array must still be one.
        this.#contains(steps, { items: operand as readonly unknown[] })
        return
      case 'contains':
        this.#contains(steps, { value: operand })
        return
      default:
        this.#others.push(this.#node(steps, name, operand))
    }
  }

  #contains(steps: JsonSteps, wanted: { readonly value: unknown } | { readonly items: readonly unknown[] }): void {
    if (!hasOnlyKeys(steps)) {
      const value = 'items' in wanted ? wanted.items : wanted.value
      this.#others.push(binary(atPath(this.#root, steps), '@>', asJson(value)))
      return
    }
    if (this.#contained.some((document) => document.add(steps, wanted))) return
    const document = new Containment()
    document.add(steps, wanted)
    this.#contained.push(document)
  }

  #equals(steps: JsonSteps, value: unknown): void {
    if (hasOnlyKeys(steps)) this.#contains(steps, { value })
    // Containment is more than equality for an array or object, and for a whole document that is an array of the value.
    if (isComposite(value) || steps.length === 0 || !hasOnlyKeys(steps))
      this.#others.push(binary(atPath(this.#root, steps), '=', asJson(value)))
  }

  /** A condition that is no containment, or not only. */
  #node(steps: JsonSteps, name: JsonConditionName, operand: unknown): Sql {
    const value = atPath(this.#root, steps)
    const alone = (condition: JsonConditionName, of: unknown) => conditionNode(this.#root, steps, condition, of)
    // assertOperand has seen that the operand is what the condition takes.
    const list = operand as readonly unknown[]
    switch (name) {
      case 'ne':
        return binary(value, 'is distinct from', asJson(operand))
      case 'in':
        return any(list.map((item) => alone('eq', item)))
      case 'notIn':
        return all(list.map((item) => alone('ne', item)))
      case 'hasAny':
        return any(list.map((item) => alone('has', item)))
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte':
        return all([
          binary(value, comparisons[name], asJson(operand)),
          binary(call('jsonb_typeof', value), '=', constant(typeof operand)),
        ])
      case 'startsWith':
        if (!hasOnlyKeys(steps))
          return all([
            binary(call('jsonb_typeof', value), '=', constant('string')),
            call('starts_with', textAtPath(this.#root, steps), parameter(operand)),
          ])
        return binary(
          this.#root,
          '@@',
          bound(`${toJsonPathText(steps)} starts with ${toJsonText(operand)}`, 'jsonpath'),
        )
      case 'like':
      case 'ilike':
        return all([
          binary(call('jsonb_typeof', value), '=', constant('string')),
          binary(textAtPath(this.#root, steps), name, parameter(assertJsonString(operand as string))),
        ])
      case 'exists':
        return operand === true ? this.#exists(steps) : isNull(value)
      case 'isNull': {
        const text = textAtPath(this.#root, steps)
        return operand === true ? isNull(text) : isNotNull(text)
      }
      case 'type':
        return binary(call('jsonb_typeof', value), '=', parameter(operand))
      case 'containedBy':
        return binary(value, '<@', asJson(operand))
      case 'hasKey':
        return binary(value, '?', parameter(operand))
      case 'hasAnyKey':
        return binary(value, '?|', parameter(operand))
      case 'hasAllKeys':
        return binary(value, '?&', parameter(operand))
      case 'some':
        return exists(itemsOf(value), (item) => filterNode(item, operand))
      default:
        return refuse(steps, `has no condition ${name}`, `Conditions: ${Object.keys(operands).join(', ')}.`)
    }
  }

  #exists(steps: JsonSteps): Sql {
    if (steps.length === 0 || !hasOnlyKeys(steps)) return isNotNull(atPath(this.#root, steps))
    // A string in an array is a key to the operator as well; it alone is what an index serves.
    const key = binary(atPath(this.#root, steps.slice(0, -1)), '?', parameter(steps.at(-1)))
    return all([key, isNotNull(atPath(this.#root, steps))])
  }
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value)
}

function assertOperand(steps: JsonSteps, name: JsonConditionName, operand: unknown): void {
  const fits = {
    value: operand !== undefined,
    list: Array.isArray(operand),
    boolean: typeof operand === 'boolean',
    scalar: typeof operand === 'number' || typeof operand === 'string',
    text: typeof operand === 'string',
    texts: Array.isArray(operand) && operand.every((item) => typeof item === 'string'),
    filter: operand !== undefined,
  }[operands[name]]
  if (!fits) refuse(steps, `has ${name} of something else`, `It takes a ${operands[name]}.`)
  if (typeof operand === 'string') assertJsonString(operand)
  if (operands[name] === 'texts') for (const text of operand as readonly string[]) assertJsonString(text)
}
