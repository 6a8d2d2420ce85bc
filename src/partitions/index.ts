/** tenon/partitions: partitions made ahead, attached, detached and dropped, the default partition drained, and proof of pruning. */

export { type AttachPartitionOptions, type AttachStep, attachPartition } from './attach-partition.ts'
export {
  type CreateHashPartitionsOptions,
  type CreateListPartitionOptions,
  type CreatePartitionsOptions,
  createHashPartitions,
  createListPartition,
  createPartitions,
  type PartitionStep,
  type PartitionUnit,
  type PartmanChange,
  runPartman,
} from './create-partitions.ts'
export type { LockOptions } from './dedicated-statements.ts'
export {
  type DetachPartitionOptions,
  detachPartition,
  type RetainedPartition,
  type RetainPartitionsOptions,
  retainPartitions,
} from './detach-partition.ts'
export { type DrainDefaultOptions, type DrainProgress, type DrainResult, drainDefault } from './drain-default.ts'
export type { RangeBound } from './module-call.ts'
export type { NamedTable } from './partition-error.ts'
export {
  type PartitionState,
  type PartitionStatus,
  type PartitionStatusOptions,
  type PartitionWarning,
  partitionStatus,
} from './partition-status.ts'
export { type ExplainableQuery, type PartitionsRead, partitionsRead } from './partitions-read.ts'
export { timeRange } from './time-range.ts'
