/** examples/11-partitions.ts as a person runs it. */
import { expect, test } from 'vitest'
import { runExample } from '../support/run-example.ts'

test('11-partitions drains the default partition, proves pruning, attaches and drops', {
  timeout: 60_000,
}, async () => {
  const { code, output } = await runExample('11-partitions.ts')
  expect(output).toMatch(/^PARTITION_DEFAULT_ROWS: Move them with drainDefault\(\)/)
  expect(output).toMatch(/ {2}500 rows into readings_p202601\n {2}244 rows into readings_p202601\n/)
  expect(output).toMatch(/moved 2160, left 0\n/)
  expect(output).toMatch(
    /a range reads 1 of 13 partitions for 744 rows\ndate_trunc reads 13 of 13 partitions for 744 rows\n/,
  )
  expect(output).toMatch(/dropped readings_2025, readings_p202601\n12 partitions, 11 of them closed, 0 rows/)
  expect(output).toMatch(/warning: public\.readings_rest, or a partition of it, has no row security/)
  expect(code).toBe(0)
})
