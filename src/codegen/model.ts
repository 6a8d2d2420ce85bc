/**
 * From what the catalog says to what is generated: names, types, nullability, what can be written, keys and relations.
 *
 * Owns every decision that two of the generated files must agree on. The files themselves are the emitters'.
 */
import { TenonError } from '../kernel/errors.ts'
import { type ColumnMetadata, type Metadata, metadataFormat, type TableMetadata } from '../kernel/metadata.ts'
import type { Catalog, CatalogColumn, CatalogConstraint, CatalogRelation, CatalogType } from './catalog.ts'
import { codecTypeNames } from './codec-shapes.ts'
import { type FunctionModel, FunctionReader } from './functions.ts'
import { type JsonImport, JsonTypes } from './json-types.ts'
import { createNameMapper, type NameMapper, TypeNames } from './names.ts'
import type { ResolvedCodegenOptions } from './options.ts'
import { relationsOf } from './relations.ts'
import { keysOf } from './table-keys.ts'
import { maxLength, numericLimits, type Shape } from './type-shapes.ts'
import { type DomainModel, type EnumModel, TypeReader, type TypeUse } from './types-of-columns.ts'
import { ViewReader } from './view-columns.ts'

/** A column, as every emitter needs it. */
export interface ColumnModel {
  readonly key: string
  readonly metadata: ColumnMetadata
  readonly shape: Shape
  readonly use: TypeUse
  /** Comparisons of its text are by bytes. */
  readonly deterministic: boolean
}

/** A check that the zod schemas may be able to express. */
export interface CheckModel {
  readonly name: string
  readonly expression: string
}

/** A table or view. */
export interface TableModel {
  /** Name of its interface. */
  readonly typeName: string
  readonly metadata: TableMetadata
  readonly columns: readonly ColumnModel[]
  readonly checks: readonly CheckModel[]
  readonly insertable: boolean
  readonly updatable: boolean
}

/** Everything that is generated from. */
export interface Model {
  readonly metadata: Metadata
  readonly tables: readonly TableModel[]
  readonly enums: readonly EnumModel[]
  readonly domains: readonly DomainModel[]
  readonly functions: readonly FunctionModel[]
  readonly imports: readonly JsonImport[]
  /** What a person should know, a sentence each. */
  readonly notes: readonly string[]
}

const kinds = { r: 'table', p: 'partitioned table', f: 'foreign table', v: 'view', m: 'materialized view' } as const
// Bits of pg_relation_is_updatable.
const updateBit = 4
const insertBit = 8

/**
 * Makes the model.
 *
 * @throws {TenonError} CODEGEN_SCHEMA when two names become one, a comment's `@json` cannot be read, or nothing is left to generate
 */
export function createModel(catalog: Catalog, options: ResolvedCodegenOptions): Model {
  return new ModelBuilder(catalog, options).build()
}

class ModelBuilder {
  readonly #catalog: Catalog
  readonly #options: ResolvedCodegenOptions
  readonly #names: NameMapper
  readonly #relations: ReadonlyMap<string, CatalogRelation>
  readonly #typeNames: TypeNames
  readonly #types: TypeReader
  readonly #views: ViewReader
  readonly #json: JsonTypes
  readonly #notes = new Set<string>()

  constructor(catalog: Catalog, options: ResolvedCodegenOptions) {
    this.#catalog = catalog
    this.#options = options
    this.#names = createNameMapper(options.camelCase)
    this.#typeNames = new TypeNames(options.codecs.length === 0 ? [] : codecTypeNames)
    this.#relations = new Map(catalog.relations.map((relation) => [relation.oid, relation]))
    this.#types = new TypeReader(catalog.types, options, this.#typeNames)
    this.#views = new ViewReader(this.#relations, catalog.rules, (column) => this.#isNotNull(column))
    this.#json = new JsonTypes(options, this.#typeNames)
  }

  build(): Model {
    const chosen = this.#catalog.relations.filter((relation) => this.#isChosen(relation))
    if (chosen.length === 0)
      throw new TenonError({
        code: 'CODEGEN_SCHEMA',
        message: 'there is no table or view to generate code for',
        hint: 'Apply the migrations first, or look at the options schemas, include and exclude.',
      })
    // Tables before types, so that what an application writes most keeps its plain name.
    const typeNames = chosen.map((relation) => this.#typeNames.take(this.#key(relation)))
    const unrelated = chosen.map((relation, i) => this.#table(relation, typeNames[i] as string))
    this.#assertDistinct(unrelated)
    const relations = relationsOf(unrelated.map(({ metadata }) => metadata))
    const tables = unrelated.map((table): TableModel => {
      const { metadata } = table
      return { ...table, metadata: { ...metadata, relations: relations.get(metadata.key) ?? {} } }
    })
    this.#json.assertAllUsed()
    if (this.#catalog.closed.length > 0)
      this.#notes.add(`left out, because the login has no USAGE on them: ${this.#catalog.closed.join(', ')}`)
    if (this.#catalog.version < 160_000 && chosen.some(({ kind }) => kind === 'v' || kind === 'm'))
      this.#notes.add('columns of views are taken from a server before 16: a newer one may tell more of them apart')
    for (const { schema, name, readers, guarded } of chosen) {
      // Works for everybody, and policies would let it.
      const roles = (readers ?? []).filter((role) => role !== 'service_role')
      if (roles.length > 0 && guarded !== null)
        this.#notes.add(
          `no policy guards the materialized view ${schema}.${name}, and ${roles.join(', ')} may read all of it, rows of ${guarded.join(', ')}: grant a view on it that has the condition instead`,
        )
    }
    const rows = new Map(chosen.map((relation, i) => [`${relation.schema}.${relation.name}`, typeNames[i] as string]))
    const functions = new FunctionReader(this.#types, this.#names, rows, this.#options.defaultSchemas).read(
      this.#catalog.functions,
    )
    const types = this.#types.used()
    return {
      tables,
      functions,
      enums: types.enums,
      domains: types.domains,
      imports: this.#json.imports(),
      notes: [...this.#notes, ...types.notes],
      metadata: {
        format: metadataFormat,
        parsers: this.#options.parsers,
        ...(this.#options.codecs.length === 0 ? {} : { codecs: this.#options.codecs }),
        camelCase: this.#options.camelCase !== false,
        roles: this.#catalog.roles,
        ...types.metadata,
        tables: Object.fromEntries(tables.map(({ metadata }) => [metadata.key, metadata])),
        functions: Object.fromEntries(functions.map(({ key, metadata }) => [key, metadata])),
      },
    }
  }

  #isChosen(relation: CatalogRelation): boolean {
    const { include, exclude, partitions } = this.#options
    if (relation.isPartition && !partitions) return false
    if (include.length > 0 && !include.some((pattern) => matches(pattern, relation))) return false
    if (exclude.some((pattern) => matches(pattern, relation))) return false
    if (!relation.name.includes('.') && !relation.schema.includes('.')) return true
    this.#notes.add(`left out, because Kysely reads a dot in a name as a schema's: ${relation.schema}.${relation.name}`)
    return false
  }

  #key({ schema, name }: CatalogRelation): string {
    const table = this.#name(name, schema)
    return this.#options.defaultSchemas.includes(schema) ? table : `${this.#name(schema, schema)}.${table}`
  }

  #name(name: string, where: string): string {
    if (!this.#names.isReached(name))
      this.#notes.add(`CamelCasePlugin does not find ${name} of ${where} again: rename it, or alias it in a view`)
    return this.#names.toKey(name)
  }

  #isNotNull(column: CatalogColumn): boolean {
    return column.notNull || this.#types.resolve(column).notNull
  }

  /** Without relations: they need all tables. */
  #table(relation: CatalogRelation, typeName: string): TableModel {
    const { oid, kind, schema, name } = relation
    const isView = kind === 'v' || kind === 'm'
    // A foreign table's wrapper says what it takes; a materialized view takes nothing.
    const writable = kind === 'm' ? 0 : (relation.writable ?? updateBit | insertBit)
    const insertable = (writable & insertBit) !== 0
    const updatable = (writable & updateBit) !== 0
    const columns = relation.columns.map((column) => this.#column(relation, column, { isView, insertable, updatable }))
    const keyOf = new Map(columns.map((column) => [column.metadata.name, column.key]))
    const toKeys = (names: readonly string[]) => names.map((column) => keyOf.get(column) ?? column)
    const constraints = this.#catalog.constraints.filter((constraint) => constraint.relation === oid)
    const checks = constraints.filter(isCheck)
    const policies = this.#catalog.policies.filter((policy) => policy.relation === oid)
    const parents = relation.isPartition
      ? []
      : (relation.parents ?? []).flatMap((parent) => this.#relations.get(parent) ?? [])
    const metadata: TableMetadata = {
      key: this.#key(relation),
      schema,
      name,
      kind: kinds[kind],
      ...(relation.comment === null ? {} : { comment: relation.comment }),
      columns: Object.fromEntries(columns.map((column) => [column.key, column.metadata])),
      ...keysOf(oid, this.#catalog, this.#relations, toKeys, (column) => this.#names.toKey(column)),
      relations: {},
      checks: checks.map((check) => ({
        name: check.name,
        expression: check.expression,
        columns: toKeys(check.columns),
      })),
      rowSecurity: relation.forced && relation.rowSecurity ? 'forced' : relation.rowSecurity ? 'on' : 'off',
      policies: policies.map(({ relation: _, ...policy }) => policy),
      ...(relation.partitionKey === null
        ? {}
        : { partitions: { key: relation.partitionKey, tables: this.#partitionsOf(oid) } }),
      ...(parents.length === 0
        ? {}
        : { inherits: parents.map((parent) => ({ schema: parent.schema, name: parent.name })) }),
    }
    const enforced = checks.filter((check) => check.enforced)
    return { typeName, metadata, columns, insertable, updatable, checks: enforced }
  }

  #partitionsOf(oid: string) {
    return this.#catalog.relations
      .filter((relation) => relation.isPartition && relation.parents?.includes(oid) === true)
      .map(({ schema, name, bound }) => ({ schema, name, bound: bound ?? 'DEFAULT' }))
  }

  #column(
    relation: CatalogRelation,
    column: CatalogColumn,
    table: { readonly isView: boolean; readonly insertable: boolean; readonly updatable: boolean },
  ): ColumnModel {
    const use = this.#types.resolve(column)
    const view = table.isView ? this.#views.column(relation.oid, column.number) : undefined
    const nullable = view === undefined ? !this.#isNotNull(column) : !view.notNull
    // Through a view a row is written into the table beneath, so its column decides what must be given.
    const written = view?.base?.column ?? column
    const fixed = written.identity === 'a' || written.generated !== ''
    // A trigger instead of INSERT takes any column, and pg_column_is_updatable tells only of UPDATE.
    const takes = relation.insteadOfInsert === true || column.writable !== false
    const insertable = table.insertable && (relation.insteadOfInsert === true || !fixed) && takes
    const updatable = table.updatable && !fixed && column.writable !== false
    const ownDefault = column.default ?? written.default ?? this.#types.resolve(written).default ?? undefined
    const optional = insertable && (ownDefault !== undefined || written.identity === 'd')
    const comment = column.comment ?? undefined
    const json =
      this.#json.of(relation, column, use) ??
      (view?.base === undefined ? undefined : this.#json.of(view.base.relation, view.base.column, use))
    const limits = use.element === undefined && use.base.name === 'numeric' ? numericLimits(use.typmod) : {}
    const length = use.element === undefined ? maxLength({ type: use.base, typmod: use.typmod }) : undefined
    const metadata: ColumnMetadata = {
      name: column.name,
      type: column.sqlType,
      typeName: use.typeName,
      ...this.#baseOf(use),
      ...(use.element === undefined ? {} : { array: true }),
      ...rangeOf(use.base),
      ...(use.element !== undefined || use.base.operators === undefined ? {} : { operators: use.base.operators }),
      ...(nullable ? { nullable } : {}),
      ...(optional ? { optional: true } : {}),
      ...(insertable ? {} : { insertable }),
      ...(updatable ? {} : { updatable }),
      ...(ownDefault === undefined || fixed ? {} : { default: ownDefault }),
      ...(column.identity === '' ? {} : { identity: column.identity === 'a' ? 'always' : 'by default' }),
      ...(column.generated === '' ? {} : { generated: column.generated === 's' ? 'stored' : 'virtual' }),
      ...(column.generation === null ? {} : { expression: column.generation }),
      ...(length === undefined ? {} : { maxLength: length }),
      ...limits,
      ...(comment === undefined ? {} : { comment }),
      ...(view?.base === undefined
        ? {}
        : {
            base: {
              schema: view.base.relation.schema,
              table: view.base.relation.name,
              column: view.base.column.name,
            },
          }),
    }
    return {
      key: this.#name(column.name, `${relation.schema}.${relation.name}`),
      metadata,
      shape: json ?? use.shape,
      use,
      deterministic: column.deterministic,
    }
  }

  #baseOf(use: TypeUse): { readonly baseTypeName?: string } {
    const { schema, name } = (use.element ?? use).base
    const base = `${schema}.${name}`
    return base === use.typeName ? {} : { baseTypeName: base }
  }

  #assertDistinct(tables: readonly TableModel[]): void {
    const assert = (what: string, keys: readonly (readonly [key: string, name: string])[]) => {
      const seen = new Map<string, string>()
      for (const [key, name] of keys) {
        const other = seen.get(key)
        if (other !== undefined)
          throw new TenonError({
            code: 'CODEGEN_SCHEMA',
            message: `${what} ${other} and ${name} are both ${key} in generated code`,
            hint: 'Rename one of them, exclude one, or generate without camelCase or with fewer defaultSchemas.',
          })
        seen.set(key, name)
      }
    }
    assert(
      'tables',
      tables.map(({ metadata: { key, schema, name } }) => [key, `${schema}.${name}`] as const),
    )
    for (const { columns, metadata } of tables)
      assert(
        `columns of ${metadata.name}:`,
        columns.map((column) => [column.key, column.metadata.name] as const),
      )
  }
}

/** The names of the server's own ranges say what they are. */
function rangeOf({ schema, kind }: CatalogType): Pick<ColumnMetadata, 'range'> {
  if (schema === 'pg_catalog' || (kind !== 'r' && kind !== 'm')) return {}
  return { range: kind === 'r' ? 'range' : 'multirange' }
}

function isCheck(constraint: CatalogConstraint): constraint is CatalogConstraint & { readonly expression: string } {
  return constraint.kind === 'c' && constraint.expression !== undefined
}

/** `*` stands for any characters; a pattern without a dot is about the name alone. */
function matches(pattern: string, { schema, name }: CatalogRelation): boolean {
  const text = pattern.includes('.') ? `${schema}.${name}` : name
  const source = pattern.split('*').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${source.join('.*')}$`, 's').test(text)
}
