/**
 * Which rows there are, by the formulas of orders.sql: order i belongs to tenant i % 100 and customer i % 5000, and is i minutes old, so that
 * a smaller number is a later order. Requests go through all tenants, and through rows in an order that is not the heap's.
 */

const tenantCount = 100
/** Orders of every tenant. */
const ordersPerTenant = 1000
export const orderCount = tenantCount * ordersPerTenant
export const customerCount = 5000
export const ordersPerCustomer = orderCount / customerCount
export const itemsPerOrder = 3
/** Tenants 0 and 1 have as many events each. */
export const eventsPerTenant = 20_000

const newest = Date.parse('2026-01-01T00:00:00Z')

export const tenantOf = (n: number) => n % tenantCount

/** An order of the tenant of request n. */
export function orderOf(n: number): number {
  const id = ((n * 7919) % ordersPerTenant) * tenantCount + tenantOf(n)
  return id === 0 ? orderCount : id
}

/** A customer of the tenant of request n. */
export const customerOf = (n: number) => ((n * 7919) % (customerCount / tenantCount)) * tenantCount + tenantOf(n)

/** The tenant's orders from the latest one on: the one at `place`, which starts at 0. */
export const latestOfTenant = (tenant: number, place: number) => (tenant || tenantCount) + place * tenantCount

/** The customer's orders from the latest one on. */
export const latestOfCustomer = (customer: number, place: number) => (customer || customerCount) + place * customerCount

export const createdAt = (order: number) => new Date(newest - order * 60_000)
