/** Which statements leave nothing behind: words of GROUP BY, frames, and locks of a transaction. */
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { readEffects } from '../../src/database/wire/purity.ts'
import { frame, groupingSets, rollup, timeBucket } from '../../src/reports/index.ts'

interface DB {
  sales: { id: number; region: string; at: Date }
}

const db = new Kysely<DB>({
  dialect: {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (on) => new PostgresIntrospector(on),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  },
})
const from = db.selectFrom('sales')
const opaque = (query: { compile(): { readonly query: never } | object }, shadowed: readonly string[] = []) =>
  readEffects(query.compile() as never, new Set(shadowed)).opaque

describe('A statement of reports', () => {
  it('is known to leave nothing behind', () => {
    const query = from
      .select(({ ref, fn }) => [
        timeBucket(ref('at'), { every: '6 hours', timeZone: 'Europe/Berlin' }).as('bucket'),
        timeBucket(ref('at'), { every: '5 months' }).as('months'),
        fn
          .sum('id')
          .over((w) => frame(w.orderBy('id'), { rows: [{ preceding: 1 }, 'current row'] }))
          .as('sum'),
      ])
      .groupBy(({ ref }) => [groupingSets([rollup(ref('at'), ref('region')), ref('region'), []])])
    expect(opaque(query)).toBe(false)
  })

  it('is cleaned up after where a word of GROUP BY is a function of somebody’s own', () => {
    expect(opaque(from.select(({ fn }) => fn('rollup', ['id']).as('x')))).toBe(true)
    expect(opaque(from.select('id').groupBy(({ fn, ref }) => [rollup(fn('cube', [ref('id')]))]))).toBe(true)
    expect(opaque(from.select('id').groupBy(({ fn }) => [fn('own_function', ['id'])]))).toBe(true)
    expect(opaque(from.select('id').groupBy(() => [groupingSets([sql`x`])]))).toBe(true)
    expect(
      opaque(
        from.select(({ ref }) => timeBucket(ref('at'), { every: '1 day' }).as('x')),
        ['date_trunc'],
      ),
    ).toBe(true)
  })

  it('may take locks that end with its transaction, and no others', () => {
    const call = (name: string) => opaque(db.selectNoFrom(({ fn, val }) => fn(name, [val(1)]).as('x')))
    expect(call('pg_advisory_xact_lock')).toBe(false)
    expect(call('pg_try_advisory_xact_lock_shared')).toBe(false)
    expect(call('pg_advisory_lock')).toBe(true)
    expect(
      opaque(
        db.selectNoFrom(({ fn, val }) => fn('pg_advisory_xact_lock', [val(1)]).as('x')),
        ['pg_advisory_xact_lock'],
      ),
    ).toBe(true)
  })
})
