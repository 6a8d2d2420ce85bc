/** Values and distances of pgvector: all of it on PGlite's build, and what its first versions have on Debian's server. */
import { existsSync } from 'node:fs'
import { vector as vectorExtension } from '@electric-sql/pglite-pgvector'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SparseVector, Vector, vector, vectorCodec } from '../../../src/codecs/index.ts'
import { generateCode } from '../../../src/codegen/index.ts'
import { createDatabase, type Database } from '../../../src/index.ts'
import { bootPglite } from '../../support/pglite.ts'
import { startPostgres } from '../../support/postgres.ts'
import { findSystemBinaries } from '../../support/postgres-binaries.ts'

interface DB {
  notes: { id: number; embedding: Vector; half: Vector; sparse: SparseVector; others: Vector[] }
}
let db: Database<DB>
let close: () => Promise<void>
beforeAll(async () => {
  const pglite = await bootPglite('', { vector: vectorExtension })
  await pglite.exec(`
    create extension vector;
    create table notes (id int primary key, embedding vector(3), half halfvec(2), sparse sparsevec(5), others vector[])`)
  db = createDatabase<DB>({ connection: pglite, codecs: [vectorCodec] })
  close = async () => {
    await db.close()
    await pglite.close()
  }
})
afterAll(() => close?.())

const service = () => db.service({ actor: 'test', reason: 'vectors' })

it('vectors come back as they went, dense, half, sparse and in arrays', async () => {
  const row = {
    id: 1,
    embedding: Vector.of([1, -2.5, 1e-7]),
    half: Vector.of([0.5, 2]),
    sparse: SparseVector.of(5, [
      [3, 2],
      [1, -1.5],
      [2, 0],
    ]),
    others: [Vector.of([1]), Vector.of([2, 3])],
  }
  await service().insertInto('notes').values(row).execute()
  expect(await service().selectFrom('notes').selectAll().execute()).toStrictEqual([row])
  expect([...row.sparse.values]).toEqual([
    [1, -1.5],
    [3, 2],
  ])
})

it('the nearest comes first, by each distance', async () => {
  await service()
    .insertInto('notes')
    .values([{ id: 2, embedding: Vector.of([3, 3, 3]) } as never, { id: 3, embedding: Vector.of([9, 0, 0]) } as never])
    .execute()
  const nearest = async (distance: 'l2Distance' | 'cosineDistance' | 'l1Distance' | 'negativeInnerProduct') =>
    (
      await service()
        .selectFrom('notes')
        .select('id')
        .orderBy(({ ref }) => vector(ref('embedding'))[distance]([2, 2, 2]))
        .execute()
    ).map(({ id }) => id)
  expect(await nearest('l2Distance')).toEqual([2, 1, 3])
  expect(await nearest('cosineDistance')).toEqual([2, 3, 1])
  expect(await nearest('l1Distance')).toEqual([2, 1, 3])
  expect(await nearest('negativeInnerProduct')).toEqual([2, 3, 1].sort((a, b) => (a === 1 ? 1 : b === 1 ? -1 : 0)))
  const found = await service()
    .selectFrom('notes')
    .select(({ ref }) => [
      vector(ref('embedding'))
        .innerProduct(Vector.of([1, 1, 1]))
        .as('product'),
      vector(ref('embedding')).dimensions().as('dimensions'),
      vector(ref('sparse')).l2Distance(SparseVector.of(5, [])).as('distance'),
    ])
    .where('id', '=', 2)
    .execute()
  expect(found).toEqual([{ product: 9, dimensions: 3, distance: null }])
})

it('generated types name the values', async () => {
  const { files } = await generateCode(service(), { codecs: ['vector'] })
  expect(files['types.ts']).toContain('import type { SparseVector, Vector } from "tenon/codecs";')
  expect(files['types.ts']).toMatch(
    /embedding: ColumnType<Vector \| null, Vector \| string \| null, Vector \| string \| null>|embedding: ColumnType<Vector, Vector \| string, Vector \| string> \| null/,
  )
  expect(files['metadata.ts']).toContain('codecs: ["vector"]')
})

it('what is no vector is refused before it is sent, and by the server', async () => {
  const refused = expect.objectContaining({ code: 'PARAMETER_INVALID' })
  expect(() => Vector.of([])).toThrow(refused)
  expect(() => Vector.of([Number.NaN])).toThrow(refused)
  expect(() => Vector.of(['1'] as never)).toThrow(refused)
  expect(() => SparseVector.of(2, [[3, 1]])).toThrow(refused)
  expect(() => SparseVector.of(0, [])).toThrow(refused)
  expect(() => Vector.parse('[1,x]')).toThrow(expect.objectContaining({ code: 'QUERY_DATA' }))
  expect(() => SparseVector.parse('{1:}/3')).toThrow(expect.objectContaining({ code: 'QUERY_DATA' }))
  await expect(sql`select ${Vector.of([1, 2])}::vector(3)`.execute(service())).rejects.toMatchObject({
    code: expect.stringMatching(/^QUERY_/),
  })
})

const binDir = findSystemBinaries()
const major = binDir?.split('/').at(-2)
const installed = existsSync(`/usr/share/postgresql/${major}/extension/vector.control`)

it('on a server: as they went, the nearest first under row security, by its index', async ({ skip }) => {
  skip(
    binDir === undefined || !installed,
    `pgvector is not installed here (apt-get install postgresql-${major ?? 15}-pgvector)`,
  )
  const server = await startPostgres({ binDir: binDir ?? '' })
  const place = createDatabase<DB>({
    connection: server.url,
    service: { connection: server.url },
    trustLogin: true,
    codecs: [vectorCodec],
    settings: ['app.tenant_id'],
  })
  const owner = place.service({ actor: 'test', reason: 'vectors' })
  try {
    await sql`create role authenticated`.execute(owner)
    await sql`create extension vector`.execute(owner)
    await sql`create table notes (id int primary key, tenant text not null, embedding vector(3))`.execute(owner)
    await sql`alter table notes enable row level security`.execute(owner)
    await sql`create policy notes_tenant on notes to authenticated using (tenant = (select current_setting('app.tenant_id', true)))`.execute(
      owner,
    )
    await sql`grant select on notes to authenticated`.execute(owner)
    const rows = [
      { id: 1, tenant: 'a', embedding: Vector.of([1, -2.5, 1e-7]) },
      { id: 2, tenant: 'b', embedding: Vector.of([3, 3, 3]) },
      { id: 3, tenant: 'a', embedding: Vector.of([2, 2, 2]) },
    ]
    await owner
      .insertInto('notes')
      .values(rows as never[])
      .execute()
    await sql`create index notes_embedding_idx on notes using ivfflat (embedding vector_l2_ops) with (lists = 1)`.execute(
      owner,
    )
    const nearestTo = (session: typeof owner) =>
      session
        .selectFrom('notes')
        .select(['id', 'embedding'])
        .orderBy(({ ref }) => vector(ref('embedding')).l2Distance([3, 3, 3]))
    const tenant = place.session({ role: 'authenticated', settings: { 'app.tenant_id': 'a' } })
    expect(await nearestTo(tenant).execute()).toStrictEqual([
      { id: 3, embedding: Vector.of([2, 2, 2]) },
      { id: 1, embedding: Vector.of([1, -2.5, 1e-7]) },
    ])
    expect((await nearestTo(owner).execute()).map(({ id }) => id)).toEqual([2, 3, 1])
    const plan = await owner.transaction().execute(async (trx) => {
      await sql`set local enable_seqscan = off`.execute(trx)
      return await nearestTo(trx as typeof owner)
        .limit(1)
        .explain()
    })
    expect(JSON.stringify(plan)).toContain('Index Scan using notes_embedding_idx')
  } finally {
    await place.close()
    await server.stop()
  }
})
