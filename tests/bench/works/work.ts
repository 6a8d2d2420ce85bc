/**
 * A kind of work: which requests are made, which method of a contestant does it, and when an answer is right. Turns and times are lanes/turn.ts'.
 */
import type { OpenContestant, WorkKey } from '../contestants/contestant.ts'

/** A row that must not be found: of another tenant where row security decides, and else one that does not exist. */
export type Miss = 'foreign' | 'absent'

/** One request, made before the clock starts. */
export interface Asked {
  ask(contestant: OpenContestant): Promise<unknown>
  /** Looked at when the clock has stopped. */
  isRight(answer: unknown): boolean
  /** What two contestants' answers to the same request have in common when both are right. */
  digest(answer: unknown): unknown
}

/** A work; its requests are numbered, and the same for all. */
export interface Work {
  readonly key: WorkKey
  /** As a column of a table. */
  readonly title: string
  /** As a sentence. */
  readonly what: string
  /** Rows that one request leaves in notes. */
  readonly writes: number
  request(n: number, miss?: Miss): Asked
}

/** A work by the types of its requests and answers. */
export interface WorkDefinition<Request, Answer> extends Pick<Work, 'key' | 'title' | 'what'> {
  readonly writes?: number
  request(n: number, miss: Miss | undefined): Request
  ask(contestant: OpenContestant, request: Request): Promise<Answer>
  isRight(answer: Answer, request: Request, miss: Miss | undefined): boolean
  digest(answer: Answer, request: Request): unknown
}

/** Makes a work. */
export function defineWork<Request, Answer>(definition: WorkDefinition<Request, Answer>): Work {
  const { key, title, what, writes = 0 } = definition
  return {
    key,
    title,
    what,
    writes,
    request(n, miss) {
      const request = definition.request(n, miss)
      // Answers come back from the same request's `ask`.
      return {
        ask: (contestant) => definition.ask(contestant, request),
        isRight: (answer) => definition.isRight(answer as Answer, request, miss),
        digest: (answer) => definition.digest(answer as Answer, request),
      }
    },
  }
}
