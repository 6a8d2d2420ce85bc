/**
 * Loaded before a measured file (`node --import`): imports of src/ go to the built package, which is what users get, and types are stripped
 * once for all processes. Node would strip them while it imports, and a generated client of 300 KB is shipped without them.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const sources = new URL('../../../src/', import.meta.url).href
const built = new URL('../../../dist/', import.meta.url).href
const benchmarks = new URL('../', import.meta.url).href
/** Of the process that measures, which removes it. */
const folder = process.env['TENON_BENCH_STRIPPED'] ?? ''

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    if (!resolved.url.startsWith(sources)) return resolved
    return { ...resolved, url: resolved.url.replace(sources, built).replace(/\.ts$/, '.js'), format: 'module' }
  },
  load(url, context, next) {
    if (!url.startsWith(benchmarks) || !url.endsWith('.ts')) return next(url, context)
    return { format: 'module', source: stripped(fileURLToPath(url)), shortCircuit: true }
  },
})

function stripped(path: string): string {
  const key = createHash('sha1')
    .update(`${path} ${statSync(path).mtimeMs}`)
    .digest('hex')
  const copy = join(folder, `${key}.js`)
  if (existsSync(copy)) return readFileSync(copy, 'utf8')
  const text = stripTypeScriptTypes(readFileSync(path, 'utf8'))
  writeFileSync(copy, text)
  return text
}
