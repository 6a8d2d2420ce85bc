/** Reads PostgreSQL's text form of an array: `{1,2}`, `{"a b",NULL}`, `[0:1]={1,2}`, nested as deep as it is. */

/**
 * Reads an array.
 *
 * @param text - as the server sends it
 * @param element - makes a value of an element's text
 * @param delimiter - `,`, and `;` for box
 * @returns values, null for NULL, and arrays for further dimensions; lower bounds are not kept
 * @throws {SyntaxError} when it is no array
 * @see https://www.postgresql.org/docs/18/arrays.html#ARRAYS-IO
 */
export function readArray<T>(text: string, element: (text: string) => T, delimiter = ','): unknown[] {
  // Bounds other than from 1 stand before the array.
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0
  const fail = (): never => {
    throw new SyntaxError('the server sent what is no array')
  }
  const read = (): unknown[] => {
    const items: unknown[] = []
    at++
    if (text[at] === '}') {
      at++
      return items
    }
    for (;;) {
      const start = text[at]
      if (start === undefined) fail()
      if (start === '{') items.push(read())
      else if (start === '"') items.push(element(quoted()))
      else {
        const word = bare()
        items.push(word === 'NULL' ? null : element(word))
      }
      const end = text[at++]
      if (end === '}') return items
      if (end !== delimiter) fail()
    }
  }
  const quoted = (): string => {
    let value = ''
    at++
    for (;;) {
      const from = at
      while (at < text.length && text[at] !== '"' && text[at] !== '\\') at++
      value += text.slice(from, at)
      if (at >= text.length) fail()
      if (text[at++] === '"') return value
      value += text[at++] ?? ''
    }
  }
  const bare = (): string => {
    const from = at
    while (at < text.length && text[at] !== delimiter && text[at] !== '}') at++
    return text.slice(from, at)
  }
  if (text[at] !== '{') fail()
  const items = read()
  return at === text.length ? items : fail()
}
