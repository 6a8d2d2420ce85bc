/** What filters and patches mean, in JavaScript: the reference that the SQL is held against. */

/** A JSON value; undefined is nothing. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
type Steps = readonly (string | number)[]

const isObject = (value: Json | undefined): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value)

function at(document: Json | undefined, steps: Steps): Json | undefined {
  let value = document
  for (const step of steps) {
    if (typeof step === 'string') value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined
    else if (isArray(value)) value = value.at(step)
    // jsonb keeps a value without parts as an array of one, and its operator -> shows it.
    else if (isObject(value) || (step !== 0 && step !== -1)) value = undefined
  }
  return value
}

function equals(a: Json | undefined, b: Json | undefined): boolean {
  if (isArray(a) && isArray(b)) return a.length === b.length && a.every((item, i) => equals(item, b[i]))
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a)
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && equals(a[key], b[key]))
  }
  return a === b
}

/** `@>`, below the top. */
function contains(a: Json | undefined, b: Json): boolean {
  if (isArray(a) && isArray(b)) return b.every((item) => a.some((own) => contains(own, item)))
  if (isObject(a) && isObject(b))
    return Object.entries(b).every(([key, item]) => Object.hasOwn(a, key) && contains(a[key], item))
  return equals(a, b)
}

/** `@>` at the top, where an array contains a value. */
const containsAtTop = (a: Json | undefined, b: Json): boolean =>
  contains(a, b) || (isArray(a) && !isArray(b) && !isObject(b) && a.some((item) => equals(item, b)))

const typeOf = (value: Json | undefined): string | undefined =>
  value === undefined ? undefined : value === null ? 'null' : isArray(value) ? 'array' : typeof value

function order(a: Json | undefined, b: Json): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return undefined
}

/** One condition. `document` undefined is SQL null. */
export function fits(document: Json | undefined, steps: Steps, name: string, operand: never): boolean {
  const value = at(document, steps)
  const top = steps.length === 0
  const list: readonly Json[] = Array.isArray(operand) ? operand : []
  const hasKey = (key: Json) =>
    isObject(value) ? Object.hasOwn(value, key as string) : isArray(value) ? value.includes(key) : value === key
  const byOrder = (test: (difference: number) => boolean) => {
    const difference = order(value, operand)
    return difference !== undefined && test(difference)
  }
  switch (name) {
    case 'eq':
      return equals(value, operand)
    case 'ne':
      return !equals(value, operand)
    case 'in':
      return list.some((item) => equals(value, item))
    case 'notIn':
      return list.every((item) => !equals(value, item))
    case 'gt':
      return byOrder((difference) => difference > 0)
    case 'gte':
      return byOrder((difference) => difference >= 0)
    case 'lt':
      return byOrder((difference) => difference < 0)
    case 'lte':
      return byOrder((difference) => difference <= 0)
    case 'exists':
      return (value !== undefined) === operand
    case 'isNull':
      return (value === undefined || value === null) === operand
    case 'type':
      return typeOf(value) === operand
    case 'startsWith':
      return typeof value === 'string' && value.startsWith(operand)
    case 'has':
      return isArray(value) && contains(value, [operand])
    case 'hasAny':
      return isArray(value) && list.some((item) => contains(value, [item]))
    case 'hasAll':
      return isArray(value) && contains(value, list)
    case 'contains':
      return top ? containsAtTop(value, operand) : contains(value, operand)
    case 'containedBy':
      return value !== undefined && containsAtTop(operand, value)
    case 'hasKey':
      return hasKey(operand)
    case 'hasAnyKey':
      return list.some(hasKey)
    case 'hasAllKeys':
      return value !== undefined && list.every(hasKey)
    default:
      throw new Error(`no model of ${name}`)
  }
}

/** An operation of a patch on a path of keys. */
export interface Operation {
  readonly name: 'set' | 'unset' | 'merge' | 'mergeDeep' | 'append' | 'prepend' | 'increment'
  readonly path: readonly string[]
  readonly value: Json
}

type Made = Json | undefined

/** What an operation makes of a document. @throws where the statement must fail */
export function apply(document: Made, { name, path, value }: Operation): Made {
  const [key, ...rest] = path
  if (name === 'unset') {
    if (typeof document !== 'object' || document === null) throw new Error('no parts')
    return unset(document, path)
  }
  if (key === undefined) return change(document, name, value)
  const parent = document === undefined || document === null ? {} : document
  if (!isObject(parent)) throw new Error('the parent is no object')
  const own = Object.hasOwn(parent, key) ? parent[key] : undefined
  return withKey(parent, key, apply(own, { name, path: rest, value }) as Json)
}

function withKey(object: { readonly [key: string]: Json }, key: string, value: Json): Json {
  return Object.fromEntries([...Object.entries(object).filter(([own]) => own !== key), [key, value]])
}

function unset(document: Made, path: readonly string[]): Made {
  const [key, ...rest] = path
  if (key === undefined || document === undefined || document === null) return document
  if (!isObject(document)) return document
  if (!Object.hasOwn(document, key)) return document
  if (rest.length > 0) return withKey(document, key, unset(document[key], rest) as Json)
  return Object.fromEntries(Object.entries(document).filter(([own]) => own !== key))
}

function change(there: Made, name: string, value: Json): Json {
  switch (name) {
    case 'set':
      return value
    case 'merge': {
      const base = there === undefined || there === null ? {} : there
      if (Object.keys(value as object).length === 0) return base
      if (!isObject(base)) throw new Error('no object')
      return { ...base, ...(value as object) }
    }
    case 'mergeDeep':
      return mergeDeep(there, value, true)
    case 'append':
    case 'prepend': {
      const array = there === undefined || there === null ? [] : there
      if (!isArray(array)) throw new Error('no array')
      return name === 'append' ? [...array, value] : [value, ...array]
    }
    default: {
      const number = there === undefined || there === null ? 0 : there
      if (typeof number !== 'number') throw new Error('no number')
      return number + (value as number)
    }
  }
}

function mergeDeep(there: Made, value: Json, top: boolean): Json {
  if (!isObject(value)) return value
  if (top && there !== undefined && there !== null && !isObject(there)) {
    if (Object.keys(value).length === 0) return there
    throw new Error('no object')
  }
  const base = isObject(there) ? there : {}
  const merged = new Map(Object.entries(base))
  for (const [key, item] of Object.entries(value))
    merged.set(key, mergeDeep(Object.hasOwn(base, key) ? base[key] : undefined, item, false))
  return Object.fromEntries(merged)
}
