/** sql/ and src/generated: they agree, and codegen refuses a file that would do harm later. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { generate } from '../../codegen/build-sql.ts'
import { sqlModules } from '../../src/generated/modules.ts'

const root = join(import.meta.dirname, '../..')
const modules = Object.values(sqlModules)
const files = modules.flatMap((module) => module.files)

describe('the modules', () => {
  it('agree with src/generated', () => {
    for (const [name, text] of generate(root)) {
      expect(readFileSync(join(root, 'src/generated', name), 'utf8')).toBe(text)
    }
  })

  it('have a test for each file', () => {
    const tests = readdirSync(import.meta.dirname)
      .filter((name) => name.endsWith('.test.ts') && name !== 'module-files.test.ts')
      .map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'))
      .join('\n')
    expect(
      files.filter((file) => !new RegExp(`\\bdescribe\\w*\\('${file.path}'`).test(tests)).map((file) => file.path),
    ).toEqual([])
  })

  it('stand in the table of sql/README.md, with kind, requirements and files', () => {
    const wanted = modules.map(({ name, kind, requires, files }) => {
      const slugs = files.map((file) => `${file.version}_${file.slug}`).join(', ')
      return [name, kind, requires.join(', ') || 'none', slugs]
    })
    const rows = readFileSync(join(root, 'sql/README.md'), 'utf8')
      .split('\n')
      .map((line) => line.split('|').map((cell) => cell.trim()))
      .filter((cells) => ['core', 'feature', 'demo', 'opt-in'].includes(cells[2] ?? ''))
    expect(rows.map((cells) => cells.slice(1, 5))).toEqual(wanted)
  })

  it('say how they are undone, or why they are not', () => {
    for (const file of files) expect(file.down ?? /^-- down: none \(.{20,}\)$/m.exec(file.sql)?.[0]).toBeTruthy()
  })
})

describe('codegen/build-sql.ts', () => {
  let copy: string
  const projects = 'sql/modules/projects/0001_projects.sql'
  beforeEach(() => {
    copy = mkdtempSync(join(tmpdir(), 'tenon-sql-'))
    for (const folder of ['sql', 'codegen', 'src']) cpSync(join(root, folder), join(copy, folder), { recursive: true })
  })
  afterEach(() => rmSync(copy, { recursive: true }))

  const edit = (path: string, change: (text: string) => string) => {
    const text = readFileSync(join(copy, path), 'utf8')
    const changed = change(text)
    expect(changed).not.toBe(text)
    writeFileSync(join(copy, path), changed)
  }
  const append = (text: string) => edit(projects, (sql) => `${sql}${text}\n`)
  const run = (...flags: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(copy, 'codegen/build-sql.ts'), ...flags])
    return { status, output: `${stdout}${stderr}` }
  }

  it('compares with --check and exits 1 on a difference, writes without it', () => {
    expect(run('--check')).toMatchObject({ status: 0 })
    append('select 1;')
    expect(run('--check')).toMatchObject({
      status: 1,
      output: expect.stringContaining('src/generated/modules.ts differs'),
    })
    expect(run()).toMatchObject({ status: 0, output: expect.stringContaining('wrote src/generated/modules.ts') })
    expect(run('--check')).toMatchObject({ status: 0 })
  })

  it('writes the same whatever the line ends of the checkout are', () => {
    edit(projects, (sql) => sql.replaceAll('\n', '\r\n'))
    expect(generate(copy)).toEqual(generate(root))
  })

  it('carries any text unharmed into TypeScript', async () => {
    const text = `-- a check\nselect '\`$\{x}\\n'' \\\\ \u2028';\n`
    mkdirSync(join(copy, 'sql/checks'), { recursive: true })
    writeFileSync(join(copy, 'sql/checks/an-odd-one.sql'), text)
    expect(run()).toMatchObject({ status: 0 })
    const { checks } = await import(join(copy, 'src/generated/checks.ts'))
    expect(checks.anOddOne).toBe(text)
  })

  it.each<[string, () => void, RegExp]>([
    ['an unknown placeholder', () => append('create table :schema.t ();'), /unknown placeholder :schema$/m],
    ['a placeholder in a string', () => append(`comment on schema x is ':id_type';`), /:id_type stands in a string/],
    [
      'a placeholder in a body',
      () => append('do $$ begin perform :"schema".f(); end $$;'),
      /:"schema" stands in a string/,
    ],
    ['a psql command', () => append('\\set x 1'), /psql commands are not SQL/],
    ['a placeholder of another tool', () => append('select $' + '{x};'), /read "\$\{" as their own/],
    ['a transaction of its own', () => append('commit;'), /the transaction belongs to whoever runs the file/],
    ['COPY FROM STDIN', () => append('copy t from stdin;'), /COPY FROM STDIN/],
    ['a concurrent index in a transaction', () => append('create index concurrently i on t (x);'), /transactional: no/],
    ['a quote that is never closed', () => append(`select 'x;`), /a quote is never closed/],
    ['a header without a key', () => edit(projects, (sql) => sql.replace(/^-- privilege.*\n/m, '')), /no "privilege"/],
    [
      'a kind that does not exist',
      () => edit(projects, (sql) => sql.replace('kind: demo', 'kind: extra')),
      /"kind" is one of/,
    ],
    [
      'an unexplained placeholder',
      () => edit(projects, (sql) => sql.replace(/; :id_type.*/, '')),
      /does not explain :id_type/,
    ],
    [
      'a module that does not exist',
      () => edit(projects, (sql) => sql.replace('roles, auth', 'rolls, auth')),
      /requires rolls/,
    ],
    [
      'a circle',
      () => edit('sql/modules/roles/0001_roles.sql', (sql) => sql.replace('requires: none', 'requires: auth')),
      /requires roles/,
    ],
    [
      'files of different kinds',
      () => edit('sql/modules/auth/0002_auth.sql', (sql) => sql.replace('kind: core', 'kind: demo')),
      /different kinds/,
    ],
    [
      'a gap in the numbers',
      () => renameSync(join(copy, 'sql/modules/auth/0002_auth.sql'), join(copy, 'sql/modules/auth/0003_auth.sql')),
      /without a gap/,
    ],
    [
      'a file with another name',
      () => renameSync(join(copy, projects), join(copy, 'sql/modules/projects/projects.sql')),
      /named NNNN_slug\.sql/,
    ],
    ['an empty module', () => mkdirSync(join(copy, 'sql/modules/empty')), /no file/],
  ])('refuses %s', (_, damage, message) => {
    damage()
    expect(run()).toMatchObject({ status: 1, output: expect.stringMatching(message) })
  })
})
