/** Values of a translated check as JavaScript source, and what can be said of two of them. Reading the SQL is check-expression.ts. */
import { toJavaScriptPattern, toLikePattern } from './patterns.ts'

/** A value in a check: source text, and what kind of value it gives. */
export interface CheckValue {
  readonly code: string
  /** `int` is a number compared as such; `decimal` anything that `compare` takes; `citext` and `json` are only good for what lies in them. */
  readonly kind: 'int' | 'decimal' | 'text' | 'citext' | 'truth' | 'json' | 'list'
  readonly nullable: boolean
  /** Of text: `=` compares bytes. */
  readonly deterministic?: boolean
  /** A constant, as text. */
  readonly constant?: string
  /** What a condition gives whatever the values; of any other value, that it is null. */
  readonly known?: boolean | null
}

/** What a column is taken for to see what a check says of null. Its code is never written. */
export const nullConstant: CheckValue = { code: 'null', kind: 'text', nullable: true, known: null }

/** A condition of which the outcome is known. */
export function known(outcome: boolean | null): CheckValue {
  return { code: String(outcome), kind: 'truth', nullable: outcome === null, known: outcome }
}

/** A condition. */
export function truth(code: string, nullable: boolean): CheckValue {
  return { code, kind: 'truth', nullable }
}

/** A constant text. */
export function textConstant(value: string): CheckValue {
  return { code: JSON.stringify(value), kind: 'text', nullable: false, deterministic: true, constant: value }
}

/** A constant number, or undefined when the text is none. */
export function number(text: string): CheckValue | undefined {
  if (!/^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return undefined
  const isInt = /^-?\d{1,15}$/.test(text)
  return { code: isInt ? text : JSON.stringify(text), kind: isInt ? 'int' : 'decimal', nullable: false, constant: text }
}

/** A constant as a type of the server has it. */
export function castConstant(constant: string, type: string, of: CheckValue): CheckValue | undefined {
  switch (type) {
    case 'text':
    case 'varchar':
      return of.kind === 'text' ? of : undefined
    case 'int2':
    case 'int4':
    case 'int8':
      return /^-?\d+$/.test(constant) ? number(constant) : undefined
    case 'numeric':
      return number(constant)
    case 'float8':
      return number(String(Number(constant)))
    case 'float4':
      return number(String(Math.fround(Number(constant))))
    case 'bool':
      return of.kind === 'truth' ? of : undefined
    case 'json':
    case 'jsonb':
      return of.kind === 'text' ? { ...of, kind: 'json' } : undefined
    default:
      return undefined
  }
}

/** A constant with its sign turned. */
export function negative(of: CheckValue): CheckValue | undefined {
  if (of.constant === undefined || (of.kind !== 'int' && of.kind !== 'decimal')) return undefined
  return number(of.constant.startsWith('-') ? of.constant.slice(1) : `-${of.constant}`)
}

const orders: Readonly<Record<string, string>> = { '=': '===', '<>': '!==', '<': '<', '<=': '<=', '>': '>', '>=': '>=' }

/** A comparison or a match of two values, or undefined when JavaScript has none that means the same. */
export function compare(operator: string, left: CheckValue, right: CheckValue): CheckValue | undefined {
  if (left.known === null || right.known === null) return known(null)
  const numeric = (value: CheckValue) => value.kind === 'int' || value.kind === 'decimal'
  const nullable = left.nullable || right.nullable
  const lift = (test: (a: string, b: string) => string): CheckValue =>
    nullable
      ? truth(`lift(${left.code}, ${right.code}, (a, b) => ${test('a', 'b')})`, true)
      : truth(test(left.code, right.code), false)
  const order = orders[operator]
  if (order !== undefined) {
    if (left.kind === 'int' && right.kind === 'int') return lift((a, b) => `${a} ${order} ${b}`)
    if (numeric(left) && numeric(right)) return lift((a, b) => `compare(${a}, ${b}) ${order} 0`)
    const equality = order === '===' || order === '!=='
    const alike = left.kind === right.kind && (left.kind === 'text' || left.kind === 'truth')
    if (!equality || !alike || left.deterministic === false || right.deterministic === false) return undefined
    return lift((a, b) => `${a} ${order} ${b}`)
  }
  const pattern = patternOf(operator, right)
  if (pattern === undefined || left.kind !== 'text' || left.deterministic === false) return undefined
  const negated = operator.startsWith('!')
  // Which digits \d is about beyond ASCII is up to the database's locale.
  const ascii = right.constant?.includes('\\d') ? ', true' : ''
  if (operator.endsWith('~~')) {
    const test = `${negated ? '!' : ''}${pattern}.test(`
    return left.nullable
      ? truth(`lift(${left.code}, true, (a) => ${test}a))`, true)
      : truth(`${test}${left.code})`, false)
  }
  const test = (text: string) =>
    negated ? `negate(matches(${pattern}, ${text}${ascii}))` : `matches(${pattern}, ${text}${ascii})`
  return truth(left.nullable ? `change(${left.code}, (a) => ${test('a')})` : test(left.code), true)
}

function patternOf(operator: string, right: CheckValue): string | undefined {
  if (right.kind !== 'text' || right.constant === undefined) return undefined
  if (operator === '~~' || operator === '!~~') return toLikePattern(right.constant)
  if (operator === '~' || operator === '!~') return toJavaScriptPattern(right.constant, false)
  if (operator === '~*' || operator === '!~*') return toJavaScriptPattern(right.constant, true)
  return undefined
}

/** Whether a value is one of a list of constants, or with `none` not one of them. */
export function oneOf(left: CheckValue, list: CheckValue, none: boolean): CheckValue | undefined {
  if (list.kind !== 'list' || list.constant === undefined) return undefined
  if (left.known === null) return known(null)
  const not = none ? '!' : ''
  const lift = (test: (a: string) => string): CheckValue =>
    left.nullable
      ? truth(`lift(${left.code}, true, (a) => ${not}${test('a')})`, true)
      : truth(`${not}${test(left.code)}`, false)
  if (left.kind === 'int' && list.constant === 'int') return lift((a) => `${list.code}.includes(${a})`)
  if ((left.kind === 'int' || left.kind === 'decimal') && list.constant !== 'text')
    return lift((a) => `${list.code}.some((item) => compare(${a}, item) === 0)`)
  if (left.kind === 'text' && list.constant === 'text' && left.deterministic !== false)
    return lift((a) => `${list.code}.includes(${a})`)
  return undefined
}
