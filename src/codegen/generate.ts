/** Generates the files, as texts; writing them is files.ts. */
import type { Kysely } from 'kysely'
import { readSchema } from './catalog.ts'
import { emitMetadata } from './emit-metadata.ts'
import { emitSupabase } from './emit-supabase.ts'
import { emitTypes } from './emit-types.ts'
import { emitZod } from './emit-zod.ts'
import { createModel } from './model.ts'
import { type CodegenOptions, resolveCodegenOptions } from './options.ts'

/** Generated code. */
export interface GeneratedCode {
  /** File name to text: types.ts, metadata.ts, zod.ts and, on request, supabase.ts. */
  readonly files: Readonly<Record<string, string>>
  /** Tables and views in it. */
  readonly tables: number
  /** What a person should know, a sentence each: what was left out, and what is only text. */
  readonly notes: readonly string[]
}

/**
 * Generates code from the schema of a live database. It reads the catalog once, in a read-only transaction, and writes nothing.
 *
 * The same schema gives the same text, byte for byte, on every supported version and on PGlite.
 *
 * @param db - any Kysely on PostgreSQL, such as `db.service({ actor, reason })`; a login that sees the schemas is enough
 * @throws {TenonError} OPTION_INVALID, CODEGEN_SCHEMA, ACCESS_DENIED, QUERY_UNDEFINED_OBJECT, DEPENDENCY_MISSING; and what connecting throws
 * @example
 * ```ts
 * const { files } = await generateCode(db.service({ actor: 'build', reason: 'codegen' }), { int8: 'bigint' })
 * files['types.ts'] // export interface DB { … }
 * ```
 * The SQL it makes: the files of sql/describe, one statement each.
 */
export async function generateCode<DB>(db: Kysely<DB>, options: CodegenOptions = {}): Promise<GeneratedCode> {
  const resolved = resolveCodegenOptions(options)
  // The queries are SQL texts: which tables the caller knows of plays no part.
  const untyped = db as unknown as Kysely<never>
  const model = createModel(await readSchema(untyped, resolved.schemas), resolved)
  const types = await emitTypes(model)
  const files = {
    'metadata.ts': emitMetadata(model, types, resolved.importExtension),
    ...(resolved.supabase ? { 'supabase.ts': await emitSupabase(untyped, model) } : {}),
    'types.ts': types,
    'zod.ts': await emitZod(model, resolved.importExtension),
  }
  return { files, tables: model.tables.length, notes: model.notes }
}
