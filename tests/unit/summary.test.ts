/** The closing line of CI: it counts what ran and never turns a broken run into a good one. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { summarize } from '../support/summary.ts'

const file = (status: string, ...tests: string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((test) => ({ status: test, fullName: test })),
})
const report = (success: boolean, ...testResults: object[]) => summarize(JSON.stringify({ success, testResults }))

describe('the closing line', () => {
  it('counts passed, failed and skipped tests', () => {
    expect(
      report(true, file('passed', 'passed', 'passed'), file('passed', 'passed', 'pending', 'todo', 'skipped')),
    ).toEqual({
      line: '3 passed, 0 failed, 3 skipped',
      ok: true,
    })
    expect(report(false, file('failed', 'passed', 'failed', 'failed'))).toEqual({
      line: '1 passed, 2 failed, 0 skipped',
      ok: false,
    })
  })

  it('counts a file that did not load as a failure', () => {
    expect(report(false, file('passed', 'passed'), file('failed'))).toEqual({
      line: '1 passed, 1 failed, 0 skipped',
      ok: false,
    })
  })

  it('counts an error outside every test as a failure', () => {
    expect(report(false, file('passed', 'passed'))).toEqual({ line: '1 passed, 1 failed, 0 skipped', ok: false })
  })

  it('does not accept a run without a test', () => {
    expect(report(true).ok).toBe(false)
    expect(report(true, file('passed', 'skipped')).ok).toBe(false)
  })

  it('exits 1 without a report', () => {
    const script = join(import.meta.dirname, '../support/summary.ts')
    const { status, stdout } = spawnSync(process.execPath, [script, '/nonexistent.json'], { encoding: 'utf8' })
    expect({ status, stdout }).toEqual({ status: 1, stdout: '0 passed, 1 failed, 0 skipped\n' })
  })
})
