/**
 * Kysely's joins: inner, left, right, full, cross and lateral, and several tables in one from.
 */
import { sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'

describeExecutors('Joins', ({ behaves }) => {
  behaves('joins inner, left, right, full and cross', async ({ db }) => {
    await db.insertInto('person').values({ first_name: 'Petless', gender: 'other' }).execute()
    const inner = await db
      .selectFrom('person')
      .innerJoin('pet', 'pet.owner_id', 'person.id')
      .select(['first_name', 'pet.name'])
      .orderBy('pet.id')
      .execute()
    const left = await db
      .selectFrom('person')
      .leftJoin('pet', (join) => join.onRef('pet.owner_id', '=', 'person.id').on('pet.species', '=', 'cat'))
      .select(['first_name', 'pet.name'])
      .orderBy('person.id')
      .execute()
    const right = await db
      .selectFrom('pet')
      .rightJoin('person', 'owner_id', 'person.id')
      .select(['first_name', 'name'])
      .orderBy('person.id')
      .execute()
    const full = await db
      .selectFrom('pet')
      .fullJoin('toy', 'toy.pet_id', 'pet.id')
      .select(['pet.name as pet', 'toy.name as toy'])
      .orderBy('pet.id')
      .orderBy('toy.id')
      .execute()
    const cross = await db
      .selectFrom('pet')
      .crossJoin('toy')
      .select(({ fn }) => fn.countAll<string>().as('n'))
      .executeTakeFirstOrThrow()
    const onTrue = await db
      .selectFrom('pet')
      .innerJoin('toy', (join) => join.onTrue())
      .select('toy.id')
      .where('pet.id', '=', 1)
      .orderBy('toy.id')
      .execute()
    expect(inner.map((row) => row.name)).toStrictEqual(['Catto', 'Doggo', 'Hammo'])
    expect(left.map((row) => row.name)).toStrictEqual(['Catto', null, null, null])
    expect(right.at(-1)).toStrictEqual({ first_name: 'Petless', name: null })
    expect(full).toStrictEqual([
      { pet: 'Catto', toy: null },
      { pet: 'Doggo', toy: 'Ball' },
      { pet: 'Doggo', toy: 'Teddy' },
      { pet: 'Hammo', toy: null },
    ])
    expect(cross).toStrictEqual({ n: '6' })
    expect(onTrue).toStrictEqual([{ id: 1 }, { id: 2 }])
    return { inner, left, right, full, cross, onTrue }
  })

  behaves('joins laterally', async ({ db }) => {
    const dearest = await db
      .selectFrom('pet')
      .innerJoinLateral(
        (eb) =>
          eb
            .selectFrom('toy')
            .select(['toy.name as toy', 'price'])
            .whereRef('toy.pet_id', '=', 'pet.id')
            .orderBy('price', 'desc')
            .limit(1)
            .as('dearest'),
        (join) => join.onTrue(),
      )
      .select(['pet.name', 'toy', 'price'])
      .execute()
    const counted = await db
      .selectFrom('pet')
      .leftJoinLateral(
        (eb) => eb.selectFrom('toy').select('toy.name as toy').whereRef('toy.pet_id', '=', 'pet.id').as('toys'),
        (join) => join.onTrue(),
      )
      .select(['pet.name', 'toys.toy'])
      .orderBy('pet.id')
      .orderBy('toy')
      .execute()
    const series = await db
      .selectFrom('pet')
      .crossJoinLateral(sql<{ n: number }>`generate_series(1, pet.id)`.as<'s'>(sql`s(n)`))
      .select(['pet.id', 's.n'])
      .orderBy('pet.id')
      .orderBy('s.n')
      .execute()
    expect(dearest).toStrictEqual([{ name: 'Doggo', toy: 'Ball', price: '5.25' }])
    expect(counted.map((row) => row.toy)).toStrictEqual([null, 'Ball', 'Teddy', null])
    expect(series).toHaveLength(6)
    return { dearest, counted, series }
  })

  behaves('selects from several tables, subqueries and values at once', async ({ db }) => {
    const rows = await db
      .selectFrom([
        'person',
        db.selectFrom('pet').select(['owner_id', 'name as pet_name']).where('species', '<>', 'hamster').as('p'),
        sql<{ id: number; note: string }>`(values (${1}::int, ${'first'}), (${2}, ${'second'}))`.as<'v'>(
          sql`v(id, note)`,
        ),
      ])
      .whereRef('p.owner_id', '=', 'person.id')
      .whereRef('v.id', '=', 'person.id')
      .select(['first_name', 'pet_name', 'note'])
      .orderBy('person.id')
      .execute()
    expect(rows).toStrictEqual([
      { first_name: 'Jennifer', pet_name: 'Catto', note: 'first' },
      { first_name: 'Arnold', pet_name: 'Doggo', note: 'second' },
    ])
    return rows
  })
})
