/** Writes supabase.ts: the type `Database` that supabase-js takes, by Supabase's own generator. */
import { CompiledQuery, type Kysely } from 'kysely'
import { TenonError } from '../kernel/errors.ts'
import { banner } from './emit-types.ts'
import type { Model } from './model.ts'

/**
 * Writes supabase.ts for the schemas of the model.
 *
 * Its types are those of PostgREST's JSON, not of pg: a bigint is a number there, and a timestamp a string.
 *
 * @throws {TenonError} DEPENDENCY_MISSING without @supabase/postgrest-typegen
 */
export async function emitSupabase(db: Kysely<never>, { metadata, tables }: Model): Promise<string> {
  const typegen = await load()
  const schemas = [...new Set(tables.map((table) => table.metadata.schema))].sort()
  const query = async (text: string) => ({ rows: (await db.executeQuery(CompiledQuery.raw(text))).rows })
  const found = await typegen.introspect({ query } as never, { includedSchemas: schemas })
  const text = await typegen.generateTypescript(typegen.sortGeneratorMetadata(found), {})
  return `${banner(metadata.format)}\n${text.trimEnd()}\n`
}

async function load(): Promise<typeof import('@supabase/postgrest-typegen')> {
  try {
    return await import('@supabase/postgrest-typegen')
  } catch (cause) {
    throw new TenonError({
      code: 'DEPENDENCY_MISSING',
      message: 'supabase.ts is written by the package @supabase/postgrest-typegen',
      hint: 'npm install -D @supabase/postgrest-typegen',
      cause,
    })
  }
}
