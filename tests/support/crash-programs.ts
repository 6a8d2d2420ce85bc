/**
 * Programs that end a process, or break every connection of it, when they are written with pg alone. Each stands here twice:
 * ours, all of which run one after another in one process, and the control, each in a process of its own with a time limit.
 * They print what they saw and assert nothing.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Pool } from 'pg'
import type { Session } from '../../src/index.ts'
import { connectNaively, oneSync, settlementOf } from './naive-session.ts'
import type { TwoTenants } from './two-tenants.ts'

/** Where the programs run. */
export interface Urls {
  /** A superuser's: for the controls, and for killing. */
  readonly admin: string
  readonly login: string
}

/** How a process ended. */
export interface Ending {
  /** `crashed` is an error that nobody caught; `hung` was killed at the time limit. */
  readonly end: 'finished' | 'crashed' | 'hung'
  /** What it printed; undefined unless it finished. */
  readonly saw: unknown
  /** What Node says of the error that nobody caught. */
  readonly uncaught: string
}

export type CrashProgram = keyof typeof naive

/** What each of our programs saw: what became of its statement, and of the query after it on the same connection. */
export type Survival = Readonly<Record<CrashProgram, readonly unknown[]>>

/** Runs a control, or all of ours. */
export function runPrograms(which: CrashProgram | 'ours', urls: Urls, limitMs = 15_000): Promise<Ending> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), which], {
    env: { ...process.env, ADMIN_URL: urls.admin, LOGIN_URL: urls.login },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  let uncaught = ''
  child.stdout.on('data', (text) => {
    printed += text
  })
  child.stderr.on('data', (text) => {
    uncaught += text
  })
  return new Promise((resolve) => {
    let hung = false
    const timer = setTimeout(() => {
      hung = true
      child.kill('SIGKILL')
    }, limitMs)
    child.on('close', (exitCode) => {
      clearTimeout(timer)
      if (hung) resolve({ end: 'hung', saw: undefined, uncaught })
      else if (exitCode === 0) resolve({ end: 'finished', saw: JSON.parse(printed), uncaught: '' })
      else resolve({ end: 'crashed', saw: undefined, uncaught })
    })
  })
}

const identity = { role: 'tenant_member', claims: { sub: 'ada' } }

/** The code of an error of ours, else its name, else what became of the promise. */
async function outcome(work: Promise<unknown>): Promise<string> {
  const settled = await settlementOf(work, 5_000)
  if (settled.state !== 'rejected') return settled.state
  const { error } = settled
  if (!(error instanceof Error)) return typeof error
  return error.name.endsWith('Error') && 'code' in error ? String(error.code) : error.name
}

/**
 * Gives this process a V8 whose longest string has 1 MiB instead of 512: what happens at the limit is the same, and the
 * server, the network and this machine are spared half a gigabyte.
 */
function shortenLongestString(): void {
  const longest = 1024 * 1024
  const decode = Buffer.prototype.toString
  Buffer.prototype.toString = function (this: Buffer, encoding?: BufferEncoding, start = 0, end = this.length) {
    if (end - start <= longest) return decode.call(this, encoding, start, end)
    throw Object.assign(new Error('Cannot create a string longer than 0x100000 characters'), {
      code: 'ERR_STRING_TOO_LONG',
    })
  }
}
const longValue = `select repeat('x', 1024 * 1024 + 1) as value`

const naive = {
  'copy to stdout': async ({ admin }: Urls) => {
    return await outcome(oneSync(await connectNaively(admin), identity, { text: 'copy (select 1) to stdout' }))
  },
  'copy from stdin': async ({ admin }: Urls) => {
    return await outcome(oneSync(await connectNaively(admin), identity, { text: 'copy pledge from stdin' }))
  },
  'a bind of more than 2 GiB': async ({ admin }: Urls) => {
    const [one, other] = [await connectNaively(admin), await connectNaively(admin)]
    // It says it is 3 GB long and copies nothing: pg's encoder counts it, and fails where it writes the length.
    const long = Object.create(Buffer.prototype, { length: { value: 3_000_000_000 }, copy: { value: () => 0 } })
    await outcome(one.query('select length($1::bytea)', [long]))
    return await outcome(other.query('select $1::text', ['on the other connection']))
  },
  'a value longer than the longest string': async ({ admin }: Urls) => {
    const client = await connectNaively(admin)
    shortenLongestString()
    return await outcome(client.query(longValue))
  },
  'a connection that is killed while it is held': async ({ admin }: Urls) => {
    const killer = await connectNaively(admin)
    const pool = new Pool({ connectionString: admin })
    pool.on('error', () => {})
    const held = await pool.connect()
    const { rows } = await held.query('select pg_backend_pid() as pid')
    await killer.query('select pg_terminate_backend($1, 5000)', [rows[0].pid])
    await new Promise((resolve) => setTimeout(resolve, 200))
    return 'alive'
  },
}

async function ours(urls: Urls): Promise<Survival> {
  // Imported here: the controls have no use for it, and they are many.
  const [{ createDatabase }, { sql }] = await Promise.all([import('../../src/index.ts'), import('kysely')])
  const db = createDatabase<TwoTenants>({
    connection: urls.login,
    pool: { max: 1 },
    roles: ['tenant_member', 'tenant_guest'],
    service: { connection: urls.admin, pool: { max: 1 } },
  })
  const me: Session<TwoTenants> = db.session(identity)
  const service = db.service({ actor: 'the suite', reason: 'COPY is refused there too' })
  const read = () => outcome(me.selectFrom('note').select('id').execute())
  const readAsService = () => outcome(service.selectFrom('note').select('id').execute())

  const copies = async (text: string) => [
    await outcome(sql.raw(text).execute(me)),
    await read(),
    await outcome(sql.raw(text).execute(service)),
    await readAsService(),
  ]
  const copyOut = await copies('copy note to stdout')
  const copyIn = await copies('copy note (body) from stdin')

  // Memory that is only promised: nothing reads or writes it unless somebody encodes it.
  const parts = Array.from({ length: 5 }, () => Buffer.alloc(460 * 1024 * 1024))
  const lengths = (some: readonly Buffer[]) => sql`select ${sql.join(some.map((part) => sql`length(${part}::bytea)`))}`
  const bind = [
    await outcome(lengths(parts).execute(me)),
    await outcome(me.batch(parts.map(() => lengths([Buffer.alloc(200 * 1024 * 1024)])))),
    await read(),
    process.memoryUsage().rss < 400 * 1024 * 1024,
    await outcome(sql`select length(${'x'.repeat(257 * 1024 * 1024)}::text)`.execute(me)),
  ]

  const killer = await connectNaively(urls.admin)
  const killed = me.transaction(async (trx) => {
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(trx)
    await killer.query('select pg_terminate_backend($1, 5000)', [rows[0]?.pid])
    await new Promise((resolve) => setTimeout(resolve, 200))
    await trx.selectFrom('note').select('id').execute()
  })
  const held = [await outcome(killed), await read()]
  await killer.end()

  shortenLongestString()
  const value = [await outcome(sql.raw(longValue).execute(me)), await read()]
  await db.close({ drainMs: 500 })
  return {
    'copy to stdout': copyOut,
    'copy from stdin': copyIn,
    'a bind of more than 2 GiB': bind,
    'a value longer than the longest string': value,
    'a connection that is killed while it is held': held,
  }
}

if (import.meta.main) {
  const urls = { admin: process.env['ADMIN_URL'] ?? '', login: process.env['LOGIN_URL'] ?? '' }
  const which = process.argv[2] ?? ''
  // The name comes from runPrograms, whose parameter is a key of the table.
  const saw = which === 'ours' ? await ours(urls) : await naive[which as CrashProgram](urls)
  console.log(JSON.stringify(saw))
  process.exit(0)
}
