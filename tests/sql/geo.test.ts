/** sql/modules/geo: without PostGIS it says so; with it, in tests/features/geo, it makes its indexes. */
import { expect, it } from 'vitest'
import { describeModule, sqlstateOf } from './engines.ts'

describeModule('sql/modules/geo/0001_geo.sql', ['geo'], (engine) => {
  it('says that PostGIS is missing, and is nobody’s to call but the owner’s', async () => {
    await engine().script('create table if not exists public.place (id int primary key, location point)')
    for (const name of ['add_geo_index', 'add_point_columns']) {
      const call = `select tenon.${name}('public.place', 'location')`
      expect(await sqlstateOf(engine().admin(call))).toBe('0A000')
      expect(await sqlstateOf(engine().as({ role: 'authenticated' }, (query) => query(call)))).toBe('42501')
    }
  })
})
