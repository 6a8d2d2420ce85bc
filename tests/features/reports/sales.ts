/** Sales of two tenants under row security, on a server and on PGlite: what reports are tried on. */
import { Client } from 'pg'
import { createDatabase, type Database, type Session } from '../../../src/index.ts'
import { sqlOf } from '../../sql/engines.ts'
import { createLogin, createTestDatabase } from '../../support/database.ts'
import { bootPglite } from '../../support/pglite.ts'

const salesSql = `
  create table sales (id int primary key, tenant text not null, region text, product text not null, amount numeric(10, 2) not null,
    sold_at timestamptz not null, local_at timestamp not null, day date not null);
  insert into sales values
    (1, 'ada', 'north', 'tea', 10, '2024-03-30 10:00+00', '2024-03-30 10:00', '2024-03-30'),
    (2, 'ada', 'north', 'tea', 20, '2024-03-31 00:30+00', '2024-03-31 00:30', '2024-03-31'),
    (3, 'ada', 'south', 'tea', 30, '2024-03-31 01:30+00', '2024-03-31 01:30', '2024-03-31'),
    (4, 'ada', 'south', 'mug', 40, '2024-04-02 22:30+00', '2024-04-02 22:30', '2024-04-02'),
    (5, 'ada', null, 'mug', 50, '2024-04-04 12:00+00', '2024-04-04 12:00', '2024-04-04'),
    (6, 'bob', 'north', 'tea', 1000, '2024-04-01 12:00+00', '2024-04-01 12:00', '2024-04-01');
  create materialized view totals as select tenant, product, sum(amount) as amount from sales group by tenant, product;
  alter table sales enable row level security;
  create policy sales_tenant_policy on sales to authenticated using (tenant = (select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'));
  grant select, insert on sales to authenticated`

export interface SalesTables {
  sales: {
    id: number
    tenant: string
    region: string | null
    product: string
    amount: string
    sold_at: Date
    local_at: Date
    day: Date
  }
  totals: { tenant: string; product: string; amount: string }
}

export interface Sales extends AsyncDisposable {
  readonly db: Database<SalesTables>
  readonly ada: Session<SalesTables>
  readonly bob: Session<SalesTables>
  readonly service: ReturnType<Database<SalesTables>['service']>
  /** URL of the administrator; undefined on PGlite. */
  readonly adminUrl: string | undefined
  /** Runs SQL as the owner of the tables. */
  script(text: string): Promise<void>
}

export const salesKinds = ['server', 'embedded'] as const

export async function openSales(kind: (typeof salesKinds)[number]): Promise<Sales> {
  const moduleSql = `${sqlOf('roles', '0001')}; ${sqlOf('reports', '0001')}`
  if (kind === 'embedded') {
    const pglite = await bootPglite()
    await pglite.exec(moduleSql)
    await pglite.exec(salesSql)
    const db = createDatabase<SalesTables>({ connection: pglite })
    return sales(
      db,
      undefined,
      async (text) => void (await pglite.exec(text)),
      async () => {
        await db.close()
        await pglite.close()
      },
    )
  }
  const place = await createTestDatabase()
  const login = await createLogin(place)
  const admin = new Client(place.adminUrl)
  await admin.connect()
  await admin.query(moduleSql)
  await admin.query(salesSql)
  const db = createDatabase<SalesTables>({ connection: login.url, service: { connection: place.adminUrl } })
  return sales(
    db,
    place.adminUrl,
    async (text) => void (await admin.query(text)),
    async () => {
      await db.close()
      await admin.end()
      await place.drop()
      await login.drop()
    },
  )
}

function sales(
  db: Database<SalesTables>,
  adminUrl: string | undefined,
  script: Sales['script'],
  close: () => Promise<void>,
): Sales {
  const session = (sub: string) => db.session({ role: 'authenticated', claims: { sub } })
  return {
    db,
    ada: session('ada'),
    bob: session('bob'),
    service: db.service({ actor: 'test', reason: 'reports' }),
    adminUrl,
    script,
    [Symbol.asyncDispose]: close,
  }
}
