/**
 * Installs the peers (tests/bench/peers, a package of its own) before a benchmark, unless they are there as their lock says. Without a
 * registry the benchmark goes on without them; that they are missing is said here, and in the report.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('./peers/', import.meta.url))
const stamp = `${folder}node_modules/.ready`

const sources = ['package.json', 'package-lock.json', ...globSync('prisma/*.prisma', { cwd: folder }).sort()]
const wanted = createHash('sha256')
  .update(sources.map((name) => readFileSync(`${folder}${name}`, 'utf8')).join('\0'))
  .digest('hex')

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  process.stderr.write('Installing the libraries of tests/bench/peers …\n')
  const { status } = spawnSync('npm', ['run', 'ready', '--silent'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  if (status === 0) writeFileSync(stamp, wanted)
  else process.stderr.write('They could not be installed: what is missing of them is left out.\n')
}
