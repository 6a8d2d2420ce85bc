/**
 * The packed tarball as a stranger gets it: installed in an empty project, compiled against and run, as an ES module
 * and from CommonJS. The peers come from this repository's node_modules, so nothing but the tarball is under test.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listSubpathExports, packageRoot } from '../support/package-exports.ts'

const specifiers = listSubpathExports().map(({ specifier }) => specifier)
const peers = [
  'kysely',
  'pg',
  'zod',
  '@electric-sql/pglite',
  '@types/pg',
  '@types/node',
  'undici-types',
  'pg-types',
  'pg-protocol',
]

const project = realpathSync(mkdtempSync(join(tmpdir(), 'tenon-package-')))
afterAll(() => rmSync(project, { recursive: true, force: true }))

interface Outcome {
  readonly status: number | null
  readonly output: string
}

function run(command: string, args: readonly string[], cwd = project): Outcome {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  return { status, output: `${stdout}${stderr}` }
}

function mustRun(command: string, args: readonly string[], cwd = project): string {
  const { status, output } = run(command, args, cwd)
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}:\n${output}`)
  return output
}

const write = (name: string, text: string) => writeFileSync(join(project, name), text)

/** Type-checks one file of the project under the given module settings. */
const compile = (file: string, ...settings: string[]) =>
  run(process.execPath, [
    join(packageRoot, 'node_modules/typescript/bin/tsc'),
    '--strict',
    '--exactOptionalPropertyTypes',
    '--noEmit',
    '--target',
    'es2023',
    '--lib',
    'es2024,esnext.disposable',
    '--types',
    'node',
    ...settings,
    file,
  ])

const PROGRAM = `
import { createDatabase, isTenonError, isUniqueViolation } from 'tenon'
import { type Generated, sql } from 'kysely'

interface DB {
  readonly projects: { readonly id: Generated<string>; readonly name: string }
}

const db = createDatabase<DB>({ connection: 'pglite://memory', roles: ['anon', 'authenticated'] })
const me = db.session({ role: 'authenticated', claims: { sub: 'u1' } })
const query = me.selectFrom('projects').select(['id', 'name']).where('name', '=', 'bridge')
const text: string = query.compile().sql
// @ts-expect-error a column that the table does not have: it would be unused if the types were lost
me.selectFrom('projects').select('owner')

try {
  db.session({ role: '' })
  console.log('no error')
} catch (error) {
  console.log(isTenonError(error) && !isUniqueViolation(error) ? error.code : 'a foreign error')
}
console.log(text)
const service = db.service({ actor: 'stranger', reason: 'trying the package' })
const { rows } = await sql<{ readonly answer: number }>\`select 42 as answer\`.execute(service)
console.log(rows[0]?.answer)
await db.close()
`

describe('the packed tarball', () => {
  let packed: readonly string[]

  beforeAll(() => {
    const report = mustRun('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', project], packageRoot)
    const start = report.search(/^\[/m)
    const [{ filename, files }]: [{ filename: string; files: ReadonlyArray<{ path: string }> }] = JSON.parse(
      report.slice(start, report.lastIndexOf(']') + 1),
    )
    packed = files.map(({ path }) => path)
    write('package.json', JSON.stringify({ name: 'stranger', private: true, type: 'module' }))
    // Peers are linked below: what npm may resolve for them is not the question here.
    mustRun('npm', [
      'install',
      '--legacy-peer-deps',
      '--prefer-offline',
      '--no-audit',
      '--no-fund',
      join(project, filename),
    ])
    for (const peer of peers) {
      const link = join(project, 'node_modules', peer)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(packageRoot, 'node_modules', peer), link, 'dir')
    }
    const imports = specifiers.map(
      (specifier, index) => `import * as part${index} from '${specifier}'\nvoid part${index}\n`,
    )
    write('main.ts', imports.join('') + PROGRAM)
  })

  it('holds the built files, the SQL and the documents, and nothing else', () => {
    expect(packed).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'dist/index.js', 'dist/index.d.ts']))
    const allowed = /^(package\.json|LICENSE|README\.md|CHANGELOG\.md|SECURITY\.md|dist\/|sql\/)/
    expect(packed.filter((path) => !allowed.test(path))).toEqual([])
  })

  it('installs no package beside its declared dependencies', () => {
    const { dependencies = {} }: { dependencies?: Record<string, string> } = JSON.parse(
      readFileSync(join(packageRoot, 'package.json'), 'utf8'),
    )
    const lock = JSON.parse(readFileSync(join(project, 'node_modules/.package-lock.json'), 'utf8'))
    const direct = Object.keys(lock.packages).map((path) => path.replace('node_modules/', ''))
    expect(direct).toEqual(expect.arrayContaining(['tenon', ...Object.keys(dependencies)]))
    if (Object.keys(dependencies).length === 0) expect(direct).toEqual(['tenon'])
  })

  it('compiles and runs as an ES module', () => {
    expect(compile('main.ts', '--module', 'nodenext')).toEqual({ status: 0, output: '' })
    expect(mustRun(process.execPath, ['main.ts'])).toBe(
      'SESSION_ROLE\nselect "id", "name" from "projects" where "name" = $1\n42\n',
    )
  })

  it('brings the program tenon', () => {
    const program = join(project, 'node_modules/.bin/tenon')
    const words = ['migrate', 'up', '--modules', 'timestamps', '--embedded', 'db']
    expect(mustRun(process.execPath, [program, ...words])).toContain('2 applied, 0 there before\n')
    expect(run(process.execPath, [program, 'migrate', 'upp'])).toMatchObject({ status: 2 })
  })

  it('compiles under the bundler resolution too', () => {
    const settings = ['--module', 'esnext', '--moduleResolution', 'bundler', '--skipLibCheck']
    expect(compile('main.ts', ...settings)).toEqual({ status: 0, output: '' })
  })

  it('can be required from CommonJS', () => {
    write('main.cts', `import tenon = require('tenon')\nconst create: Function = tenon.createDatabase\nvoid create\n`)
    expect(compile('main.cts', '--module', 'nodenext', '--skipLibCheck')).toEqual({ status: 0, output: '' })
    for (const specifier of specifiers) {
      const source = `console.log(Object.keys(require('${specifier}')).length > 0)`
      expect(mustRun(process.execPath, ['--input-type=commonjs', '--eval', source])).toBe('true\n')
    }
  })

  it('tells CommonJS programs with older module settings by a compiler error', () => {
    write('old.cts', `import { createDatabase } from 'tenon'\nvoid createDatabase\n`)
    expect(compile('old.cts', '--module', 'node16', '--skipLibCheck').output).toContain('TS1479')
    const node10 = [
      '--module',
      'commonjs',
      '--moduleResolution',
      'node10',
      '--ignoreDeprecations',
      '6.0',
      '--skipLibCheck',
    ]
    write('old.ts', `import { up } from 'tenon/migrate'\nvoid up\n`)
    expect(compile('old.ts', ...node10).output).toContain('TS2307')
  })
})
