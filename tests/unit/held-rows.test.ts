/** Rows that are read again once their types are known. */
import { Buffer } from 'node:buffer'
import { expect, it } from 'vitest'
import type { RowShape } from '../../src/database/wire/backend-messages.ts'
import { HeldRows } from '../../src/database/wire/held-rows.ts'

it('lets others have the event loop while it reads many, and keeps their order', async () => {
  const parse = Number
  const shape = { fields: [{ name: 'n', parse }], blank: { n: null } } as unknown as RowShape
  const rows: Record<string, unknown>[] = []
  const held = new HeldRows()
  const count = 20_000
  for (let i = 0; i < count; i++) {
    const text = Buffer.from(String(i))
    const body = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, text.length]), text])
    held.hold(rows, shape, body, 0, body.length)
  }
  let turns = 0
  let done = false
  const turn = () => {
    turns++
    if (!done) setImmediate(turn)
  }
  setImmediate(turn)
  expect(await held.read()).toBeUndefined()
  done = true
  expect(turns).toBeGreaterThan(10)
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: count }, (_, i) => i))
})
