/**
 * Plugins, `withSchema`, the `$…Tables` methods, compiled queries and `explain()`: everything between a builder and its
 * rows that is not the driver, and that a driver must neither skip nor do twice.
 */
import {
  CamelCasePlugin,
  CompiledQuery,
  DeduplicateJoinsPlugin,
  HandleEmptyInListsPlugin,
  type Kysely,
  type KyselyPlugin,
  ParseJSONResultsPlugin,
  replaceWithNoncontingentExpression,
  SafeNullComparisonPlugin,
  sql,
  WithSchemaPlugin,
} from 'kysely'
import { jsonArrayFrom } from 'kysely/helpers/postgres'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'

/** Notes each call, and marks each row, so that both the order and the number of calls can be seen. */
function recording(name: string, calls: string[]): KyselyPlugin {
  return {
    transformQuery({ node }) {
      calls.push(`${name} query ${node.kind}`)
      return node
    },
    async transformResult({ result }) {
      calls.push(`${name} result ${result.rows.length} rows, ${String(result.numAffectedRows)} affected`)
      return {
        ...result,
        rows: result.rows.map((row) => ({ ...row, marks: [...((row['marks'] as string[] | undefined) ?? []), name] })),
      }
    },
  }
}

describeExecutors('Plugins', ({ behaves }) => {
  behaves('call every plugin once per query, in the order of installation', async ({ open }) => {
    const calls: string[] = []
    const db = await open({ plugins: [recording('a', calls), recording('b', calls)] })
    const three = db.withPlugin(recording('c', calls))
    const seen = [
      await three.selectFrom('pet').select('name').where('id', '=', 1).execute(),
      await sql`select ${1}::int as n`.execute(three),
      await three.insertInto('badge').values({ id: 1, label: 'x' }).execute(),
      await three.selectFrom('pet').select('name').where('id', '=', 1).withPlugin(recording('d', calls)).execute(),
      await three.executeQuery(three.selectFrom('pet').select('name').where('id', '=', 1).compile()),
      await three.executeQuery(CompiledQuery.raw('select $1::int as n', [1])),
      await three.withoutPlugins().selectFrom('pet').select('name').where('id', '=', 1).execute(),
      await three.transaction().execute((trx) => trx.selectFrom('pet').select('name').where('id', '=', 1).execute()),
      await three.connection().execute((one) => one.updateTable('pet').set({ species: 'dog' }).execute()),
    ]
    expect(seen[0]).toStrictEqual([{ name: 'Catto', marks: ['a', 'b', 'c'] }])
    expect(calls.slice(0, 6)).toStrictEqual([
      'a query SelectQueryNode',
      'b query SelectQueryNode',
      'c query SelectQueryNode',
      'a result 1 rows, undefined affected',
      'b result 1 rows, undefined affected',
      'c result 1 rows, undefined affected',
    ])
    return { seen, calls }
  })

  behaves('see streams a chunk at a time', async ({ open }) => {
    const calls: string[] = []
    const db = await open({ plugins: [recording('a', calls)] })
    const rows: unknown[] = []
    for await (const row of db.selectFrom('pet').select('name').orderBy('id').stream(2)) rows.push(row)
    expect(calls).toStrictEqual([
      'a query SelectQueryNode',
      'a result 2 rows, undefined affected',
      'a result 1 rows, undefined affected',
    ])
    expect(rows).toHaveLength(3)
    return { rows, calls }
  })

  behaves('may fail, before the query or after it', async ({ db, admin }) => {
    const before = db.withPlugin({
      transformQuery: () => {
        throw new Error('before')
      },
      transformResult: async ({ result }) => result,
    })
    const after = db.withPlugin({
      transformQuery: ({ node }) => node,
      transformResult: () => Promise.reject(new Error('after')),
    })
    await expect(async () => before.insertInto('badge').values({ id: 1, label: 'never' }).execute()).rejects.toThrow(
      'before',
    )
    await expect(after.insertInto('badge').values({ id: 2, label: 'done' }).execute()).rejects.toThrow('after')
    expect(await admin('select id from badge')).toStrictEqual([{ id: 2 }])
  })

  behaves('camel-case and back, nested json included', async ({ db }) => {
    type Camel = { person: { id: number; firstName: string; createdAt: Date }; pet: { name: string; ownerId: number } }
    const camel = db.withPlugin(new CamelCasePlugin()) as unknown as Kysely<Camel>
    const rows = await camel
      .selectFrom('person')
      .select((eb) => [
        'firstName',
        'createdAt',
        jsonArrayFrom(eb.selectFrom('pet').select('ownerId').whereRef('ownerId', '=', 'person.id')).as('allPets'),
      ])
      .where('id', '=', 2)
      .execute()
    const shallow = await (
      db.withPlugin(new CamelCasePlugin({ maintainNestedObjectKeys: true })) as unknown as Kysely<Camel>
    )
      .selectFrom('person')
      .select((eb) =>
        jsonArrayFrom(eb.selectFrom('pet').select('ownerId').whereRef('ownerId', '=', 'person.id')).as('allPets'),
      )
      .where('id', '=', 2)
      .execute()
    expect(rows).toStrictEqual([
      { firstName: 'Arnold', createdAt: new Date('2024-05-06T07:08:09.123Z'), allPets: [{ ownerId: 2 }] },
    ])
    expect(shallow).toStrictEqual([{ allPets: [{ owner_id: 2 }] }])
    return { rows, shallow }
  })

  behaves('parse json that arrives as text', async ({ db }) => {
    const parsing = db.withPlugin(new ParseJSONResultsPlugin())
    const row = await parsing
      .selectNoFrom([sql<object>`${'{"a":[1,{"b":"2"}]}'}::text`.as('document'), sql<string>`'plain'`.as('text')])
      .executeTakeFirst()
    expect(row).toStrictEqual({ document: { a: [1, { b: '2' }] }, text: 'plain' })
    return row
  })

  behaves('deduplicate joins', async ({ db, events }) => {
    const rows = await db
      .withPlugin(new DeduplicateJoinsPlugin())
      .selectFrom('person')
      .innerJoin('pet', 'pet.owner_id', 'person.id')
      .$call((qb) => qb.innerJoin('pet', 'pet.owner_id', 'person.id'))
      .select('pet.name')
      .orderBy('pet.id')
      .execute()
    expect(events[0]?.sql.match(/inner join/g)).toHaveLength(1)
    return rows
  })

  behaves('handle empty lists and comparisons with null', async ({ db }) => {
    const safe = db
      .withPlugin(new HandleEmptyInListsPlugin({ strategy: replaceWithNoncontingentExpression }))
      .withPlugin(new SafeNullComparisonPlugin())
    const seen = [
      await safe.selectFrom('person').select('id').where('id', 'in', []).execute(),
      await safe
        .selectFrom('person')
        .select('id')
        .where(({ eb, lit }) => eb('email', '=', lit(null)))
        .execute(),
    ]
    expect(seen).toStrictEqual([[], [{ id: 3 }]])
    return seen
  })

  behaves('put a schema in front of every table, at every level', async ({ db, admin }) => {
    await admin(`create table lab.pet as select id, name || ' of lab' as name, owner_id, species from pet`)
    await admin('grant all on lab.pet to suite_user')
    const lab = db.withSchema('lab')
    const seen = [
      await lab.selectFrom('pet').select('name').where('id', '=', 1).execute(),
      await lab
        .with('p', (qc) => qc.selectFrom('pet').select('pet.name').where('pet.id', '=', 2))
        .selectFrom('p')
        .select('p.name')
        .execute(),
      await lab
        .selectFrom('pet')
        .select('pet.name')
        .where('pet.id', 'in', (eb) => eb.selectFrom('pet').select(eb.fn.max('pet.id').as('id')))
        .execute(),
      await lab.updateTable('pet').set({ name: 'renamed' }).where('id', '=', 3).returning('name').execute(),
      await db.withPlugin(new WithSchemaPlugin('lab')).selectFrom('pet').select('name').where('id', '=', 3).execute(),
      await db
        .transaction()
        .execute((trx) => trx.withSchema('lab').selectFrom('pet').select('name').where('id', '=', 1).execute()),
      await db.selectFrom('pet').select('name').where('id', '=', 1).execute(),
    ]
    expect(seen.flat().map((row) => row.name)).toStrictEqual([
      'Catto of lab',
      'Doggo of lab',
      'Hammo of lab',
      'renamed',
      'renamed',
      'Catto of lab',
      'Catto',
    ])
    return seen
  })

  behaves('leave the $ methods to change types only', async ({ db, events }) => {
    const rows = [
      await db
        .$extendTables<{ extra: { id: number } }>()
        .selectFrom('pet')
        .select('name')
        .where('id', '=', 1)
        .execute(),
      await db.$omitTables<'toy'>().selectFrom('pet').select('name').where('id', '=', 1).execute(),
      await db.$pickTables<'pet'>().selectFrom('pet').select('name').where('id', '=', 1).execute(),
      await db.withTables<{ extra: { id: number } }>().selectFrom('pet').select('name').where('id', '=', 1).execute(),
    ]
    expect(new Set(events.map((event) => event.sql)).size).toBe(1)
    return rows
  })

  behaves('run compiled queries again and again, elsewhere and from a builder', async ({ db, open }) => {
    const query = db.selectFrom('pet').select('name').where('species', '=', 'dog').compile()
    const other = await open()
    const seen = [
      await db.executeQuery(query),
      await db.executeQuery(query),
      await other.executeQuery(query),
      await db.executeQuery(db.deleteFrom('toy').where('id', '=', 1)),
      await db.executeQuery(CompiledQuery.raw('select name from pet where id = $1', [3])),
      await db.transaction().execute((trx) => trx.executeQuery(query)),
    ]
    expect(seen.map((result) => Object.keys(result))).toStrictEqual(Array(6).fill(['numAffectedRows', 'rows']))
    expect(seen[3]).toStrictEqual({ numAffectedRows: 1n, rows: [] })
    return seen
  })

  behaves('explain in text and json, with options', async ({ db }) => {
    const query = db.selectFrom('pet').selectAll().where('id', '=', 1)
    const text = await query.explain('text', sql`costs off`)
    const json = await query.explain('json', sql`analyze, timing off, summary off, buffers off`)
    const write = await db.insertInto('badge').values({ id: 1, label: 'unwritten' }).explain()
    expect(Object.keys(text[0] ?? {})).toStrictEqual(['QUERY PLAN'])
    expect(json).toMatchObject([{ 'QUERY PLAN': [{ Plan: { 'Actual Rows': 1 } }] }])
    expect(await db.selectFrom('badge').selectAll().execute()).toStrictEqual([])
    // Plans differ with statistics; which columns and how many lines of text came is what the driver decides.
    return [Object.keys(text[0] ?? {}), json.length, write.length]
  })
})
