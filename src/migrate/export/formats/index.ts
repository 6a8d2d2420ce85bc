/** Every format, by name. */
import type { ExportFormatDefinition } from '../export-format.ts'
import { dbmate } from './dbmate.ts'
import { flyway } from './flyway.ts'
import { golangMigrate } from './golang-migrate.ts'
import { goose } from './goose.ts'
import { graphile } from './graphile.ts'
import { kysely } from './kysely.ts'
import { nodePgMigrate } from './node-pg-migrate.ts'
import { prisma } from './prisma.ts'
import { psql } from './psql.ts'
import { sqitch } from './sqitch.ts'
import { supabase } from './supabase.ts'

/** Names of the formats, in the order of the documentation. */
export const exportFormats = [
  'supabase',
  'prisma',
  'dbmate',
  'node-pg-migrate',
  'kysely',
  'graphile',
  'flyway',
  'goose',
  'golang-migrate',
  'sqitch',
  'psql',
] as const

/** The name of a format. */
export type ExportFormat = (typeof exportFormats)[number]

export const formats: { readonly [Name in ExportFormat]: ExportFormatDefinition } = {
  supabase,
  prisma,
  dbmate,
  'node-pg-migrate': nodePgMigrate,
  kysely,
  graphile,
  flyway,
  goose,
  'golang-migrate': golangMigrate,
  sqitch,
  psql,
}
