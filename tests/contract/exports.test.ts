/**
 * Every subpath export has its source folder, its tests and its built files, and importing it does nothing but define.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { listSubpathExports, packageRoot } from '../support/package-exports.ts'

const subpaths = listSubpathExports()

/** Runs Node in a fresh process and returns the JSON it prints. */
function runNode(...values: readonly string[]): unknown {
  const { status, stdout, stderr } = spawnSync(process.execPath, values, { cwd: packageRoot, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

/** What importing `url` does beyond defining. */
const watchImport = (url: string) => runNode('tests/support/import-watch.ts', url)

const urlOf = (path: string) => pathToFileURL(join(packageRoot, path)).href

describe('the export list', () => {
  it('names the main entry and at least one folder', () => {
    expect(subpaths.map(({ subpath }) => subpath)).toEqual(expect.arrayContaining(['.', './migrate']))
  })

  it('holds every folder of src that users import', () => {
    const inner = ['kernel', 'generated', 'database', 'cli']
    const folders = globSync('src/*/index.ts', { cwd: packageRoot }).map((path) => path.split(/[\\/]/)[1] ?? '')
    const exported = subpaths.filter(({ subpath }) => subpath !== '.').map(({ folder }) => folder)
    expect(exported.sort()).toEqual(folders.filter((folder) => !inner.includes(folder)).sort())
  })
})

describe.each(subpaths)('$specifier', ({ subpath, folder, source, types, module }) => {
  it('is built from the index of its own folder', () => {
    expect(source).toBe(subpath === '.' ? 'src/index.ts' : `src/${folder}/index.ts`)
    expect(existsSync(join(packageRoot, source))).toBe(true)
  })

  it('is built with its declarations', () => {
    expect(types).toBe(module.replace(/\.js$/, '.d.ts'))
    expect([existsSync(join(packageRoot, module)), existsSync(join(packageRoot, types))]).toEqual([true, true])
  })

  it('has tests that use it as users do, through its index', () => {
    const tests = globSync('tests/{unit,integration,sql,faults}/**/*.test.ts', { cwd: packageRoot })
    expect(tests.filter((path) => readFileSync(join(packageRoot, path), 'utf8').includes(source))).not.toEqual([])
  })

  it('does nothing at import: no connection, file, timer, output, global or environment read', () => {
    expect(watchImport(urlOf(module))).toEqual([])
  })
})

describe('the watch on imports', () => {
  it.each([
    ['socket', `import net from 'node:net'; net.connect({ port: 1, host: '127.0.0.1' }).on('error', () => {})`],
    ['environment PGHOST', 'process.env.PGHOST'],
    ['timer', 'setTimeout(() => {}, 1)'],
    ['global leaked', 'globalThis.leaked = 1'],
    ['file', `import { readFileSync } from 'node:fs'; readFileSync('package.json')`],
    ['process.on', `process.on('exit', () => {})`],
    ['print', `console.warn('hello')`],
  ])('sees a %s', (expected, text) => {
    expect(watchImport(`data:text/javascript,${encodeURIComponent(text)}`)).toContain(expected)
  })
})

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
    await import('${urlOf('dist/index.js')}')
    process.stdout.write(JSON.stringify({ peersMs: between - start, tenonMs: performance.now() - between }))
  `

  /**
   * A promise of the package and not a unit timing. On a busy machine what kysely and pg take grows along, so a tenth of it counts there.
   * Other work can only make an import look slower: the quickest of many is nearest to the truth, and a real regression fails all of them.
   */
  it('is less than 15 ms, or a tenth of kysely and pg, over kysely and pg', () => {
    let best = Number.POSITIVE_INFINITY
    for (let attempt = 0; attempt < 25 && best >= 0; attempt += 1) {
      // The script above prints exactly this shape.
      const { peersMs, tenonMs } = runNode('--input-type=module', '--eval', timed) as ImportTime
      best = Math.min(best, tenonMs - Math.max(15, peersMs / 10))
    }
    expect(best).toBeLessThan(0)
  })
})
