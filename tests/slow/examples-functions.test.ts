/** The example of functions as a person runs it. */
import { expect, test } from 'vitest'
import { runExample } from '../support/run-example.ts'

test('08-functions calls, filters, converts, adds up and refuses', { timeout: 60_000 }, async () => {
  const { code, output } = await runExample('08-functions.ts')
  expect(output).toMatch(/^score 40 in 1 round trip\nsomebody else sees 0\nbusy: Ada\n1500 m and 0\.25 m\n/)
  expect(output).toMatch(
    /2000 mm = 2 m = 0\.002 km\nless than one: km\nwalked \(3000,m\), \(1500,m\) of it completed\n/,
  )
  expect(output).toMatch(
    /FUNCTION_ARGUMENTS public\.metres: none of its overloads takes amount, of\n {2}It takes: 0: \(/,
  )
  expect(code).toBe(0)
})
