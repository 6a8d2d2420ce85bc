/**
 * Patterns of PostgreSQL as regular expressions of JavaScript, where the two mean the same.
 *
 * Owns the subset: literals, classes of listed characters, anchors, groups, alternatives and quantifiers. Classes by name, word and space
 * escapes (which follow the database's locale), back references and look-around are not in it.
 * @see https://www.postgresql.org/docs/18/functions-matching.html#POSIX-SYNTAX-DETAILS
 */

/** A LIKE pattern as the source of a regular expression, with its slashes. */
export function toLikePattern(pattern: string): string | undefined {
  const parts = ['']
  const characters = [...pattern]
  for (let i = 0; i < characters.length; i++) {
    let character = characters[i] as string
    if (character === '%') parts.push('')
    else {
      if (character === '\\') {
        const next = characters[++i]
        if (next === undefined) return undefined
        character = literal(next)
      } else character = character === '_' ? '.' : literal(character)
      parts[parts.length - 1] += character
    }
  }
  const [first, ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return `/^${first}$/su`
  // Each part is taken where it comes first, and never given up again: the time grows with the length alone.
  const middle = rest.filter((part) => part !== '').map((part, i) => `(?=(.*?${part}))\\${i + 1}`)
  return `/^${first}${middle.join('')}.*${last}$/su`
}

/**
 * An advanced regular expression as the source of one of JavaScript, with its slashes.
 *
 * @returns undefined when it holds anything outside the subset
 */
export function toJavaScriptPattern(pattern: string, ignoreCase: boolean): string | undefined {
  // Directors (***=) and embedded options ((?i)) change what follows.
  if (pattern.startsWith('***')) return undefined
  const reader = new PatternReader([...pattern], ignoreCase)
  const source = reader.read()
  // An empty pattern would be a comment.
  return source === undefined ? undefined : `/${source || '(?:)'}/su`
}

/** A set of characters, or a group. */
interface Atom {
  readonly source: string
  readonly inner: Group | undefined
  /** How often it can be there is not one number. */
  readonly varies?: boolean
}

/**
 * What stands between two parentheses.
 *
 * PostgreSQL matches in linear time. JavaScript tries every way in which a repeated group can be split over a text, so a group is repeated
 * only where there is one way: a character that nothing else in it matches leads or ends each turn.
 */
class Group {
  readonly #atoms: Atom[] = []
  #marks = false
  source = ''
  #last = ''

  add(atom: Atom): void {
    this.#atoms.push(atom)
    this.source += atom.source
    this.#last = atom.source
  }

  /** An anchor, or the bar of an alternative. */
  mark(character: string): void {
    this.#marks = true
    this.source += character
  }

  /** @returns false when the last atom must not be repeated */
  quantify(quantifier: string): boolean {
    const atom = this.#atoms.pop()
    if (atom === undefined) return false
    const [, least = '', comma = '', most = ''] = /^\{(\d+)(,?)(\d*)\}$/.exec(quantifier) ?? []
    const repeats = quantifier === '?' ? false : least === '' || comma !== '' || Number(least) > 1
    if (repeats && atom.inner?.isAmbiguous === true) return false
    const varies = least === '' || (comma !== '' && most !== least)
    this.#atoms.push({ ...atom, varies: varies || atom.varies === true })
    this.source += quantifier
    return this.#last === atom.source
  }

  /** Whether its turns could be split over a text in more than one way. */
  get isAmbiguous(): boolean {
    if (this.#marks || this.#atoms.some(({ inner }) => inner !== undefined)) return true
    const varying = this.#atoms.filter(({ varies }) => varies === true)
    if (varying.length === 0) return false
    const apart = varying.every((a, i) => varying.slice(i + 1).every((b) => areDisjoint(a.source, b.source)))
    const delimits = (atom: Atom | undefined) =>
      atom !== undefined && atom.varies !== true && varying.every(({ source }) => areDisjoint(atom.source, source))
    return !apart || !(delimits(this.#atoms[0]) || delimits(this.#atoms.at(-1)))
  }
}

/** Whether no character is matched by both of two sets. Beyond ASCII one sample stands for all where neither names any. */
function areDisjoint(a: string, b: string): boolean {
  const [left, right] = [new RegExp(`^${a}$`, 'su'), new RegExp(`^${b}$`, 'su')]
  const names = (source: string) => /[^\0-\x7f]|\\u\{/.test(source)
  for (let code = 0; code < 128; code++) {
    const character = String.fromCharCode(code)
    if (left.test(character) && right.test(character)) return false
  }
  const beyond = (pattern: RegExp, source: string) => names(source) || pattern.test('\u4e00')
  return !(beyond(left, a) && beyond(right, b))
}

class PatternReader {
  readonly #characters: readonly string[]
  readonly #ignoreCase: boolean
  #at = 0

  constructor(characters: readonly string[], ignoreCase: boolean) {
    this.#characters = characters
    this.#ignoreCase = ignoreCase
  }

  read(): string | undefined {
    let group = new Group()
    const outer: Group[] = []
    // Whether a quantifier may come: after an atom, and not after another quantifier.
    let quantifiable = false
    while (this.#at < this.#characters.length) {
      const character = this.#next()
      if (character === '(') {
        if (this.#peek() === '?') {
          this.#at++
          if (this.#next() !== ':') return undefined
        }
        outer.push(group)
        group = new Group()
        quantifiable = false
      } else if (character === ')') {
        const around = outer.pop()
        if (around === undefined) return undefined
        around.add({ source: `(?:${group.source})`, inner: group })
        group = around
        quantifiable = true
      } else if (character === '|' || character === '^' || character === '$') {
        group.mark(character)
        quantifiable = false
      } else if (character === '*' || character === '+' || character === '?' || character === '{') {
        const quantifier = character === '{' ? this.#bound() : character
        if (quantifier === undefined || !quantifiable || !group.quantify(quantifier)) return undefined
        // Whether it is greedy does not change whether it matches.
        if (this.#peek() === '?') this.#at++
        quantifiable = false
      } else {
        const atom = character === '[' ? this.#class() : character === '\\' ? this.#escape() : this.#single(character)
        if (atom === undefined) return undefined
        group.add({ source: atom, inner: undefined })
        quantifiable = true
      }
    }
    return outer.length === 0 ? group.source : undefined
  }

  #peek(): string | undefined {
    return this.#characters[this.#at]
  }

  #next(): string | undefined {
    return this.#characters[this.#at++]
  }

  #bound(): string | undefined {
    let text = ''
    for (let character = this.#next(); character !== '}'; character = this.#next()) {
      if (character === undefined) return undefined
      text += character
    }
    const [, least, comma, most] = /^(\d{1,3})(,?)(\d{0,3})$/.exec(text) ?? []
    if (least === undefined || Number(least) > 255 || Number(most) > 255) return undefined
    if (comma === '' && most !== '') return undefined
    if (most !== '' && comma !== '' && Number(most) < Number(least)) return undefined
    return `{${text}}`
  }

  #single(character: string | undefined): string | undefined {
    if (character === undefined) return undefined
    if (character === '.') return '.'
    return this.#cased(character)
  }

  /** Both cases of an ASCII letter; other letters fold by the database's locale. */
  #cased(character: string): string | undefined {
    if (!this.#ignoreCase) return literal(character)
    if (/[a-z]/i.test(character)) return `[${character.toLowerCase()}${character.toUpperCase()}]`
    return character < '\u0080' ? literal(character) : undefined
  }

  #escape(): string | undefined {
    const character = this.#next()
    if (character === 'd') return '[0-9]'
    if (character === undefined || /[A-Za-z0-9]/.test(character)) return undefined
    return literal(character)
  }

  #class(): string | undefined {
    let source = '['
    if (this.#peek() === '^') {
      this.#at++
      source += '^'
    }
    for (let first = true; ; first = false) {
      const character = this.#next()
      if (character === undefined) return undefined
      if (character === ']' && !first) return `${source}]`
      if (character === '[' && /[.:=]/.test(this.#peek() ?? '')) return undefined
      if (character === '\\' && this.#peek() === 'd') {
        this.#at++
        source += '0-9'
        continue
      }
      const from = character === '\\' ? this.#classEscape() : character
      if (from === undefined) return undefined
      if (this.#peek() !== '-' || this.#characters[this.#at + 1] === ']') {
        const item = this.#inClass(from, from)
        if (item === undefined) return undefined
        source += item
        continue
      }
      this.#at++
      const end = this.#next()
      const to = end === '\\' ? this.#classEscape() : end === '[' ? undefined : end
      const item = to === undefined || from > to ? undefined : this.#inClass(from, to)
      if (item === undefined) return undefined
      source += item
    }
  }

  #classEscape(): string | undefined {
    const character = this.#next()
    return character === undefined || /[A-Za-z0-9]/.test(character) ? undefined : character
  }

  #inClass(from: string, to: string): string | undefined {
    const range = (a: string, b: string) => (a === b ? classLiteral(a) : `${classLiteral(a)}-${classLiteral(b)}`)
    if (!this.#ignoreCase) return range(from, to)
    const isAscii = to < '\u0080'
    const inOneCase = /^([a-z][a-z]|[A-Z][A-Z])$/.test(from + to)
    if (inOneCase) return range(from.toLowerCase(), to.toLowerCase()) + range(from.toUpperCase(), to.toUpperCase())
    // A range over both letters and other characters would need folding letter by letter.
    return isAscii && (from === to || /^[0-9][0-9]$/.test(from + to)) ? range(from, to) : undefined
  }
}

function literal(character: string): string {
  if (/[\\^$.*+?()[\]{}|/]/.test(character)) return `\\${character}`
  return printable(character)
}

function classLiteral(character: string): string {
  return /[\\\]^[-]/.test(character) ? `\\${character}` : printable(character)
}

/** A line break or an invisible character would end or hide in the source. */
function printable(character: string): string {
  return /[\p{L}\p{N}\p{P}\p{S} ]/u.test(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
