// The order in which modules are applied: what a module requires comes before it. It reads the generated list only.

import { type SqlModule, type SqlModuleName, sqlModules } from '../generated/modules.ts'
import { TenonError } from '../kernel/errors.ts'

/**
 * Returns the named modules and everything they require, each once, requirements first.
 *
 * @param names - in any order; a name may be there twice
 * @returns the modules in the order to apply them
 * @throws {TenonError} OPTION_INVALID for a name that is no module
 * @example
 * ```ts
 * orderModules(['projects']).map((module) => module.name) // ['roles', 'auth', 'timestamps', 'projects']
 * ```
 */
export function orderModules(names: readonly SqlModuleName[]): readonly SqlModule[] {
  const ordered = new Set<SqlModule>()
  // codegen has refused cycles, so this ends.
  const add = (name: SqlModuleName): void => {
    const module = Object.hasOwn(sqlModules, name) ? sqlModules[name] : undefined
    if (module === undefined) {
      throw new TenonError({
        code: 'OPTION_INVALID',
        message: 'option modules holds a name that is no SQL module',
        hint: `the modules are ${Object.keys(sqlModules).join(', ')}`,
      })
    }
    for (const required of module.requires) add(required)
    ordered.add(module)
  }
  for (const name of names) add(name)
  return [...ordered]
}
