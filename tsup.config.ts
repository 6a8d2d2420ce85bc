/**
 * The build: one ES module and one declaration file per subpath export.
 * package.json is the only list of exports; the entries here are read from it.
 */
import { existsSync, readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>
  readonly bin: Readonly<Record<string, string>>
}

const manifest: Manifest = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'))

const entry: Record<string, string> = {}
const exported = Object.entries(manifest.exports).flatMap(([subpath, target]) =>
  typeof target === 'string' ? [] : [[subpath, target.default] as const],
)
for (const [subpath, target] of [...exported, ...Object.entries(manifest.bin)]) {
  const name = target.replace('./dist/', '').replace(/\.js$/, '')
  const source = `src/${name}.ts`
  if (!existsSync(new URL(source, import.meta.url)))
    throw new Error(`${source}, of export "${subpath}", does not exist.`)
  entry[name] = source
}

export default defineConfig({
  entry,
  format: 'esm',
  target: 'es2023',
  platform: 'node',
  outDir: 'dist',
  clean: true,
  dts: true,
  sourcemap: true,
  // Shared chunks: two entries that each carried a copy of kernel would have two TenonError classes.
  splitting: true,
  // esbuild drops unused code by itself; Rollup's second pass removed nothing more and took ten times as long.
  treeshake: false,
  // Half of the cost of importing the package is parsing it. The declarations and source maps keep every comment.
  minifyWhitespace: true,
  removeNodeProtocol: false,
})
