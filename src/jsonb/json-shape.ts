/**
 * What a path into a typed document leads to, and what may be asked of it: types only.
 *
 * Null and undefined are looked through: a path below a missing value is a missing value.
 */

/** Values that JSON has no parts of. */
export type JsonScalar = string | number | boolean

type Items = readonly unknown[]

/** Keys of a document: names of an object, positions of an array. */
export type JsonKey<T> = T extends JsonScalar | null | undefined
  ? never
  : T extends Items
    ? number
    : Extract<keyof T, string>

/** What is at a key. */
export type JsonAt<T, Key> = T extends JsonScalar | null | undefined
  ? never
  : T extends readonly (infer Item)[]
    ? Item
    : Key extends keyof T
      ? Exclude<T[Key], undefined>
      : never

/** Items of an array. */
export type JsonItem<T> = T extends readonly (infer Item)[] ? Item : never

/** Everything but what stands for nothing. */
export type JsonPresent<T> = Exclude<T, null | undefined>

type ObjectPart<T> = Exclude<T, JsonScalar | Items | null | undefined>
type ScalarPart<T> = Extract<T, JsonScalar>
type ItemsPart<T> = Extract<T, Items>

/** Conditions on anything. */
export interface JsonConditionsOfAny<T> {
  readonly eq?: T | null
  /** Also when there is nothing at the path. */
  readonly ne?: T | null
  readonly in?: readonly (T | null)[]
  /** Also when there is nothing at the path. */
  readonly notIn?: readonly (T | null)[]
  /** Whether the path leads to something, JSON null included. */
  readonly exists?: boolean
  /** Whether there is nothing or JSON null. */
  readonly isNull?: boolean
  readonly type?: JsonTypeName
}

/** What jsonb_typeof gives. */
export type JsonTypeName = 'array' | 'boolean' | 'null' | 'number' | 'object' | 'string'

/** Conditions on numbers and strings: what is of another type than the operand does not match. */
export interface JsonConditionsOfScalar<T> extends JsonConditionsOfAny<T> {
  readonly gt?: T
  readonly gte?: T
  readonly lt?: T
  readonly lte?: T
  readonly startsWith?: Extract<T, string>
  /** A pattern of LIKE. */
  readonly like?: Extract<T, string>
  readonly ilike?: Extract<T, string>
}

/** Conditions on arrays. */
export interface JsonConditionsOfArray<T extends Items> extends JsonConditionsOfAny<T> {
  /** The array has an item that is this; an object as item may have more keys. */
  readonly has?: JsonItem<T>
  readonly hasAny?: readonly JsonItem<T>[]
  readonly hasAll?: readonly JsonItem<T>[]
  /** At least one item fits the filter. */
  readonly some?: JsonFilter<JsonItem<T>>
  readonly containedBy?: T
}

/** Conditions on whole objects. */
export interface JsonConditionsOfObject<T> extends JsonConditionsOfAny<T> {
  /** It has all of this, and may have more. */
  readonly contains?: JsonPartial<T>
  readonly containedBy?: T
  readonly hasKey?: string
  readonly hasAnyKey?: readonly string[]
  readonly hasAllKeys?: readonly string[]
}

/** Part of a document. */
export type JsonPartial<T> = T extends JsonScalar | Items | null | undefined
  ? T
  : { readonly [Key in keyof T]?: JsonPartial<T[Key]> }

/**
 * A filter on a document: a value is equality, an object goes to its keys, an object of conditions asks for more than equality.
 *
 * A document whose own key is called like a condition (`gt`, `in`, …) is asked with `json(…).at('gt')`.
 *
 * @example
 * ```ts
 * const filter: JsonFilter<Metadata> = { tags: { has: 'important' }, priority: { gt: 3 }, owner: { name: 'Ada' } }
 * ```
 */
export type JsonFilter<T> =
  | ([ScalarPart<T>] extends [never] ? never : ScalarPart<T> | JsonConditionsOfScalar<ScalarPart<T>>)
  | ([ItemsPart<T>] extends [never] ? never : ItemsPart<T> | JsonConditionsOfArray<ItemsPart<T>>)
  | ([ObjectPart<T>] extends [never]
      ? never
      :
          | { readonly [Key in keyof ObjectPart<T>]?: JsonFilter<ObjectPart<T>[Key]> }
          | JsonConditionsOfObject<ObjectPart<T>>)
  | (Extract<T, null | undefined> extends never ? never : null)
