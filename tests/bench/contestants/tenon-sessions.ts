/** A database of Tenon and a session for each tenant, with the full list of keys: role, claims, search_path, statement_timeout, actor, one declared setting and the four legacy keys. */
import { createDatabase, type Database, type Session } from '../../../src/index.ts'
import { metadata } from '../db/metadata.ts'
import type { DB } from '../db/types.ts'
import { idleTimeoutMs, type Place, subjectOf, tenantName } from './contestant.ts'

/** What contestants of Tenon differ in. */
export interface TenonOptions {
  /** Sessions share connections. */
  readonly multiplex?: boolean
  /** With the generated metadata, and so with its parsers. */
  readonly withMetadata?: boolean
  /** A web server makes a session per request; then its making is part of every answer. */
  readonly sessionPerRequest?: boolean
}

/** Opens a database; it connects when it is asked. */
export function openTenon(
  { powerless, poolSize }: Place,
  { multiplex = false, withMetadata = false, sessionPerRequest = false }: TenonOptions,
): { readonly db: Database<DB>; readonly sessionOf: (tenant: number) => Session<DB> } {
  const db = createDatabase<DB>({
    connection: powerless,
    roles: ['anon', 'authenticated'],
    settings: ['app.tenant_id'],
    legacyClaims: true,
    searchPath: ['public'],
    statementTimeoutMs: 5_000,
    pool: { max: poolSize, idleTimeoutMs },
    ...(withMetadata && { metadata, cursorKeys: ['a key of the benchmarks, not secret'] }),
    ...(multiplex && { multiplex }),
  })
  const make = (tenant: number) =>
    db.session({
      role: 'authenticated',
      claims: { sub: subjectOf(tenant), email: `user-${tenant}@example.org` },
      settings: { 'app.tenant_id': tenantName(tenant) },
      actor: `user-${tenant}`,
    })
  if (sessionPerRequest) return { db, sessionOf: make }
  const sessions = new Map<number, Session<DB>>()
  const keep = (tenant: number) => {
    const known = sessions.get(tenant)
    if (known) return known
    const made = make(tenant)
    sessions.set(tenant, made)
    return made
  }
  return { db, sessionOf: keep }
}
