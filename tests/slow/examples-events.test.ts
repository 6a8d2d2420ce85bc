/** examples/09-events.ts as a person runs it. */
import { expect, test } from 'vitest'
import { runExample } from '../support/run-example.ts'

test('09-events watches, delivers to pg-boss, notifies and refuses', { timeout: 90_000 }, async () => {
  const { code, output } = await runExample('09-events.ts')
  expect(output).toBe(
    'Elm: changed my mind\ninsert Oak, as expected\ninsert Fir, as expected\n' +
      'jobs: Ash of 2, Fir of 1, Oak of 1; 1 attempt failed\ncache: oak\nrefused: EVENT_PAYLOAD\n',
  )
  expect(code).toBe(0)
})
