/** A schema of many tables with columns of many types, and a query on it, to see what generated types cost. */
const types = [
  'integer not null',
  'text',
  'varchar(40) not null',
  'numeric(10,2)',
  'boolean not null default false',
  'timestamptz not null default now()',
  'date',
  'jsonb',
  'uuid not null default gen_random_uuid()',
  'text[]',
  'mood',
  'mood[]',
  'double precision',
  'interval',
  'bytea',
  'inet',
  'smallint',
  'time',
  'int4range',
]

/** Tables `table_0` and on, of 20 columns, with checks and foreign keys. */
export function manyTablesSql(count: number): string {
  const columns = types.map((type, i) => `column_${i} ${type}`).join(', ')
  const tables = Array.from({ length: count }, (_, i) => {
    const parent = i === 0 ? '' : `, foreign key (column_0) references table_${i - 1} (column_16_key)`
    return `create table table_${i} (id bigint generated always as identity primary key, ${columns.replace('column_16 smallint', 'column_16_key integer unique')},
      check (column_0 > 0), check (length(column_1) < 100)${parent})`
  })
  return `create type mood as enum ('sad', 'ok'); ${tables.join('; ')}`
}

/** A file with a read and a write on the tables; `types` is what it imports. */
export function oneQuery(from: string): string {
  return `import type { Kysely } from "kysely";
import type { DB } from "${from}";
declare const db: Kysely<DB>;
export const rows = await db
  .selectFrom("table_1")
  .innerJoin("table_2", "table_2.id", "table_1.id")
  .select(["table_1.id", "table_2.column_1", "table_1.column_5"])
  .where("table_1.column_0", ">", 3)
  .execute();
export const row = await db
  .insertInto("table_3")
  .values({ column_0: 1, column_2: "a", column_3: "1.5", column_9: ["a"], column_12: 5 })
  .returningAll()
  .executeTakeFirstOrThrow();
`
}
