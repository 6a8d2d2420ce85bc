/**
 * Certificates for one test run, made by the `openssl` program: two authorities and one server certificate of the first.
 * Nothing is kept: the directory goes with `remove()`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Paths and texts of what was made. */
export interface Certificates {
  /** PEM of the authority that signed the server's certificate. */
  readonly ca: string
  readonly caFile: string
  /** PEM of an authority that signed nothing here. */
  readonly strangerCa: string
  readonly certFile: string
  readonly keyFile: string
  remove(): void
}

/** Whether this machine has openssl. */
export function hasOpenssl(): boolean {
  return spawnSync('openssl', ['version']).status === 0
}

/**
 * Makes the certificates.
 *
 * @param names what the server's certificate is valid for, as subject alternative names: `DNS:db.test`, `IP:127.0.0.1`
 * @param owner user that must be able to read the key, where the server runs as another
 */
export function createCertificates(
  names: readonly string[],
  owner?: { readonly uid: number; readonly gid: number },
): Certificates {
  const directory = mkdtempSync(join(owner ? '/tmp' : tmpdir(), 'tenon-certificates-'))
  const at = (name: string): string => join(directory, name)
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  for (const name of ['ca', 'stranger']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.pem`),
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    )
  }
  openssl('req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=server')
  writeFileSync(at('names'), `subjectAltName=${names.join(',')}\n`)
  openssl(
    'x509',
    '-req',
    '-in',
    at('server.csr'),
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-CAcreateserial',
    '-out',
    at('server.pem'),
    '-days',
    '2',
    '-extfile',
    at('names'),
  )
  // PostgreSQL refuses a key that others could read.
  chmodSync(at('server.key'), 0o600)
  if (owner) for (const path of [directory, at('server.key'), at('server.pem')]) chownSync(path, owner.uid, owner.gid)
  return {
    ca: readFileSync(at('ca.pem'), 'utf8'),
    caFile: at('ca.pem'),
    strangerCa: readFileSync(at('stranger.pem'), 'utf8'),
    certFile: at('server.pem'),
    keyFile: at('server.key'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}
