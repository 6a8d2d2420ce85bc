/** The SQL module geo where PostGIS is: what it makes, what it refuses, and that the indexes serve under row security. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sqlModules } from '../../../src/generated/modules.ts'
import { type Ground, groundKinds } from '../../support/postgis.ts'

const [server] = groundKinds

describe('sql/modules/geo on a server', () => {
  if (server === undefined || server.skip !== undefined) {
    it.skip(server?.skip ?? 'no server')
    return
  }
  let ground: Ground
  beforeAll(async () => {
    ground = await server.open('extensions')
    for (const { sql } of sqlModules.geo.files) await ground.admin(sql)
    await ground.admin(
      `create table "odd Sites" (id int primary key, "tenant Id" int, "at Place" geography(Point, 4326), line geometry(LineString, 4326), name text)`,
    )
  })
  afterAll(() => ground[Symbol.asyncDispose]())

  it('makes indexes that lead with the policy’s columns, whatever the names are', async () => {
    const made = await ground.admin(
      `select tenon.add_geo_index('"odd Sites"', 'at Place', array['tenant Id']) as nearest, tenon.add_point_columns('"odd Sites"', 'at Place', array['tenant Id']) as points`,
    )
    expect(made).toEqual([{ nearest: 'odd Sites_at Place_geo_idx', points: 'odd Sites_at Place_point_idx' }])
    await ground.admin(`insert into "odd Sites" (id, "tenant Id", "at Place") values (1, 1, 'POINT(13 52)')`)
    expect(await ground.admin(`select "at Place_x" as x, "at Place_y" as y from "odd Sites"`)).toEqual([
      { x: 13, y: 52 },
    ])
    const indexes = await ground.admin(
      `select indexdef from pg_indexes where tablename = 'odd Sites' and indexname ~ '(geo|point)_idx' order by indexname`,
    )
    expect(indexes.map((row) => row['indexdef'])).toEqual([
      expect.stringMatching(/USING gist \("tenant Id", "at Place"\)/),
      expect.stringMatching(/USING btree \("tenant Id", "at Place_y", "at Place_x"\)/),
    ])
  })

  it('keeps names apart that are too long as a whole', async () => {
    const [first, second] = ['é', 'è'].map((last) => `${'ä'.repeat(30)}${last}`)
    await ground.admin(
      `create table sites_of_a_long_name (id int, "${first}" geography(Point, 4326), "${second}" geography(Point, 4326))`,
    )
    const made: unknown[] = []
    for (const column of [first, second])
      for (const name of ['add_geo_index', 'add_point_columns'])
        made.push(
          ...(await ground.admin(`select tenon.${name}('sites_of_a_long_name', '${column}') as name`)).map(
            (row) => row['name'],
          ),
        )
    expect(new Set(made).size).toBe(4)
    const columns = (
      await ground.admin(
        `select attname as name from pg_attribute where attrelid = 'sites_of_a_long_name'::regclass and attnum > 3 order by attnum`,
      )
    ).map((row) => row['name'])
    expect(new Set(columns).size).toBe(4)
    for (const name of [...made, ...columns]) {
      expect(Buffer.byteLength(String(name))).toBeLessThanOrEqual(63)
      expect(name).toMatch(/_[0-9a-f]{8}_(x|y|geo_idx|point_idx)$/)
    }
    const indexes = await ground.admin(
      `select indexname as name from pg_indexes where tablename = 'sites_of_a_long_name'`,
    )
    expect(indexes.map((row) => row['name']).toSorted()).toEqual(made.toSorted())
  })

  it.each([
    [`tenon.add_geo_index('"odd Sites"', 'name')`, '42703'],
    [`tenon.add_geo_index('"odd Sites"', 'nothing')`, '42703'],
    [`tenon.add_point_columns('"odd Sites"', 'line')`, '42809'],
  ])('refuses %s', async (call, code) => {
    await expect(ground.admin(`select ${call}`)).rejects.toMatchObject({ code })
  })
})
