/**
 * How values of types beyond the plain ones are read: the contract between the folders that know such a type and the database object.
 *
 * Owns the shape and the names alone. Values that go to the server write themselves, with `toPostgres()`.
 */

/** Codecs of tenon/codecs and tenon/geo by their names: those that code can be generated for. */
export const codecNames = ['composite', 'geo', 'geometric', 'hstore', 'range', 'vector'] as const

export type CodecName = (typeof codecNames)[number]

/** A type as the catalog of the connected database has it. */
export interface CodecType {
  readonly oid: number
  readonly schema: string
  readonly name: string
  readonly kind: 'base' | 'composite' | 'range' | 'multirange'
  /** The extension that it belongs to. */
  readonly extension?: string
  /** Of a range or multirange: the type of its bounds, beneath every domain. */
  readonly subtype?: number
  /** Of a composite: its attributes, in order, with types beneath every domain; of an array the type of its elements too. */
  readonly attributes?: readonly { readonly name: string; readonly type: number; readonly element?: number }[]
}

/** Turns the text form of a value into what the application gets. */
export type TextParser = (text: string) => unknown

/** One kind of types that `createDatabase({ codecs })` reads. */
export interface Codec {
  /** Its name in messages, and in the option `codecs` of the code generator. */
  readonly name: string
  /**
   * The parser of a type; undefined when it is not this codec's. One of a composite throws where the text has other attributes than the
   * type: it may have been changed, and is asked for again.
   *
   * @param parserOf - of another type, such as that of the bounds of a range
   */
  parserOf(type: CodecType, parserOf: (oid: number) => TextParser): TextParser | undefined
}
