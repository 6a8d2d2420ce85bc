/**
 * One pass over the catalog: what generated code has to know of a schema, as the files of sql/describe give it.
 *
 * Owns how the pass is made (any Kysely, one snapshot, nothing written) and the refusals. What it means is model.ts.
 */
import { CompiledQuery, type Kysely, type Transaction } from 'kysely'
import { describe } from '../generated/describe.ts'
import { introspect } from '../generated/introspect.ts'
import { TenonError } from '../kernel/errors.ts'

/** A column as sql/describe/relations.sql gives it. */
export interface CatalogColumn {
  readonly number: number
  readonly name: string
  readonly type: string
  readonly typmod: number
  readonly sqlType: string
  readonly notNull: boolean
  readonly default: string | null
  readonly generation: string | null
  readonly identity: '' | 'a' | 'd'
  readonly generated: '' | 's' | 'v'
  readonly deterministic: boolean
  readonly comment: string | null
  readonly writable: boolean | null
}

/** A table or view. */
export interface CatalogRelation {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly kind: 'r' | 'p' | 'f' | 'v' | 'm'
  readonly comment: string | null
  readonly rowSecurity: boolean
  readonly forced: boolean
  readonly isPartition: boolean
  readonly bound: string | null
  readonly partitionKey: string | null
  readonly parents: readonly string[] | null
  readonly writable: number | null
  /** Of a materialized view: roles beside its owner that may read it, and tables beneath that have row security. */
  readonly readers: readonly string[] | null
  readonly guarded: readonly string[] | null
  /** A view with a trigger instead of INSERT. */
  readonly insteadOfInsert: boolean
  readonly columns: readonly CatalogColumn[]
}

/** A type. */
export interface CatalogType {
  readonly oid: string
  readonly schema: string
  readonly name: string
  readonly kind: 'b' | 'c' | 'd' | 'e' | 'r' | 'm' | 'p'
  readonly element?: string
  readonly base?: string
  readonly baseTypmod?: number
  readonly sqlType?: string
  readonly notNull?: boolean
  readonly default?: string
  readonly labels?: readonly string[]
  readonly attributes?: readonly { readonly name: string; readonly type: string; readonly sqlType: string }[]
  readonly subtype?: string
  readonly multirange?: string
  /** Schema of its own comparison operators. */
  readonly operators?: string
  readonly checks?: readonly { readonly name: string; readonly expression: string; readonly valid: boolean }[]
  readonly extension?: string
  readonly comment?: string
}

/** A constraint. */
export interface CatalogConstraint {
  readonly relation: string
  readonly name: string
  readonly kind: 'p' | 'u' | 'f' | 'c'
  readonly columns: readonly string[]
  readonly references?: string
  readonly referencedColumns?: readonly string[]
  readonly onUpdate?: string
  readonly onDelete?: string
  readonly deferrable?: true
  readonly nullsNotDistinct?: true
  readonly expression?: string
  readonly valid: boolean
  readonly enforced: boolean
}

/** An index. */
export interface CatalogIndex {
  readonly relation: string
  readonly name: string
  readonly method: string
  readonly unique: boolean
  readonly valid: boolean
  readonly nullsNotDistinct?: true
  readonly keys: readonly {
    readonly column?: string
    readonly expression?: string
    readonly opclass?: string
    readonly opclassIsDefault?: boolean
    readonly descending: boolean
    readonly nullsFirst: boolean
  }[]
  readonly include?: readonly string[]
  readonly predicate?: string
}

/** A policy. */
export interface CatalogPolicy {
  readonly relation: string
  readonly name: string
  readonly command: 'all' | 'select' | 'insert' | 'update' | 'delete'
  readonly permissive: boolean
  readonly roles: readonly string[]
  readonly using?: string
  readonly check?: string
}

/** A function, procedure or aggregate. */
export interface CatalogFunction {
  readonly schema: string
  readonly name: string
  readonly kind: 'f' | 'p' | 'a'
  readonly identity: string
  readonly arguments: readonly { readonly name?: string; readonly type: string; readonly mode: string }[]
  readonly defaults: number
  readonly result: string
  readonly set: boolean
  readonly volatility: 'immutable' | 'stable' | 'volatile'
  readonly strict: boolean
  readonly definer: boolean
  readonly comment?: string
}

interface CatalogSchema {
  readonly name: string
  readonly usage: boolean
  readonly login: string
  readonly version: number
  readonly roles: readonly string[]
}

/** What one pass gives. */
export interface Catalog {
  readonly relations: readonly CatalogRelation[]
  readonly types: readonly CatalogType[]
  readonly constraints: readonly CatalogConstraint[]
  readonly indexes: readonly CatalogIndex[]
  readonly policies: readonly CatalogPolicy[]
  readonly functions: readonly CatalogFunction[]
  readonly rules: readonly { readonly relation: string; readonly query: string }[]
  readonly roles: readonly string[]
  /** As in `server_version_num`. */
  readonly version: number
  /** Schemas that were not named and that the login may not look into. */
  readonly closed: readonly string[]
}

/** Never part of an application's types unless named: the library's own, and what Supabase keeps for itself. */
const schemasLeftOut = new Set(['tenon', 'tenon_private'])

/**
 * Reads a catalog through any Kysely on PostgreSQL, in one read-only transaction with one snapshot.
 *
 * @param db - Kysely with any driver; `db.service(…)` of a database is one
 * @param schemas - names; default all but the server's own, the library's, and those the login has no USAGE on
 * @throws {TenonError} QUERY_UNDEFINED_OBJECT when a named schema does not exist, ACCESS_DENIED when the login has no USAGE on it
 */
export async function readSchema(db: Kysely<never>, schemas?: readonly string[]): Promise<Catalog> {
  return await db
    .transaction()
    .setIsolationLevel('repeatable read')
    .setAccessMode('read only')
    .execute((trx) => readAll(trx, schemas))
}

async function readAll(trx: Transaction<never>, wanted: readonly string[] | undefined): Promise<Catalog> {
  const ask = async <T>(sql: string, values: readonly unknown[]): Promise<readonly T[]> => {
    const { rows } = await trx.executeQuery<{ found: unknown }>(CompiledQuery.raw(sql, [...values]))
    // Not every driver parses json. The shapes are those of the files, which a test reads on every engine.
    return rows.map(({ found }) => (typeof found === 'string' ? JSON.parse(found) : found) as T)
  }
  await trx.executeQuery(CompiledQuery.raw(introspect.settings))
  const found = await ask<CatalogSchema>(describe.schemas, [wanted ?? null])
  const open = wanted === undefined ? found.filter(isOpen) : assertOpen(found, wanted)
  const names = [open.map(({ name }) => name)]
  return {
    relations: await ask(describe.relations, names),
    types: await ask(describe.types, []),
    constraints: await ask(describe.constraints, names),
    indexes: await ask(describe.indexes, names),
    policies: await ask(describe.policies, names),
    functions: await ask(describe.functions, names),
    rules: await ask(describe.rules, names),
    roles: [...new Set(open.flatMap(({ roles }) => roles))].sort(),
    version: found[0]?.version ?? 0,
    closed: found.filter((schema) => !schema.usage && !schemasLeftOut.has(schema.name)).map(({ name }) => name),
  }
}

function isOpen({ name, usage }: CatalogSchema): boolean {
  return usage && !schemasLeftOut.has(name)
}

function assertOpen(found: readonly CatalogSchema[], wanted: readonly string[]): readonly CatalogSchema[] {
  const missing = wanted.find((name) => !found.some((schema) => schema.name === name))
  if (missing !== undefined)
    throw new TenonError({
      code: 'QUERY_UNDEFINED_OBJECT',
      message: `the database has no schema ${missing}`,
      hint: 'Correct the name in `schemas`; it is compared as the catalog has it, without quotes.',
    })
  const closed = found.find(({ usage }) => !usage)
  if (closed !== undefined)
    throw new TenonError({
      code: 'ACCESS_DENIED',
      message: `the login ${closed.login} has no USAGE on schema ${closed.name}`,
      hint: `grant usage on schema "${closed.name.replaceAll('"', '""')}" to "${closed.login.replaceAll('"', '""')}"; or connect as the owner.`,
    })
  return found
}
