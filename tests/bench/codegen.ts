/**
 * `npm run bench:codegen`: what generated code costs on 500 tables of 20 columns, beside plain kysely-codegen on the same schema.
 * Time to generate, what the compiler does for one query, and what importing the generated values takes.
 */
import { Kysely, PostgresDialect } from 'kysely'
import { generate, PostgresDialect as PlainDialect } from 'kysely-codegen'
import pg from 'pg'
import { generateCode, writeCode } from '../../src/codegen/index.ts'
import { GeneratedFolder } from '../support/generated-code.ts'
import { manyTablesSql, oneQuery } from '../support/many-tables.ts'
import { openServer } from '../support/servers.ts'
import { quantile } from './quantile.ts'

const rounds = 5
const { server, stop } = await openServer()
const pool = new pg.Pool({ connectionString: server.url, max: 2 })
// The server may end before the last connection has.
pool.on('error', () => {})
const db = new Kysely<Record<string, never>>({ dialect: new PostgresDialect({ pool }) })
try {
  await pool.query(manyTablesSql(500))
  using folder = new GeneratedFolder()
  const ours: number[] = []
  const plain: number[] = []
  let plainTypes = ''
  // Interleaved, so that both see the same machine.
  for (let round = 0; round < rounds; round++) {
    ours.push(await timed(async () => void (await writeCode(await generateCode(db), folder.path))))
    plain.push(
      await timed(async () => {
        plainTypes = await generate({ db, dialect: new PlainDialect(), outFile: null })
      }),
    )
  }
  folder.write({
    'plain.ts': plainTypes.replace(/^import type \{ IPostgresInterval \}.*$/m, 'type IPostgresInterval = object;'),
    'ours-query.ts': oneQuery('./types.js'),
    'plain-query.ts': oneQuery('./plain.js'),
  })
  const query = folder.compile(['ours-query.ts'])
  const plainQuery = folder.compile(['plain-query.ts'])
  if (query.errors.length + plainQuery.errors.length > 0)
    throw new Error([...query.errors, ...plainQuery.errors].join('\n'))
  const check = await timed(async () => void folder.compile(['types.ts', 'metadata.ts', 'zod.ts']))
  const imports = await timed(async () => void (await folder.import('zod.ts')))
  console.log(`server ${server.version}, 500 tables of 20 columns, ${rounds} rounds
generate and write   ${shown(quantile(ours, 0.5))} (${shown(Math.max(...ours))} the first or worst); kysely-codegen alone, types only ${shown(quantile(plain, 0.5))}
one query            ${query.instantiations} instantiations; kysely-codegen's types ${plainQuery.instantiations}: ${(query.instantiations / plainQuery.instantiations).toFixed(3)}x
compile all files    ${shown(check)}
import zod.ts        ${shown(imports)}`)
} finally {
  await db.destroy()
  await stop()
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await work()
  return performance.now() - started
}

function shown(milliseconds: number): string {
  return `${(milliseconds / 1_000).toFixed(2)} s`
}
