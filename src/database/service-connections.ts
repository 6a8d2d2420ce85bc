/** Where the queries of one service run: on connections of the privileged pool, which know who acts and why. */
import type { Log } from 'kysely'
import type { Observer } from '../kernel/observe.ts'
import { TenonConnection } from './connection.ts'
import type { Context } from './context.ts'
import type { AcquireConnection } from './driver.ts'
import type { Lease, LineSource } from './lines.ts'
import type { RunnerShared } from './runner.ts'
import { prepareParsers, type ValueParsers } from './value-parsers.ts'
import type { StatementPlans } from './wire/statement-plan.ts'

/** What all services of a database have in common. */
export interface ServiceScene {
  readonly source: LineSource
  readonly shared: RunnerShared
  /** Finds out whether a pooler stands between, and prepares the line for it. */
  readonly probe: (lease: Lease) => Promise<void>
  readonly parsers: ValueParsers | undefined
  readonly plans: StatementPlans
  readonly observe: Observer | undefined
  readonly log: Log | undefined
}

/** Takes connections for a service. */
export function serviceConnections(scene: ServiceScene, context: Context): AcquireConnection {
  const { source, shared, probe, parsers, plans, observe, log } = scene
  return async () => {
    const lease = await source.acquire()
    try {
      await probe(lease)
      await prepareParsers(parsers, lease)
    } catch (error) {
      lease.release()
      throw error
    }
    return new TenonConnection({ lease, source, mode: 'service', context, plans, shared, observe, log })
  }
}
