/** Clients of pg that do not wait for one answer before they send the next query: what the naive ways of the controls are built on. */
import { Client } from 'pg'

/** Opens some, of one application. */
export async function openPipelinedClients(url: string, applicationName: string, count: number): Promise<Client[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const client = new Client({
        connectionString: url,
        application_name: applicationName,
        pipeline: true,
      } as ConstructorParameters<typeof Client>[0])
      client.on('error', () => {})
      await client.connect()
      return client
    }),
  )
}
