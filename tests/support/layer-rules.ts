/**
 * The import rule of src, as a function from source files to violations, so that a test can also feed it bad files.
 * It reads syntax only: it resolves no module and says nothing about cycles, which Biome finds.
 */
import { basename, posix } from 'node:path'
import ts from 'typescript'

/** One file of src. */
export interface SourceFile {
  /** Relative to the package, with forward slashes: `src/database/pool.ts`. */
  readonly path: string
  readonly text: string
}

/** Folders of src by layer. Imports point down; `src/index.ts` stands over layer 1 and nobody imports it. */
const LAYERS: Readonly<Record<string, number>> = {
  kernel: 0,
  generated: 0,
  database: 1,
  jsonb: 1,
  codecs: 1,
  codegen: 2,
  metadata: 2,
  repository: 2,
  search: 2,
  geo: 2,
  functions: 2,
  partitions: 2,
  foreign: 2,
  reports: 2,
  events: 2,
  migrate: 2,
  operations: 2,
  supabase: 2,
  prisma: 2,
  testing: 3,
  cli: 3,
}
/** src/index.ts may import layers 0 and 1. */
const INDEX_LAYER = 1.5

/** Folders that have no index.ts: any of their files may be imported. */
const OPEN_FOLDERS = ['kernel', 'generated']

/** Packages that only one folder may import. */
const PACKAGE_HOMES: ReadonlyArray<{ readonly packages: RegExp; readonly folder: string }> = [
  { packages: /^pg(-|\/|$)/, folder: 'database' },
  { packages: /^zod(\/|$)/, folder: 'metadata' },
]

/** Folders that may touch the process and print. */
const TALKING_FOLDERS = ['cli', 'testing']

/** Names that say nothing about their content. */
const EMPTY_NAMES = /^(utils?|helpers?|common|misc|managers?|data|info|types|interfaces)$/

/**
 * Finds what breaks the import rule.
 *
 * @returns one line per violation, `path: what is wrong`, in the order of the files; empty when all is well.
 */
export function findLayerViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => violationsOf(file).map((problem) => `${file.path}: ${problem}`))
}

function violationsOf(file: SourceFile): string[] {
  const folder = folderOf(file.path)
  const layer = layerOf(file.path)
  if (layer === undefined) return [`folder "${folder}" is in no layer`]

  const problems: string[] = []
  const stem = basename(file.path).replace(/\.[^.]+$/, '')
  for (const name of [...posix.dirname(file.path).split('/'), stem]) {
    if (EMPTY_NAMES.test(name)) problems.push(`the name "${name}" says nothing about its content`)
  }
  const imports = ts.preProcessFile(file.text, true, true).importedFiles.map(({ fileName }) => fileName)
  for (const specifier of imports) {
    const problem = specifier.startsWith('.')
      ? relativeProblem(file.path, folder, layer, specifier)
      : packageProblem(folder, specifier)
    if (problem) problems.push(problem)
  }
  if (!TALKING_FOLDERS.includes(folder)) {
    for (const name of globalsUsed(file)) problems.push(`uses the global "${name}"`)
  }
  return problems
}

function relativeProblem(from: string, folder: string, layer: number, specifier: string): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(from), specifier))
  if (!target.startsWith('src/')) return `imports ${target}, outside src`
  if (target === 'src/index.ts') return 'imports src/index.ts, which only users import'
  const targetFolder = folderOf(target)
  if (targetFolder === folder) return undefined
  const targetLayer = layerOf(target)
  if (targetLayer === undefined) return `imports ${target}, whose folder is in no layer`
  if (targetLayer >= layer) return `imports ${target}: layer ${targetLayer} is not below layer ${layer}`
  if (!OPEN_FOLDERS.includes(targetFolder) && target !== `src/${targetFolder}/index.ts`) {
    return `imports ${target} instead of src/${targetFolder}/index.ts`
  }
  return undefined
}

function packageProblem(folder: string, specifier: string): string | undefined {
  const home = PACKAGE_HOMES.find(({ packages }) => packages.test(specifier))
  if (home && home.folder !== folder) return `imports "${specifier}", which only src/${home.folder} may`
  if (/^(node:)?process$/.test(specifier) && !TALKING_FOLDERS.includes(folder)) return `imports "${specifier}"`
  return undefined
}

/** `process` and `console` where they are the globals: not a property's name, a key or a declared variable. */
function globalsUsed(file: SourceFile): Set<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && (node.text === 'process' || node.text === 'console')) {
      const { parent } = node
      const isName =
        (ts.isPropertyAccessExpression(parent) &&
          parent.name === node &&
          parent.expression.getText() !== 'globalThis') ||
        (ts.isPropertyAssignment(parent) && parent.name === node) ||
        ts.isPropertySignature(parent) ||
        ts.isPropertyDeclaration(parent) ||
        ts.isMethodSignature(parent) ||
        ts.isMethodDeclaration(parent)
      if (!isName) found.add(node.text)
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2023, true))
  return found
}

/** `database` for src/database/wire/unit.ts; `index.ts` for src/index.ts. */
function folderOf(path: string): string {
  return path.split('/')[1] ?? ''
}

function layerOf(path: string): number | undefined {
  return path === 'src/index.ts' ? INDEX_LAYER : LAYERS[folderOf(path)]
}
