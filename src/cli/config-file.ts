/** Finds and loads tenon.config.ts, and gives commands its values where no flag speaks. */
import { existsSync } from 'node:fs'
import { dirname, isAbsolute, relative, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import type { TenonConfig } from '../codegen/index.ts'
import { TenonError } from '../kernel/errors.ts'
import type { Terminal } from './terminal.ts'

const names = ['tenon.config.ts', 'tenon.config.js', 'tenon.config.mjs']
const sections = ['url', 'migrations', 'codegen']

/**
 * Loads the configuration.
 *
 * @param file - as a flag names it; default: one of the usual names in the directory
 * @returns empty when there is none
 * @throws {TenonError} OPTION_INVALID when it cannot be read, or holds what no configuration holds
 */
export async function loadConfig({ directory }: Terminal, file: string | undefined): Promise<TenonConfig> {
  const path = file ?? names.find((name) => existsSync(resolve(directory, name)))
  if (path === undefined) return {}
  const config = await importDefault(resolve(directory, path), path)
  if (typeof config !== 'object' || config === null)
    throw invalid(
      `${path} has no default export`,
      'Write export default defineConfig({ … }), with defineConfig of tenon/codegen.',
    )
  const unknown = Object.keys(config).find((key) => !sections.includes(key))
  if (unknown !== undefined)
    throw invalid(`${path} has an unknown section ${unknown}`, `It may have ${sections.join(', ')}.`)
  for (const [section, value] of Object.entries(config as Readonly<Record<string, unknown>>)) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (value !== undefined && (section === 'url' ? typeof value !== 'string' : !isObject))
      throw invalid(
        `the section ${section} of ${path} is no ${section === 'url' ? 'text' : 'object'}`,
        'See defineConfig.',
      )
    const folder = isObject
      ? (value as Readonly<Record<string, unknown>>)[section === 'codegen' ? 'out' : 'dir']
      : undefined
    if (folder !== undefined && typeof folder !== 'string')
      throw invalid(`the section ${section} of ${path} names a folder that is no text`, 'See defineConfig.')
  }
  // What else is in the sections is checked by whoever uses it.
  return fromHere(config as TenonConfig, directory, dirname(resolve(directory, path)))
}

async function importDefault(path: string, name: string): Promise<unknown> {
  try {
    const module: { readonly default?: unknown } = await import(pathToFileURL(path).href)
    return module.default
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw invalid(
        `this version of Node cannot read ${name}`,
        'Take Node 22.18 or newer, or write tenon.config.js.',
        cause,
      )
    throw invalid(
      `${name} cannot be loaded: ${cause instanceof Error ? cause.message.split('\n')[0] : 'it threw no error'}`,
      'Correct it; it is loaded as an ES module.',
      cause,
    )
  }
}

/** Its paths are relative to its folder, those of flags to the working directory. */
function fromHere(config: TenonConfig, directory: string, folder: string): TenonConfig {
  const place = (path: string) => (isAbsolute(path) ? path : relative(directory, resolve(folder, path)) || '.')
  const { migrations, codegen } = config
  return {
    ...config,
    ...(migrations?.dir === undefined ? {} : { migrations: { ...migrations, dir: place(migrations.dir) } }),
    ...(codegen?.out === undefined ? {} : { codegen: { ...codegen, out: place(codegen.out) } }),
  }
}

const configs = new WeakMap<Command, TenonConfig>()

/** The configuration that a command runs under. */
export function configOf(command: Command): TenonConfig {
  return configs.get(command) ?? {}
}

/** Sets what the configuration says for options of a command that were not given. */
export function applyConfig(command: Command, config: TenonConfig): void {
  configs.set(command, config)
  const { url, migrations = {} } = config
  const values: Readonly<Record<string, unknown>> = { ...migrations, ...(url === undefined ? {} : { url }) }
  for (const { name } of command.options.map((option) => ({ name: option.attributeName() }))) {
    const source = command.getOptionValueSource(name)
    const isFree = source === undefined || source === 'default'
    // --embedded names the database already.
    if (name === 'url' && command.getOptionValue('embedded') !== undefined) continue
    if (isFree && values[name] !== undefined) command.setOptionValueWithSource(name, values[name], 'config')
  }
}

function invalid(message: string, hint: string, cause?: unknown): TenonError {
  return new TenonError({ code: 'OPTION_INVALID', message, hint, cause })
}
