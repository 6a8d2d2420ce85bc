/** What a spreadsheet would run: texts that it takes for formulas when it opens a file of them. */
import type { Buffer } from 'node:buffer'

/** What decides is among the first characters; what has more blanks than this before it is taken for a formula. */
const headBytes = 256
/** Signs, digits and point of the longest `numeric` that there is. */
const longestNumber = 147_457
const number = /^[+-](\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$|^-Infinity$/i
/** Blanks, what is not seen, and quotes: programs that read CSV leave some of it out, each another. */
const unseen = /^[\s\p{Z}\p{C}"]+/u
/** Also as East Asian keyboards write them, and the sign of minus; spreadsheets of some languages read these for the plain ones. */
const formula = /^[=+\-@\uFF1D\uFF0B\uFF0D\uFF20\uFE66\uFE62\uFE63\uFE6B\u2212]/

/** 1 where a first byte does not decide that there is none: signs, blanks, quotes, and all that is not ASCII. */
const suspicious = new Uint8Array(256)
suspicious.fill(1, 0, 0x21)
suspicious.fill(1, 0x7f)
for (const char of '"=+-@') suspicious[char.charCodeAt(0)] = 1

/**
 * Whether a text is a formula to some spreadsheet: `=`, `+`, `-` or `@` comes first, behind blanks and quotes too, or a tab or a line break. What
 * is a number as a whole is none, whatever column it comes from.
 */
export function isFormula(buffer: Buffer, start: number, end: number): boolean {
  const first = buffer[start] as number
  if (start === end || suspicious[first] === 0) return false
  if (first === 0x09 || first === 0x0a || first === 0x0d) return true
  if (isSign(first)) return !isNumber(buffer, start, end)
  const head = buffer.toString('utf8', start, Math.min(end, start + headBytes)).replace(unseen, '')
  // What is left may be one character that is cut in two.
  if (head.length < 2 && end - start > headBytes) return true
  return formula.test(head) && (end - start > headBytes || !number.test(head))
}

function isSign(code: number): boolean {
  return code === 0x2b || code === 0x2d
}

function isNumber(buffer: Buffer, start: number, end: number): boolean {
  return end - start <= longestNumber && number.test(buffer.toString('latin1', start, end))
}
