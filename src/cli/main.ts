#!/usr/bin/env node
/** The program `tenon`: the process around {@link run}, and nothing else. */
import { run } from './run.ts'

const stop = new AbortController()
process.on('SIGINT', () => {
  // The second time is for whoever cannot wait; the server rolls back what was not committed.
  if (stop.signal.aborted) process.exit(130)
  process.stderr.write('stopping after this step (again: at once)\n')
  stop.abort()
})

process.exitCode = await run(process.argv.slice(2), {
  environment: process.env,
  signal: stop.signal,
  directory: process.cwd(),
  colour: process.stdout.isTTY === true && !process.env['NO_COLOR'],
  print: (text) => void process.stdout.write(`${text}\n`),
  tell: (text) => void process.stderr.write(`${text}\n`),
})
