/** What the application keeps in projects.metadata: the schema gives the column its type, and checks what is written. */
import { z } from 'zod'

export const ProjectMetadata = z.object({
  tags: z.array(z.string()).optional(),
  priority: z.number().int().min(1).max(5).optional(),
})
