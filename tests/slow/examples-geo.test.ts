/** examples/06-geo.ts as a person runs it. */
import { expect, test } from 'vitest'
import { runExample as run } from '../support/run-example.ts'

test('06-geo finds the nearest, what is within a distance, and refuses what is not on the globe', {
  timeout: 180_000,
}, async () => {
  const { code, output } = await run('06-geo.ts')
  expect(output).toMatch(/^nearest: \S.* \d+ km, \S.* \d+ km, \S.* \d+ km\nwithin 200 km: .*Berlin.*; box /)
  expect(output).toMatch(/\{"type":"Feature","id":\d+,"geometry":\{"type":"Point","coordinates":\[/)
  expect(output).toMatch(/\n1 round trip\nGEO_INVALID: a geometry is none: its coordinates is not on the globe\n$/)
  expect(code).toBe(0)
})
