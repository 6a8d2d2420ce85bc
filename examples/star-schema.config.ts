/** `tenon --config examples/star-schema.config.ts codegen --embedded` writes examples/db/star-schema, for 14-star-schema.ts. */
import { defineConfig } from '../src/codegen/index.ts'

export default defineConfig({
  migrations: { modules: ['reports'], dir: 'star-schema' },
  codegen: { out: 'db/star-schema', numeric: 'number', int8: 'number' },
})
