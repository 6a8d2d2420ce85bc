/** The import rule of src holds, and the check that says so can fail. */
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { findLayerViolations } from '../support/layer-rules.ts'

const root = join(import.meta.dirname, '../..')

const violationsOf = (path: string, text: string) =>
  findLayerViolations([{ path, text }]).map((line) => line.slice(path.length + 2))

describe('the import rule', () => {
  it('holds for every file of src', () => {
    const paths = globSync('src/**/*.ts', { cwd: root }).map((path) => path.replaceAll('\\', '/'))
    expect(paths.length).toBeGreaterThan(20)
    const files = paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    expect(findLayerViolations(files)).toEqual([])
  })

  it('lets a folder import its own files and lower layers', () => {
    const text = `
      import { identifier } from '../kernel/identifier.ts'
      import { modules } from '../generated/modules.ts'
      import type { Session } from '../database/index.ts'
      import { sql } from 'kysely'
      import { plan } from './plan.ts'
      import { createHash } from 'node:crypto'
      const options = { process: 1 }
      export const answer = options.process
    `
    expect(violationsOf('src/migrate/up.ts', text)).toEqual([])
    expect(violationsOf('src/database/wire/unit.ts', `import { Pool } from 'pg'\nimport '../pool.ts'`)).toEqual([])
    expect(violationsOf('src/metadata/validate.ts', `import { z } from 'zod'`)).toEqual([])
    expect(violationsOf('src/cli/main.ts', `console.log(process.argv)`)).toEqual([])
    expect(violationsOf('src/index.ts', `export { createDatabase } from './database/index.ts'`)).toEqual([])
  })

  it.each([
    ['an upward import', 'src/kernel/errors.ts', `import { pool } from '../database/index.ts'`, 'not below layer 0'],
    [
      'an upward type import',
      'src/kernel/errors.ts',
      `import type { P } from '../database/index.ts'`,
      'not below layer 0',
    ],
    ['an upward re-export', 'src/database/index.ts', `export { up } from '../migrate/index.ts'`, 'not below layer 1'],
    ['an upward dynamic import', 'src/database/pool.ts', `await import('../migrate/index.ts')`, 'not below layer 1'],
    ['an upward import type', 'src/kernel/a.ts', `type P = import('../database/index.ts').P`, 'not below layer 0'],
    ['a sideways import', 'src/search/query.ts', `import { page } from '../repository/index.ts'`, 'not below layer 2'],
    ['a sideways import in layer 0', 'src/generated/a.ts', `import '../kernel/errors.ts'`, 'not below layer 0'],
    [
      'a side door',
      'src/migrate/up.ts',
      `import { Pool } from '../database/pool.ts'`,
      'instead of src/database/index.ts',
    ],
    [
      'a side door below',
      'src/migrate/up.ts',
      `import '../database/wire/index.ts'`,
      'instead of src/database/index.ts',
    ],
    ['the package entry', 'src/cli/main.ts', `import { createDatabase } from '../index.ts'`, 'only users import'],
    [
      'layer 2 from the package entry',
      'src/index.ts',
      `export { up } from './migrate/index.ts'`,
      'not below layer 1.5',
    ],
    ['a file outside src', 'src/migrate/up.ts', `import '../../codegen/build-sql.ts'`, 'outside src'],
    ['pg outside database', 'src/migrate/up.ts', `import type { Pool } from 'pg'`, 'only src/database may'],
    ['a package of pg', 'src/reports/cursor.ts', `import Cursor from 'pg-cursor'`, 'only src/database may'],
    ['pg by require', 'src/reports/cursor.ts', `const pg = require('pg')`, 'only src/database may'],
    ['zod outside metadata', 'src/repository/a.ts', `import { z } from 'zod'`, 'only src/metadata may'],
    ['the process', 'src/database/pool.ts', `const host = process.env.PGHOST`, 'global "process"'],
    ['the process by import', 'src/database/pool.ts', `import { env } from 'node:process'`, 'imports "node:process"'],
    ['the process by globalThis', 'src/database/pool.ts', `globalThis.process.exit()`, 'global "process"'],
    ['printing', 'src/database/pool.ts', `console.warn('slow')`, 'global "console"'],
    ['a folder in no layer', 'src/shared/a.ts', '', 'in no layer'],
    ['an import of a folder in no layer', 'src/cli/main.ts', `import '../shared/index.ts'`, 'in no layer'],
    ['an empty name', 'src/database/utils.ts', '', 'says nothing'],
    ['an empty folder name', 'src/database/helpers/text.ts', '', 'says nothing'],
  ])('refuses %s', (_, path, text, expected) => {
    const violations = violationsOf(path, text)
    expect(violations).toHaveLength(1)
    expect(violations[0]).toContain(expected)
  })
})
