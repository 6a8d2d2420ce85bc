/** tenon/codecs: values of PostgreSQL's richer types, how they are read and written, and their operators. */
import type { Codec } from '../kernel/codec.ts'
import { compositeCodec } from './composite.ts'
import { geometricCodec } from './geometric.ts'
import { hstoreCodec } from './hstore.ts'
import { rangeCodec } from './range-codec.ts'
import { vectorCodec } from './vector.ts'

export type { Codec, CodecType, TextParser } from '../kernel/codec.ts'
export { type ArrayReference, array } from './array-reference.ts'
export {
  type Composite,
  type CompositeAttribute,
  type CompositeValue,
  composite,
  compositeCodec,
  isComposite,
} from './composite.ts'
export {
  Box,
  Circle,
  type GeometricValue,
  geometricCodec,
  Line,
  LineSegment,
  Path,
  Point,
  Polygon,
} from './geometric.ts'
export { type GeometricReference, geometric } from './geometric-reference.ts'
export { Hstore, hstoreCodec } from './hstore.ts'
export { type HstoreReference, hstore } from './hstore-reference.ts'
export { type LtreeReference, ltree } from './ltree-reference.ts'
export { isMultirange, Multirange } from './multirange.ts'
export { type NetworkReference, network } from './network-reference.ts'
export { isRange, Range, type RangeBounds } from './range.ts'
export { rangeCodec } from './range-codec.ts'
export { type BoundOf, multirange, type RangeReference, range, rangeOrValue } from './range-reference.ts'
export type { Prepare } from './value-text.ts'
export { SparseVector, Vector, vectorCodec } from './vector.ts'
export { type VectorReference, vector } from './vector-reference.ts'

/**
 * Every codec of this folder, for `createDatabase({ codecs: allCodecs })` and code generated with all of them.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: allCodecs })
 * ```
 */
export const allCodecs: readonly Codec[] = [compositeCodec, geometricCodec, hstoreCodec, rangeCodec, vectorCodec]
