/**
 * Names in generated code: keys of `DB`, columns, and the identifiers of interfaces and types.
 *
 * Camel case is Kysely's own plugin, asked for each name, so that the two cannot disagree.
 */
import { CamelCasePlugin, type CamelCasePluginOptions } from 'kysely'

/** How names of the database become keys. */
export interface NameMapper {
  toKey(name: string): string
  /** Whether a query that uses the key reaches the name again. */
  isReached(name: string): boolean
}

class Mapper extends CamelCasePlugin implements NameMapper {
  toKey(name: string): string {
    return this.camelCase(name)
  }

  isReached(name: string): boolean {
    return this.snakeCase(this.camelCase(name)) === name
  }
}

/** A mapper: names as they are, or those of Kysely's CamelCasePlugin with the same options. */
export function createNameMapper(camelCase: boolean | CamelCasePluginOptions): NameMapper {
  if (camelCase === false) return { toKey: (name) => name, isReached: () => true }
  return new Mapper(camelCase === true ? {} : camelCase)
}

/** Words that a type in the same file would hide from the others. */
const taken = [
  'Array ArrayBuffer ArrayLike BigInt Boolean Buffer Date Error Exclude Extract Function Infinity Intl Iterable JSON Map Math NaN NonNullable Number Object Omit Partial',
  'Pick Promise Readonly ReadonlyArray Record RegExp Required Set String Symbol Uint8Array',
  'ColumnType Generated GeneratedAlways DB Circle Int8 Interval JsonArray JsonColumn JsonInput JsonObject JsonPrimitive JsonValue',
  'Numeric Point PointColumn PostgresInterval Timestamp TimestampText Bytes CalendarDate CircleColumn Money Selectable',
  'ArgumentMetadata AttributeMetadata Callable CheckMetadata ColumnMetadata DomainMetadata ForeignKeyAction ForeignKeyMetadata FunctionMetadata Functions',
  'FunctionsOfName IndexKeyMetadata IndexMetadata Metadata ParserChoices PolicyMetadata Signature Table TableMetadata Tables Truth TextEncoder',
  'UniqueKeyMetadata',
].flatMap((line) => line.split(' '))

/** Gives out identifiers of types, each once. */
export class TypeNames {
  readonly #used: Set<string>

  /** @param reserved - names that the file imports */
  constructor(reserved: readonly string[] = []) {
    this.#used = new Set([...taken, ...reserved])
  }

  /** An identifier in Pascal case for a name, or one with a number behind where that is taken. */
  take(name: string): string {
    const wanted = toPascalCase(name)
    let identifier = wanted
    for (let number = 2; this.#used.has(identifier); number++) identifier = `${wanted}${number}`
    // zod.ts names the forms of a table after it.
    for (const form of ['', 'Row', 'Insert', 'Update', 'Json']) this.#used.add(`${identifier}${form}`)
    return identifier
  }
}

/** Pascal case, of whatever in the name can stand in an identifier. */
export function toPascalCase(name: string): string {
  const words = name.split(/(?:[^\p{ID_Continue}$]|_)+/u).filter((word) => word !== '')
  const joined = words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('')
  if (joined === '') return 'Unnamed'
  return /^[\p{ID_Start}$]/u.test(joined) ? joined : `_${joined}`
}

/** Camel case for the keys of functions and arguments. */
export function toCamelCase(name: string): string {
  const pascal = toPascalCase(name)
  const [first = ''] = name.split(/(?:[^\p{ID_Continue}$]|_)+/u).filter((word) => word !== '')
  // URL stays; the p of p_url does not.
  return /^[A-Z]{2}/.test(first) ? pascal : `${pascal.charAt(0).toLowerCase()}${pascal.slice(1)}`
}

/** A key of an object or interface, in quotes unless it is an identifier. */
export function toPropertyKey(key: string): string {
  // Without the brackets it would set the object's prototype.
  if (key === '__proto__') return '["__proto__"]'
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : JSON.stringify(key)
}

/** Text as the lines of a doc comment, or '' for none. It cannot end the comment. */
export function toDocComment(text: string | undefined, indent: string): string {
  if (text === undefined || text === '') return ''
  const lines = text
    .replaceAll('*/', '*\\/')
    .replace(/[\u2028\u2029]/g, ' ')
    .split(/\r\n|\r|\n/)
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`
  return `${indent}/**\n${lines.map((line) => `${indent} *${line === '' ? '' : ` ${line}`}\n`).join('')}${indent} */\n`
}
