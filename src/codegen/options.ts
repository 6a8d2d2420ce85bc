/** Options of the code generator, checked when they are given. */
import type { CamelCasePluginOptions } from 'kysely'
import { type CodecName, codecNames } from '../kernel/codec.ts'
import { TenonError } from '../kernel/errors.ts'
import type { ParserChoices } from '../kernel/metadata.ts'

/** The TypeScript type of a json column: a type, or a zod schema that also checks. */
export type JsonColumnType =
  /** A type exported by a module. */
  | { readonly type: string; readonly from: string }
  /** A zod schema exported by a module: the type is what it gives. */
  | { readonly schema: string; readonly from: string }

/** What to generate, and how. */
export interface CodegenOptions {
  /** Schemas, by name; default all but the server's own and the library's. */
  readonly schemas?: readonly string[] | undefined
  /** Schemas whose tables are named without schema, as the search_path of the application has it. Default `public`. */
  readonly defaultSchemas?: readonly string[] | undefined
  /** Only tables that match: `projects`, `sales.*`, `sales.order_*`. `*` stands for any characters; without a dot any schema matches. */
  readonly include?: readonly string[] | undefined
  /** Leaves out tables that match. */
  readonly exclude?: readonly string[] | undefined
  /** Partitions as tables of their own; default no. */
  readonly partitions?: boolean | undefined
  /** Names as Kysely's CamelCasePlugin gives them; its options, where the application passes any. Default no. */
  readonly camelCase?: boolean | CamelCasePluginOptions | undefined
  /** `bigint` columns. Default `string`. */
  readonly int8?: ParserChoices['int8'] | undefined
  /** `numeric` columns. Default `string`. */
  readonly numeric?: ParserChoices['numeric'] | undefined
  /** `date` columns. Default `Date`. */
  readonly date?: ParserChoices['date'] | undefined
  /** `timestamp` and `timestamptz` columns. Default `Date`. */
  readonly timestamp?: ParserChoices['timestamp'] | undefined
  /**
   * Codecs of tenon/codecs and tenon/geo that `createDatabase` is given: columns of their types have their values. Default none, and these columns are
   * text.
   */
  readonly codecs?: readonly CodecName[] | undefined
  /** Elements of arrays may be null, which PostgreSQL cannot forbid by type. Default no. */
  readonly nullableElements?: boolean | undefined
  /** Types of json columns by `table.column` or `schema.table.column`, before any `@json` in the column's comment. */
  readonly json?: Readonly<Record<string, JsonColumnType>> | undefined
  /** Ending of imports between the generated files. Default `.js`. */
  readonly importExtension?: '.js' | '.ts' | '' | undefined
  /** Also write supabase.ts. */
  readonly supabase?: boolean | undefined
}

/** Options with their defaults. */
export interface ResolvedCodegenOptions {
  readonly schemas: readonly string[] | undefined
  readonly defaultSchemas: readonly string[]
  readonly include: readonly string[]
  readonly exclude: readonly string[]
  readonly partitions: boolean
  readonly camelCase: boolean | CamelCasePluginOptions
  readonly parsers: ParserChoices
  readonly codecs: readonly CodecName[]
  readonly nullableElements: boolean
  readonly json: Readonly<Record<string, JsonColumnType>>
  readonly importExtension: string
  readonly supabase: boolean
}

const choices = {
  int8: ['string', 'number', 'bigint'],
  numeric: ['string', 'number'],
  date: ['Date', 'string'],
  timestamp: ['Date', 'string'],
  importExtension: ['.js', '.ts', ''],
} as const

const lists = ['schemas', 'defaultSchemas', 'include', 'exclude']
const flags = ['partitions', 'nullableElements', 'supabase']
const known = [...Object.keys(choices), ...lists, ...flags, 'camelCase', 'codecs', 'json']

/** Fills in defaults. @throws {TenonError} OPTION_INVALID */
export function resolveCodegenOptions(options: CodegenOptions): ResolvedCodegenOptions {
  const given: Readonly<Record<string, unknown>> = { ...options }
  for (const [name, value] of Object.entries(given)) {
    if (!known.includes(name)) throw invalid(`codegen has no option ${name}`, `It knows ${known.join(', ')}.`)
    if (value === undefined) continue
    const values: readonly unknown[] | undefined = choices[name as keyof typeof choices]
    if (values !== undefined && !values.includes(value))
      throw invalid(
        `codegen option ${name} is none of its values`,
        name === 'numeric' && value === 'bigint'
          ? 'A numeric has digits behind the point, which a bigint cannot hold: take string or number.'
          : `Pass one of ${values.map((item) => JSON.stringify(item)).join(', ')}.`,
      )
    if (
      lists.includes(name) &&
      !(Array.isArray(value) && value.every((item) => typeof item === 'string' && item !== ''))
    )
      throw invalid(`codegen option ${name} is not a list of names`, `Pass ${name}: ['public'].`)
    if (flags.includes(name) && typeof value !== 'boolean')
      throw invalid(`codegen option ${name} is neither true nor false`, `Pass ${name}: true.`)
  }
  if (!['undefined', 'boolean'].includes(typeof options.camelCase) && !isRecord(options.camelCase))
    throw invalid('codegen option camelCase is neither true, false nor options', 'Pass camelCase: true.')
  checkCodecs(options.codecs)
  checkJson(options.json)
  return {
    schemas: options.schemas,
    defaultSchemas: options.defaultSchemas ?? ['public'],
    include: options.include ?? [],
    exclude: options.exclude ?? [],
    partitions: options.partitions ?? false,
    camelCase: options.camelCase ?? false,
    parsers: {
      int8: options.int8 ?? 'string',
      numeric: options.numeric ?? 'string',
      date: options.date ?? 'Date',
      timestamp: options.timestamp ?? 'Date',
    },
    codecs: codecNames.filter((name) => options.codecs?.includes(name)),
    nullableElements: options.nullableElements ?? false,
    json: options.json ?? {},
    importExtension: options.importExtension ?? '.js',
    supabase: options.supabase ?? false,
  }
}

function checkCodecs(codecs: unknown): void {
  const names: readonly unknown[] = codecNames
  if (codecs !== undefined && !(Array.isArray(codecs) && codecs.every((name) => names.includes(name))))
    throw invalid(
      'codegen option codecs is not a list of codecs',
      `Pass names of these: ${codecNames.map((name) => `'${name}'`).join(', ')}.`,
    )
}

function checkJson(json: CodegenOptions['json']): void {
  if (json !== undefined && !isRecord(json))
    throw invalid(
      'codegen option json is no object',
      "Pass json: { 'table.column': { type: 'Settings', from: '../settings.ts' } }.",
    )
  for (const [column, type] of Object.entries<unknown>(json ?? {})) {
    const { type: plain, schema, from } = isRecord(type) ? type : {}
    const name = schema ?? plain
    const isName = typeof name === 'string' && /^[A-Za-z_$][\w$]*$/.test(name)
    if (isName && typeof from === 'string' && /^[^"'\\\n]+$/.test(from)) continue
    throw invalid(
      `the json type of ${column} does not name an export of a module`,
      "Pass { type: 'Settings', from: '../settings.ts' }, or { schema: 'Settings', from: … } for a zod schema.",
    )
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string, hint: string): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint })
}
