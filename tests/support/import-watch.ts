/**
 * A program: imports the module named by its argument and prints, as a JSON list, what that module did beyond defining.
 * Kysely and pg are imported first, since their own habits are not in question. Run by the contract tests in a process
 * of its own, because a module is evaluated only once.
 */
import 'kysely'
import 'pg'
import dns from 'node:dns'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const seen: string[] = []

/** Counts only what has a frame outside Node and this program: Node's loader itself reads files and its environment. */
function see(what: string): void {
  const frames = (new Error().stack ?? '').split('\n').slice(1)
  const foreign = (frame: string) => !/node:|import-watch|<anonymous>/.test(frame)
  if (frames.some(foreign)) seen.push(what)
}

function watch(target: object, names: readonly string[], label: (name: string) => string): void {
  for (const name of names) {
    const original: unknown = Reflect.get(target, name)
    if (typeof original !== 'function') throw new Error(`There is no function ${name} to watch.`)
    Reflect.set(target, name, function (this: unknown, ...values: unknown[]) {
      see(label(name))
      return Reflect.apply(original, this, values)
    })
  }
}

Error.stackTraceLimit = 100
watch(net.Socket.prototype, ['connect'], () => 'socket')
watch(dns, ['lookup'], () => 'name lookup')
watch(globalThis, ['setTimeout', 'setInterval', 'setImmediate'], () => 'timer')
watch(fs, ['open', 'openSync', 'readFile', 'readFileSync', 'writeFile', 'writeFileSync'], () => 'file')
watch(console, ['log', 'info', 'warn', 'error'], () => 'print')
watch(process, ['on', 'once', 'addListener', 'exit', 'emitWarning'], (name) => `process.${name}`)
syncBuiltinESMExports()
Object.defineProperty(process, 'env', {
  value: new Proxy(process.env, {
    get(target, key) {
      see(`environment ${String(key)}`)
      return Reflect.get(target, key)
    },
  }),
})

const globals = new Set(Object.getOwnPropertyNames(globalThis))
await import(process.argv[2] ?? '')
for (const name of Object.getOwnPropertyNames(globalThis)) if (!globals.has(name)) seen.push(`global ${name}`)
process.stdout.write(JSON.stringify(seen), () => process.exit())
