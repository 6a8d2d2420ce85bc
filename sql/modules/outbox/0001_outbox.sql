-- tenon.outbox: events that are written in the transaction of the data they tell of, and the right to write one.
--
-- purpose: tenon.enqueue(topic, …) adds an event to the transaction it is called in: it is committed with the data or not at
--   all. Relays take events by tenon.claim_events (0002), never by "id > cursor": ids become visible in another order than
--   they are given, and such a reader loses what was committed late.
--   Two transactions that enqueue for one key wait for each other, as two that update one row do; so the events of a key
--   have ids in the order in which they were committed. Enqueue after the writes that the event tells of.
--   A second event with the same idempotency_key in a topic is not written: the id of the first is returned.
--   Sessions can write and not read. Payload, key and topic are what the session says; enqueued_by and enqueued_role are
--   what it was. Where end users can send SQL of their own, revoke EXECUTE from authenticated and enqueue in triggers.
-- parameters: none. tenon.enqueue: topic text, payload jsonb default {}, key text, headers jsonb default {} (an object),
--   idempotency_key text, available_at timestamptz default now
-- privilege: CREATE on the database, GRANT on schema tenon
-- oldest postgresql: 15
-- source: https://microservices.io/patterns/data/transactional-outbox.html
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.enqueue_many(jsonb);
--   drop function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz);
--   drop table tenon.outbox, tenon.outbox_keys;

create schema if not exists tenon;

create table tenon.outbox (
  id bigint generated always as identity,
  topic text not null,
  key text,
  payload jsonb not null,
  headers jsonb not null,
  idempotency_key text,
  enqueued_by text,
  enqueued_role text not null,
  created_at timestamptz not null default pg_catalog.now(),
  available_at timestamptz not null,
  attempts integer not null default 0,
  claimed_by text,
  claimed_until timestamptz,
  last_error text,
  delivered_at timestamptz,
  dead_at timestamptz,
  constraint outbox_pkey primary key (id),
  -- The lengths keep every index entry below its limit of 2,704 bytes.
  constraint outbox_topic_check check (pg_catalog.length(topic) between 1 and 200),
  constraint outbox_key_check check (pg_catalog.length(key) between 1 and 400),
  constraint outbox_idempotency_key_check check (pg_catalog.length(idempotency_key) between 1 and 400),
  constraint outbox_headers_check check (pg_catalog.jsonb_typeof(headers) = 'object'),
  constraint outbox_state_check check (
    pg_catalog.num_nonnulls(claimed_by, claimed_until) in (0, 2)
    and pg_catalog.num_nonnulls(claimed_by, delivered_at, dead_at) <= 1
  )
)
-- A row is written three times: enqueued, claimed, delivered. With room on its page the claim writes no index (HOT).
with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

comment on table tenon.outbox is 'Events to be delivered at least once. Written by tenon.enqueue, handed out by tenon.claim_events; sessions cannot read it.';
comment on column tenon.outbox.key is 'Events of one key are handed out one after the other, in order of id, across topics; null for no order.';
comment on column tenon.outbox.enqueued_by is 'The subject of the session that enqueued it, which the caller cannot choose; null when there was none.';
comment on column tenon.outbox.enqueued_role is 'The role that enqueued it, which the caller cannot choose.';
comment on column tenon.outbox.available_at is 'Not handed out before. A failed attempt moves it.';
comment on column tenon.outbox.attempts is 'How often it was handed out.';
comment on column tenon.outbox.claimed_until is 'Until then it is the claimer''s; afterwards it is handed out again.';
comment on column tenon.outbox.dead_at is 'Given up: not handed out and no longer in the way of its key, until tenon.revive_events.';

-- Small however many delivered events there are. Nothing of a claim is in them: an indexed column would cost the HOT update.
create index outbox_free_idx on tenon.outbox (available_at, id)
  where key is null and delivered_at is null and dead_at is null;
create index outbox_available_at_idx on tenon.outbox (available_at, id)
  where key is not null and delivered_at is null and dead_at is null;
-- By a hash first, so that a claim can begin at any place among the keys, each as likely as the others.
create index outbox_key_idx on tenon.outbox (pg_catalog.hashtext(key), key, id)
  where key is not null and delivered_at is null and dead_at is null;
create unique index outbox_idempotency_key_key on tenon.outbox (topic, idempotency_key)
  where idempotency_key is not null;
create index outbox_delivered_at_idx on tenon.outbox (delivered_at) where delivered_at is not null;
create index outbox_dead_at_idx on tenon.outbox (dead_at) where dead_at is not null;

-- Rows to lock and nothing more. Advisory locks would live in the server's shared lock table, which a transaction with
-- some thousand keys fills for everybody (53200).
create table tenon.outbox_keys (
  key text not null,
  constraint outbox_keys_pkey primary key (key)
);
comment on table tenon.outbox_keys is 'What transactions that enqueue for one key wait on; purged with the events.';

alter table tenon.outbox enable row level security;
alter table tenon.outbox_keys enable row level security;

-- For the functions, which run as the owner: under FORCE ROW LEVEL SECURITY they would see nothing without it.
create policy outbox_definer_policy on tenon.outbox for all to current_user using (true) with check (true);
create policy outbox_keys_definer_policy on tenon.outbox_keys for all to current_user using (true) with check (true);
-- To look at; what is written goes through the functions. For servers where service_role has no BYPASSRLS.
create policy outbox_service_role_policy on tenon.outbox for select to service_role using (true);

revoke all on table tenon.outbox, tenon.outbox_keys from public, anon, authenticated, service_role;
revoke all on sequence tenon.outbox_id_seq from public, anon, authenticated, service_role;
grant usage on schema tenon to authenticated, service_role;
grant select on table tenon.outbox to service_role;

-- Defined with its owner's rights, so that sessions need none on the table.
create function tenon.enqueue(
  topic text,
  payload jsonb default '{}',
  key text default null,
  headers jsonb default '{}',
  idempotency_key text default null,
  available_at timestamptz default null
) returns bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  due constant timestamptz := coalesce(enqueue.available_at, pg_catalog.now());
  event_id bigint;
begin
  -- Held to the end of the transaction, and taken before the id is: whoever gets a later id sees this event.
  while enqueue.key is not null loop
    insert into tenon.outbox_keys (key) values (enqueue.key) on conflict do nothing;
    perform from tenon.outbox_keys as held where held.key = enqueue.key for no key update;
    exit when found; -- else purge_events took it between the two statements
  end loop;

  insert into tenon.outbox (topic, key, payload, headers, idempotency_key, available_at, enqueued_by, enqueued_role)
  values (
    enqueue.topic,
    enqueue.key,
    enqueue.payload,
    enqueue.headers,
    enqueue.idempotency_key,
    due,
    nullif(
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub',
      ''
    ),
    -- current_user is the owner here.
    coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user)
  )
  on conflict (topic, idempotency_key) where idempotency_key is not null do nothing
  returning id into event_id;

  if event_id is null then
    select event.id into event_id
    from tenon.outbox as event
    where event.topic = enqueue.topic and event.idempotency_key = enqueue.idempotency_key;
  -- An event for later wakes nobody now. Channel and payload are always the same: one notification per transaction.
  elsif due <= pg_catalog.now() then
    perform pg_catalog.pg_notify('tenon_outbox', '');
  end if;
  return event_id;
end
$function$;
comment on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) is 'Adds an event to this transaction and returns its id; that of the first one when the topic has the idempotency key already. Notifies channel tenon_outbox, without data.';
revoke all on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) from public, anon;
grant execute on function tenon.enqueue(text, jsonb, text, jsonb, text, timestamptz) to authenticated, service_role;

create function tenon.enqueue_many(events jsonb) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.now();
  keys constant text[] := array(
    select distinct item.value operator(pg_catalog.->>) 'key'
    from pg_catalog.jsonb_array_elements(enqueue_many.events) as item (value)
    where item.value operator(pg_catalog.->>) 'key' is not null
    order by 1
  );
  found_keys integer;
  ids bigint[];
begin
  -- As in enqueue; in order of the keys, so that two callers with the same keys do not wait for each other.
  while pg_catalog.cardinality(keys) > 0 loop
    insert into tenon.outbox_keys (key) select pg_catalog.unnest(keys) on conflict do nothing;
    perform from tenon.outbox_keys as held where held.key = any (keys) order by held.key for no key update;
    get diagnostics found_keys = row_count;
    exit when found_keys = pg_catalog.cardinality(keys);
  end loop;

  with given as materialized (
    select
      pg_catalog.nextval('tenon.outbox_id_seq') as id,
      item.place,
      item.value operator(pg_catalog.->>) 'topic' as topic,
      item.value operator(pg_catalog.->>) 'key' as key,
      (item.value operator(pg_catalog.->>) 'payload')::pg_catalog.jsonb as payload,
      coalesce((item.value operator(pg_catalog.->>) 'headers')::pg_catalog.jsonb, '{}') as headers,
      item.value operator(pg_catalog.->>) 'idempotency_key' as idempotency_key,
      coalesce((item.value operator(pg_catalog.->>) 'available_at')::pg_catalog.timestamptz, moment) as available_at
    from pg_catalog.jsonb_array_elements(enqueue_many.events) with ordinality as item (value, place)
  ), written as (
    insert into tenon.outbox as event (id, topic, key, payload, headers, idempotency_key, available_at, enqueued_by, enqueued_role)
      overriding system value
    select
      given.id, given.topic, given.key, given.payload, given.headers, given.idempotency_key, given.available_at,
      nullif(
        nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub',
        ''
      ),
      coalesce(nullif(pg_catalog.current_setting('role'), 'none'), session_user)
    from given
    order by given.place
    on conflict (topic, idempotency_key) where idempotency_key is not null do nothing
    returning event.id, event.topic, event.idempotency_key
  )
  select pg_catalog.array_agg(coalesce(
    own.id,
    (select twin.id from written as twin where twin.topic = given.topic and twin.idempotency_key = given.idempotency_key)
  ) order by given.place) into ids
  from given
  left join written as own on own.id = given.id;

  -- In a statement of its own: the first of its name may have been committed while the one above waited for it.
  return query
  select coalesce(found.id, event.id)
  from pg_catalog.unnest(ids) with ordinality as found (id, place)
  join pg_catalog.jsonb_array_elements(enqueue_many.events) with ordinality as item (value, place) on item.place = found.place
  left join tenon.outbox as event
    on found.id is null and event.topic = item.value operator(pg_catalog.->>) 'topic'
    and event.idempotency_key = item.value operator(pg_catalog.->>) 'idempotency_key'
  order by found.place;

  if exists (
    select from pg_catalog.jsonb_array_elements(enqueue_many.events) as item (value)
    where coalesce((item.value operator(pg_catalog.->>) 'available_at')::pg_catalog.timestamptz, moment) <= moment
  ) then
    perform pg_catalog.pg_notify('tenon_outbox', '');
  end if;
end
$function$;
comment on function tenon.enqueue_many(jsonb) is 'Adds events to this transaction, in their order, and returns their ids: an array of objects with topic, payload (JSON as text), key, headers (JSON as text), idempotency_key, available_at.';
revoke all on function tenon.enqueue_many(jsonb) from public, anon;
grant execute on function tenon.enqueue_many(jsonb) to authenticated, service_role;
