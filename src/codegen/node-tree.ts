/**
 * Reads pg_node_tree, the text in which PostgreSQL stores query trees.
 *
 * Owns the notation only. The fields of nodes differ between versions, so what they mean is for the reader, who must expect any to be missing.
 * @see https://github.com/postgres/postgres/blob/REL_18_STABLE/src/backend/nodes/read.c
 */

/** A node: its kind and its fields. */
export interface TreeNode {
  readonly kind: string
  readonly fields: ReadonlyMap<string, TreeValue>
}

/** A node, a list, a word, or undefined for what PostgreSQL writes as `<>`. */
export type TreeValue = TreeNode | readonly TreeValue[] | string | undefined

/**
 * Parses a tree.
 *
 * @returns the outermost value: for a rule's action a list with one QUERY
 * @throws {SyntaxError} when it is no such tree
 */
export function parseNodeTree(text: string): TreeValue {
  const tokens = tokenize(text)
  let at = 0
  const next = (): string => {
    const token = tokens[at++]
    if (token === undefined) throw new SyntaxError('the tree ends too early')
    return token
  }
  const value = (): TreeValue => {
    const token = next()
    if (token === '{') return node()
    if (token === '(') return list()
    // The bytes of a constant, which nobody here reads.
    if (token === '[') {
      while (next() !== ']');
      return ''
    }
    if (token === '<>') return undefined
    if (token === ')' || token === '}' || token === ']') throw new SyntaxError(`an unexpected ${token}`)
    return unprotected(token)
  }
  const list = (): TreeValue => {
    const items: TreeValue[] = []
    while (tokens[at] !== ')') items.push(value())
    at++
    return items
  }
  const node = (): TreeNode => {
    const kind = next()
    const fields = new Map<string, TreeValue>()
    while (tokens[at] !== '}') {
      const field = next()
      if (!field.startsWith(':')) throw new SyntaxError(`a field of ${kind} has no name`)
      fields.set(field.slice(1), value())
      // A constant's length stands before its bytes.
      while (tokens[at] !== undefined && tokens[at] !== '}' && !tokens[at]?.startsWith(':')) value()
    }
    at++
    return { kind, fields }
  }
  const tree = value()
  if (at !== tokens.length) throw new SyntaxError('something follows the tree')
  return tree
}

/** Brackets, and words up to white space or a bracket that no backslash protects. */
function tokenize(text: string): readonly string[] {
  return text.match(/[(){}[\]]|(?:\\[\s\S]|[^\s(){}[\]\\])+/g) ?? []
}

function unprotected(token: string): string {
  const text = token.length > 1 && token.startsWith('"') && token.endsWith('"') ? token.slice(1, -1) : token
  return text.replace(/\\([\s\S])/g, '$1')
}

/** A field as a node. */
export function nodeAt(node: TreeNode | undefined, field: string): TreeNode | undefined {
  const value = node?.fields.get(field)
  return typeof value === 'object' && 'kind' in value ? value : undefined
}

/** A field as a list; empty when it is none. */
export function listAt(node: TreeNode | undefined, field: string): readonly TreeValue[] {
  const value = node?.fields.get(field)
  return Array.isArray(value) ? value : []
}

/** A field as a word; '' when it is none. */
export function wordAt(node: TreeNode | undefined, field: string): string {
  const value = node?.fields.get(field)
  return typeof value === 'string' ? value : ''
}

/** The nodes of a list. */
export function nodesAt(node: TreeNode | undefined, field: string): readonly TreeNode[] {
  return listAt(node, field).flatMap((value) => (typeof value === 'object' && 'kind' in value ? [value] : []))
}
