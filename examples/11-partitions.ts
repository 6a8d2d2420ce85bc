/**
 * Partitions: rows that came before their partition, moved while everybody reads on; proof of pruning; a full table attached; retention.
 * The rows are the hours of the first quarter of 2026. Tables of generated metadata can stand where names stand here.
 */
import { createDatabase, isTenonError, withDedicatedConnection } from '../src/index.ts'
import { applyMigrations } from '../src/migrate/index.ts'
import {
  attachPartition,
  createPartitions,
  drainDefault,
  partitionStatus,
  partitionsRead,
  retainPartitions,
  timeRange,
} from '../src/partitions/index.ts'

interface DB {
  readings: { at: Date; owner: string; value: number }
}

await using db = createDatabase<DB>({ connection: 'pglite://memory' })
await applyMigrations(db, { modules: ['partitions', 'auth'] })
await withDedicatedConnection(db, { service: true }, (connection) =>
  connection.script(`
    create table readings (at timestamptz not null, owner text not null default tenon.subject(), value int not null) partition by range (at);
    create index readings_at_idx on readings (at);
    create table readings_rest partition of readings default;
    alter table readings enable row level security;
    create policy readings_owner_policy on readings to authenticated using (owner = (select tenon.subject())) with check (owner = (select tenon.subject()));
    grant select, insert on readings to authenticated;
    create table readings_2025 (like readings including all)`),
)
const readings = { schema: 'public', name: 'readings' }
const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
const service = db.service({ actor: 'cron', reason: 'partitions' })

// Nobody made partitions: everything lies in the default one, which now keeps the right ones from being made.
const hours = Array.from({ length: 90 * 24 }, (_, hour) => ({ at: new Date(Date.UTC(2026, 0, 1, hour)), value: hour }))
await me
  .insertInto('readings')
  .values(hours.map((row) => ({ ...row, owner: 'ada' })))
  .execute()
try {
  await createPartitions(service, readings, { unit: 'month', since: '2026-01-01' })
} catch (error) {
  if (!isTenonError(error)) throw error
  console.log(`${error.code}: ${error.hint}`)
}

// A batch is a transaction: it can be stopped at any time, and goes on where it was.
const drained = await drainDefault(service, readings, {
  unit: 'month',
  batch: 500,
  onProgress: ({ partition, moved }) => console.log(`  ${moved} rows into ${partition}`),
})
console.log(`moved ${drained.moved}, left ${drained.left}`)
await createPartitions(service, readings, { unit: 'month', ahead: 8, since: '2026-04-01' })

// A range of the bare column is pruned; a function around the column is not.
const march = me.selectFrom('readings').selectAll()
const pruned = march.where(({ ref }) => timeRange(ref('at'), '2026-03-01T00:00Z', '2026-04-01T00:00Z'))
const unpruned = march.where((eb) => eb.fn('date_trunc', [eb.val('month'), 'at']), '=', new Date('2026-03-01T00:00Z'))
for (const [name, query] of Object.entries({ 'a range': pruned, date_trunc: unpruned })) {
  const { read, of } = await partitionsRead(me, readings, query)
  console.log(`${name} reads ${read} of ${of} partitions for ${(await query.execute()).length} rows`)
}

// A table that is full already is attached with short locks only; then all that is older goes.
await attachPartition(db, readings, { partition: 'readings_2025', from: '2025-01-01', to: '2026-01-01' })
const gone = await retainPartitions(db, readings, { before: '2026-02-01' })
console.log(`dropped ${gone.map(({ name }) => name).join(', ')}`)

const { partitions, defaultRows, warnings } = await partitionStatus(service, readings)
const secured = partitions.filter(({ rowSecurity, grantedTo }) => rowSecurity && grantedTo.length === 0).length
console.log(`${partitions.length} partitions, ${secured} of them closed, ${defaultRows} rows in the default one`)
for (const { message, hint } of warnings) console.log(`warning: ${message}. ${hint}`)
