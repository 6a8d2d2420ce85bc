/**
 * Types, zod schemas and metadata that agree with the database: examples/db was written by
 * `tenon --config examples/tenon.config.ts codegen --embedded`, and `--check` in CI says when it is out of date.
 */
import { CamelCasePlugin } from 'kysely'
import { createDatabase } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { metadata } from './db/metadata.ts'
import { ProjectsInsert, ProjectsRow } from './db/zod.ts'

// The type of the database comes with the metadata, and so do the parsers that the generated types were made for.
await using db = createDatabase({
  connection: 'pglite://memory',
  metadata,
  plugins: [new CamelCasePlugin({ maintainNestedObjectKeys: true })],
})
await applyMigrations(db, { modules: ['projects', 'activity'] })
const sub = '5e0f6a7e-0000-4000-8000-000000000001'
const me = db.session({ role: 'authenticated', claims: { sub } })

// What came from outside goes through the schema, and out of it comes what the query takes: JSON as text.
const fromOutside = { name: 'Oak', slug: 'oak', metadata: { tags: ['important'], priority: 4 } }
await me.insertInto('projects').values(ProjectsInsert.parse(fromOutside)).execute()

const wrong = ProjectsInsert.safeParse({ name: 'Elm', slug: 'elm', metadata: { priority: 9 }, owner: 'me' })
for (const { path, message } of wrong.error?.issues ?? [])
  console.log(`refused: ${path.join('.') || 'row'}: ${message}`)

// A json column has the type of its schema, and a timestamp is a Date.
const project = await me.selectFrom('projects').selectAll().executeTakeFirstOrThrow()
console.log(`${project.name} has priority ${project.metadata.priority}, made in ${project.createdAt.getFullYear()}`)
console.log(`the row is as declared: ${ProjectsRow.safeParse(project).success}`)

// The metadata is plain data: no driver, no connection.
for (const { key, rowSecurity, primaryKey, foreignKeys, policies } of Object.values(metadata.tables)) {
  const references = foreignKeys.map(({ table, cardinality }) => `, ${cardinality} to ${table}`)
  console.log(
    `${key}: key ${primaryKey.join(', ')}, row security ${rowSecurity}, ${policies.length} policies${references.join('')}`,
  )
}
