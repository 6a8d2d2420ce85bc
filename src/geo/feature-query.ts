/**
 * What feature collections and tiles have in common: a query whose rows become features.
 *
 * Owns the types of its columns and how its properties are put together. Properties are named one by one: what is sent to browsers is not
 * whatever a query happens to select.
 */
import { ColumnNode, type Compilable, type Expression, ReferenceNode } from 'kysely'
import { jsonObject } from '../jsonb/index.ts'
import { TenonError } from '../kernel/errors.ts'
import { expressionOf, type Sql } from '../kernel/expressions.ts'
import type { Geometry, GeometryType } from './geojson.ts'

/** A query that was not run, such as `me.selectFrom(…).select(…)`. */
export interface FeatureQuery<Row> extends Expression<Row>, Compilable<Row> {}

/** Columns of a row that hold a geometry. */
export type GeometryKey<Row> = {
  [Key in keyof Row]-?: NonNullable<Row[Key]> extends Geometry<GeometryType, number> ? Key : never
}[keyof Row] &
  string

/** Columns of a row that can be a feature's id. */
export type IdKey<Row> = {
  [Key in keyof Row]-?: Row[Key] extends string | number | bigint ? Key : never
}[keyof Row] &
  string

/** A column of the query, by the name that it has in `DB`. */
export function columnNode(name: string): Sql {
  return ReferenceNode.create(ColumnNode.create(name))
}

/** `jsonb_build_object` of columns under the names that were given, whatever plugins call the columns. */
export function propertiesNode(names: readonly string[]): Sql {
  if (!Array.isArray(names) || names.some((name) => typeof name !== 'string'))
    throw new TenonError({
      code: 'OPTION_INVALID',
      message: 'properties is no list of columns of the query',
      hint: 'Name the columns that become properties; [] for none.',
    })
  return jsonObject(Object.fromEntries(names.map((name) => [name, expressionOf(columnNode(name))]))).toOperationNode()
}
