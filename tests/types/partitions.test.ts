/** Types of tenon/partitions. */
import type { Expression, ExpressionBuilder, Kysely, SqlBool } from 'kysely'
import { expectTypeOf, it } from 'vitest'
import type { Database } from '../../src/index.ts'
import type { TableMetadata } from '../../src/kernel/metadata.ts'
import {
  attachPartition,
  createListPartition,
  createPartitions,
  drainDefault,
  type PartitionStatus,
  partitionStatus,
  partitionsRead,
  timeRange,
} from '../../src/partitions/index.ts'

interface DB {
  events: { id: string; at: Date; on: string; kind: number }
}

declare const db: Database<DB>
declare const service: Kysely<DB>
declare const events: TableMetadata
declare const eb: ExpressionBuilder<DB, 'events'>

it('a step is a unit or a width, and not both', () => {
  expectTypeOf(createPartitions(service, events, { unit: 'month', ahead: 3 })).resolves.toEqualTypeOf<
    readonly string[]
  >()
  expectTypeOf(createPartitions(service, events, { width: 10n })).resolves.toEqualTypeOf<readonly string[]>()
  // @ts-expect-error neither
  void createPartitions(service, events, { ahead: 3 })
  // @ts-expect-error both
  void createPartitions(service, events, { unit: 'day', width: 3 })
  // @ts-expect-error no unit of partitions
  void drainDefault(service, events, { unit: 'decade' })
})

it('what needs a connection of its own takes a database', () => {
  expectTypeOf(attachPartition(db, events, { partition: 'x', from: 1, to: 2n })).resolves.toEqualTypeOf<void>()
  // @ts-expect-error an executor is none
  void attachPartition(service, events, { partition: 'x' })
})

it('results say what can be missing', () => {
  expectTypeOf(partitionStatus(service, events)).resolves.toEqualTypeOf<PartitionStatus>()
  expectTypeOf<PartitionStatus['defaultRows']>().toEqualTypeOf<number | null>()
  expectTypeOf(
    createListPartition(service, events, { name: 'x', values: ['a', 1, null] }),
  ).resolves.toEqualTypeOf<number>()
})

it('a range is of a column that holds times, and a condition', () => {
  expectTypeOf(timeRange(eb.ref('at'), new Date(), null)).toExtend<Expression<SqlBool>>()
  expectTypeOf(timeRange(eb.ref('on'), '2026-01-01', '2026-02-01')).toExtend<Expression<SqlBool>>()
  // @ts-expect-error a number is no time
  timeRange(eb.ref('kind'), '2026-01-01', null)
  void partitionsRead(
    service,
    events,
    service
      .selectFrom('events')
      .where(timeRange(eb.ref('at'), null, null))
      .selectAll(),
  )
  // @ts-expect-error a promise is no builder
  void partitionsRead(service, events, service.selectFrom('events').selectAll().execute())
})
