/**
 * The ways an answer can be spoiled, and what each of them may and must lead to.
 */
import type { Random } from './random.ts'
import { message, type Spoiled } from './scripted-server.ts'

/** One way. */
export interface Mutation {
  readonly name: string
  /** No server may answer so: the connection must not be used again. */
  readonly breaksProtocol: boolean
  /** What changed may be the inside of a row, which nobody can tell from another row. */
  readonly mayChangeValues: boolean
}

type Spoil = (
  messages: readonly Buffer[],
  random: Random,
) => Spoiled & { readonly breaksProtocol?: boolean; readonly mayChangeValues?: boolean }

const codeOf = (bytes: Buffer | undefined): string =>
  bytes === undefined ? '' : String.fromCharCode(bytes[0] as number)
const isRow = (bytes: Buffer | undefined): boolean => codeOf(bytes) === 'D'
const join = (messages: readonly Buffer[]): Buffer => Buffer.concat([...messages])
const withLength = (bytes: Buffer, length: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed.writeInt32BE(length, 1)
  return changed
}
const replaced = (messages: readonly Buffer[], at: number, ...by: readonly Buffer[]): Buffer =>
  join([...messages.slice(0, at), ...by, ...messages.slice(at + 1)])
const at = (messages: readonly Buffer[], place: number): Buffer => messages[place] ?? Buffer.alloc(0)

const spoils: Readonly<Record<string, Spoil>> = {
  'one bit flipped': (messages, random) => {
    const bytes = join(messages)
    const place = random.below(bytes.length)
    bytes[place] = (bytes[place] as number) ^ (1 << random.below(8))
    return { bytes, mayChangeValues: true }
  },
  'cut, then the end': (messages, random) => ({
    bytes: join(messages).subarray(0, random.below(join(messages).length)),
    end: random.chance(0.5) ? 'fin' : 'reset',
  }),
  'cut, then silence': (messages, random) => ({
    bytes: join(messages).subarray(0, random.below(join(messages).length)),
  }),
  'one message left out': (messages, random) => {
    const place = random.below(messages.length)
    return { bytes: replaced(messages, place), mayChangeValues: isRow(messages[place]), breaksProtocol: false }
  },
  'one message twice': (messages, random) => {
    const place = random.below(messages.length)
    const twice = at(messages, place)
    return {
      bytes: replaced(messages, place, twice, twice),
      breaksProtocol: !isRow(twice),
      mayChangeValues: isRow(twice),
    }
  },
  'two messages exchanged': (messages, random) => {
    const place = random.below(Math.max(1, messages.length - 1))
    const [one, other] = [at(messages, place), at(messages, place + 1)]
    const same = codeOf(one) === codeOf(other)
    return {
      bytes: join([...messages.slice(0, place), other, one, ...messages.slice(place + 2)]),
      breaksProtocol: !same && messages.length > 1,
      mayChangeValues: isRow(one) && isRow(other),
    }
  },
  'an impossible length': (messages, random) => {
    const place = random.below(messages.length)
    const length = random.pick([0x7fff_ffff, 0x4000_0001, 3, 0, -1, -0x8000_0000])
    return { bytes: replaced(messages, place, withLength(at(messages, place), length)), breaksProtocol: true }
  },
  'a length that promises more': (messages, random) => {
    const place = random.below(messages.length)
    const message = at(messages, place)
    return {
      bytes: replaced(
        messages,
        place,
        withLength(message, random.pick([message.length + random.below(64), 0x3fff_ffff, 100_000])),
      ),
      mayChangeValues: true,
    }
  },
  'a length one short': (messages, random) => {
    const place = random.below(messages.length)
    const message = at(messages, place)
    return {
      bytes: replaced(messages, place, withLength(message, Math.max(4, message.length - 2))),
      mayChangeValues: true,
    }
  },
  'an unknown message': (messages, random) => {
    const place = random.below(messages.length)
    const unknown = message(random.pick(['\0', '!', 'Y', 'q', '\xff']), Buffer.from('what'))
    return { bytes: replaced(messages, place, unknown, at(messages, place)), breaksProtocol: true }
  },
  'a message out of place': (messages, random) => {
    const place = random.below(messages.length)
    const stray = random.pick([
      message('R', Buffer.from([0, 0, 0, 3])),
      message('K', Buffer.alloc(8)),
      message('c'),
      message('d', Buffer.from('copied')),
      message('W', Buffer.from([0, 0, 0])),
      message('v', Buffer.alloc(8)),
    ])
    return { bytes: replaced(messages, place, stray, at(messages, place)), breaksProtocol: true }
  },
  'a notice in between': (messages, random) => {
    const place = random.below(messages.length)
    const notice = message('N', Buffer.from('SNOTICE\0VNOTICE\0C00000\0Mhello\0\0'))
    return { bytes: replaced(messages, place, notice, at(messages, place)) }
  },
  'ready twice': (messages) => ({
    bytes: join([...messages, at(messages, messages.length - 1)]),
    breaksProtocol: true,
  }),
  'ready too early': (messages) => ({
    bytes: join([at(messages, messages.length - 1), ...messages]),
    breaksProtocol: true,
  }),
  'an unknown status': (messages) => ({
    bytes: replaced(messages, messages.length - 1, message('Z', Buffer.from('?'))),
    breaksProtocol: true,
  }),
  'another status': (messages, random) => ({
    bytes: replaced(messages, messages.length - 1, message('Z', Buffer.from(random.pick(['I', 'T', 'E'])))),
  }),
  'nonsense before': (messages, random) => ({
    bytes: join([Buffer.from(Array.from({ length: 6 }, () => 0x80 + random.below(0x80))), ...messages]),
    breaksProtocol: true,
  }),
  'an answer of another': (messages) => ({ bytes: join([...messages, ...messages]), breaksProtocol: true }),
  nothing: () => ({ bytes: Buffer.alloc(0) }),
}

const names = Object.keys(spoils) as [string, ...string[]]

/** Spoils an answer in one of the ways. */
export function mutate(messages: readonly Buffer[], random: Random): Spoiled & { readonly mutation: Mutation } {
  const name = random.pick(names)
  // Sound: the name is one of the table's.
  const { bytes, end, breaksProtocol = false, mayChangeValues = false } = (spoils[name] as Spoil)(messages, random)
  return { bytes, ...(end && { end }), mutation: { name, breaksProtocol, mayChangeValues } }
}
