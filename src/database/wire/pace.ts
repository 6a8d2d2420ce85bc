/**
 * How long statements take at the server, by their own history, and how far away the server is.
 *
 * Times come from the client's clock: a unit that waits alone on its line is also a round trip of the network, which is taken off again.
 */

/** Weight of a new time; a single hiccup of the machine must not make a fast statement slow. */
const weight = 0.2
/** One time counts at most this much, so that a slow statement that has become fast is known as fast within some twenty runs. */
const longestMs = 1_000

/** The history of one statement. */
export class Pace {
  /** Milliseconds at the server, on average; undefined before the first run. */
  ms: number | undefined

  note(ms: number): void {
    const time = Math.min(Math.max(ms, 0), longestMs)
    this.ms = this.ms === undefined ? time : this.ms + (time - this.ms) * weight
  }
}

const samplesPerWindow = 256

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

  note(ms: number): void {
    this.#now = Math.min(this.#now, ms)
    if (++this.#samples < samplesPerWindow) return
    // Two windows, so that a server that has moved away is known as such.
    this.#before = this.#now
    this.#now = Number.POSITIVE_INFINITY
    this.#samples = 0
  }
}
