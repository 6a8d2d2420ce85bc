/** The migration tools, each as a person would run it on a folder of exported files. */
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExportFormat } from '../../src/migrate/index.ts'

const modules = join(import.meta.dirname, 'node_modules')

/** How a program ended. */
export interface Ending {
  readonly code: number
  readonly output: string
}

/** A tool. */
export interface Tool {
  readonly format: ExportFormat
  /** What has to be there, relative to this folder's node_modules or absolute; the tests are skipped without it. */
  readonly program: string
  /** Where the exported files go, in a project of the tool made by `prepare`. */
  folder(project: string): string
  prepare?(project: string, url: string): Promise<void>
  up(project: string, url: string): Promise<Ending>
  /** Takes the newest migration back. */
  down?(project: string, url: string): Promise<Ending>
}

/** Whether the tool is installed. */
export function isThere({ program }: Tool): boolean {
  return existsSync(programPath(program))
}

function programPath(program: string): string {
  return program.startsWith('/') ? program : join(modules, '.bin', program)
}

/** Runs a program with this Node first on the PATH, whatever the machine's is, and without telemetry. */
export function run(
  program: string,
  args: readonly string[],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ending> {
  const child = spawn(programPath(program), args, {
    cwd,
    env: {
      ...process.env,
      PATH: `${join(process.execPath, '..')}:${process.env['PATH']}`,
      NO_COLOR: '1',
      CI: 'true',
      CHECKPOINT_DISABLE: '1',
      SUPABASE_TELEMETRY_DISABLED: '1',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code: code ?? -1, output }))
  })
}

const asModule = (project: string): void => {
  writeFileSync(join(project, 'package.json'), '{"type":"module"}')
  symlinkSync(modules, join(project, 'node_modules'))
}
const withoutTls = (url: string): string => `${url}?sslmode=disable`

const kyselyConfig = (url: string): string => `import { PostgresDialect } from 'kysely'
import { defineConfig } from 'kysely-ctl'
import { Pool } from 'pg'
const pool = new Pool({ connectionString: '${url}' })
export default defineConfig({ dialect: new PostgresDialect({ pool }), migrations: { migrationFolder: 'migrations' } })
`

export const tools: readonly Tool[] = [
  {
    format: 'supabase',
    program: 'supabase',
    folder: (project) => join(project, 'supabase/migrations'),
    prepare: async (project) => void (await run('supabase', ['init', '--yes'], project)),
    up: (project, url) => run('supabase', ['db', 'push', `--remote=${withoutTls(url)}`, '--yes'], project),
  },
  {
    format: 'dbmate',
    program: 'dbmate',
    folder: (project) => join(project, 'db/migrations'),
    up: (project, url) => run('dbmate', ['--url', withoutTls(url), '--no-dump-schema', 'up'], project),
    down: (project, url) => run('dbmate', ['--url', withoutTls(url), '--no-dump-schema', 'down'], project),
  },
  {
    format: 'node-pg-migrate',
    program: 'node-pg-migrate',
    folder: (project) => join(project, 'migrations'),
    up: (project, url) => run('node-pg-migrate', ['up', '--no-single-transaction'], project, { DATABASE_URL: url }),
    down: (project, url) => run('node-pg-migrate', ['down'], project, { DATABASE_URL: url }),
  },
  {
    format: 'kysely',
    program: 'kysely',
    folder: (project) => join(project, 'migrations'),
    prepare: async (project, url) => {
      asModule(project)
      writeFileSync(join(project, 'kysely.config.ts'), kyselyConfig(url))
    },
    up: (project) => run('kysely', ['migrate', 'latest', '--no-transaction'], project),
    down: (project) => run('kysely', ['migrate', 'down', '--no-transaction'], project),
  },
  {
    format: 'graphile',
    program: 'graphile-migrate',
    folder: (project) => join(project, 'migrations'),
    prepare: async (project) => {
      writeFileSync(join(project, '.gmrc'), '{}')
      mkdirSync(join(project, 'migrations/committed'), { recursive: true })
      writeFileSync(join(project, 'migrations/current.sql'), '')
    },
    up: (project, url) =>
      run('graphile-migrate', ['migrate'], project, {
        DATABASE_URL: url,
        // It wants three that differ; `migrate` uses the first.
        ROOT_DATABASE_URL: new URL('/postgres', url).href,
        SHADOW_DATABASE_URL: `${url}_shadow`,
      }),
  },
  {
    format: 'psql',
    program: '/usr/bin/psql',
    folder: (project) => project,
    up: (project, url) => run('/usr/bin/psql', ['-X', '-q', '-d', url, '-f', 'apply.psql'], project),
  },
  {
    format: 'prisma',
    program: 'prisma',
    folder: (project) => join(project, 'prisma/migrations'),
    prepare: async (project) => {
      asModule(project)
      mkdirSync(join(project, 'prisma'), { recursive: true })
      for (const file of ['prisma.config.ts', 'whole-script.ts'])
        cpSync(join(import.meta.dirname, 'prisma', file), join(project, file))
      cpSync(join(import.meta.dirname, 'prisma/schema.prisma'), join(project, 'prisma/schema.prisma'))
    },
    up: (project, url) => run('prisma', ['migrate', 'deploy'], project, { DATABASE_URL: url }),
  },
  {
    format: 'sqitch',
    program: '/usr/bin/sqitch',
    folder: (project) => project,
    prepare: async (project) => writeFileSync(join(project, 'sqitch.conf'), '[core]\n\tengine = pg\n'),
    up: (project, url) =>
      run('/usr/bin/sqitch', ['deploy', '--verify', `db:${url}`], project, {
        SQITCH_EMAIL: 'suite@localhost',
        SQITCH_FULLNAME: 'suite',
      }),
  },
]
