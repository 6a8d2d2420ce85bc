/** Filters and patches on random documents: the server finds and makes what the model says, on every kind of PostgreSQL. */
import fc from 'fast-check'
import { type Expression, type Kysely, type SqlBool, sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type JsonPatchBuilder, json, patch } from '../../../src/jsonb/index.ts'
import { isTenonError } from '../../../src/kernel/errors.ts'
import { type KyselyEngine, kyselyEngines } from '../../support/engine-kysely.ts'
import { apply, fits, type Json, type Operation } from '../../support/json-model.ts'

interface Tables {
  docs: { id: number; doc: Json | null }
}

// Few keys, so that paths meet documents; each of them could be taken for syntax somewhere.
const keys = ['a', 'b', 'gt', "O'Brien", '"$"', '\\', '😀 $.*', '__proto__', '', '0', 'constructor', '{x,y}'] as const
const key = fc.constantFrom(...keys)
const text = fc.oneof(
  fc.constantFrom('a', 'b', 'ab', '', ...keys),
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((value) => !value.includes('\0') && value.isWellFormed()),
)
const number = fc.oneof(fc.integer({ min: -3, max: 5 }), fc.constantFrom(1.5, -0.25, 1e21, 9007199254740992, 1e-7))
const scalar: fc.Arbitrary<Json> = fc.oneof(text, number, fc.boolean(), fc.constant(null))
const { value } = fc.letrec<{ value: Json; array: Json; object: Json }>((tie) => ({
  value: fc.oneof({ maxDepth: 3, withCrossShrink: true }, scalar, tie('array'), tie('object')),
  array: fc.array(tie('value'), { maxLength: 3 }) as fc.Arbitrary<Json>,
  object: fc.array(fc.tuple(key, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries) as Json),
}))
const document: fc.Arbitrary<Json> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries) as Json),
  },
  { weight: 1, arbitrary: value },
)
const path = fc.array(
  fc.oneof({ weight: 5, arbitrary: key }, { weight: 1, arbitrary: fc.integer({ min: -2, max: 2 }) }),
  { maxLength: 3 },
)
const ordered = fc.oneof(text, number)
const operands: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  eq: value,
  ne: value,
  in: fc.array(value, { maxLength: 3 }),
  notIn: fc.array(value, { maxLength: 3 }),
  gt: ordered,
  gte: ordered,
  lt: ordered,
  lte: ordered,
  exists: fc.boolean(),
  isNull: fc.boolean(),
  type: fc.constantFrom('array', 'boolean', 'null', 'number', 'object', 'string'),
  startsWith: text,
  has: value,
  hasAny: fc.array(value, { maxLength: 3 }),
  hasAll: fc.array(value, { maxLength: 3 }),
  contains: value,
  containedBy: value,
  hasKey: text,
  hasAnyKey: fc.array(text, { maxLength: 3 }),
  hasAllKeys: fc.array(text, { maxLength: 3 }),
}
const condition = fc
  .constantFrom(...Object.keys(operands))
  .chain((name) => fc.tuple(fc.constant(name), operands[name] as fc.Arbitrary<unknown>))
const operation = fc
  .tuple(
    fc.constantFrom('set', 'unset', 'merge', 'mergeDeep', 'append', 'prepend', 'increment'),
    // The server takes a key of digits for a position where there is an array.
    fc.array(
      key.filter((name) => name !== '0'),
      { minLength: 1, maxLength: 3 },
    ),
    value,
    fc.array(fc.tuple(key, value), { maxLength: 3 }),
    fc.integer({ min: -5, max: 5 }),
  )
  .map(
    ([name, keysOfPath, any, entries, by]): Operation => ({
      name: name as Operation['name'],
      path: keysOfPath,
      value: name === 'increment' ? by : name.startsWith('merge') ? (Object.fromEntries(entries) as Json) : any,
    }),
  )

const seed = Number(process.env['TENON_JSONB_SEED'] ?? 1)
const runs = Number(process.env['TENON_JSONB_RUNS'] ?? 400)

describe.each(kyselyEngines)('on $name', ({ skip, open }) => {
  if (skip !== undefined) {
    it.skip(skip)
    return
  }
  let engine: KyselyEngine
  let db: Kysely<Tables>
  const documents = fc.sample(document, { seed, numRuns: 60 })

  beforeAll(async () => {
    engine = await open()
    db = engine.db
    await engine.script('create table docs (id int primary key, doc jsonb)')
    const rows = documents.map((doc, id) => ({ id, doc: JSON.stringify(doc) as unknown as Json }))
    await db
      .insertInto('docs')
      .values([...rows, { id: -1, doc: null }])
      .execute()
  }, 60_000)
  afterAll(async () => {
    await engine?.close()
  })

  const idsWhere = async (where: Expression<SqlBool>) =>
    (await db.selectFrom('docs').select('id').where(where).orderBy('id').execute()).map(({ id }) => id)

  it('every condition at every path finds what the model finds', {
    timeout: 60_000,
  }, async () => {
    let found = 0
    for (const [steps, [name, operand]] of fc.sample(fc.tuple(path, condition), { seed, numRuns: runs })) {
      const reference = steps.reduce<{ at(step: never): unknown }>(
        (place, step) => place.at(step as never) as typeof place,
        json(sql.ref<Json>('doc')) as never,
      ) as unknown as { where(filter: unknown): Expression<SqlBool> }
      const expected = [undefined, ...documents].flatMap((doc, i) =>
        fits(doc, steps, name, operand as never) ? i - 1 : [],
      )
      const ids = await idsWhere(reference.where({ [name]: operand }))
      expect(ids, JSON.stringify({ steps, name, operand })).toEqual(expected)
      found += ids.length
    }
    expect(found).toBeGreaterThan(runs)
  })

  it('an object of keys asks for all of them at once', {
    timeout: 60_000,
  }, async () => {
    const asked = fc.tuple(
      fc.uniqueArray(
        key.filter((name) => name !== 'gt'),
        { minLength: 1, maxLength: 2 },
      ),
      condition,
      fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })),
    )
    for (const [names, [name, operand], other] of fc.sample(asked, { seed, numRuns: runs / 4 })) {
      const [first = '', second] = names
      const filter = Object.fromEntries([
        [first, { [name]: operand }],
        ...(second === undefined ? [] : [[second, other]]),
      ])
      const expected = [undefined, ...documents].flatMap((doc, i) =>
        fits(doc, [first], name, operand as never) &&
        (second === undefined || fits(doc, [second], 'eq', other as never))
          ? i - 1
          : [],
      )
      const ids = await idsWhere(json(sql.ref<Json>('doc')).where(filter as never))
      expect({ filter, ids }).toEqual({ filter, ids: expected })
    }
  })

  it('every patch makes what the model makes, and fails where it would overwrite a parent', {
    timeout: 60_000,
  }, async () => {
    let [made, refused] = [0, 0]
    const cases = fc.tuple(fc.option(document, { nil: undefined }), fc.array(operation, { minLength: 1, maxLength: 3 }))
    for (const [before, operations] of fc.sample(cases, { seed, numRuns: runs })) {
      let change: ReturnType<typeof patch<Json>>
      try {
        change = patch<Json>((p) => callAll(p as never, operations))
      } catch (error) {
        expect(isTenonError(error) && error.code).toBe('QUERY_FILTER')
        continue
      }
      const base = sql<Json>`${before === undefined ? null : JSON.stringify(before)}::jsonb`
      const run = async () =>
        (
          await db
            .selectNoFrom(
              json(base)
                .patch((p) => callAll(p as never, operations))
                .as('after'),
            )
            .executeTakeFirstOrThrow()
        ).after
      expect(change).toBeDefined()
      let expected: Json | undefined
      try {
        expected = operations.reduce<Json | undefined>(
          (doc, each) => apply(doc, each),
          before === undefined ? {} : before,
        )
      } catch {
        // Of several, a later one may have made the first moot.
        if (operations.length === 1) await expect(run(), JSON.stringify({ before, operations })).rejects.toThrow()
        refused++
        continue
      }
      const after = await run().catch((error: Error) => error.message)
      expect(after, JSON.stringify({ before, operations })).toEqual(expected)
      made++
    }
    expect(made).toBeGreaterThan(runs / 5)
    expect(refused).toBeGreaterThan(runs / 20)
  })
})

function callAll(builder: Parameters<typeof call>[0], operations: readonly Operation[]): void {
  for (const each of operations) call(builder, each)
}

function call(
  builder: JsonPatchBuilder<Json> & Record<string, (...parameters: never[]) => unknown>,
  { name, path: steps, value: operand }: Operation,
): void {
  const loose = builder as unknown as Record<string, (...parameters: unknown[]) => unknown> & {
    at(step: string): typeof loose
  }
  if (name === 'merge' || name === 'mergeDeep') steps.reduce((place, step) => place.at(step), loose)[name]?.(operand)
  else if (name === 'unset') loose['unset']?.(steps)
  else {
    const parent = steps.slice(0, -1).reduce((place, step) => place.at(step), loose)
    parent[name]?.(steps.at(-1), operand)
  }
}
