/** Fresh processes for what is measured of a process as a whole. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const hooks = new URL('./built-sources.ts', import.meta.url).href
let folder: string | undefined

/** Where built-sources.ts keeps what it stripped, until this process ends. */
function strippedFolder(): string {
  if (folder !== undefined) return folder
  const made = mkdtempSync(join(tmpdir(), 'tenon-bench-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  folder = made
  return made
}

/** Runs a file of this folder and returns the JSON that it prints last. */
export async function runChild(file: string, args: readonly string[], flags: readonly string[] = []): Promise<unknown> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', hooks, ...flags, path, ...args], {
    maxBuffer: 2 ** 26,
    env: { ...process.env, TENON_BENCH_STRIPPED: strippedFolder() },
  })
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
}
