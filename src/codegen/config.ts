/** The shape of tenon.config.ts. Finding and loading it is the command line's. */
import type { CodegenOptions } from './options.ts'

/** What the commands take when their flags do not say otherwise. */
export interface TenonConfig {
  /** The database; default DATABASE_URL. */
  readonly url?: string | undefined
  /** Flags of `tenon migrate`, and of `tenon codegen --embedded`. */
  readonly migrations?:
    | {
        /** Modules of the library, by name. */
        readonly modules?: readonly string[] | undefined
        /** Folder of the host's own migrations. */
        readonly dir?: string | undefined
        /** Schema of host-visible tables. */
        readonly schema?: string | undefined
        /** Type of a user's identity. */
        readonly id?: 'uuid' | 'text' | 'bigint' | undefined
      }
    | undefined
  readonly codegen?:
    | (CodegenOptions & {
        /** Folder for the generated files. Default `src/db`. */
        readonly out?: string | undefined
      })
    | undefined
}

/**
 * Returns its argument, checked by TypeScript: the default export of tenon.config.ts.
 *
 * Paths in it are relative to its folder. Node reads TypeScript from 22.18 on; before, name it tenon.config.js.
 *
 * @example
 * ```ts
 * export default defineConfig({
 *   migrations: { modules: ['auth', 'projects'], dir: 'migrations' },
 *   codegen: { out: 'src/db', int8: 'bigint' },
 * })
 * ```
 */
export function defineConfig(config: TenonConfig): TenonConfig {
  return config
}
