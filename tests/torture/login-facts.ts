/**
 * What a real server tells at the verification of a login, for servers that only pretend to be one.
 */
import { Client } from 'pg'
import { checks } from '../../src/generated/checks.ts'

/** Reads the facts as the pool's first checkout does. */
export async function readLoginFacts(url: string): Promise<Record<string, unknown>> {
  const client = new Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ facts: Record<string, unknown> }>(checks.login, [['anon', 'authenticated']])
    return rows[0]?.facts ?? {}
  } finally {
    await client.end()
  }
}
