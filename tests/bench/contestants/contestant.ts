/**
 * What a contestant is: a library, opened on the tables of orders.sql, and one method for each work that it is asked to do. Requests and
 * answers have the least shape that an answer can be judged by. How often it is asked, and what is made of the times, is not its business.
 */

/** As libraries give a bigint. */
export type Id = string | number | bigint

/** A row by its key. */
export interface Row {
  readonly id: Id
}

/** An order, as every contestant gives it: all columns, with those by which it is told whose it is. */
export interface OrderRow extends Row {
  readonly tenant_id: string
}

/** A customer with the last orders, and each of those with its items. */
export interface CustomerTree extends Row {
  readonly orders: Iterable<Row & { readonly orderItems: Iterable<unknown> }>
}

/** What a dashboard asks in one go. */
export interface Dashboard {
  readonly order: OrderRow | null | undefined
  /** How many orders its customer has. */
  readonly orderCount: Id
  /** The tenant's last five. */
  readonly lastOrders: readonly Row[]
}

/** A note to be inserted; the rest of the row is the server's. */
export interface NewNote {
  readonly tenant_id: string
  readonly subject: string
  readonly body: string
}

/** An order, or a customer, asked for by a tenant. */
export interface RowRequest {
  readonly tenant: number
  readonly id: string
}

/** The page after an order, of a tenant's orders from the last one on. */
export interface PageRequest {
  readonly tenant: number
  readonly after: { readonly createdAt: Date; readonly id: string }
  /** How many orders came before. */
  readonly skipped: number
}

/** The queries of a dashboard. */
export interface DashboardRequest {
  readonly tenant: number
  readonly order: string
  readonly customer: string
}

/** A contestant with its pool open. */
export interface OpenContestant {
  /** The order, or nothing where there is none that the tenant may see. */
  read(request: RowRequest): Promise<OrderRow | null | undefined>
  /** A customer with the last `lastOrders` orders and all items of each. */
  nested(request: RowRequest): Promise<CustomerTree | null | undefined>
  /** `pageSize` orders, and one more, which tells whether there is another page. */
  page(request: PageRequest): Promise<readonly Row[]>
  /** The row as it was inserted. */
  insert(tenant: number, note: NewNote): Promise<Row>
  batch(request: DashboardRequest): Promise<Dashboard>
  /** All notes in one call. */
  insertMany(tenant: number, notes: readonly NewNote[]): Promise<unknown>
  /** All events of the tenant by their key, `chunkRows` at a time. */
  stream(tenant: number, onRow: (row: Row) => void): Promise<void>
  /** The statement of 200 ms, of those that take part in the mixed load. */
  slow?(tenant: number): Promise<unknown>
  close(): Promise<void>
}

/** Names of the works: the methods above. */
export type WorkKey = Exclude<keyof OpenContestant, 'close' | 'slow'>

/** Where a contestant connects. */
export interface Place {
  /** A login that bypasses row-level security, for the contestants without it. */
  readonly bare: string
  /** LOGIN NOINHERIT, member of anon and authenticated, owner of nothing. */
  readonly powerless: string
  /** Connections at most; the same for all. */
  readonly poolSize: number
}

/** A way of working with the tables. */
export interface Contestant {
  readonly key: string
  readonly label: string
  /** Whether row-level security decides what it sees: then another tenant's row must not be found. */
  readonly underRls: boolean
  /** Of those that do what teams write today, a transaction around each request that sets role, claims and settings first: what they are. */
  readonly transactionPerRequest?: 'ORM' | 'builder or driver'
  /** What it is asked to do; default every work. */
  readonly works?: readonly WorkKey[]
  open(place: Place): OpenContestant | Promise<OpenContestant>
}

export const pageSize = 20
/** Of the customer, in a nested read. */
export const lastOrders = 10
/** Of the tenant, on a dashboard. */
export const dashboardOrders = 5
/** Rows that a stream fetches at a time. */
export const chunkRows = 1000
/** Long enough for a connection to outlive the rounds in which others are measured. */
export const idleTimeoutMs = 600_000

export const tenantName = (tenant: number) => `tenant-${tenant}`

/** `auth.uid()` of the user that asks for this tenant. */
export const subjectOf = (tenant: number) => `6f2a4c1e-0000-4000-8000-${String(tenant).padStart(12, '0')}`

/** What a transaction per request sets before it asks, beside the role. */
export function contextOf(tenant: number): { readonly claims: string; readonly tenant: string } {
  return { claims: JSON.stringify({ sub: subjectOf(tenant), role: 'authenticated' }), tenant: tenantName(tenant) }
}
