import { describe, expect, test } from 'vitest'
import { redactConfig, redactConnectionString } from '../../src/kernel/redact.ts'

const unparsable = '<unparsable connection string>'

describe('redactConnectionString', () => {
  test.each([
    ['postgres://ada:s3cr3t-token@db.example:5432/app', 'postgres://ada:***@db.example:5432/app'],
    ['postgresql://ada:s3cr3t-token@db.example/app', 'postgresql://ada:***@db.example/app'],
    ['POSTGRES://ada:s3cr3t-token@db.example/app', 'POSTGRES://ada:***@db.example/app'],
    ['postgres://ada@db.example/app', 'postgres://ada@db.example/app'],
    ['postgres://db.example', 'postgres://db.example'],
    ['postgres:///app', 'postgres:///app'],
    ['postgres://:s3cr3t-token@/app', 'postgres://:***@/app'],
    ['postgres://a%40b:s3cr3t%2Ftoken@db/app%20one', 'postgres://a%40b:***@db/app%20one'],
    ['postgres://me@corp:s3cr3t@tok:en@db/app', 'postgres://me@corp:***@db/app'],
    ['postgres://ada:s3cr3t@h1:5432,h2:5433,h3/app', 'postgres://ada:***@h1:5432,h2:5433,h3/app'],
    ['postgres://ada:s3cr3t@[2001:db8::1]:5432/app', 'postgres://ada:***@[2001:db8::1]:5432/app'],
    ['postgres://ada:s3cr3t@%2Fvar%2Frun%2Fpostgresql/app', 'postgres://ada:***@%2Fvar%2Frun%2Fpostgresql/app'],
    ['postgres://ada:s3cr3t@/app?host=/var/run/postgresql', 'postgres://ada:***@/app?host=/var/run/postgresql'],
    [
      'postgres://db/app?user=ada&password=s3cr3t&sslmode=verify-full&sslkey=/s3cr3t&apikey=s3cr3t',
      'postgres://db/app?user=ada&password=***&sslmode=verify-full&sslkey=***&apikey=***',
    ],
    ['postgres://db/app?options=-c%20app.token%3Ds3cr3t', 'postgres://db/app?options=***'],
    ['postgres://db/app?s3cr3t-token', 'postgres://db/app?***'],
    ['postgres://db/app?=s3cr3t&a%20b=s3cr3t', 'postgres://db/app?***&***'],
    ['postgres://db/app?application_name=a=s3cr3t', 'postgres://db/app?application_name=***'],
    ['postgres://db/app?application_name=%E0%A4%A', 'postgres://db/app?application_name=***'],
    ['postgres://db/app#s3cr3t', 'postgres://db/app#***'],
    ['postgres://db/host=x%20password=s3cr3t', 'postgres://db/***'],
    ['socket:/var/run/postgresql?db=app&password=s3cr3t', 'socket:/var/run/postgresql?db=app&password=***'],
    ['pglite://memory', 'pglite://memory'],
    ['pglite:./data/dir', 'pglite:./data/dir'],
    ['host=db port=5432 user=ada password=s3cr3t dbname=app', 'host=db port=5432 user=ada password=*** dbname=app'],
    [`host=db password='s3cr3t to\\'ken' user = ada`, 'host=db password=*** user=ada'],
    ['host=/var/run/postgresql password=s3\\ cr3t', 'host=/var/run/postgresql password=***'],
    ['dbname=postgres://ada:s3cr3t@db/app', 'dbname=***'],
    [`user=ada options='-c app.token=s3cr3t'`, 'user=ada options=***'],
  ])('%s', (text, expected) => {
    const printed = redactConnectionString(text)
    expect(printed).toBe(expected)
    expect(printed).not.toMatch(/s3cr3t|tok:|to.?ken/)
  })

  test.each([
    '',
    '   ',
    's3cr3t-token',
    'postgres:/ada:s3cr3t@db/app',
    'mysql://ada:s3cr3t@db/app',
    'jdbc:postgresql://db/app?password=s3cr3t',
    'postgres://ada:s3cr3t/token@db/app',
    'postgres://ada:s3cr3t?token@db/app',
    'postgres://ada:s3cr3t#token@db/app',
    'postgres://ada:5432/s3cr3t@db/app',
    'postgres://ada:s3cr3t',
    'postgres://ada:pw@db:s3cr3t/app',
    'postgres://ada:pw@d b s3cr3t/app',
    'postgres://ada:pw@db/app\npostgres://x:s3cr3t@y',
    'socket://ada:s3cr3t@/var/run',
    'pglite:s3cr3t@x:y',
    'host=db password=s3cr3t to ken',
    'host=db password=s3cr3t tok=en',
    `host=db password='s3cr3t`,
    'password s3cr3t',
  ])('%j cannot be taken apart and is not printed', (text) => {
    expect(redactConnectionString(text)).toBe(unparsable)
  })

  test('what is no string is not printed', () => {
    expect(redactConnectionString(undefined as unknown as string)).toBe(unparsable)
    expect(redactConnectionString({ toString: () => 's3cr3t' } as unknown as string)).toBe(unparsable)
  })

  test('a hostile text of a megabyte takes no time', () => {
    const start = performance.now()
    for (const text of [
      `postgres://${':@'.repeat(500_000)}`,
      `a=${"'\\".repeat(500_000)}`,
      `host=${' '.repeat(1_000_000)}`,
    ]) {
      redactConnectionString(text)
    }
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('redactConfig', () => {
  test('keeps what is harmless and hides the rest', () => {
    const printed = redactConfig({
      connectionString: 'postgres://ada:s3cr3t@db/app',
      host: 'db',
      port: 5432,
      user: 'ada',
      database: 'app',
      password: 's3cr3t',
      max: 10,
      application_name: 'web',
      options: '-c app.token=s3cr3t',
      ssl: {
        rejectUnauthorized: true,
        servername: 'db',
        ca: 's3cr3t',
        key: Buffer.from('s3cr3t'),
        passphrase: 's3cr3t',
      },
      stream: () => 's3cr3t',
      somethingNew: { token: 's3cr3t' },
      max_secret: 5,
    })
    expect(printed).toEqual({
      connectionString: 'postgres://ada:***@db/app',
      host: 'db',
      port: 5432,
      user: 'ada',
      database: 'app',
      password: '***',
      max: 10,
      application_name: 'web',
      options: '***',
      ssl: { rejectUnauthorized: true, servername: 'db', ca: '***', key: '***', passphrase: '***' },
      stream: '***',
      somethingNew: '***',
      max_secret: '***',
    })
  })

  test('hides a password that is a function or a number, and a connection string in the wrong place', () => {
    const printed = redactConfig({
      password: () => 's3cr3t',
      user: 5,
      host: 'ada:s3cr3t@db',
      database: 'postgres://x:s3cr3t@y/z',
    })
    expect(printed).toEqual({ password: '***', user: '***', host: '***', database: '***' })
  })

  test('shows what is not set as not set', () => {
    expect(redactConfig({ password: undefined, ssl: false, host: null })).toEqual({
      password: undefined,
      ssl: false,
      host: null,
    })
  })

  test('does not change what it was given', () => {
    const config = { password: 's3cr3t' }
    redactConfig(config)
    expect(config).toEqual({ password: 's3cr3t' })
  })
})
