/**
 * What a replay has to apply so that it stands where the live database stands: the files that the ledger says are applied, each for the
 * schema and the identity type it was applied for.
 */
import { type SqlFile, type SqlModule, sqlModules } from '../../generated/modules.ts'
import type { Ledger, LedgerEntry } from '../ledger.ts'
import { ledgerModule, type MigrationSet } from '../migration.ts'
import { orderModules } from '../module-order.ts'
import type { IdentityType } from '../placeholders.ts'

/**
 * Returns sets for `applyMigrations`, to be applied one after the other. Modules of the library that the ledger names come along although
 * the given set does not: what they made is no drift.
 *
 * A file that was edited since is in it as it is now; one that another took the number of is not.
 *
 * @param set - as given, with the host's modules
 * @param ledger - of the live database
 */
export function toReplaySets(set: MigrationSet, ledger: Ledger): readonly MigrationSet[] {
  const given = orderModules(set.modules)
  const applied = [...ledger.values()].filter(({ state }) => state === 'applied')
  const library = new Set(applied.flatMap(({ module }) => (Object.hasOwn(sqlModules, module) ? [module] : [])))
  // Hosts last: their files may use what a module of the library made without requiring it.
  const names = [...new Set([...library, ...given.map(({ name }) => name)])].filter(
    (name) => name !== ledgerModule.name,
  )
  const modules = names.flatMap((name) => {
    const module = given.find((candidate) => candidate.name === name)
    // The name is one of the library's where it is none of the given ones.
    return module ?? sqlModules[name as keyof typeof sqlModules] ?? []
  })
  const placeOf = ({ targetSchema, idType }: LedgerEntry): Place => ({ schema: targetSchema, id: idType })
  const own: Place = { schema: set.schema ?? 'public', id: set.id ?? 'uuid' }
  const places = [...applied.filter(({ module }) => library.has(module)).map(placeOf), own]
    .filter(({ schema }) => schema !== '')
    .map(({ schema, id }) => ({ schema, id: id === '' ? own.id : id }))
  const distinct = new Map(places.map((place) => [`${place.id} ${place.schema}`, place]))
  return [...distinct.values()].map(({ schema, id }) => ({
    schema,
    // The table has a check for the three types.
    id: id as IdentityType,
    modules: modules.map((module) => only(module, (file) => isApplied(ledger, module, file, { schema, id }))),
  }))
}

interface Place {
  readonly schema: string
  readonly id: string
}

function only(module: SqlModule, isWanted: (file: SqlFile) => boolean): SqlModule {
  return { ...module, files: module.files.filter(isWanted) }
}

function isApplied(ledger: Ledger, module: SqlModule, file: SqlFile, { schema, id }: Place): boolean {
  const target = file.placeholders.includes(':"schema"') ? schema : ''
  const entry = ledger.get(`${module.name}/${file.version}/${target}`)
  if (entry === undefined || entry.state !== 'applied' || entry.slug !== file.slug) return false
  return entry.idType === '' || entry.idType === id
}
