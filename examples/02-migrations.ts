/**
 * Migrations: the library's SQL modules and your own, applied, checked, compared and exported. On an embedded database, in memory.
 *
 *   node examples/02-migrations.ts
 *
 * The same from the command line: npx tenon migrate up|status|lint|drift|export --help
 */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { createDatabase } from '../src/index.ts'
import {
  applyMigrations,
  checkExport,
  defineModule,
  exportMigrations,
  findDrift,
  lintMigrations,
  planMigrations,
  revertMigrations,
  toDriftText,
  toLintText,
} from '../src/migrate/index.ts'

// In an application these are files, read by readModules('migrations').
const app = defineModule('app', [
  {
    path: '0001_documents.sql',
    sql: `-- requires: tenancy, audit
-- down: drop table public.documents

create table public.documents (
  id bigint generated always as identity primary key,
  organization_id uuid not null references public.organizations (id) on delete cascade,
  body text not null
);
create index documents_organization_id_idx on public.documents (organization_id);
alter table public.documents enable row level security;
create policy documents_policy on public.documents to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids())))
  with check (organization_id = any (array(select tenon_private.organization_ids('member'))));
revoke all on public.documents from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.documents to authenticated;
select tenon.audit_table('public.documents');
`,
  },
  {
    path: '0002_body_index.sql',
    sql: `-- transactional: no
-- down: drop index concurrently public.documents_body_idx

create index concurrently documents_body_idx on public.documents using hash (body);
`,
  },
])
const set = { modules: [app] }

await using db = createDatabase({ connection: 'pglite://memory' })

console.log('\nLint, before anything runs')
console.log(toLintText(await lintMigrations(set)))

console.log('\nApply: what the module requires comes along')
const { applied } = await applyMigrations(db, {
  ...set,
  observe: (event) => event.type === 'finished' && console.log(`  ${event.name} in ${Math.round(event.durationMs)} ms`),
})
const again = await applyMigrations(db, set)
console.log(`  ${applied.length} applied; a second run applies ${again.applied.length}`)

console.log('\nAn organization and a document, under its policies and in the audit')
type DB = { documents: { organization_id: string; body: string } }
const ada = db
  .session({ role: 'authenticated', claims: { sub: 'a0000000-0000-4000-8000-000000000001' } })
  .$extendTables<DB>()
const ben = db
  .session({ role: 'authenticated', claims: { sub: 'b0000000-0000-4000-8000-000000000002' } })
  .$extendTables<DB>()
const made = await sql<{ id: string }>`select id from create_organization('Acme', 'acme')`.execute(ada)
await ada
  .insertInto('documents')
  .values({ organization_id: made.rows[0]?.id ?? '', body: 'minutes' })
  .execute()
console.log(`  its owner sees ${(await ada.selectFrom('documents').selectAll().execute()).length} document,`)
console.log(`  somebody else ${(await ben.selectFrom('documents').selectAll().execute()).length}`)
const admin = db.service({ actor: 'example', reason: 'to read the audit' })
const log = await sql<{ action: string; subject: string }>`select action, subject from tenon.audit_log`.execute(admin)
for (const { action, subject } of log.rows) console.log(`  audit: ${action} for ${subject}`)

console.log('\nDrift: somebody has turned row security off by hand')
await sql`alter table public.documents disable row level security`.execute(admin)
console.log(toDriftText(await findDrift(db, set)))
await sql`alter table public.documents enable row level security`.execute(admin)

console.log('\nExport for another migration tool, and the check that its CI runs')
const out = await mkdtemp(join(tmpdir(), 'tenon-example-'))
try {
  const options = { ...set, format: 'dbmate' as const, out }
  await exportMigrations(options)
  console.log(`  ${(await readdir(out)).length} files; the check finds ${(await checkExport(options)).length} problems`)
} finally {
  await rm(out, { recursive: true })
}

console.log('\nDown, newest first')
console.log(`  ${(await revertMigrations(db, { ...set, last: 2, allowDataLoss: true })).join(', ')}`)
const states = (await planMigrations(db, set)).filter(({ name }) => name.startsWith('app/'))
console.log(`  ${states.map(({ name, state }) => `${name} ${state}`).join(', ')}`)
