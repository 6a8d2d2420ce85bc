/** Text in a migration that the host's tool would take as its own. */
import type { Migration } from '../migration.ts'
import { codeOf } from '../module-file.ts'
import type { ExportFormatDefinition } from './export-format.ts'

/** A marker that was found. */
export interface FoundMarker {
  readonly line: number
  readonly text: string
  readonly meaning: string
}

/** Finds the markers of a format in what a migration runs and in what takes it back. */
export function* markersIn({ markers }: ExportFormatDefinition, { sql, down = '' }: Migration): Iterable<FoundMarker> {
  for (const { pattern, meaning, codeOnly } of markers)
    for (const body of [sql, down]) {
      const text = codeOnly === true ? codeOf(body) : body
      for (const match of text.matchAll(pattern)) {
        const lead = /^\s*/.exec(match[0])?.[0] ?? ''
        const line = `${body.slice(0, match.index)}${lead}`.split('\n').length
        yield { line, text: match[0].trim(), meaning }
      }
    }
}
