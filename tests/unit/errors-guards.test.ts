import { describe, expect, expectTypeOf, test } from 'vitest'
import * as guards from '../../src/kernel/error-guards.ts'
import * as own from '../../src/kernel/errors.ts'

// A second copy of the module, as an application has it that bundles Tenon and also loads it from node_modules.
const copySpecifier = '../../src/kernel/errors.ts?copy=second'
const copy: typeof own = await import(/* @vite-ignore */ copySpecifier)

type Guard = (error: unknown) => boolean

/** An error as pg throws it. */
function raw(code: string, more: object = {}): Error {
  return Object.assign(new Error('from the driver'), { code, severity: 'ERROR', ...more })
}

function ours(code: own.ErrorCode, module: typeof own = own): Error {
  return new module.TenonError({ code, message: 'm' })
}

const policyRoutine = { routine: 'ExecWithCheckOptions' }

const cases: readonly {
  readonly guard: Guard
  readonly codes: readonly own.ErrorCode[]
  readonly raw: readonly Error[]
}[] = [
  { guard: guards.isUniqueViolation, codes: ['CONSTRAINT_UNIQUE'], raw: [raw('23505')] },
  { guard: guards.isForeignKeyViolation, codes: ['CONSTRAINT_FOREIGN_KEY'], raw: [raw('23503'), raw('23001')] },
  { guard: guards.isCheckViolation, codes: ['CONSTRAINT_CHECK'], raw: [raw('23514'), raw('44000')] },
  { guard: guards.isNotNullViolation, codes: ['CONSTRAINT_NOT_NULL'], raw: [raw('23502')] },
  { guard: guards.isExclusionViolation, codes: ['CONSTRAINT_EXCLUSION'], raw: [raw('23P01')] },
  {
    guard: guards.isAccessDenied,
    codes: ['ACCESS_DENIED'],
    raw: [raw('42501'), raw('42501', { routine: 'aclcheck_error' })],
  },
  {
    guard: guards.isPolicyViolation,
    codes: ['ACCESS_POLICY'],
    raw: [raw('42501', policyRoutine), raw('42501', { routine: 'check_enable_rls' })],
  },
  { guard: guards.isSerializationFailure, codes: ['TRANSACTION_SERIALIZATION'], raw: [raw('40001')] },
  { guard: guards.isDeadlock, codes: ['TRANSACTION_DEADLOCK'], raw: [raw('40P01')] },
  { guard: guards.isLockTimeout, codes: ['TIMEOUT_LOCK'], raw: [raw('55P03')] },
  { guard: guards.isStatementTimeout, codes: ['TIMEOUT_STATEMENT'], raw: [] },
  { guard: guards.isConnectionLost, codes: ['CONNECTION_LOST'], raw: [] },
  { guard: guards.isCommitUnknown, codes: ['COMMIT_UNKNOWN'], raw: [] },
  {
    guard: guards.isTooLarge,
    codes: ['LIMIT_PARAMETERS', 'LIMIT_BYTES', 'LIMIT_DEPTH', 'LIMIT_RESULT', 'LIMIT_SERVER'],
    raw: [raw('54000'), raw('54001')],
  },
  { guard: guards.isCanceled, codes: ['QUERY_CANCELED'], raw: [raw('57014')] },
  { guard: guards.isNotFound, codes: ['NOT_FOUND'], raw: [] },
]

const everyRaw = [...cases.flatMap((each) => each.raw), raw('22P02'), raw('08006'), raw('ECONNRESET'), raw('EPIPE')]

describe.each(cases.map((each) => [each.guard.name, each] as const))('%s', (_, { guard, codes, raw: rawErrors }) => {
  test('knows exactly its codes, in this copy of the classes and in another one', () => {
    for (const code of own.errorCodes) {
      expect([code, guard(ours(code))]).toEqual([code, codes.includes(code)])
      expect([code, guard(ours(code, copy))]).toEqual([code, codes.includes(code)])
    }
  })

  test('knows exactly its SQLSTATEs of the driver', () => {
    for (const error of everyRaw) expect([error, guard(error)]).toEqual([error, rawErrors.includes(error)])
  })

  test('refuses what is no error', () => {
    for (const thing of [null, undefined, 0, '23505', {}, { code: '23505' }, [], new Error('23505')]) {
      expect(guard(thing)).toBe(false)
    }
  })
})

test('the second copy really is another class with the same brand', () => {
  const foreign = new copy.ConstraintError({ kind: 'unique', message: 'm', constraint: 'projects_slug_key' })
  expect(copy.TenonError).not.toBe(own.TenonError)
  expect(foreign).not.toBeInstanceOf(own.TenonError)
  expect(guards.isTenonError(foreign)).toBe(true)
  expect(guards.isUniqueViolation(foreign, 'projects_slug_key')).toBe(true)
})

test('a constraint guard asks for the named constraint, ours and the driver’s', () => {
  const error = new own.ConstraintError({ kind: 'unique', message: 'm', constraint: 'projects_slug_key' })
  const driver = raw('23505', { constraint: 'projects_slug_key' })
  for (const each of [error, driver]) {
    expect(guards.isUniqueViolation(each, 'projects_slug_key')).toBe(true)
    expect(guards.isUniqueViolation(each, 'projects_pkey')).toBe(false)
    expect(guards.isForeignKeyViolation(each, 'projects_slug_key')).toBe(false)
  }
  expect(guards.isUniqueViolation(raw('23505'), 'projects_slug_key')).toBe(false)
})

test('the not-null guard asks for the named column', () => {
  const error = new own.ConstraintError({ kind: 'notNull', message: 'm', column: 'name', columns: ['name'] })
  for (const each of [error, raw('23502', { column: 'name' })]) {
    expect(guards.isNotNullViolation(each, 'name')).toBe(true)
    expect(guards.isNotNullViolation(each, 'slug')).toBe(false)
  }
})

test('isNotFound asks for the named table', () => {
  const error = new own.NotFoundError({ table: 'projects' })
  expect(guards.isNotFound(error, 'projects')).toBe(true)
  expect(guards.isNotFound(error, 'profiles')).toBe(false)
})

test('isCanceled knows the AbortError of a signal', () => {
  const controller = new AbortController()
  controller.abort()
  expect(guards.isCanceled(controller.signal.reason)).toBe(true)
  expect(guards.isCanceled(Object.assign(new Error('aborted'), { name: 'AbortError' }))).toBe(true)
  expect(guards.isCanceled(new DOMException('late', 'TimeoutError'))).toBe(false)
})

test('isRetryable follows the error, and the SQLSTATE of the driver', () => {
  for (const code of own.errorCodes) {
    expect([code, guards.isRetryable(ours(code))]).toEqual([code, own.describeErrorCode(code).retryable])
  }
  expect(guards.isRetryable(new own.TenonError({ code: 'QUERY_FAILED', message: 'm', retryable: true }))).toBe(true)
  for (const code of ['40001', '40P01', '55P03']) expect(guards.isRetryable(raw(code))).toBe(true)
  for (const code of ['23505', '57014', '57P01', '08006', 'ECONNRESET']) {
    expect(guards.isRetryable(raw(code))).toBe(false)
  }
  expect(guards.isRetryable(new Error('m'))).toBe(false)
})

test('a guard that says no leaves the type of the error as it was', () => {
  const error: own.TenonError = new own.TenonError({ code: 'TRANSACTION_DEADLOCK', message: 'm' })
  if (guards.isDeadlock(error)) expectTypeOf(error.code).toEqualTypeOf<'TRANSACTION_DEADLOCK'>()
  else expectTypeOf(error).toEqualTypeOf<own.TenonError>()
  if (!guards.isUniqueViolation(error) && !guards.isCanceled(error) && !guards.isRetryable(error)) {
    expectTypeOf(error).toEqualTypeOf<own.TenonError>()
  }
  const thrown: unknown = error
  if (guards.isUniqueViolation(thrown)) expectTypeOf(thrown.constraint).toEqualTypeOf<string | undefined>()
  if (guards.isConnectionLost(thrown)) expectTypeOf(thrown).toEqualTypeOf<own.ConnectionLostError>()
})
