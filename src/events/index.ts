/** tenon/events: LISTEN and NOTIFY with checked payloads, changes of tables, and an outbox that loses nothing. */
export { type Change, type ChangeOptions, changes } from './changes.ts'
export { type Channel, defineChannel } from './channel.ts'
export { notify } from './notify.ts'
export { createOutbox, type EnqueueOptions, type Outbox, type OutboxItem, type Topics } from './outbox.ts'
export type { PayloadOf } from './payload.ts'
export {
  createRelay,
  type HandlerContext,
  type Handlers,
  type OutboxEvent,
  type Relay,
  type RelayFailure,
  type RelayOptions,
  type RelayStats,
} from './relay.ts'
export { type ChannelEvent, subscribe } from './subscribe.ts'
export type { Gap, Subscription, SubscriptionOptions } from './subscription.ts'
