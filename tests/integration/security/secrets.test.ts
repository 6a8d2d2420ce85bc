/**
 * No value comes out where it was not asked for: whatever fails, no password, claim, parameter, setting, actor or row value
 * stands in an error, in anything an error prints as, in an event, or on the console.
 */
import { inspect } from 'node:util'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createDatabase, type DatabaseEvent, isTenonError, type Session } from '../../../src/index.ts'
import { connectNaively } from '../../support/naive-session.ts'
import { embedded, type Ground, powerlessLogin, type TwoTenants } from '../../support/two-tenants.ts'

/** Stands in every value that must not be seen again. */
const canary = 'canary'
const secret = (what: string) => `${canary}-${what}-7f3a`

type Me = Session<TwoTenants>

// Ways to fail; each has a canary in every value it uses.
const failures: readonly (readonly [what: string, run: (me: Me) => Promise<unknown>])[] = [
  ['a cast to a number', (me) => sql`select ${secret('cast')}::integer`.execute(me)],
  ['a cast to a uuid', (me) => sql`select ${secret('uuid')}::uuid`.execute(me)],
  ['a cast to json', (me) => sql`select ${`{"a": ${secret('json')}}`}::json`.execute(me)],
  ['a cast to a date', (me) => sql`select ${secret('date')}::timestamptz`.execute(me)],
  ['a cast to an enum or class', (me) => sql`select ${secret('class')}::regclass`.execute(me)],
  [
    'a value compared with a number',
    (me) =>
      me
        .selectFrom('note')
        .select('id')
        .where('id', '=', secret('id') as never)
        .execute(),
  ],
  [
    'a unique violation',
    (me) =>
      me
        .insertInto('token')
        .values({ token: secret('token'), length: 1 })
        .execute(),
  ],
  [
    'a check violation',
    (me) =>
      me
        .insertInto('token')
        .values({ token: secret('check'), length: 0 })
        .execute(),
  ],
  [
    'a not-null violation',
    (me) =>
      me
        .insertInto('token')
        .values({ token: secret('null'), length: null as never })
        .execute(),
  ],
  [
    'a foreign key violation',
    (me) =>
      me
        .insertInto('token')
        .values({ token: secret('parent'), length: 2, parent: secret('nobody') })
        .execute(),
  ],
  [
    'an exclusion or generated value',
    (me) =>
      me
        .updateTable('token')
        .set({ doubled: 1 as never })
        .where('token', '=', secret('token'))
        .execute(),
  ],
  [
    'a value too long for its column',
    (me) =>
      me
        .insertInto('token')
        .values({ token: secret('long'), length: 1, short: secret('long') })
        .execute(),
  ],
  [
    'a policy',
    (me) =>
      me
        .insertInto('note')
        .values({ owner: secret('owner'), body: secret('body') })
        .execute(),
  ],
  ['a raised exception', (me) => sql`select raise_with(${secret('raised')})`.execute(me)],
  ['a raised exception with detail and hint', (me) => sql`select raise_all(${secret('raised')})`.execute(me)],
  ['an exception with a borrowed SQLSTATE', (me) => sql`select raise_as(${secret('raised')}, '42P01')`.execute(me)],
  ['a division in a function', (me) => sql`select divide_by(${secret('argument')})`.execute(me)],
  ['a missing table', (me) => sql`select ${secret('x')}::text from nowhere`.execute(me)],
  ['a name built at run time', (me) => sql`select nextval(${secret('sequence')})`.execute(me)],
  [
    'a role built at run time',
    (me) => sql`select has_table_privilege(${secret('role')}, 'note', 'select')`.execute(me),
  ],
  ['a setting built at run time', (me) => sql`select current_setting(${secret('setting')})`.execute(me)],
  ['a syntax error beside a value', (me) => sql`selectt ${secret('x')}`.execute(me)],
  ['a NUL', (me) => sql`select ${`${secret('nul')}\0`}::text`.execute(me)],
  ['half of a surrogate pair', (me) => sql`select ${`${secret('half')}\ud800`}::text`.execute(me)],
  [
    'a conversion that throws',
    (me) =>
      sql`select ${{
        toJSON() {
          throw new Error(secret('conversion'))
        },
      }}::json`.execute(me),
  ],
  ['a batch', (me) => me.batch([me.selectFrom('note').select('id'), sql`select ${secret('batch')}::integer`])],
  ['a transaction', (me) => me.transaction((trx) => sql`select ${secret('transaction')}::integer`.execute(trx))],
  [
    'a second statement of an aborted transaction',
    (me) =>
      me.transaction(async (trx) => {
        await sql`select ${secret('first')}::integer`.execute(trx).catch(() => {})
        await sql`select ${secret('second')}::text`.execute(trx)
      }),
  ],
  [
    'a stream',
    async (me) => {
      for await (const _row of me
        .selectFrom('note')
        .select(sql`${secret('stream')}::integer`.as('x'))
        .stream());
    },
  ],
  [
    'a callback after the commit',
    (me) =>
      me.transaction(async (trx) => {
        await trx.selectFrom('note').select('id').execute()
        trx.afterCommit(() => {
          throw new Error(secret('callback'))
        })
      }),
  ],
  [
    'a setting that the server refuses',
    (me) =>
      me
        .as({ settings: { timezone: secret('timezone') } })
        .selectFrom('note')
        .select('id')
        .execute(),
  ],
  ['a setting that is not declared', async (me) => me.as({ settings: { [secret('name')]: secret('value') } })],
  ['a setting that is too long', async (me) => me.as({ settings: { 'app.tenant_id': secret('value').repeat(1_000) } })],
  ['a role that is not declared', async (me) => me.as({ role: secret('role') })],
  ['claims of another role', async (me) => me.as({ claims: { sub: secret('sub'), role: secret('role') } })],
  ['claims that are no JSON', async (me) => me.as({ claims: { sub: secret('sub'), x: 1n } })],
  [
    'claims with a getter that throws',
    async (me) =>
      me.as({
        claims: {
          get sub(): string {
            throw new Error(secret('getter'))
          },
        },
      }),
  ],
  ['an actor with a NUL', async (me) => me.as({ actor: `${secret('actor')}\0` })],
  ['a search path that is none', async (me) => me.as({ searchPath: [`${secret('schema')}\0`] })],
  [
    'an isolation level that is none',
    (me) =>
      me.transaction({ isolationLevel: secret('level') as never }, (trx) =>
        trx.selectFrom('note').select('id').execute(),
      ),
  ],
  [
    'a query of another session',
    (me) => me.batch([me.as({ actor: 'x' }).selectFrom('note').select('id').where('body', '=', secret('foreign'))]),
  ],
]

/** Everything an error, or anything else that was thrown, shows of itself. */
function showings(error: unknown): string {
  const shown = [inspect(error, { depth: 10, showHidden: true, getters: true }), String(error), JSON.stringify(error)]
  for (let at = error; at instanceof Error; at = at.cause)
    shown.push(at.stack ?? '', at.message, inspect(Object.getOwnPropertyDescriptors(at), { depth: 10 }))
  if (isTenonError(error)) shown.push(error.hint ?? '', JSON.stringify(error.toJSON()))
  return shown.join('\n')
}

describe.each([powerlessLogin, embedded])('A secret on $name', (kind) => {
  let ground: Ground
  const events: DatabaseEvent[] = []
  const printed: string[] = []
  beforeAll(async () => {
    ground = await kind.open({ observe: (event) => void events.push(event) })
    for (const statement of setUp) await ground.admin(statement)
    for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
      vi.spyOn(console, method).mockImplementation(
        (...values) => void printed.push(...values.map((value) => inspect(value, { depth: 10 }))),
      )
    }
  })
  afterEach(() => {
    events.length = 0
    printed.length = 0
  })
  afterAll(async () => {
    vi.restoreAllMocks()
    await ground.close()
  })

  it.each(failures)('is not told by %s', async (_what, run) => {
    const me = ground.db.session({
      role: 'tenant_member',
      claims: { sub: secret('sub'), email: secret('email'), nested: { token: secret('token') } },
      settings: { 'app.tenant_id': secret('tenant') },
      actor: secret('actor'),
    })
    const error: unknown = await run(me).then(
      () => 'nothing failed',
      (reason: unknown) => reason,
    )
    expect(error).not.toBe('nothing failed')
    expect(showings(error)).not.toContain(canary)
    expect(JSON.stringify(events) + inspect(events, { depth: 10 })).not.toContain(canary)
    expect(printed.join('\n')).not.toContain(canary)
  })

  it('is not shown by a session, a transaction or a database that is printed', async () => {
    const me = ground.as(secret('sub'), { actor: secret('actor'), settings: { 'app.tenant_id': secret('tenant') } })
    const shown = await me.transaction(async (trx) => inspect([me, trx, ground.db], { depth: 10 }))
    expect(shown).not.toContain(canary)
  })
})

const setUp = [
  `create table token (
    token text primary key, length integer not null check (length > 0), short varchar(5),
    parent text references token (token), doubled integer generated always as (length * 2) stored)`,
  'grant select, insert, update on token to tenant_member',
  `insert into token (token, length) values ('${secret('token')}', 1)`,
  `create function raise_with(text) returns void language plpgsql as $$ begin raise exception '%', $1; end $$`,
  `create function raise_all(text) returns void language plpgsql as $$
    begin raise exception using message = $1, detail = $1, hint = $1, column = $1, constraint = $1, datatype = $1, table = $1, schema = $1; end $$`,
  `create function raise_as(text, text) returns void language plpgsql as $$ begin raise exception using message = $1, errcode = $2; end $$`,
  `create function divide_by(text) returns integer language plpgsql as $$ declare x text = $1; begin return 1 / (length(x) - length(x)); end $$`,
]

describe('A password', () => {
  const password = secret('password')
  const urls: readonly (readonly [what: string, url: string])[] = [
    ['a host that does not exist', `postgres://user:${password}@host.invalid:5432/db?sslmode=disable`],
    ['a port where nobody listens', `postgres://user:${password}@127.0.0.1:1/db`],
    ['a URL that is none', `postgres://user:${password}@[/db`],
    ['another protocol', `mysql://user:${password}@localhost/db`],
    ['an unknown sslmode', `postgres://user:${password}@localhost/db?sslmode=${secret('mode')}`],
    [
      'a certificate that cannot be read',
      `postgres://user:${password}@localhost/db?sslrootcert=/nowhere/${secret('file')}`,
    ],
  ]

  it.each(urls)('is not told by %s', async (_what, url) => {
    let error: unknown
    try {
      await using db = createDatabase<TwoTenants>({ connection: url, pool: { connectTimeoutMs: 2_000 } })
      expect(inspect(db, { depth: 10, showHidden: true })).not.toContain(canary)
      await db.ping({ timeoutMs: 2_000 })
    } catch (reason) {
      error = reason
    }
    expect(isTenonError(error)).toBe(true)
    expect(showings(error).replaceAll(secret('file'), '')).not.toContain(canary)
  })

  it('that is wrong is not told by the server’s refusal', async () => {
    const ground = await powerlessLogin.open()
    const url = new URL(ground.loginUrl ?? '')
    url.password = password
    const db = ground.open({ connection: url.href })
    const error: unknown = await db.ping().catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'CONNECTION_AUTH' })
    expect(showings(error)).not.toContain(canary)
    await ground.close()
  })

  it('as a control, pg’s own error tells the value that was sent', async () => {
    const ground = await powerlessLogin.open()
    const client = await connectNaively(ground.adminUrl ?? '')
    const error: unknown = await client.query('select $1::integer', [secret('cast')]).catch((reason: unknown) => reason)
    await client.end()
    await ground.close()
    expect(showings(error)).toContain(canary)
  })
})
