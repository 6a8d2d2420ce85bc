/**
 * Writes src/generated from sql/: bundlers lose .sql files, so the package carries their texts as TypeScript.
 * `node codegen/build-sql.ts` writes, with `--check` it only compares and exits 1 on a difference.
 * The output depends on the files alone: no dates, no machine, sorted by name.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ModuleFile, readModuleFile } from '../src/migrate/module-file.ts'

/**
 * Reads sql/ and returns the files of src/generated.
 *
 * @param root the project's top folder
 * @returns file name to content
 * @throws {Error} naming the SQL file and what is wrong with it
 */
export function generate(root: string): ReadonlyMap<string, string> {
  const files = new Map([['modules.ts', modulesSource(root)]])
  for (const [folder, purpose] of textFolders) {
    if (existsSync(join(root, 'sql', folder))) files.set(`${folder}.ts`, textsSource(root, folder, purpose))
  }
  files.set('metadata-contract.ts', contractSource(root))
  return files
}

/** The types that generated code carries along are those of the kernel, in generated code's own notation. */
function contractSource(root: string): string {
  const path = 'src/kernel/metadata.ts'
  const text = readText(join(root, path))
  const from = text.indexOf('/** How a driver')
  const to = text.indexOf('/**\n * Refuses metadata')
  if (from < 0 || to < from) throw new Error(`${path}: the contract is not where it was`)
  const lines = text.slice(from, to).trimEnd().split('\n')
  const contract = lines.map((line) => {
    const bare = line.trim()
    const isStatement = bare !== '' && !/^[/*]/.test(bare) && !bare.endsWith('{') && line !== '}'
    const code = /^[/*]/.test(bare) ? line.replace(/\{@link (\w+)\}/g, '`$1`') : line.replaceAll("'", '"')
    return isStatement ? `${code};` : code
  })
  return `// The types that generated code carries along.
// Generated from ${path} by codegen/build-sql.ts: change it there, then run \`npm run generate\`.

/** From src/kernel/metadata.ts. */
export const metadataContract: string = ${template(contract.join('\n'))}
`
}

const textFolders = [
  ['checks', "The doctor's checks and what sessions ask the server: one query each."],
  ['describe', 'Queries that read what generated code has to know of a schema.'],
  ['foreign', 'What tenon/foreign asks the server, and the statements it has quoted there.'],
  ['introspect', 'Queries that read the catalog.'],
] as const

function modulesSource(root: string): string {
  const folder = join(root, 'sql', 'modules')
  const modules = new Map(namesIn(folder).map((name) => [name, readModule(root, name)]))
  for (const [name, files] of modules) {
    for (const required of requiresOf(files)) {
      if (!modules.has(required)) throw new Error(`sql/modules/${name}: requires ${required}, which does not exist`)
    }
  }
  checkNoCycle(modules)

  const entries = [...modules].map(([name, files]) => {
    const kind = files[0]?.kind
    return [
      `  ${key(name)}: {`,
      `    name: ${literal(name)},`,
      `    kind: ${literal(kind)},`,
      `    requires: ${literal(requiresOf(files))},`,
      `    files: [`,
      ...files.map(fileSource),
      `    ],`,
      `  },`,
    ].join('\n')
  })
  return `${banner('sql/modules', 'The SQL modules: what sql/README.md describes, as data.')}
/** A placeholder of a file, in psql's notation. */
export type SqlPlaceholder = ':"schema"' | ':id_type'

/** An object that a file makes; \`schema\` may be the placeholder. */
export interface SqlObject {
  readonly kind: 'table' | 'index' | 'function'
  readonly schema: string
  readonly name: string
}

/** One numbered file of a module. */
export interface SqlFile {
  /** Digits: 0001 and on in the library, four or more in a host. */
  readonly version: string
  readonly slug: string
  /** Path from the package's top folder, or what the host calls the file. */
  readonly path: string
  /** The privilege that running it takes, in words. */
  readonly privilege: string
  /** Major version. */
  readonly oldestPostgres: number
  /** False: the file runs outside a transaction. */
  readonly transactional: boolean
  readonly placeholders: readonly SqlPlaceholder[]
  readonly creates: readonly SqlObject[]
  /** SHA-256 of the file as released (LF, placeholders not filled), in hex. */
  readonly sha256: string
  /** The file, placeholders not filled. */
  readonly sql: string
  /** What undoes it, or undefined when nothing does. */
  readonly down: string | undefined
}

/** A named set of SQL files. */
export interface SqlModule {
  readonly name: string
  /**
   * core: what the library needs. feature: something to have, by name. demo: the example tables. opt-in: changes what other software on
   * the server may do. host: the application's own.
   */
  readonly kind: 'core' | 'feature' | 'demo' | 'opt-in' | 'host'
  /** Modules that come first. */
  readonly requires: readonly string[]
  readonly files: readonly SqlFile[]
}

/** The name of a module of the library. */
export type SqlModuleName = ${[...modules.keys()].map(literal).join(' | ')}

/** Every module, by name. */
export const sqlModules: { readonly [Name in SqlModuleName]: SqlModule } = {
${entries.join('\n')}
}
`
}

function fileSource(file: ModuleFile): string {
  return [
    `      {`,
    `        version: ${literal(file.version)},`,
    `        slug: ${literal(file.slug)},`,
    `        path: ${literal(file.path)},`,
    `        privilege: ${literal(file.privilege)},`,
    `        oldestPostgres: ${file.oldestPostgres},`,
    `        transactional: ${file.transactional},`,
    `        placeholders: ${literal(file.placeholders)},`,
    `        creates: ${literal(file.creates)},`,
    `        sha256: ${literal(file.sha256)},`,
    `        sql: ${template(file.sql)},`,
    `        down: ${file.down === undefined ? 'undefined' : template(file.down)},`,
    `      },`,
  ].join('\n')
}

function readModule(root: string, name: string): readonly ModuleFile[] {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw new Error(`sql/modules/${name}: a module is named in kebab-case`)
  const files = namesIn(join(root, 'sql', 'modules', name)).map((fileName, index) => {
    const path = `sql/modules/${name}/${fileName}`
    const file = readModuleFile(path, readText(join(root, path)), 'library')
    if (Number(file.version) !== index + 1) throw new Error(`${path}: the numbers go from 0001 without a gap`)
    return file
  })
  if (files.length === 0) throw new Error(`sql/modules/${name}: no file`)
  if (new Set(files.map((file) => file.kind)).size > 1) throw new Error(`sql/modules/${name}: files of different kinds`)
  return files
}

function requiresOf(files: readonly ModuleFile[]): readonly string[] {
  return [...new Set(files.flatMap((file) => file.requires))].sort()
}

function checkNoCycle(modules: ReadonlyMap<string, readonly ModuleFile[]>): void {
  const done = new Set<string>()
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw new Error(`sql/modules: ${[...path, name].join(' requires ')}`)
    if (done.has(name)) return
    for (const required of requiresOf(modules.get(name) ?? [])) visit(required, [...path, name])
    done.add(name)
  }
  for (const name of modules.keys()) visit(name, [])
}

function textsSource(root: string, folder: string, purpose: string): string {
  const names = namesIn(join(root, 'sql', folder)).map((fileName) => {
    const path = `sql/${folder}/${fileName}`
    const [, name] = /^([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\.sql$/.exec(fileName) ?? []
    if (name === undefined) throw new Error(`${path}: a file is named in kebab-case and ends in .sql`)
    const sql = readText(join(root, path))
    if (!sql.startsWith('--')) throw new Error(`${path}: a file opens with a comment that says what it is for`)
    return { name: name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()), path, sql }
  })
  const types = names.map(({ name, path }) => `  /** ${path} */\n  readonly ${name}: string\n`).join('')
  const values = names.map(({ name, sql }) => `  ${name}: ${template(sql)},\n`).join('')
  return `${banner(`sql/${folder}`, purpose)}
/** The texts of sql/${folder}, by file name. */
export const ${folder}: {${types && `\n${types}`}} = {${values && `\n${values}`}}
`
}

// Sorted by code unit and not by locale, so that every machine writes the same file. Dot files are editors' business.
function namesIn(folder: string): readonly string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort()
}

// A checkout with CRLF must not change a hash.
function readText(path: string): string {
  return readFileSync(path, 'utf8').replaceAll('\r\n', '\n')
}

function banner(source: string, purpose: string): string {
  return `// ${purpose}\n// Generated from ${source} by codegen/build-sql.ts: change the SQL there, then run \`npm run generate\`.\n`
}

function key(name: string): string {
  return /^[a-z]\w*$/.test(name) ? name : literal(name)
}

// JSON's strings are JavaScript's, apart from the kind of quote.
function literal(value: unknown): string {
  if (typeof value === 'string') {
    return `'${JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
  }
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => `${name}: ${literal(field)}`)
    return `{ ${fields.join(', ')} }`
  }
  return JSON.stringify(value)
}

// Readable in a diff, unlike one long line with \n.
function template(text: string): string {
  return `\`${text.replaceAll('\\', '\\\\').replaceAll('`', '\\`').replaceAll('${', '\\${')}\``
}

function main(root: string, checkOnly: boolean): number {
  const folder = join(root, 'src', 'generated')
  const stale: string[] = []
  for (const [name, text] of generate(root)) {
    const path = join(folder, name)
    if (existsSync(path) && readText(path) === text) continue
    stale.push(`src/generated/${name}`)
    if (checkOnly) continue
    mkdirSync(folder, { recursive: true })
    writeFileSync(path, text)
  }
  if (stale.length === 0) console.log('src/generated agrees with sql/')
  else if (checkOnly)
    console.error(`${stale.join(', ')} differs from sql/: run \`npm run generate\` and commit the result`)
  else console.log(`wrote ${stale.join(', ')}`)
  return checkOnly && stale.length > 0 ? 1 : 0
}

if (import.meta.main) {
  try {
    process.exitCode = main(join(import.meta.dirname, '..'), process.argv.includes('--check'))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
