/** CHECKs that are easily translated wrongly, and names that are easily mixed up with the generated code's own: zod and the server say the same. */
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ZodType } from 'zod'
import { generateCode } from '../../../src/codegen/index.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { GeneratedFolder } from '../../support/generated-code.ts'

const sql = `
  create domain code as varchar(5) check (char_length(value) = 5);
  create domain filled as text check (value is not null and length(value) > 1);
  create domain big_int as bigint check (value > 0);
  create type "JSON" as enum ('a', 'b');
  create type größe as enum ('klein', 'groß');
  create function gr(g größe) returns größe language sql as 'select g';
  create function add_user(p_email text, a_b int, "aB" int default 1) returns table (user_id int, b_c text) language sql as 'select 1, null';
  create table lengths (id int primary key, t varchar(5) check (length(t) = 5), c code);
  create table tests (id int primary key, a text, b text, n int, check ((a is null) = (b is null)), check (((n = 1) is true) = (b is not null)));
  create table needed (id int primary key, f filled, l int check (l is not null and l > 3), m int check ((m > 3) is true and m < 10));
  create table patterns (
    id int primary key, slug text check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'), bad text check (bad ~ '^([a-z0-9]+-?)*$'), anything text check (anything ~ ''),
    p text check (p ~ '^/*[a-z]'), n numeric(5, 2), u uuid, digits text check (digits ~ '^\\d+$'), liked text check (liked like '%a%a_a%'), unliked text check (unliked not like 'a%b')
  );
  create table literals (id int primary key, s text check (s <> '*/'), j "JSON", b big_int, d jsonb, total numeric check (total > 0));
  comment on column literals.id is 'don\`t';
  comment on column literals.s is 'can\`t';
  create table parts (id int primary key, tags text[] check (num_nonnulls(variadic tags) = 2), every interval, raw bytea, v int2vector);
  create table inherited (id int primary key, constructor text, "toString" text, a text, check ("toString" is null or a is not null));
  create table hemd (id int primary key, g größe);
  create view shown as select id, g::text || '' as t from hemd;
  create function put() returns trigger language plpgsql as 'begin insert into hemd values (new.id, new.t::größe); return new; end';
  create trigger put instead of insert on shown for each row execute function put();
  create table holders (id int primary key, settings jsonb);
  comment on column holders.settings is '@json Settings from "./settings.js"';
  create view held as select id, settings from holders;`

type Row = Readonly<Record<string, unknown>>

let place: TestDatabase
let client: pg.Client
let folder: GeneratedFolder
let schemas: Readonly<Record<string, { readonly insert: ZodType; readonly row: ZodType }>>
let files: Readonly<Record<string, string>>

beforeAll(async () => {
  place = await createTestDatabase()
  client = new pg.Client(place.adminUrl)
  await client.connect()
  await client.query(sql)
  const db = new Kysely<Record<string, never>>({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: place.adminUrl, max: 1 }) }),
  })
  files = (await generateCode(db)).files
  await db.destroy()
  folder = new GeneratedFolder({ ...files, 'settings.ts': 'export interface Settings { readonly dark: boolean }\n' })
  schemas = (await folder.import('zod.ts'))['schemas'] as typeof schemas
}, 60_000)
afterAll(async () => {
  folder[Symbol.dispose]()
  await client.end()
  await place.drop()
})

async function serverTakes(table: string, row: Row): Promise<boolean> {
  const columns = Object.keys(row).map((name) => client.escapeIdentifier(name))
  const values = Object.values(row)
  await client.query('begin')
  try {
    await client.query(
      `insert into ${table} (${columns.join(', ')}) values (${values.map((_, i) => `$${i + 1}`).join(', ')})`,
      values,
    )
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^(23|22)/) })
    return false
  } finally {
    await client.query('rollback')
  }
}

describe('generated schemas', () => {
  it('compile, whatever the names, comments and constants hold', { timeout: 60_000 }, () => {
    expect(folder.compile(['types.ts', 'metadata.ts', 'zod.ts'], { exactOptionalPropertyTypes: true }).errors).toEqual(
      [],
    )
  })

  it.each<[table: string, row: Row]>([
    ['lengths', { id: 1, t: 'abcde', c: 'abcde' }],
    ['lengths', { id: 1, t: 'abcd' }],
    ['lengths', { id: 1, c: 'abcd' }],
    ['tests', { id: 1 }],
    ['tests', { id: 1, a: 'x' }],
    ['tests', { id: 1, a: 'x', b: 'y' }],
    ['tests', { id: 1, a: 'x', b: 'y', n: 1 }],
    ['tests', { id: 1, n: 1 }],
    ['needed', { id: 1, f: 'abc', l: 4, m: 4 }],
    ['needed', { id: 1, l: 4, m: 4 }],
    ['needed', { id: 1, f: null, l: 4, m: 4 }],
    ['needed', { id: 1, f: 'abc', m: 4 }],
    ['needed', { id: 1, f: 'abc', l: null, m: 4 }],
    ['needed', { id: 1, f: 'abc', l: 4 }],
    ['needed', { id: 1, f: 'abc', l: 4, m: null }],
    ['patterns', { id: 1, slug: 'a-b-c', anything: '', p: '//a', digits: '12', liked: 'xaxaxax', unliked: 'ba' }],
    ['patterns', { id: 1, slug: 'a--b' }],
    ['patterns', { id: 1, slug: 'a-' }],
    ['patterns', { id: 1, anything: 'x' }],
    ['patterns', { id: 1, p: '/1' }],
    ['patterns', { id: 1, digits: '1a' }],
    ['patterns', { id: 1, liked: 'aab' }],
    ['patterns', { id: 1, liked: 'aaxa' }],
    ['patterns', { id: 1, unliked: 'axb' }],
    ['literals', { id: 1, s: '*', j: 'a', b: '1', total: '1' }],
    ['literals', { id: 1, s: '*/' }],
    ['literals', { id: 1, b: '0' }],
    ['literals', { id: 1, total: '\u00a05' }],
    ['literals', { id: 1, total: ' 5 ' }],
    ['literals', { id: 1, total: '1e-16384' }],
    ['literals', { id: 1, total: '5.' }],
    ['literals', { id: 1, total: '.5e1' }],
    ['literals', { id: 1, total: '.' }],
    ['literals', { id: 1, total: '1e' }],
    ['parts', { id: 1, v: '1 2' }],
    ['inherited', { id: 1, a: 'x' }],
    ['inherited', { id: 1, constructor: 'x' }],
    ['inherited', { id: 1, toString: 'x' }],
    ['shown', { id: 1, t: 'klein' }],
  ])('say of a row of %s what the server says: %j', async (table, row) => {
    expect(schemas[table]?.insert.safeParse(row).success).toBe(await serverTakes(table, row))
  })

  it('leave to the server what cannot be translated', () => {
    expect(files['zod.ts']).toContain('num_nonnulls(VARIADIC tags) = 2')
    expect(files['zod.ts']).toMatch(/Checked by the server alone: patterns_bad_check: /)
    expect(schemas['patterns']?.insert.safeParse({ id: 1, digits: '٣' }).success).toBe(true)
  })

  it('take a time that grows with the length alone', () => {
    const started = performance.now()
    const takes = (table: string, row: Row) => schemas[table]?.insert.safeParse(row).success
    expect(takes('literals', { id: 1, total: '9'.repeat(400_000) })).toBe(false)
    expect(takes('literals', { id: 1, total: `${'9'.repeat(100_000)}x` })).toBe(false)
    expect(takes('patterns', { id: 1, n: '9'.repeat(100_000) })).toBe(false)
    expect(takes('lengths', { id: 1, t: `${' '.repeat(100_000)}x` })).toBe(false)
    expect(takes('patterns', { id: 1, slug: `${'a'.repeat(900)}!` })).toBe(false)
    expect(takes('patterns', { id: 1, bad: `${'a'.repeat(900)}!` })).toBe(true)
    expect(takes('patterns', { id: 1, liked: 'a'.repeat(2) + 'b'.repeat(200_000) })).toBe(false)
    // Seconds to centuries each, before.
    expect(performance.now() - started).toBeLessThan(3_000)
  })

  it('name arguments in camel case, apart where two become one, and see the type of json through a view', () => {
    expect(files['metadata.ts']).toContain('{ pEmail: string | null; a_b: number | null; aB?: number | null }')
    expect(files['types.ts']).toMatch(/interface Held \{[^}]*settings: JsonColumn<Settings> \| null/)
  })
})
