/**
 * What a real server tells at the verification of a login, for servers that only pretend to be one.
 */
import { Client } from 'pg'
import { readFacts } from '../../src/database/facts.ts'

/** Reads the facts as the pool's first checkout does, and returns them as they came. */
export async function readLoginFacts(url: string): Promise<Record<string, unknown>> {
  const client = new Client(url)
  await client.connect()
  let facts: Record<string, unknown> = {}
  /** Stands in for a line: takes whatever statement the check consists of today. */
  const line = {
    channel: { processId: undefined },
    async run([step]: readonly { readonly text: string; readonly values: readonly unknown[] }[]) {
      const { rows } = await client.query<{ facts: Record<string, unknown> }>(step?.text ?? '', [
        ...(step?.values ?? []),
      ])
      facts = rows[0]?.facts ?? {}
      return { unit: { results: [{ rows }] } }
    },
  }
  try {
    // Sound: readFacts calls nothing else of a line.
    await readFacts(line as unknown as Parameters<typeof readFacts>[0], ['anon', 'authenticated'], undefined)
    return facts
  } finally {
    await client.end()
  }
}
