/**
 * Writes metadata.ts: what is known of the schema, as values that need no driver and no import.
 *
 * The types of these values are written along, from src/kernel/metadata.ts, so that the file stands alone.
 */
import { metadataContract } from '../generated/metadata-contract.ts'
import { banner } from './emit-types.ts'
import type { FunctionModel } from './functions.ts'
import { identifiersIn } from './identifiers.ts'
import type { Model, TableModel } from './model.ts'
import { toDocComment, toPropertyKey } from './names.ts'

const ownTypes = `/** A table of \`DB\`. */
export interface Table<Key extends keyof DB & string, PrimaryKey extends readonly string[]> extends TableMetadata {
  readonly key: Key;
  readonly primaryKey: PrimaryKey;
  readonly columns: Readonly<Record<keyof DB[Key] & string, ColumnMetadata>>;
  /** Carries the type of the table; it has no value. */
  readonly types?: DB[Key] | undefined;
}

/** Functions of one name, with arguments and result of each. */
export interface Callable<Signatures extends readonly { arguments: unknown; returns: unknown }[]> extends FunctionsOfName {
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
    `import type { ${imported.join(', ')} } from "./types${importExtension}";\n`,
    `\n${metadataContract.trim()}\n`,
    `\n${ownTypes}`,
    `\n/** Every table and view, by its key in \`DB\`. */\n${record('Tables', tables.map(tableOf).join(''))}`,
    `\n/** Every function and procedure, by its name in camel case. */\n${record('Functions', callables)}`,
    `\nexport const tables: Tables = ${literal(tableValues, '')};\n`,
    `\nexport const functions: Functions = ${literal(functionValues, '')};\n`,
    '\n/** All of it, for `createDatabase({ metadata })`. */\n',
    `export const metadata: Metadata<DB> = {\n${values.join('')}  tables: { ...tables },\n  functions: { ...functions },\n};\n`,
  ].join('')
}

function record(name: string, members: string): string {
  return members === '' ? `export type ${name} = Record<string, never>;\n` : `export interface ${name} {\n${members}}\n`
}

function tableOf({ metadata: { key, comment, primaryKey } }: TableModel): string {
  const type = `Table<${JSON.stringify(key)}, readonly ${JSON.stringify(primaryKey)}>`
  return `${toDocComment(comment, '  ')}  readonly ${toPropertyKey(key)}: ${type};\n`
}

function callableOf({ key, signatures, metadata: { overloads } }: FunctionModel): string {
  const each = signatures.map(({ arguments: given, returns }) => `{ arguments: ${given}; returns: ${returns} }`)
  return `${toDocComment(overloads[0]?.comment, '  ')}  readonly ${toPropertyKey(key)}: Callable<[${each.join(', ')}]>;\n`
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
