/** The process of import-time.ts: imports a file and prints the milliseconds. What the first import of any file takes is before. */
await import('./empty.ts')
const begin = performance.now()
await import(process.argv[2] ?? '')
const milliseconds = performance.now() - begin
process.stdout.write(`${JSON.stringify(milliseconds)}\n`)
process.exit(0)
