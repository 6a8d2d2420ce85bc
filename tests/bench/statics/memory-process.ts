/** The process of memory.ts: opens a contestant, reads, and prints what it holds. */
import type { Contestant, Place } from '../contestants/contestant.ts'
import { runTurn } from '../lanes/turn.ts'
import { read } from '../works/reads.ts'

const [url = '', key = '', place = '{}', reads = '0'] = process.argv.slice(2)
const { contestants }: { readonly contestants: readonly Contestant[] } = await import(url)
const contestant = contestants.find((candidate) => candidate.key === key)
if (contestant === undefined) throw new Error(`There is no contestant ${key}.`)
const open = await contestant.open(JSON.parse(place) as Place)
const load = { work: read, inFlight: 64, missEvery: 0, requests: Number(reads), turnSeconds: 0 }
const { wrongAnswers } = await runTurn(open, contestant.underRls, load)
if (wrongAnswers > 0) throw new Error(`${key}: ${wrongAnswers} wrong answers.`)
const { rss } = process.memoryUsage()
globalThis.gc?.()
const { heapUsed } = process.memoryUsage()
await open.close()
process.stdout.write(`${JSON.stringify({ rssMiB: rss / 2 ** 20, heapMiB: heapUsed / 2 ** 20 })}\n`)
process.exit(0)
