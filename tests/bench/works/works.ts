/** All works, in the order in which they run. */
import { batch, nested, page, read } from './reads.ts'
import type { Work } from './work.ts'
import { insert, insertMany, stream } from './writes-and-streams.ts'

export const works: readonly Work[] = [read, nested, page, insert, batch, insertMany, stream]
