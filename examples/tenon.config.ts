/** The configuration of `tenon` for the examples: `tenon --config examples/tenon.config.ts codegen --embedded` writes examples/db. */
import { defineConfig } from '../src/codegen/index.ts'

export default defineConfig({
  migrations: { modules: ['projects', 'activity', 'measures'] },
  codegen: {
    out: 'db',
    camelCase: true,
    numeric: 'number',
    json: { 'projects.metadata': { schema: 'ProjectMetadata', from: '../project-metadata.ts' } },
  },
})
