/**
 * Every statement settles, with its own result or with an error, and leaves its connection usable: server errors, values
 * that cannot be sent, texts that are not one statement. The control, the one-Sync prototype, hangs, mixes up or is cut off.
 */
import { type Kysely, sql } from 'kysely'
import { type Client, Pool } from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError, type Session } from '../../../src/index.ts'
import { connectNaively, oneSync, settlementOf, submit } from '../../support/naive-session.ts'
import {
  type Ground,
  grounds,
  powerlessLogin,
  runsAs,
  serverGrounds,
  type TwoTenants,
  trustedSuperuser,
  whoRuns,
} from '../../support/two-tenants.ts'

/** A session, or a transaction of one. */
type Me = Kysely<TwoTenants> & Pick<Session<TwoTenants>, 'batch'>

const circular: Record<string, unknown> = {}
circular['self'] = circular

/** Nested further than JSON.stringify can follow. */
function deep(levels: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < levels; i++) value = { value }
  return value
}

// After a NUL the server would read the number of parameter types, and the rest of the text as their list.
const cutByNul = `select body from note\0\0\x05 where owner='me'`

const insert = (me: Me, document: unknown) =>
  me
    .insertInto('note')
    .values({ body: 'unsendable', document: document as never })
    .execute()

// Each fails before or at the server; the code is what its caller can test.
const failures: readonly (readonly [what: string, code: string, run: (me: Me) => Promise<unknown>])[] = [
  ['a division by zero', 'QUERY_DATA', (me) => sql`select 1 / (select 0)`.execute(me)],
  ['a syntax error', 'QUERY_SYNTAX', (me) => sql`selectt`.execute(me)],
  ['a missing table', 'QUERY_UNDEFINED_OBJECT', (me) => sql`select * from nowhere`.execute(me)],
  [
    'a row of another tenant',
    'ACCESS_POLICY',
    (me) => me.insertInto('note').values({ owner: 'ben', body: 'x' }).execute(),
  ],
  ['a table without a grant', 'ACCESS_DENIED', (me) => me.selectFrom('secret').selectAll().execute()],
  [
    'a constraint that is checked at the end',
    'CONSTRAINT_FOREIGN_KEY',
    (me) => me.insertInto('pledge').values({ id: 1, note_id: -1 }).execute(),
  ],
  [
    'a constraint that is checked at the end of a batch',
    'CONSTRAINT_FOREIGN_KEY',
    (me) => me.batch([me.insertInto('pledge').values({ id: 1, note_id: -1 }), me.selectFrom('note').select('id')]),
  ],
  ['a circular document', 'PARAMETER_INVALID', (me) => insert(me, circular)],
  ['a document that is nested too deeply', 'LIMIT_DEPTH', (me) => insert(me, deep(513))],
  ['a document that JSON.stringify cannot follow', 'LIMIT_DEPTH', (me) => insert(me, deep(20_000))],
  [
    'a getter that throws',
    'PARAMETER_INVALID',
    (me) =>
      insert(me, {
        get secret(): string {
          throw new Error('no')
        },
      }),
  ],
  [
    'a conversion that throws',
    'PARAMETER_INVALID',
    (me) =>
      insert(me, {
        toPostgres() {
          throw new Error('no')
        },
      }),
  ],
  ['a conversion without end', 'LIMIT_DEPTH', (me) => insert(me, endless())],
  ['undefined', 'PARAMETER_INVALID', (me) => sql`select ${undefined}::text`.execute(me)],
  ['a function', 'PARAMETER_INVALID', (me) => sql`select ${[() => 1]}::text[]`.execute(me)],
  ['a symbol', 'PARAMETER_INVALID', (me) => sql`select ${Symbol('x')}::text`.execute(me)],
  ['a NUL in a value', 'PARAMETER_INVALID', (me) => sql`select ${'a\0b'}::text`.execute(me)],
  ['half of a surrogate pair', 'PARAMETER_INVALID', (me) => sql`select ${'a\ud800'}::text`.execute(me)],
  ['an invalid date', 'PARAMETER_INVALID', (me) => sql`select ${new Date(Number.NaN)}::timestamptz`.execute(me)],
  ['a NUL in the text', 'STATEMENT_INVALID', (me) => sql.raw(cutByNul).execute(me)],
  [
    'a NUL in an identifier',
    'STATEMENT_INVALID',
    (me) => me.selectFrom('note').select(sql.ref('bo\0dy').as('x')).execute(),
  ],
  ['two statements in one text', 'QUERY_SYNTAX', (me) => sql`select 1; select 2`.execute(me)],
  [
    '65,536 parameters',
    'LIMIT_PARAMETERS',
    (me) => me.selectFrom('note').select('id').where('body', 'in', new Array<string>(65_536).fill('x')).execute(),
  ],
]

function endless(): object {
  return { toPostgres: () => endless() }
}

describe.each(grounds)('A statement that fails, on $name', (kind) => {
  let ground: Ground
  beforeAll(async () => {
    ground = await kind.open()
  })
  afterEach(() => ground.reset())
  afterAll(() => ground.close())

  it.each(failures)('%s is told as %s, and the next session’s query is answered', async (_what, code, run) => {
    const settled = await settlementOf(run(ground.as('ada')), 5_000)
    expect(settled).toMatchObject({ state: 'rejected', error: { code } })
    expect(settled.state === 'rejected' && isTenonError(settled.error)).toBe(true)
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    expect(await ground.admin(`select count(*)::int as rows from note`)).toEqual([{ rows: 5 }])
    expect(ground.db.stats().destroyed).toBe(0)
  })

  it.each(failures)(
    '%s in a transaction is told as %s, and nothing of the transaction is kept',
    async (_what, code, run) => {
      const transaction = ground.as('ada').transaction(async (trx) => {
        await trx.insertInto('note').values({ body: 'before it' }).execute()
        await run(trx)
      })
      await expect(transaction).rejects.toMatchObject({ code })
      expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
      expect(await ground.admin(`select count(*)::int as rows from note`)).toEqual([{ rows: 5 }])
    },
  )

  it('an empty statement takes no other statement’s result', async () => {
    const ada = ground.as('ada')
    await expect(ada.batch([sql`-- nothing`, sql`select 'B' as b`])).rejects.toMatchObject({
      code: 'STATEMENT_INVALID',
    })
    const seen = await ada.transaction(async (trx) => [
      (await sql`-- nothing`.execute(trx)).rows,
      (await sql`select 'B' as b`.execute(trx)).rows,
      (await sql``.execute(trx)).rows,
    ])
    expect(seen).toEqual([[], [{ b: 'B' }], []])
  })

  it('nothing was prepared from a text that a NUL would have cut', async () => {
    await expect(sql.raw(cutByNul).execute(ground.as('ada'))).rejects.toMatchObject({ code: 'STATEMENT_INVALID' })
    const { rows } =
      await sql`select name from pg_prepared_statements where statement = 'select body from note'`.execute(
        ground.as('ada'),
      )
    expect(rows).toEqual([])
  })
})

describe.each(serverGrounds)(
  'A connection that another user of the pool gave back inside a transaction, on $name',
  (kind) => {
    it('is not written on as if it were clean', async () => {
      const ground = await kind.open()
      const pool = new Pool({ connectionString: kind.isPowerful ? ground.adminUrl : ground.loginUrl, max: 1 })
      const me = ground.open({ connection: pool }).session({ role: 'tenant_member', claims: { sub: 'ada' } })
      for (const text of ['begin', 'begin; select 1 / 0']) {
        const other = await pool.connect()
        await other.query(text).catch(() => {})
        other.release()
        const written = await settlementOf(me.insertInto('note').values({ body: text }).execute(), 5_000)
        const kept = await ground.admin('select 1 from note where body = $1', [text])
        expect(written.state).toBe(kept.length === 1 ? 'resolved' : 'rejected')
        expect(await whoRuns(me)).toEqual(runsAs('ada'))
      }
      await pool.end()
      await ground.close()
    })
  },
)

describe('The one-Sync prototype, as a control', () => {
  let ground: Ground
  let client: Client
  beforeAll(async () => {
    ground = await trustedSuperuser.open()
  })
  afterAll(() => ground.close())
  const ada = { role: 'tenant_member', claims: { sub: 'ada' } }
  const connected = async <T>(work: (client: Client) => Promise<T>) => {
    client = await connectNaively(ground.adminUrl ?? '')
    // A hung connection would also hang its orderly end.
    return await work(client).finally(() => void client.end().catch(() => {}))
  }

  it('never settles after an error, whether at a statement or at the Sync', async () => {
    for (const text of ['select 1 / 0', 'insert into pledge values (1, -1)']) {
      const settled = await connected((client) => settlementOf(oneSync(client, ada, { text }), 300))
      expect(settled.state).toBe('pending')
    }
  })

  it('hangs the connection for everybody after a value that cannot be encoded', async () => {
    const next = await connected(async (client) => {
      try {
        void submit(client, [{ text: 'select $1::json', values: [circular] }])
      } catch {
        // Thrown with half a unit in the socket's buffer and no Sync.
      }
      return await settlementOf(submit(client, [{ text: 'select 1' }]), 300)
    })
    expect(next.state).toBe('pending')
  })

  it('gives an empty statement the rows of the next', async () => {
    const rows = await connected((client) => submit(client, [{ text: '-- nothing' }, { text: `select 'B' as b` }]))
    expect(rows).toEqual([[{ b: 'B' }], []])
  })

  it('prepares what stands before a NUL, without its condition', async () => {
    const prepared = await connected(async (client) => {
      await settlementOf(submit(client, [{ name: 'cut', text: cutByNul }]), 300)
      return (await client.query(`select statement from pg_prepared_statements where name = 'cut'`)).rows
    })
    expect(prepared).toEqual([{ statement: 'select body from note' }])
  })

  it('sends 65,537 parameters as if they were one', async () => {
    const refused = await connected((client) =>
      settlementOf(client.query('select $1::text', new Array(65_537).fill('x')), 5_000),
    )
    expect(refused).toMatchObject({ state: 'rejected', error: { code: '08P01' } })
  })
})

describe('A backend that is killed while its statement runs', () => {
  it('settles the statement, and the next one has a connection', async () => {
    const ground = await powerlessLogin.open()
    const running = sql`select pg_sleep(30)`.execute(ground.as('ada'))
    const asleep = `select pid from pg_stat_activity where datname = current_database() and query like 'select pg_sleep%'`
    let sleeper: unknown
    while (sleeper === undefined) sleeper = (await ground.admin(asleep))[0]?.pid
    await ground.admin('select pg_terminate_backend($1::int)', [sleeper])
    const settled = await settlementOf(running, 5_000)
    expect(settled.state === 'rejected' && isTenonError(settled.error)).toBe(true)
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    await ground.close()
  })
})
