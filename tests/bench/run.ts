/** Runs what was selected, one round-trip time after another: every contestant is opened once for each, and takes part in all of its loads. */
import type { BenchDatabase, BenchUrls } from './bench-database.ts'
import type { Contestant } from './contestants/contestant.ts'
import { startDelayProxy } from './delay-proxy.ts'
import { type Lane, startLane } from './lanes/lane.ts'
import { type MixedOutcome, mixedContestants, runMixed } from './mixed.ts'
import { calibrate, measureRoundTripMs } from './round-trip.ts'
import { type Outcome, runWorkload } from './run-workload.ts'
import type { Selection } from './selection.ts'
import { read } from './works/reads.ts'
import type { Work } from './works/work.ts'

/** The same for all; ten is pg's default. */
export const poolSize = 10

/** How much is run. */
export interface RunOptions {
  readonly rounds: number
  readonly quick: boolean
}

/** A contestant and the file that exports it. */
export interface RunContestant {
  readonly contestant: Contestant
  readonly url: URL
}

/** What a run found. */
export interface RunOutcome {
  /** By the workload's key. */
  readonly outcomes: ReadonlyMap<string, Outcome>
  /** Median of `select 1`, by round-trip time. */
  readonly selectOneMs: ReadonlyMap<number, number>
  readonly mixed: readonly MixedOutcome[]
}

const mixedSeconds = 40

/** Runs the selection's workloads with those of its contestants that are sound. */
export async function runSelection(
  selection: Selection,
  contestants: readonly RunContestant[],
  database: BenchDatabase,
  options: RunOptions,
): Promise<RunOutcome> {
  const outcomes = new Map<string, Outcome>()
  const selectOneMs = new Map<number, number>()
  const mixed: MixedOutcome[] = []
  if (selection.roundTripsMs.length === 0) return { outcomes, selectOneMs, mixed }
  await using lanes = await startLanes(contestants)
  await warmUp(lanes.list, worksOf(selection), database, options)
  for (const roundTripMs of selection.roundTripsMs) {
    await using way = await openWay(database.urls, roundTripMs)
    for (const lane of lanes.list) await lane.open({ ...way.urls, poolSize })
    selectOneMs.set(roundTripMs, await measureRoundTripMs(way.urls.bare))
    for (const workload of selection.workloadsOf(roundTripMs)) {
      tell(workload.key)
      const outcome = await runWorkload(
        workload,
        lanes.list,
        { most: options.rounds, seconds: workload.seconds },
        { clearNotes: database.notes.clear, quick: options.quick },
      )
      outcomes.set(workload.key, outcome)
    }
    if (
      selection.runsMixed(roundTripMs) &&
      contestants.some(({ contestant }) => mixedContestants.includes(contestant.key))
    ) {
      tell(`mixed-${roundTripMs}ms`)
      const rounds = { most: options.rounds, seconds: mixedSeconds, quick: options.quick }
      mixed.push(await runMixed(lanes.list, roundTripMs, rounds))
    }
    for (const lane of lanes.list) await lane.close()
  }
  return { outcomes, selectOneMs, mixed }
}

const worksOf = (selection: Selection) =>
  new Set(selection.roundTripsMs.flatMap((ms) => selection.workloadsOf(ms).map(({ work }) => work)))

/**
 * Lets every library work until its code is compiled for good, without a delay: the time of a read falls for some thousands of reads, and of
 * those libraries most that have most code.
 */
async function warmUp(
  lanes: readonly Lane[],
  works: ReadonlySet<Work>,
  database: BenchDatabase,
  { quick }: RunOptions,
): Promise<void> {
  for (const lane of lanes) {
    tell(`warm-up: ${lane.contestant.key}`)
    await lane.open({ ...database.urls, poolSize })
    for (const work of works) {
      if (lane.contestant.works?.includes(work.key) === false) continue
      const load = { work, inFlight: 1, missEvery: 0, requests: work === read ? 200 : work.writes > 1 ? 2 : 20 }
      const seconds = quick ? 0.05 : work === read ? 4 : 0.7
      for (const begin = performance.now(); performance.now() - begin < seconds * 1000; ) {
        await lane.turn(load)
        if (work.writes > 0) await database.notes.clear()
      }
    }
    await lane.close()
  }
}

/** Progress, with the time since the start. */
export function tell(what: string): void {
  process.stderr.write(`${(performance.now() / 1000).toFixed(0).padStart(5)} s  ${what}\n`)
}

interface Way extends AsyncDisposable {
  readonly urls: BenchUrls
}

/** The way to the server: direct, or through the proxy, calibrated. */
async function openWay(urls: BenchUrls, roundTripMs: number): Promise<Way> {
  if (roundTripMs === 0) return { urls, [Symbol.asyncDispose]: async () => {} }
  await using cleanup = new AsyncDisposableStack()
  const proxy = cleanup.use(await startDelayProxy(urls.bare, roundTripMs / 2))
  await calibrate(proxy, urls.bare, roundTripMs)
  const owned = cleanup.move()
  return {
    urls: { bare: proxy.through(urls.bare), powerless: proxy.through(urls.powerless) },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

interface Lanes extends AsyncDisposable {
  readonly list: readonly Lane[]
}

/** Each in a process of its own, for the whole run. */
async function startLanes(contestants: readonly RunContestant[]): Promise<Lanes> {
  await using cleanup = new AsyncDisposableStack()
  const list: Lane[] = []
  for (const { contestant, url } of contestants) list.push(cleanup.use(await startLane(contestant, url)))
  const owned = cleanup.move()
  return { list, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
