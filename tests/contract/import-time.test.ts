/** How long it takes to import the package: most of what a serverless function does before its first query. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { packageRoot } from '../support/package-exports.ts'

describe('the cost of importing tenon', () => {
  interface ImportTime {
    readonly peersMs: number
    readonly tenonMs: number
  }

  const timed = `
    performance.now()
    const start = performance.now()
    await import('kysely')
    await import('pg')
    const between = performance.now()
    await import('${pathToFileURL(join(packageRoot, 'dist/index.js')).href}')
    process.stdout.write(JSON.stringify({ peersMs: between - start, tenonMs: performance.now() - between }))
  `

  /**
   * A promise of the package and not a unit timing. On a busy machine what kysely and pg take grows along, so a tenth of it counts there.
   * Other work can only make an import look slower: the quickest of many is nearest to the truth, and a real regression fails all of them.
   */
  it('is less than 15 ms, or a tenth of kysely and pg, over kysely and pg', () => {
    let best = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 25 && best >= 0; attempt += 1) {
      const words = ['--input-type=module', '--eval', timed]
      const { status, stdout, stderr } = spawnSync(process.execPath, words, { cwd: packageRoot, encoding: 'utf8' })
      if (status !== 0) throw new Error(stderr)
      // The script above prints exactly this shape.
      const { peersMs, tenonMs } = JSON.parse(stdout) as ImportTime
      best = Math.min(best, tenonMs - Math.max(15, peersMs / 10))
    }
    expect(best).toBeLessThan(0)
  })
})
