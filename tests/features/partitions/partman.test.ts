/** Beside pg_partman, 4 or 5: what it manages is left to it. Debian's packages of PostgreSQL 15 have 4. */
import { existsSync } from 'node:fs'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDatabase, type Database } from '../../../src/index.ts'
import type { TableMetadata } from '../../../src/kernel/metadata.ts'
import { applyMigrations } from '../../../src/migrate/index.ts'
import {
  createPartitions,
  drainDefault,
  partitionStatus,
  retainPartitions,
  runPartman,
} from '../../../src/partitions/index.ts'
import { type RunningPostgres, startPostgres } from '../../support/postgres.ts'
import { findSystemBinaries } from '../../support/postgres-binaries.ts'

const binDir = findSystemBinaries(15)
const installed = binDir !== undefined && existsSync('/usr/share/postgresql/15/extension/pg_partman.control')

describe('pg_partman', () => {
  if (!installed || binDir === undefined) {
    it.skip('pg_partman is not installed here (apt-get install postgresql-15 postgresql-15-partman)')
    return
  }
  let server: RunningPostgres
  let admin: Client
  let db: Database<object>
  const tableOf = (name: string): TableMetadata => ({
    ...{ key: name, schema: 'public', name, kind: 'partitioned table', columns: {}, primaryKey: [], uniqueKeys: [] },
    ...{ foreignKeys: [], relations: {}, indexes: [], checks: [], rowSecurity: 'off', policies: [] },
  })
  const [managed, own] = [tableOf('managed'), tableOf('own')]
  const service = () => db.service({ actor: 'test', reason: 'partman' })

  beforeAll(async () => {
    server = await startPostgres({ binDir })
    admin = new Client(server.url)
    await admin.connect()
    await admin.query(`
      create schema partman; create extension pg_partman schema partman;
      create table managed (at timestamptz not null) partition by range (at);
      create table own (at timestamptz not null) partition by range (at)`)
    const { rows } = await admin.query(`select extversion from pg_extension where extname = 'pg_partman'`)
    const kind = Number.parseInt(rows[0]?.extversion, 10) >= 5 ? `'1 day'` : `'native', 'daily'`
    await admin.query(`select partman.create_parent('public.managed', 'at', ${kind}, p_premake => 2)`)
    db = createDatabase({ connection: server.url, service: { connection: server.url }, trustLogin: true })
    await applyMigrations(db, { modules: ['partitions'] })
  })
  afterAll(async () => {
    await db?.close()
    await admin?.end()
    await server?.stop()
  })

  it('makes what it manages, and nobody else does', async () => {
    const by = { code: 'PARTITION_MANAGED', hint: expect.stringContaining('runPartman()') }
    await expect(createPartitions(service(), managed, { unit: 'day' })).rejects.toMatchObject(by)
    await expect(drainDefault(service(), managed, { unit: 'day' })).rejects.toMatchObject(by)
    await expect(retainPartitions(db, managed, { before: '2026-01-01' })).rejects.toMatchObject(by)
    const before = await partitionStatus(service(), managed)
    expect(before).toMatchObject({ managedBy: 'pg_partman', covered: true })
    await admin.query(
      `update partman.part_config set premake = 4, retention = '1 day', retention_keep_table = false where parent_table = 'public.managed'`,
    )
    await admin.query(`insert into managed values (now() + interval '2 days')`)
    const changes = await runPartman(service(), managed)
    expect(changes.filter(({ change }) => change === 'created').length).toBeGreaterThan(0)
    expect(changes.filter(({ change }) => change === 'gone').length).toBeGreaterThan(0)
    expect(changes.every(({ partition }) => partition.startsWith('managed_p'))).toBe(true)
  })

  it('does not keep us from tables that it does not know', async () => {
    expect(await createPartitions(service(), own, { unit: 'day', ahead: 1 })).toHaveLength(2)
    expect(await partitionStatus(service(), own)).toMatchObject({ managedBy: null })
    await expect(runPartman(service(), own)).rejects.toMatchObject({ code: 'PARTITION_MANAGED' })
  })
})
