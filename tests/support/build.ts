/**
 * Builds the package once before the contract tests (vitest's global setup), unless dist is newer than all it is made of.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')

/** Runs `npm run build` when dist is missing or stale. */
export function setup(): void {
  const built = join(root, 'dist/index.js')
  const sources = globSync(['src/**/*.ts', 'package.json', 'tsup.config.ts', 'tsconfig.json'], { cwd: root })
  const newest = Math.max(...sources.map((path) => statSync(join(root, path)).mtimeMs))
  if (existsSync(built) && statSync(built).mtimeMs > newest) return
  const { status, stdout, stderr } = spawnSync('npm', ['run', 'build'], { cwd: root, encoding: 'utf8' })
  if (status !== 0) throw new Error(`The build failed:\n${stdout}\n${stderr}`)
}
