/**
 * Kysely's expressions on PostgreSQL: aggregates, windows, case, json helpers and paths, the raw sql template.
 */
import { expressionBuilder, sql } from 'kysely'
import { jsonArrayFrom, jsonBuildObject, jsonObjectFrom } from 'kysely/helpers/postgres'
import { expect } from 'vitest'
import { describeExecutors } from '../../support/executors.ts'
import type { PeopleAndPets } from '../../support/people-and-pets.ts'

describeExecutors('Expressions', ({ behaves }) => {
  behaves('aggregates, with distinct, filter and order', async ({ db }) => {
    const row = await db
      .selectFrom('person')
      .select(({ fn, ref, val }) => [
        fn.countAll<string>().as('everybody'),
        fn.countAll('person').as('rows'),
        fn.count<string>('gender').distinct().as('genders'),
        fn.avg<string>('age').as('average'),
        fn.sum<string>('age').as('total'),
        fn.min('age').as('youngest'),
        fn.max('created_at').as('newest'),
        fn.count<string>('id').filterWhere('age', '>', 60).as('over_sixty'),
        fn.count<string>('id').filterWhereRef('first_name', '<', 'last_name').as('in_order'),
        fn.coalesce(fn.max('middle_name'), val('none')).as('middle'),
        fn.agg<string[]>('array_agg', ['first_name']).orderBy('age', 'desc').as('by_age'),
        fn
          .agg<string>('string_agg', ['first_name', sql.lit(',')])
          .orderBy('id')
          .as('joined'),
        fn
          .agg<number>('percentile_disc', [sql.lit(0.5)])
          .withinGroupOrderBy('age')
          .as('median'),
        fn<number>('length', [fn.max(ref('first_name'))]).as('nested'),
      ])
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({
      everybody: '3',
      rows: '3',
      genders: '2',
      average: '67.0000000000000000',
      total: '201',
      youngest: 52,
      newest: new Date('2024-05-06T07:08:09.123Z'),
      over_sixty: '2',
      in_order: '1',
      middle: 'none',
      by_age: ['Sylvester', 'Arnold', 'Jennifer'],
      joined: 'Jennifer,Arnold,Sylvester',
      median: 74,
      nested: 9,
    })
    return row
  })

  behaves('counts over windows', async ({ db }) => {
    const rows = await db
      .selectFrom('person')
      .select(({ fn }) => [
        'id',
        fn
          .agg<string>('row_number')
          .over((over) => over.partitionBy('gender').orderBy('age', 'desc'))
          .as('rank'),
        fn.sum<string>('age').over().as('all_ages'),
        fn
          .max('age')
          .over((over) => over.partitionBy(['gender', 'middle_name']))
          .as('oldest'),
        fn
          .agg<number | null>('lag', ['age'])
          .over((over) => over.orderBy('id'))
          .as('before'),
      ])
      .orderBy('id')
      .execute()
    expect(rows).toStrictEqual([
      { id: 1, rank: '1', all_ages: '201', oldest: 52, before: null },
      { id: 2, rank: '2', all_ages: '201', oldest: 75, before: 52 },
      { id: 3, rank: '1', all_ages: '201', oldest: 75, before: 74 },
    ])
    return rows
  })

  behaves('chooses with case, searched and simple', async ({ db }) => {
    const rows = await db
      .selectFrom('person')
      .select((eb) => [
        eb
          .case()
          .when('age', '<', 60)
          .then('younger')
          .when(eb('age', '=', 75))
          .then('oldest')
          .else('older')
          .end()
          .as('searched'),
        eb.case('gender').when('male').then(1).when('female').then(2).end().as('simple'),
        eb.case().when('email', 'is', null).thenRef('first_name').elseRef('email').end().as('contact'),
      ])
      .orderBy('id')
      .execute()
    expect(rows).toStrictEqual([
      { searched: 'younger', simple: 2, contact: 'jennifer@example.com' },
      { searched: 'older', simple: 1, contact: 'arnold@example.com' },
      { searched: 'oldest', simple: 1, contact: 'Sylvester' },
    ])
    return rows
  })

  behaves('nests rows with jsonArrayFrom, jsonObjectFrom and jsonBuildObject', async ({ db }) => {
    const rows = await db
      .selectFrom('person')
      .select((eb) => [
        'first_name',
        jsonArrayFrom(
          eb
            .selectFrom('pet')
            .select((pet) => [
              'pet.name',
              jsonArrayFrom(
                pet
                  .selectFrom('toy')
                  .select(['toy.name', 'toy.price'])
                  .whereRef('toy.pet_id', '=', 'pet.id')
                  .orderBy('toy.id'),
              ).as('toys'),
            ])
            .whereRef('pet.owner_id', '=', 'person.id'),
        ).as('pets'),
        jsonObjectFrom(
          eb
            .selectFrom('pet')
            .select('species')
            .whereRef('pet.owner_id', '=', 'person.id')
            .where('species', '<>', 'cat'),
        ).as('other'),
        jsonBuildObject({
          first: eb.ref('first_name'),
          shout: eb.fn<string>('upper', ['last_name']),
          five: sql<number>`${5}::int`,
        }).as('built'),
      ])
      .orderBy('id')
      .limit(2)
      .execute()
    expect(rows).toStrictEqual([
      {
        first_name: 'Jennifer',
        pets: [{ name: 'Catto', toys: [] }],
        other: null,
        built: { first: 'Jennifer', shout: 'ANISTON', five: 5 },
      },
      {
        first_name: 'Arnold',
        pets: [
          {
            name: 'Doggo',
            toys: [
              { name: 'Ball', price: 5.25 },
              { name: 'Teddy', price: 1.99 },
            ],
          },
        ],
        other: { species: 'dog' },
        built: { first: 'Arnold', shout: 'SCHWARZENEGGER', five: 5 },
      },
    ])
    return rows
  })

  behaves('aggregates to json with jsonAgg and toJson', async ({ db }) => {
    const row = await db
      .selectFrom('pet')
      .innerJoin('person', 'person.id', 'pet.owner_id')
      .select(({ fn }) => [
        fn.jsonAgg('pet').as('pets'),
        fn.jsonAgg('person.first_name').distinct().as('names'),
        fn.toJson('pet').as('one'),
      ])
      .where('pet.id', '=', 1)
      .groupBy('pet.id')
      .executeTakeFirstOrThrow()
    const catto = { id: 1, name: 'Catto', owner_id: 1, species: 'cat' }
    expect(row).toStrictEqual({ pets: [catto], names: ['Jennifer'], one: catto })
    return row
  })

  behaves('reads inside json by arrows and by json paths', async ({ db }) => {
    await db
      .insertInto('sample')
      .values({ id: 1, document: JSON.stringify({ tags: ['a', 'b'], deep: { "it's": 7 }, priority: 4 }) })
      .execute()
    const row = await db
      .selectFrom('sample')
      .select((eb) => [
        sql<string>`document ->> 'priority'`.as('raw'),
        eb
          .ref('document', '->')
          .key('deep' as never)
          .as('deep'),
        eb
          .ref('document', '->>')
          .key('priority' as never)
          .as('text'),
        eb
          .ref('document', '->')
          .key('tags' as never)
          .at(1 as never)
          .as('second'),
        eb
          .ref('document', '->')
          .key('tags' as never)
          .at(-1 as never)
          .as('last'),
        eb('document', '@>', sql<object>`${{ priority: 4 }}::jsonb`).as('contains'),
        eb('document', '?', sql<object>`${'tags'}`).as('has_key'),
        eb('document', '?|', sql<object>`${['nope', 'tags']}::text[]`).as('has_any'),
      ])
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({
      raw: '4',
      deep: { "it's": 7 },
      text: '4',
      second: 'b',
      last: 'b',
      contains: true,
      has_key: true,
      has_any: true,
    })
    return row
  })

  behaves('computes with operators, casts and literals', async ({ db }) => {
    const row = await db
      .selectNoFrom((eb) => [
        eb(eb.val(7), '%', eb.cast<number>(eb.val(4), 'integer')).as('modulo'),
        eb.cast<string>(eb.val('1.50'), 'numeric').as('cast'),
        eb.neg(eb.cast<number>(eb.val(3), 'integer')).as('negative'),
        eb.not(eb.lit(false)).as('negated'),
        eb.lit(null).as('nothing'),
        eb(sql<string>`'a'`, '||', sql<string>`'b'`).as('joined'),
        eb.or([eb.parens(eb.lit(true)).and(eb.lit(false)), eb.lit(true)]).as('logic'),
        eb.fn<string>('concat_ws', [sql.lit('-'), eb.cast<string>(eb.val('x'), 'text'), sql.lit('y')]).as('function'),
        sql<boolean>`${sql.val([1, 2])}::int[] @> ${[2]}::int[]`.as('array'),
      ])
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({
      modulo: 3,
      cast: '1.50',
      negative: -3,
      negated: true,
      nothing: null,
      joined: 'ab',
      logic: true,
      function: 'x-y',
      array: true,
    })
    return row
  })

  behaves('fills the raw template with values, references, identifiers, literals and lists', async ({ db }) => {
    const { rows } = await sql<{ first_name: string; quoted: string; n: string; injected: string }>`
      select ${sql.ref('person.first_name')}, ${sql.lit("it's")} as ${sql.id('quoted')},
        ${sql.raw('count(*) over ()')} as n, ${"'; drop table person; --"}::text as injected
      from ${sql.table('public.person')}
      where ${sql.id('person', 'id')} in (${sql.join([1, 2])})
        and (${sql.join([sql`age > ${60}`, sql`gender = ${'male'}`], sql` and `)})
      order by ${sql.ref('id')}`.execute(db)
    expect(rows).toStrictEqual([{ first_name: 'Arnold', quoted: "it's", n: '1', injected: "'; drop table person; --" }])
    return rows
  })

  behaves('quotes hostile identifiers and strings', async ({ db }) => {
    const name = 'we"ird; drop table person; --'
    const { rows } = await sql<Record<string, string>>`select ${sql.lit("a'b\\c")} as ${sql.id(name)}`.execute(db)
    expect(rows).toStrictEqual([{ [name]: "a'b\\c" }])
    return rows
  })

  behaves('lends expressions between queries', async ({ db }) => {
    const eb = expressionBuilder<PeopleAndPets, 'person'>()
    const adult = eb.and([eb('age', '>', 60), eb('gender', '=', 'male')])
    const fullName = sql<string>`${sql.ref('first_name')} || ' ' || ${sql.ref('last_name')}`
    const rows = await db.selectFrom('person').select(fullName.as('name')).where(adult).orderBy(fullName).execute()
    expect(rows).toStrictEqual([{ name: 'Arnold Schwarzenegger' }, { name: 'Sylvester Stallone' }])
    return rows
  })

  behaves('aliases functions that return sets, with column names', async ({ db }) => {
    const rows = await db
      .selectFrom(
        db.fn<{ key: string; value: number }>('jsonb_each', [sql`${JSON.stringify({ a: 1, b: 2 })}::jsonb`]).as('pair'),
      )
      .select(['pair.key', 'pair.value'])
      .orderBy('key')
      .execute()
    expect(rows).toStrictEqual([
      { key: 'a', value: 1 },
      { key: 'b', value: 2 },
    ])
    return rows
  })
})
