/** `npm run bench:features`: runs the benchmarks beside this file one after the other, or those that are named. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

const all = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.bench.ts'))
  .map((file) => basename(file, '.bench.ts'))
const names = process.argv.slice(2)
const unknown = names.find((name) => !all.includes(name))
if (unknown !== undefined) throw new Error(`There is no benchmark ${unknown}; there are ${all.join(', ')}.`)
for (const name of names.length > 0 ? names : all) {
  console.log(`\n# ${name}`)
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.bench.ts`)], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) process.exitCode = 1
}
