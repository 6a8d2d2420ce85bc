/** Where `prisma generate` finds the schema; it connects to nothing. */
export default { schema: 'prisma/schema.prisma' }
