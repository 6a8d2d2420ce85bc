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
  /** Stands in for a line: takes whatever statements the check consists of today. */
  const line = {
    channel: { processId: undefined },
    async run(steps: readonly { readonly text: string; readonly values: readonly unknown[] }[]) {
      const results: { rows: Record<string, unknown>[] }[] = []
      for (const { text, values } of steps) {
        const { rows } = await client.query<Record<string, unknown>>(text, [...values])
        results.push({ rows })
        if (rows[0]?.['facts'] !== undefined) facts = rows[0]['facts'] as Record<string, unknown>
      }
      return { unit: { results } }
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
