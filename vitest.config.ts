/**
 * The test projects. A server is started only for the projects that need one, so a unit test runs at once.
 * Two forks: the integration suites share one PostgreSQL, and CI has two cores.
 */
import { defineConfig } from 'vitest/config'

/** Installs what would be published into an empty project. */
const installedPackage = 'tests/contract/package.test.ts'

/** SQL modules of features and of the examples: tested with these. */
const sqlOfFeatures =
  'tests/sql/{activity,changes,counters,customers,geo,measures,outbox,partitions,projects,reports,search}.test.ts'

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['tests/unit/**/*.test.ts'],
        },
      },
      {
        test: {
          name: 'types',
          include: [],
          typecheck: { enabled: true, only: true, include: ['tests/types/**/*.test.ts'], tsconfig: './tsconfig.json' },
        },
      },
      {
        test: {
          name: 'server',
          include: ['tests/{integration,sql,faults}/**/*.test.ts'],
          exclude: [sqlOfFeatures],
          globalSetup: ['tests/support/servers.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          // Run by `npm run test:features`: one folder per feature of PostgreSQL's own.
          name: 'features',
          include: ['tests/features/**/*.test.ts', sqlOfFeatures],
          globalSetup: ['tests/support/servers.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          // Run by `npm run test:slow`: the program, drift, databases that boot again and again, and torture in its short form.
          name: 'slow',
          include: ['tests/slow/**/*.test.ts'],
          globalSetup: ['tests/support/servers.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'contract',
          include: ['tests/contract/**/*.test.ts'],
          exclude: ['tests/contract/import-time.test.ts', installedPackage],
          globalSetup: ['tests/support/build.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          // Run by `npm run test:slow` too.
          name: 'package',
          include: [installedPackage],
          globalSetup: ['tests/support/build.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'alone',
          include: ['tests/contract/import-time.test.ts'],
          globalSetup: ['tests/support/build.ts'],
          // After the others: it measures.
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
        },
      },
    ],
  },
})
