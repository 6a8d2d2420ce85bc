/** What a derived session keeps. Nothing connects. */
import { CamelCasePlugin } from 'kysely'
import { expect, test } from 'vitest'
import { createDatabase } from '../../src/index.ts'

test('a session derived with other options keeps its schema and plugins', () => {
  const db = createDatabase<{ someTable: { someColumn: number } }>({
    connection: 'postgres://nobody@localhost/nowhere',
  })
  const me = db.session({ role: 'authenticated' }).withPlugin(new CamelCasePlugin()).withSchema('crm')
  const text = 'select "some_column" from "crm"."some_table"'
  expect(me.selectFrom('someTable').select('someColumn').compile().sql).toBe(text)
  expect(me.as({ role: 'anon' }).selectFrom('someTable').select('someColumn').compile().sql).toBe(text)
  expect(me.withoutPlugins().as({ role: 'anon' }).selectFrom('someTable').select('someColumn').compile().sql).toBe(
    'select "someColumn" from "someTable"',
  )
})
