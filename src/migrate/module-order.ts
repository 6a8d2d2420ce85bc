/** The order in which modules are applied: what a module requires comes before it. */
import { type SqlModule, type SqlModuleName, sqlModules } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'

/** A module of the library by name, or one of the host. */
export type ModuleChoice = SqlModuleName | SqlModule

/**
 * Returns the chosen modules and everything they require, each once, requirements first.
 *
 * @param choices - in any order; one may be there twice. A host's module may require the library's and other chosen ones
 * @returns the modules in the order to apply them
 * @throws {TenonError} OPTION_INVALID for a name that is no module, MIGRATION_SOURCE for a circle or two modules of one name
 * @example
 * ```ts
 * orderModules(['projects']).map((module) => module.name) // ['roles', 'auth', 'timestamps', 'projects']
 * ```
 */
export function orderModules(choices: readonly ModuleChoice[]): readonly SqlModule[] {
  const hosts = new Map<string, SqlModule>()
  for (const choice of choices) {
    if (typeof choice === 'string') continue
    const known = hosts.get(choice.name)
    if (known !== undefined && known !== choice)
      throw new TenonError({ code: 'MIGRATION_SOURCE', message: `two modules are named "${choice.name}"` })
    hosts.set(choice.name, choice)
  }
  const ordered = new Set<SqlModule>()
  const add = (name: string, path: readonly string[]): void => {
    if (path.includes(name))
      throw new TenonError({
        code: 'MIGRATION_SOURCE',
        message: `modules require each other: ${[...path, name].join(' requires ')}`,
      })
    const module = hosts.get(name) ?? (Object.hasOwn(sqlModules, name) ? sqlModules[name as SqlModuleName] : undefined)
    if (module === undefined) throw unknown(path, hosts)
    if (ordered.has(module)) return
    for (const required of module.requires) add(required, [...path, name])
    ordered.add(module)
  }
  for (const choice of choices) add(typeof choice === 'string' ? choice : choice.name, [])
  return [...ordered]
}

function unknown(path: readonly string[], hosts: ReadonlyMap<string, SqlModule>): TenonError {
  const requirer = path[path.length - 1]
  return new TenonError({
    code: 'OPTION_INVALID',
    message:
      requirer === undefined
        ? 'option modules holds a name that is no SQL module'
        : `module ${requirer} requires one that does not exist`,
    hint: `the modules are ${[...Object.keys(sqlModules), ...hosts.keys()].join(', ')}`,
  })
}
