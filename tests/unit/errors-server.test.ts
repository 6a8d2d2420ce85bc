import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { AccessError, ConnectionLostError, ConstraintError, type ErrorCode } from '../../src/kernel/errors.ts'
import {
  fromServerError,
  type ServerErrorContext,
  type ServerErrorFields,
  toServerErrorFields,
} from '../../src/kernel/server-error.ts'
import { isSqlstate, sqlstateClass, sqlstateCondition } from '../../src/kernel/sqlstate.ts'

const canary = 's3cr3t-token'

function fields(sqlstate: string, more: Partial<ServerErrorFields> = {}): ServerErrorFields {
  return {
    severity: 'ERROR',
    sqlstate,
    message: `the server says ${canary}`,
    detail: `Failing row contains (1, ${canary}).`,
    hint: `perhaps ${canary}`,
    where: `unnamed portal parameter $1 = '${canary}'`,
    routine: 'some_routine',
    ...more,
  }
}

function everything(error: Error): string {
  return [
    String(error),
    error.stack ?? '',
    JSON.stringify(error),
    inspect(error, { depth: 10, showHidden: true }),
    inspect(error.cause, { depth: 10, showHidden: true }),
  ].join('\n')
}

const connecting: ServerErrorContext = { connecting: true }
const contextStep: ServerErrorContext = { contextStep: true }

describe('the code follows from SQLSTATE, routine and context', () => {
  test.each<[string, Partial<ServerErrorFields>, ServerErrorContext, ErrorCode]>([
    ['23505', {}, {}, 'CONSTRAINT_UNIQUE'],
    ['23503', {}, {}, 'CONSTRAINT_FOREIGN_KEY'],
    ['23001', {}, {}, 'CONSTRAINT_FOREIGN_KEY'],
    ['23514', {}, {}, 'CONSTRAINT_CHECK'],
    ['44000', {}, {}, 'CONSTRAINT_CHECK'],
    ['23502', {}, {}, 'CONSTRAINT_NOT_NULL'],
    ['23P01', {}, {}, 'CONSTRAINT_EXCLUSION'],
    ['23000', {}, {}, 'QUERY_FAILED'],
    ['42501', { routine: 'aclcheck_error' }, {}, 'ACCESS_DENIED'],
    ['42501', { routine: undefined }, {}, 'ACCESS_DENIED'],
    ['42501', { routine: 'ExecWithCheckOptions' }, {}, 'ACCESS_POLICY'],
    ['42501', { routine: 'check_enable_rls' }, {}, 'ACCESS_POLICY'],
    ['42501', { routine: 'call_string_check_hook' }, contextStep, 'SESSION_ROLE'],
    ['42501', { severity: 'FATAL' }, {}, 'CONNECTION_AUTH'],
    ['42501', {}, connecting, 'CONNECTION_AUTH'],
    ['22023', { routine: 'call_string_check_hook' }, contextStep, 'SESSION_SETTING'],
    ['42704', {}, contextStep, 'SESSION_SETTING'],
    ['22023', {}, {}, 'QUERY_DATA'],
    ['40001', {}, {}, 'TRANSACTION_SERIALIZATION'],
    ['40P01', {}, {}, 'TRANSACTION_DEADLOCK'],
    ['55P03', {}, {}, 'TIMEOUT_LOCK'],
    ['25001', {}, {}, 'TRANSACTION_SHAPE'],
    ['25P01', {}, {}, 'TRANSACTION_SHAPE'],
    ['2D000', {}, {}, 'TRANSACTION_SHAPE'],
    ['3B001', {}, {}, 'TRANSACTION_SHAPE'],
    ['25006', {}, {}, 'TRANSACTION_READ_ONLY'],
    ['25P02', {}, {}, 'TRANSACTION_ABORTED'],
    ['25P03', { severity: 'FATAL' }, {}, 'TIMEOUT_IDLE_TRANSACTION'],
    ['25P04', { severity: 'FATAL' }, {}, 'TIMEOUT_TRANSACTION'],
    ['57P01', { severity: 'FATAL' }, {}, 'CONNECTION_LOST'],
    ['57P01', { severity: 'ВАЖНО' }, {}, 'CONNECTION_LOST'],
    ['57P02', { severity: 'FATAL' }, {}, 'CONNECTION_LOST'],
    ['57P05', { severity: 'FATAL' }, {}, 'CONNECTION_LOST'],
    ['57P01', { severity: 'FATAL' }, connecting, 'CONNECTION_REFUSED'],
    ['57P03', { severity: 'FATAL' }, connecting, 'CONNECTION_REFUSED'],
    ['57P03', {}, {}, 'CONNECTION_REFUSED'],
    ['53300', { severity: 'FATAL' }, connecting, 'CONNECTION_REFUSED'],
    ['53300', {}, {}, 'CONNECTION_REFUSED'],
    ['53200', { severity: 'FATAL' }, connecting, 'CONNECTION_REFUSED'],
    ['08006', {}, {}, 'CONNECTION_LOST'],
    ['08003', {}, {}, 'CONNECTION_LOST'],
    ['08001', {}, {}, 'CONNECTION_REFUSED'],
    ['08004', {}, {}, 'CONNECTION_REFUSED'],
    ['08P01', {}, {}, 'CONNECTION_PROTOCOL'],
    ['08P01', { routine: 'exec_bind_message' }, {}, 'PARAMETER_INVALID'],
    ['28P01', { severity: 'FATAL' }, connecting, 'CONNECTION_AUTH'],
    ['28000', {}, {}, 'CONNECTION_AUTH'],
    ['3D000', { severity: 'FATAL' }, {}, 'CONNECTION_CONFIG'],
    ['3D000', {}, connecting, 'CONNECTION_CONFIG'],
    ['3D000', { routine: 'dropdb' }, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['22023', { severity: 'FATAL' }, connecting, 'CONNECTION_CONFIG'],
    ['XX000', { severity: 'FATAL' }, {}, 'CONNECTION_LOST'],
    ['XX000', { severity: 'PANIC' }, {}, 'CONNECTION_LOST'],
    ['XX000', {}, {}, 'QUERY_FAILED'],
    ['XX000', { routine: 'pg_error' }, {}, 'QUERY_DATA'],
    ['XX000', { routine: 'pg_error', severity: 'FATAL' }, {}, 'CONNECTION_LOST'],
    ['XX001', { routine: 'pg_error' }, {}, 'QUERY_FAILED'],
    ['53100', {}, {}, 'RESOURCE_EXHAUSTED'],
    ['53200', {}, {}, 'RESOURCE_EXHAUSTED'],
    ['54000', {}, {}, 'LIMIT_SERVER'],
    ['54001', {}, {}, 'LIMIT_SERVER'],
    ['42P01', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['42703', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['42883', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['42704', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['42P02', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['3F000', {}, {}, 'QUERY_UNDEFINED_OBJECT'],
    ['42P07', {}, {}, 'QUERY_DUPLICATE_OBJECT'],
    ['42701', {}, {}, 'QUERY_DUPLICATE_OBJECT'],
    ['42710', {}, {}, 'QUERY_DUPLICATE_OBJECT'],
    ['42601', {}, {}, 'QUERY_SYNTAX'],
    ['42804', {}, {}, 'QUERY_INVALID'],
    ['42P10', {}, {}, 'QUERY_INVALID'],
    ['0A000', {}, {}, 'QUERY_UNSUPPORTED'],
    ['21000', {}, {}, 'QUERY_DATA'],
    ['22P02', {}, {}, 'QUERY_DATA'],
    ['22012', {}, {}, 'QUERY_DATA'],
    ['P0001', {}, {}, 'QUERY_RAISED'],
    ['TN001', { routine: 'exec_stmt_raise' }, {}, 'QUERY_RAISED'],
    ['E0001', { routine: 'exec_stmt_raise' }, {}, 'QUERY_RAISED'],
    ['TN001', {}, {}, 'QUERY_FAILED'],
    ['26000', {}, {}, 'QUERY_FAILED'],
    ['58P01', {}, {}, 'QUERY_FAILED'],
  ])('%s with %o in %o is %4$s', (sqlstate, more, context, code) => {
    const error = fromServerError(fields(sqlstate, more), context)
    expect(error.code).toBe(code)
    expect(error.sqlstate).toBe(sqlstate)
  })

  test.each<[ServerErrorContext, ErrorCode]>([
    [{ cancelRequested: true, statementTimeoutMs: 100, elapsedMs: 500 }, 'QUERY_CANCELED'],
    [{ statementTimeoutMs: 100, elapsedMs: 500 }, 'TIMEOUT_STATEMENT'],
    [{ statementTimeoutMs: 100, elapsedMs: 95 }, 'TIMEOUT_STATEMENT'],
    [{ statementTimeoutMs: 100, elapsedMs: 94 }, 'QUERY_CANCELED'],
    [{ statementTimeoutMs: 0, elapsedMs: 500 }, 'QUERY_CANCELED'],
    [{ elapsedMs: 500 }, 'QUERY_CANCELED'],
    [{ statementTimeoutMs: 100 }, 'QUERY_CANCELED'],
    [{}, 'QUERY_CANCELED'],
  ])('57014 in %o is %s', (context, code) => {
    expect(fromServerError(fields('57014'), context).code).toBe(code)
  })

  test.each([
    ['40001', true],
    ['40P01', true],
    ['55P03', true],
    ['57P01', true],
    ['57P03', true],
    ['53300', true],
    ['57014', false],
    ['23505', false],
    ['25P02', false],
    ['28P01', false],
    ['22P02', false],
    ['XX000', false],
  ])('%s is retryable: %s', (sqlstate, retryable) => {
    expect(fromServerError(fields(sqlstate)).retryable).toBe(retryable)
  })

  test('a message in another language changes nothing', () => {
    const german = fields('42501', {
      severity: 'FEHLER',
      message: 'neue Zeile verletzt Policy für Sicherheit auf Zeilenebene für Tabelle »projects«',
      routine: 'ExecWithCheckOptions',
    })
    expect(fromServerError(german).code).toBe('ACCESS_POLICY')
  })
})

describe('classes and names', () => {
  const names = { schema: 'public', table: 'projects', constraint: 'projects_slug_key' }

  test('a constraint error names table and constraint, and takes its columns from what is known of the schema', () => {
    const asked: unknown[] = []
    const error = fromServerError(fields('23505', names), {
      columnsOf: (...question) => {
        asked.push(question)
        return ['slug']
      },
    })
    expect(error).toBeInstanceOf(ConstraintError)
    expect(error).toMatchObject({ ...names, kind: 'unique', columns: ['slug'] })
    expect(error.message).toBe('duplicate key in projects_slug_key on public.projects')
    expect(asked).toEqual([['public', 'projects', 'projects_slug_key']])
  })

  test('unknown columns are an empty list', () => {
    expect(fromServerError(fields('23505', names))).toMatchObject({ columns: [] })
    expect(fromServerError(fields('23505', names), { columnsOf: () => undefined })).toMatchObject({ columns: [] })
    expect(fromServerError(fields('23502', names))).toMatchObject({ columns: [] })
  })

  test('a not-null error takes the column the server names', () => {
    const error = fromServerError(fields('23502', { schema: 'public', table: 'projects', column: 'name' }), {
      columnsOf: () => ['never asked'],
    })
    expect(error).toMatchObject({ kind: 'notNull', column: 'name', columns: ['name'] })
    expect(error.message).toBe('null in column name of public.projects, which requires a value')
  })

  test.each([
    ['23503', names, 'foreign key projects_slug_key on public.projects is violated'],
    ['23514', names, 'check projects_slug_key on public.projects is violated'],
    [
      '23514',
      { schema: 'public', dataType: 'email', constraint: 'email_check' },
      'check email_check of type public.email is violated',
    ],
    ['23502', { schema: 'public', dataType: 'email' }, 'null where a value is required of type public.email'],
    ['44000', {}, 'the check option of a view is violated'],
    ['23P01', names, 'exclusion constraint projects_slug_key on public.projects is violated'],
    ['23505', {}, 'duplicate key'],
    ['22P02', {}, 'invalid text representation (22P02)'],
    ['22001', { table: 'projects', column: 'name' }, 'string data right truncation (22001) in column name on projects'],
    ['P0001', {}, 'a database function raised an exception (P0001)'],
    ['22999', {}, 'data exception (22999)'],
    ['ZZ123', {}, 'server error (ZZ123)'],
    ['', {}, 'server error without a SQLSTATE'],
    [canary, {}, 'server error without a SQLSTATE'],
  ])('%s on %o says: %s', (sqlstate, more, message) => {
    expect(fromServerError(fields(sqlstate, more)).message).toBe(message)
  })

  test('access and lost connections have their classes', () => {
    expect(fromServerError(fields('42501'))).toBeInstanceOf(AccessError)
    expect(fromServerError(fields('42501'))).toMatchObject({ reason: 'privilege' })
    expect(fromServerError(fields('42501', { routine: 'check_enable_rls' }))).toMatchObject({ reason: 'policy' })
    expect(fromServerError(fields('57P01'))).toBeInstanceOf(ConnectionLostError)
  })

  test('a text that is no name is not taken for one', () => {
    const long = `${canary} ${'x'.repeat(63)}`
    const error = fromServerError(
      fields('P0001', { schema: long, table: long, column: long, constraint: long, dataType: '' }),
    )
    expect(Object.keys(error)).not.toContain('table')
    expect(everything(error)).not.toContain(canary)
  })

  test.each([
    ['15', 15],
    [15, 15],
    ['0', undefined],
    [canary, undefined],
    [undefined, undefined],
  ])('position %s becomes %s', (position, expected) => {
    expect(fromServerError(fields('42601', { position })).position).toBe(expected)
  })
})

describe('no value is passed on', () => {
  const valueStates = [
    ...['22P02', '22001', '22003', '22007', '22008', '22012', '22023', '2201B', '22P05', '21000', '23505', '23503'],
    ...['23001', '23514', '23502', '23P01', '44000', '42601', '42804', '42602', '28P01', '28000', '3D000', '08P01'],
    ...['55P04', 'P0001', 'P0002', 'P0004', 'XX000', 'XX001', '58P01', '26000', '42P05', '38000', '54000', 'TN001'],
  ]

  test.each(valueStates)('%s: message, hint, detail and where of the server stay behind', (sqlstate) => {
    for (const context of [{}, { connecting: true }, { contextStep: true }, { utility: true }]) {
      const error = fromServerError(fields(sqlstate, { position: '8' }), context)
      expect(everything(error)).not.toContain(canary)
    }
  })

  const textStates = ['42P01', '42703', '42883', '42704', '3F000', '42P02', '42701', '42710', '42P07']

  test.each(textStates)(
    '%s: copied where it points into the SQL text, not when it quotes a value at run time',
    (state) => {
      const message = 'relation "nope" does not exist'
      expect(fromServerError(fields(state, { message, position: '15' })).message).toBe(message)
      expect(everything(fromServerError(fields(state)))).not.toContain(canary)
      expect(fromServerError(fields(state, { message, where: undefined }), { utility: true }).message).toBe(message)
      expect(everything(fromServerError(fields(state), { utility: true }))).not.toContain(canary)
      for (const routine of ['regclassin', 'aclparse', 'get_role_oid']) {
        expect(everything(fromServerError(fields(state, { position: '8', routine })))).not.toContain(canary)
      }
    },
  )

  test.each([
    '42501',
    '42P17',
    '0A000',
    '2D000',
    '25001',
    '25P02',
    '40001',
    '40P01',
    '53100',
    '55P03',
    '55006',
    '57014',
  ])('%s: the server’s sentence holds names only and is copied', (sqlstate) => {
    const message = 'permission denied for table projects'
    expect(fromServerError(fields(sqlstate, { message })).message).toBe(message)
  })

  test.each(['42501', '40001', '0A000', '57014', '55P03', '42P01', '23505'])(
    '%s: what a function raises is never copied, whatever SQLSTATE it chose',
    (sqlstate) => {
      for (const routine of ['exec_stmt_raise', 'PLy_elog_impl', 'plperl_call_perl_func', 'pgfdw_report_error']) {
        const error = fromServerError(fields(sqlstate, { routine, position: '8' }), { utility: true })
        expect(everything(error)).not.toContain(canary)
      }
    },
  )

  test('what a foreign server answered is said to come from there, and is not copied', () => {
    const remote = (sqlstate: string, more: object = {}) =>
      fromServerError(
        fields(sqlstate, { routine: 'pgfdw_report_error', where: `remote SQL command: ${canary}`, ...more }),
      )
    for (const sqlstate of ['42P01', '57014', '28P01', '42501', 'P0001', '55P03', 'XX000', '25006']) {
      const error = remote(sqlstate)
      expect(error).toMatchObject({ code: 'FOREIGN_REMOTE', sqlstate, retryable: false })
      expect(everything(error)).not.toContain(canary)
    }
    for (const sqlstate of ['08006', '08003', '08001'])
      expect(remote(sqlstate)).toMatchObject({ code: 'FOREIGN_UNREACHABLE', retryable: sqlstate === '08001' })
    expect(remote('23505').code).toBe('CONSTRAINT_UNIQUE')
    expect(remote('40001')).toMatchObject({ code: 'TRANSACTION_SERIALIZATION', retryable: true })
    for (const sqlstate of ['23505', '40001']) expect(everything(remote(sqlstate))).not.toContain(canary)
    const renamed = remote('42P01', { routine: 'pgfdw_report' })
    expect(renamed.code, 'a later PostgreSQL calls it so').toBe('FOREIGN_REMOTE')
  })

  test('a foreign server that cannot be reached is named, and why is left to the log', () => {
    const message = 'could not connect to server "films"'
    const error = fromServerError(fields('08001', { routine: 'connect_pg_server', message, detail: canary }))
    expect(error).toMatchObject({ code: 'FOREIGN_UNREACHABLE', message })
    expect(everything(error)).not.toContain(canary)
    expect(fromServerError(fields('08006', { routine: 'ProcessInterrupts' })).code, 'ours is ours').toBe(
      'CONNECTION_LOST',
    )
    expect(fromServerError(fields('08001', { routine: 'anything' }), { connecting: true }).code).toBe(
      'CONNECTION_REFUSED',
    )
  })

  test('an answer without a routine is not from PostgreSQL itself and is not copied', () => {
    expect(everything(fromServerError(fields('57014', { routine: undefined })))).not.toContain(canary)
  })

  test('a sentence longer than 300 characters is not copied', () => {
    const named = (length: number) => fromServerError(fields('42501', { message: 'p'.repeat(length) })).message
    expect(named(300)).toBe('p'.repeat(300))
    expect(named(301)).toBe('insufficient privilege (42501)')
  })
})

describe('hints', () => {
  test('the server’s hint is passed on for misspelled names only', () => {
    const hint = 'Perhaps you meant to reference the column "projects.name".'
    expect(fromServerError(fields('42703', { hint, position: '8' })).hint).toBe(hint)
    expect(fromServerError(fields('42703', { hint })).hint).not.toBe(hint)
    expect(fromServerError(fields('22P02', { hint, position: '8' })).hint).not.toBe(hint)
    expect(fromServerError(fields('42703', { hint: canary.repeat(40), position: '8' })).hint).not.toContain(canary)
  })

  test.each<[string, Partial<ServerErrorFields>, RegExp]>([
    ['42501', { hint: undefined, routine: 'aclcheck_error' }, /GRANT.*USAGE on the schema/],
    ['42501', { routine: 'ExecWithCheckOptions' }, /RETURNING.*SELECT policy/],
    ['42501', { routine: 'exec_stmt_raise' }, /function in the database raised this/],
    ['0A000', { routine: 'DoCopy' }, /COPY FROM.*unnest/],
    ['0A000', { routine: 'RevalidateCachedQuery' }, /run it again/],
    ['40001', {}, /whole transaction again/],
    ['53300', {}, /pool size/],
    ['42P17', {}, /recurses/],
    ['26000', {}, /pooler/],
  ])('%s with %o: %s', (sqlstate, more, hint) => {
    expect(fromServerError(fields(sqlstate, more)).hint).toMatch(hint)
  })

  test('there is none where the message says it all', () => {
    expect(fromServerError(fields('23505'))).not.toHaveProperty('hint')
  })
})

describe('toServerErrorFields', () => {
  test('reads a driver’s error and leaves detail behind', () => {
    const driver = Object.assign(new Error('duplicate'), {
      code: '23505',
      severity: 'ERROR',
      detail: canary,
      table: 'projects',
      constraint: 'projects_slug_key',
      routine: '_bt_check_unique',
      length: 12,
    })
    const read = toServerErrorFields(driver)
    expect(read).toMatchObject({ sqlstate: '23505', table: 'projects', routine: '_bt_check_unique' })
    expect(JSON.stringify(read)).not.toContain(canary)
  })

  test.each([
    [Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
    [Object.assign(new Error('pipe'), { code: 'EPIPE' })],
    [new Error('plain')],
    [{ code: '23505' }],
    [undefined],
  ])('gives undefined for %s', (thing) => {
    expect(toServerErrorFields(thing)).toBeUndefined()
  })
})

describe('SQLSTATE', () => {
  test('a state has its condition, an unknown one that of its class, an unknown class none', () => {
    expect(sqlstateCondition('23505')).toBe('unique_violation')
    expect(sqlstateCondition('25P04')).toBe('transaction_timeout')
    expect(sqlstateCondition('22999')).toBe('data_exception')
    expect(sqlstateCondition('ZZ000')).toBeUndefined()
    expect(sqlstateCondition('toString')).toBeUndefined()
    expect(sqlstateCondition('')).toBeUndefined()
    expect(sqlstateClass('23505')).toBe('23')
  })

  test.each([
    ['23505', true],
    ['P0001', true],
    ['E0001', true],
    ['EPIPE', false],
    ['EBUSY', false],
    ['2350', false],
    ['23p01', false],
    ['235055', false],
    [23505, false],
    [undefined, false],
  ])('%s is one: %s', (value, expected) => {
    expect(isSqlstate(value)).toBe(expected)
  })
})
