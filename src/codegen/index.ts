// tenon/codegen: TypeScript, zod schemas and metadata from a live schema, and the configuration of the command line.
// It owns what is generated. It connects to nothing by itself, and what it generates does not import it.

export type { CodecName } from '../kernel/codec.ts'
export { defineConfig, type TenonConfig } from './config.ts'
export { type CodeDifference, checkCode, type WriteCodeResult, writeCode } from './files.ts'
export { type GeneratedCode, generateCode } from './generate.ts'
export type { CodegenOptions, JsonColumnType } from './options.ts'
