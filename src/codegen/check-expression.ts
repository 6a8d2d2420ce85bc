/**
 * Translates a CHECK into JavaScript that says what PostgreSQL says: true, false, or null for unknown, which passes.
 *
 * Only what means exactly the same is translated. Everything else gives undefined, and the caller lists it as a comment; a check that is
 * nearly right would refuse rows that the server takes.
 */
import { TenonError } from '../kernel/errors.ts'
import {
  type CheckValue,
  castConstant,
  compare,
  known,
  negative,
  number,
  oneOf,
  textConstant,
  truth,
} from './check-values.ts'

/** Finds a column of the check; undefined when its type or place does not allow translating. */
export type ColumnLookup = (name: string) => CheckValue | undefined

/** A node of libpg-query: an object whose one key is its kind. */
type Node = Readonly<Record<string, unknown>>
type Fields = Readonly<Record<string, unknown>>

interface Parser {
  parse(sql: string): Promise<{ readonly stmts?: readonly { readonly stmt: Node }[] }>
}

/** Translates checks. Made once, because PostgreSQL's parser takes a moment to load. */
export class CheckTranslator {
  readonly #parser: Parser

  private constructor(parser: Parser) {
    this.#parser = parser
  }

  /** @throws {TenonError} DEPENDENCY_MISSING without libpg-query */
  static async create(): Promise<CheckTranslator> {
    try {
      return new CheckTranslator((await import('libpg-query')) as unknown as Parser)
    } catch (cause) {
      throw new TenonError({
        code: 'DEPENDENCY_MISSING',
        message:
          'the schema has CHECK constraints, and translating them needs PostgreSQL’s parser, the package libpg-query',
        hint: 'npm install -D libpg-query',
        cause,
      })
    }
  }

  /** Translates a condition. */
  async condition(expression: string, column: ColumnLookup): Promise<CheckValue | undefined> {
    const value = await this.#translate(expression, column)
    return value?.kind === 'truth' ? value : undefined
  }

  /** Translates a default that is a constant. */
  async constant(expression: string): Promise<CheckValue | undefined> {
    return await this.#translate(expression, () => undefined)
  }

  async #translate(expression: string, column: ColumnLookup): Promise<CheckValue | undefined> {
    try {
      const { stmts: [statement] = [] } = await this.#parser.parse(`select ${expression}`)
      const select = fieldsOf(statement?.stmt, 'SelectStmt')
      const [target] = listOf(select, 'targetList')
      return new Translation(column).value(fieldsOf(target, 'ResTarget')?.['val'] as Node | undefined)
    } catch {
      // The deparsed text of a newer server than the parser's.
      return undefined
    }
  }
}

class Translation {
  readonly #column: ColumnLookup

  constructor(column: ColumnLookup) {
    this.#column = column
  }

  value(node: Node | undefined): CheckValue | undefined {
    const [kind, value] = Object.entries(node ?? {})[0] ?? []
    const fields = value as Fields
    switch (kind) {
      case 'ColumnRef': {
        const parts = listOf(fields, 'fields').map((part) => fieldsOf(part, 'String')?.['sval'])
        return parts.length === 1 && typeof parts[0] === 'string' ? this.#column(parts[0]) : undefined
      }
      case 'A_Const':
        return constantOf(fields)
      case 'TypeCast':
        return this.#cast(fields)
      case 'BoolExpr':
        return this.#boolean(fields)
      case 'NullTest': {
        const of = this.value(fields['arg'] as Node)
        if (of === undefined) return undefined
        const not = fields['nulltesttype'] === 'IS_NOT_NULL'
        if (of.known === null) return known(!not)
        if (isPartial(of)) return undefined
        return of.nullable ? truth(`(${of.code} ${not ? '!==' : '==='} null)`, false) : known(not)
      }
      case 'BooleanTest':
        return this.#booleanTest(fields)
      case 'FuncCall':
        return this.#call(fields)
      case 'A_ArrayExpr':
        return this.#list(listOf(fields, 'elements'))
      case 'A_Expr':
        return this.#operation(fields)
      default:
        return undefined
    }
  }

  #boolean(fields: Fields): CheckValue | undefined {
    const items = listOf(fields, 'args').map((item) => this.value(item))
    const found = items.flatMap((item) => (item?.kind === 'truth' ? item : []))
    if (found.length !== items.length) return undefined
    if (found.every((item) => item.known !== undefined)) return known(outcome(String(fields['boolop']), found))
    const nullable = found.some((item) => item.nullable)
    const codes = found.map(({ code }) => code)
    switch (fields['boolop']) {
      case 'AND_EXPR':
        return truth(nullable ? `every(${codes.join(', ')})` : `(${codes.join(' && ')})`, nullable)
      case 'OR_EXPR':
        return truth(nullable ? `some(${codes.join(', ')})` : `(${codes.join(' || ')})`, nullable)
      default:
        return truth(nullable ? `negate(${codes[0]})` : `!(${codes[0]})`, nullable)
    }
  }

  #booleanTest(fields: Fields): CheckValue | undefined {
    const of = this.value(fields['arg'] as Node)
    if (of?.kind !== 'truth' || isPartial(of)) return undefined
    const test = String(fields['booltesttype'])
    if (of.known !== undefined) return known((of.known === test.endsWith('TRUE')) !== test.includes('NOT'))
    const code = {
      IS_TRUE: `${of.code} === true`,
      IS_NOT_TRUE: `${of.code} !== true`,
      IS_FALSE: `${of.code} === false`,
      IS_NOT_FALSE: `${of.code} !== false`,
    }[test]
    return code === undefined ? undefined : truth(`(${code})`, false)
  }

  #cast(fields: Fields): CheckValue | undefined {
    const of = this.value(fields['arg'] as Node)
    const typeName = fields['typeName'] as Fields | undefined
    const names = listOf(typeName, 'names').map((part) => fieldsOf(part, 'String')?.['sval'])
    const name = String(names.at(-1))
    if (of === undefined || of.known === null) return of
    if (listOf(typeName, 'arrayBounds').length > 0) return of.kind === 'list' ? of : undefined
    if (listOf(typeName, 'typmods').length > 0) return undefined
    if (names.length > 1 && names[0] !== 'pg_catalog') {
      // A label of an enum, most likely; of another type it would not be compared with a column that is translated.
      return of.kind === 'text' && of.constant !== undefined ? of : undefined
    }
    if (of.constant !== undefined) return castConstant(of.constant, name, of)
    switch (name) {
      case 'text':
      case 'varchar':
        return of.kind === 'text' || of.kind === 'citext' ? { ...of, kind: 'text' } : undefined
      // Of the others a cast rounds.
      case 'numeric':
      case 'int8':
      case 'int4':
      case 'float8':
        return of.kind === 'int' ? of : undefined
      default:
        return undefined
    }
  }

  #list(nodes: readonly Node[]): CheckValue | undefined {
    const items = nodes.map((node) => this.value(node))
    const constants = items.flatMap((item) => (item?.constant !== undefined && !item.nullable ? item : []))
    if (constants.length !== items.length || constants.length === 0) return undefined
    const kinds = new Set(constants.map(({ kind }) => kind))
    if (kinds.size > 1 && kinds.has('text')) return undefined
    const decimal = kinds.has('decimal')
    const codes = constants.map(({ code, constant = '' }) => (decimal ? JSON.stringify(constant) : code))
    const constant = decimal ? 'decimal' : String(constants[0]?.kind)
    return { code: `[${codes.join(', ')}]`, kind: 'list', nullable: false, constant }
  }

  #operation(fields: Fields): CheckValue | undefined {
    const names = listOf(fields, 'name').map((part) => fieldsOf(part, 'String')?.['sval'])
    const right = this.value(fields['rexpr'] as Node)
    const left = fields['lexpr'] === undefined ? undefined : this.value(fields['lexpr'] as Node)
    if (right === undefined) return undefined
    const own = String(names.at(-1))
    if (names.length > 1 && left?.kind === 'citext' && /^!?~$/.test(own))
      return compare(`${own}*`, { ...left, kind: 'text', deterministic: true }, right)
    // OPERATOR(schema.name) is somebody's own.
    const operator = names.length === 1 ? own : ''
    switch (fields['kind']) {
      case 'AEXPR_OP':
        if (fields['lexpr'] === undefined) return operator === '-' ? negative(right) : undefined
        return left === undefined ? undefined : compare(operator, left, right)
      case 'AEXPR_OP_ANY':
        return operator === '=' && left !== undefined ? oneOf(left, right, false) : undefined
      case 'AEXPR_OP_ALL':
        return operator === '<>' && left !== undefined ? oneOf(left, right, true) : undefined
      default:
        return undefined
    }
  }

  #call(fields: Fields): CheckValue | undefined {
    const names = listOf(fields, 'funcname').map((part) => fieldsOf(part, 'String')?.['sval'])
    if (names.length > 1 && names[0] !== 'pg_catalog') return undefined
    if (fields['func_variadic'] === true) return undefined
    const items = listOf(fields, 'args').map((item) => this.value(item))
    const found = items.flatMap((item) => item ?? [])
    const [first] = found
    if (first === undefined || found.length !== items.length) return undefined
    const name = String(names.at(-1))
    if (name === 'num_nonnulls' || name === 'num_nulls') {
      const test = name === 'num_nulls' ? '=== null' : '!== null'
      // Of no use to know what the one column's null makes of it.
      if (found.some((item) => item.known === null)) return undefined
      const codes = found.map(({ code }) => code)
      return { code: `[${codes.join(', ')}].filter((item) => item ${test}).length`, kind: 'int', nullable: false }
    }
    if (found.length !== 1) return undefined
    if (first.known === null) return strictFunctions.has(name) ? first : undefined
    const lifted = (kind: CheckValue['kind'], code: (of: string) => string): CheckValue => ({
      code: first.nullable ? `change(${first.code}, (of) => ${code('of')})` : code(first.code),
      kind,
      nullable: first.nullable,
    })
    switch (name) {
      case 'length':
      case 'char_length':
      case 'character_length':
        return first.kind === 'text' ? lifted('int', (of) => `[...${of}].length`) : undefined
      case 'octet_length':
        return first.kind === 'text' ? lifted('int', (of) => `new TextEncoder().encode(${of}).length`) : undefined
      case 'btrim':
        return trimmed(first, lifted, (of) => `unpadded(${of}).replace(/^ +/, "")`)
      case 'ltrim':
        return trimmed(first, lifted, (of) => `${of}.replace(/^ +/, "")`)
      case 'rtrim':
        return trimmed(first, lifted, (of) => `unpadded(${of})`)
      case 'cardinality':
        return first.kind === 'list' && first.constant === undefined
          ? lifted('int', (of) => `${of}.flat(6).length`)
          : undefined
      case 'jsonb_typeof':
      case 'json_typeof':
        return first.kind === 'json'
          ? { ...lifted('text', (of) => `jsonTypeOf(${of})`), deterministic: true }
          : undefined
      default:
        return undefined
    }
  }
}

function trimmed(
  of: CheckValue,
  lifted: (kind: CheckValue['kind'], code: (of: string) => string) => CheckValue,
  code: (of: string) => string,
): CheckValue | undefined {
  if (of.kind !== 'text') return undefined
  return { ...lifted('text', code), deterministic: of.deterministic ?? true }
}

/** Null for null. */
const strictFunctions = new Set([
  ...['length', 'char_length', 'character_length', 'octet_length', 'btrim', 'ltrim', 'rtrim'],
  ...['cardinality', 'jsonb_typeof', 'json_typeof'],
])

/** Unknown for a long text, which the server knows: nothing that asks whether it is known can be translated. */
function isPartial({ code }: CheckValue): boolean {
  return code.includes('matches(')
}

function outcome(operator: string, items: readonly CheckValue[]): boolean | null {
  const truths = items.map((item) => item.known ?? null)
  if (operator === 'NOT_EXPR') return truths[0] === null || truths[0] === undefined ? null : !truths[0]
  const decisive = operator === 'OR_EXPR'
  return truths.includes(decisive) ? decisive : truths.includes(null) ? null : !decisive
}

function constantOf(fields: Fields): CheckValue | undefined {
  const integer = fields['ival'] as Fields | undefined
  if (integer !== undefined) return number(String(integer['ival'] ?? 0))
  const decimal = fields['fval'] as Fields | undefined
  if (decimal !== undefined) return number(String(decimal['fval']))
  const string = fields['sval'] as Fields | undefined
  if (string !== undefined) return textConstant(String(string['sval'] ?? ''))
  const boolean = fields['boolval'] as Fields | undefined
  if (boolean !== undefined)
    return { ...known(boolean['boolval'] === true), constant: String(boolean['boolval'] === true) }
  return undefined
}

function fieldsOf(node: Node | undefined, kind: string): Fields | undefined {
  const fields = node?.[kind]
  return typeof fields === 'object' && fields !== null ? (fields as Fields) : undefined
}

function listOf(fields: Fields | undefined, name: string): readonly Node[] {
  const value = fields?.[name]
  return Array.isArray(value) ? (value as readonly Node[]) : []
}
