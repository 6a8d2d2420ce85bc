/** Types of tenon/foreign. */
import type { Kysely } from 'kysely'
import { expectTypeOf, it } from 'vitest'
import {
  createCsvTable,
  createForeignServer,
  executeForeign,
  importForeignSchema,
  type PushedDown,
  pushedDown,
  setUserMapping,
} from '../../src/foreign/index.ts'

interface DB {
  films: { id: string; title: string }
}

declare const service: Kysely<DB>

it('a query keeps the type of its rows', () => {
  expectTypeOf(executeForeign(service, service.selectFrom('films').select('title'))).resolves.toEqualTypeOf<
    { title: string }[]
  >()
  expectTypeOf(pushedDown(service, service.deleteFrom('films'))).resolves.toEqualTypeOf<PushedDown>()
  // @ts-expect-error a promise is no builder
  void pushedDown(service, service.selectFrom('films').selectAll().execute())
})

it('what is needed has to be given', () => {
  expectTypeOf(
    importForeignSchema(service, { server: 'films', remoteSchema: 'public', into: 'remote' }),
  ).resolves.toEqualTypeOf<readonly string[]>()
  // @ts-expect-error a server has a name
  void createForeignServer(service, { options: { host: 'x' } })
  // @ts-expect-error the login on the other side
  void setUserMapping(service, { server: 'films', role: 'authenticated', password: 'x' })
  // @ts-expect-error folders that may be read
  void createCsvTable(service, { server: 'files', schema: 'x', name: 'y', path: '/x/y.csv', columns: { a: 'text' } })
  // @ts-expect-error an option of a wrapper is a text
  void createForeignServer(service, { name: 'films', options: { host: { name: 'x' } } })
})
