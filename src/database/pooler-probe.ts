/**
 * Finds out whether a transaction pooler stands between a pool and its server: then no statement may be prepared by name, because the
 * next unit may reach another server connection.
 */
import type { Lease } from './lines.ts'

/** Makes a function that looks once per pool and then prepares every lease accordingly. */
export function createPoolerProbe(preparedStatements: 'auto' | 'named' | 'unnamed'): (lease: Lease) => Promise<void> {
  let pooled: Promise<boolean> | undefined =
    preparedStatements === 'auto' ? undefined : Promise.resolve(preparedStatements === 'unnamed')
  let known: boolean | undefined
  return async (lease) => {
    if (known === undefined) {
      pooled ??= isPooled(lease)
      try {
        known = await pooled
      } catch (error) {
        pooled = undefined
        throw error
      }
    }
    if (known) lease.line.statements.disable()
  }
}

/** Behind a pooler the backend is another than the one the connection was opened to. */
async function isPooled({ line }: Lease): Promise<boolean> {
  const { processId } = line.channel
  if (processId === undefined) return false
  const { unit } = await line.run([{ text: 'select pg_catalog.pg_backend_pid() as pid', name: '', values: [] }])
  // Without an answer the statement that follows fails with the reason; unnamed is right for any server.
  return unit.results[0]?.rows[0]?.pid !== processId
}
