/** The libraries that repositories are measured beside: from peers/, a package of its own that `npm run bench:repository` installs first. */

/** A library with its pool open. */
export interface Peer {
  readonly label: string
  /** A customer with orders and their items. */
  nested(id: number): Promise<unknown>
  /** Orders of a customer that come after one of them. */
  page(customerId: number, after: { readonly placedAt: Date; readonly id: number }): Promise<readonly unknown[]>
  close(): Promise<void>
}

/** Opens them, with one connection each. */
export async function openPeers(url: string): Promise<readonly Peer[]> {
  // By an address that the compiler does not follow: the packages are not there until they are installed.
  const address = new URL('./peers/shop.ts', import.meta.url).href
  const peers: { openPeers(url: string): readonly Peer[] } = await import(address)
  return peers.openPeers(url)
}
