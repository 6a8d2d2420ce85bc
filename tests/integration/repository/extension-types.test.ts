/** Columns of a type whose operators are off the search path: compared in their own way, and not as the text beneath. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openShop, repository, type Shop } from '../../support/shop.ts'

const moreSql = `
  create schema extensions; create extension citext schema extensions; grant usage on schema extensions to authenticated;
  create domain nickname as extensions.citext;
  create table members (name extensions.citext primary key, nick nickname, plain text not null);
  create table badges (id int primary key, member extensions.citext not null references members, title extensions.citext not null, unique (title));
  grant all on members, badges to authenticated;
  insert into members (name, nick, plain) values ('a', 'X', 'p'), ('B', 'y', 'q'), ('c', null, 'r'), ('D', 'Z', 's');
  insert into badges values (1, 'A', 'First'), (2, 'b', 'Second'), (3, 'D', 'Third');
`

describe('citext in a schema of its own', () => {
  let shop: Shop
  // biome-ignore lint/suspicious/noExplicitAny: the tables are generated while the test runs
  let members: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let badges: any

  beforeAll(async () => {
    shop = await openShop('server', {}, moreSql)
    members = repository(shop.tables.members)
    badges = repository(shop.tables.badges)
  }, 60_000)
  afterAll(async () => {
    await shop?.[Symbol.asyncDispose]()
  })

  const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name)
  const ordered = { orderBy: { name: 'asc' } }

  it('is said in the metadata, by the schema of its operators', () => {
    expect(shop.tables.members).toMatchObject({
      columns: { name: { type: 'extensions.citext', operators: 'extensions' }, nick: { operators: 'extensions' } },
    })
    expect(shop.tables.members.columns.plain).not.toHaveProperty('operators')
  })

  it('gives every row once, page by page, in both directions', async () => {
    for (const [orderBy, expected] of [
      [{ name: 'asc' }, ['a', 'B', 'c', 'D']],
      [{ name: 'desc' }, ['D', 'c', 'B', 'a']],
      [{ nick: 'asc' }, ['a', 'B', 'D', 'c']],
      [
        [{ plain: 'asc' }, { name: 'asc' }],
        ['a', 'B', 'c', 'D'],
      ],
    ] as const) {
      const seen: string[] = []
      for (let after: string | undefined; seen.length < 9; ) {
        const page = await members.page(shop.ada, { orderBy, limit: 1, after })
        seen.push(...names(page.items))
        after = page.endCursor
        if (!page.hasNext) break
      }
      expect(seen, JSON.stringify(orderBy)).toEqual(expected)
    }
  })

  it('is compared as itself in conditions, and as the key of one row or many', async () => {
    for (const [where, expected] of [
      [{ name: 'b' }, ['B']],
      [{ name: { ne: 'b' } }, ['a', 'c', 'D']],
      [{ nick: { ne: 'x' } }, ['B', 'c', 'D']],
      [{ name: { in: ['A', 'd'] } }, ['a', 'D']],
      [{ name: { notIn: ['A', 'd'] } }, ['B', 'c']],
      [{ name: { gt: 'b' } }, ['c', 'D']],
      [{ nick: { lte: 'Y' } }, ['a', 'B']],
      [{ name: { between: ['b', 'C'] } }, ['B', 'c']],
      [{ badges: { some: { title: 'SECOND' } } }, ['B']],
    ] as const)
      expect(names(await members.list(shop.ada, { where, ...ordered })), JSON.stringify(where)).toEqual(expected)
    expect(await members.find(shop.ada, 'A')).toMatchObject({ name: 'a' })
    expect(names(await members.findMany(shop.ada, ['A', 'b']))).toEqual(['a', 'B'])
    expect(await badges.find(shop.ada, { title: 'first' })).toMatchObject({ id: 1 })
    expect(await members.update(shop.ada, 'A', { plain: 'new' })).toMatchObject({ name: 'a', plain: 'new' })
  })

  it('is joined as the foreign key has it', async () => {
    for (const strategy of ['json', 'batch'] as const) {
      const found = await members.list(shop.ada, { load: { badges: true }, strategy, ...ordered })
      expect(found.map(({ badges }: { badges: readonly { id: number }[] }) => badges.map(({ id }) => id))).toEqual([
        [1],
        [2],
        [],
        [3],
      ])
    }
  })
})
