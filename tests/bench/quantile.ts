/**
 * Medians and quartiles of a handful of measurements: the one statistic the benchmarks use, because it shrugs off outliers.
 */

/** By linear interpolation between the two nearest. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const position = (sorted.length - 1) * fraction
  const below = sorted[Math.floor(position)] ?? Number.NaN
  const above = sorted[Math.ceil(position)] ?? Number.NaN
  return below + (above - below) * (position - Math.floor(position))
}
