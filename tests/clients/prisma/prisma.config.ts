import { defineConfig } from 'prisma/config'
import { WholeScript } from './whole-script.ts'

export default defineConfig({
  experimental: { adapter: true },
  engine: 'js',
  schema: 'prisma/schema.prisma',
  adapter: async () => new WholeScript(process.env['DATABASE_URL'] ?? ''),
})
