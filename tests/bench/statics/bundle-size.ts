/** How large a contestant's file is as one minified file with everything that it imports, as it would be shipped to a serverless function. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** Bytes of a bundle. */
export interface BundleSize {
  readonly bytes: number
  readonly gzipBytes: number
}

// tsup's; a dependency of its own would be the same program.
const esbuild = fileURLToPath(new URL('../../../node_modules/.bin/esbuild', import.meta.url))
/** The driver, the same for all that use it; what cannot be bundled; and an optional package of Tenon that a program on a server does not install. */
const externals = ['pg', 'pg-cursor', 'pg-native', 'cloudflare:sockets', '*.node', '@electric-sql/pglite']

/** Bundles a file for Node. */
export async function measureBundle(url: URL): Promise<BundleSize> {
  const { stdout } = await promisify(execFile)(
    esbuild,
    [
      fileURLToPath(url),
      '--bundle',
      '--minify',
      '--platform=node',
      '--format=esm',
      '--target=node22',
      '--log-level=error',
      ...externals.map((name) => `--external:${name}`),
    ],
    { maxBuffer: 2 ** 28, encoding: 'buffer' },
  )
  return { bytes: stdout.length, gzipBytes: (await promisify(gzip)(stdout)).length }
}
