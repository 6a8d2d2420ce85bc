/**
 * How long statements take at the server, by their own history, and how far away the server is.
 *
 * Times come from the client's clock, which a busy program reads late: the average says whether a statement is slow, and the time it takes
 * at its best says how many of them fit behind each other.
 */

/** Weight of a new time; a single hiccup of the machine must not make a fast statement slow. */
const weight = 0.2
/** Of one that is longer than the best so far. */
const weightOfLonger = 0.02
/** One time counts at most this much, so that a slow statement that has become fast is known as fast within some twenty runs. */
const longestMs = 1_000

/** The history of one statement. */
export class Pace {
  /** Milliseconds at the server, on average; undefined before the first run. */
  ms: number | undefined
  /** Milliseconds at the server when nothing else holds it up. */
  bestMs = 0

  note(time: number): void {
    const ms = Math.min(Math.max(time, 0), longestMs)
    if (this.ms === undefined) {
      this.ms = ms
      this.bestMs = ms
      return
    }
    this.ms += (ms - this.ms) * weight
    this.bestMs += (ms - this.bestMs) * (ms < this.bestMs ? weight : weightOfLonger)
  }
}

const samplesPerWindow = 256
/** What a round trip may take longer than the shortest without saying anything of the statement: half of it, and this. */
const jitterMs = 1

/** The shortest time of a unit that was alone on its line, lately. */
export class RoundTripTime {
  #before = Number.POSITIVE_INFINITY
  #now = Number.POSITIVE_INFINITY
  #samples = 0

  /** Milliseconds; 0 as long as nothing is known. */
  get ms(): number {
    const least = Math.min(this.#before, this.#now)
    return Number.isFinite(least) ? least : 0
  }

  /**
   * Learns from a unit's time, and takes the network's share off it.
   *
   * @param waitedMs - how long it was under way already when its time began
   * @returns what was the statement's
   */
  take(elapsedMs: number, waitedMs: number): number {
    if (waitedMs === 0) this.#note(elapsedMs)
    const travelMs = this.ms - waitedMs
    if (travelMs <= 0) return elapsedMs
    const more = elapsedMs - travelMs
    return more > jitterMs + travelMs / 2 ? more : 0
  }

  #note(ms: number): void {
    this.#now = Math.min(this.#now, ms)
    if (++this.#samples < samplesPerWindow) return
    // Two windows, so that a server that has moved away is known as such.
    this.#before = this.#now
    this.#now = Number.POSITIVE_INFINITY
    this.#samples = 0
  }
}
