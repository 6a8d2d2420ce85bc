/**
 * A server that can be stopped the hard way and started again on the same data and port, which the ordinary one of the tests cannot.
 * A shell owns it: when this process ends, however it ends, the server stops and its directory goes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { serverVersion } from '../support/postgres.ts'
import { readableBinaries } from '../support/postgres-binaries.ts'

/** How a server is stopped: `fast` ends its sessions, `immediate` dies without a word and recovers at the next start. */
export type StopMode = 'fast' | 'immediate'

/** A running server. */
export interface RestartablePostgres extends AsyncDisposable {
  /** A superuser's URL. */
  readonly url: string
  readonly version: number
  /** Stops the server and starts it again at once; returns when it answers. */
  restart(mode: StopMode): Promise<void>
  /** Kills one backend with SIGKILL, upon which the server restarts all of them; returns when it answers. */
  killBackend(processId: number): Promise<void>
  stop(): Promise<void>
}

/** Reads `INT` (fast) or `QUIT` (immediate) from its input; at the end of the input it stops for good. */
const keeper = `
bin=$1; dir=$2; shift 2
umask 077
printf secret > "$dir/password"
"$bin/initdb" -D "$dir/data" -U postgres --auth=scram-sha-256 --pwfile="$dir/password" --encoding=UTF8 --locale=C --no-sync --no-instructions > "$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log"; exit 1; }
exec 3<&0
start() { "$bin/postgres" -D "$dir/data" "$@" >> "$dir/server.log" 2>&1 3<&- & server=$!; }
start "$@"
while read -r signal <&3; do kill -$signal $server; wait $server; start "$@"; done
kill -INT $server
( sleep 5; kill -QUIT $server ) 2> /dev/null & closer=$!
wait $server
kill $closer 2> /dev/null
rm -rf "$dir"
`

/** Creates a cluster in a new temporary directory and starts it. */
export async function startRestartablePostgres(binDir: string): Promise<RestartablePostgres> {
  const owner = serverOwner()
  const directory = mkdtempSync(join(owner ? '/tmp' : tmpdir(), 'tenon-restartable-'))
  if (owner) chownSync(directory, owner.uid, owner.gid)
  const port = await freePort()
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${directory}`,
    'max_connections=40',
    'shared_buffers=32MB',
    'restart_after_crash=on',
  ]
  // Commits must survive an immediate stop here, unlike in the other tests: synchronous_commit stays on, and so does the WAL's order.
  const child = spawn(
    '/bin/sh',
    [
      '-c',
      keeper,
      'tenon-restartable',
      readableBinaries(binDir, directory, owner),
      directory,
      ...settings.flatMap((setting) => ['-c', setting]),
    ],
    {
      cwd: directory,
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
      ...owner,
    },
  )
  const exited = once(child, 'exit')
  const url = `postgres://postgres:secret@127.0.0.1:${port}/postgres`
  const untilReady = async (): Promise<number> => {
    const deadline = Date.now() + 30_000
    for (;;) {
      try {
        return await serverVersion(url)
      } catch (error) {
        if (child.exitCode !== null || Date.now() > deadline) throw error
        await delay(20)
      }
    }
  }
  const stop = async (): Promise<void> => {
    child.stdin?.end()
    await exited
  }
  try {
    const version = await untilReady()
    return {
      url,
      version,
      async restart(mode) {
        child.stdin?.write(mode === 'fast' ? 'INT\n' : 'QUIT\n')
        // Until the old one is gone it would still answer.
        await untilRefused(url)
        await untilReady()
      },
      async killBackend(processId) {
        process.kill(processId, 'SIGKILL')
        await delay(50)
        await untilReady()
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function untilRefused(url: string): Promise<void> {
  for (;;) {
    try {
      await serverVersion(url)
      await delay(5)
    } catch {
      return
    }
  }
}

/** `postgres` refuses to run as root: then it runs as nobody. */
function serverOwner(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const entry = readFileSync('/etc/passwd', 'utf8').match(/^nobody:[^:]*:(\d+):(\d+)/m)
  if (entry === null) throw new Error('Running as root needs a user "nobody" for PostgreSQL.')
  return { uid: Number(entry[1]), gid: Number(entry[2]) }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('The probe socket has no port.')
  return address.port
}
