/** Which types are ranges, and how their bounds are read. */
import type { Codec } from '../kernel/codec.ts'
import { Multirange } from './multirange.ts'
import { Range } from './range.ts'

/**
 * Reads ranges and multiranges, built in and of your own, as {@link Range} and {@link Multirange}; bounds by the parser of their type.
 *
 * @example
 * ```ts
 * const db = createDatabase({ connection, metadata, codecs: [rangeCodec] })
 * ```
 */
export const rangeCodec: Codec = {
  name: 'range',
  parserOf: ({ kind, subtype }, parserOf) => {
    if (subtype === undefined || (kind !== 'range' && kind !== 'multirange')) return undefined
    const bound = parserOf(subtype)
    return kind === 'range' ? (text) => Range.parse(text, bound) : (text) => Multirange.parse(text, bound)
  },
}
