/**
 * Claims that a stranger wrote: they arrive in the database exactly as they were, as data, or are refused before anything is
 * sent. The control puts them into the SQL text, as is widely copied.
 */
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError } from '../../../src/index.ts'
import { connectNaively } from '../../support/naive-session.ts'
import {
  embedded,
  type Ground,
  leftBehind,
  powerlessLogin,
  type Row,
  runsAs,
  whoRuns,
} from '../../support/two-tenants.ts'

const texts: readonly string[] = [
  "O'Brien",
  "'; drop table note; --",
  `'); create table planted(); --`,
  '"',
  '\\',
  "\\'",
  '\\u0027',
  '$1',
  '$$',
  '/* x */',
  '\n\r\t\b\f',
  '\u0001\u001f\u007f\u0085\u2028\ufeff',
  'Zoë 😀 е́',
  '﷽',
  'x'.repeat(60_000),
  '',
  'null',
  '{"sub":"ben"}',
]

// Written as a token's payload would be: read from JSON.
const payloads: readonly string[] = [
  '{"sub":"ada","__proto__":{"role":"postgres"}}',
  '{"sub":"ada","constructor":{"prototype":{"role":"postgres"}}}',
  '{"sub":"ada","app_metadata":{"role":"postgres","sub":"ben"}}',
  '{"sub":"ben","sub":"ada"}',
  '{"sub":"ada","Sub":"ben","SUB":"ben"}',
  '{"sub":"ada","toString":1,"hasOwnProperty":2,"toJSON":3,"then":4,"length":5}',
  '{"sub":"ada","":{"":[]}}',
  '{"sub":"ada","n":1e308,"m":-0,"o":9007199254740993,"p":[null,true,[],{}]}',
  `{"sub":"ada","deep":${'['.repeat(500)}${']'.repeat(500)}}`,
  '{"sub":"ada","email":"\'; drop table note; --"}',
]

const circular: Record<string, unknown> = { sub: 'ada' }
circular['self'] = circular

function nested(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = { value }
  return value
}

const refusals: readonly (readonly [what: string, claims: () => unknown])[] = [
  ['a text', () => '{"sub":"ada"}'],
  ['a list', () => [{ sub: 'ada' }]],
  ['null', () => null],
  ['a number', () => 1],
  ['a function', () => () => ({ sub: 'ada' })],
  ['a megabyte', () => ({ sub: 'ada', x: 'x'.repeat(1_000_000) })],
  ['10,000 levels', () => ({ sub: 'ada', x: nested(10_000) })],
  ['513 levels', () => ({ sub: 'ada', x: nested(513) })],
  ['a circle', () => circular],
  ['a bigint', () => ({ sub: 'ada', x: 1n })],
  [
    'a getter that throws',
    () => ({
      get sub(): string {
        throw new Error('no')
      },
    }),
  ],
  [
    'a toJSON that throws',
    () => ({
      toJSON() {
        throw new Error('no')
      },
    }),
  ],
  ['a toJSON without a result', () => ({ toJSON: () => undefined })],
  ['a toJSON that names another role', () => ({ sub: 'ada', toJSON: () => ({ sub: 'ben', role: 'postgres' }) })],
  [
    'a proxy whose traps throw',
    () =>
      new Proxy(
        {},
        {
          ownKeys() {
            throw new Error('no')
          },
        },
      ),
  ],
  ['a revoked proxy', () => revoked()],
  ['a NUL in a value', () => ({ sub: 'ada', x: ['a\0b'] })],
  ['a NUL in a name', () => ({ sub: 'ada', 'a\0b': 1 })],
  ['a NUL in the subject', () => ({ sub: 'ada\0ben' })],
  ['half of a surrogate pair', () => ({ sub: 'ada', x: { y: '\udc00' } })],
  ['half of a surrogate pair in the subject', () => ({ sub: 'ada\ud800' })],
  ['a number for the subject', () => ({ sub: 42 })],
  ['a list for the subject', () => ({ sub: ['ada'] })],
  ['an object for the subject', () => ({ sub: { toString: () => 'ada' } })],
  ['null for the subject', () => ({ sub: null })],
  ['another role', () => ({ sub: 'ada', role: 'postgres' })],
  ['null for the role', () => ({ sub: 'ada', role: null })],
  ['a list with the role', () => ({ sub: 'ada', role: ['tenant_member'] })],
]

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

describe.each([powerlessLogin, embedded])('Hostile claims on $name', (kind) => {
  let ground: Ground
  let clean: Row
  beforeAll(async () => {
    ground = await kind.open()
    clean = await leftBehind(ground)
  })
  afterAll(() => ground.close())

  const stored = async (claims: unknown) => {
    // The cast stands for what a caller without types can do.
    const me = ground.db.session({ role: 'tenant_member', claims: claims as Record<string, unknown> })
    const { rows } = await sql<{ claims: string }>`select current_setting('request.jwt.claims') as claims`.execute(me)
    return JSON.parse(rows[0]?.claims ?? '')
  }
  const unharmed = async () => {
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    expect(await ground.admin('select count(*)::int as notes from note')).toEqual([{ notes: 5 }])
    expect(await ground.admin(`select to_regclass('planted') as planted`)).toEqual([{ planted: null }])
  }

  it.each(texts)('%j arrives as it is, as a subject, a claim and the name of a claim', async (text) => {
    for (const claims of [
      { sub: text },
      { sub: 'ada', name: text },
      { sub: 'ada', [text]: 1 },
      { sub: 'ada', email: text },
    ]) {
      expect(await stored(claims)).toEqual({ ...claims, role: 'tenant_member' })
      const rows = await ground.as('ada', { claims }).selectFrom('note').select('owner').execute()
      expect(new Set(rows.map((row) => row.owner))).toEqual(new Set(claims.sub === 'ada' ? ['ada'] : []))
    }
    await unharmed()
  })

  it.each(payloads)('the payload %s arrives as it was read', async (payload) => {
    const claims: Record<string, unknown> = JSON.parse(payload)
    const arrived = await stored(claims)
    expect(JSON.stringify({ ...arrived, role: undefined })).toBe(JSON.stringify(claims))
    expect(arrived.role).toBe('tenant_member')
    expect(await whoRuns(ground.as('ada', { claims }))).toEqual(runsAs('ada'))
    await unharmed()
  })

  it.each(refusals)('%s is refused before anything is sent', async (_what, claims) => {
    await whoRuns(ground.as('ada'))
    const before = ground.db.stats().roundTrips
    const error: unknown = await stored(claims()).catch((reason: unknown) => reason)
    expect(isTenonError(error) && [error.code, error.hint === undefined]).toEqual(['SESSION_CLAIMS', false])
    expect(ground.db.stats().roundTrips).toBe(before)
    await unharmed()
  })

  it('claims are read once: what an object says later changes nothing', async () => {
    let reads = 0
    const claims = {
      get sub() {
        return reads++ === 0 ? 'ada' : 'ben'
      },
    }
    const me = ground.as('nobody', { claims })
    expect([await whoRuns(me), await whoRuns(me)]).toEqual([runsAs('ada'), runsAs('ada')])
    const mutable = { sub: 'ada', teams: ['a'] }
    const other = ground.as('nobody', { claims: mutable })
    mutable.sub = 'ben'
    expect(await whoRuns(other)).toEqual(runsAs('ada'))
  })

  it('after all of it the connection is clean', async () => {
    expect(await leftBehind(ground)).toEqual(clean)
  })

  it.skipIf(kind.isEmbedded)(
    'as a control, claims in the SQL text break on O’Brien and run what they hold (not embedded: it takes a second connection, so the runs on a server do it)',
    async () => {
      const client = await connectNaively(ground.adminUrl ?? '')
      const careless = (claims: unknown) =>
        client.query(`select set_config('request.jwt.claims', '${JSON.stringify(claims)}', true)`)
      await expect(careless({ name: "O'Brien" })).rejects.toMatchObject({ code: '42601' })
      await careless({ name: `', true); create table planted(); --` })
      const { rows } = await client.query(`select to_regclass('planted') is not null as planted`)
      await client.query('drop table planted')
      await client.end()
      expect(rows).toEqual([{ planted: true }])
    },
  )
})
