/**
 * Readers of three formats whose tools come through no package registry, after what their documentation and sources say of the grammar:
 * goose's state machine over annotations, golang-migrate's file names, Flyway's file names, script configuration and placeholders.
 * Each returns what its tool would run, or throws as it would.
 */

/** What a tool would run, in order. */
export interface ReadMigration {
  readonly version: bigint
  readonly up: readonly string[]
  readonly down: readonly string[]
  readonly transactional: boolean
}

/** @see https://pressly.github.io/goose/documentation/annotations/ */
export function readGoose(path: string, text: string): ReadMigration {
  const version = /^(\d+)_.+\.sql$/.exec(path)?.[1]
  if (version === undefined || BigInt(version) < 1n) throw new Error('goose: no version number')
  const statements = { up: [] as string[], down: [] as string[] }
  let direction: 'up' | 'down' | undefined
  let inBlock = false
  let transactional = true
  let buffer = ''
  for (const line of text.split('\n')) {
    const annotation = /^--\s*\+goose\s+(.*?)\s*$/.exec(line)?.[1]
    if (line.trimStart().startsWith('-- +goose') && annotation === undefined) throw new Error('goose: space before it')
    if (annotation === undefined) {
      if (direction === undefined) {
        if (line.trim() !== '' && !line.startsWith('--')) throw new Error('goose: SQL before "-- +goose Up"')
        continue
      }
      if (!inBlock && (line.trim() === '' || line.startsWith('--'))) continue
      buffer += `${line}\n`
      if (!inBlock && line.replace(/--.*$/, '').trimEnd().endsWith(';')) {
        statements[direction].push(buffer)
        buffer = ''
      }
    } else if (annotation === 'NO TRANSACTION') transactional = false
    else if (annotation === 'StatementBegin') {
      if (inBlock || direction === undefined) throw new Error('goose: StatementBegin in the wrong place')
      inBlock = true
    } else if (annotation === 'StatementEnd') {
      if (!inBlock || direction === undefined) throw new Error('goose: StatementEnd in the wrong place')
      inBlock = false
      statements[direction].push(buffer)
      buffer = ''
    } else if (annotation === 'Up' || annotation === 'Down') {
      if (inBlock) throw new Error('goose: a direction inside a statement')
      if (annotation === 'Down' && direction !== 'up') throw new Error('goose: Down before Up')
      if (buffer.trim() !== '') throw new Error('goose: the last statement does not end with a semicolon')
      direction = annotation === 'Up' ? 'up' : 'down'
    } else throw new Error(`goose: unknown annotation ${annotation}`)
  }
  if (direction === undefined) throw new Error('goose: no "-- +goose Up"')
  if (inBlock || buffer.trim() !== '') throw new Error('goose: a statement without an end')
  return { version: BigInt(version), ...statements, transactional }
}

/** @see https://github.com/golang-migrate/migrate/blob/master/MIGRATIONS.md */
export function readGolangMigrate(files: ReadonlyMap<string, string>): readonly ReadMigration[] {
  const found = new Map<bigint, { up?: string; down?: string }>()
  for (const [path, text] of files) {
    const [, version, direction] = /^([0-9]+)_(?:.*)\.(up|down)\.(?:.*)$/.exec(path) ?? []
    if (version === undefined || (direction !== 'up' && direction !== 'down')) continue
    const number = BigInt(version)
    if (number > 2n ** 64n - 1n) throw new Error('golang-migrate: the version is no uint64')
    const pair = found.get(number) ?? {}
    if (pair[direction] !== undefined) throw new Error(`golang-migrate: duplicate migration file: ${path}`)
    if (text === '') throw new Error('golang-migrate: an empty file')
    found.set(number, { ...pair, [direction]: text })
  }
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([version, { up = '', down = '' }]) => ({ version, up: [up], down: [down], transactional: true }))
}

/** @see https://documentation.red-gate.com/fd/migrations-271585107.html */
export function readFlyway(files: ReadonlyMap<string, string>): readonly ReadMigration[] {
  const found: ReadMigration[] = []
  for (const [path, text] of files) {
    const [, version] = /^V(\d+)__\w+\.sql$/.exec(path) ?? []
    if (version === undefined) continue
    const placeholder = /\$\{([^}]*)\}/.exec(text)?.[1]
    if (placeholder !== undefined) throw new Error(`flyway: No value provided for placeholder: ${placeholder}`)
    const settings = files.get(`${path}.conf`)
    if (settings !== undefined && settings !== 'executeInTransaction=false\n')
      throw new Error('flyway: Unknown configuration property')
    found.push({ version: BigInt(version), up: [text], down: [], transactional: settings === undefined })
  }
  found.sort((a, b) => (a.version < b.version ? -1 : 1))
  found.forEach((migration, i) => {
    if (found[i - 1]?.version === migration.version)
      throw new Error('flyway: Found more than one migration with version')
  })
  return found
}
