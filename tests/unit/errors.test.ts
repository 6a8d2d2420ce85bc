import { inspect } from 'node:util'
import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  AccessError,
  CommitUnknownError,
  ConnectionLostError,
  ConstraintError,
  describeErrorCode,
  type ErrorCode,
  errorCodes,
  isTenonError,
  NotFoundError,
  TenonError,
} from '../../src/kernel/errors.ts'

const canary = 's3cr3t-token'

/** Everything a log, a reporter or a person could print of an error. */
function printed(error: Error): string {
  return [
    error.message,
    String(error),
    error.stack ?? '',
    JSON.stringify(error),
    JSON.stringify(Object.getOwnPropertyNames(error)),
    inspect(error, { depth: 10, showHidden: true, getters: true }),
    inspect(error.cause, { depth: 10, showHidden: true }),
  ].join('\n')
}

/** What pg throws for a duplicate key, with values wherever pg has them. */
function driverError(): Error {
  return Object.assign(new Error(`duplicate key: ${canary}`), {
    name: 'error',
    code: '23505',
    detail: `Key (slug)=(${canary}) already exists.`,
    where: `unnamed portal parameter $1 = '${canary}'`,
    schema: 'public',
    table: 'projects',
    constraint: 'projects_slug_key',
    parameters: [canary],
  })
}

describe('the list of codes', () => {
  test('is the same at run time and in the type', () => {
    expectTypeOf<(typeof errorCodes)[number]>().toEqualTypeOf<ErrorCode>()
    expectTypeOf<ErrorCode>().not.toEqualTypeOf<string>()
    expectTypeOf<'CONSTRAINT_UNIQUE' | 'COMMIT_UNKNOWN' | 'LIMIT_DEPTH'>().toExtend<ErrorCode>()
    // @ts-expect-error the union is closed
    const unknown: ErrorCode = 'CONSTRAINT_UNHEARD_OF'
    expect(errorCodes).not.toContain(unknown)
    for (const code of errorCodes) expect(describeErrorCode(code).summary).toMatch(/^[A-Z].*\.$/)
  })

  test('holds each code once, spelled AREA_REASON', () => {
    expect(new Set(errorCodes).size).toBe(errorCodes.length)
    for (const code of errorCodes) expect(code).toMatch(/^[A-Z]+(_[A-Z]+)+$/)
  })

  test('calls retryable only what leaves nothing behind', () => {
    expect(errorCodes.filter((code) => describeErrorCode(code).retryable).sort()).toEqual([
      'CONNECTION_LOST',
      'CONNECTION_REFUSED',
      'TIMEOUT_CONNECT',
      'TIMEOUT_LOCK',
      'TIMEOUT_POOL',
      'TRANSACTION_DEADLOCK',
      'TRANSACTION_SERIALIZATION',
    ])
  })

  test('cannot be changed', () => {
    expect(Object.isFrozen(errorCodes)).toBe(true)
  })
})

describe('TenonError', () => {
  test('carries code, message, hint and the default of retryable', () => {
    const error = new TenonError({ code: 'TIMEOUT_POOL', message: 'no connection in 5 s', hint: 'raise max' })
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ name: 'TenonError', code: 'TIMEOUT_POOL', hint: 'raise max', retryable: true })
    expect(String(error)).toBe('TenonError: no connection in 5 s')
    expect(error.stack).toMatch(/^TenonError: no connection in 5 s\n/)
  })

  test('lets retryable be overridden', () => {
    expect(new TenonError({ code: 'TIMEOUT_LOCK', message: 'm', retryable: false }).retryable).toBe(false)
    expect(new TenonError({ code: 'QUERY_FAILED', message: 'm', retryable: true }).retryable).toBe(true)
  })

  test('has no property for what is not known', () => {
    expect(Object.keys(new TenonError({ code: 'QUERY_FAILED', message: 'm', hint: undefined }))).toEqual([
      'code',
      'retryable',
    ])
  })

  test('cannot be changed after it was thrown', () => {
    const error = new TenonError({ code: 'QUERY_FAILED', message: 'm' })
    expect(() => Object.assign(error, { code: 'NOT_FOUND' })).toThrow(TypeError)
  })

  test('gives JSON of code, name, message, hint, retryable, sqlstate and object names only', () => {
    const error = new TenonError({
      code: 'QUERY_DATA',
      message: 'invalid text representation (22P02)',
      hint: 'look at the value',
      sqlstate: '22P02',
      schema: 'public',
      table: 'projects',
      column: 'priority',
      dataType: 'int4',
      constraint: 'projects_priority_check',
      position: 7,
      cause: driverError(),
    })
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'QUERY_DATA',
      name: 'TenonError',
      message: 'invalid text representation (22P02)',
      hint: 'look at the value',
      retryable: false,
      sqlstate: '22P02',
      schema: 'public',
      table: 'projects',
      column: 'priority',
      dataType: 'int4',
      constraint: 'projects_priority_check',
    })
  })

  test('keeps of its cause the name, the codes and the object names, and no value', () => {
    const error = new TenonError({ code: 'QUERY_FAILED', message: 'm', cause: driverError() })
    expect(error.cause).toEqual({
      name: 'error',
      sqlstate: '23505',
      schema: 'public',
      table: 'projects',
      constraint: 'projects_slug_key',
    })
    expect(printed(driverError())).toContain(canary)
    expect(printed(error)).not.toContain(canary)
  })

  test('keeps the code and the system call of a socket error', () => {
    const cause = Object.assign(new Error(`write ${canary}`), { code: 'EPIPE', syscall: 'write', errno: -32 })
    const error = new TenonError({ code: 'CONNECTION_REFUSED', message: 'm', cause })
    expect(error.cause).toEqual({ name: 'Error', code: 'EPIPE', syscall: 'write' })
    expect(printed(error)).not.toContain(canary)
  })

  test.each([
    ['a string', canary],
    ['an array', [canary]],
    [
      'an object with values where names belong',
      { name: `a ${canary}`, code: canary, table: canary, sqlstate: canary },
    ],
    ['an aggregate', new AggregateError([driverError()], canary)],
    ['a chain of causes', new Error(canary, { cause: driverError() })],
    [
      'an object whose getters throw',
      Object.defineProperty({}, 'code', {
        get() {
          throw new Error(canary)
        },
      }),
    ],
  ])('prints nothing of a cause that is %s', (_, cause) => {
    const error = new TenonError({ code: 'QUERY_FAILED', message: 'm', cause })
    expect(error.cause).toBeDefined()
    expect(printed(error)).not.toContain(canary)
  })

  test('keeps another error of ours as its cause', () => {
    const cause = new CommitUnknownError()
    expect(new TenonError({ code: 'MIGRATION_FAILED', message: 'm', cause }).cause).toBe(cause)
  })

  test('has no cause when none was given', () => {
    expect('cause' in new TenonError({ code: 'QUERY_FAILED', message: 'm' })).toBe(false)
    expect('cause' in new TenonError({ code: 'QUERY_FAILED', message: 'm', cause: null })).toBe(false)
  })
})

describe('the subclasses', () => {
  test('ConstraintError takes its code from its kind and says the columns', () => {
    const columns = ['tenant_id', 'slug']
    const error = new ConstraintError({ kind: 'unique', message: 'duplicate key', table: 'projects', columns })
    columns.push('later')
    expect(error).toMatchObject({
      name: 'ConstraintError',
      code: 'CONSTRAINT_UNIQUE',
      kind: 'unique',
      columns: ['tenant_id', 'slug'],
      retryable: false,
    })
    expect(error.toJSON()).toMatchObject({ columns: ['tenant_id', 'slug'], table: 'projects' })
    expect(Object.isFrozen(error.columns)).toBe(true)
  })

  test.each([
    ['unique', 'CONSTRAINT_UNIQUE'],
    ['foreignKey', 'CONSTRAINT_FOREIGN_KEY'],
    ['check', 'CONSTRAINT_CHECK'],
    ['notNull', 'CONSTRAINT_NOT_NULL'],
    ['exclusion', 'CONSTRAINT_EXCLUSION'],
  ] as const)('a %s constraint gives %s and an empty list of unknown columns', (kind, code) => {
    expect(new ConstraintError({ kind, message: 'm' })).toMatchObject({ code, columns: [] })
  })

  test('AccessError takes its code from its reason', () => {
    expect(new AccessError({ reason: 'policy', message: 'm' }).code).toBe('ACCESS_POLICY')
    expect(new AccessError({ reason: 'privilege', message: 'm' }).code).toBe('ACCESS_DENIED')
    expect(new AccessError({ reason: 'privilege', message: 'm' }).name).toBe('AccessError')
  })

  test('ConnectionLostError is retryable and CommitUnknownError never is', () => {
    // @ts-expect-error retryable is not an option of either
    expect(new ConnectionLostError({ message: 'm', retryable: false }).retryable).toBe(true)
    // @ts-expect-error retryable is not an option of either
    const unknown = new CommitUnknownError({ retryable: true })
    expect(unknown).toMatchObject({ code: 'COMMIT_UNKNOWN', retryable: false, name: 'CommitUnknownError' })
    expect(unknown.message).toMatch(/may or may not be committed/)
    expect(unknown.hint).toMatch(/read the data back/)
  })

  test('NotFoundError names its table', () => {
    expect(new NotFoundError({ table: 'projects' })).toMatchObject({
      name: 'NotFoundError',
      code: 'NOT_FOUND',
      message: 'no such row in projects',
      table: 'projects',
    })
    expect(new NotFoundError().message).toBe('no such row')
  })
})

describe('isTenonError', () => {
  test('knows every class of ours', () => {
    const errors = [
      new TenonError({ code: 'QUERY_FAILED', message: 'm' }),
      new ConstraintError({ kind: 'check', message: 'm' }),
      new AccessError({ reason: 'policy', message: 'm' }),
      new ConnectionLostError({ message: 'm' }),
      new CommitUnknownError(),
      new NotFoundError(),
    ]
    for (const error of errors) expect(isTenonError(error)).toBe(true)
  })

  test.each([
    [null],
    [undefined],
    ['TenonError'],
    [new Error('TenonError')],
    [{ name: 'TenonError', code: 'QUERY_FAILED' }],
    [driverError()],
  ])('refuses %s', (thing) => {
    expect(isTenonError(thing)).toBe(false)
  })
})
