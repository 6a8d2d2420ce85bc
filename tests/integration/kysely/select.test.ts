/**
 * Kysely's select: columns, conditions, grouping, order, set operations, locks. Joins are joins.test.ts.
 * Expressions inside a select are expressions.test.ts; common table expressions are with.test.ts.
 */
import { type QueryNode, type SelectQueryBuilder, sql } from 'kysely'
import { expect } from 'vitest'
import { describeExecutors, rejection } from '../../support/executors.ts'
import { type PeopleAndPets, people } from '../../support/people-and-pets.ts'

describeExecutors('Select', ({ behaves }) => {
  behaves('returns whole rows with the values pg parses', async ({ db }) => {
    const rows = await db.selectFrom('person').selectAll().orderBy('id').execute()
    expect(rows).toStrictEqual(people)
    return rows
  })

  behaves('takes columns, aliases, expressions and callbacks together', async ({ db }) => {
    const row = await db
      .selectFrom('person as p')
      .select(['p.id', 'p.first_name as name', sql<number>`p.age + 1`.as('next_age')])
      .select(({ fn, ref, val }) => [fn<string>('upper', [ref('p.last_name')]).as('shouted'), val('x').as('constant')])
      .where('p.id', '=', 1)
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({ id: 1, name: 'Jennifer', next_age: 53, shouted: 'ANISTON', constant: 'x' })
    return row
  })

  behaves('selects without a table', async ({ db }) => {
    const row = await db
      .selectNoFrom((eb) => [
        eb.selectFrom('person').select(eb.fn.countAll<string>().as('n')).as('people'),
        eb.lit(1).as('one'),
        eb.exists(eb.selectFrom('pet').select('id').where('name', '=', 'Catto')).as('has_catto'),
      ])
      .executeTakeFirstOrThrow()
    expect(row).toStrictEqual({ people: '3', one: 1, has_catto: true })
    return row
  })

  behaves('gives an empty array, undefined or the chosen error when there is nothing', async ({ db }) => {
    const nobody = db.selectFrom('person').selectAll().where('first_name', '=', 'Nobody')
    class NobodyError extends Error {
      override name = 'NobodyError'

      constructor(node: QueryNode) {
        super(node.kind)
      }
    }
    expect(await nobody.execute()).toStrictEqual([])
    expect(await nobody.executeTakeFirst()).toBeUndefined()
    const errors = [
      await rejection(nobody.executeTakeFirstOrThrow()),
      await rejection(nobody.executeTakeFirstOrThrow(NobodyError)),
      await rejection(nobody.executeTakeFirstOrThrow({ errorConstructor: (node) => new Error(node.kind) })),
    ]
    expect(errors).toStrictEqual(['Error: no result', 'NobodyError: SelectQueryNode', 'Error: SelectQueryNode'])
    return errors
  })

  behaves('filters with every form of where', async ({ db }) => {
    const from = db.selectFrom('person').select('id').orderBy('id')
    const cases = [
      [from.where('age', '>', 60), [2, 3]],
      [from.where('id', 'in', [1, 3]), [1, 3]],
      [from.where('id', 'not in', [1, 3]), [2]],
      [from.where('email', 'is', null), [3]],
      [from.where('email', 'is not', null), [1, 2]],
      [from.where('email', 'is distinct from', 'arnold@example.com'), [1, 3]],
      [from.where('first_name', 'like', 'S%'), [3]],
      [from.where('first_name', 'ilike', 's%'), [3]],
      [from.where('first_name', '~', '^[AJ]'), [1, 2]],
      [from.where((eb) => eb.or([eb('id', '=', 1), eb('age', '=', 75)])), [1, 3]],
      [from.where((eb) => eb.and({ gender: 'male' as const, age: 74 })), [2]],
      [
        from.where((eb) =>
          eb.not(
            eb.exists(
              eb.selectFrom('pet').select('id').whereRef('owner_id', '=', 'person.id').where('species', '=', 'cat'),
            ),
          ),
        ),
        [2, 3],
      ],
      [from.where('id', 'in', (eb) => eb.selectFrom('pet').select('owner_id').where('species', '=', 'dog')), [2]],
      [from.whereRef('first_name', '<', 'last_name'), [2]],
      [from.where(({ between }) => between('age', 50, 74)), [1, 2]],
      [from.where(({ betweenSymmetric }) => betweenSymmetric('age', 74, 50)), [1, 2]],
      [
        from.where(({ eb, refTuple, tuple }) =>
          eb(refTuple('first_name', 'age'), 'in', [tuple('Jennifer', 52), tuple('Arnold', 1)]),
        ),
        [1],
      ],
      [from.where(({ eb, fn }) => eb('id', '=', fn.any(sql<number[]>`${[2, 3]}::int[]`))), [2, 3]],
      [from.where(sql<boolean>`age % 2 = ${0}`), [1, 2]],
      [from.where('id', '=', 1).clearWhere().where('id', '=', 2), [2]],
    ] as const
    const found: number[][] = []
    for (const [query, wanted] of cases) {
      const ids = (await query.execute()).map((row) => row.id)
      expect(ids, query.compile().sql).toStrictEqual(wanted)
      found.push(ids)
    }
    return found
  })

  behaves('groups, orders, limits and fetches', async ({ db }) => {
    const grouped = await db
      .selectFrom('person')
      .select(['gender', ({ fn }) => fn.sum<string>('age').as('ages')])
      .groupBy('gender')
      .having(({ fn }) => fn.countAll(), '>=', 1)
      .orderBy('gender', 'desc')
      .execute()
    const ordered = await db
      .selectFrom('person')
      .select('id')
      .orderBy('email', (order) => order.desc().nullsLast())
      .orderBy(sql`last_name collate "C"`, 'asc')
      .execute()
    const paged = await db.selectFrom('person').select('id').orderBy('id').limit(1).offset(1).execute()
    const fetched = await db
      .selectFrom('person')
      .select('id')
      .orderBy('gender')
      .offset(1)
      .fetch(1, 'with ties')
      .execute()
    const cleared = await db
      .selectFrom('person')
      .select('id')
      .orderBy('id', 'desc')
      .limit(1)
      .clearOrderBy()
      .clearLimit()
      .clearSelect()
      .select('age')
      .orderBy('age')
      .execute()
    expect(grouped).toStrictEqual([
      { gender: 'female', ages: '52' },
      { gender: 'male', ages: '149' },
    ])
    expect(ordered).toStrictEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
    expect(paged).toStrictEqual([{ id: 2 }])
    expect(fetched).toHaveLength(1)
    expect(cleared).toStrictEqual([{ age: 52 }, { age: 74 }, { age: 75 }])
    return { grouped, ordered, paged, fetched, cleared }
  })

  behaves('keeps distinct rows, and the first of each group', async ({ db }) => {
    const distinct = await db.selectFrom('person').select('gender').distinct().orderBy('gender').execute()
    const first = await db
      .selectFrom('person')
      .select(['gender', 'first_name'])
      .distinctOn('gender')
      .orderBy('gender')
      .orderBy('age', 'desc')
      .execute()
    expect(distinct).toStrictEqual([{ gender: 'male' }, { gender: 'female' }])
    expect(first).toStrictEqual([
      { gender: 'male', first_name: 'Sylvester' },
      { gender: 'female', first_name: 'Jennifer' },
    ])
    return { distinct, first }
  })

  behaves('combines selects with set operations', async ({ db }) => {
    const names = db.selectFrom('person').select('first_name as name')
    const others = db.selectFrom('pet').select('name')
    const values = async <T extends 'person' | 'pet'>(query: SelectQueryBuilder<PeopleAndPets, T, { name: string }>) =>
      (await query.orderBy('name').execute()).map((row) => row.name)
    const cat = others.where('name', '=', 'Catto')
    const seen = {
      union: await values(names.union(others).union(others)),
      unionAll: await values(cat.unionAll(cat).unionAll(cat)),
      intersect: await values(others.intersect(cat)),
      intersectAll: await values(others.intersectAll(others)),
      except: await values(others.except(cat)),
      exceptAll: await values(others.exceptAll([cat, cat])),
      nested: await values(names.union((eb) => eb.parens(others.except(cat)))),
    }
    expect(seen).toStrictEqual({
      union: ['Arnold', 'Catto', 'Doggo', 'Hammo', 'Jennifer', 'Sylvester'],
      unionAll: ['Catto', 'Catto', 'Catto'],
      intersect: ['Catto'],
      intersectAll: ['Catto', 'Doggo', 'Hammo'],
      except: ['Doggo', 'Hammo'],
      exceptAll: ['Doggo', 'Hammo'],
      nested: ['Arnold', 'Doggo', 'Hammo', 'Jennifer', 'Sylvester'],
    })
    return seen
  })

  behaves('locks rows with every strength', async ({ db }) => {
    const row = db.selectFrom('person').select('id').where('id', '=', 1)
    const seen = await db.transaction().execute(async (trx) => {
      const locked: unknown[] = []
      for (const query of [
        row.forUpdate(),
        row.forNoKeyUpdate(),
        row.forShare(),
        row.forKeyShare(),
        row.forUpdate().skipLocked(),
        row.forShare().noWait(),
        row.forUpdate('person'),
      ]) {
        locked.push(await trx.executeQuery(query))
      }
      return locked
    })
    expect(seen).toHaveLength(7)
    return seen
  })

  behaves('adds raw text at the front and at the end', async ({ db }) => {
    const rows = await db
      .selectFrom('person')
      .modifyFront(sql`distinct`)
      .select('gender')
      .orderBy('gender')
      .modifyEnd(sql`for read only`.$castTo())
      .execute()
    expect(rows).toHaveLength(2)
    return rows
  })

  behaves('compares with subqueries as tuples and as scalars', async ({ db }) => {
    const tuples = await db
      .selectFrom('person')
      .select('id')
      .where(({ eb, refTuple, selectFrom }) =>
        eb(
          refTuple('id', 'first_name'),
          'in',
          selectFrom('pet').select(['owner_id', 'name']).$asTuple('owner_id', 'name'),
        ),
      )
      .execute()
    const scalars = await db
      .selectFrom('person')
      .select((eb) => [
        'id',
        eb.selectFrom('pet').select('name').whereRef('owner_id', '=', 'person.id').$asScalar().as('pet'),
      ])
      .where('age', '>', (eb) => eb.selectFrom('person as p').select((p) => p.fn.avg<number>('p.age').as('mean')))
      .orderBy('id')
      .execute()
    expect(tuples).toStrictEqual([])
    expect(scalars).toStrictEqual([
      { id: 2, pet: 'Doggo' },
      { id: 3, pet: 'Hammo' },
    ])
    return { tuples, scalars }
  })

  behaves('uses the instance’s own fn and case', async ({ db }) => {
    const { count } = db.fn
    const rows = await db
      .selectFrom('person')
      .select([
        'gender',
        count<string>('id').as('n'),
        db.case().when(sql<boolean>`count(*) > 1`).then('many').else('few').end().as('size'),
      ])
      .groupBy(['gender'])
      .having(count('id'), '>', 0)
      .havingRef('gender', '=', 'gender')
      .orderBy('n')
      .execute()
    expect(rows).toStrictEqual([
      { gender: 'female', n: '1', size: 'few' },
      { gender: 'male', n: '2', size: 'many' },
    ])
    return rows
  })

  behaves('builds on conditions with $if, $call and $castTo', async ({ db }) => {
    const query = (withPets: boolean) =>
      db
        .selectFrom('person')
        .select('first_name')
        .$if(withPets, (qb) => qb.innerJoin('pet', 'pet.owner_id', 'person.id').select('pet.name'))
        .$call((qb) => qb.where('person.id', '=', 1))
        .$castTo<{ first_name: string; name?: string }>()
        .executeTakeFirstOrThrow()
    const seen = [await query(true), await query(false)]
    expect(seen).toStrictEqual([{ first_name: 'Jennifer', name: 'Catto' }, { first_name: 'Jennifer' }])
    return seen
  })

  behaves('selects from tables and columns named at run time', async ({ db }) => {
    const { ref, table } = db.dynamic
    const rows = await db
      .selectFrom(table('person').as('who'))
      .select([ref<'first_name'>('who.first_name'), ref<'age'>('who.age')])
      .where(ref('who.age'), '>', 60)
      .orderBy(ref('who.age'), 'desc')
      .execute()
    expect(rows).toStrictEqual([
      { first_name: 'Sylvester', age: 75 },
      { first_name: 'Arnold', age: 74 },
    ])
    return rows
  })
})
