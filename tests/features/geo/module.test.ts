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

  it.each([
    [`tenon.add_geo_index('"odd Sites"', 'name')`, '42703'],
    [`tenon.add_geo_index('"odd Sites"', 'nothing')`, '42703'],
    [`tenon.add_point_columns('"odd Sites"', 'line')`, '42809'],
  ])('refuses %s', async (call, code) => {
    await expect(ground.admin(`select ${call}`)).rejects.toMatchObject({ code })
  })
})
