/**
 * What connecting may end with, in the terms of the error tree.
 *
 * Owns the reading of pg's and Node's errors; when to try again is socket-lines.ts'.
 */
import { TenonError } from '../kernel/errors.ts'
import { fromServerError } from '../kernel/server-error.ts'
import { toServerErrorFields } from '../kernel/server-error-fields.ts'

/** The database object was closed. */
export function databaseClosed(): TenonError {
  return new TenonError({
    code: 'DATABASE_CLOSED',
    message: 'the database was closed',
    hint: 'Create the database object once per process and close it last.',
  })
}

/** Nobody gave a connection back in time. */
export function poolTimeout(): TenonError {
  return new TenonError({
    code: 'TIMEOUT_POOL',
    message: 'no connection of the pool came free in time',
    hint: 'Raise pool.max, shorten transactions, or look for a session that waits for another one inside a transaction.',
  })
}

const networkCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'EACCES',
  'ECONNRESET',
  'EPIPE',
])

/** Maps what pg throws while connecting. Messages of pg are constants of its source, except those of the server. */
export function connectError(error: unknown): TenonError {
  const fields = toServerErrorFields(error)
  if (fields !== undefined) return fromServerError(fields, { connecting: true })
  const code = errorCodeOf(error)
  const message = error instanceof Error ? error.message : ''
  if (message === 'timeout exceeded when trying to connect') return poolTimeout()
  if (
    code === 'ETIMEDOUT' ||
    message.startsWith('Connection terminated due to connection timeout') ||
    message === 'timeout expired'
  ) {
    return new TenonError({
      code: 'TIMEOUT_CONNECT',
      message: 'the server did not answer in time',
      hint: 'Check host, port and firewall, or raise pool.connectTimeoutMs.',
      cause: error,
    })
  }
  if (message.includes('does not support SSL')) {
    return new TenonError({
      code: 'CONNECTION_TLS',
      message: 'the server does not offer TLS',
      hint: 'Switch TLS on at the server; only for a network you trust add sslmode=disable.',
      cause: error,
    })
  }
  if (code !== undefined && isTlsCode(code)) {
    return new TenonError({
      code: 'CONNECTION_TLS',
      message: `the server's certificate was not accepted (${code})`,
      hint: "Pass the provider's CA with ssl: { ca } or sslrootcert; TLS is verified in full off localhost.",
      cause: error,
    })
  }
  if (message.startsWith('SASL') || message.startsWith('client password')) {
    return new TenonError({
      code: 'CONNECTION_AUTH',
      message: 'the login could not be authenticated',
      hint: 'Check user and password; the password must be a non-empty string.',
      cause: error,
    })
  }
  if (code !== undefined && networkCodes.has(code)) {
    return new TenonError({
      code: 'CONNECTION_REFUSED',
      message: `the server could not be reached (${code})`,
      hint: 'Check that it runs and that host and port are right.',
      cause: error,
    })
  }
  return new TenonError({
    code: 'CONNECTION_LOST',
    message: 'the connection ended while it was being opened',
    cause: error,
  })
}

function errorCodeOf(error: unknown): string | undefined {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCodeOf(error.errors[0])
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code
  return undefined
}

/** Node's own codes, and OpenSSL's names of what is wrong with a certificate. */
function isTlsCode(code: string): boolean {
  if (code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.includes('CERT')) return true
  return opensslCodes.has(code)
}

const opensslCodes = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'HOSTNAME_MISMATCH',
  'PATH_LENGTH_EXCEEDED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
])
