/** Types of json columns that the application declares: in its options, or as `@json Type from "./module"` in a column's comment. */
import { TenonError } from '../kernel/errors.ts'
import type { CatalogColumn, CatalogRelation } from './catalog.ts'
import type { TypeNames } from './names.ts'
import type { JsonColumnType, ResolvedCodegenOptions } from './options.ts'
import { arrayShape, type Shape, typedJsonShape } from './type-shapes.ts'
import type { TypeUse } from './types-of-columns.ts'

/** An import that generated files need. */
export interface JsonImport {
  readonly from: string
  readonly name: string
  /** What it is called in the generated files. */
  readonly local: string
  /** It is a zod schema. */
  readonly isSchema: boolean
}

export class JsonTypes {
  readonly #options: ResolvedCodegenOptions
  readonly #names: TypeNames
  readonly #imports = new Map<string, JsonImport>()
  readonly #used = new Set<string>()

  constructor(options: ResolvedCodegenOptions, names: TypeNames) {
    this.#options = options
    this.#names = names
  }

  /** The shape of a column that a type is declared for. */
  of({ schema, name }: CatalogRelation, column: CatalogColumn, use: TypeUse): Shape | undefined {
    const place = `${schema}.${name}.${column.name}`
    const declared = this.#find(schema, `${name}.${column.name}`) ?? fromComment(place, column.comment)
    if (declared === undefined) return undefined
    const type = (use.element ?? use).base
    if (type.schema !== 'pg_catalog' || (type.name !== 'json' && type.name !== 'jsonb'))
      throw new TenonError({
        code: 'CODEGEN_SCHEMA',
        message: `${place} has a json type declared and is ${column.sqlType}`,
        hint: 'Take the declaration away, or make the column json or jsonb.',
      })
    const { local, isSchema } = this.#import(declared)
    const shape = typedJsonShape(
      isSchema ? `z.output<typeof ${local}>` : local,
      isSchema ? local : undefined,
      type.name === 'jsonb',
    )
    return use.element === undefined ? shape : arrayShape(shape, this.#options.nullableElements)
  }

  /** @throws {TenonError} OPTION_INVALID when an option names a column that is not there */
  assertAllUsed(): void {
    const unused = Object.keys(this.#options.json).find((column) => !this.#used.has(column))
    if (unused === undefined) return
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: `the option json names ${unused}, which is no column of the generated tables`,
      hint: 'Write table.column, or schema.table.column, as the database has them.',
    })
  }

  imports(): readonly JsonImport[] {
    return [...this.#imports.values()].sort((a, b) => (`${a.from} ${a.local}` < `${b.from} ${b.local}` ? -1 : 1))
  }

  #find(schema: string, column: string): JsonColumnType | undefined {
    const places = [`${schema}.${column}`, ...(this.#options.defaultSchemas.includes(schema) ? [column] : [])]
    const place = places.find((candidate) => Object.hasOwn(this.#options.json, candidate))
    if (place === undefined) return undefined
    this.#used.add(place)
    return this.#options.json[place]
  }

  #import(declared: JsonColumnType): JsonImport {
    const isSchema = 'schema' in declared
    const name = isSchema ? declared.schema : declared.type
    const key = `${declared.from} ${name}`
    const known = this.#imports.get(key)
    if (known !== undefined) return known
    const made = { from: declared.from, name, local: this.#names.take(name), isSchema }
    this.#imports.set(key, made)
    return made
  }
}

const directive = /@json\s+([A-Za-z_$][\w$]*)\s+from\s+(["'])([^"'\\\n]+)\2/

function fromComment(place: string, comment: string | null): JsonColumnType | undefined {
  if (comment === null || !/@json\b/.test(comment)) return undefined
  const [, type, , from] = directive.exec(comment) ?? []
  if (type !== undefined && from !== undefined) return { type, from }
  throw new TenonError({
    code: 'CODEGEN_SCHEMA',
    message: `the comment of ${place} has an @json that cannot be read`,
    hint: 'Write @json Settings from "../settings.ts", with the path as the generated file imports it.',
  })
}

/** A comment without its directive, for documentation. */
export function withoutDirective(comment: string | undefined): string | undefined {
  const text = comment?.replace(directive, '').trim()
  return text === '' ? undefined : text
}
