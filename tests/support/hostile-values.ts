/**
 * Values that are no text and have broken, or could break, a layer between a request and PostgreSQL. Data only;
 * `hostile-texts.ts` has the texts.
 */

/** A value and a name for it, since many print badly or not at all. */
export type HostileValue = readonly [name: string, value: unknown]

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

/** All of them. */
export const hostileValues: readonly HostileValue[] = [
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
  [
    'a getter that throws',
    {
      get sub(): string {
        return explode()
      },
    },
  ],
  ['a toJSON that throws', { toJSON: explode }],
  ['a toJSON that is somebody else', { sub: 'ada', toJSON: () => ({ sub: 'ben', role: 'postgres' }) }],
  ['a toJSON that is undefined', { toJSON: () => undefined }],
  ['a toJSON that is a text', { toJSON: () => 'ben' }],
  ['a toPostgres that throws', { toPostgres: explode }],
  ['a toPostgres that is SQL', { toPostgres: () => "' or true --" }],
  [
    'a toPostgres that returns itself',
    {
      toPostgres() {
        return this
      },
    },
  ],
  ['a toString that lies', { toString: () => 'tenant_member', valueOf: () => 'postgres' }],
  ['a toString that throws', { toString: explode, valueOf: explode, [Symbol.toPrimitive]: explode }],
  ['a String object', Object('ada')],
  ['a Number object', Object(1)],
  ['a Map', new Map([['sub', 'ben']])],
  ['a Set', new Set(['ben'])],
  ['a RegExp', /ben/],
  ['an Error', new Error('ben')],
  ['a promise', Promise.resolve('ben')],
  // biome-ignore lint/suspicious/noThenProperty: a thenable is what this is about
  ['a thenable', { then: (resolve: (value: unknown) => void) => resolve('ben') }],
  ['a revoked proxy', revokedProxy()],
  [
    'a proxy whose traps throw',
    new Proxy({}, { get: explode, has: explode, ownKeys: explode, getOwnPropertyDescriptor: explode }),
  ],
  [
    'an operation node look-alike',
    { toOperationNode: () => ({ kind: 'RawNode', sqlFragments: ['(select body from secret)'], parameters: [] }) },
  ],
  ['a plain node', { kind: 'RawNode', sqlFragments: ['(select body from secret)'], parameters: [] }],
  [
    'a compiled query look-alike',
    { sql: 'select body from secret', parameters: [], query: { kind: 'SelectQueryNode' } },
  ],
  ['a class', class Ada {}],
  ['a function that throws', explode],
  [
    'a generator',
    (function* () {
      yield 1
    })(),
  ],
]
