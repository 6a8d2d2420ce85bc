/**
 * Writes metadata.ts: what is known of the schema, as values that need no driver and no import.
 *
 * The types of these values are written along, from src/kernel/metadata.ts, so that the file stands alone.
 */
import { metadataContract } from '../generated/metadata-contract.ts'
import { ownedColumns } from '../kernel/related.ts'
import { codecImport } from './codec-shapes.ts'
import { banner } from './emit-types.ts'
import type { FunctionModel } from './functions.ts'
import { identifiersIn } from './identifiers.ts'
import type { Model, TableModel } from './model.ts'
import { toDocComment, toPropertyKey } from './names.ts'

const ownTypes = `/** A table of \`DB\`. */
export interface Table<
  Key extends keyof DB & string,
  PrimaryKey extends readonly string[],
  UniqueKey extends readonly string[] = never,
  Relations extends object = object,
> extends TableMetadata {
  readonly key: Key;
  readonly primaryKey: PrimaryKey;
  readonly columns: Readonly<Record<keyof DB[Key] & string, ColumnMetadata>>;
  /** The tables that relations lead to: a function, because they lead in circles. */
  readonly tables: () => Tables;
  /** Carries the types of the table, of its unique keys and relations; it has no value. */
  readonly types?: { readonly table: DB[Key]; readonly uniqueKey: UniqueKey; readonly relations: Relations } | undefined;
}

/** A relation to one row; \`Null\` when there may be none. \`Owned\` are its columns that follow from the row it belongs to. */
export interface One<Key extends keyof Tables, Null = never, Owned extends string = never> {
  readonly table: Tables[Key];
  readonly none: Null;
  readonly owned: Owned;
}

/** A relation to any number of rows. \`Owned\` are their columns that follow from the row they belong to. */
export interface Many<Key extends keyof Tables, Owned extends string = never> {
  readonly table: Tables[Key];
  readonly owned: Owned;
}

/** A function as it is called: \`row\` of what can stand in FROM, \`value\` of a row that stands in a select list. */
export interface Signature {
  arguments: unknown;
  returns: unknown;
  row?: unknown;
  value?: unknown;
}

/** Functions of one name. */
export interface Callable<Signatures extends readonly Signature[]> extends FunctionsOfName {
  /** Carries the types; it has no value. */
  readonly signatures?: Signatures | undefined;
}
`

/**
 * Writes metadata.ts.
 *
 * @param types - the text of types.ts, which it takes types from
 */
export function emitMetadata(model: Model, types: string, importExtension: string): string {
  const { metadata, tables, functions } = model
  const { tables: tableValues, functions: functionValues, ...rest } = metadata
  const callables = functions.map(callableOf).join('')
  const names = identifiersIn(callables)
  const exported = [...types.matchAll(/^export (?:type|interface) ([\p{ID_Continue}$]+)/gmu)].map(
    ([, name = '']) => name,
  )
  const imported = exported.filter((name) => name === 'DB' || names.has(name)).sort()
  const values = Object.entries(rest).map(([key, value]) => `  ${key}: ${literal(value, '  ')},\n`)
  return [
    banner(metadata.format),
    '\n',
    names.has('Selectable') ? 'import type { Selectable } from "kysely";\n' : '',
    codecImport(metadata.codecs, names),
    `import type { ${imported.join(', ')} } from "./types${importExtension}";\n`,
    `\n${metadataContract.trim()}\n`,
    `\n${ownTypes}`,
    `\n/** Every table and view, by its key in \`DB\`. */\n${record('Tables', tables.map((table) => tableOf(table, metadata.tables)).join(''))}`,
    `\n/** Every function, procedure and aggregate, by its name in camel case. */\n${record('Functions', callables)}`,
    `\nexport const tables: Tables = ${tablesLiteral(tableValues)};\n`,
    `\nexport const functions: Functions = ${literal(functionValues, '')};\n`,
    '\n/** All of it, for `createDatabase({ metadata })`. */\n',
    `export const metadata: Metadata<DB> = {\n${values.join('')}  tables: { ...tables },\n  functions: { ...functions },\n};\n`,
  ].join('')
}

function record(name: string, members: string): string {
  return members === '' ? `export type ${name} = Record<string, never>;\n` : `export interface ${name} {\n${members}}\n`
}

function tableOf({ metadata: source }: TableModel, all: Model['metadata']['tables']): string {
  const { key, comment, primaryKey, uniqueKeys, relations } = source
  const tuple = (columns: readonly string[]) =>
    `readonly [${columns.map((column) => JSON.stringify(column)).join(', ')}]`
  const unique = uniqueKeys.map(({ columns }) => tuple(columns))
  const related = Object.entries(relations).map(([name, relation]) => {
    const { kind, table, nullable } = relation
    const target = all[table]
    const owned = target === undefined ? [] : (ownedColumns(source, relation, target) ?? [])
    const given = owned.length === 0 ? [] : [owned.map((column) => JSON.stringify(column)).join(' | ')]
    const none =
      kind === 'many' || (nullable !== true && given.length === 0) ? [] : [nullable === true ? 'null' : 'never']
    const type = [JSON.stringify(table), ...none, ...given].join(', ')
    return `${toPropertyKey(name)}: ${kind === 'many' ? 'Many' : 'One'}<${type}>`
  })
  const more = [
    ...(unique.length > 0 || related.length > 0 ? [unique.join(' | ') || 'never'] : []),
    ...(related.length > 0 ? [`{ ${related.join('; ')} }`] : []),
  ]
  const type = `Table<${[JSON.stringify(key), tuple(primaryKey), ...more].join(', ')}>`
  return `${toDocComment(comment, '  ')}  readonly ${toPropertyKey(key)}: ${type};\n`
}

function callableOf({ key, signatures, metadata: { overloads } }: FunctionModel): string {
  const each = signatures.map(
    ({ arguments: given, returns, row, value }) =>
      `{ arguments: ${given}; returns: ${returns}${row === undefined ? '' : `; row: ${row}`}${value === undefined ? '' : `; value: ${value}`} }`,
  )
  return `${toDocComment(overloads[0]?.comment, '  ')}  readonly ${toPropertyKey(key)}: Callable<[${each.join(', ')}]>;\n`
}

function tablesLiteral(tables: Model['metadata']['tables']): string {
  const each = Object.entries(tables).map(([key, table]) => {
    const text = literal(table, '  ')
    return `  ${toPropertyKey(key)}: ${text.slice(0, -1).trimEnd()}\n    tables: () => tables,\n  },\n`
  })
  return each.length === 0 ? '{}' : `{\n${each.join('')}}`
}

const lineWidth = 120

/** A value as source text: on one line where it fits. */
function literal(value: unknown, indent: string): string {
  if (Array.isArray(value)) {
    const inner = `${indent}  `
    return layOut(
      value.map((item) => literal(item, inner)),
      '[',
      ']',
      indent,
    )
  }
  if (typeof value === 'object' && value !== null) {
    const inner = `${indent}  `
    const fields = Object.entries(value).map(([key, item]) => `${toPropertyKey(key)}: ${literal(item, inner)}`)
    return layOut(fields, '{ ', ' }', indent)
  }
  return JSON.stringify(value)
}

function layOut(items: readonly string[], open: string, close: string, indent: string): string {
  if (items.length === 0) return `${open.trim()}${close.trim()}`
  const line = `${open}${items.join(', ')}${close}`
  if (line.length + indent.length <= lineWidth && !line.includes('\n')) return line
  return `${open.trim()}\n${items.map((item) => `${indent}  ${item},\n`).join('')}${indent}${close.trim()}`
}
