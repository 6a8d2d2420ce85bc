/** What a command has to do with the world around it, so that a test can be that world. */
import { styleText } from 'node:util'
import { isTenonError } from '../kernel/errors.ts'

export interface Terminal {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** The working directory. */
  readonly directory: string
  readonly colour: boolean
  /** Writes a line of the result to standard output. */
  print(text: string): void
  /** Writes a line of news or of an error to standard error. */
  tell(text: string): void
}

/** A command that ended as it should, and whose answer is no: exit code 1 without another word. */
export class Refusal extends Error {}

type Style = Parameters<typeof styleText>[0]

/** Text in a colour, where there are colours. */
export function styled({ colour }: Terminal, style: Style, text: string): string {
  return colour ? styleText(style, text, { validateStream: false }) : text
}

/** Rows under headings, in columns as wide as their widest cell. */
export function toTable(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [headings, ...rows]
  const widths = headings.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What went wrong and what to do next. An error that is none of ours is a defect, and shows where it came from. */
export function tellError(terminal: Terminal, error: unknown): void {
  if (isTenonError(error)) {
    terminal.tell(`${styled(terminal, 'red', error.code)} ${error.message}`)
    if (error.hint !== undefined) terminal.tell(`  ${error.hint}`)
  } else if (error instanceof Error && error.name === 'AbortError') terminal.tell('stopped')
  else terminal.tell(error instanceof Error ? (error.stack ?? error.message) : String(error))
}
