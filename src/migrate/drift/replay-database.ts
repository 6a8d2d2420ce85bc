/**
 * The database that migrations are replayed on: an embedded one in memory, with what the live database has and no migration makes.
 *
 * Owns those surroundings: roles that the SQL names, extensions that PGlite ships, and what Supabase brings.
 */
import { createDatabase, type Database, type EmbeddedDatabase, withDedicatedConnection } from '../../database/index.ts'
import { sqlModules } from '../../generated/modules.ts'
import { TenonError } from '../../kernel/errors.ts'
import { quoteIdentifier } from '../../kernel/identifier.ts'

/** What the live database has and no migration makes: a row of sql/introspect/surroundings.sql. */
export interface Surroundings {
  readonly roles: readonly string[]
  /** Name to schema. */
  readonly extensions: Readonly<Record<string, string>>
  /** Schema auth belongs to Supabase. */
  readonly supabase: boolean
}

/** An embedded database to replay on. */
export interface ReplayDatabase extends AsyncDisposable {
  readonly db: Database<unknown>
  /** Names of the extensions that can be created on it. */
  readonly extensions: readonly string[]
}

/**
 * Opens an embedded database in memory and puts the surroundings there.
 *
 * @param surroundings - of the live database
 * @param texts - the SQL that is going to run on it
 * @throws {TenonError} DEPENDENCY_MISSING without @electric-sql/pglite
 */
export async function openReplayDatabase(
  surroundings: Surroundings,
  texts: readonly string[],
): Promise<ReplayDatabase> {
  const created = texts.flatMap(extensionsIn)
  const installed = Object.keys(surroundings.extensions)
  const available = await loadExtensions([...new Set([...created.map(({ name }) => name), ...installed])])
  const pglite = await openEmbedded(available)
  const db = createDatabase<unknown>({ connection: pglite })
  const close = async () => {
    await db.close()
    await pglite.close()
  }
  try {
    await withDedicatedConnection(db, { service: true }, async (connection) => {
      const { rows } = await connection.query<{ name: string }>('select rolname as name from pg_catalog.pg_roles')
      const known = new Set(rows.map(({ name }) => name))
      for (const role of rolesFor(surroundings, texts))
        if (!known.has(role)) await connection.script(`create role ${quoteIdentifier(role)} nologin noinherit`)
      if (surroundings.supabase) await connection.script(supabaseSql())
      // Also those that a migration creates if they do not exist: where they are is then the host's choice.
      const left = new Set(created.flatMap(({ name, ifNotExists }) => (ifNotExists ? [] : name)))
      for (const [name, schema] of Object.entries(surroundings.extensions)) {
        if (left.has(name) || available[name] === undefined) continue
        const place = quoteIdentifier(schema)
        await connection.script(
          `create schema if not exists ${place}; create extension ${quoteIdentifier(name)} with schema ${place}`,
        )
      }
    })
  } catch (error) {
    await close()
    throw error
  }
  return { db, extensions: Object.keys(available), [Symbol.asyncDispose]: close }
}

/** An extension that a migration creates. */
export interface CreatedExtension {
  readonly name: string
  readonly ifNotExists: boolean
}

/** Extensions that a text creates for certain: what a DO block tries may fail, and on the live database did so too. */
export function extensionsIn(text: string): readonly CreatedExtension[] {
  const code = text.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|(\$(?:[a-z_]\w*)?\$)[\s\S]*?\1/gi, ' ')
  const statements = code.matchAll(/\bcreate\s+extension\s+(if\s+not\s+exists\s+)?(?:"((?:[^"]|"")+)"|(\w+))/gi)
  return [...statements].map(([, condition, quoted, plain = '']) => ({
    name: quoted?.replaceAll('""', '"') ?? plain.toLowerCase(),
    ifNotExists: condition !== undefined,
  }))
}

const supabaseRoles = [
  'anon',
  'authenticated',
  'service_role',
  'authenticator',
  'supabase_admin',
  'supabase_auth_admin',
]

// Not every role of the server: it may have one per customer.
function rolesFor({ roles, supabase }: Surroundings, texts: readonly string[]): readonly string[] {
  const named = roles.filter((role) => texts.some((text) => text.includes(role)))
  return [...new Set([...(supabase ? supabaseRoles : []), ...named])]
}

/** Schema auth as Supabase has it, as far as policies and foreign keys need it. The module auth then does nothing, as it does there. */
function supabaseSql(): string {
  const functions = sqlModules.auth.files.find(({ slug }) => slug === 'auth')?.sql ?? ''
  return `${functions}
    create table auth.users (id uuid primary key, email text);
    create schema extensions;
    alter schema auth owner to supabase_auth_admin`
}

interface PGliteModule {
  readonly PGlite: {
    create(options: { readonly extensions: Readonly<Record<string, unknown>> }): Promise<EmbeddedDatabase>
  }
}

async function openEmbedded(extensions: Readonly<Record<string, unknown>>): Promise<EmbeddedDatabase> {
  let module: PGliteModule
  try {
    // What is used of it. The package's own type of an extension is not exported.
    module = (await import('@electric-sql/pglite')) as unknown as PGliteModule
  } catch (cause) {
    throw new TenonError({
      code: 'DEPENDENCY_MISSING',
      message: 'an embedded database needs the package @electric-sql/pglite',
      hint: 'npm install --save-dev @electric-sql/pglite; or take a server: --url, and for drift --replay-url (option replay) with an empty database.',
      cause,
    })
  }
  return await module.PGlite.create({ extensions })
}

/** The bundles of those extensions that PGlite ships. */
async function loadExtensions(names: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const found: Record<string, unknown> = {}
  for (const name of names.filter((candidate) => /^[a-z][a-z0-9_-]*$/.test(candidate))) {
    const bundle = name.replaceAll('-', '_')
    const path = `@electric-sql/pglite/contrib/${bundle}`
    try {
      // A bundler cannot know which one, and must not look for it.
      const module: Record<string, unknown> = await import(/* @vite-ignore */ path)
      if (module[bundle] !== undefined) found[name] = module[bundle]
    } catch {
      // PGlite has no such extension; whether that matters shows when a migration creates it.
    }
  }
  return found
}
