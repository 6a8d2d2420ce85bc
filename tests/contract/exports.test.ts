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
    const tests = globSync('tests/{unit,integration,features,sql,faults}/**/*.test.ts', { cwd: packageRoot })
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
