/** What the type of a value says: its type of geometry, its SRID, whether it can be null. */
import type { Geometry, GeometryType, sridKey } from './geojson.ts'

/** `'Point' | 'Polygon'` of a geometry that is one of them. */
export type TypeOf<Value> =
  NonNullable<Value> extends { readonly type: infer Type } ? Extract<Type, GeometryType> : never

/** The SRID; `number` where it is not known. */
export type SridOf<Value> =
  NonNullable<Value> extends Geometry<GeometryType, 4326>
    ? 4326
    : NonNullable<Value> extends { readonly [sridKey]: infer S extends number }
      ? S
      : number

/** `null` of a value that can be null, else `never`. */
export type NullOf<Value> = Extract<Value, null>
