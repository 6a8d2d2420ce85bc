/**
 * Resolves types: through domains to what lies beneath, into arrays, to enums and composites; and remembers which of them are used.
 */
import type { DomainMetadata, Metadata } from '../kernel/metadata.ts'
import type { CatalogType } from './catalog.ts'
import { codecShape } from './codec-shapes.ts'
import { type TypeNames, toPropertyKey } from './names.ts'
import type { ResolvedCodegenOptions } from './options.ts'
import { arrayShape, isServers, type Shape, scalarShape } from './type-shapes.ts'

/** A type as a column or argument uses it. */
export interface TypeUse {
  readonly shape: Shape
  /** The type beneath every domain; of an array itself, not of its elements. */
  readonly base: CatalogType
  readonly typmod: number
  /** Of an array: its elements. */
  readonly element: TypeUse | undefined
  /** `schema.name` of the type, of the elements for an array, with a domain by its own name. */
  readonly typeName: string
  /** A domain says NOT NULL. */
  readonly notNull: boolean
  /** Default of a domain. */
  readonly default: string | undefined
}

/** An enum that something uses. */
export interface EnumModel {
  readonly typeName: string
  readonly labels: readonly string[]
  readonly comment: string | undefined
}

/** A domain with checks that something uses. */
export interface DomainModel {
  /** Name of its zod schema. */
  readonly schemaName: string
  readonly use: TypeUse
  /** zod of what is under the checks. */
  readonly input: string
  readonly checks: readonly { readonly name: string; readonly expression: string }[]
}

type TypesMetadata = Pick<Metadata, 'arrays' | 'enums' | 'domains' | 'composites' | 'ranges'>

export class TypeReader {
  readonly #types: ReadonlyMap<string, CatalogType>
  readonly #options: ResolvedCodegenOptions
  readonly #names: TypeNames
  readonly #uses = new Map<string, TypeUse>()
  readonly #enums = new Map<string, EnumModel>()
  readonly #domains = new Map<string, DomainModel>()
  readonly #arrays = new Set<string>()
  readonly #seen = new Map<string, CatalogType>()
  readonly #notes = new Set<string>()

  constructor(types: readonly CatalogType[], options: ResolvedCodegenOptions, names: TypeNames) {
    this.#types = new Map(types.map((type) => [type.oid, type]))
    this.#options = options
    this.#names = names
  }

  /** The type of a column, attribute or argument. */
  resolve({ type: oid, typmod = -1 }: { readonly type: string; readonly typmod?: number }): TypeUse {
    const known = this.#uses.get(`${oid} ${typmod}`)
    if (known !== undefined) return known
    const use = this.#resolve(oid, typmod)
    this.#uses.set(`${oid} ${typmod}`, use)
    return use
  }

  /** Types that have been resolved so far, in the order of their names. */
  used(): {
    readonly enums: readonly EnumModel[]
    readonly domains: readonly DomainModel[]
    readonly metadata: TypesMetadata
    readonly notes: readonly string[]
  } {
    const seen = [...this.#seen.values()].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
    const of = <T>(kinds: string, map: (type: CatalogType) => T) =>
      Object.fromEntries(
        seen
          .filter(({ kind, attributes }) => kinds.includes(kind) && (kind !== 'c' || attributes !== undefined))
          .map((type) => [nameOf(type), map(type)]),
      )
    return {
      enums: seen.flatMap(({ oid }) => this.#enums.get(oid) ?? []),
      // A domain over a domain needs the inner one first.
      domains: [...this.#domains.values()],
      notes: [...this.#notes].sort(),
      metadata: {
        arrays: [...this.#arrays].sort(),
        enums: of('e', ({ labels = [] }) => labels),
        domains: of('d', toDomain),
        composites: of('c', ({ attributes = [] }) =>
          attributes.map((attribute) => ({
            name: attribute.name,
            type: attribute.sqlType,
            ...this.#baseOf(this.resolve(attribute)),
          })),
        ),
        ranges: of('r', (type) => ({
          subtype: nameOf(this.#types.get(type.subtype ?? '')),
          ...(type.multirange === undefined ? {} : { multirange: type.multirange }),
        })),
      },
    }
  }

  #resolve(oid: string, typmod: number): TypeUse {
    const type = this.#types.get(oid)
    if (type === undefined) throw new Error(`type ${oid} is not in the catalog`)
    if (!isServers(type)) this.#seen.set(oid, type)
    if (type.kind === 'd') return this.#domain(type)
    const plain = { base: type, typmod, notNull: false, default: undefined }
    if (type.element !== undefined) {
      // The modifier of an array type is that of its elements.
      const element = this.resolve({ type: type.element, typmod })
      this.#arrays.add(element.typeName)
      const shape = arrayShape(element.shape, this.#options.nullableElements && !element.notNull)
      return { ...plain, element, shape, typeName: element.typeName }
    }
    return { ...plain, element: undefined, shape: this.#shape(type, typmod), typeName: nameOf(type) }
  }

  #domain(domain: CatalogType): TypeUse {
    const inner = this.resolve({ type: domain.base ?? '', typmod: domain.baseTypmod ?? -1 })
    const use: TypeUse = {
      ...inner,
      typeName: nameOf(domain),
      notNull: domain.notNull === true || inner.notNull,
      default: domain.default ?? inner.default,
    }
    const checks = domain.checks ?? []
    if (checks.length === 0) return use
    const schemaName = this.#names.take(domain.name)
    this.#domains.set(domain.oid, { schemaName, use, input: inner.shape.input, checks })
    return { ...use, shape: { ...inner.shape, input: schemaName } }
  }

  /** What lies beneath the domain that an attribute, or an element of it, is of. */
  #baseOf({ base, element, typeName }: TypeUse): { readonly baseType?: string } {
    const own = element?.base ?? base
    return nameOf(own) === typeName ? {} : { baseType: `${nameOf(own)}${element === undefined ? '' : '[]'}` }
  }

  #shape(type: CatalogType, typmod: number): Shape {
    if (type.kind === 'e') {
      const typeName = this.#enums.get(type.oid)?.typeName ?? this.#names.take(type.name)
      this.#enums.set(type.oid, { typeName, labels: type.labels ?? [], comment: type.comment })
      return { select: typeName, insert: typeName, row: typeName, input: typeName, json: typeName }
    }
    const shape = this.#plainShape(type, typmod)
    const { codecs } = this.#options
    return codecShape(type, typmod, shape, codecs, (attribute) => this.resolve(attribute).shape) ?? shape
  }

  #plainShape(type: CatalogType, typmod: number): Shape {
    const shape = scalarShape({ type, typmod }, this.#options.parsers)
    if (type.kind === 'c') return { ...shape, json: this.#compositeJson(type) }
    if (type.kind === 'r' || type.kind === 'm') return { ...shape, json: 'z.string()' }
    if (type.kind === 'b' && !isServers(type) && type.extension === undefined)
      this.#notes.add(`type ${nameOf(type)} is not known: its values are text`)
    return shape
  }

  #compositeJson({ attributes }: CatalogType): string {
    if (attributes === undefined) return 'z.unknown()'
    const fields = attributes.map(
      (attribute) => `${toPropertyKey(attribute.name)}: ${this.resolve(attribute).shape.json}.nullable()`,
    )
    return `z.object({ ${fields.join(', ')} })`
  }
}

function nameOf(type: CatalogType | undefined): string {
  return type === undefined ? '' : `${type.schema}.${type.name}`
}

function toDomain({ sqlType = '', notNull, default: value, checks = [] }: CatalogType): DomainMetadata {
  return {
    type: sqlType,
    ...(notNull === true ? { notNull } : {}),
    ...(value === undefined ? {} : { default: value }),
    checks: checks.map(({ name, expression }) => ({ name, expression })),
  }
}
