/** sql/modules/customers: the table, and the document's trigger on it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applySql, type Engine, engineKinds } from './engines.ts'
import { describeOwnedTable } from './owned-table.ts'

describe('sql/modules/customers/0001_customers.sql', () => {
  describeOwnedTable({
    table: 'customers',
    owner: 'owner_id',
    module: 'customers',
    insert: `insert into "%s".customers (owner_id, name) values ($1, 'A')`,
    change: ['name', "'B'"],
  })

  describe.each(engineKinds)('on $name', (kind) => {
    if (kind.skip !== undefined) {
      it.skip(kind.skip)
      return
    }
    let engine: Engine
    beforeAll(async () => {
      engine = await kind.open()
      await applySql(engine, ['customers'])
      await engine.script(`insert into public.customers (owner_id, name, updated_at)
        values ('a0000000-0000-4000-8000-00000000000a', 'A', '2001-01-01')`)
    })
    afterAll(() => engine.close())

    const change = async () => {
      await engine.script(`update public.customers set name = name || '!', updated_at = '2002-02-02'`)
      const [row] = await engine.admin(
        `select name, updated_at > pg_catalog.now() - interval '1 hour' as current from public.customers`,
      )
      return row
    }

    it('keeps updated_at by the trigger update_customer_modtime, and without it does not', async () => {
      expect(await change()).toEqual({ name: 'A!', current: true })
      await engine.script('alter table public.customers disable trigger update_customer_modtime')
      expect(await change()).toEqual({ name: 'A!!', current: false })
    })
  })
})
