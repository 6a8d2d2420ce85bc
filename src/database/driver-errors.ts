/**
 * Makes the error that code written for pg cannot tell from pg's own.
 */
import pg from 'pg'
import type { ErrorReport } from './wire/backend-messages.ts'

/** pg's error for a report, field by field in pg's order, for the drop-in dialect whose users test `error.code` and `instanceof`. */
export function driverError({ fields, length }: ErrorReport): pg.DatabaseError {
  const error = new pg.DatabaseError(fields.get('M') ?? '', length, 'error')
  const of = (key: string): string | undefined => fields.get(key)
  return Object.assign(error, {
    severity: of('S'),
    code: of('C'),
    detail: of('D'),
    hint: of('H'),
    position: of('P'),
    internalPosition: of('p'),
    internalQuery: of('q'),
    where: of('W'),
    schema: of('s'),
    table: of('t'),
    column: of('c'),
    dataType: of('d'),
    constraint: of('n'),
    file: of('F'),
    line: of('L'),
    routine: of('R'),
  })
}
