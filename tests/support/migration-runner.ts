/** A program that applies the five migrations of the fault runs to DATABASE_URL, for being killed while it does. */
import { createDatabase } from '../../src/index.ts'
import { applyMigrations, defineModule } from '../../src/migrate/index.ts'

/**
 * Five migrations that show how often they ran: each adds a row to a table without a key. The third cannot run in a transaction, and the
 * fourth needs what it made.
 */
export const fiveMigrations = defineModule('five', [
  {
    path: '0001_steps.sql',
    sql: 'create table public.step (n int not null); insert into public.step values (1); create table public.bulk (n int)',
  },
  {
    path: '0002_bulk.sql',
    sql: `insert into public.bulk select generate_series(1, 2000);
      create function public.twice(n int) returns int language sql return n * 2;
      insert into public.step values (2)`,
  },
  {
    path: '0003_index.sql',
    sql: '-- transactional: no\ncreate unique index concurrently bulk_n_idx on public.bulk (n)',
  },
  {
    path: '0004_constraint.sql',
    sql: `alter table public.bulk alter column n set not null;
      alter table public.bulk add constraint bulk_pkey primary key using index bulk_n_idx;
      insert into public.step values (4)`,
  },
  { path: '0005_last.sql', sql: 'insert into public.step values (5); comment on table public.step is $$done$$' },
])

/** Applies them. */
export async function applyFive(url: string): Promise<readonly string[]> {
  await using db = createDatabase({ connection: url, service: { connection: url, pool: { max: 1 } }, trustLogin: true })
  return (await applyMigrations(db, { modules: [fiveMigrations], runLockTimeoutMs: 30_000 })).applied
}

if (import.meta.main) console.log((await applyFive(process.env['DATABASE_URL'] ?? '')).length)
