/**
 * Runs what was selected in heats: in each every contestant has a new process, because what the compiler and the machine make of a process
 * holds for its whole life. In a heat one round-trip time follows the other; every contestant is opened once for each, and takes part in
 * all of its loads.
 */
import type { BenchDatabase, BenchUrls } from './bench-database.ts'
import type { Contestant } from './contestants/contestant.ts'
import { startDelayProxy } from './delay-proxy.ts'
import { type Lane, startLane } from './lanes/lane.ts'
import type { MixedTurn } from './lanes/mixed-turn.ts'
import type { Turn } from './lanes/turn.ts'
import { type MixedOutcome, mixedContestants, runMixed, toMixedOutcome } from './mixed.ts'
import { quantile } from './quantile.ts'
import { calibrate, measureRoundTripMs } from './round-trip.ts'
import { joinTurns, type Turns } from './rounds.ts'
import { type Outcome, runWorkload, toOutcome } from './run-workload.ts'
import type { Selection } from './selection.ts'
import type { Workload } from './workloads.ts'
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
  readonly heats: number
}

/** Of a run that is meant. */
const heats = 3
const mixedSeconds = 40

/** What the heats have found so far. */
interface Found {
  readonly workloads: Map<string, { readonly workload: Workload; readonly turns: Turns<Turn> }>
  readonly mixed: Map<number, Turns<MixedTurn>>
  readonly selectOneMs: Map<number, number[]>
}

/** Runs the selection's workloads with those of its contestants that are sound. */
export async function runSelection(
  selection: Selection,
  running: readonly RunContestant[],
  database: BenchDatabase,
  options: RunOptions,
): Promise<RunOutcome> {
  const found: Found = { workloads: new Map(), mixed: new Map(), selectOneMs: new Map() }
  const count = options.quick ? 1 : Math.min(heats, options.rounds)
  if (selection.roundTripsMs.length > 0)
    for (let heat = 1; heat <= count; heat += 1) {
      tell(`heat ${heat} of ${count}`)
      await runHeat(selection, running, database, { options, heats: count, found })
    }
  const contestants = running.map(({ contestant }) => contestant)
  return {
    heats: count,
    outcomes: new Map(
      [...found.workloads].map(([key, { workload, turns }]) => [
        key,
        toOutcome(workload, turns, contestants, options.quick),
      ]),
    ),
    selectOneMs: new Map([...found.selectOneMs].map(([roundTripMs, all]) => [roundTripMs, quantile(all, 0.5)])),
    mixed: [...found.mixed].map(([roundTripMs, turns]) =>
      toMixedOutcome(roundTripMs, turns, contestants, options.quick),
    ),
  }
}

/** One heat: its share of the rounds of everything. */
async function runHeat(
  selection: Selection,
  running: readonly RunContestant[],
  database: BenchDatabase,
  { options, heats, found }: { readonly options: RunOptions; readonly heats: number; readonly found: Found },
): Promise<void> {
  const most = Math.ceil(options.rounds / heats)
  await using lanes = await startLanes(running)
  await warmUp(lanes.list, worksOf(selection), database, options)
  for (const roundTripMs of selection.roundTripsMs) {
    await using way = await openWay(database.urls, roundTripMs)
    for (const lane of lanes.list) await lane.open({ ...way.urls, poolSize })
    const selectOne = await measureRoundTripMs(way.urls.bare)
    found.selectOneMs.set(roundTripMs, [...(found.selectOneMs.get(roundTripMs) ?? []), selectOne])
    for (const workload of selection.workloadsOf(roundTripMs)) {
      tell(workload.key)
      const rounds = { most, seconds: workload.seconds / heats }
      const surroundings = { clearNotes: database.notes.clear, quick: options.quick }
      const turns = await runWorkload(workload, lanes.list, rounds, surroundings)
      const earlier = found.workloads.get(workload.key)?.turns
      found.workloads.set(workload.key, { workload, turns: joinTurns(earlier, turns) })
    }
    if (
      selection.runsMixed(roundTripMs) &&
      running.some(({ contestant }) => mixedContestants.includes(contestant.key))
    ) {
      tell(`mixed-${roundTripMs}ms`)
      const rounds = { most, seconds: mixedSeconds / heats, quick: options.quick }
      const turns = await runMixed(lanes.list, rounds)
      found.mixed.set(roundTripMs, joinTurns(found.mixed.get(roundTripMs), turns))
    }
    for (const lane of lanes.list) await lane.close()
  }
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
      const load = {
        work,
        inFlight: 1,
        missEvery: 0,
        requests: work === read ? 200 : work.writes > 1 ? 2 : 20,
        turnSeconds: 0,
      }
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

/** Each in a process of its own. */
async function startLanes(contestants: readonly RunContestant[]): Promise<Lanes> {
  await using cleanup = new AsyncDisposableStack()
  const list: Lane[] = []
  for (const { contestant, url } of contestants) list.push(cleanup.use(await startLane(contestant, url)))
  const owned = cleanup.move()
  return { list, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}
