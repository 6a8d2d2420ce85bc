/** How well a row fits a query: `ts_rank` and `ts_rank_cd`, with their options by name. */
import { TenonError } from '../kernel/errors.ts'
import { bound, call, type Sql } from '../kernel/expressions.ts'

/** What a rank is divided by; of several, by all of them. */
export type RankNormalization =
  /** 1 + the logarithm of the length. */
  | 'log length'
  | 'length'
  /** The mean distance between the words; `cover` alone knows it. */
  | 'distance'
  | 'unique words'
  /** 1 + the logarithm of the number of unique words. */
  | 'log unique words'
  /** Itself + 1, which puts every rank below 1. */
  | 'itself'

const bits: Readonly<Record<RankNormalization, number>> = {
  'log length': 1,
  length: 2,
  distance: 4,
  'unique words': 8,
  'log unique words': 16,
  itself: 32,
}

/** Options of a rank. */
export interface RankOptions {
  /** What a word of each weight counts, 0 to 1. Default 1, 0.4, 0.2, 0.1 for A, B, C, D. */
  readonly weights?: { readonly A?: number; readonly B?: number; readonly C?: number; readonly D?: number } | undefined
  readonly normalization?: readonly RankNormalization[] | undefined
  /** By how near to each other the words stand, `ts_rank_cd`; default by how often they occur, `ts_rank`. */
  readonly cover?: boolean | undefined
}

const defaults = { A: 1, B: 0.4, C: 0.2, D: 0.1 } as const

function refuse(what: string, hint: string): never {
  throw new TenonError({ code: 'OPTION_INVALID', message: `${what} of a rank`, hint })
}

/** @throws {TenonError} OPTION_INVALID */
export function weightsNode(given: RankOptions['weights'] = {}): Sql {
  const weights = { ...defaults, ...given }
  const list = [weights.D, weights.C, weights.B, weights.A]
  if (Object.keys(weights).length > 4 || !list.every((weight) => weight >= 0 && weight <= 1))
    refuse('weights are none', 'Pass numbers from 0 to 1 for A, B, C and D.')
  return bound(list, 'real[]')
}

/** @throws {TenonError} OPTION_INVALID */
export function normalizationNode(names: readonly RankNormalization[] = []): Sql {
  if (!Array.isArray(names) || !names.every((name) => Object.hasOwn(bits, name)))
    refuse('the normalization is none', `Pass a list of ${Object.keys(bits).join(', ')}.`)
  const sum = names.reduce<number>((bitsOfAll, name: RankNormalization) => bitsOfAll | bits[name], 0)
  return bound(sum, 'int4')
}

/** @throws {TenonError} OPTION_INVALID */
export function rankNode(words: Sql, query: Sql, { weights, normalization, cover }: RankOptions = {}): Sql {
  const parameters = [
    ...(weights === undefined ? [] : [weightsNode(weights)]),
    words,
    query,
    ...(normalization === undefined ? [] : [normalizationNode(normalization)]),
  ]
  return call(cover === true ? 'ts_rank_cd' : 'ts_rank', ...parameters)
}
