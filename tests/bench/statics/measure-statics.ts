/** What a library costs before it does anything, and while it waits: one measurement of each library, in processes of its own. */
import { fileURLToPath } from 'node:url'
import type { Place } from '../contestants/contestant.ts'
import type { Library } from '../contestants/load-contestants.ts'
import { type BundleSize, measureBundle } from './bundle-size.ts'
import { measureImportMs } from './import-time.ts'
import { type MemoryUse, measureMemory } from './memory.ts'
import { measureTypeCost, type TypeCost } from './type-cost.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Of one library; what could not be measured is a text that says why. */
export interface Statics {
  readonly key: string
  readonly label: string
  readonly importMs: number | string
  readonly bundle: BundleSize | string
  readonly memory: MemoryUse | string
  readonly types: TypeCost | string
}

/** How often, and how much. */
export interface StaticsOptions {
  readonly place: Place
  readonly quick: boolean
}

/** Contestants that stand for their library where it has several. */
const standsFor: Readonly<Record<string, string>> = { kysely: 'kysely-transaction' }

/** Measures one library. */
export async function measureStatics(library: Library, { place, quick }: StaticsOptions): Promise<Statics> {
  const { key, label, url } = library
  return {
    key,
    label,
    importMs: await orReason(() => measureImportMs(url, quick ? 1 : 7)),
    bundle: await orReason(() => measureBundle(url)),
    memory: await orReason(() => measureMemory(url, standsFor[key] ?? key, place, quick ? 640 : 20_000)),
    types: await orReason(() => measureTypeCost(url, quick ? 1 : 3)),
  }
}

async function orReason<T>(measure: () => Promise<T>): Promise<T | string> {
  try {
    return await measure()
  } catch (error) {
    // A report shows no paths of this machine.
    const message = (error instanceof Error ? error.message : String(error)).replaceAll(root, '')
    return message.split('\n').find((line) => line.includes('rror:')) ?? message.split('\n')[0] ?? 'unknown'
  }
}
