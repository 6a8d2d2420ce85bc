/**
 * Types that codecs of tenon/codecs and tenon/geo read, in generated code.
 *
 * zod.ts knows their values by their tag or how they are built, so that it needs nothing of this package when it runs.
 */
import type { CodecName } from '../kernel/codec.ts'
import type { CatalogType } from './catalog.ts'
import { toPropertyKey } from './names.ts'
import type { Shape } from './type-shapes.ts'

const modules = {
  'tenon/codecs': [
    'Box',
    'Circle',
    'Composite',
    'Hstore',
    'Line',
    'LineSegment',
    'Multirange',
    'Path',
    'Point',
    'Polygon',
    'Range',
    'SparseVector',
    'Vector',
  ],
  'tenon/geo': [
    'BoundingBox',
    'GeographyColumn',
    'GeographyOfColumn',
    'GeometryColumn',
    'GeometryOfColumn',
    'GeometryType',
    'GeometryValue',
  ],
} as const

/** Types that generated files import from this package. */
export const codecTypeNames: readonly string[] = Object.values(modules).flat()

/** The imports of those that a file uses; '' for none. */
export function codecImport(codecs: readonly string[] | undefined, used: ReadonlySet<string>): string {
  if (codecs === undefined) return ''
  // Without the codec these two are generated.
  const isOwn = (name: string) => !codecs.includes('geometric') && (name === 'Point' || name === 'Circle')
  return Object.entries(modules)
    .map(([module, all]) => [module, all.filter((name) => used.has(name) && !isOwn(name))] as const)
    .filter(([, names]) => names.length > 0)
    .map(([module, names]) => `import type { ${names.join(', ')} } from "${module}";\n`)
    .join('')
}

const geometric: Readonly<Record<string, string>> = {
  point: 'Point',
  line: 'Line',
  lseg: 'LineSegment',
  box: 'Box',
  path: 'Path',
  polygon: 'Polygon',
  circle: 'Circle',
}
const vectors: Readonly<Record<string, string>> = { vector: 'Vector', halfvec: 'Vector', sparsevec: 'SparseVector' }

/** Shape of a type that a chosen codec reads; undefined when none does. */
export function codecShape(
  type: CatalogType,
  typmod: number,
  plain: Shape,
  codecs: readonly CodecName[],
  resolve: (oid: { readonly type: string }) => Shape,
): Shape | undefined {
  const { kind, schema, name, extension, attributes, subtype } = type
  if (extension === 'postgis') return codecs.includes('geo') ? geoShape(name, typmod, plain) : undefined
  if ((kind === 'r' || kind === 'm') && subtype !== undefined)
    return codecs.includes('range') ? rangeShape(kind, resolve({ type: subtype })) : undefined
  if (kind === 'c') {
    // What the codec leaves as text: an attribute of that name is where the value writes itself.
    const isRead = attributes !== undefined && !attributes.some((attribute) => attribute.name === 'toPostgres')
    return isRead && codecs.includes('composite') ? compositeShape(attributes, plain, resolve) : undefined
  }
  const shape = schema === 'pg_catalog' && codecs.includes('geometric') ? geometric[name] : undefined
  if (shape !== undefined) {
    const input = ['point', 'circle'].includes(name) ? plain.input : `z.union([text(), codec<${shape}>("${shape}")])`
    return written(shape, `codec<${shape}>("${shape}")`, input, plain.json)
  }
  if (extension === 'hstore' && name === 'hstore' && codecs.includes('hstore')) return taggedShape('Hstore', plain)
  const vector = extension === 'vector' && codecs.includes('vector') ? vectors[name] : undefined
  return vector === undefined ? undefined : taggedShape(vector, plain)
}

/** By their numbers in PostGIS' type modifiers; 0 is any. */
const geometryTypes = [
  undefined,
  'Point',
  'LineString',
  'Polygon',
  'MultiPoint',
  'MultiLineString',
  'MultiPolygon',
  'GeometryCollection',
]

/** Of a geometry or geography; a modifier holds type and SRID as PostGIS packs them, with flags for Z and M in the lowest bits. */
function geoShape(name: string, typmod: number, plain: Shape): Shape | undefined {
  if (name === 'box2d')
    return {
      ...plain,
      select: 'BoundingBox',
      row: 'z.custom<BoundingBox>((value) => Array.isArray(value) && value.length === 4)',
    }
  if (name !== 'geometry' && name !== 'geography') return undefined
  const type = typmod < 0 ? undefined : geometryTypes[(typmod & 0xfc) >> 2]
  const srid = typmod < 0 ? 0 : ((typmod & 0x0fffff00) - (typmod & 0x10000000)) >> 8
  const kind = type === undefined ? 'GeometryType' : JSON.stringify(type)
  const number = srid === 0 ? 'number' : String(srid)
  const isGeography = name === 'geography'
  const value = isGeography ? `GeometryValue<${kind}>` : `GeometryValue<${kind}, ${number}>`
  const select = isGeography ? `GeographyOfColumn<${kind}>` : `GeometryOfColumn<${kind}, ${number}>`
  return {
    select,
    insert: value,
    alias: isGeography ? `GeographyColumn<${kind}>` : `GeometryColumn<${kind}, ${number}>`,
    row: `geometry<${select}>()`,
    input: `geometry<${value}>()`,
    json: 'z.unknown()',
  }
}

function written(select: string, row: string, input: string, json: string): Shape {
  return { select, insert: `${select} | string`, row, input, json }
}

function taggedShape(name: string, plain: Shape): Shape {
  return written(name, `codec<${name}>("${name}")`, `z.union([text(), codec<${name}>("${name}")])`, plain.json)
}

function rangeShape(kind: 'r' | 'm', bound: Shape): Shape {
  const name = kind === 'r' ? 'Range' : 'Multirange'
  const insert = `${name}<${either(bound)}>`
  return {
    select: `${name}<${bound.select}>`,
    insert: `${insert} | string`,
    row: `${kind === 'r' ? 'range' : 'multirange'}<${bound.select}>(${bound.row})`,
    input: `z.union([text(), codec<${insert}>("${name}")])`,
    json: 'z.string()',
  }
}

function compositeShape(
  attributes: NonNullable<CatalogType['attributes']>,
  plain: Shape,
  resolve: (attribute: { readonly type: string }) => Shape,
): Shape {
  const fields = attributes.map((attribute) => ({ key: toPropertyKey(attribute.name), shape: resolve(attribute) }))
  const typeOf = (of: (shape: Shape) => string) =>
    `Composite<{ ${fields.map(({ key, shape }) => `${key}: ${of(shape)} | null`).join('; ')} }>`
  const select = typeOf((shape) => shape.select)
  const insert = typeOf(either)
  const row = fields.map(({ key, shape }) => `${key}: ${shape.row}.nullable()`).join(', ')
  return {
    select,
    insert: `${insert} | string`,
    row: `composite<${select}>({ ${row} })`,
    input: `z.union([text(), codec<${insert}>("Composite")])`,
    json: plain.json,
  }
}

/** What was read can be written again. */
function either({ select, insert }: Shape): string {
  return insert.split(' | ').includes(select) ? insert : `${select} | ${insert}`
}
