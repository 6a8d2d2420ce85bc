/** Random tables: columns of every kind with constraints that fit them, and rows that may or may not satisfy them. */
import fc from 'fast-check'

/** A kind of column: its type, values that may be good or bad for it, and checks that can be written on it. */
interface ColumnKind {
  readonly sql: string
  /** Good, bad and just between. */
  readonly values: readonly unknown[]
  /** Conditions; `$` stands for the column. */
  readonly checks?: readonly string[]
  /** Constants for a default. */
  readonly defaults?: readonly string[]
  /** A value as a query takes it, where the schema would have changed it. */
  readonly encode?: (value: unknown) => unknown
}

/** Types that the tables use. */
export const randomTypesSql = `
  create extension if not exists citext;
  create extension if not exists hstore;
  create type mood as enum ('sad', 'ok', 'happy');
  create type pair as (a integer, b text);
  create domain positive as integer check (value > 0);
  create domain score as numeric(4,1) default 1.5 not null check (value >= 0 and value <= 100);
  create domain code as varchar(6) check (value ~ '^[A-Z]{2}[0-9]+$');
  create domain loose as text;
`

const texts = [
  '',
  'a',
  'abc',
  'abcd',
  'ab  ',
  ' ab',
  'ABC',
  'x@y.z',
  'AB12',
  'a\nb',
  '😀😀😀',
  '😀😀😀😀',
  'a\0b',
  'happy',
  "it's",
  '100%',
  'a_b',
  '\ud800',
  '12345',
  'é',
]
const textChecks = [
  'length($) > 1',
  'char_length($) between 1 and 3',
  'octet_length($) <= 4',
  `$ <> ''`,
  `btrim($) <> ''`,
  `$ = any (array['a', 'abc', 'it''s'])`,
  `$ in ('abc', 'AB12', '100%')`,
  `$ not in ('a', '')`,
  `$ ~ '^[^@ ]+@[^@ ]+\\.[a-z]+$'`,
  `$ ~* '^[a-c]+$'`,
  `$ !~ '\\d'`,
  `$ ~ '^(ab|AB)[cC0-9]?.*$'`,
  `$ like 'a%'`,
  `$ not like '%\\_b'`,
  `$ is not null`,
  `$ ~ '^.{2,4}$'`,
]
const numbers = ['= 5', '<> 0', '> 0', '>= -1', '< 100', 'between 1 and 10', 'in (1, 2, 3)', 'not in (0, 7)'].map(
  (test) => `$ ${test}`,
)
const json = (value: unknown) => (value === null || value === undefined ? value : JSON.stringify(value))
const jsons = [{}, { a: 1 }, [], [1, 'x'], 'text', 5, true, { a: { b: null } }, { 'n\0': 1 }, { a: '\ud800' }, 'null']
const list = (values: readonly unknown[]) => [
  [],
  [values[0]],
  values.slice(0, 2),
  [null, values[1]],
  values.slice(0, 3),
]

/** Every kind, by its name. */
export const columnKinds: Readonly<Record<string, ColumnKind>> = {
  bool: {
    sql: 'boolean',
    values: [true, false],
    checks: ['$', 'not $', '$ is not false', '$ is true', '$ = true'],
    defaults: ['true'],
  },
  int2: {
    sql: 'smallint',
    values: [0, 1, -1, 5, 7, 32767, 32768, -32769, 1.5, Number.NaN, -0],
    checks: numbers,
    defaults: ['5'],
  },
  int4: {
    sql: 'integer',
    values: [0, 1, -1, 5, 7, 100, 2147483647, 2147483648, 0.1, 1e21],
    checks: [...numbers, '$ > 2 or $ is null'],
    defaults: ['5', '-3'],
  },
  int8: {
    sql: 'bigint',
    values: [0, 1n, '-1', '5', ' 7 ', 2 ** 53, 9223372036854775807n, '9223372036854775808', '1.5', 'x', '', '+3'],
    checks: numbers,
    defaults: ['5'],
  },
  oid: { sql: 'oid', values: [0, 5, 4294967295, 4294967296, 1.5] },
  numeric: {
    sql: 'numeric',
    values: ['0', 1, '-1', '5.0', 7n, '1e400', '.5', '5.', 'NaN', '-Infinity', 'x', '', '1e', 0.1, '99.999'],
    checks: [...numbers, '$ < 0.5'],
    defaults: ['2.5'],
  },
  price: {
    sql: 'numeric(5,2)',
    values: ['0', 0.004, 0.005, '-0.004', '999.994', '999.995', '1e3', 'NaN', 'Infinity', 7, 5n, '4.995', '1.005'],
    checks: numbers,
    defaults: ['1.00'],
  },
  thousands: {
    sql: 'numeric(3,-3)',
    values: [0, 499, 500, 1499, 999499, 999500, '1e5'],
    checks: ['$ > 0', '$ <= 2000'],
  },
  float4: {
    sql: 'real',
    values: [0, 0.1, 1.5, -1, 1e39, 1e-46, Number.NaN, Number.POSITIVE_INFINITY, 5, 16777217],
    checks: ['$ > 0', '$ < 100', '$ <> 5', '$ = 16777216'],
    defaults: ['0.5'],
  },
  float8: {
    sql: 'double precision',
    values: [0, 0.1, -1, 5, 1e300, 1e-320, Number.NaN, Number.NEGATIVE_INFINITY],
    checks: ['$ > 0', '$ <= 0.1', '$ <> 5', '$ >= 0 and $ < 1'],
    defaults: ['0.5'],
  },
  text: { sql: 'text', values: texts, checks: textChecks, defaults: [`'abc'`] },
  varchar: { sql: 'varchar(3)', values: texts, checks: textChecks, defaults: [`'ab'`] },
  bare_varchar: { sql: 'varchar', values: texts, checks: textChecks },
  char: { sql: 'char(3)', values: texts },
  citext: { sql: 'citext', values: texts, checks: [`$ ~ '^[a-z]+$'`, `($)::text ~ '^[a-z]+$'`] },
  uuid: {
    sql: 'uuid',
    values: [
      '00000000-0000-0000-0000-000000000000',
      'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
      '{a0eebc999c0b4ef8bb6d6bb9bd380a11}',
      'a0ee-bc99-9c0b4ef8-bb6d6bb9bd380a11',
      'x',
      '',
      'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1',
    ],
  },
  bytea: { sql: 'bytea', values: [Buffer.from([0, 255]), Buffer.alloc(0)] },
  date: {
    sql: 'date',
    values: [new Date(2024, 1, 29), '2024-01-01', new Date(-300_000_000_000_000), new Date(Number.NaN)],
  },
  timestamp: { sql: 'timestamp', values: [new Date(0), '2024-01-01 12:00', new Date(8.64e15)] },
  timestamptz: { sql: 'timestamptz', values: [new Date(0), '2024-01-01T12:00Z', new Date(Number.NaN)] },
  time: { sql: 'time', values: ['12:34', '00:00:00.5'] },
  interval: { sql: 'interval', values: ['1 day', 90, '-2 hours'] },
  json: { sql: 'json', values: jsons, checks: [`json_typeof($) = 'object'`], encode: json },
  jsonb: {
    sql: 'jsonb',
    values: jsons,
    checks: [`jsonb_typeof($) = 'object'`, `jsonb_typeof($) in ('array', 'string')`],
    defaults: [`'{}'`],
    encode: json,
  },
  mood: {
    sql: 'mood',
    values: ['sad', 'ok', 'happy', 'SAD', ''],
    checks: [`$ <> 'sad'`, `$ in ('sad', 'ok')`],
    defaults: [`'ok'`],
  },
  positive: { sql: 'positive', values: [0, 1, 5, -1, 2147483648], checks: ['$ < 5'] },
  score: { sql: 'score', values: ['0', 100, 100.04, 100.05, -0.04, -0.06, '1e2', 'NaN'] },
  code: { sql: 'code', values: ['AB1', 'AB12345', 'ab1', 'AB', 'AB123 '] },
  loose: { sql: 'loose', values: texts, checks: textChecks },
  bit: { sql: 'bit(3)', values: ['101', '1010', 'b011', 'B01', '', '12', 'X5'] },
  varbit: { sql: 'bit varying(4)', values: ['', '1', '1111', '11111', 'xF', 'xFF', 'B'] },
  point: { sql: 'point', values: [{ x: 1, y: 2 }, '(3,4)'], encode: (value) => value },
  circle: { sql: 'circle', values: ['<(1,2),3>'] },
  box: { sql: 'box', values: ['(3,4),(1,2)'] },
  range: { sql: 'int4range', values: ['[1,5)', 'empty'] },
  multirange: { sql: 'datemultirange', values: ['{}', '{[2024-01-01,2024-02-01)}'] },
  hstore: { sql: 'hstore', values: ['"a"=>NULL', ''] },
  pair: { sql: 'pair', values: ['(1,a)', '(,)'] },
  inet: { sql: 'inet', values: ['10.0.0.1', '::1'] },
  tsvector: { sql: 'tsvector', values: ["'a':1", ''] },
  money: { sql: 'money', values: [1.5, '$2'] },
  xml: { sql: 'xml', values: ['<a/>', 'text'] },
  int4_array: {
    sql: 'integer[]',
    values: list([1, 2147483648, 2]),
    checks: ['cardinality($) <= 1', 'cardinality($) > 0'],
  },
  int8_array: { sql: 'bigint[]', values: list(['1', 2n, 3]) },
  numeric_array: { sql: 'numeric(5,2)[]', values: list(['1', 999.995, 2]) },
  text_array: { sql: 'text[]', values: list(['a,b', '"', '\\']), checks: ['cardinality($) < 3'] },
  varchar_array: { sql: 'varchar(3)[]', values: list(['abc', 'abcd', '']) },
  mood_array: { sql: 'mood[]', values: list(['sad', 'nope', 'ok']) },
  positive_array: { sql: 'positive[]', values: list([1, 0, 5]) },
  jsonb_array: {
    sql: 'jsonb[]',
    values: list([{ a: 1 }, 'text', [1]]),
    encode: (value) => (Array.isArray(value) ? value.map((item) => (item === null ? null : json(item))) : value),
  },
  timestamptz_array: { sql: 'timestamptz[]', values: list([new Date(0), '2024-01-01Z', new Date(1)]) },
  bool_array: { sql: 'boolean[]', values: list([true, false, true]) },
}

interface RandomColumn {
  readonly name: string
  readonly kind: ColumnKind
  readonly nullable: boolean
  readonly default: string | undefined
  readonly check: string | undefined
}

/** A table and the rows to try on it. */
export interface RandomTable {
  sql(name: string): string
  readonly rows: fc.Arbitrary<Record<string, unknown>>
  /** A row as a query takes it. */
  encode(row: Readonly<Record<string, unknown>>): Record<string, unknown>
  /** Names of checks that nobody translates. */
  readonly untranslated: ReadonlySet<string>
  readonly checks: readonly string[]
}

const createColumn = (name: string): fc.Arbitrary<RandomColumn> =>
  fc.constantFrom(...Object.values(columnKinds)).chain((kind) =>
    fc.record({
      name: fc.constant(name),
      kind: fc.constant(kind),
      nullable: fc.boolean(),
      default: fc
        .option(fc.constantFrom(...(kind.defaults ?? ['null'])), { nil: undefined })
        .map((value) => (value === 'null' ? undefined : value)),
      check:
        kind.checks === undefined
          ? fc.constant(undefined)
          : fc.option(fc.constantFrom(...kind.checks), { nil: undefined, freq: 3 }),
    }),
  )

const wholeChecks = [
  'lo < hi',
  'lo is null or hi is not null',
  'num_nonnulls(lo, hi) = 1',
  'not (lo > 3 and hi > 3)',
  '(lo > 0) is not true or hi <> 2',
]

/** A table with some random columns and two, `lo` and `hi`, that a check compares. */
export const createRandomTable: fc.Arbitrary<RandomTable> = fc
  .record({
    columns: fc
      .integer({ min: 3, max: 6 })
      .chain((count) => fc.tuple(...Array.from({ length: count }, (_, i) => createColumn(`c${i}`)))),
    whole: fc.constantFrom(...wholeChecks),
    lo: fc.constantFrom('integer', 'integer default 3', 'bigint default 2', 'numeric(4,1)'),
    untranslated: fc.boolean(),
  })
  .map(({ columns, whole, lo, untranslated }) => {
    const checks = columns.flatMap(({ name, check }) => (check === undefined ? [] : [check.replaceAll('$', name)]))
    return {
      checks: [...checks, whole],
      untranslated: new Set(['server_alone']),
      sql: (name) => {
        const lines = columns.map(
          (column) =>
            `${column.name} ${column.kind.sql}${column.nullable ? '' : ' not null'}${column.default === undefined ? '' : ` default ${column.default}`}`,
        )
        const all = [
          ...lines,
          'id bigint generated always as identity',
          `lo ${lo}`,
          'hi integer',
          'twice integer generated always as (hi * 2) stored',
        ]
        const constraints = [...checks, whole].map((check) => `check (${check})`)
        const own = untranslated ? ['constraint server_alone check (abs(hi) < 9)'] : []
        return `create table ${name} (${[...all, ...constraints, ...own].join(', ')})`
      },
      rows: fc
        .tuple(
          ...columns.map(({ kind, nullable }) => {
            const value = fc.constantFrom(...kind.values)
            return fc.oneof(
              { arbitrary: value, weight: 12 },
              { arbitrary: fc.constant(undefined), weight: 1 },
              { arbitrary: fc.constant(null), weight: nullable ? 3 : 1 },
            )
          }),
          fc.constantFrom(undefined, null, 1, 2, 5),
          fc.constantFrom(undefined, null, 1, 2, 5, 9),
        )
        .map((values) => {
          const names = [...columns.map(({ name }) => name), 'lo', 'hi']
          return Object.fromEntries(names.flatMap((name, i) => (values[i] === undefined ? [] : [[name, values[i]]])))
        }),
      encode: (row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => {
            const encode = columns.find((column) => column.name === name)?.kind.encode
            return [name, encode === undefined ? value : encode(value)]
          }),
        ),
    }
  })
