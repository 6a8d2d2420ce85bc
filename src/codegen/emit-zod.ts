/**
 * Writes zod.ts: for each table the schemas of a row, of what INSERT and UPDATE take, and of a row as JSON made by the server.
 *
 * What is checked is what the server checks: types, lengths, digits, labels, and CHECKs that can be translated exactly. The others stand
 * beside the schema as comments, so that nobody takes the schema for the whole truth.
 */
import { CheckTranslator } from './check-expression.ts'
import { type CheckValue, nullConstant } from './check-values.ts'
import { codecImport } from './codec-shapes.ts'
import { zodDefinitions } from './definitions.ts'
import { banner } from './emit-types.ts'
import { identifiersIn } from './identifiers.ts'
import type { CheckModel, ColumnModel, Model, TableModel } from './model.ts'
import { toDocComment, toPropertyKey } from './names.ts'
import { numericLimits } from './type-shapes.ts'
import type { DomainModel, TypeUse } from './types-of-columns.ts'

/** Writes zod.ts. @throws {TenonError} DEPENDENCY_MISSING when there are CHECKs and libpg-query is missing */
export async function emitZod(model: Model, importExtension: string): Promise<string> {
  const hasChecks = model.domains.length > 0 || model.tables.some(({ checks }) => checks.length > 0)
  const emitter = new ZodEmitter(hasChecks ? await CheckTranslator.create() : undefined)
  const enums = model.enums.map(({ typeName, labels }) => {
    const values = labels.map((label) => JSON.stringify(label)).join(', ')
    return `export const ${typeName} = ${labels.length === 0 ? 'z.never()' : `z.enum([${values}])`};\n`
  })
  const domains: string[] = []
  for (const domain of model.domains) domains.push(await emitter.domain(domain))
  const tables: string[] = []
  for (const table of model.tables) tables.push(await emitter.table(table))
  const byKey = model.tables.map(({ typeName, insertable, updatable, metadata }) => {
    const forms = [
      `row: ${typeName}Row`,
      ...(insertable ? [`insert: ${typeName}Insert`] : []),
      ...(updatable ? [`update: ${typeName}Update`] : []),
      `json: ${typeName}Json`,
    ]
    return `  ${toPropertyKey(metadata.key)}: { ${forms.join(', ')} },\n`
  })
  const body = [
    ...enums,
    ...domains,
    ...tables,
    `/** The schemas of every table and view, by its key in \`DB\`. */\nexport const schemas = {\n${byKey.join('')}};\n`,
  ].join('\n')
  const helpers = helpersFor(body)
  const names = identifiersIn(`${helpers}${body}`)
  const typeNames = ['JsonValue', 'PostgresInterval'].filter((name) => names.has(name))
  const imports = [
    'import { z } from "zod";\n',
    codecImport(model.metadata.codecs, names),
    ...(typeNames.length === 0 ? [] : [`import type { ${typeNames.join(', ')} } from "./types${importExtension}";\n`]),
    ...model.imports.map(({ name, local, from, isSchema }) => {
      const clause = name === local ? name : `${name} as ${local}`
      return `import ${isSchema ? '' : 'type '}{ ${clause} } from ${JSON.stringify(from)};\n`
    }),
  ]
  return [banner(model.metadata.format), imports.join(''), helpers, body].filter((part) => part !== '').join('\n')
}

function helpersFor(body: string): string {
  const used = new Set<string>()
  const collect = (text: string): void => {
    for (const name of identifiersIn(text)) {
      const definition = Object.hasOwn(zodDefinitions, name) ? zodDefinitions[name] : undefined
      if (definition === undefined || used.has(name)) continue
      used.add(name)
      collect(definition)
    }
  }
  collect(body)
  return Object.entries(zodDefinitions)
    .filter(([name]) => used.has(name))
    .map(([, definition]) => `${definition}\n`)
    .join('\n')
}

/** A check in JavaScript. */
interface Refinement {
  readonly name: string
  readonly expression: string
  readonly columns: readonly ColumnModel[]
  /** It looks at the row and not at one value. */
  readonly isRow: boolean
  readonly code: string
}

class ZodEmitter {
  readonly #checks: CheckTranslator | undefined
  /** Domains whose checks refuse null. */
  readonly #requiring = new Set<string>()

  constructor(checks: CheckTranslator | undefined) {
    this.#checks = checks
  }

  async domain({ schemaName, use, input, checks }: DomainModel): Promise<string> {
    const refinements: string[] = []
    const left: CheckModel[] = []
    for (const check of checks) {
      if (await this.#refusesNull(check)) this.#requiring.add(use.typeName)
      const value = checkValue(stored('value', use), use, true, false)
      const found = await this.#checks?.condition(check.expression, (name) => (name === 'value' ? value : undefined))
      if (found === undefined) left.push(check)
      else refinements.push(refine(`(value) => ${found.code}${found.nullable ? ' !== false' : ''}`, check, '  '))
    }
    return `${documented(`Domain \`${use.typeName}\`.`, left)}export const ${schemaName} = ${input}${refinements.join('')};\n`
  }

  async table(table: TableModel): Promise<string> {
    const { typeName, metadata, columns } = table
    const name = `\`${metadata.schema}.${metadata.name}\``
    const row = columns.map(({ key, shape, metadata: { nullable } }) => field(key, shape.row, nullable === true))
    const json = columns.map(({ key, shape, metadata: { nullable } }) => field(key, shape.json, nullable === true))
    const parts = [
      `${documented(`A row of ${name} as a query returns it.`, [])}export const ${typeName}Row = z.object({\n${row.join('')}});\n`,
      ...(table.insertable ? [await this.#written(table, 'Insert', name)] : []),
      ...(table.updatable ? [await this.#written(table, 'Update', name)] : []),
      `${documented(`A row of ${name} as JSON made by the server: to_jsonb, jsonArrayFrom, PostgREST.`, [])}export const ${typeName}Json = z.object({\n${json.join('')}});\n`,
    ]
    return parts.join('\n')
  }

  async #written(table: TableModel, form: 'Insert' | 'Update', name: string): Promise<string> {
    const insert = form === 'Insert'
    const given = table.columns.filter(({ metadata }) => (insert ? metadata.insertable : metadata.updatable) !== false)
    const { refinements, left } = await this.#refinements(table, given, insert)
    const single = refinements.filter(({ isRow }) => !isRow)
    const fields = given.map((column) => {
      const { key, shape, metadata } = column
      const own = single.filter(({ columns: [only] }) => only === column)
      const checked = own.map((check) => refine(`(value) => ${check.code}`, check, '    ')).join('')
      const nullable =
        metadata.nullable === true && !(column.use.element === undefined && this.#requiring.has(metadata.typeName))
      return field(key, `${shape.input}${checked}`, nullable, !insert || nullable || metadata.optional === true)
    })
    const whole = refinements.filter(({ isRow }) => isRow)
    const rows: string[] = []
    for (const check of whole) rows.push(refine(await this.#overRow(check, insert), check, '  ', check.columns))
    const object = `z.strictObject({\n${fields.join('')}})`
    // zod takes what every object inherits for a value that was given.
    const own = given.some(({ key }) => isInherited(key)) ? `z.preprocess(ownKeys, ${object})` : object
    const what = `What ${insert ? 'INSERT' : 'UPDATE'} takes for ${name}.${table.metadata.kind === 'view' ? ' The checks of the tables beneath, and its own CHECK OPTION, are made by the server alone.' : ''}`
    return `${documented(what, left)}export const ${table.typeName}${form} = ${own}${rows.join('')};\n`
  }

  async #refinements({ checks }: TableModel, given: readonly ColumnModel[], insert: boolean) {
    const refinements: Refinement[] = []
    const left: CheckModel[] = []
    for (const check of checks) {
      const columns = new Map<string, ColumnModel>()
      const isRow = await this.#needsRow(check, given, insert)
      const lookup = (name: string): CheckValue | undefined => {
        const column = given.find(({ metadata }) => metadata.name === name)
        if (column === undefined) return undefined
        columns.set(name, column)
        const code = isRow ? `c${[...columns.keys()].indexOf(name)}` : stored('value', column.use)
        return checkValue(code, column.use, column.deterministic, isRow)
      }
      const found = await this.#checks?.condition(check.expression, lookup)
      if (found === undefined || columns.size === 0) left.push(check)
      else
        refinements.push({
          ...check,
          columns: [...columns.values()],
          isRow,
          code: found.nullable ? `${found.code} !== false` : found.code,
        })
    }
    return { refinements, left }
  }

  /** A check of several columns, of whether one is null, or of one whose default it may refuse, looks at the row. */
  async #needsRow({ expression }: CheckModel, given: readonly ColumnModel[], insert: boolean): Promise<boolean> {
    const names = new Set<string>()
    const lookup = (nullable: boolean) => (name: string) => {
      names.add(name)
      const column = given.find(({ metadata }) => metadata.name === name)
      return column === undefined ? undefined : checkValue('value', column.use, column.deterministic, nullable)
    }
    const strict = await this.#checks?.condition(expression, lookup(false))
    const loose = await this.#checks?.condition(expression, lookup(true))
    if (names.size !== 1) return true
    const only = given.find(({ metadata }) => names.has(metadata.name))
    const constant = await this.#default(only?.metadata.default)
    if (insert && constant !== undefined) return true
    // What can be false for null is no longer a matter of the value alone.
    if (strict?.code === 'true' || strict?.code === 'false' || loose?.nullable === false) return true
    return await this.#refusesNull({ expression })
  }

  /** Whether a check of one value is false for null. */
  async #refusesNull({ expression }: Pick<CheckModel, 'expression'>): Promise<boolean> {
    return (await this.#checks?.condition(expression, () => nullConstant))?.known === false
  }

  async #overRow({ columns, code }: Refinement, insert: boolean): Promise<string> {
    const lines: string[] = []
    for (const [i, { key, use, metadata }] of columns.entries()) {
      const name = toPropertyKey(key)
      const place = /^[["]/.test(name) ? `row[${JSON.stringify(key)}]` : `row.${name}`
      const cell = isInherited(key) ? `(Object.hasOwn(row, ${JSON.stringify(key)}) ? ${place} : undefined)` : place
      const value = defaultOf(metadata.default, await this.#default(metadata.default), use)
      const raw =
        value === undefined || !insert || value === 'null'
          ? `${cell} ?? null`
          : `${cell} === undefined ? ${value} : ${cell}`
      const change = stored('of', use)
      if (!insert || value === undefined) lines.push(`  if (${cell} === undefined) return true;`)
      lines.push(`  const c${i} = ${change === 'of' ? raw : `change(${raw}, (of) => ${change})`};`)
    }
    return `(row) => {\n${lines.join('\n')}\n  return ${code};\n}`
  }

  async #default(expression: string | undefined): Promise<CheckValue | undefined> {
    return expression === undefined ? undefined : await this.#checks?.constant(expression)
  }
}

/** Source of what a column holds when it is left out: 'null' without a default, undefined when only the server knows. */
function defaultOf(expression: string | undefined, constant: CheckValue | undefined, use: TypeUse): string | undefined {
  if (expression === undefined) return 'null'
  if (constant?.constant === undefined || use.element !== undefined) return undefined
  const kind = kindOf(use)
  if (use.base.name === 'float4' || use.base.name === 'float8') return String(Number(constant.constant))
  if (kind === 'int') return constant.kind === 'int' ? constant.code : undefined
  if (kind === 'decimal')
    return constant.kind === 'int' || constant.kind === 'decimal' ? JSON.stringify(constant.constant) : undefined
  return kind === constant.kind ? constant.code : undefined
}

function kindOf({ base, element }: TypeUse): CheckValue['kind'] | undefined {
  if (element !== undefined) return 'list'
  if (base.kind === 'e') return 'text'
  if (base.schema !== 'pg_catalog') return base.name === 'citext' ? 'citext' : undefined
  return kinds[base.name]
}

const kinds: Readonly<Record<string, CheckValue['kind']>> = {
  int2: 'int',
  int4: 'int',
  int8: 'decimal',
  numeric: 'decimal',
  float4: 'decimal',
  float8: 'decimal',
  text: 'text',
  varchar: 'text',
  bool: 'truth',
  json: 'json',
  jsonb: 'json',
}

/** What a check sees of a value, by the code that gives it as it is stored. */
function checkValue(code: string, use: TypeUse, deterministic: boolean, nullable: boolean): CheckValue | undefined {
  const kind = kindOf(use)
  return kind === undefined ? undefined : { code, kind, nullable, deterministic }
}

/** The value of a column as the server stores it: cut, or rounded. */
function stored(code: string, { base, typmod, element }: TypeUse): string {
  if (element !== undefined) return code
  if (base.name === 'varchar' && typmod > 4) return `cut(${code}, ${typmod - 4})`
  if (base.name === 'float4') return `Math.fround(${code})`
  const { scale } = base.name === 'numeric' ? numericLimits(typmod) : {}
  return scale === undefined ? code : `rounded(${code}, ${scale})`
}

/** Of every object, such as `constructor`. */
function isInherited(key: string): boolean {
  return key in Object.prototype
}

function field(key: string, zod: string, nullable: boolean, optional = false): string {
  // A chain of checks goes on line by line.
  const next = zod.includes('\n') ? '\n    ' : ''
  const ends = [...(nullable ? ['.nullable()'] : []), ...(optional ? ['.optional()'] : [])]
  return `  ${toPropertyKey(key)}: ${zod}${ends.map((end) => `${next}${end}`).join('')},\n`
}

function refine(
  test: string,
  { name, expression }: CheckModel,
  indent: string,
  columns: readonly ColumnModel[] = [],
): string {
  const error = JSON.stringify(`Fails the check ${name}: ${expression}`)
  const path = columns.length === 0 ? '' : `, path: ${JSON.stringify([columns[0]?.key])}`
  const inner = `${indent}  `
  return `\n${indent}.refine(\n${inner}${test.replaceAll('\n', `\n${inner}`)},\n${inner}{ error: ${error}${path} },\n${indent})`
}

/** A doc comment that names the checks which only the server makes. */
function documented(what: string, left: readonly CheckModel[]): string {
  const lines = [what, ...left.map(({ name, expression }) => `Checked by the server alone: ${name}: ${expression}`)]
  return toDocComment(lines.map((line) => line.replace(/\s+/g, ' ')).join('\n'), '')
}
