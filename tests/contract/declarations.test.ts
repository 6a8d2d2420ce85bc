/** Declarations that the compiler writes of a user's code: of every type that the package infers there is a name it can write. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packageRoot } from '../support/package-exports.ts'

const code = `
import { advisoryLock, createDatabase } from 'tenon'
import { createRepository } from 'tenon/repository'
import { generateCode } from 'tenon/codegen'
import { tables, metadata } from './metadata.ts'
export const db = createDatabase({ connection: '', metadata })
export const me = db.session({ role: 'authenticated' })
export const orders = createRepository(tables.orders)
export const { list, get, insert } = orders
export const mine = { ...orders, async mine(executor: typeof me) { return await orders.list(executor, { load: { orderItems: true } }) } }
export const lock = (...values: Parameters<typeof advisoryLock>) => values
export const codecs = (options: NonNullable<Parameters<typeof generateCode>[1]>) => options.codecs
`

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tenon-declarations-'))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(packageRoot, join(folder, 'node_modules/tenon'))
  for (const name of ['kysely', 'zod', 'pg', '@types'])
    symlinkSync(join(packageRoot, 'node_modules', name), join(folder, 'node_modules', name))
  for (const name of ['metadata.ts', 'types.ts']) cpSync(join(packageRoot, 'tests/bench/db', name), join(folder, name))
  writeFileSync(join(folder, 'app.ts'), code)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('are written, short, and name no file of the package', { timeout: 240_000 }, () => {
  const options = '--declaration --emitDeclarationOnly --strict --skipLibCheck --module nodenext --target es2023'.split(
    ' ',
  )
  const extensions = ['--allowImportingTsExtensions', '--rewriteRelativeImportExtensions']
  const tsc = join(packageRoot, 'node_modules/typescript/bin/tsc')
  const { stdout } = spawnSync(process.execPath, [tsc, ...options, ...extensions, '--outDir', 'out', 'app.ts'], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect(stdout).toBe('')
  const declarations = readFileSync(join(folder, 'out/app.d.ts'), 'utf8')
  expect(declarations).toContain('export declare const mine:')
  expect(declarations).not.toContain('dist/')
  expect(declarations.length).toBeLessThan(40_000)
})
