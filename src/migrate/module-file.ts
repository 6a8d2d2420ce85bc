/**
 * Reads one migration file: its header, its placeholders, the objects it makes, and what it must not hold.
 *
 * Owns the format that sql/README.md describes, for the library's modules and the host's. It does not touch the disk and knows nothing of
 * how modules depend on each other.
 */
import { createHash } from 'node:crypto'
import type { SqlFile, SqlObject, SqlPlaceholder } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'

/** What a file says of itself, and what can be read off its SQL. */
export interface ModuleFile extends SqlFile {
  /** core, feature, demo or opt-in; host for a file of the application. */
  readonly kind: string
  readonly requires: readonly string[]
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

type Header = Partial<Record<(typeof headerKeys)[number], string>>

/** Kinds of the library's own modules. */
const kinds = ['core', 'feature', 'demo', 'opt-in']
const placeholders: readonly SqlPlaceholder[] = [':"schema"', ':id_type']

/** How strictly {@link readModuleFile} reads. */
export type ModuleFileOrigin = 'library' | 'host'

/**
 * Reads a migration file.
 *
 * @param path - ends in `NNNN_slug.sql`; four digits in the library, four or more (such as a timestamp) in a host
 * @param text - the file as it is on disk; CRLF counts as LF
 * @param origin - a file of the library must have every key of the header; in a host's all of them are optional
 * @throws {TenonError} MIGRATION_SOURCE with the path and what is wrong with it
 */
export function readModuleFile(path: string, text: string, origin: ModuleFileOrigin): ModuleFile {
  const fail: Fail = (problem, hint) => {
    throw new TenonError({ code: 'MIGRATION_SOURCE', message: `${path}: ${problem}`, hint })
  }
  const name = path.slice(path.lastIndexOf('/') + 1)
  const [, version = '', slug = ''] =
    (origin === 'library' ? /^(\d{4})_([a-z][a-z0-9_]*)\.sql$/ : /^(\d{4,17})_(\w[\w-]*)\.sql$/).exec(name) ?? []
  if (version === '') fail('a migration file is named NNNN_slug.sql', 'Rename it, such as 0001_create_orders.sql.')
  if (text.startsWith('\uFEFF')) fail('the file begins with a byte order mark', 'Save it as UTF-8 without BOM.')
  if (text.includes('\0')) fail('the file holds a NUL character', 'Save it as UTF-8.')
  // A checkout with CRLF must not change a hash.
  const sql = text.replaceAll('\r\n', '\n')

  const header = readHeader(sql, fail)
  if (origin === 'library') checkLibraryHeader(header, fail)
  const transactional = header.transactional ?? 'yes'
  if (!['yes', 'no'].includes(transactional)) fail('"transactional" is yes or no')
  const oldest = header['oldest postgresql'] ?? '15'
  if (!/^\d+$/.test(oldest)) fail('"oldest postgresql" is a major version, such as 15')
  const parameters = origin === 'library' ? header.parameters : undefined

  const { code, quoted } = separateQuoted(sql, fail)
  checkMarkers(sql, quoted, fail)
  if (header.down === '')
    fail(
      '"down" is empty',
      'Write its SQL as comment lines indented by two more spaces, or "-- down: none (the reason)".',
    )
  const down = header.down === undefined || /^none\b/.test(header.down) ? undefined : header.down
  checkPlaceholders(code, quoted, parameters, fail)
  if (down !== undefined) checkPlaceholders(separateQuoted(down, fail).code, '', parameters, fail)
  checkStatements(code, transactional === 'yes', fail)
  if (origin === 'library' && code.includes('${')) fail('some migration tools read "${" as their own')

  return {
    version,
    slug,
    path,
    kind: origin === 'library' ? (header.kind as string) : 'host',
    requires: header.requires === undefined || header.requires === 'none' ? [] : header.requires.split(/,\s*/),
    privilege: header.privilege ?? 'the rights of the statements in it',
    oldestPostgres: Number(oldest),
    transactional: transactional === 'yes',
    placeholders: placeholders.filter((placeholder) => code.includes(placeholder)),
    creates: createdObjects(`${code}\n${quoted}`),
    sha256: createHash('sha256').update(sql).digest('hex'),
    sql,
    down,
  }
}

type Fail = (problem: string, hint?: string) => never

function checkLibraryHeader(header: Header, fail: Fail): void {
  for (const name of headerKeys) if (!header[name]) fail(`the header has no "${name}"`)
  if (!kinds.includes(header.kind ?? '')) fail(`"kind" is one of ${kinds.join(', ')}`)
  if (!/^https:\/\/\S+$/.test(header.source ?? '')) fail('"source" is one https link')
}

// A key starts a line as `-- key: `; lines indented further continue it. "down" keeps its lines, the rest is one text.
function readHeader(text: string, fail: Fail): Header {
  const values: Header = {}
  let key: (typeof headerKeys)[number] | undefined
  for (const line of text.split('\n')) {
    if (!line.startsWith('--')) break
    const start = /^-- ([a-z ]+):(?: (.*))?$/.exec(line)
    const name = headerKeys.find((known) => known === start?.[1])
    if (name !== undefined) {
      if (values[name] !== undefined) fail(`"${name}" stands twice in the header`)
      key = name
      values[name] = start?.[2] ?? ''
    } else if (key !== undefined && !/^-- ? *$/.test(line)) {
      if (!/^-- {2}/.test(line)) {
        // Prose after the keys is nobody's continuation.
        key = undefined
        continue
      }
      const more = line.replace(/^-- {0,3}/, '')
      values[key] = key === 'down' ? `${values[key]}\n${more}`.trimStart() : `${values[key]} ${more.trim()}`
    }
  }
  return values
}

/**
 * Splits SQL into what the server reads as code and what stands in quotes, comments gone, each at its place.
 * A quoted identifier is code, so that `:"schema"` is seen there.
 */
function separateQuoted(text: string, fail: Fail): { readonly code: string; readonly quoted: string } {
  let code = ''
  let quoted = ''
  const pieces =
    /--[^\n]*|\/\*[\s\S]*?\*\/|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[a-z_]\w*)?\$)[\s\S]*?\1|[^-/'"$eE]+|[\s\S]/giy
  for (const [piece] of text.matchAll(pieces)) {
    if (piece === "'" || piece === '"') return fail('a quote is never closed')
    const blank = piece.replace(/[^\n]/g, ' ')
    const isComment = piece.startsWith('--') || piece.startsWith('/*')
    const isQuoted = piece.endsWith("'") || (piece.length > 1 && piece.startsWith('$'))
    code += isComment || isQuoted ? blank : piece
    quoted += isQuoted ? piece : blank
  }
  return { code, quoted }
}

/** Returns the code of SQL: strings, dollar quotes and comments blanked, everything at its place. */
export function codeOf(sql: string): string {
  return separateQuoted(sql, () => {
    throw new Error('the text was read before')
  }).code
}

/**
 * Returns SQL that ends with a semicolon, so that a statement can follow it. A file may leave the last one out.
 *
 * @param sql - a text that {@link readModuleFile} has taken
 */
export function terminated(sql: string): string {
  const { code, quoted } = separateQuoted(sql, () => {
    throw new Error('the text was read before')
  })
  const end = Math.max(code.trimEnd().length, quoted.trimEnd().length)
  // On a line of its own: the text may end with a comment.
  return code[end - 1] === ';' ? sql : `${sql.trimEnd()}\n;\n`
}

// Other tools keep the way back below a comment in the same file. Here it would run with the way there, and drop what was just made.
function checkMarkers(sql: string, quoted: string, fail: Fail): void {
  const headerEnd = /^(?:--[^\n]*\n)*/.exec(sql)?.[0].length ?? 0
  const markers =
    /^[ \t]*--[ \t]*(?:down:.*|(?:\/\/)?(?:migrate:[ \t]*down|\+\w+ down|@?undo|(?:down|rollback)(?: migration)?)\b[^\n\w]*)$/gim
  for (const { 0: line, index } of sql.matchAll(markers)) {
    if (quoted.slice(index, index + line.length).trim() !== '') continue
    if (index < headerEnd && line.startsWith('-- down:')) continue
    fail(
      `line ${sql.slice(0, index).split('\n').length} reads as if the way back followed, but what follows would run with the rest`,
      'The way back stands in the header, at the top of the file: "-- down:", and its SQL below it as comment lines indented by two more spaces.',
    )
  }
}

// psql does not fill placeholders inside quotes, and a value from outside must never be put into a string.
function checkPlaceholders(code: string, quoted: string, parameters: string | undefined, fail: Fail): void {
  if (parameters !== undefined) {
    for (const found of code.match(/(?<!:):(?:"[^"]*"|'[^']*'|[a-z_]\w*)/gi) ?? []) {
      if (!placeholders.some((placeholder) => placeholder === found)) fail(`unknown placeholder ${found}`)
      if (!parameters.includes(found)) fail(`"parameters" does not explain ${found}`)
    }
  }
  for (const placeholder of placeholders) {
    if (quoted.includes(placeholder))
      fail(`${placeholder} stands in a string or a $$ body, where psql does not fill it`)
  }
}

const nonTransactional =
  /^(create\s+(unique\s+)?index|drop\s+index|reindex)\b.*\bconcurrently\b|^vacuum\b|^alter\s+system\b|^(create|drop)\s+(database|tablespace)\b|^alter\s+table\b.*\bdetach\s+partition\b.*\bconcurrently\b/s

// What would break the transaction, or cannot be sent as a script at all.
function checkStatements(code: string, transactional: boolean, fail: Fail): void {
  if (/^\s*\\/m.test(code)) fail('psql commands are not SQL')
  if (/\bcopy\b[\s\S]*?\bfrom\s+stdin\b/i.test(code)) fail('COPY FROM STDIN cannot be sent as one script')
  const statements = code.split(';').filter((statement) => statement.trim() !== '')
  for (const statement of statements) {
    const words = statement.trim().toLowerCase()
    // `begin atomic … end` of a function keeps its semicolons: they split here too, so `end` alone is not looked at.
    if (/^(begin(?!\s+atomic)|start\s+transaction|commit|rollback|savepoint|abort)\b/.test(words))
      fail('the transaction belongs to whoever runs the file')
    if (transactional && nonTransactional.test(words))
      fail(
        'this statement cannot run in a transaction: say "transactional: no"',
        'Put it into a file of its own with the header line "-- transactional: no".',
      )
  }
  if (!transactional && statements.length !== 1)
    fail(
      'a file that is not transactional holds exactly one statement',
      'Of several, some would stay done when one fails. Put each into a file of its own.',
    )
}

const qualified = String.raw`(?:(:"schema"|[a-z_]\w*)\.)?([a-z_]\w*)`

// By pattern and not by a parser: it serves refusals and their messages, and the server has the last word. An unqualified name of a
// host's file is in the schema that the run is for.
function createdObjects(text: string): readonly SqlObject[] {
  const objects: SqlObject[] = []
  for (const [, kind = '', schema = ':"schema"', name = ''] of text.matchAll(
    new RegExp(
      String.raw`\bcreate\s+(?:or\s+replace\s+)?(table|function)\s+(?:if\s+not\s+exists\s+)?${qualified}`,
      'gi',
    ),
  )) {
    objects.push({ kind: kind.toLowerCase() === 'table' ? 'table' : 'function', schema, name })
  }
  for (const [, name = '', schema = ':"schema"'] of text.matchAll(
    new RegExp(
      String.raw`\bcreate\s+(?:unique\s+)?index\s+(?:concurrently\s+)?(?:if\s+not\s+exists\s+)?(\w+)\s+on\s+(?:only\s+)?${qualified}`,
      'gi',
    ),
  )) {
    objects.push({ kind: 'index', schema, name })
  }
  return objects
}
