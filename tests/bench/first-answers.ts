/**
 * Nobody is quicker for doing less: every contestant's first answers to every work are compared with bare pg's, key by key, and what it wrote
 * with what bare pg wrote, value by value. And the negative control, without which nobody knows that a wrong answer would be seen.
 */
import type { Contestant, OpenContestant, Place } from './contestants/contestant.ts'
import { barePg } from './contestants/pg.ts'
import { type Load, runTurn } from './lanes/turn.ts'
import { read } from './works/reads.ts'
import { works } from './works/works.ts'

/** Of three tenants, the first of which has the numbers that formulas are wrong for. */
const requestNumbers = [0, 1, 57]

/** What the admin sees of notes. */
export interface Notes {
  /** A digest of all notes without keys and times. */
  digest(): Promise<string>
  /** Counts the notes and takes them away. */
  clear(): Promise<number>
}

/** A contestant that is left out. */
export interface LeftOut {
  readonly key: string
  readonly reason: string
}

/**
 * Opens each contestant once and compares its answers.
 *
 * @returns those that could be opened, and the others with the reason.
 * @throws {Error} when an answer is another than bare pg's: that is a mistake in the contestant.
 */
export async function compareFirstAnswers(
  contestants: readonly Contestant[],
  place: Place,
  notes: Notes,
): Promise<{ readonly sound: readonly Contestant[]; readonly leftOut: readonly LeftOut[] }> {
  const reference = await barePg.open(place)
  const expected = await answersOf(barePg, reference, notes).finally(() => reference.close())
  const sound: Contestant[] = []
  const leftOut: LeftOut[] = []
  for (const contestant of contestants) {
    let open: OpenContestant
    try {
      open = await contestant.open(place)
    } catch (error) {
      leftOut.push({ key: contestant.key, reason: error instanceof Error ? error.message : String(error) })
      continue
    }
    const answers = await answersOf(contestant, open, notes).finally(() => open.close())
    for (const [work, answer] of Object.entries(answers))
      if (answer !== expected[work])
        throw new Error(`${contestant.label}, ${work}: the answer is ${answer}, and pg's is ${expected[work]}.`)
    sound.push(contestant)
  }
  return { sound, leftOut }
}

async function answersOf(
  contestant: Contestant,
  open: OpenContestant,
  notes: Notes,
): Promise<Readonly<Record<string, string>>> {
  const answers: Record<string, string> = {}
  for (const work of works) {
    if (contestant.works?.includes(work.key) === false) continue
    const digests: unknown[] = []
    for (const n of requestNumbers) {
      const asked = work.request(n)
      const answer = await asked.ask(open)
      if (!asked.isRight(answer)) throw new Error(`${contestant.label}, ${work.key}: request ${n} has a wrong answer.`)
      digests.push(asked.digest(answer))
    }
    if (work.writes > 0) digests.push(await notes.digest(), await notes.clear())
    answers[work.key] = JSON.stringify(digests)
  }
  return answers
}

/**
 * The negative control: without row security other tenants' rows are found, and the count of wrong answers has to say so.
 *
 * @param unprotected a contestant without row security.
 * @throws {Error} when it does not.
 */
export async function assertWrongAnswersAreSeen(unprotected: Contestant, place: Place): Promise<void> {
  const open = await unprotected.open({ ...place, poolSize: 1 })
  const load: Load = { work: read, inFlight: 1, missEvery: 9, requests: 90, turnSeconds: 0 }
  try {
    const { wrongAnswers } = await runTurn(open, true, load)
    if (wrongAnswers !== 10) throw new Error(`The control saw ${wrongAnswers} wrong answers where there are 10.`)
  } finally {
    await open.close()
  }
}
