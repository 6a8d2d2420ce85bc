/**
 * Supabase CLI: `<14 digits>_<slug>.sql` under supabase/migrations, compared as text.
 *
 * The CLI splits statements itself and sends them as one pipeline, which is an implicit transaction and no transaction block; statements
 * that cannot run in one are recognised by it and must stand alone. There is no way down.
 */
import { banner, type ExportFormatDefinition, nextStamp } from '../export-format.ts'

// They need a transaction block, which the pipeline is not.
const needsBlock = /^\s*(?:lock\s+(?:table\s+)?|set\s+(?:local|constraints)\s|savepoint\s|declare\s.+\scursor\s)/im

export const supabase: ExportFormatDefinition = {
  name: 'supabase',
  versionOf: (path) => /^(\d+)_[^/]+\.sql$/.exec(path)?.[1],
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  // Compared as text: after a host's odd longer number no stamp would sort.
  next(newest, now) {
    const version = nextStamp(newest?.length === 14 ? newest : undefined, now)
    return newest === undefined || newest < version ? version : undefined
  },
  files: (step) => {
    const up = needsBlock.test(step.up) && step.transactional ? `begin;\n\n${step.up.trimEnd()}\n\ncommit;\n` : step.up
    return [{ path: `${step.version}_${step.slug}.sql`, text: `${banner(step)}\n${up}` }]
  },
  markers: [],
  handover: (steps) => `supabase migration repair --status applied ${steps.map((step) => step.version).join(' ')}\n`,
}
