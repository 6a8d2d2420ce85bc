/**
 * The process of one contestant: opens it, and runs the turns it is told to. In a process of its own it has its own heap and its own
 * compiled code, so that nobody pays for what a neighbour left of either. When it takes turns is its starter's business.
 */
import type { Contestant, OpenContestant, Place } from '../contestants/contestant.ts'
import { works } from '../works/works.ts'
import { type MixedTurn, runMixedTurn } from './mixed-turn.ts'
import { runTurn, type Turn } from './turn.ts'

/** What a starter says. */
export type Order =
  | { readonly do: 'open'; readonly place: Place }
  | {
      readonly do: 'turn'
      readonly work: string
      readonly inFlight: number
      readonly missEvery: number
      readonly requests: number
      readonly turnSeconds: number
    }
  | { readonly do: 'mixed turn'; readonly requests: number }
  | { readonly do: 'close' }

/** What it hears. */
export type Reply = { readonly result: Turn | MixedTurn | undefined } | { readonly error: string }

const [url = '', key = ''] = process.argv.slice(2)
const { contestants }: { readonly contestants: readonly Contestant[] } = await import(url)
const contestant = contestants.find((candidate) => candidate.key === key)
if (contestant === undefined) throw new Error(`${url} has no contestant ${key}.`)
const { underRls, open: openContestant } = contestant
let open: OpenContestant | undefined

async function obey(order: Order): Promise<Turn | MixedTurn | undefined> {
  if (order.do === 'open') {
    open = await openContestant(order.place)
    return undefined
  }
  if (open === undefined) throw new Error('It is not open.')
  if (order.do === 'close') {
    await open.close()
    return undefined
  }
  if (order.do === 'mixed turn') return await runMixedTurn(open, order.requests)
  const work = works.find((candidate) => candidate.key === order.work)
  if (work === undefined) throw new Error(`There is no work ${order.work}.`)
  return await runTurn(open, underRls, { ...order, work })
}

const answer = (reply: Reply) => process.send?.(reply)
process.on('message', (order: Order) => {
  obey(order).then(
    (result) => answer({ result }),
    (error: unknown) => answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  )
})
// The starter's end, however it comes, closes the channel.
process.on('disconnect', () => process.exit(0))
answer({ result: undefined })
