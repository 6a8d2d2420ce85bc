/**
 * Reads one SQL module file: its header, its placeholders, the objects it makes, and what it must not hold.
 * It does not touch the disk and knows nothing of how modules depend on each other; build-sql.ts does.
 */

/** What a file of sql/modules says of itself. */
export interface ModuleFile {
  readonly kind: string
  readonly requires: readonly string[]
  readonly privilege: string
  readonly oldestPostgres: number
  readonly transactional: boolean
  readonly placeholders: readonly Placeholder[]
  readonly creates: readonly CreatedObject[]
  readonly down: string | undefined
}

/** A placeholder in psql's notation. */
export type Placeholder = ':"schema"' | ':id_type'

/** An object that a file makes. `schema` may be the placeholder. */
export interface CreatedObject {
  readonly kind: 'table' | 'index' | 'function'
  readonly schema: string
  readonly name: string
}

const headerKeys = [
  'purpose',
  'parameters',
  'privilege',
  'oldest postgresql',
  'source',
  'requires',
  'transactional',
  'kind',
  'down',
] as const

const kinds = ['core', 'demo', 'opt-in']
const placeholders: readonly Placeholder[] = [':"schema"', ':id_type']

/**
 * Reads a module file.
 *
 * @param path only for the messages
 * @param text the file with LF line ends
 * @throws {Error} naming the path and what is wrong
 */
export function readModuleFile(path: string, text: string): ModuleFile {
  const fail = (problem: string): never => {
    throw new Error(`${path}: ${problem}`)
  }
  const header = readHeader(text, fail)
  const kind = header.kind
  if (!kinds.includes(kind)) fail(`"kind" is one of ${kinds.join(', ')}`)
  if (!['yes', 'no'].includes(header.transactional)) fail('"transactional" is yes or no')
  if (!/^\d+$/.test(header['oldest postgresql'])) fail('"oldest postgresql" is a major version, such as 15')
  if (!/^https:\/\/\S+$/.test(header.source)) fail('"source" is one https link')

  const { code, quoted } = separateQuoted(text, fail)
  const down = header.down.startsWith('none') ? undefined : header.down
  checkPlaceholders(code, quoted, header.parameters, fail)
  if (down !== undefined) checkPlaceholders(separateQuoted(down, fail).code, '', header.parameters, fail)
  checkStatements(code, header.transactional === 'yes', fail)

  return {
    kind,
    requires: header.requires === 'none' ? [] : header.requires.split(',').map((name) => name.trim()),
    privilege: header.privilege,
    oldestPostgres: Number(header['oldest postgresql']),
    transactional: header.transactional === 'yes',
    placeholders: placeholders.filter((placeholder) => code.includes(placeholder)),
    creates: createdObjects(`${code}\n${quoted}`),
    down,
  }
}

type Header = Readonly<Record<(typeof headerKeys)[number], string>>

// A key starts a line as `-- key: `; lines indented further continue it. "down" keeps its lines, the rest is one text.
function readHeader(text: string, fail: (problem: string) => never): Header {
  const values: Record<string, string> = {}
  let key: string | undefined
  for (const line of text.split('\n')) {
    if (!line.startsWith('--')) break
    const start = /^-- ([a-z ]+):(?: (.*))?$/.exec(line)
    const name = headerKeys.find((known) => known === start?.[1])
    if (name !== undefined) {
      if (values[name] !== undefined) fail(`"${name}" stands twice in the header`)
      key = name
      values[name] = start?.[2] ?? ''
    } else if (key !== undefined) {
      const more = line.replace(/^-- {0,3}/, '')
      values[key] = key === 'down' ? `${values[key]}\n${more}`.trimStart() : `${values[key]} ${more.trim()}`
    }
  }
  for (const name of headerKeys) {
    if (!values[name]) fail(`the header has no "${name}"`)
  }
  // Every key was just seen to be there.
  return values as Header
}

/**
 * Splits SQL into what the server reads as code and what stands in quotes, comments gone, each at its place.
 * A quoted identifier is code, so that `:"schema"` is seen there.
 */
function separateQuoted(
  text: string,
  fail: (problem: string) => never,
): { readonly code: string; readonly quoted: string } {
  let code = ''
  let quoted = ''
  let rest = text
  while (rest !== '') {
    const piece =
      /^(?:--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$)[\s\S]*?\1|[^-/'"$]+|[\s\S])/.exec(
        rest,
      )?.[0]
    if (piece === undefined || piece === "'" || piece === '"') return fail('a quote is never closed')
    const blank = piece.replace(/[^\n]/g, ' ')
    const isComment = piece.startsWith('--') || piece.startsWith('/*')
    const isQuoted = piece.startsWith("'") || /^\$\w*\$/.test(piece)
    code += isComment || isQuoted ? blank : piece
    quoted += isQuoted ? piece : blank
    rest = rest.slice(piece.length)
  }
  return { code, quoted }
}

// psql does not fill placeholders inside quotes, and a value from outside must never be put into a string.
function checkPlaceholders(code: string, quoted: string, parameters: string, fail: (problem: string) => never): void {
  for (const found of code.match(/(?<!:):(?:"[^"]*"|'[^']*'|[a-z_]\w*)/gi) ?? []) {
    if (!placeholders.some((placeholder) => placeholder === found)) fail(`unknown placeholder ${found}`)
    if (!parameters.includes(found)) fail(`"parameters" does not explain ${found}`)
  }
  for (const placeholder of placeholders) {
    if (quoted.includes(placeholder))
      fail(`${placeholder} stands in a string or a $$ body, where psql does not fill it`)
  }
}

// What the migration tools that these files are exported to would take as theirs, or what would break the transaction.
function checkStatements(code: string, transactional: boolean, fail: (problem: string) => never): void {
  if (/^\s*\\/m.test(code)) fail('psql commands are not SQL')
  if (code.includes('${')) fail('some migration tools read "${" as their own')
  if (/\bcopy\b[\s\S]*?\bfrom\s+stdin\b/i.test(code)) fail('COPY FROM STDIN cannot be sent as one script')
  for (const statement of code.split(';')) {
    const words = statement.trim().toLowerCase()
    if (/^(begin|start|commit|end|rollback|savepoint)\b/.test(words))
      fail('the transaction belongs to whoever runs the file')
    if (
      transactional &&
      /^(create\s+(unique\s+)?index|drop\s+index|reindex)\b.*\bconcurrently\b|^vacuum\b/s.test(words)
    ) {
      fail('this statement cannot run in a transaction: say "transactional: no"')
    }
  }
}

const qualified = String.raw`(:"schema"|[a-z_]+)\.([a-z_]\w*)`

// By pattern and not by a parser: the files are ours, lower case and always qualified.
function createdObjects(text: string): readonly CreatedObject[] {
  const objects: CreatedObject[] = []
  for (const [, kind = '', schema = '', name = ''] of text.matchAll(
    new RegExp(String.raw`\bcreate (table|function) ${qualified}`, 'g'),
  )) {
    objects.push({ kind: kind === 'table' ? 'table' : 'function', schema, name })
  }
  for (const [, name = '', schema = ''] of text.matchAll(
    new RegExp(String.raw`\bcreate (?:unique )?index (\w+) on ${qualified}`, 'g'),
  )) {
    objects.push({ kind: 'index', schema, name })
  }
  return objects
}
