/**
 * Kysely's insert, update, delete and merge: what they change, what they return, how many rows they say they touched.
 */
import { sql } from 'kysely'
import { mergeAction } from 'kysely/helpers/postgres'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'

describeExecutors('Write', ({ behaves }) => {
  behaves('inserts one row, many rows, defaults and the result of a query', async ({ db, admin }) => {
    const seen = [
      await db.insertInto('pet').values({ name: 'One', owner_id: 1, species: 'cat' }).execute(),
      await db
        .insertInto('pet')
        .values([
          { name: 'Two', owner_id: 1, species: 'cat' },
          { name: 'Three', owner_id: 2, species: 'dog' },
        ])
        .executeTakeFirst(),
      await db
        .insertInto('pet')
        .columns(['name', 'owner_id', 'species'])
        .expression((eb) => eb.selectFrom('person').select(['first_name', 'id', sql.lit('dog').as('species')]))
        .executeTakeFirstOrThrow(),
      await db
        .insertInto('person')
        .values({
          first_name: sql`'K' || 'ate'`,
          gender: 'female',
          age: (eb) => eb.selectFrom('person').select(sql<number>`max(age) + 1`.as('age')),
        })
        .returningAll()
        .executeTakeFirstOrThrow(),
      await db
        .insertInto('person')
        .values([
          { first_name: 'A', gender: 'other' },
          { first_name: 'B', gender: 'other', age: 3 },
        ])
        .returning(['first_name', 'age'])
        .execute(),
    ]
    expect(seen[0]).toMatchObject([{ insertId: undefined, numInsertedOrUpdatedRows: 1n }])
    expect(seen[1]).toMatchObject({ numInsertedOrUpdatedRows: 2n })
    expect(seen[2]).toMatchObject({ numInsertedOrUpdatedRows: 3n })
    expect(seen[3]).toMatchObject({ id: 4, first_name: 'Kate', age: 76 })
    expect(seen[4]).toStrictEqual([
      { first_name: 'A', age: 0 },
      { first_name: 'B', age: 3 },
    ])
    expect(await admin('select count(*)::int as n from pet')).toStrictEqual([{ n: 9 }])
    return seen
  })

  behaves('inserts default values only', async ({ db }) => {
    await db.schema
      .createTable('counter')
      .addColumn('id', 'integer', (column) => column.primaryKey().generatedByDefaultAsIdentity())
      .addColumn('n', 'integer', (column) => column.defaultTo(7))
      .execute()
    const counters = db.$extendTables<{ counter: { id: number; n: number } }>()
    const row = await counters.insertInto('counter').defaultValues().returningAll().executeTakeFirstOrThrow()
    expect(row).toStrictEqual({ id: 1, n: 7 })
    return row
  })

  behaves('resolves conflicts by column, constraint and condition', async ({ db, failure }) => {
    const values = { id: 1, name: 'Catto', owner_id: 2, species: 'cat' as const }
    const insert = db.insertInto('pet').values(values)
    const seen = [
      await insert.onConflict((on) => on.doNothing()).executeTakeFirstOrThrow(),
      await insert
        .onConflict((on) => on.column('id').doUpdateSet({ owner_id: (eb) => eb.ref('excluded.owner_id') }))
        .executeTakeFirstOrThrow(),
      await failure(
        db
          .insertInto('pet')
          .values({ ...values, name: 'Other' })
          .onConflict((on) => on.constraint('pet_name_key').doNothing())
          .execute(),
      ),
      await db
        .insertInto('pet')
        .values({ ...values, id: 99 })
        .onConflict((on) => on.columns(['name']).doUpdateSet({ species: 'dog' }).where('pet.owner_id', '=', 2))
        .returning(['id', 'species', 'owner_id'])
        .execute(),
      await db
        .insertInto('pet')
        .values({ ...values, id: 99 })
        .onConflict((on) =>
          on.constraint('pet_name_key').doUpdateSet({ species: 'cat' }).where('pet.owner_id', '=', 999),
        )
        .returning('id')
        .execute(),
    ]
    expect(seen[0]).toMatchObject({ numInsertedOrUpdatedRows: 0n })
    expect(seen[1]).toMatchObject({ numInsertedOrUpdatedRows: 1n })
    expect(seen.slice(2)).toStrictEqual(['23505', [{ id: 1, species: 'dog', owner_id: 2 }], []])
    return seen
  })

  behaves('resolves conflicts on the expression of a partial index', async ({ db }) => {
    await db.schema.createTable('tag').addColumn('name', 'text').addColumn('uses', 'integer').execute()
    await db.schema
      .createIndex('tag_name_idx')
      .unique()
      .on('tag')
      .expression(sql`lower(name)`)
      .where(sql.ref('uses'), '>', 0)
      .execute()
    const tags = db.$extendTables<{ tag: { name: string; uses: number } }>()
    const use = (name: string) =>
      tags
        .insertInto('tag')
        .values({ name, uses: 1 })
        .onConflict((on) =>
          on
            .expression(sql`lower(name)`)
            .where('uses', '>', 0)
            .doUpdateSet((eb) => ({ uses: eb('tag.uses', '+', 1) })),
        )
        .returning(['name', 'uses'])
        .executeTakeFirst()
    const seen = [await use('SQL'), await use('sql')]
    expect(seen).toStrictEqual([
      { name: 'SQL', uses: 1 },
      { name: 'SQL', uses: 2 },
    ])
    return seen
  })

  behaves('updates by values, expressions, references and joins', async ({ db }) => {
    const seen = [
      await db.updateTable('person').set({ age: 10, middle_name: 'M' }).where('id', '=', 1).execute(),
      await db
        .updateTable('person')
        .set((eb) => ({ age: eb('age', '+', 1), last_name: eb.ref('first_name') }))
        .where('id', '=', 2)
        .returning(['age', 'last_name'])
        .execute(),
      await db
        .updateTable('person')
        .set('age', (eb) => eb.selectFrom('pet').select(eb.fn.count<number>('id').as('n')))
        .where('id', '=', 3)
        .returning('age')
        .executeTakeFirst(),
      await db
        .updateTable('pet as p')
        .from('person as o')
        .whereRef('p.owner_id', '=', 'o.id')
        .set((eb) => ({ name: eb('o.first_name', '||', sql<string>`'s ' || p.species`) }))
        .where('o.id', '<', 3)
        .returning(['p.name', 'o.id'])
        .execute(),
      await db.updateTable('person').set({ age: 1 }).where('id', '=', -1).executeTakeFirst(),
      await db
        .updateTable('person')
        .set({ email: null, last_name: undefined })
        .where('id', '=', 1)
        .returning(['email', 'last_name'])
        .execute(),
    ]
    expect(seen[0]).toMatchObject([{ numUpdatedRows: 1n, numChangedRows: undefined }])
    expect(seen.slice(1, 4)).toStrictEqual([
      [{ age: 75, last_name: 'Arnold' }],
      { age: 3 },
      [
        { name: 'Jennifers cat', id: 1 },
        { name: 'Arnolds dog', id: 2 },
      ],
    ])
    expect(seen[4]).toMatchObject({ numUpdatedRows: 0n })
    expect(seen[5]).toStrictEqual([{ email: null, last_name: 'Aniston' }])
    return seen
  })

  behaves('deletes by condition, using another table, returning what went', async ({ db }) => {
    const seen = [
      await db.deleteFrom('toy').where('name', '=', 'Ball').execute(),
      await db
        .deleteFrom('toy')
        .using('pet')
        .whereRef('toy.pet_id', '=', 'pet.id')
        .where('pet.species', '=', 'dog')
        .returning(['toy.name as toy', 'pet.name as pet'])
        .execute(),
      await db
        .deleteFrom('pet')
        .using('person')
        .innerJoin('badge', 'badge.id', 'person.id')
        .whereRef('owner_id', '=', 'person.id')
        .execute(),
      await db
        .deleteFrom('pet')
        .where('id', 'in', (eb) => eb.selectFrom('pet').select('id').orderBy('id').limit(2))
        .returningAll('pet')
        .execute(),
      await db.deleteFrom('person').executeTakeFirstOrThrow(),
    ]
    expect(seen[0]).toMatchObject([{ numDeletedRows: 1n }])
    expect(seen[1]).toStrictEqual([{ toy: 'Teddy', pet: 'Doggo' }])
    expect(seen[2]).toMatchObject([{ numDeletedRows: 0n }])
    expect(seen[3]).toHaveLength(2)
    expect(seen[4]).toMatchObject({ numDeletedRows: 3n })
    return seen
  })

  behaves('merges: updates, deletes, inserts and does nothing', async ({ db, admin }) => {
    const merged = await db
      .mergeInto('pet as target')
      .using(
        sql<{
          name: string
          kind: 'cat' | 'dog'
        }>`(values ('Catto', 'dog'), ('Doggo', 'cat'), ('Newo', 'cat'))`.as<'source'>(sql`source(name, kind)`),
        'source.name',
        'target.name',
      )
      .whenMatchedAnd('target.species', '=', 'dog')
      .thenDelete()
      .whenMatched()
      .thenUpdateSet((eb) => ({ species: eb.ref('source.kind') }))
      .whenNotMatchedAnd('source.kind', '=', 'dog')
      .thenDoNothing()
      .whenNotMatched()
      .thenInsertValues((eb) => ({ name: eb.ref('source.name'), owner_id: 1, species: eb.ref('source.kind') }))
      .executeTakeFirstOrThrow()
    const left = await admin('select name, species from pet order by name')
    expect(merged).toMatchObject({ numChangedRows: 3n })
    expect(left).toStrictEqual([
      { name: 'Catto', species: 'dog' },
      { name: 'Hammo', species: 'hamster' },
      { name: 'Newo', species: 'cat' },
    ])
    return { merged, left }
  })

  behaves('merges by source and returns what it did', { since: 170_000 }, async ({ db }) => {
    const rows = await db
      .mergeInto('toy')
      .using('pet', (on) => on.onRef('toy.pet_id', '=', 'pet.id').on('toy.name', '=', 'Ball'))
      .whenMatched()
      .thenUpdateSet({ price: 9 })
      .whenNotMatchedBySource()
      .thenDelete()
      .returning([mergeAction().as('action'), 'toy.name', 'toy.price'])
      .execute()
    expect(rows.toSorted((a, b) => String(a.action).localeCompare(String(b.action)))).toStrictEqual([
      { action: 'DELETE', name: 'Teddy', price: '1.99' },
      { action: 'UPDATE', name: 'Ball', price: '9.00' },
    ])
    return rows
  })

  behaves('counts affected rows only for insert, update, delete and merge', async ({ db }) => {
    const statements = {
      select: 'select 1 as a',
      values: 'values (1), (2)',
      table: 'table pet',
      insert: `insert into badge values (1, 'a'), (2, 'b')`,
      insertReturning: `insert into badge values (3, 'c') returning id`,
      insertNothing: `insert into badge values (1, 'a') on conflict do nothing`,
      update: `update badge set label = label || '!' where id < 3`,
      delete: 'delete from badge where id = 3',
      merge: 'merge into badge using pet on pet.id = badge.id when matched then delete',
      modifyingWith: `with gone as (delete from toy returning name) select count(*)::int as n from gone`,
      withDelete: 'with x as (select 1) delete from pet where id = 1',
      createTableAs: 'create table copied as select * from pet',
      selectInto: 'select 1 as a into copied_too',
      doBlock: 'do $$ begin perform 1; end $$',
      set: 'set local timezone to default',
      show: 'show server_encoding',
      explain: 'explain (costs off) select 1',
      lock: 'lock table pet in access share mode',
    }
    const seen: Record<string, unknown> = {}
    for (const [name, text] of Object.entries(statements)) {
      // In a transaction, where lock and set local mean something.
      seen[name] = await db.transaction().execute((trx) => sql.raw(text).execute(trx))
    }
    expect(seen).toMatchObject({
      select: { numAffectedRows: undefined },
      insert: { numAffectedRows: 2n, rows: [] },
      insertReturning: { numAffectedRows: 1n, rows: [{ id: 3 }] },
      insertNothing: { numAffectedRows: 0n },
      modifyingWith: { numAffectedRows: undefined, rows: [{ n: 2 }] },
      withDelete: { numAffectedRows: 1n },
      createTableAs: { numAffectedRows: undefined, rows: [] },
      selectInto: { numAffectedRows: undefined, rows: [] },
    })
    return seen
  })
})
