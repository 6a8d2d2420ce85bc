/**
 * The process of type-cost.ts: compiles one file with the options of this project, and prints seconds and instantiations. Imports of src/
 * are those of the built declarations, as users have them; by tsc itself they could only be the sources'.
 */
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const path = fileURLToPath(process.argv[2] ?? '')
const root = fileURLToPath(new URL('../../../', import.meta.url))
const ambient = fileURLToPath(new URL('../../support/pg-cursor.d.ts', import.meta.url))
const config = ts.getParsedCommandLineOfConfigFile(
  `${root}tsconfig.json`,
  {},
  {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, ' '))
    },
  },
)
const options: ts.CompilerOptions = { ...config?.options, noEmit: true, skipLibCheck: true }

const begin = performance.now()
const host = ts.createCompilerHost(options)
const cache = ts.createModuleResolutionCache(root, (name) => name, options)
host.resolveModuleNameLiterals = (literals, containing, redirected, own, file) =>
  literals.map((literal) => {
    const mode = ts.getModeForUsageLocation(file, literal, own)
    const found = ts.resolveModuleName(literal.text, containing, own, host, cache, redirected, mode)
    const source = found.resolvedModule?.resolvedFileName
    if (!source?.startsWith(`${root}src/`)) return found
    const built = source.replace(`${root}src/`, `${root}dist/`).replace(/\.ts$/, '.js')
    return ts.resolveModuleName(built, containing, own, host, cache, redirected, mode)
  })
const program = ts.createProgram([path, ambient], options, host)
const [problem] = ts.getPreEmitDiagnostics(program)
const seconds = (performance.now() - begin) / 1000
if (problem !== undefined)
  throw new Error(`${problem.file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(problem.messageText, ' ')}`)
process.stdout.write(`${JSON.stringify({ seconds, instantiations: program.getInstantiationCount() })}\n`)
