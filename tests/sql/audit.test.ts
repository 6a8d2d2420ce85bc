/** sql/modules/audit: who changed what, append-only, with values that never reach the log and people who can be taken out of it. */
import { beforeEach, expect, it } from 'vitest'
import { type Caller, describeModule, type Engine, revertSql, sqlOf, sqlstateOf } from './engines.ts'

const ada: Caller = {
  role: 'authenticated',
  claims: { sub: 'ada' },
  settings: { 'tenon.actor': 'support-7', 'tenon.reason': 'ticket 12' },
}

const describeAudit = (path: string, tests: (engine: () => Engine) => void): void =>
  describeModule(path, ['audit'], (engine) => {
    beforeEach(() =>
      engine().script(`
        grant usage on schema public to authenticated;
        drop table if exists public.customer, public.odd;
        create table public.customer (
          id int primary key, name text, card text, extra json, upper_name text generated always as (upper(name)) stored
        );
        grant select, insert, update, delete, truncate on public.customer to authenticated;
        begin; set local tenon.audit_maintenance = 'on'; delete from tenon.audit_log; commit`),
    )
    tests(engine)
  })

const log = (engine: Engine, columns = '*') => engine.admin(`select ${columns} from tenon.audit_log order by id`)

describeAudit('sql/modules/audit/0001_audit_log.sql', (engine) => {
  it('can only be added to, by its owner too', async () => {
    await engine().script(
      `insert into tenon.audit_log (schema_name, table_name, action, role) values ('s', 't', 'INSERT', 'r')`,
    )
    for (const text of [
      `update tenon.audit_log set actor = 'x'`,
      'delete from tenon.audit_log',
      'truncate tenon.audit_log',
    ])
      expect(
        await engine()
          .admin(text)
          .catch((error: unknown) => error),
      ).toMatchObject({
        code: '42501',
        constraint: 'audit_append_only',
      })
    expect(await log(engine())).toHaveLength(1)
  })

  it('is read by service_role, and by no session; a policy is what it takes', async () => {
    await engine().script(
      `insert into tenon.audit_log (schema_name, table_name, action, role) values ('s', 't', 'INSERT', 'r')`,
    )
    const read = (role: string) => engine().as({ role }, (query) => query('select action from tenon.audit_log'))
    expect(await read('service_role')).toEqual([{ action: 'INSERT' }])
    for (const role of ['anon', 'authenticated']) {
      expect(await sqlstateOf(read(role))).toBe('42501')
      for (const partition of [
        'audit_log_default',
        (await engine().admin(`select relname from pg_class where relname like 'audit\\_log\\_p%' limit 1`))[0]?.[
          'relname'
        ],
      ])
        expect(await sqlstateOf(engine().as({ role }, (query) => query(`select from tenon.${partition}`)))).toBe(
          '42501',
        )
    }
    await engine().script(
      'grant usage on schema tenon to authenticated; grant select on tenon.audit_log to authenticated',
    )
    expect(await read('authenticated'), 'a grant alone shows nothing').toEqual([])
    await engine().script('create policy open on tenon.audit_log to authenticated using (true)')
    expect(await read('authenticated'), 'the control').toHaveLength(1)
    await engine().script('drop policy open on tenon.audit_log; revoke select on tenon.audit_log from authenticated')
  })

  it('has a partition for this month and the next three, and one for whatever comes later', async () => {
    const rows = await engine().admin(
      `select count(*)::int as n from pg_inherits where inhparent = 'tenon.audit_log'::regclass`,
    )
    expect(rows).toEqual([{ n: 5 }])
    await engine().script(
      `insert into tenon.audit_log (at, schema_name, table_name, action, role) values ('2999-01-01', 's', 't', 'INSERT', 'r')`,
    )
    expect(await engine().admin('select action from tenon.audit_log_default')).toEqual([{ action: 'INSERT' }])
  })
})

describeAudit('sql/modules/audit/0002_audit_table.sql', (engine) => {
  const change = (caller: Caller, ...texts: readonly string[]) =>
    engine().as(caller, async (query) => {
      for (const text of texts) await query(text)
    })

  it('writes who changed what, for whom, as which role and why', async () => {
    await engine().script(`select tenon.audit_table('public.customer')`)
    await change(
      ada,
      `insert into customer (id, name) values (1, 'Acme')`,
      `update customer set name = 'Acme Ltd' where id = 1`,
      `update customer set name = name`,
      'delete from customer',
      'truncate customer',
    )
    const rows = await log(
      engine(),
      'action, row_key, before, after, changed, actor, subject, role, reason, table_name',
    )
    const who = {
      actor: 'support-7',
      subject: 'ada',
      role: 'authenticated',
      reason: 'ticket 12',
      table_name: 'customer',
    }
    const acme = { id: 1, name: 'Acme', card: null, extra: null, upper_name: 'ACME' }
    const ltd = { ...acme, name: 'Acme Ltd', upper_name: 'ACME LTD' }
    expect(rows).toEqual([
      { action: 'INSERT', row_key: { id: 1 }, before: null, after: acme, changed: null, ...who },
      { action: 'UPDATE', row_key: { id: 1 }, before: acme, after: ltd, changed: ['name', 'upper_name'], ...who },
      { action: 'DELETE', row_key: { id: 1 }, before: ltd, after: null, changed: null, ...who },
      { action: 'TRUNCATE', row_key: null, before: null, after: null, changed: null, ...who },
    ])
  })

  it('writes nothing of what was rolled back', async () => {
    await engine().script(`select tenon.audit_table('public.customer')`)
    await change(ada, `insert into customer (id) values (1)`, 'select 1 / 0').catch(() => {})
    expect(await log(engine())).toEqual([])
  })

  it('names an excluded column that changed, and keeps its values out of the log', async () => {
    await engine().script(`select tenon.audit_table('public.customer', array['card'])`)
    await change(
      ada,
      `insert into customer (id, card) values (1, 'canary-4111')`,
      `update customer set card = 'canary-4222'`,
      'delete from customer',
    )
    const rows = await log(engine())
    expect(rows.map((row) => [row['action'], row['changed']])).toEqual([
      ['INSERT', null],
      ['UPDATE', ['card']],
      ['DELETE', null],
    ])
    expect(JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      'canary',
    )
    await engine().script(`select tenon.audit_table('public.customer')`)
    await change(ada, `insert into customer (id, card) values (2, 'canary-4333')`)
    expect(JSON.stringify((await log(engine(), 'after')).at(-1)), 'the control').toContain('canary-4333')
  })

  it('lets nobody write the log who may change the table', async () => {
    await engine().script(`select tenon.audit_table('public.customer')`)
    const forge = `insert into tenon.audit_log (schema_name, table_name, action, role) values ('s', 't', 'INSERT', 'r')`
    expect(await sqlstateOf(change(ada, forge))).toBe('42501')
    expect(await sqlstateOf(change(ada, `select tenon.audit_table('public.customer')`))).toBe('42501')
    expect(await sqlstateOf(change(ada, `select tenon.unaudit_table('public.customer')`))).toBe('42501')
  })

  it('takes composite keys, tables without one, odd names, json and partitions', async () => {
    await engine().script(`
      create table public.odd ("A b" int, "c""d" text, doc json, at date not null, primary key ("A b", at)) partition by range (at);
      create table public.odd_rest partition of public.odd default;
      select tenon.audit_table('public.odd');
      insert into public.odd values (1, 'x', '{"a": 1}', '2026-01-01');
      update public.odd set doc = '{"a": 2}';
      create table public.keyless (n int);
      select tenon.audit_table('public.keyless');
      insert into public.keyless values (1);
      drop table public.odd, public.keyless`)
    expect(await log(engine(), 'action, row_key, changed, role')).toMatchObject([
      { action: 'INSERT', row_key: { 'A b': 1, at: '2026-01-01' } },
      { action: 'UPDATE', changed: ['doc'] },
      { action: 'INSERT', row_key: null },
    ])
  })

  it('refuses to exclude a column that is not there', async () => {
    for (const columns of [`array['nope']`, 'array[null]', 'null'])
      expect(await sqlstateOf(engine().script(`select tenon.audit_table('public.customer', ${columns}::text[])`))).toBe(
        '42703',
      )
  })

  it('stops when the table is taken out, and what was written stays', async () => {
    await engine().script(`select tenon.audit_table('public.customer'); insert into customer (id) values (1);
      select tenon.unaudit_table('public.customer'); insert into customer (id) values (2)`)
    expect(await log(engine())).toHaveLength(1)
  })
})

describeAudit('sql/modules/audit/0003_audit_maintenance.sql', (engine) => {
  it('makes partitions ahead, and drops whole months that are older than is to be kept', async () => {
    const names = (await engine().admin('select tenon.audit_maintain(5) as name')).map((row) => row['name'])
    expect(names).toHaveLength(2)
    await engine().script(`select tenon.create_partitions('tenon.audit_log', 'month', 0, '2020-05-05');
      insert into tenon.audit_log (at, schema_name, table_name, action, role) values ('2020-05-06', 's', 't', 'INSERT', 'r')`)
    expect(await engine().admin(`select tenon.audit_retain('1 year') as name`)).toEqual([{ name: 'audit_log_p202005' }])
    expect(await log(engine(), 'action, table_name')).toEqual([{ action: 'RETAIN', table_name: 'audit_log_p202005' }])
    expect(await sqlstateOf(engine().admin(`select tenon.audit_retain('1 minute')`))).toBe('22023')
  })

  it('takes a person out: what they did stays as a fact, what tells of them goes', async () => {
    await engine().script(`
      create table public.odd (owner text primary key, note text);
      grant insert, update on public.odd to authenticated;
      select tenon.audit_table('public.odd')`)
    const say = (sub: string, text: string) =>
      engine().as({ role: 'authenticated', claims: { sub } }, (query) => query(text))
    await say('ada', `insert into odd values ('ada', 'canary of ada')`)
    await say('ben', `insert into odd values ('ben', 'of ben')`)
    await engine()
      .admin(`update odd set note = 'changed by the owner' where owner = 'ada'`)
      .catch(() => {})
    const [{ erased } = {}] = await engine().admin(`select tenon.audit_erase('ada')::int as erased`)
    expect(erased).toBe(2)
    const rows = await log(engine(), 'action, row_key, before, after, subject, table_name')
    expect(rows).toEqual([
      { action: 'INSERT', row_key: null, before: null, after: null, subject: null, table_name: 'odd' },
      {
        action: 'INSERT',
        row_key: { owner: 'ben' },
        before: null,
        after: { owner: 'ben', note: 'of ben' },
        subject: 'ben',
        table_name: 'odd',
      },
      { action: 'UPDATE', row_key: null, before: null, after: null, subject: null, table_name: 'odd' },
      { action: 'ERASE', row_key: null, before: null, after: null, subject: null, table_name: 'audit_log' },
    ])
    expect(JSON.stringify(rows)).not.toMatch(/canary|"ada"/)
    expect(await sqlstateOf(engine().admin(`select tenon.audit_erase('')`))).toBe('22023')
  })

  it('opens the log for nobody else while it erases, nor afterwards', async () => {
    await engine().script(
      `insert into tenon.audit_log (schema_name, table_name, action, role) values ('s', 't', 'INSERT', 'r'); select tenon.audit_erase('x')`,
    )
    expect(await sqlstateOf(engine().admin('delete from tenon.audit_log'))).toBe('42501')
    const call = (text: string) => engine().as(ada, (query) => query(text))
    for (const text of [
      `select tenon.audit_erase('ben')`,
      `select tenon.audit_retain('1 day')`,
      'select tenon.audit_maintain()',
    ])
      expect(await sqlstateOf(call(text))).toBe('42501')
  })

  it('is taken back and made again, with what is under audit let go', async () => {
    await engine().script(`select tenon.audit_table('public.customer')`)
    await revertSql(engine(), 'audit')
    await engine().script(`insert into customer (id) values (1)`)
    for (const version of ['0001', '0002', '0003']) await engine().script(sqlOf('audit', version))
    await engine().script(`select tenon.audit_table('public.customer'); update customer set name = 'x'`)
    expect(await log(engine())).toHaveLength(1)
  })
})
