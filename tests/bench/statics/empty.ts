/** A file with nothing in it: what importing costs when there is nothing to import. */
export const nothing = true
