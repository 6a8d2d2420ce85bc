/**
 * Prepared statements under everything that can happen to them: far more texts than the cache holds, tables whose shape changes, and
 * another user of the same pool who deallocates them all. Nobody may see an error of it outside a transaction of several statements.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { Pool } from 'pg'
import { isTenonError, type Session } from '../../src/index.ts'
import { type Ledger, type LedgerTables, tenant } from '../support/ledger.ts'
import type { Random } from './random.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface StatementCacheOptions {
  readonly ledger: Ledger
  readonly random: Random
  readonly operations: number
  /** How many different texts there are. */
  readonly texts: number
  readonly statementCacheSize: number
  readonly tell?: Tell
}

/** What came of it. */
export interface StatementCacheReport {
  readonly operations: number
  /** Errors that anybody saw. */
  readonly errors: readonly string[]
  /** Rows that were not those asked for. */
  readonly wrong: number
  /** The most statements one backend held. */
  readonly mostHeld: number
  readonly shapeChanges: number
  readonly deallocations: number
  readonly healed: number
  readonly destroyed: number
}

/** Milliseconds between two changes of the table, and between two deallocations. */
const disturbanceMs = 20

/** Runs the mix over a pool of the caller's with four connections. */
export async function statementCache({
  ledger,
  random,
  operations,
  texts,
  statementCacheSize,
  tell,
}: StatementCacheOptions): Promise<StatementCacheReport> {
  const pool = new Pool({ connectionString: ledger.loginUrl, max: 4 })
  await using db = ledger.open({ connection: pool, statementCacheSize })
  await ledger.admin(
    `insert into entry (tenant, note, written_by, claimed_by) select 'ada', n, 'authenticated', 'ada' from generate_series(0, 99) n`,
  )
  const ada = tenant(db, 'ada')
  const errors: string[] = []
  let [done, wrong, mostHeld, shapeChanges, deallocations] = [0, 0, 0, 0, 0]
  let stopped = false

  /** One row, asked for with one of many texts; `select *`, so that a change of shape makes the plan stale. */
  const question = (on: Pick<Session<LedgerTables>, 'selectFrom'>, text: number, note: string) =>
    on.selectFrom('entry').selectAll().select(sql.lit(text).as('text')).where('note', '=', note)
  const check = (
    rows: readonly { readonly note: string; readonly text: number }[],
    text: number,
    note: string,
  ): void => {
    if (rows.length !== 1 || rows[0]?.note !== note || rows[0].text !== text) wrong += 1
  }

  async function operate(): Promise<void> {
    const text = random.below(texts)
    const note = String(random.below(100))
    const kind = random.below(100)
    if (kind < 50) check(await question(ada, text, note).execute(), text, note)
    else if (kind < 65) {
      const other = random.below(texts)
      const [one, two] = await ada.batch([question(ada, text, note), question(ada, other, note)])
      check(one, text, note)
      check(two, other, note)
    } else if (kind < 70) await sql`explain select * from entry where note = ${sql.lit(note)}`.execute(ada)
    else if (kind < 78)
      check(
        (
          await sql<{
            note: string
            text: number
          }>`select *, ${sql.lit(text)}::int as text from entry where note = ${note}`.execute(ada)
        ).rows,
        text,
        note,
      )
    else if (kind < 86) {
      const rows: { note: string; text: number }[] = []
      for await (const row of question(ada, text, note).stream(1)) rows.push(row)
      check(rows, text, note)
    } else if (kind < 95) check(await ada.transaction((trx) => question(trx, text, note).execute()), text, note)
    else {
      const held = await (ada as unknown as Session<{ pg_prepared_statements: { name: string } }>)
        .selectFrom('pg_prepared_statements')
        .select((eb) => eb.fn.countAll<string>().as('n'))
        .executeTakeFirstOrThrow()
      mostHeld = Math.max(mostHeld, Number(held.n))
    }
  }

  const disturbing = (async () => {
    for (let i = 0; !stopped; i++) {
      await delay(random.next() * disturbanceMs)
      if (i % 2 === 0) {
        await ledger.admin(
          shapeChanges % 2 === 0
            ? 'alter table entry add column extra integer default 1'
            : 'alter table entry drop column extra',
        )
        shapeChanges += 1
      } else {
        await pool.query(random.chance(0.5) ? 'deallocate all' : 'discard all')
        deallocations += 1
      }
    }
  })()
  let next = 0
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < operations) {
        next += 1
        await operate().catch((error: unknown) =>
          errors.push(isTenonError(error) ? `${error.code} ${error.sqlstate}: ${error.message}` : String(error)),
        )
        done += 1
        if (done % 10_000 === 0)
          tell?.(
            `${done} operations, ${shapeChanges} changes of shape, ${deallocations} deallocations, ${errors.length} errors`,
          )
      }
    }),
  )
  stopped = true
  await disturbing
  if (shapeChanges % 2 === 1) await ledger.admin('alter table entry drop column extra')
  const { healed, destroyed } = db.stats()
  await db.close()
  await pool.end()
  return { operations: done, errors, wrong, mostHeld, shapeChanges, deallocations, healed, destroyed }
}
