/** Functions and procedures: their metadata, and the types of their arguments and results. */
import type { ArgumentMetadata, FunctionMetadata, FunctionsOfName } from '../kernel/metadata.ts'
import type { CatalogFunction } from './catalog.ts'
import { type NameMapper, toCamelCase, toPascalCase, toPropertyKey } from './names.ts'
import type { TypeReader } from './types-of-columns.ts'

/** All functions of one name. */
export interface FunctionModel {
  /** Key in `functions`. */
  readonly key: string
  readonly metadata: FunctionsOfName
  /** TypeScript type of arguments and result, for each overload. */
  readonly signatures: readonly { readonly arguments: string; readonly returns: string }[]
}

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
      kind: item.kind === 'p' ? 'procedure' : 'function',
      arguments: argumentsOf(item).map(({ name, type, mode, optional }): ArgumentMetadata => {
        const use = this.#types.resolve({ type })
        return {
          ...(name === undefined ? {} : { name }),
          type: use.element === undefined ? use.typeName : `${use.typeName}[]`,
          mode,
          ...(optional ? { optional } : {}),
        }
      }),
      returns: this.#returned(item),
      ...(item.set ? { set: true } : {}),
      volatility: item.volatility,
      ...(item.strict ? { strict: true } : {}),
      ...(item.definer ? { securityDefiner: true } : {}),
      ...(item.comment === undefined ? {} : { comment: item.comment }),
    }
  }

  #returned({ result }: CatalogFunction): string {
    const use = this.#types.resolve({ type: result })
    return use.element === undefined ? use.typeName : `${use.typeName}[]`
  }

  #signature(item: CatalogFunction): FunctionModel['signatures'][number] {
    const all = argumentsOf(item)
    const given = all.filter(({ mode }) => mode === 'in' || mode === 'inout' || mode === 'variadic')
    const keys = argumentKeys(given.map(({ name }) => name))
    const fields = given.map(({ type, optional }, i) => {
      const key = toPropertyKey(keys[i] ?? `argument${i + 1}`)
      return `${key}${optional ? '?' : ''}: ${this.#types.resolve({ type }).shape.insert} | null`
    })
    const out = all.filter(({ mode }) => mode === 'out' || mode === 'inout' || mode === 'table')
    const single = out.length === 1 && item.kind === 'f'
    const row =
      out.length === 0 || single
        ? this.#result(item)
        : `{ ${out.map(({ name, type }, i) => `${toPropertyKey(name === undefined ? `column${i + 1}` : this.#names.toKey(name))}: ${this.#types.resolve({ type }).shape.select} | null`).join('; ')} }`
    return {
      arguments: fields.length === 0 ? 'Record<string, never>' : `{ ${fields.join('; ')} }`,
      returns: item.set ? `readonly ${/^[^{]* [|] /.test(row) ? `(${row})` : row}[]` : row,
    }
  }

  #result({ result }: CatalogFunction): string {
    const { base, shape, element } = this.#types.resolve({ type: result })
    if (base.schema === 'pg_catalog' && base.name === 'void') return 'undefined'
    const row = element === undefined ? this.#rows.get(`${base.schema}.${base.name}`) : undefined
    return row === undefined ? `${shape.select} | null` : `Selectable<${row}>`
  }
}

/** Camel case, unless two become one: then their own names. */
function argumentKeys(names: readonly (string | undefined)[]): readonly string[] {
  const cased = names.map((name, i) => (name === undefined ? `argument${i + 1}` : toCamelCase(name)))
  return cased.map((key, i) => (cased.indexOf(key) === cased.lastIndexOf(key) ? key : (names[i] ?? key)))
}

interface Argument {
  readonly name: string | undefined
  readonly type: string
  readonly mode: ArgumentMetadata['mode']
  readonly optional: boolean
}

function argumentsOf({ arguments: all, defaults }: CatalogFunction): readonly Argument[] {
  const isGiven = (mode: string) => mode !== 'o' && mode !== 't'
  const given = all.filter(({ mode }) => isGiven(mode)).length
  let place = 0
  return all.map(({ name, type, mode }) => ({
    name,
    type,
    mode: modes[mode as keyof typeof modes] ?? 'in',
    // Defaults belong to the last ones.
    optional: isGiven(mode) && place++ >= given - defaults,
  }))
}
