/** Reports progress of a long run; a test leaves it out. */
export type Tell = (line: string) => void
