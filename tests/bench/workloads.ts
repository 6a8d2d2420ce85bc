/**
 * What a contestant is asked in one turn: reads one after another, or many in flight. Counts wrong answers.
 * Turns, medians and ratios are rounds.ts'.
 */
import { type OrderRow, rowsPerTenant, tenantCount } from './bench-database.ts'
import type { OpenContestant, ReadRequest } from './contestants.ts'
import { quantile } from './quantile.ts'

/** A kind of load. */
export interface Workload {
  readonly key: 'read' | 'read-2ms' | 'throughput' | 'throughput-2ms'
  readonly title: string
  /** What the delay proxy adds to each direction; 0 is a direct connection. */
  readonly delayMs: number
  /** 1 is one read after another. */
  readonly inFlight: number
  /** Every so many reads ask for a row that must not be found; 0 is never. */
  readonly missEvery: number
  /** Short turns in many rounds: what else the machine does lasts longer than a turn, and so falls on all contestants alike. */
  readonly readsPerTurn: number
  readonly quickReadsPerTurn: number
}

/** Cost of one turn. */
export interface Turn {
  /**
   * One after another: the median read, because a read that the machine kept waiting for its processor is many times longer, and
   * the mean of a turn would be about those. In flight: the turn's length by its reads.
   */
  readonly secondsPerRead: number
  /** Of this process: the client's share, which the clock cannot tell from the server's. */
  readonly cpuSecondsPerRead: number
  readonly wrongAnswers: number
}

/** All loads, in the order in which they run. */
export const workloads: readonly Workload[] = [
  {
    key: 'read',
    title: 'Point read by primary key, one after another, loopback',
    delayMs: 0,
    inFlight: 1,
    missEvery: 0,
    readsPerTurn: 400,
    quickReadsPerTurn: 150,
  },
  {
    key: 'read-2ms',
    title: 'Point read by primary key, one after another, 2 ms round trip',
    delayMs: 1,
    inFlight: 1,
    missEvery: 0,
    readsPerTurn: 60,
    quickReadsPerTurn: 40,
  },
  {
    key: 'throughput',
    title: '64 reads in flight of 100 tenants, loopback',
    delayMs: 0,
    inFlight: 64,
    missEvery: 9,
    readsPerTurn: 1600,
    quickReadsPerTurn: 640,
  },
  {
    key: 'throughput-2ms',
    title: '64 reads in flight of 100 tenants, 2 ms round trip',
    delayMs: 1,
    inFlight: 64,
    missEvery: 9,
    readsPerTurn: 960,
    quickReadsPerTurn: 320,
  },
]

/**
 * Runs one turn.
 *
 * @param underRls whether a miss is another tenant's row, which exists. Without row security it is a row that does not exist, so that
 *   all contestants are sent the same number of rows.
 */
export async function runTurn(
  contestant: OpenContestant,
  underRls: boolean,
  load: Pick<Workload, 'inFlight' | 'missEvery'> & { readonly reads: number },
): Promise<Turn> {
  let started = 0
  let wrongAnswers = 0
  const latencies: number[] = []
  const worker = async () => {
    while (started < load.reads) {
      const n = started++
      const own = requestNumber(n)
      const misses = load.missEvery > 0 && n % load.missEvery === load.missEvery - 1
      const asked = performance.now()
      const row = await contestant.read(misses ? missOf(own, underRls) : own)
      latencies.push((performance.now() - asked) / 1000)
      if (!(misses ? row === undefined : isOwn(row, own))) wrongAnswers += 1
    }
  }
  const cpu = process.cpuUsage()
  const begin = performance.now()
  await Promise.all(Array.from({ length: load.inFlight }, worker))
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(cpu)
  return {
    secondsPerRead: load.inFlight === 1 ? quantile(latencies, 0.5) : seconds / load.reads,
    cpuSecondsPerRead: (user + system) / 1e6 / load.reads,
    wrongAnswers,
  }
}

/** Goes through all tenants, and through rows in an order that is not the heap's. */
function requestNumber(n: number): ReadRequest {
  const tenant = n % tenantCount
  const id = ((n * 7919) % rowsPerTenant) * tenantCount + tenant
  return { id: String(id === 0 ? tenantCount * rowsPerTenant : id), tenant }
}

function missOf(own: ReadRequest, underRls: boolean): ReadRequest {
  const rows = tenantCount * rowsPerTenant
  // Order i + 1 is the next tenant's.
  return { id: String(underRls ? (Number(own.id) % rows) + 1 : Number(own.id) + rows), tenant: own.tenant }
}

function isOwn(row: OrderRow | undefined, request: ReadRequest): boolean {
  return row?.id === request.id && row.tenant_id === `tenant-${request.tenant}`
}
