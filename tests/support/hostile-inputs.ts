/**
 * Inputs that have broken, or could break, a layer between a request and PostgreSQL: texts and values, about 320 of them.
 * They are data only; `tests/integration/security/hostile-inputs.test.ts` pushes each through every way in.
 */

/** A hostile input and a name for it, since many print badly. */
export type HostileInput = readonly [name: string, value: unknown]

const roleLike = ['none', 'NONE', 'postgres', 'session_user', 'current_user', 'public', 'Tenant_Member', 'anon', 'authenticated', 'service_role', 'pg_read_all_data', 'default']

const quotes = ["'", '"', '`', "''", '""', `a"b`, `a'b`, 'a;b', '\\', "\\'", '$$', '$1', '$x$', '?', ':', '::text', '--', '/*', '*/', '#', ';', '(', ')', '{', '}', '[', ']', ',', '.', '..', '%', '%s', '%n', '@', '=', "E'\\''", "U&'\\0027'", "N'x'", "B'2'"]

const injections = [
  "' or 1=1 --",
  "' or '1'='1",
  "\\' or 1=1 --",
  "'; drop table note; --",
  '"; drop table note; --',
  "') or true --",
  '") or true --',
  "' union select body from secret --",
  '" from secret --',
  "1; select * from secret",
  "1 or 1=1",
  '1) or (1=1',
  "x' || (select body from secret) || '",
  'note" where true or "a"="a',
  'note; commit; reset role; select * from secret',
  "'; commit; reset role; --",
  "$1; set role postgres",
  "'||pg_sleep(60)||'",
  "(select set_config('role','none',false))",
  "set_config('role', 'none', false)",
  'note as n cross join secret as s',
  'secret',
  'public.secret',
  'pg_catalog.pg_authid',
  'pg_authid',
  'pg_shadow',
  'information_schema.tables',
  "note'--",
  'asc, (select 1 from secret)',
  'asc nulls first; drop table note',
  "->'x'",
  "->>'body'",
  '{a,b}',
  '$.a ? (@.b == 1)',
  '$[*]',
  '**',
  '[*]',
  '"sub":"ben"',
  '{"sub":"ben"}',
  '{"sub":"ada","sub":"ben"}',
  '{"role":"postgres"}',
  'ada","sub":"ben',
  'ada\\","sub":"ben',
  "O'Brien",
  'Robert\'); DROP TABLE note;--',
  '<script>alert(1)</script>',
  '${sub}',
  '{{sub}}',
  '../../etc/passwd',
  'file:///etc/passwd',
  'http://127.0.0.1/',
]

const columnsNobodyMeant = ['ctid', 'tableoid', 'xmin', 'oid', '*', 'note.*', 'owner', 'ran_as', 'session', 'id as owner', 'owner as id', 'body as "ben"', 'note', 'current_user', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'then', 'prototype', '-1', '0', 'last', 'undefined', 'null', 'NaN', 'true']

const bytes = [
  '\0',
  'a\0b',
  "a\0' or 1=1 --",
  '\u0001\u0002\u001f',
  '\u007f',
  '\u0085\u00a0\u2028\u2029',
  '\ufeffada',
  '\ufffd',
  '\uffff',
  '\ud800',
  '\udc00',
  'a\ud800b',
  '\udc00\ud800',
  '😀',
  '👩‍👩‍👧‍👦',
  'e\u0301',
  '\u00e9',
  'ａｄａ',
  'аda',
  'ada\u200b',
  'ada\u202eneb',
  'İ',
  'ß',
  'ﬀ',
  '＇ or 1=1',
  'ʼ or 1=1',
  '\r\n',
  'ada\n--',
  'ada\r\nset role none',
  '\t',
  ' ',
  '',
  '   ada   ',
  'a'.repeat(63),
  'a'.repeat(64),
  `${'a'.repeat(63)}b`,
  'é'.repeat(32),
  '"'.repeat(63),
  "'".repeat(1000),
  'x'.repeat(8_193),
  'x'.repeat(65_537),
  'x'.repeat(1_000_000),
  '('.repeat(5_000),
  '['.repeat(5_000),
  '{"a":'.repeat(2_000),
  '/*'.repeat(2_000),
  '--\n'.repeat(2_000),
  '\\'.repeat(999),
]

const settingLike = ['app.tenant_id', 'app.tenant_id ', 'App.Tenant_Id', 'role', 'session_authorization', 'search_path', 'request.jwt.claims', 'request.jwt.claim.sub', 'tenon.actor', 'statement_timeout', 'row_security', 'is_superuser', 'client_encoding', 'standard_conforming_strings', 'session_replication_role', 'log_statement', 'pg_temp', 'pg_catalog', '$user', 'pg_toast', 'pg_temp_1', 'public', 'public, pg_catalog', '"public"', 'public"; --']

const numbersAsText = ['1e400', '-1e400', '9223372036854775808', '-9223372036854775809', '2147483648', '1e18', '0x1F', '1_000', '٣', 'Infinity', '-Infinity', '-0', '00', '1.5', '+1', '1e', 'infinity', 'epoch', 'today', '275760-09-13', '0000-01-01', '24:00:61', 'P1Y']

const transactionLike = ['serializable', 'SERIALIZABLE', 'snapshot', 'read only', 'read write; commit', 'serializable, read only', 'serializable\0', 'repeatable  read', 'deferrable', 'commit', 'rollback', 'savepoint x']

const texts: readonly string[] = [...roleLike, ...quotes, ...injections, ...columnsNobodyMeant, ...bytes, ...settingLike, ...numbersAsText, ...transactionLike]

function nested(levels: number, wrap: (inner: unknown) => unknown): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = wrap(value)
  return value
}

const circularObject: Record<string, unknown> = { a: 1 }
circularObject['self'] = circularObject
const circularArray: unknown[] = []
circularArray.push(circularArray)

function revokedProxy(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const explode = (): never => {
  throw new Error('a conversion of the caller’s fails')
}

const values: readonly HostileInput[] = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['false', false],
  ['0', 0],
  ['-0', -0],
  ['-1', -1],
  ['0.1', 0.1],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['2^31', 2 ** 31],
  ['2^53 + 2', 2 ** 53 + 2],
  ['1e308', 1e308],
  ['a bigint', 1n],
  ['a bigint beyond int8', 2n ** 70n],
  ['a symbol', Symbol('ada')],
  ['a Date', new Date(0)],
  ['an invalid Date', new Date(Number.NaN)],
  ['the last Date', new Date(8.64e15)],
  ['the first Date', new Date(-8.64e15)],
  ['a Buffer', Buffer.from('ada')],
  ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x00, 0x80])],
  ['a Uint8Array', new Uint8Array([97, 0, 98])],
  ['a Float64Array', new Float64Array([1, Number.NaN])],
  ['a DataView', new DataView(new ArrayBuffer(4))],
  ['an ArrayBuffer', new ArrayBuffer(4)],
  ['an empty array', []],
  ['an array of one', ['ada']],
  ['a sparse array', new Array(3)],
  ['an array with everything', [1, 'a', null, undefined, ['b'], { c: 1 }]],
  ['an array of hostile texts', ["'", '"', '{', '\\', ',', 'NULL', '']],
  ['an array of a NUL', ['a\0b']],
  ['an array nested 600 times', nested(600, (inner) => [inner])],
  ['a circular array', circularArray],
  ['an empty object', {}],
  ['an object', { sub: 'ben', role: 'postgres' }],
  ['an object without prototype', Object.assign(Object.create(null), { sub: 'ben' })],
  ['an own __proto__', JSON.parse('{"__proto__":{"role":"postgres","sub":"ben"}}')],
  ['a constructor key', { constructor: { prototype: { role: 'postgres' } } }],
  ['a circular object', circularObject],
  ['an object nested 513 times', nested(513, (inner) => ({ inner }))],
  ['an object nested 10,000 times', nested(10_000, (inner) => ({ inner }))],
  ['an object with a NUL', { text: 'a\0b' }],
  ['an object with half a surrogate pair', { text: '\ud800' }],
  ['an object with a NUL in a key', { 'a\0b': 1 }],
  ['an object with a bigint', { count: 1n }],
  ['an object with a function', { call: () => 1 }],
  ['a getter that throws', { get sub(): string { return explode() } }],
  ['a toJSON that throws', { toJSON: explode }],
  ['a toJSON that is somebody else', { sub: 'ada', toJSON: () => ({ sub: 'ben', role: 'postgres' }) }],
  ['a toJSON that is undefined', { toJSON: () => undefined }],
  ['a toJSON that is a text', { toJSON: () => 'ben' }],
  ['a toPostgres that throws', { toPostgres: explode }],
  ['a toPostgres that is SQL', { toPostgres: () => "' or true --" }],
  ['a toPostgres that returns itself', { toPostgres() { return this } }],
  ['a toString that lies', { toString: () => 'tenant_member', valueOf: () => 'postgres' }],
  ['a toString that throws', { toString: explode, valueOf: explode, [Symbol.toPrimitive]: explode }],
  ['a String object', Object('ada')],
  ['a Number object', Object(1)],
  ['a Map', new Map([['sub', 'ben']])],
  ['a Set', new Set(['ben'])],
  ['a RegExp', /ben/],
  ['an Error', new Error('ben')],
  ['a promise', Promise.resolve('ben')],
  ['a thenable', { then: (resolve: (value: unknown) => void) => resolve('ben') }],
  ['a revoked proxy', revokedProxy()],
  ['a proxy whose traps throw', new Proxy({}, { get: explode, has: explode, ownKeys: explode, getOwnPropertyDescriptor: explode })],
  ['an operation node look-alike', { toOperationNode: () => ({ kind: 'RawNode', sqlFragments: ['(select body from secret)'], parameters: [] }) }],
  ['a plain node', { kind: 'RawNode', sqlFragments: ['(select body from secret)'], parameters: [] }],
  ['a compiled query look-alike', { sql: 'select body from secret', parameters: [], query: { kind: 'SelectQueryNode' } }],
  ['a class', class Ada {}],
  ['a function that throws', explode],
  ['a generator', (function* () { yield 1 })()],
]

/** All of them. */
export const hostileInputs: readonly HostileInput[] = [
  ...texts.map((text): HostileInput => [JSON.stringify(text.length > 60 ? `${text.slice(0, 20)}… ${text.length}` : text), text]),
  ...values,
]
