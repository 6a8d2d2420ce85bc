/**
 * What a generated table says of its rows: types only.
 *
 * Types are read off the table one step at a time, so that a query costs the compiler what it asks for and not what the schema holds.
 */
import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Multirange, Range } from '../codecs/index.ts'
import type { JsonFilter, JsonPatch } from '../jsonb/index.ts'
import type { TableMetadata } from '../kernel/metadata.ts'

/** Any generated table: `tables.projects`. */
export interface AnyTable extends TableMetadata {
  readonly tables: () => object
  readonly types?:
    | { readonly table: unknown; readonly uniqueKey: readonly string[]; readonly relations: object }
    | undefined
}

type TypesOf<T extends AnyTable> = NonNullable<T['types']>
export type ColumnsOf<T extends AnyTable> = TypesOf<T>['table']

/** A row as a query returns it. */
export type RowOf<T extends AnyTable> = Selectable<ColumnsOf<T>>

/** Keys of a row. */
export type ColumnOf<T extends AnyTable> = keyof RowOf<T> & string

/** json columns take arrays too: they are written as JSON. */
type WithArrays<Written, Read> = {
  [Key in keyof Written]: Written[Key] | (Key extends keyof Read ? Extract<Read[Key], readonly unknown[]> : never)
}

/** What INSERT takes. */
export type InsertOf<T extends AnyTable> = WithArrays<Insertable<ColumnsOf<T>>, RowOf<T>>

/** A row to insert, with the rows that belong to it under the names of their relations. */
export type TreeOf<T extends AnyTable, Owned extends PropertyKey = never> = Omit<InsertOf<T>, Owned> & {
  readonly [Name in NestableOf<RelationsOf<T>>]?: NestedOf<RelationsOf<T>[Name]>
}

type NestableOf<Relations> = {
  [Name in keyof Relations]: Relations[Name] extends { readonly none: unknown }
    ? [OwnedOf<Relations[Name]>] extends [never]
      ? never
      : Name
    : Name
}[keyof Relations]

type NestedOf<Relation> = Relation extends { readonly none: unknown }
  ? TreeOf<TargetOf<Relation>, OwnedOf<Relation>>
  : readonly TreeOf<TargetOf<Relation>, OwnedOf<Relation>>[]

type OwnedOf<Relation> = Relation extends { readonly owned: infer Owned extends string } ? Owned : never

/** What UPDATE takes: a json column takes a patch too. */
export type UpdateOf<T extends AnyTable> = {
  [Key in keyof WithArrays<Updateable<ColumnsOf<T>>, RowOf<T>>]:
    | WithArrays<Updateable<ColumnsOf<T>>, RowOf<T>>[Key]
    | (Key extends keyof RowOf<T> ? PatchOf<NonNullable<RowOf<T>[Key]>> : never)
}

type PatchOf<Value> = Value extends Scalar ? never : JsonPatch<Value>

type Pairs<T extends AnyTable, Columns extends readonly string[]> = {
  readonly [Column in Columns[number]]: Column extends keyof RowOf<T> ? NonNullable<RowOf<T>[Column]> : never
}

/** What one row is found by: the value of a primary key of one column, or the columns of the primary or a unique key. */
export type KeyOf<T extends AnyTable> =
  | (T['primaryKey'] extends readonly [infer Only extends string]
      ? Only extends keyof RowOf<T>
        ? Extract<NonNullable<RowOf<T>[Only]>, Scalar>
        : never
      : never)
  | (T['primaryKey'] extends readonly [] ? never : Pairs<T, T['primaryKey']>)
  | (TypesOf<T>['uniqueKey'] extends infer Unique
      ? Unique extends readonly string[]
        ? Pairs<T, Unique>
        : never
      : never)

/** Columns of a key that something can conflict on. */
export type ConflictOf<T extends AnyTable> = T['primaryKey'] | TypesOf<T>['uniqueKey']

type Scalar =
  | string
  | number
  | bigint
  | boolean
  | Date
  | Uint8Array
  | { toPostgres(): string }
  | { readonly x: number; readonly y: number }

/** Conditions on a value that has an order. `ne` and `notIn` also match null. */
export interface ScalarConditions<Value> {
  readonly eq?: Value | null
  readonly ne?: Value | null
  readonly in?: readonly (Value | null)[]
  readonly notIn?: readonly (Value | null)[]
  readonly gt?: Value
  readonly gte?: Value
  readonly lt?: Value
  readonly lte?: Value
  /** Both included. */
  readonly between?: readonly [Value, Value]
  readonly isNull?: boolean
}

/** Conditions on text, and on types that come as text: ranges and tsvector. */
export interface TextConditions<Value> extends ScalarConditions<Value> {
  readonly like?: string
  readonly ilike?: string
  readonly startsWith?: string
  /** tsvector: words as a person types them, `websearch_to_tsquery`. */
  readonly matches?: string | { readonly query: string; readonly config: string }
  /** Ranges: `@>` of a range as text, or of a value where the range is one of PostgreSQL's own. */
  readonly contains?: string
  /** Ranges: `<@` */
  readonly containedBy?: string
  /** Ranges: `&&` */
  readonly overlaps?: string
  /** Ranges: `-|-` */
  readonly adjacent?: string
}

/** Conditions on ranges and multiranges as values of tenon/codecs; a text is one as PostgreSQL writes it. */
export interface RangeConditions<Value, Bound> extends ScalarConditions<Value | string> {
  /** `@>`: all of a range, or a value. */
  readonly contains?: Range<Bound> | Multirange<Bound> | Bound | string
  /** `<@` */
  readonly containedBy?: Range<Bound> | Multirange<Bound> | string
  /** `&&` */
  readonly overlaps?: Range<Bound> | Multirange<Bound> | string
  /** `-|-` */
  readonly adjacent?: Range<Bound> | Multirange<Bound> | string
}

/** Conditions on arrays. */
export interface ArrayConditions<Item, Value> {
  readonly eq?: Value | null
  readonly ne?: Value | null
  readonly has?: Item
  readonly hasAny?: readonly Item[]
  readonly hasAll?: readonly Item[]
  readonly containedBy?: readonly Item[]
  readonly isEmpty?: boolean
  readonly isNull?: boolean
}

type ConditionOf<Value> = [Value] extends [Range<infer Bound> | Multirange<infer Bound>]
  ? Value | string | RangeConditions<Value, Bound>
  : [Value] extends [Scalar]
    ? Value | ([Value] extends [string] ? TextConditions<Value> : ScalarConditions<Value>)
    : [Value] extends [readonly (infer Item)[]]
      ? Value | ArrayConditions<Item, Value> | JsonFilter<Value>
      : JsonFilter<Value>

/** A filter: a value is equality, null is null, an object of conditions asks for more; of a json column a filter of its document. */
export type Where<T extends AnyTable> = {
  readonly [Column in ColumnOf<T>]?:
    | ConditionOf<NonNullable<RowOf<T>[Column]>>
    | (null extends RowOf<T>[Column] ? null : never)
} & {
  /** All of these. */
  readonly and?: readonly Where<T>[]
  /** Any of these; of none, nothing. */
  readonly or?: readonly Where<T>[]
  readonly not?: Where<T>
} & {
  readonly [Name in keyof RelationsOf<T>]?: RelationCondition<RelationsOf<T>[Name]>
}

/** A condition on related rows: a filter of the one there is (null: there is none), or what some, every or none of many fulfil. */
type RelationCondition<Relation> = Relation extends { readonly none: infer None }
  ? Where<TargetOf<Relation>> | None
  : {
      readonly some?: Where<TargetOf<Relation>>
      readonly every?: Where<TargetOf<Relation>>
      readonly none?: Where<TargetOf<Relation>>
    }

/** A direction, with where nulls stand: PostgreSQL's default is last when ascending and first when descending. */
export type Direction = 'asc' | 'desc' | { readonly direction?: 'asc' | 'desc'; readonly nulls?: 'first' | 'last' }

/** An order: columns in the order of the object, or of the list. */
export type OrderBy<T extends AnyTable> = OrderTerm<T> | readonly OrderTerm<T>[]
type OrderTerm<T extends AnyTable> = { readonly [Column in ColumnOf<T>]?: Direction }

type RelationsOf<T extends AnyTable> = TypesOf<T>['relations']
type TargetOf<Relation> = Relation extends { readonly table: infer Table extends AnyTable } ? Table : never

/** Relations to load, by name. */
export type Load<T extends AnyTable> = {
  readonly [Name in keyof RelationsOf<T>]?: true | LoadOptions<TargetOf<RelationsOf<T>[Name]>>
}

/** How a relation is loaded. */
export interface LoadOptions<T extends AnyTable> {
  readonly select?: readonly ColumnOf<T>[]
  readonly load?: Load<T>
  readonly where?: Where<T>
  readonly orderBy?: OrderBy<T>
  /** Rows per parent. */
  readonly limit?: number
}

type Picked<T extends AnyTable, Select> = Select extends readonly (infer Column extends ColumnOf<T>)[]
  ? Pick<RowOf<T>, Column>
  : RowOf<T>

/**
 * A row with what was chosen and loaded.
 *
 * Spelt out, because an alias of an alias has no name in declarations that the compiler writes: they would follow relations without end.
 */
export type Result<T extends AnyTable, Select, Loaded> = {
  [Key in keyof (Picked<T, Select> & LoadedOf<T, Loaded>)]: (Picked<T, Select> & LoadedOf<T, Loaded>)[Key]
}

type LoadedOf<T extends AnyTable, Loaded> = {
  [Name in keyof Loaded & keyof RelationsOf<T>]: Related<RelationsOf<T>[Name], Loaded[Name]>
}

type Related<Relation, Options> = Relation extends { readonly none: infer None }
  ? ResultOf<TargetOf<Relation>, Options> | None | (Options extends { readonly where: object } ? null : never)
  : ResultOf<TargetOf<Relation>, Options>[]

type ResultOf<T extends AnyTable, Options> = Result<
  T,
  Options extends { readonly select: infer Select } ? Select : undefined,
  Options extends { readonly load: infer Loaded } ? Loaded : object
>
