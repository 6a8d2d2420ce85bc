/** Types of tenon/events. */
import { expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { tables } from '../../examples/db/metadata.ts'
import type { DB } from '../../examples/db/types.ts'
import { changes, createOutbox, createRelay, defineChannel, notify, subscribe } from '../../src/events/index.ts'
import type { Database, Session } from '../../src/index.ts'

declare const db: Database<DB>
declare const me: Session<DB>

test('payloads of a channel are what its schema gives', () => {
  const orders = defineChannel('orders', z.object({ id: z.number(), tag: z.string().optional() }))
  void (async () => {
    await notify(me, orders, { id: 1 })
    // @ts-expect-error: the id is a number
    await notify(me, orders, { id: '1' })
    for await (const event of subscribe(db, orders))
      expectTypeOf(event.payload).toEqualTypeOf<{ id: number; tag?: string | undefined }>()
    for await (const event of subscribe(db, defineChannel<'a' | 'b'>('letters')))
      expectTypeOf(event.payload).toEqualTypeOf<'a' | 'b'>()
    for await (const event of subscribe(db, defineChannel('any'))) expectTypeOf(event.payload).toBeUnknown()
  })
})

test('topics of an outbox have their payloads, on both sides', () => {
  const outbox = createOutbox({ placed: z.object({ id: z.string() }), free: undefined })
  void (async () => {
    expectTypeOf(await outbox.enqueue(me, 'placed', { id: 'x' }, { key: 'k' })).toBeString()
    // @ts-expect-error: there is no such topic
    await outbox.enqueue(me, 'gone', {})
    // @ts-expect-error: the id is missing
    await outbox.enqueue(me, 'placed', {})
    await outbox.enqueueMany(me, [
      { topic: 'placed', payload: { id: 'x' } },
      { topic: 'free', payload: 7 },
      // @ts-expect-error: the payload is of the other topic
      { topic: 'placed', payload: 7 },
    ])
    createRelay(db, outbox, {
      placed: ({ payload, attempts }, { signal }) => {
        expectTypeOf(payload).toEqualTypeOf<{ id: string }>()
        expectTypeOf(attempts).toBeNumber()
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      },
      free: ({ payload }) => void expectTypeOf(payload).toBeUnknown(),
    })
    // @ts-expect-error: there is no such topic
    createRelay(db, outbox, { gone: () => {} })
  })
})

test('changes of a table have its key and its rows', () => {
  void (async () => {
    for await (const { key, row, operation } of changes(db, tables.projects, { as: me })) {
      expectTypeOf(operation).toEqualTypeOf<'insert' | 'update' | 'delete'>()
      expectTypeOf(key.id).toEqualTypeOf<string>()
      expectTypeOf(row?.name).toEqualTypeOf<string | undefined>()
      // @ts-expect-error: the key is the primary key
      void key.name
    }
  })
})
