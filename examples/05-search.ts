/**
 * Full-text search under row-level security: the READMEs of the packages that npm has put on this machine, in the libraries of two teams.
 * The table is made by library-module.ts; `tenon codegen` wrote examples/db/search from it.
 *
 *   node examples/05-search.ts ["what to search for"]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { btree_gin } from '@electric-sql/pglite/contrib/btree_gin'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { createDatabase } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import { explainSearch, search, searchRows } from '../src/search/index.ts'
import { metadata, tables } from './db/search/metadata.ts'
import { library } from './library-module.ts'

const pglite = await PGlite.create({ extensions: { btree_gin, pg_trgm } })
await pglite.exec('create extension btree_gin; create extension pg_trgm')
await using db = createDatabase({ connection: pglite, metadata })
await applyMigrations(db, { modules: [library] })

// Two teams, which see nothing of each other.
const session = (team: number) => db.session({ role: 'authenticated', claims: { sub: `somebody of ${team}`, team } })
const [web, data] = [session(1), session(2)]

const packages = join(import.meta.dirname, '../node_modules')
const articles = readdirSync(packages).flatMap((title) => {
  try {
    return [{ title, body: readFileSync(join(packages, title, 'README.md'), 'utf8').replaceAll('\0', '') }]
  } catch {
    return []
  }
})
const isData = ({ title }: { readonly title: string }) => /^pg|postgres|kysely|sql/.test(title)
await web
  .insertInto('articles')
  .values(articles.filter((each) => !isData(each)).map((each) => ({ ...each, team_id: 1 })))
  .execute()
await data
  .insertInto('articles')
  .values(articles.filter(isData).map((each) => ({ ...each, team_id: 2 })))
  .execute()

// One call: rows by rank, with headlines that can stand in a page of HTML.
const text = process.argv[2] ?? 'connection pool -browser'
const found = await searchRows(data, tables.articles, {
  text,
  select: ['title'],
  headline: { body: { maxWords: 12, minWords: 5 } },
  limit: 2,
})
console.log(`${text}:`)
for (const { row, rank, headlines } of found.items)
  console.log(`  ${row.title} (${rank.toFixed(2)}): ${headlines.body?.replaceAll(/\s+/g, ' ')}`)
const elsewhere = await searchRows(web, tables.articles, { text: 'kysely', select: ['title'], limit: 1_000 })
console.log(
  `the other team sees of kysely: ${elsewhere.items.some(({ row }) => row.title === 'kysely') ? 'it' : 'nothing'}`,
)

// The next page begins where this one ended, whatever was added meanwhile.
const next = await searchRows(data, tables.articles, { text, select: ['title'], limit: 2, after: found.endCursor })
console.log(`then: ${next.items.map(({ row }) => row.title).join(', ') || 'nothing'}`)

// While somebody types, and when they mistype.
const typed = await searchRows(data, tables.articles, { text: 'kys', match: 'prefix', select: ['title'], limit: 1 })
const mistyped = await searchRows(data, tables.articles, {
  text: 'kysley',
  select: ['title'],
  similar: { column: 'title', threshold: 0.3 },
  limit: 1,
})
const [corrected] = mistyped.items
console.log(`kys… ${typed.items[0]?.row.title}; kysley? did you mean ${corrected?.row.title} (${corrected?.by})`)

// The same in a query of your own, and through the function that the index of the words serves under row-level security.
const counted = await data
  .selectFrom('articles')
  .select(({ fn }) => fn.countAll<string>().as('count'))
  .where(({ ref }) => search(ref('words'), 'english').phrase('connection string').matches())
  .executeTakeFirstOrThrow()
const through = await searchRows(data, tables.articles, {
  text,
  select: ['title'],
  limit: 2,
  through: 'public.search_articles',
})
const same = JSON.stringify(through.items.map(({ row }) => row)) === JSON.stringify(found.items.map(({ row }) => row))
console.log(`"connection string" in ${counted.count}; the function finds the same: ${same}`)
for (const { column, reads, index } of explainSearch(tables.articles))
  console.log(`${column}: reads what the ${reads} leaves, by ${index}`)

await pglite.close()
