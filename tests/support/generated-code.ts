/**
 * A folder for generated code in which it can be imported and compiled as in an application: with the packages it may import, and no others
 * of this project.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'

const sources = fileURLToPath(new URL('../../src/', import.meta.url))
const packages = fileURLToPath(new URL('../../node_modules/', import.meta.url))

/** Outcome of a compilation. */
export interface Compilation {
  /** `file(line): message`, in order. */
  readonly errors: readonly string[]
  readonly instantiations: number
}

export class GeneratedFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'tenon-generated-'))

  constructor(files: Readonly<Record<string, string>> = {}) {
    mkdirSync(join(this.path, 'node_modules/@types'), { recursive: true })
    for (const name of ['kysely', 'zod', '@types/node', 'undici-types'])
      symlinkSync(join(packages, name), join(this.path, 'node_modules', name))
    // Types of tenon/codecs, which generated code may name.
    mkdirSync(join(this.path, 'node_modules/tenon'))
    symlinkSync(join(sources, 'codecs'), join(this.path, 'node_modules/tenon/codecs'))
    const exports = { './codecs': './codecs/index.ts' }
    writeFileSync(join(this.path, 'node_modules/tenon/package.json'), JSON.stringify({ type: 'module', exports }))
    writeFileSync(join(this.path, 'package.json'), '{ "type": "module" }')
    this.write(files)
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.path, name), text)
  }

  /** Imports a file; each name once, because modules are kept. */
  // biome-ignore lint/suspicious/noExplicitAny: what a generated file exports is only known when it is generated.
  async import(name: string): Promise<any> {
    return await import(/* @vite-ignore */ pathToFileURL(join(this.path, name)).href)
  }

  /** Compiles files under `strict` and everything that house style adds to it. */
  compile(names: readonly string[], options: ts.CompilerOptions = {}): Compilation {
    const program = ts.createProgram(
      names.map((name) => join(this.path, name)),
      {
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2022.d.ts'],
        module: ts.ModuleKind.NodeNext,
        moduleResolution: ts.ModuleResolutionKind.NodeNext,
        strict: true,
        noUncheckedIndexedAccess: true,
        noUnusedLocals: true,
        noImplicitOverride: true,
        verbatimModuleSyntax: true,
        erasableSyntaxOnly: true,
        isolatedModules: true,
        skipLibCheck: true,
        types: ['node'],
        typeRoots: [join(this.path, 'node_modules/@types')],
        noEmit: true,
        allowImportingTsExtensions: true,
        ...options,
      },
    )
    const errors = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
      const text = ts.flattenDiagnosticMessageText(messageText, ' ')
      if (file === undefined || start === undefined) return text
      const { line } = file.getLineAndCharacterOfPosition(start)
      return `${file.fileName.slice(this.path.length + 1)}(${line + 1}): ${text}`
    })
    return { errors, instantiations: program.getInstantiationCount() }
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
