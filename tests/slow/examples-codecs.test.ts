/** The example of types, run as a person runs it. */
import { expect, it } from 'vitest'
import { runExample } from '../support/run-example.ts'

it('07-types books no room twice, and reads and asks for every type as values', async () => {
  const { code, output } = await runExample('07-types.ts')
  expect(output).toContain('Ada: booked [2026-07-01,2026-07-05)')
  expect(output).toContain('Bob: room 1 is taken in [2026-07-04,2026-07-06)')
  expect(output).toContain('Bob: booked [2026-07-05,2026-07-08)')
  expect(output).toContain('on the 5th: Bob of Bern, who leaves on the 8th: true')
  expect(output).toContain('room 1, level 3: view of the lake')
  expect(output).toContain('written back it would be "bath"=>"yes", "view"=>"lake"')
  expect(code).toBe(0)
})
