/**
 * Common table expressions: plain, recursive, materialized and data-modifying.
 * A statement that begins with `with` is the shape where a driver must not guess from the first keyword what it does.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'

describeExecutors('With', ({ behaves }) => {
  behaves('names queries, later ones seeing earlier ones', async ({ db }) => {
    const rows = await db
      .with('elder', (qc) => qc.selectFrom('person').select(['id', 'first_name']).where('age', '>', 60))
      .with('elder_pet(pet_name, owner)', (qc) =>
        qc
          .selectFrom('pet')
          .innerJoin('elder', 'elder.id', 'pet.owner_id')
          .select(['pet.name as pet_name', 'elder.first_name as owner']),
      )
      .selectFrom('elder_pet')
      .selectAll()
      .orderBy('pet_name')
      .execute()
    expect(rows).toStrictEqual([
      { pet_name: 'Doggo', owner: 'Arnold' },
      { pet_name: 'Hammo', owner: 'Sylvester' },
    ])
    return rows
  })

  behaves('recurses', async ({ db }) => {
    const rows = await db
      .withRecursive('step(n)', (qc) =>
        qc
          .selectNoFrom(sql<number>`1`.as('n'))
          .unionAll(qc.selectFrom('step').select(sql<number>`step.n * 2`.as('n')).where('step.n', '<', 100)),
      )
      .selectFrom('step')
      .select('n')
      .execute()
    expect(rows.map((row) => row.n)).toStrictEqual([1, 2, 4, 8, 16, 32, 64, 128])
    return rows
  })

  behaves('is materialized or not, as asked', async ({ db }) => {
    const rows = await db
      .with(
        (cte) => cte('kept').materialized(),
        (qc) => qc.selectFrom('pet').select('pet.id'),
      )
      .with(
        (cte) => cte('inlined').notMaterialized(),
        (qc) => qc.selectFrom('kept').select('kept.id'),
      )
      .selectFrom('inlined')
      .select(({ fn }) => fn.countAll<string>().as('n'))
      .execute()
    expect(rows).toStrictEqual([{ n: '3' }])
    return rows
  })

  behaves('inserts, updates and deletes inside a select, which counts no affected rows', async ({ db }) => {
    const query = db
      .with('born', (qc) =>
        qc
          .insertInto('person')
          .values({ first_name: 'Kate', gender: 'female', age: 1 })
          .returning(['id', 'first_name']),
      )
      .with('aged', (qc) => qc.updateTable('person').set({ age: sql`age + 1` }).where('id', '=', 1).returning('age'))
      .with('lost', (qc) => qc.deleteFrom('toy').where('name', '=', 'Ball').returning('toy.name'))
      .selectFrom(['born', 'aged', 'lost'])
      .select(['born.id', 'born.first_name', 'aged.age', 'lost.name'])
    const result = await db.executeQuery(query)
    expect(result).toStrictEqual({
      numAffectedRows: undefined,
      rows: [{ id: 4, first_name: 'Kate', age: 53, name: 'Ball' }],
    })
    const left = await db.selectFrom('toy').select('name').execute()
    expect(left).toStrictEqual([{ name: 'Teddy' }])
    return { result, left }
  })

  behaves('precedes insert, update, delete and merge', async ({ db }) => {
    const cats = () =>
      db.with('cat', (qc) => qc.selectFrom('pet').select(['id', 'owner_id']).where('species', '=', 'cat'))
    const seen = [
      await cats()
        .insertInto('toy')
        .columns(['name', 'price', 'pet_id'])
        .expression((eb) =>
          eb.selectFrom('cat').select([sql.lit('Mouse').as('name'), sql.lit(3).as('price'), 'cat.id']),
        )
        .execute(),
      await cats()
        .updateTable('person')
        .from('cat')
        .set({ middle_name: 'Cat' })
        .whereRef('cat.owner_id', '=', 'person.id')
        .returning('first_name')
        .execute(),
      await cats().deleteFrom('toy').using('cat').whereRef('toy.pet_id', '=', 'cat.id').executeTakeFirstOrThrow(),
      await cats()
        .mergeInto('person')
        .using('cat', 'cat.owner_id', 'person.id')
        .whenMatched()
        .thenUpdateSet({ age: 9 })
        .executeTakeFirstOrThrow(),
    ]
    expect(seen[1]).toStrictEqual([{ first_name: 'Jennifer' }])
    expect(seen[2]).toMatchObject({ numDeletedRows: 1n })
    expect(seen[3]).toMatchObject({ numChangedRows: 1n })
    return seen
  })

  behaves('starts with a comment or a parenthesis when written raw', async ({ db }) => {
    const seen = [
      await sql`-- a comment; with a semicolon and a 'quote
        select ${1}::int as n`.execute(db),
      await sql`/* outer /* nested */ ; */ (select ${2}::int as n)`.execute(db),
      await sql`((values (${3}::int)))`.execute(db),
      await sql`with x as (select ${4}::int as n) (table x)`.execute(db),
      await sql` \n\t TABLE pet`.execute(db),
    ]
    expect(seen.map((result) => result.rows.length)).toStrictEqual([1, 1, 1, 1, 3])
    return seen
  })
})
