/**
 * The list of libraries, and their contestants by name. Peers live in peers/, a package of its own that is installed first; one that cannot be
 * loaded is left out with a reason.
 */
import type { LeftOut } from '../first-answers.ts'
import type { Contestant } from './contestant.ts'

/** A library, in a file of its own that exports `contestants`. */
export interface Library {
  readonly key: string
  readonly label: string
  readonly url: URL
  /** Whether it comes from peers/. */
  readonly isPeer: boolean
}

const own = (key: string, label: string): Library => ({
  key,
  label,
  url: new URL(`./${key}.ts`, import.meta.url),
  isPeer: false,
})
const peer = (key: string, label: string): Library => ({
  key,
  label,
  url: new URL(`../peers/${key}.ts`, import.meta.url),
  isPeer: true,
})

/** In the order in which reports list them. */
export const libraries: readonly Library[] = [
  own('pg', 'pg'),
  own('tenon', 'Tenon, query builder'),
  own('tenon-repository', 'Tenon, repository'),
  own('kysely', 'Kysely'),
  peer('drizzle', 'Drizzle'),
  peer('prisma', 'Prisma 7'),
  peer('zenstack', 'ZenStack 3'),
  peer('mikro-orm', 'MikroORM 7'),
  peer('slonik', 'Slonik'),
  peer('postgres', 'postgres.js'),
]

/** Imports every library's contestants. */
export async function loadContestants(): Promise<{
  readonly contestants: readonly Contestant[]
  /** The file that exports it, by the contestant's key. */
  readonly files: ReadonlyMap<string, URL>
  readonly leftOut: readonly LeftOut[]
}> {
  const contestants: Contestant[] = []
  const files = new Map<string, URL>()
  const leftOut: LeftOut[] = []
  for (const library of libraries) {
    try {
      const found = await importContestants(library)
      contestants.push(...found)
      for (const { key } of found) files.set(key, library.url)
    } catch (error) {
      // What is ours has to load.
      if (!library.isPeer) throw error
      leftOut.push({ key: library.key, reason: firstLine(error) })
    }
  }
  return { contestants, files, leftOut }
}

/**
 * Imports libraries until one has the contestant, and no further: what others leave in the process would be profiled with it.
 *
 * @throws {Error} when none has it.
 */
export async function loadContestant(key: string): Promise<Contestant> {
  const known: string[] = []
  for (const library of libraries) {
    const found = await importContestants(library)
    const contestant = found.find((candidate) => candidate.key === key)
    if (contestant !== undefined) return contestant
    known.push(...found.map((candidate) => candidate.key))
  }
  throw new Error(`No contestant is ${key}. There are ${known.join(', ')}.`)
}

/** By an address that the compiler does not follow: peers are not there until they are installed. */
async function importContestants({ url }: Library): Promise<readonly Contestant[]> {
  const module: { readonly contestants: readonly Contestant[] } = await import(url.href)
  return module.contestants
}

/** Without the paths of this machine. */
function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return (message.split('\n')[0] ?? '').replace(/ imported from .*/, '')
}
