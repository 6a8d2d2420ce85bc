/**
 * PostGIS for tests: Debian's, on a server of its own, and PGlite's build, which needs a PGlite of exactly its version.
 * Two tenants' places with row security, countries and parcels; the extension stands in the schema that a test asks for.
 */
import { existsSync } from 'node:fs'
import type { Kysely } from 'kysely'
import { Client } from 'pg'
import { type GeographyColumn, type GeometryColumn, type GeometryType, geoCodec } from '../../src/geo/index.ts'
import { createDatabase, type Database, type DatabaseOptions, type Session } from '../../src/index.ts'
import { createLogin, createTestDatabase } from './database.ts'
import { bootPglitePostgis } from './pglite-postgis.ts'
import { startPostgres } from './postgres.ts'
import { findSystemBinaries } from './postgres-binaries.ts'

/** `DB` of the fixture. */
export interface GeoDB {
  places: {
    id: number
    tenant_id: number
    display_name: string
    population: bigint | string | number | null
    location: GeographyColumn<'Point'> | null
    location_x: number | null
    location_y: number | null
  }
  countries: { id: number; name: string; shape: GeometryColumn<'MultiPolygon'> }
  parcels: { id: number; shape: GeometryColumn<GeometryType, 3857> }
  anything: { id: number; shape: GeometryColumn<GeometryType, number> | null; globe: GeographyColumn | null }
}

const fixture = `
  create table places (
    id int primary key, tenant_id int not null, display_name text not null, population bigint, location geography(Point, 4326),
    location_x float8 generated always as (st_x(location::geometry)) stored, location_y float8 generated always as (st_y(location::geometry)) stored
  );
  create index places_location_idx on places using gist (tenant_id, location);
  create index places_point_idx on places (tenant_id, location_y, location_x);
  create table countries (id int primary key, name text not null, shape geometry(MultiPolygon, 4326) not null);
  create index countries_shape_idx on countries using gist (shape);
  create table parcels (id int primary key, shape geometry(Geometry, 3857) not null);
  create table anything (id int primary key, shape geometry, globe geography);
  alter table places enable row level security;
  create policy places_tenant_policy on places to authenticated
    using (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::int))
    with check (tenant_id = (select nullif(current_setting('app.tenant_id', true), '')::int));
  grant select, insert, update, delete on places, countries, parcels, anything to authenticated`

/** A database with PostGIS. */
export interface Ground extends AsyncDisposable {
  readonly db: Database<GeoDB>
  /** A session of a tenant. */
  as(tenant: number): Session<GeoDB>
  readonly service: Kysely<GeoDB>
  /** Where it is, for a database object of another kind. */
  readonly connection: Pick<DatabaseOptions, 'connection' | 'service' | 'searchPath'>
  admin(text: string): Promise<readonly Record<string, unknown>[]>
}

/** Where PostGIS can be had. */
export interface GroundKind {
  readonly name: string
  /** Why it makes no tiles; undefined where it does. */
  readonly noTiles: string | undefined
  /** Why it cannot be had here, and what would change that. */
  readonly skip: string | undefined
  open(schema?: 'public' | 'extensions'): Promise<Ground>
}

/** The newest PostgreSQL of the system that has PostGIS. */
export function findPostgisBinaries(): string | undefined {
  const binDir = findSystemBinaries()
  const major = binDir?.split('/').at(-2)
  return existsSync(`/usr/share/postgresql/${major}/extension/postgis.control`) ? binDir : undefined
}

const binDir = findPostgisBinaries()

export const groundKinds: readonly GroundKind[] = [
  {
    name: 'a server',
    noTiles: undefined,
    skip: binDir === undefined ? 'PostGIS is not installed here (apt-get install postgresql-postgis)' : undefined,
    open: (schema = 'public') => openServer(schema),
  },
  {
    name: 'PGlite, PostGIS in a schema of its own',
    noTiles:
      'PGlite’s PostGIS was built without protobuf: tiles are tried on a server (apt-get install postgresql-postgis)',
    skip: undefined,
    open: (schema = 'extensions') => openPglite(schema),
  },
]

const extensions = (schema: string): string =>
  `create schema if not exists ${schema}; grant usage on schema ${schema} to public;
   create extension postgis schema ${schema}; create extension btree_gist schema ${schema}; set search_path = public, ${schema}`

async function openServer(schema: string): Promise<Ground> {
  const server = await startPostgres({ binDir: binDir ?? '' })
  const servers = { main: { kind: 'environment', url: server.url, version: server.version }, prefix: 'geo_' } as const
  const place = await createTestDatabase({ servers })
  const login = await createLogin(place, { servers })
  const admin = new Client(place.adminUrl)
  await admin.connect()
  await admin.query(`${extensions(schema)}; ${fixture}`)
  const connection = { connection: login.url, service: { connection: place.adminUrl } }
  return ground(
    connection,
    schema,
    async (text) => (await admin.query(text)).rows,
    async () => {
      await admin.end()
      await server.stop()
    },
  )
}

async function openPglite(schema: string): Promise<Ground> {
  const pglite = await bootPglitePostgis(
    `create role authenticated; create role anon; ${extensions(schema)}; ${fixture}`,
  )
  const query = async (text: string) => (await pglite.query<Record<string, unknown>>(text)).rows
  return ground({ connection: pglite }, schema, query, () => pglite.close())
}

function ground(
  connection: Pick<Parameters<typeof createDatabase<GeoDB>>[0], 'connection' | 'service'>,
  schema: string,
  admin: Ground['admin'],
  close: () => Promise<void>,
): Ground {
  const place = { ...connection, searchPath: ['public', ...(schema === 'public' ? [] : [schema])] }
  const db = createDatabase<GeoDB>({ ...place, codecs: [geoCodec], settings: ['app.tenant_id'] })
  return {
    db,
    connection: place,
    as: (tenant) => db.session({ role: 'authenticated', settings: { 'app.tenant_id': String(tenant) } }),
    service: db.service({ actor: 'test', reason: 'geo' }),
    admin,
    [Symbol.asyncDispose]: async () => {
      await db.close()
      await close()
    },
  }
}
