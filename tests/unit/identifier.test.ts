import { describe, expect, test } from 'vitest'
import { isTenonError } from '../../src/kernel/errors.ts'
import { isSettingName, quoteIdentifier, quoteQualified } from '../../src/kernel/identifier.ts'

function thrownBy(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('quoteIdentifier', () => {
  test.each([
    ['projects', '"projects"'],
    ['User', '"User"'],
    ['select', '"select"'],
    ['a"b', '"a""b"'],
    ['"; drop table projects; --', '"""; drop table projects; --"'],
    ["O'Brien", `"O'Brien"`],
    ['a.b', '"a.b"'],
    ['a\\b', '"a\\b"'],
    ['naïve 🐘', '"naïve 🐘"'],
    ['x'.repeat(63), `"${'x'.repeat(63)}"`],
    [`${'é'.repeat(31)}x`, `"${'é'.repeat(31)}x"`],
  ])('quotes %s', (name, quoted) => {
    expect(quoteIdentifier(name)).toBe(quoted)
  })

  test.each([
    ['the empty name', ''],
    ['NUL', 's3cr3t\0'],
    ['64 bytes', 'x'.repeat(64)],
    ['32 characters of 2 bytes', 'é'.repeat(32)],
    ['half a surrogate pair', 's3cr3t\ud800'],
    ['something that is no string', 5 as unknown as string],
  ])('refuses %s and does not repeat it', (_, name) => {
    const error = thrownBy(() => quoteIdentifier(name))
    expect(isTenonError(error) && error.code).toBe('IDENTIFIER_INVALID')
    expect(String(error)).not.toMatch(/s3cr3t|xxx|ééé/)
  })
})

describe('quoteQualified', () => {
  test('quotes both parts apart', () => {
    expect(quoteQualified('public', 'a.b')).toBe('"public"."a.b"')
    expect(quoteQualified(undefined, 'projects')).toBe('"projects"')
  })

  test('refuses an empty schema instead of leaving it out', () => {
    expect(isTenonError(thrownBy(() => quoteQualified('', 'projects')))).toBe(true)
  })
})

describe('isSettingName', () => {
  test.each(['app.tenant_id', 'request.jwt.claims', '_a._b', 'app.Tenant2'.toLowerCase()])('takes %s', (name) => {
    expect(isSettingName(name)).toBe(true)
  })

  test.each([
    ...['role', 'search_path', '', '.', 'app.', '.tenant', 'App.tenant', 'app.Tenant', 'app.2', 'app..tenant'],
    ...['app.tenant id', "app.tenant'", 'app.tenant\n', 'app-x.tenant', 'app.ténant', '1app.tenant'],
  ])('refuses %j', (name) => {
    expect(isSettingName(name)).toBe(false)
  })
})
