/** Dates as parameters, in zones and years where an offset is no number of minutes. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const module = fileURLToPath(new URL('../../src/kernel/date-text.ts', import.meta.url))

/** The zone of a process is read when it starts. */
function textsIn(zone: string, instants: readonly string[]): readonly string[] {
  const program = `import { dateText } from ${JSON.stringify(module)}
    console.log(JSON.stringify(${JSON.stringify(instants)}.map((at) => dateText(new Date(at)))))`
  const options = { env: { ...process.env, TZ: zone }, encoding: 'utf8' } as const
  return JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', program], options))
}

it('an offset with seconds is written with them, and any other as pg writes it', { timeout: 60_000 }, () => {
  expect(textsIn('Europe/Paris', ['1900-01-01T00:00:00Z', '2024-07-01T00:00:00.123Z'])).toEqual([
    '1900-01-01T00:09:21.000+00:09:21',
    '2024-07-01T02:00:00.123+02:00',
  ])
  expect(textsIn('Africa/Monrovia', ['1971-01-01T00:00:00Z', '-000043-03-15T00:00:00Z'])).toEqual([
    '1970-12-31T23:15:30.000-00:44:30',
    '0044-03-14T23:16:52.000-00:43:08 BC',
  ])
  expect(textsIn('Asia/Kolkata', ['2024-01-01T00:00:00Z'])).toEqual(['2024-01-01T05:30:00.000+05:30'])
})
