/**
 * Real documents for the examples: the package.json files that npm has put on this machine, by author, with their oddities.
 * It knows nothing of databases, apart from what jsonb cannot hold.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** One package.json. */
export interface Document {
  readonly slug: string
  readonly title: string
  readonly licensed: boolean
  readonly metadata: Record<string, unknown>
}

/** An author and what they published. */
export interface Author {
  readonly id: string
  readonly name: string
  readonly email: string | null
  readonly documents: Document[]
}

/** Owns what names nobody. */
export const unnamed: Author = { ...identify('(no author given)'), email: null, documents: [] }

/** Reads every package.json under a folder; authors with most documents come first. */
export function readAuthors(root: string) {
  const authors = new Map<string, Author>([[unnamed.id, unnamed]])
  const counts = { read: 0, unreadable: 0, mended: 0 }
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (entry.name !== 'package.json' || !entry.isFile()) continue
    counts.read += 1
    const source = parse(readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    if (source === undefined) {
      counts.unreadable += 1
      continue
    }
    const document = storable(source) as Record<string, unknown>
    if (JSON.stringify(document) !== JSON.stringify(source)) counts.mended += 1
    const named = authorOf(document)
    const author = authors.get(named.id) ?? named
    authors.set(author.id, author)
    // The path, since one version of a package can be there many times.
    const slug = relative(root, entry.parentPath)
    author.documents.push({
      slug,
      title: typeof document['name'] === 'string' ? document['name'] : slug,
      licensed: document['license'] !== undefined,
      metadata: { ...document, tags: document['keywords'], priority: priorityOf(document) },
    })
  }
  const byDocuments = [...authors.values()].filter((author) => author.documents.length > 0)
  return { ...counts, authors: byDocuments.sort((a, b) => b.documents.length - a.documents.length) }
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

// jsonb holds neither NUL nor half of a surrogate pair.
function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll('\0', '').toWellFormed()
  if (Array.isArray(value)) return value.map(storable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), storable(inner)]))
}

// "Ada <ada@example.com> (https://…)", { name, email }, a list of such things, or nothing at all.
function authorOf(document: Record<string, unknown>): Author {
  for (const given of [document['author'], document['contributors'], document['maintainers']].flat()) {
    const [, name, email] = /^([^<(]*)(?:<([^>]*)>)?/.exec(typeof given === 'string' ? given : '') ?? []
    const fields = typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : { name, email }
    if (typeof fields['name'] !== 'string' || fields['name'].trim() === '') continue
    const address = typeof fields['email'] === 'string' ? fields['email'] : null
    return { ...identify(fields['name'].trim()), email: address, documents: [] }
  }
  return unnamed
}

// A uuid that is the same in every run.
function identify(name: string): { readonly id: string; readonly name: string } {
  const hex = createHash('sha256').update(name.toLowerCase()).digest('hex')
  return {
    name,
    id: `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`,
  }
}

// Three types on purpose: a number; a text, where the list is there and empty; missing, where there is no list.
function priorityOf(document: Record<string, unknown>): number | string | undefined {
  const list = document['dependencies']
  if (typeof list !== 'object' || list === null) return undefined
  return Object.keys(list).length || 'none'
}

/** The keyword that most packages with more than three dependencies use. */
export function favouriteTag(authors: readonly Author[]): string {
  const uses = new Map<string, number>()
  for (const { metadata } of authors.flatMap((author) => author.documents)) {
    if (!Array.isArray(metadata['tags']) || typeof metadata['priority'] !== 'number' || metadata['priority'] <= 3)
      continue
    for (const tag of metadata['tags']) uses.set(String(tag), (uses.get(String(tag)) ?? 0) + 1)
  }
  return [...uses].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0] ?? 'important'
}
