import {
  Box,
  Circle,
  Hstore,
  isComposite,
  isMultirange,
  isRange,
  Line,
  LineSegment,
  Path,
  Point,
  Polygon,
} from '../../src/codecs/index.ts'

/**
 * Every column type that generated code has to be right about: how it is declared, values that a query takes, and how each looks in a row,
 * for the default choices.
 */
export interface ColumnCase {
  /** Name of the column. */
  readonly name: string
  readonly sql: string
  /** Given to INSERT. */
  readonly value: unknown
  /** What a row then has; default: the same. A function tests it. */
  readonly row?: unknown
  /** Needs more than PGlite or a bare server has. */
  readonly extension?: 'postgis' | 'vector'
}

/** What the columns are made of. */
export const everyTypeSql = `
  create extension if not exists hstore;
  create extension if not exists citext;
  create extension if not exists ltree;
  create schema if not exists other;
  create type mood as enum ('sad', 'ok', 'happy, very');
  create type other.mood as enum ('other');
  create type pair as (a integer, b text);
  create type span as range (subtype = float8);
  create domain positive as integer check (value > 0);
  create domain email as citext;
  create domain moods as mood[];
  create domain rank as bigint;
`

const at = new Date('2024-02-29T12:34:56.789Z')
const day = new Date(2024, 1, 29)
const isInterval = (value: unknown) => typeof value === 'object' && value !== null && 'toPostgres' in value

export const everyType: readonly ColumnCase[] = [
  { name: 'a_bool', sql: 'boolean', value: true },
  { name: 'a_int2', sql: 'smallint', value: -32768 },
  { name: 'a_int4', sql: 'integer', value: 2147483647 },
  { name: 'a_int8', sql: 'bigint', value: 9007199254740993n, row: '9007199254740993' },
  { name: 'a_oid', sql: 'oid', value: 4294967295 },
  { name: 'a_numeric', sql: 'numeric', value: '12345678901234567890.12345', row: '12345678901234567890.12345' },
  { name: 'a_price', sql: 'numeric(8,2)', value: 1.5, row: '1.50' },
  { name: 'a_float4', sql: 'real', value: 1.5 },
  { name: 'a_float8', sql: 'double precision', value: Number.NaN },
  { name: 'a_money', sql: 'money', value: 12.5, row: '$12.50' },
  { name: 'a_text', sql: 'text', value: 'ünï "quoted" \\ \n' },
  { name: 'a_varchar', sql: 'varchar(5)', value: '😀😀😀😀😀' },
  { name: 'a_char', sql: 'char(4)', value: 'ab', row: 'ab  ' },
  { name: 'a_single', sql: '"char"', value: 'x' },
  { name: 'a_name', sql: 'name', value: 'n' },
  { name: 'a_citext', sql: 'citext', value: 'MiXed' },
  { name: 'a_uuid', sql: 'uuid', value: '00000000-0000-0000-0000-000000000000' },
  { name: 'a_bytea', sql: 'bytea', value: Buffer.from([0, 1, 255]) },
  { name: 'a_date', sql: 'date', value: '2024-02-29', row: day },
  { name: 'a_timestamp', sql: 'timestamp', value: '2024-02-29 00:00:00', row: day },
  { name: 'a_timestamptz', sql: 'timestamptz', value: at },
  { name: 'a_time', sql: 'time', value: '12:34:56' },
  { name: 'a_timetz', sql: 'timetz', value: '12:34:56+02' },
  { name: 'a_interval', sql: 'interval', value: '1 day 02:00:00', row: isInterval },
  { name: 'a_json', sql: 'json', value: { a: [1, null, 'x'] } },
  { name: 'a_jsonb', sql: 'jsonb', value: JSON.stringify([1, { b: true }]), row: [1, { b: true }] },
  { name: 'a_xml', sql: 'xml', value: '<a>1</a>' },
  { name: 'a_inet', sql: 'inet', value: '10.0.0.1/24' },
  { name: 'a_cidr', sql: 'cidr', value: '10.0.0.0/8' },
  { name: 'a_macaddr', sql: 'macaddr', value: '08:00:2b:01:02:03' },
  { name: 'a_macaddr8', sql: 'macaddr8', value: '08:00:2b:01:02:03:04:05' },
  { name: 'a_bit', sql: 'bit(3)', value: '101' },
  { name: 'a_varbit', sql: 'bit varying(5)', value: '10' },
  { name: 'a_tsvector', sql: 'tsvector', value: "'a':1 'b':2" },
  { name: 'a_tsquery', sql: 'tsquery', value: "'a' & 'b'" },
  { name: 'a_point', sql: 'point', value: '(1,2.5)', row: { x: 1, y: 2.5 } },
  { name: 'a_circle', sql: 'circle', value: '<(1,2),3>', row: { x: 1, y: 2, radius: 3 } },
  { name: 'a_line', sql: 'line', value: '{1,2,3}' },
  { name: 'a_lseg', sql: 'lseg', value: '[(1,2),(3,4)]' },
  { name: 'a_box', sql: 'box', value: '(3,4),(1,2)' },
  { name: 'a_path', sql: 'path', value: '((1,2),(3,4))' },
  { name: 'a_polygon', sql: 'polygon', value: '((1,2),(3,4),(5,6))' },
  { name: 'a_range', sql: 'int4range', value: '[1,5)' },
  {
    name: 'a_tstzrange',
    sql: 'tstzrange',
    value: '[2024-01-01 00:00:00+00,)',
    row: (text: unknown) => String(text).startsWith('["2024') || String(text).startsWith('["2023'),
  },
  { name: 'a_multirange', sql: 'int4multirange', value: '{[1,5),[7,9)}' },
  { name: 'a_span', sql: 'span', value: '[1.5,2]' },
  { name: 'a_hstore', sql: 'hstore', value: '"a"=>"1", "b"=>NULL' },
  { name: 'a_ltree', sql: 'ltree', value: 'top.sub' },
  { name: 'a_mood', sql: 'mood', value: 'happy, very' },
  { name: 'a_other_mood', sql: 'other.mood', value: 'other' },
  { name: 'a_pair', sql: 'pair', value: '(1,"a b")' },
  { name: 'a_positive', sql: 'positive', value: 1 },
  { name: 'a_email', sql: 'email', value: 'a@b' },
  { name: 'a_moods', sql: 'moods', value: ['sad', 'ok'] },
  { name: 'a_rank', sql: 'rank', value: 5, row: '5' },
  { name: 'a_pg_lsn', sql: 'pg_lsn', value: '16/B374D848' },
  { name: 'bool_array', sql: 'boolean[]', value: [true, false] },
  { name: 'int4_array', sql: 'integer[]', value: [1, -2] },
  { name: 'int8_array', sql: 'bigint[]', value: [1n, '9007199254740993'], row: ['1', '9007199254740993'] },
  { name: 'numeric_array', sql: 'numeric(6,2)[]', value: ['1.5', 2], row: ['1.50', '2.00'] },
  { name: 'float8_array', sql: 'float8[]', value: [1.5, -0.25] },
  { name: 'text_array', sql: 'text[]', value: ['a', '', 'NULL', 'b,c', '"', '\\', '{}', ' '] },
  { name: 'uuid_array', sql: 'uuid[]', value: ['00000000-0000-0000-0000-000000000001'] },
  { name: 'bytea_array', sql: 'bytea[]', value: [Buffer.from([1, 2])] },
  { name: 'timestamptz_array', sql: 'timestamptz[]', value: [at] },
  { name: 'jsonb_array', sql: 'jsonb[]', value: [{ a: 1 }, '"text"'], row: [{ a: 1 }, 'text'] },
  { name: 'mood_array', sql: 'mood[]', value: ['sad', 'happy, very'] },
  { name: 'positive_array', sql: 'positive[]', value: [1, 2] },
  { name: 'rank_array', sql: 'rank[]', value: [1n], row: ['1'] },
  { name: 'email_array', sql: 'email[]', value: ['a@b'] },
  { name: 'pair_array', sql: 'pair[]', value: ['(1,a)'] },
  { name: 'box_array', sql: 'box[]', value: '{(3,4),(1,2);(5,6),(1,1)}', row: ['(3,4),(1,2)', '(5,6),(1,1)'] },
  { name: 'point_array', sql: 'point[]', value: ['(1,2)'], row: [{ x: 1, y: 2 }] },
  { name: 'circle_array', sql: 'circle[]', value: ['<(1,2),3>'], row: [{ x: 1, y: 2, radius: 3 }] },
  {
    name: 'interval_array',
    sql: 'interval[]',
    value: ['1 day'],
    row: (value: unknown) => Array.isArray(value) && isInterval(value[0]),
  },
  { name: 'range_array', sql: 'int4range[]', value: ['[1,5)'] },
  { name: 'citext_array', sql: 'citext[]', value: ['A'] },
  { name: 'hstore_array', sql: 'hstore[]', value: ['"a"=>"1"'] },
  { name: 'xml_array', sql: 'xml[]', value: ['<a/>'] },
  { name: 'bit_array', sql: 'bit(2)[]', value: ['10'] },
  { name: 'inet_array', sql: 'inet[]', value: ['10.0.0.1'] },
  {
    name: 'a_geometry',
    sql: 'geometry',
    value: 'POINT(1 2)',
    row: '0101000000000000000000F03F0000000000000040',
    extension: 'postgis',
  },
  {
    name: 'a_geography',
    sql: 'geography(point)',
    value: 'POINT(1 2)',
    row: (text: unknown) => /^0101000020E6100000/.test(String(text)),
    extension: 'postgis',
  },
  { name: 'a_vector', sql: 'vector(3)', value: '[1,2,3]', extension: 'vector' },
]

/** A value as a TypeScript expression, for the compiler to hold against its declared type. */
export function toExpression(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'number')
    return Object.is(value, -0)
      ? '-0'
      : Number.isFinite(value)
        ? String(value)
        : `Number.${Number.isNaN(value) ? 'NaN' : value > 0 ? 'POSITIVE_INFINITY' : 'NEGATIVE_INFINITY'}`
  if (value instanceof Date) return `new Date(${value.getTime()})`
  if (value instanceof Uint8Array) return `Buffer.from(${JSON.stringify(Buffer.from(value).toString('hex'))}, "hex")`
  if (Array.isArray(value)) return `[${value.map(toExpression).join(', ')}]`
  const coded = codedExpression(value)
  if (coded !== undefined) return coded
  const methods = isInterval(value) ? ['toPostgres', 'toISO', 'toISOString'].map((name) => `${name}: () => ""`) : []
  const fields = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${toExpression(item)}`)
  return `{ ${[...fields, ...methods].join(', ')} }`
}

/** A value of tenon/codecs, as what makes it. */
function codedExpression(value: object): string | undefined {
  const arguments_ = (...values: readonly unknown[]) => `(${values.map(toExpression).join(', ')})`
  if (isRange(value)) return `Range.of${arguments_(value.lower, value.upper)}`
  if (isMultirange(value)) return `Multirange.of${arguments_(...value)}`
  if (isComposite(value)) {
    const { toPostgres: _, ...attributes } = value
    return `composite([], { ${Object.entries(attributes)
      .map(([key, item]) => `${JSON.stringify(key)}: ${toExpression(item)}`)
      .join(', ')} })`
  }
  if (value instanceof Hstore) return 'new Hstore()'
  if (value instanceof Point) return `new Point${arguments_(value.x, value.y)}`
  if (value instanceof Circle) return `new Circle${arguments_(value.x, value.y, value.radius)}`
  if (value instanceof Line) return `new Line${arguments_(value.a, value.b, value.c)}`
  if (value instanceof LineSegment) return `new LineSegment${arguments_(value.start, value.end)}`
  if (value instanceof Box) return `new Box${arguments_(value.upperRight, value.lowerLeft)}`
  if (value instanceof Path) return `new Path${arguments_(value.points, value.isClosed)}`
  if (value instanceof Polygon) return `new Polygon${arguments_(value.points)}`
  return undefined
}

const makers = 'Box, Circle, composite, Hstore, Line, LineSegment, Multirange, Path, Point, Polygon, Range'

/** What such expressions need; none of it is unused. */
export const codedImport: string = `import { ${makers} } from "tenon/codecs";\nvoid [${makers}];\n`
