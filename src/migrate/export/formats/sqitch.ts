/** Sqitch: a line in sqitch.plan, and one script each under deploy/, revert/ and verify/. The scripts hold their own transaction. */
import { banner, type ExportFormatDefinition, type HostFile, type NumberedStep } from '../export-format.ts'

const planFile = 'sqitch.plan'
const emptyPlan = '%syntax-version=1.0.0\n%project=tenon\n\n'

export const sqitch: ExportFormatDefinition = {
  name: 'sqitch',
  // The order is that of the plan; a change has no number of its own.
  versionOf: (path) => /^deploy\/([^/]+)\.sql$/.exec(path)?.[1],
  compare: () => 0,
  next: (_, now) => now.toISOString().replace(/\.\d+Z$/, 'Z'),
  files: (step) => ['deploy', 'revert', 'verify'].map((kind) => script(kind, step)),
  markers: [{ pattern: /^\s*\\/gm, meaning: 'a command of psql', codeOnly: true }],
  derived(steps, existing) {
    const plan = existing.get(planFile) ?? emptyPlan
    const lines = steps
      .filter(({ slug }) => !new RegExp(`^${slug}(?:\\s|$)`, 'm').test(plan))
      .map((step) => `${step.slug} ${step.version} tenon <tenon@localhost> # ${step.title}\n`)
    return [{ path: planFile, text: `${plan.trimEnd()}\n${plan === emptyPlan ? '\n' : ''}${lines.join('')}` }]
  },
  handover: () => 'sqitch deploy --log-only\n',
}

function script(kind: string, step: NumberedStep): HostFile {
  const path = `${kind}/${step.slug}.sql`
  if (kind === 'verify') return { path, text: `${banner(step)}\n${verification(step)}` }
  const sql = kind === 'deploy' ? step.up : step.down
  const text = step.transactional ? `begin;\n\n${sql.trimEnd()}\n\ncommit;\n` : sql
  return { path, text: `${banner(step)}\n${text}` }
}

// Division by zero is how a script of Sqitch says no.
function verification({ migration, transactional }: NumberedStep): string {
  const { module, file, targetSchema } = migration
  if (!transactional) return `select 'the file after this one writes it down';\n`
  const where = `module = '${module.name}' and version = '${file.version}' and target_schema = '${targetSchema.replaceAll("'", "''")}'`
  return `select 1 / count(*) from tenon.migrations where ${where};\n`
}
