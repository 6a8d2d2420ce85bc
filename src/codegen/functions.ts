/** Functions, procedures and aggregates: their metadata, and the types of their arguments and results. */
import type { ArgumentMetadata, FunctionMetadata, FunctionsOfName } from '../kernel/metadata.ts'
import type { CatalogFunction, CatalogType } from './catalog.ts'
import { type NameMapper, toCamelCase, toPascalCase, toPropertyKey } from './names.ts'
import type { TypeReader, TypeUse } from './types-of-columns.ts'

/** All functions of one name. */
export interface FunctionModel {
  /** Key in `functions`. */
  readonly key: string
  readonly metadata: FunctionsOfName
  /** TypeScript types of each overload. */
  readonly signatures: readonly {
    readonly arguments: string
    readonly returns: string
    /** Where it can stand in FROM. */
    readonly row?: string
    /** Of a row of a type: as one value, in a select list. */
    readonly value?: string
  }[]
}

const kinds = { f: 'function', p: 'procedure', a: 'aggregate' } as const
const modes = { i: 'in', o: 'out', b: 'inout', v: 'variadic', t: 'table' } as const

export class FunctionReader {
  readonly #types: TypeReader
  /** Of columns: results go through the application's plugins. */
  readonly #names: NameMapper
  /** Interface names of tables by `schema.name`: a function can return rows of one. */
  readonly #rows: ReadonlyMap<string, string>
  readonly #defaultSchemas: readonly string[]

  constructor(
    types: TypeReader,
    names: NameMapper,
    rows: ReadonlyMap<string, string>,
    defaultSchemas: readonly string[],
  ) {
    this.#names = names
    this.#types = types
    this.#rows = rows
    this.#defaultSchemas = defaultSchemas
  }

  read(functions: readonly CatalogFunction[]): readonly FunctionModel[] {
    const groups = new Map<string, CatalogFunction[]>()
    for (const item of functions) {
      const name = JSON.stringify([item.schema, item.name])
      groups.set(name, [...(groups.get(name) ?? []), item])
    }
    const used = new Set<string>()
    return [...groups.values()].flatMap((overloads) => {
      const [first] = overloads
      if (first === undefined) return []
      const { schema, name } = first
      const wanted = this.#defaultSchemas.includes(schema)
        ? toCamelCase(name)
        : `${toCamelCase(schema)}${toPascalCase(name)}`
      let key = wanted
      for (let number = 2; used.has(key); number++) key = `${wanted}${number}`
      used.add(key)
      return [
        {
          key,
          metadata: { schema, name, overloads: overloads.map((item) => this.#metadata(item)) },
          signatures: overloads.map((item) => this.#signature(item)),
        },
      ]
    })
  }

  #metadata(item: CatalogFunction): FunctionMetadata {
    return {
      kind: kinds[item.kind],
      arguments: argumentsOf(item).map(({ name, key, type, mode, optional }): ArgumentMetadata => {
        const use = this.#types.resolve({ type })
        const [own, base] = [typeOf(use), baseTypeOf(use)]
        return {
          ...(name === undefined ? {} : { name }),
          type: own,
          ...(base === own ? {} : { baseType: base }),
          mode,
          ...(key === undefined ? {} : { key }),
          ...(optional ? { optional } : {}),
        }
      }),
      returns: typeOf(this.#types.resolve({ type: item.result })),
      ...(item.set ? { set: true } : {}),
      ...(this.#columns(item) === undefined ? {} : { row: true }),
      volatility: item.volatility,
      ...(item.strict ? { strict: true } : {}),
      ...(item.definer ? { securityDefiner: true } : {}),
      ...(item.comment === undefined ? {} : { comment: item.comment }),
    }
  }

  #signature(item: CatalogFunction): FunctionModel['signatures'][number] {
    // A strict function is not called with a null, so that whoever passes one has made a mistake.
    const none = item.strict && item.kind === 'f' ? '' : ' | null'
    const fields = argumentsOf(item).flatMap(({ key, type, optional }) =>
      key === undefined ? [] : [`${toPropertyKey(key)}${optional ? '?' : ''}: ${this.#given(type, none)}`],
    )
    const given = fields.length === 0 ? 'Record<string, never>' : `{ ${fields.join('; ')} }`
    const columns = this.#columns(item)
    const value = columns === undefined ? this.#value(item) : this.#row(item, columns)
    if (item.kind === 'p') return { arguments: given, returns: columns === undefined ? 'undefined' : value }
    if (item.set)
      return {
        arguments: given,
        returns: `readonly ${/^[^{]* [|] | [|] null$/.test(value) ? `(${value})` : value}[]`,
        row: columns === undefined ? `{ value: ${value} }` : value,
      }
    if (columns === undefined) return { arguments: given, returns: value }
    // A row that is null comes as nulls only; OUT arguments may be so too, and say it one by one.
    const nullable = columns === 'of the type' && !this.#isNeverNull(item)
    return {
      arguments: given,
      returns: nullable ? `${value} | null` : value,
      row: value,
      ...(columns === 'of the type' ? { value: this.#value(item) } : {}),
    }
  }

  #given(type: string, none: string): string {
    const { base, shape } = this.#types.resolve({ type })
    return isAnyType(base) ? 'unknown' : `${shape.insert}${none}`
  }

  /** Arguments that are columns of the result, or whether those of its type are; undefined of a value. */
  #columns(item: CatalogFunction): readonly Argument[] | 'of the type' | undefined {
    const out = argumentsOf(item).filter(({ mode }) => mode === 'out' || mode === 'inout' || mode === 'table')
    if (item.kind === 'p') return out.length === 0 ? undefined : out
    if (out.length > 1) return out
    // An aggregate stands in a select list, where what has columns is one value.
    if (item.kind === 'a') return undefined
    const { base, element } = this.#types.resolve({ type: item.result })
    return base.kind === 'c' && element === undefined ? 'of the type' : undefined
  }

  #row(item: CatalogFunction, columns: readonly Argument[] | 'of the type'): string {
    const fields = (all: readonly (readonly [name: string, type: string])[]) =>
      `{ ${all
        .map(([name, type]) => {
          const { base, shape } = this.#types.resolve({ type })
          const none = this.#isNeverNull(item, name) ? '' : ' | null'
          return `${toPropertyKey(this.#names.toKey(name))}: ${isAnyType(base) ? 'unknown' : `${shape.select}${none}`}`
        })
        .join('; ')} }`
    if (columns !== 'of the type')
      return fields(columns.map(({ name = '', type }, i) => [name === '' ? `column${i + 1}` : name, type]))
    const { base } = this.#types.resolve({ type: item.result })
    const table = this.#rows.get(`${base.schema}.${base.name}`)
    if (table !== undefined) return `Selectable<${table}>`
    if (base.attributes === undefined) return 'Record<string, unknown>'
    return fields(base.attributes.map(({ name, type }) => [name, type]))
  }

  #value(item: CatalogFunction): string {
    const { base, shape, notNull } = this.#types.resolve({ type: item.result })
    if (base.schema === 'pg_catalog' && base.name === 'void') return 'undefined'
    const type = isAnyType(base) ? 'unknown' : shape.select
    return type === 'unknown' || notNull || this.#isNeverNull(item) ? type : `${type} | null`
  }

  /** `@notnull` in its comment says so of the result and all its columns, `@notnull(a, b)` of these columns. */
  #isNeverNull({ comment = '' }: CatalogFunction, column?: string): boolean {
    const [found, columns] = /@notnull\b(?:\(([^)]*)\))?/.exec(comment) ?? []
    if (found === undefined) return false
    if (columns === undefined) return true
    return column !== undefined && columns.split(',').some((name) => name.trim() === column)
  }
}

/** An array has the name of its elements; a domain over an array has one of its own. */
function typeOf({ typeName, element }: TypeUse): string {
  return element?.typeName === typeName ? `${typeName}[]` : typeName
}

/** The same beneath every domain; an array of a domain stays one of it. */
function baseTypeOf({ base, typeName, element }: TypeUse): string {
  if (element === undefined) return `${base.schema}.${base.name}`
  return `${element.typeName === typeName ? typeName : baseTypeOf(element)}[]`
}

/** `anyelement` and its like, `any` and `record`: what they are is decided by each call. */
function isAnyType({ kind, schema, name }: CatalogType): boolean {
  return kind === 'p' && schema === 'pg_catalog' && name.startsWith('any')
}

/** Camel case, unless two become one: then their own names. */
function argumentKeys(names: readonly (string | undefined)[]): readonly string[] {
  const cased = names.map((name) => (name === undefined ? undefined : toCamelCase(name)))
  const isTaken = (key: string) => names.includes(key) || cased.includes(key)
  return cased.map((key, i) => {
    if (key !== undefined) return cased.indexOf(key) === cased.lastIndexOf(key) ? key : (names[i] ?? key)
    let free = `argument${i + 1}`
    while (isTaken(free)) free = `${free}_`
    return free
  })
}

interface Argument {
  readonly name: string | undefined
  /** Of what a call gives. */
  readonly key: string | undefined
  readonly type: string
  readonly mode: ArgumentMetadata['mode']
  readonly optional: boolean
}

function argumentsOf({ arguments: all, defaults }: CatalogFunction): readonly Argument[] {
  const isGiven = ({ mode }: { readonly mode: string }) => mode !== 'o' && mode !== 't'
  const given = all.filter(isGiven)
  const keys = argumentKeys(given.map(({ name }) => name))
  return all.map((argument) => {
    const { name, type, mode } = argument
    const place = given.indexOf(argument)
    // Defaults belong to the last ones.
    const optional = place >= 0 && place >= given.length - defaults
    return { name, key: keys[place], type, mode: modes[mode as keyof typeof modes] ?? 'in', optional }
  })
}
