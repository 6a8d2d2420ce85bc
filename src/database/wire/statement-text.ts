/**
 * Reads the beginning of a SQL text: comments, opening parentheses, then the keywords that decide how it may be sent.
 *
 * Owns what the text alone tells. It refuses to parse SQL: everything past the first words is the server's business.
 */

/** Statements that can neither end nor replace the transaction they run in, so that one implicit transaction can hold them. */
const selfContained = new Set(['select', 'values', 'table', 'with', 'insert', 'update', 'delete', 'merge'])

/** How a text may be sent in a session. */
export type StatementForm =
  /** One implicit transaction: context step, statement, one Sync. */
  | 'self-contained'
  /** BEGIN, context, statement, a look at the tag, then COMMIT. */
  | 'framed'
  /** SAVEPOINT, RELEASE, ROLLBACK TO, SET LOCAL, SET CONSTRAINTS: only inside an open transaction. */
  | 'inside-transaction'
  /** Would end the transaction, change who is running it, or leave something behind on the connection. */
  | 'refused'

/** What the first words of a text say. */
export interface StatementShape {
  readonly form: StatementForm
  /** First keyword in lower case; '' for an empty text. */
  readonly keyword: string
}

/** The parameters that say who a session is: no statement may touch them, not even for its own transaction. */
const identityPrefixes = [
  'role',
  'session_authorization',
  'session',
  'request.',
  'tenon.',
  'transaction',
  'row_security',
]

const transactionControl = new Set([
  'begin',
  'start',
  'commit',
  'end',
  'abort',
  'prepare',
  'discard',
  'reset',
  'deallocate',
  'execute',
])
const connectionState = new Set([
  'listen',
  'unlisten',
  'declare',
  'close',
  'fetch',
  'move',
  'load',
  'copy',
  'checkpoint',
])

/** Reads how `text` may be sent. `isManaged` tells the settings that the session itself keeps. */
export function readStatementShape(
  text: string,
  isManaged: (setting: string) => boolean = () => false,
): StatementShape {
  const words = new Words(text)
  const keyword = words.next()
  if (selfContained.has(keyword)) return { form: 'self-contained', keyword }
  if (transactionControl.has(keyword) || connectionState.has(keyword)) return { form: 'refused', keyword }
  switch (keyword) {
    case 'savepoint':
    case 'release':
      return { form: 'inside-transaction', keyword }
    case 'rollback': {
      const second = words.next()
      const target = second === 'work' || second === 'transaction' ? words.next() : second
      return { form: target === 'to' ? 'inside-transaction' : 'refused', keyword }
    }
    case 'set':
      return { form: setForm(words, isManaged), keyword }
    default:
      return { form: 'framed', keyword }
  }
}

function setForm(words: Words, isManaged: (setting: string) => boolean): StatementForm {
  const second = words.next()
  if (second === 'constraints') return 'inside-transaction'
  if (second !== 'local') return 'refused'
  const name = words.next()
  // A quoted or otherwise unreadable name could spell any of them.
  if (name === '' || identityPrefixes.some((prefix) => name.startsWith(prefix)) || isManaged(name)) return 'refused'
  return 'inside-transaction'
}

/** Yields words in lower case, passing over white space, comments (nested ones too) and opening parentheses before the first. */
class Words {
  readonly #text: string
  #at = 0
  #first = true

  constructor(text: string) {
    this.#text = text
  }

  /** The next word, or '' when what stands there is not a plain word. */
  next(): string {
    this.#skip()
    this.#first = false
    const from = this.#at
    while (this.#at < this.#text.length && isWordCharacter(this.#text.charCodeAt(this.#at))) this.#at++
    return this.#text.slice(from, this.#at).toLowerCase()
  }

  #skip(): void {
    const text = this.#text
    while (this.#at < text.length) {
      const char = text.charCodeAt(this.#at)
      if (char === 0x20 || (char >= 0x09 && char <= 0x0d)) this.#at++
      else if (char === 0x28 && this.#first) this.#at++
      else if (char === 0x2d && text.charCodeAt(this.#at + 1) === 0x2d) this.#skipLine()
      else if (char === 0x2f && text.charCodeAt(this.#at + 1) === 0x2a) this.#skipBlock()
      else return
    }
  }

  #skipLine(): void {
    // The server ends a line comment at CR as well as at LF.
    while (this.#at < this.#text.length) {
      const char = this.#text.charCodeAt(this.#at)
      if (char === 0x0a || char === 0x0d) return
      this.#at++
    }
  }

  #skipBlock(): void {
    let depth = 0
    while (this.#at < this.#text.length) {
      if (this.#text.startsWith('/*', this.#at)) {
        depth++
        this.#at += 2
      } else if (this.#text.startsWith('*/', this.#at)) {
        depth--
        this.#at += 2
        if (depth === 0) return
      } else this.#at++
    }
  }
}

/** Letters, digits, `_`, `$`, `.` and anything beyond ASCII: what an unquoted, possibly qualified name is made of. */
function isWordCharacter(char: number): boolean {
  return (
    (char >= 0x61 && char <= 0x7a) ||
    (char >= 0x41 && char <= 0x5a) ||
    (char >= 0x30 && char <= 0x39) ||
    char === 0x5f ||
    char === 0x24 ||
    char === 0x2e ||
    char >= 0x80
  )
}
