/**
 * Kysely's own Migrator on each executor: what existing applications run at start. It takes a session-level advisory
 * lock on one connection, begins a transaction there and unlocks afterwards, so it needs a connection that keeps state:
 * a session has none and is left out.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Kysely, sql } from 'kysely'
import {
  FileMigrationProvider,
  type Migration,
  type MigrationProvider,
  type MigrationResultSet,
  Migrator,
  NO_MIGRATIONS,
} from 'kysely/migration'
import { expect, onTestFinished } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

const migrations: Record<string, Migration> = {
  '1_create_note': {
    up: async (db) =>
      db.schema
        .createTable('note')
        .addColumn('id', 'integer', (column) => column.primaryKey())
        .addColumn('text', 'text')
        .execute(),
    down: async (db) => db.schema.dropTable('note').execute(),
  },
  '2_fill_note': {
    async up(db) {
      // Without parameters several statements go at once, as every SQL-file migration relies on.
      await sql`insert into note values (1, 'one'); insert into note values (2, 'two'); create index note_text_idx on note (text)`.execute(
        db,
      )
    },
    down: async (db) => void (await sql`drop index note_text_idx; delete from note`.execute(db)),
  },
  '3_widen_note': {
    async up(db: Kysely<{ note: { id: number; text: string; length: number } }>) {
      const before = await db.selectFrom('note').selectAll().execute()
      await db.schema.alterTable('note').addColumn('length', 'integer').execute()
      for (const note of before)
        await db.updateTable('note').set({ length: note.text.length }).where('id', '=', note.id).execute()
      await db.selectFrom('note').selectAll().execute()
    },
    down: async (db) => db.schema.alterTable('note').dropColumn('length').execute(),
  },
}

const provider = (chosen: Record<string, Migration>): MigrationProvider => ({ getMigrations: async () => chosen })

const outcome = ({ error, results }: MigrationResultSet) => ({
  error: error instanceof Error ? error.message : error,
  results: results?.map((result) => `${result.direction} ${result.migrationName}: ${result.status}`),
})

const keepsState = {
  only: ({ kind }: { kind: string }) => kind !== 'session',
  because: 'a session keeps no lock between statements',
}

/** Timestamps differ from run to run, so the log is compared by `events`, not whole. */
const unlogged = { ...keepsState, log: 'ignored' } as const

describeExecutors('Migrator', ({ behaves }) => {
  behaves('migrates to the latest, once', unlogged, async ({ db, admin, events }) => {
    const migrator = new Migrator({ db, provider: provider(migrations) })
    const first = outcome(await migrator.migrateToLatest())
    const second = outcome(await migrator.migrateToLatest())
    const notes = await admin('select id, text, length from note order by id')
    expect(first).toStrictEqual({
      error: undefined,
      results: ['Up 1_create_note: Success', 'Up 2_fill_note: Success', 'Up 3_widen_note: Success'],
    })
    expect(second).toStrictEqual({ error: undefined, results: [] })
    expect(notes).toStrictEqual([
      { id: 1, text: 'one', length: 3 },
      { id: 2, text: 'two', length: 3 },
    ])
    return { first, second, notes, log: events.map((event) => event.sql) }
  })

  behaves('goes up and down step by step, to a name and to nothing', unlogged, async ({ db }) => {
    const migrator = new Migrator({ db, provider: provider(migrations) })
    const seen = [
      outcome(await migrator.migrateUp()),
      outcome(await migrator.migrateTo('3_widen_note')),
      outcome(await migrator.migrateDown()),
      (await migrator.getMigrations()).map((migration) => [migration.name, migration.executedAt !== undefined]),
      outcome(await migrator.migrateTo('1_create_note')),
      outcome(await migrator.migrateTo(NO_MIGRATIONS)),
      outcome(await migrator.migrateTo('nowhere')),
    ]
    expect(seen[3]).toStrictEqual([
      ['1_create_note', true],
      ['2_fill_note', true],
      ['3_widen_note', false],
    ])
    expect(seen[5]).toStrictEqual({ error: undefined, results: ['Down 1_create_note: Success'] })
    return seen
  })

  behaves('rolls everything back when one migration fails', unlogged, async ({ db, admin }) => {
    const failing = {
      ...migrations,
      '4_fail': {
        up: async (on: Kysely<unknown>) => void (await sql`insert into note values (1, 'again')`.execute(on)),
      },
    }
    const seen = outcome(await new Migrator({ db, provider: provider(failing) }).migrateToLatest())
    expect(seen.results?.at(-1)).toBe('Up 4_fail: Error')
    expect(await admin(`select to_regclass('note') as note`)).toStrictEqual([{ note: null }])
    return seen.results
  })

  behaves('keeps what succeeded when transactions are off', unlogged, async ({ db, admin }) => {
    const failing = {
      ...migrations,
      '4_fail': { up: async (on: Kysely<unknown>) => void (await sql`select 1/0`.execute(on)) },
    }
    const migrator = new Migrator({ db, provider: provider(failing), disableTransactions: true })
    const seen = outcome(await migrator.migrateToLatest())
    expect(await admin('select count(*)::int as n from note')).toStrictEqual([{ n: 2 }])
    return seen.results
  })

  behaves('runs inside a transaction that it is given', unlogged, async ({ db, admin }) => {
    const trx = await db.startTransaction().execute()
    const seen = outcome(await new Migrator({ db: trx, provider: provider(migrations) }).migrateToLatest())
    await trx.rollback().execute()
    expect(seen.results).toHaveLength(3)
    expect(await admin(`select to_regclass('note') as note`)).toStrictEqual([{ note: null }])
    return seen
  })

  behaves('keeps its tables in a schema of its own', unlogged, async ({ db, admin }) => {
    const migrator = new Migrator({
      db,
      provider: provider(migrations),
      migrationTableSchema: 'history',
      migrationTableName: 'done',
      migrationLockTableName: 'lock',
    })
    const seen = outcome(await migrator.migrateToLatest())
    expect(await admin('select name from history.done order by name')).toHaveLength(3)
    return seen
  })

  behaves('reads migrations from files', unlogged, async ({ db }) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'kysely-migrations-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(
      path.join(folder, '1_first.mjs'),
      `export const up = (db) => db.schema.createTable('from_file').addColumn('id', 'integer').execute()`,
    )
    const migrator = new Migrator({ db, provider: new FileMigrationProvider({ fs, path, migrationFolder: folder }) })
    const seen = outcome(await migrator.migrateToLatest())
    expect(seen).toStrictEqual({ error: undefined, results: ['Up 1_first: Success'] })
    return seen
  })

  const several = {
    ...unlogged,
    only: (executor: { kind: string; isEmbedded: boolean }) => keepsState.only(executor) && !executor.isEmbedded,
    because: 'it takes connections that keep a lock',
  }
  behaves('applies each migration once when several start together', several, async ({ open, admin }) => {
    const all = await Promise.all([open(), open(), open()])
    const slow: Record<string, Migration> = {
      ...migrations,
      '0_wait': { up: async (db: Kysely<PeopleAndPets>) => void (await sql`select pg_sleep(0.05)`.execute(db)) },
    }
    const seen = (
      await Promise.all(all.map((db) => new Migrator({ db, provider: provider(slow) }).migrateToLatest()))
    ).map(outcome)
    expect(seen.map((each) => each.error)).toStrictEqual([undefined, undefined, undefined])
    expect(seen.map((each) => each.results?.length).toSorted()).toStrictEqual([0, 0, 4])
    // Another session may take the lock, so none of the three still holds it on its pooled connection.
    expect(
      await admin(
        `select count(*)::int as held from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`,
      ),
    ).toStrictEqual([{ held: 0 }])
  })
})
