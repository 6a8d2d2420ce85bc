/**
 * The document that a filter's equalities add up to: one `@>` for all of them, which a GIN index of either class serves.
 */
import type { JsonSteps } from './json-text.ts'

type Item = { readonly value: unknown }
/** An object to be, an array that has at least these items, or a value. Null prototype: `__proto__` is a key like any other. */
type Part = { [key: string]: Part } | readonly Item[] | Item

const isItem = (part: Part): part is Item => part instanceof Leaf

class Leaf {
  readonly value: unknown
  constructor(value: unknown) {
    this.value = value
  }
}

/** Gathers what a document must contain. */
export class Containment {
  #root: Part | undefined

  get isEmpty(): boolean {
    return this.#root === undefined
  }

  /**
   * Asks for a value at a path of keys, or for items of the array there.
   *
   * @returns false when something asked before stands in the way: then it takes a containment of its own
   */
  add(steps: JsonSteps, wanted: { readonly value: unknown } | { readonly items: readonly unknown[] }): boolean {
    const leaf = 'items' in wanted ? wanted.items.map((item) => new Leaf(item)) : new Leaf(wanted.value)
    const [last, ...outer] = [...steps].reverse()
    if (last === undefined) {
      if (this.#root === undefined) this.#root = leaf
      else if (Array.isArray(this.#root) && Array.isArray(leaf)) this.#root = [...this.#root, ...leaf]
      else return false
      return true
    }
    let at = this.#root ?? emptyObject()
    const root = at
    for (const step of outer.reverse()) {
      if (!isObject(at)) return false
      at = at[step] ??= emptyObject()
    }
    if (!isObject(at)) return false
    const there = at[last]
    if (there === undefined) at[last] = leaf
    else if (Array.isArray(there) && Array.isArray(leaf)) at[last] = [...there, ...leaf]
    else return false
    this.#root = root
    return true
  }

  /** The document, as a value. */
  toValue(): unknown {
    return this.#root === undefined ? {} : toValue(this.#root)
  }
}

function emptyObject(): { [key: string]: Part } {
  return Object.create(null)
}

function isObject(part: Part): part is { [key: string]: Part } {
  return !Array.isArray(part) && !isItem(part)
}

function toValue(part: Part): unknown {
  if (isItem(part)) return part.value
  if (Array.isArray(part)) return part.map(({ value }: Item) => value)
  const object = emptyObject()
  for (const [key, child] of Object.entries(part)) object[key] = toValue(child as Part) as Part
  return object
}
