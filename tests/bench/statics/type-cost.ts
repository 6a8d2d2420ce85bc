/** What the compiler does for a contestant's file: as `tsc --noEmit --extendedDiagnostics` counts it, without checking libraries. */
import { quantile } from '../quantile.ts'
import { runChild } from './child.ts'

/** Of one compilation. */
export interface TypeCost {
  readonly seconds: number
  readonly instantiations: number
}

/** Compiles a file in fresh processes; the time is their median. */
export async function measureTypeCost(url: URL, processes: number): Promise<TypeCost> {
  const costs: TypeCost[] = []
  for (let i = 0; i < processes; i += 1) costs.push((await runChild('./type-cost-process.ts', [url.href])) as TypeCost)
  return {
    seconds: quantile(
      costs.map(({ seconds }) => seconds),
      0.5,
    ),
    instantiations: costs[0]?.instantiations ?? 0,
  }
}
