/** The suite of the real migration tools: `npm run test:clients`. Apart from the others because it installs 200 MB of tools first. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    name: 'clients',
    root: import.meta.dirname,
    include: ['*.test.ts'],
    globalSetup: ['../support/servers.ts'],
    pool: 'forks',
    maxWorkers: 1,
    hookTimeout: 60_000,
  },
})
