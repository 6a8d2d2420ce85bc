/**
 * Every hostile input through every way in: nothing crashes or hangs, nobody sees a foreign row, and what is refused is
 * refused with an error that says what to do or carries the server's SQLSTATE. Errors that Kysely throws while a query is
 * being built are Kysely's; once a query is sent, errors are ours.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isTenonError } from '../../../src/index.ts'
import { hostileTexts } from '../../support/hostile-texts.ts'
import { type HostileValue, hostileValues } from '../../support/hostile-values.ts'
import { connectNaively, settlementOf } from '../../support/naive-session.ts'
import {
  embedded,
  type Ground,
  leftBehind,
  powerlessLogin,
  type Row,
  runsAs,
  whoRuns,
} from '../../support/two-tenants.ts'
import { queryDoors, sessionDoors, stop, untyped, type WayIn } from '../../support/ways-in.ts'

// Each text carries itself as its name; the longest would fill a screen.
const hostileInputs: readonly HostileValue[] = [
  ...hostileTexts.map(
    (text): HostileValue => [JSON.stringify(text.length > 60 ? `${text.slice(0, 20)}… ${text.length}` : text), text],
  ),
  ...hostileValues,
]

// Bodies that only ben and the owner's table have.
const foreignRow = /ben \d|of the owner/

describe.each([powerlessLogin, embedded])('Hostile input on $name', (kind) => {
  let ground: Ground
  let clean: Row
  beforeAll(async () => {
    ground = await kind.open()
    clean = await leftBehind(ground)
  })
  afterAll(() => ground.close())

  const rush = async (wayIn: WayIn, refusalAtTheDoorIsOurs: boolean): Promise<readonly string[]> => {
    const ada = ground.as('ada')
    const scene = { ground, ada, loose: untyped(ada) }
    const complaints: string[] = []
    for (const [name, input] of inputs()) {
      let built = false
      const attempt = (async () => {
        const run = wayIn(scene, input)
        built = !refusalAtTheDoorIsOurs
        return await run()
      })()
      const outcome = await settlementOf(attempt, 4_000)
      const complaint = complaintAbout(outcome, refusalAtTheDoorIsOurs)
      if (complaint !== undefined) complaints.push(`${name}${built ? '' : ' (at the door)'}: ${complaint}`)
    }
    // A way in that is wide open has hundreds of the same.
    return complaints.slice(0, 5)
  }

  // PGlite is ten times slower than a socket and runs the same code until the wire: half of the inputs, another half each time.
  let turn = 0
  const inputs = (): readonly HostileValue[] => {
    turn++
    return kind.isEmbedded ? hostileInputs.filter((_input, i) => (i + turn) % 2 === 0) : hostileInputs
  }

  const unharmed = async () => {
    expect(await whoRuns(ground.as('ben'))).toEqual(runsAs('ben'))
    const rows = await ground.admin(`select owner, count(*)::int as notes from note group by owner order by owner`)
    expect(rows).toEqual([
      { owner: 'ada', notes: 2 },
      { owner: 'ben', notes: 3 },
    ])
    expect(await leftBehind(ground)).toEqual(clean)
  }

  it.each(Object.entries(sessionDoors))('as %s is refused with a hint, or is data', async (_what, wayIn) => {
    expect(await rush(wayIn, true)).toEqual([])
    await unharmed()
  })

  it.each(Object.entries(queryDoors))('as %s is refused, or is data', async (_what, wayIn) => {
    expect(await rush(wayIn, false)).toEqual([])
    await unharmed()
  })
})

describe('Hostile input in texts that are put together by hand, as a control', () => {
  it('is injected, shows foreign rows, and is complained about', async () => {
    const ground = await powerlessLogin.open()
    const client = await connectNaively(ground.adminUrl ?? '')
    const complaints = new Set<string | undefined>()
    for (const [, input] of hostileInputs) {
      if (typeof input !== 'string' || input.includes('pg_sleep') || input.includes('drop')) continue
      const careless = client.query(`select owner, body from note where owner = 'ada' and body = '${input}'`)
      complaints.add(
        complaintAbout(
          await settlementOf(
            careless.then(({ rows }) => rows),
            4_000,
          ),
          true,
        ),
      )
    }
    await client.end()
    await ground.close()
    expect([...complaints]).toContain('shows a foreign row')
    expect([...complaints].some((complaint) => complaint?.startsWith('throws error'))).toBe(true)
  })
})

function complaintAbout(outcome: Awaited<ReturnType<typeof settlementOf>>, doorIsOurs: boolean): string | undefined {
  if (outcome.state === 'pending') return 'hangs'
  if (outcome.state === 'resolved') {
    const shown =
      JSON.stringify(outcome.value, (_key, value) => (typeof value === 'bigint' ? String(value) : value)) ?? ''
    return foreignRow.test(shown) ? 'shows a foreign row' : undefined
  }
  const { error } = outcome
  if (error === stop) return undefined
  if (isTenonError(error)) {
    return error.hint === undefined && error.sqlstate === undefined
      ? `${error.code} without hint: ${error.message}`
      : undefined
  }
  // Kysely builds the query, and its own errors are not ours to type.
  const byKysely =
    error instanceof Error && /node_modules\/kysely\/dist\/(?!driver|query-executor)/.test(error.stack ?? '')
  if (!doorIsOurs && byKysely) return undefined
  return `throws ${error instanceof Error ? `${error.name}: ${error.message}` : typeof error}`
}
