/**
 * What an interrupted statement outside a transaction has left behind: an invalid index, a partition half detached.
 *
 * Owns finding out whether the statement is done, and clearing the way for running it again. Statements that are none of these can simply
 * be run again.
 */
import type { DedicatedConnection } from '../database/index.ts'
import { quoteQualified } from '../kernel/identifier.ts'
import type { Migration } from './migration.ts'

/**
 * Looks at what is there and makes it so that the statement can run.
 *
 * @returns true when nothing is left to do: the statement had come through
 */
export async function clearTheWay(connection: DedicatedConnection, migration: Migration): Promise<boolean> {
  const index = migration.file.creates.find((object) => object.kind === 'index')
  if (index !== undefined) {
    const name = quoteQualified(index.schema === ':"schema"' ? migration.schema : index.schema, index.name)
    return await finishIndex(connection, name)
  }
  const dropped = /^drop\s+index\s+concurrently\s+(?:if\s+exists\s+)?([\w".]+)\s*(?:restrict|cascade)?$/i.exec(
    statementOf(migration),
  )
  if (dropped?.[1] !== undefined) return (await indexState(connection, dropped[1])) === 'absent'
  const detached = /^alter\s+table\s+(?:only\s+)?([\w".]+)\s+detach\s+partition\s+([\w".]+)\s+concurrently$/i.exec(
    statementOf(migration),
  )
  if (detached?.[1] !== undefined && detached[2] !== undefined)
    return await finishDetach(connection, detached[1], detached[2])
  return false
}

async function finishIndex(connection: DedicatedConnection, name: string): Promise<boolean> {
  const state = await indexState(connection, name)
  if (state === 'invalid') await connection.script(`drop index concurrently if exists ${name}`)
  return state === 'valid'
}

async function indexState(connection: DedicatedConnection, name: string): Promise<'valid' | 'invalid' | 'absent'> {
  const { rows } = await connection.query<{ valid: boolean }>(
    `select indisvalid and indisready and indislive as valid from pg_catalog.pg_index where indexrelid operator(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid`,
    [name],
  )
  return rows[0] === undefined ? 'absent' : rows[0].valid ? 'valid' : 'invalid'
}

async function finishDetach(connection: DedicatedConnection, table: string, partition: string): Promise<boolean> {
  const { rows } = await connection.query<{ pending: boolean }>(
    `select inhdetachpending as pending from pg_catalog.pg_inherits
     where inhparent operator(pg_catalog.=) pg_catalog.to_regclass($1)::pg_catalog.oid
       and inhrelid operator(pg_catalog.=) pg_catalog.to_regclass($2)::pg_catalog.oid`,
    [table, partition],
  )
  if (rows[0]?.pending === true) await connection.script(`alter table ${table} detach partition ${partition} finalize`)
  return rows[0]?.pending !== false
}

/** The one statement of the file, without comments and its semicolon. */
function statementOf({ sql }: Migration): string {
  return sql
    .replace(/--[^\n]*/g, ' ')
    .replace(/\/\*[\s\S]*?\*\//g, ' ')
    .trim()
    .replace(/;$/, '')
    .replace(/\s+/g, ' ')
    .trim()
}
