import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ground, grounds } from '../../support/two-tenants.ts'
import { connectNaively, oneSync, submit, settlementOf, fourSyncs, CounterNames } from '../../support/naive-session.ts'
import pgp from 'pg'
import { createPgConfig } from '@electric-sql/pglite/node-postgres'
const tell = async (what: string, f: () => Promise<unknown>) => {
    try { console.log('|', what, '->', JSON.stringify(await f())) } catch (e: any) { console.log('|', what, '!!', e?.constructor?.name, e?.code, e?.sqlstate, e?.message, '|', e?.hint) }
}
describe('controls', () => {
  let g: Ground
  beforeAll(async () => { g = await grounds[1]!.open() })
  afterAll(() => g.close())
  const member = { role: 'tenant_member', claims: { sub: 'ada' } }
  const read = { text: 'select owner from note' }
  it('explores', async () => {
    const c0 = await connectNaively(g.adminUrl!); await tell('call', () => (async()=>{ const u: any = submit(c0, [{text:`select set_config('role','tenant_member',true), set_config('request.jwt.claims','{"sub":"ada"}',true)`},{text:`call commit_inside('naive')`}]); c0.connection.on('errorMessage',(m:any)=>console.log('ERR',m.code,m.message)); return settlementOf(u,300) })()); await c0.end(); return

    const url = g.adminUrl!
    for (const role of [null, undefined, 'none', 'postgres']) await tell('role ' + role, async () => { const c = await connectNaively(url); const r = await settlementOf(oneSync(c, { role, claims: { sub: 'ada' } }, read), 500); await c.end(); return r })
    for (const step of ['commit', 'rollback', 'begin', `call commit_inside('naive')`, 'reset role']) await tell(step, async () => { const c = await connectNaively(url); const r = await settlementOf(oneSync(c, member, { text: step }, { text: 'select current_user, (select count(*) from note)' }), 500); const next = await settlementOf(submit(c, [{ text: 'select current_user' }]), 300); await c.end(); return [r, next] })
    await tell('rows', () => g.admin(`select body, ran_as from note where body like 'naive%'`))
    await tell('error', async () => { const c = await connectNaively(url); const r = await settlementOf(oneSync(c, member, { text: 'select 1/0' }), 300); const n = await settlementOf(oneSync(c, member, read), 300);await c.end(); return [r, n] })
    await tell('poison', async () => { const c = await connectNaively(url); const ctx = (role: string) => ({ name: 's', text: `select set_config('role', $1, true)`, values: [role] }); const r = await settlementOf(submit(c, [ctx('nobody_such')]), 300); const n = await settlementOf(submit(c, [ctx('tenant_member')]), 300);await c.end(); return [r, n] })
    await tell('same name', async () => { const c = await connectNaively(url); const r = await submit(c, [{ name: 'a', text: 'select 1 as x' }]); const n = await submit(c, [{ name: 'a', text: 'select 2 as x' }]); await c.end(); return [r, n] })
    await tell('circular', async () => { const c = await connectNaively(url); const circular: any = {}; circular.self = circular; let thrown; try { void submit(c, [{ text: 'select $1::json', values: [circular] }]).catch(() => {}) } catch (e) { thrown = String(e).slice(0, 50) } const n = await settlementOf(submit(c, [{ text: 'select 1' }]), 300); c.end().catch(() => {}); return [thrown, n] })
    await tell('empty', async () => { const c = await connectNaively(url); const n = await settlementOf(submit(c, [{ text: '-- c' }, { text: `select 'B' as b` }]), 300); c.end().catch(() => {}); return n })
    await tell('nul', async () => { const c = await connectNaively(url); const text = `select body from note\0\0\x05 where owner='me'`; const n = await settlementOf(submit(c, [{ name: 'n', text }]), 300); const m = await settlementOf(c.query(`select name, statement, parameter_types::text from pg_prepared_statements`), 300); c.end().catch(() => {}); return [n, (m as any).value?.rows] })
    await tell('65537', async () => { const c = await connectNaively(url); const n = await settlementOf(c.query('select $1::text', new Array(65_537).fill('1')), 3000); c.end().catch(() => {}); return [n, (n as any).error?.code] })
    await tell('4sync', async () => { const c = await connectNaively(url, { pipeline: true }); const n = await settlementOf(fourSyncs(c, member, { text: `insert into note(owner, body) values ('ben', '4sync') returning ran_as` }, 'begin isolation level snapshot'), 1000); await c.end(); return [n, await g.admin(`select ran_as from note where body = '4sync'`)] })
  })
  it('pglite', async () => {
    const p = await grounds[2]!.open()
    const client: any = new pgp.Client(createPgConfig(p.pglite as any) as any); await client.connect()

    console.log('connected')
    const r1 = await settlementOf(client.query('begin'), 1000); console.log(JSON.stringify(r1.state))
    const r2 = await settlementOf(client.query(`select set_config('role','tenant_member',true), set_config('request.jwt.claims','{"sub":"ada"}',true)`), 1000); console.log(r2.state)
    const r3 = await settlementOf(p.pglite!.query<any>(`select current_user as u`), 1000); console.log(JSON.stringify(r3))
    const r4 = await settlementOf(client.query('commit'), 1000); console.log(JSON.stringify(r4.state))
    await p.close()
  })
})
