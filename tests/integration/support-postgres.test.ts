/** The servers that tests start: they come up with the asked settings, explain a failure, and never outlive the tests. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { startPostgres } from '../support/postgres.ts'
import { findEmbeddedBinaries, findSystemBinaries } from '../support/postgres-binaries.ts'

const binDir = findEmbeddedBinaries() ?? findSystemBinaries()
if (binDir === undefined) console.warn('Skipped: no PostgreSQL binaries here; npm ci on Linux or macOS installs them.')

describe.skipIf(binDir === undefined)('a server of the tests', () => {
  const options = { binDir: binDir ?? '' }

  it('runs with the given settings, over TCP and its socket, and leaves nothing', async () => {
    const server = await startPostgres({ ...options, settings: { max_connections: '17' } })
    const places = [
      { connectionString: server.url },
      { host: server.socketDir, port: server.port, user: 'postgres', password: 'postgres' },
    ]
    for (const place of places) {
      const client = new Client(place)
      await client.connect()
      expect((await client.query('show max_connections')).rows).toEqual([{ max_connections: '17' }])
      await client.end()
    }
    await server.stop()
    await server.stop()
    expect(existsSync(server.socketDir)).toBe(false)
    await expect(new Client({ connectionString: server.url }).connect()).rejects.toThrow('ECONNREFUSED')
  })

  it('explains with its own log why it did not start', async () => {
    const starting = startPostgres({ ...options, settings: { shared_preload_libraries: 'no_such_library' } })
    await expect(starting).rejects.toThrow('no_such_library')
  })

  it('stops and goes when the process that started it is killed', async () => {
    const program = `
      const { startPostgres } = await import(${JSON.stringify(join(import.meta.dirname, '../support/postgres.ts'))})
      const server = await startPostgres(${JSON.stringify(options)})
      process.stdout.write(server.socketDir)
    `
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [output] = await once(child.stdout, 'data')
    const directory = String(output)
    expect(existsSync(directory)).toBe(true)
    child.kill('SIGKILL')
    await expect.poll(() => existsSync(directory), { timeout: 10_000 }).toBe(false)
  })
})
