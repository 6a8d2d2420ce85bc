/**
 * A server (or a pooler, or a network) that answers wrongly: every kind of answer of a session's work, spoiled in one of many ways.
 * Everything settles, nothing crashes, no result of one statement is given to another, and a connection that broke the protocol is not
 * used again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createDatabase, isTenonError, type Session } from '../../src/index.ts'
import type { LedgerTables } from '../support/ledger.ts'
import { type Mutation, mutate } from './mutations.ts'
import type { Random } from './random.ts'
import { type Script, type ScriptedServer, scriptedProcessId, startScriptedServer } from './scripted-server.ts'
import type { Tell } from './tell.ts'

/** What to run. */
export interface FuzzOptions {
  readonly random: Random
  readonly mutations: number
  /** How many servers are tormented side by side. */
  readonly lanes: number
  /** What a real server told at the verification of a login; see `readLoginFacts`. */
  readonly facts: Readonly<Record<string, unknown>>
  readonly tell?: Tell
}

/** What came of it. */
export interface FuzzReport {
  readonly mutations: number
  /** How often each ending came: `right`, `changed` (a value inside a row was), or an error's code. */
  readonly outcomes: Readonly<Record<string, number>>
  /** Units that were on shared connections. */
  readonly shared: number
  /** Work that did not settle in time. */
  readonly hung: readonly string[]
  /** Results that were somebody else's or made up. */
  readonly wrong: readonly string[]
  /** Errors that are none of ours. */
  readonly foreign: readonly string[]
  /** Connections kept in use after they had broken the protocol. */
  readonly kept: readonly string[]
  /** Work that went on waiting for the rest of an answer that could not be right. */
  readonly waited: readonly string[]
  /** The next, unspoiled work failed. */
  readonly broken: readonly string[]
}

/** After this long without an end the server hangs up: a length that promises more than comes is waited for. */
const patienceMs = 40
/** What no server may send has to be refused at once; this is only for a busy machine. */
const longPatienceMs = 1_000
const settleWithinMs = 5_000

type Work = (me: Session<LedgerTables>, note: string) => Promise<unknown>

/** Each kind of work, how many answers it takes, and what it gives. */
const works: Readonly<
  Record<string, { readonly answers: number; readonly run: Work; readonly gives: (note: string) => unknown }>
> = {
  read: {
    answers: 1,
    run: (me, note) => me.selectFrom('entry').select(['id', 'note']).where('note', '=', note).execute(),
    gives: (note) => threeRows(note),
  },
  write: {
    answers: 1,
    run: (me, note) => me.insertInto('entry').values({ tenant: 'ada', note }).returning(['id', 'note']).execute(),
    gives: () => [{ id: '1', note: 'inserted' }],
  },
  batch: {
    answers: 1,
    run: (me, note) =>
      me.batch([
        me.selectFrom('entry').select(['id', 'note']).where('note', '=', note),
        me.selectFrom('account').select('balance'),
      ]),
    gives: (note) => [threeRows(note), [{ balance: 7 }]],
  },
  transaction: {
    answers: 3,
    run: (me, note) =>
      me.transaction(async (trx) => [
        await trx.selectFrom('entry').select(['id', 'note']).where('note', '=', note).execute(),
        await trx.selectFrom('account').select('balance').execute(),
      ]),
    gives: (note) => [threeRows(note), [{ balance: 7 }]],
  },
  /** Where connections are shared, three units at once on one: each has to get its own answer, or none. */
  neighbours: {
    answers: 3,
    run: async (me, note) => {
      const read = works['read'] as (typeof works)[string]
      const notes = [0, 1, 2].map((i) => `${note} of ${i}`)
      const outcomes = await Promise.allSettled(notes.map((each) => read.run(me, each)))
      for (const [i, outcome] of outcomes.entries()) {
        const isForeign =
          outcome.status === 'fulfilled' &&
          JSON.stringify(outcome.value) !== JSON.stringify(threeRows(notes[i] as string))
        if (isForeign) return outcome.value
      }
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
      return 'each its own'
    },
    gives: () => 'each its own',
  },
  stream: {
    answers: 3,
    run: async (me, note) => {
      const rows: unknown[] = []
      for await (const row of me.selectFrom('entry').select(['id', 'note']).where('note', '=', note).stream(2))
        rows.push(row)
      return rows
    },
    gives: (note) => threeRows(note),
  },
}

const threeRows = (note: string) => ['1', '2', '3'].map((id) => ({ id, note: `${note} row ${id}` }))

function createScript(facts: FuzzOptions['facts']): Script {
  const login = JSON.stringify({ ...facts, backendPid: scriptedProcessId })
  return (text, parameters) => {
    if (text.startsWith('select $'))
      return { columns: [['mark', 25]], rows: [[parameters.at(-1) ?? '']], tag: 'SELECT 1' }
    if (text.includes("current_setting('search_path')"))
      return {
        columns: [
          ['search_path', 25],
          ['set_config', 25],
        ],
        rows: [['public', '']],
        tag: 'SELECT 1',
      }
    if (text.includes('jsonb_build_object')) return { columns: [['facts', 3802]], rows: [[login]], tag: 'SELECT 1' }
    if (text.includes('pg_backend_pid'))
      return { columns: [['pid', 23]], rows: [[String(scriptedProcessId)]], tag: 'SELECT 1' }
    if (text.includes('from "account"')) return { columns: [['balance', 23]], rows: [['7']], tag: 'SELECT 1' }
    if (text.startsWith('insert'))
      return {
        columns: [
          ['id', 20],
          ['note', 25],
        ],
        rows: [['1', 'inserted']],
        tag: 'INSERT 0 1',
      }
    if (text.includes('from "entry"'))
      return {
        columns: [
          ['id', 20],
          ['note', 25],
        ],
        rows: ['1', '2', '3'].map((id) => [id, `${parameters[0]} row ${id}`]),
        tag: 'SELECT 3',
      }
    return undefined
  }
}

/**
 * Cuts the answer of one of three neighbours after every number of bytes there is. What is lost can never come again, and what follows on
 * the connection is the answer of another.
 *
 * @returns how many cuts were made, and what somebody got that was another's
 */
export async function everyCut(facts: FuzzOptions['facts']): Promise<{ cuts: number; foreign: readonly string[] }> {
  const work = works['neighbours'] as (typeof works)[string]
  const foreign: string[] = []
  let cuts = 0
  const cutAfter = async (server: ScriptedServer, me: Session<LedgerTables>, skip: number, bytes: number) => {
    let isWhole = false
    server.spoil(skip, (messages) => {
      const answer = Buffer.concat([...messages])
      isWhole = bytes >= answer.length
      return { bytes: answer.subarray(0, bytes) }
    })
    const settled = settle(work.run(me, `cut ${bytes}`))
    const patience = setInterval(() => server.hangUp(), patienceMs)
    const outcome = await settled
    clearInterval(patience)
    server.calm()
    cuts++
    if ('value' in outcome && outcome.value !== work.gives(''))
      foreign.push(`after ${bytes}: ${JSON.stringify(outcome.value)}`)
    // Connects again, and prepares what was prepared.
    for (let tries = 0; tries < 3; tries++)
      if ('value' in (await settle((works['read'] as typeof work).run(me, 'between')))) break
    return isWhole
  }
  await Promise.all(
    [0, 1]
      .flatMap((skip) => [0, 1, 2, 3].map((lane) => ({ skip, lane })))
      .map(async ({ skip, lane }) => {
        await using server = await startScriptedServer(createScript(facts))
        await using db = openShared(server.port, true)
        const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
        await settle((works['read'] as typeof work).run(me, 'before'))
        for (let bytes = lane; !(await cutAfter(server, me, skip, bytes)); ) bytes += 4
      }),
  )
  return { cuts, foreign }
}

const openShared = (port: number, multiplex: boolean) =>
  createDatabase<LedgerTables>({
    connection: `postgres://scripted@127.0.0.1:${port}/scripted`,
    pool: { max: 1 },
    multiplex,
    trustLogin: true,
  })

/** Spoils that many answers. */
export async function protocolFuzz({ random, mutations, lanes, facts, tell }: FuzzOptions): Promise<FuzzReport> {
  const outcomes: Record<string, number> = {}
  const found = {
    hung: [] as string[],
    wrong: [] as string[],
    foreign: [] as string[],
    kept: [] as string[],
    waited: [] as string[],
    broken: [] as string[],
  }
  let [done, shared] = [0, 0]

  async function attempt(server: ScriptedServer, me: Session<LedgerTables>): Promise<void> {
    const number = done++
    const name = random.pick(Object.keys(works) as [string, ...string[]])
    const work = works[name] as (typeof works)[string]
    let applied: Mutation | undefined
    server.spoil(random.below(work.answers), (messages) => {
      const spoiled = mutate(messages, random)
      applied = spoiled.mutation
      return spoiled
    })
    const settled = settle(work.run(me, `work ${number}`))
    let waited = 0
    const patience = setInterval(() => {
      waited += patienceMs
      if (applied?.breaksProtocol === true && waited < longPatienceMs) return
      if (applied?.breaksProtocol === true) found.waited.push(`${name} ${number}, ${applied.name}`)
      server.hangUp()
    }, patienceMs)
    const outcome = await Promise.race([settled, delay(settleWithinMs, undefined)])
    clearInterval(patience)
    server.calm()
    const about = `${name} ${number}, ${applied?.name ?? 'nothing spoiled'}`
    if (outcome === undefined) found.hung.push(about)
    else if ('error' in outcome) {
      const { error } = outcome
      if (!isTenonError(error) && applied?.mayChangeValues !== true) found.foreign.push(`${about}: ${String(error)}`)
      count(isTenonError(error) ? error.code : 'a parser’s error')
    } else if (JSON.stringify(outcome.value) === JSON.stringify(work.gives(`work ${number}`))) count('right')
    else if (applied?.mayChangeValues === true) count('changed')
    else found.wrong.push(`${about}: ${JSON.stringify(outcome.value)}`)
    // Columns are described once per connection: a name that was changed unseen would be met again.
    if (applied?.mayChangeValues === true) server.hangUp()
    // Neighbours of the one whose connection ended may have got another.
    const mustEnd = applied?.breaksProtocol === true && name !== 'neighbours'
    // The end of a connection takes a turn to get here.
    for (let wait = 0; wait < 50 && mustEnd && server.openConnections() > 0; wait++) await delay(1)
    if (mustEnd && server.openConnections() > 0) {
      found.kept.push(about)
      server.hangUp()
    }
    await verify(me, `after ${number}`, about)
  }

  /** What comes next must get its own answer. A connection that died meanwhile is the pool's to replace, once. */
  async function verify(me: Session<LedgerTables>, note: string, about: string): Promise<void> {
    const read = works['read'] as (typeof works)[string]
    for (let tries = 0; ; tries++) {
      const outcome = await settle(read.run(me, note))
      if ('error' in outcome && tries < 2 && isTenonError(outcome.error) && outcome.error.retryable) continue
      if ('error' in outcome) found.broken.push(`${about}: ${String(outcome.error)}`)
      else if (JSON.stringify(outcome.value) !== JSON.stringify(read.gives(note)))
        found.wrong.push(`${about}, afterwards: ${JSON.stringify(outcome.value)}`)
      return
    }
  }

  function count(outcome: string): void {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
  }

  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      await using server = await startScriptedServer(createScript(facts))
      await using db = openShared(server.port, lane % 2 === 1)
      const me = db.session({ role: 'authenticated', claims: { sub: 'ada' } })
      await verify(me, 'before', 'before')
      while (done < mutations) {
        const before = done
        await attempt(server, me)
        if (before % 5_000 === 4_999) tell?.(`${before + 1} mutations, ${Object.values(found).flat().length} findings`)
      }
      shared += db.stats().multiplex?.units ?? 0
    }),
  )
  return { mutations: done, outcomes, shared, ...found }
}

async function settle(work: Promise<unknown>): Promise<{ readonly value: unknown } | { readonly error: unknown }> {
  return await work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
}
