/** The works that read: one order, a customer's tree, a page, a dashboard. */
import {
  type CustomerTree,
  type Dashboard,
  type DashboardRequest,
  dashboardOrders,
  lastOrders,
  type OrderRow,
  type PageRequest,
  pageSize,
  type Row,
  type RowRequest,
  tenantName,
} from '../contestants/contestant.ts'
import {
  createdAt,
  customerCount,
  customerOf,
  itemsPerOrder,
  latestOfCustomer,
  latestOfTenant,
  orderCount,
  orderOf,
  ordersPerCustomer,
  tenantOf,
} from './order-numbers.ts'
import { defineWork } from './work.ts'

const ids = (rows: Iterable<Row>) => Array.from(rows, ({ id }) => String(id))

/** Whether the rows are those that `numberAt` says, from place 0 on. */
const areRows = (rows: readonly Row[], count: number, numberAt: (place: number) => number) =>
  rows.length >= count && rows.slice(0, count).every(({ id }, place) => Number(id) === numberAt(place))

const isOrder = (row: OrderRow | null | undefined, { id, tenant }: RowRequest) =>
  row != null && String(row.id) === id && row.tenant_id === tenantName(tenant)

/** An order by its primary key. */
export const read = defineWork<RowRequest, OrderRow | null | undefined>({
  key: 'read',
  title: 'point read',
  what: 'an order by its primary key',
  request(n, miss) {
    const own = orderOf(n)
    const foreign = (own % orderCount) + 1
    const id = miss === undefined ? own : miss === 'foreign' ? foreign : own + orderCount
    return { tenant: tenantOf(n), id: String(id) }
  },
  ask: (contestant, request) => contestant.read(request),
  isRight: (row, request, miss) => (miss === undefined ? isOrder(row, request) : row == null),
  digest: (row) => row && [String(row.id), row.tenant_id],
})

/** A customer, the last orders, the items of each. */
export const nested = defineWork<RowRequest, CustomerTree | null | undefined>({
  key: 'nested',
  title: 'nested read',
  what: `a customer with the last ${lastOrders} orders and their items`,
  request: (n) => ({ tenant: tenantOf(n), id: String(customerOf(n)) }),
  ask: (contestant, request) => contestant.nested(request),
  isRight(customer, { id }) {
    if (customer == null || String(customer.id) !== id) return false
    const orders = [...customer.orders]
    return (
      orders.length === lastOrders &&
      areRows(orders, lastOrders, (place) => latestOfCustomer(Number(id), place)) &&
      orders.every(({ orderItems }) => [...orderItems].length === itemsPerOrder)
    )
  },
  digest: (customer) =>
    customer && {
      id: String(customer.id),
      orders: ids(customer.orders),
      items: Array.from(customer.orders, ({ orderItems }) => [...orderItems].length),
    },
})

/** Ten tenants, so that the repository, which takes a cursor and not a row, has asked for each one's cursor in the warm-up. */
const pagingTenants = 10
const skipped = 2 * pageSize

/** A page by key. */
export const page = defineWork<PageRequest, readonly Row[]>({
  key: 'page',
  title: 'page',
  what: `${pageSize} orders after a cursor, by time and key`,
  request(n) {
    const tenant = n % pagingTenants
    const last = latestOfTenant(tenant, skipped - 1)
    return { tenant, skipped, after: { id: String(last), createdAt: createdAt(last) } }
  },
  ask: (contestant, request) => contestant.page(request),
  isRight: (rows, { tenant }) => areRows(rows, pageSize, (place) => latestOfTenant(tenant, skipped + place)),
  digest: (rows) => ids(rows).slice(0, pageSize),
})

/** Three queries in one go. */
export const batch = defineWork<DashboardRequest, Dashboard>({
  key: 'batch',
  title: 'batch',
  what: `an order, the count of its customer's orders and the last ${dashboardOrders} orders, in one go`,
  request: (n) => ({ tenant: tenantOf(n), order: String(orderOf(n)), customer: String(orderOf(n) % customerCount) }),
  ask: (contestant, request) => contestant.batch(request),
  isRight: (answer, { tenant, order }) =>
    isOrder(answer.order, { tenant, id: order }) &&
    Number(answer.orderCount) === ordersPerCustomer &&
    areRows(answer.lastOrders, dashboardOrders, (place) => latestOfTenant(tenant, place)),
  digest: (answer) => [answer.order && String(answer.order.id), Number(answer.orderCount), ids(answer.lastOrders)],
})
