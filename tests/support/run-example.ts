/** Runs an example as a person does: a process of its own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'

/** @returns its exit code, and what it printed, errors included */
export function runExample(
  example: string,
  ...words: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  const program = join(import.meta.dirname, '../../examples', example)
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...words],
      { env: { ...process.env, NO_COLOR: '1' } },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, output: `${out}${err}` }),
    )
  })
}
