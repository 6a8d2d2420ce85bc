/**
 * Prints vitest's JSON reports as one plain line, "N passed, N failed, N skipped", and exits 1 when anything failed.
 * A report that is missing, cannot be read or holds no passed test is a failure: silence is not success.
 */
import { readFileSync } from 'node:fs'

interface Report {
  readonly success: boolean
  readonly testResults: ReadonlyArray<{
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string; readonly fullName: string }>
  }>
}

/** What a run came to. */
export interface Summary {
  readonly line: string
  readonly ok: boolean
}

/**
 * Counts the tests of one report.
 *
 * @param text the JSON that vitest's `json` reporter wrote.
 * @returns the closing line, and whether the run may be called good.
 */
export function summarize(text: string): Summary {
  const report: Report = JSON.parse(text)
  let passed = 0
  let failed = 0
  let skipped = 0
  for (const file of report.testResults) {
    const statuses = file.assertionResults.map((test) => test.status)
    passed += statuses.filter((status) => status === 'passed').length
    skipped += statuses.filter((status) => status !== 'passed' && status !== 'failed').length
    const failures = statuses.filter((status) => status === 'failed').length
    // A file that does not load, or whose beforeAll fails, has no failed test of its own.
    failed += failures === 0 && file.status === 'failed' ? 1 : failures
  }
  // An error outside every test (an unhandled rejection) fails the run and belongs to no file.
  if (!report.success && failed === 0) failed = 1
  return { line: `${passed} passed, ${failed} failed, ${skipped} skipped`, ok: failed === 0 && passed > 0 }
}

/** What several runs came to; good only when each of them was. */
function addUp(paths: readonly string[]): Summary {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  let ok = paths.length > 0
  for (const path of paths) {
    let summary: Summary
    try {
      summary = summarize(readFileSync(path, 'utf8'))
    } catch {
      summary = { line: '0 passed, 1 failed, 0 skipped', ok: false }
    }
    ok &&= summary.ok
    for (const [, count, kind] of summary.line.matchAll(/(\d+) (passed|failed|skipped)/g))
      counts[kind as keyof typeof counts] += Number(count)
  }
  return { line: `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`, ok }
}

if (import.meta.main) {
  const { line, ok } = addUp(process.argv.slice(2))
  console.log(line)
  process.exitCode = ok ? 0 : 1
}
