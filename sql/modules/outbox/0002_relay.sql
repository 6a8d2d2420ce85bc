-- How relays take events out of tenon.outbox: claim, then complete, fail, extend or release; revive and purge.
--
-- purpose: at least once, and the events of a key one after the other. An event is handed out when it is due, nobody holds
--   it, and no earlier event of its key is undelivered. Who does not complete it before the lease ends loses it to the next
--   claim; what somebody does then with the lost event changes nothing, and the functions tell so. A worker's name is one
--   per process and start, such as a uuid. Handlers see an event twice after a crash: make them idempotent by its id.
--   An event that was handed out max_attempts times is dead: it is set aside and its key goes on. Give claim_events and
--   fail_event the same max_attempts. A process that dies with an event is counted as well.
--   A relay claims until nothing comes, then waits for channel tenon_outbox or some seconds: notifications are a hint.
-- parameters: none. worker text, batch integer default 100, lease interval default 1 minute, max_attempts integer default 10,
--   topics text[] default all, ids bigint[], id bigint, error text (kept to 500 characters; a code rather than a message with
--   data), retry_in interval (null for never again), older_than interval
-- privilege: CREATE on schema tenon
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop trigger outbox_ended on tenon.outbox;
--   drop trigger outbox_deleted on tenon.outbox;
--   drop function tenon.let_next_event_go();
--   drop function tenon.claim_events(text, integer, interval, integer, text[]);
--   drop function tenon.complete_events(text, bigint[]);
--   drop function tenon.fail_event(text, bigint, text, interval, integer);
--   drop function tenon.extend_events(text, bigint[], interval);
--   drop function tenon.release_events(text, bigint[]);
--   drop function tenon.revive_events(bigint[]);
--   drop function tenon.purge_events(interval, integer);

-- All of them are defined with their owner's rights: service_role may call them and write nothing else.
-- clock_timestamp(), because now() is the beginning of the caller's transaction, which may be older than a whole lease.

create function tenon.claim_events(
  worker text,
  batch integer default 100,
  lease interval default '1 minute',
  max_attempts integer default 10,
  topics text[] default null
) returns table (
  id bigint,
  topic text,
  key text,
  payload jsonb,
  headers jsonb,
  idempotency_key text,
  enqueued_by text,
  enqueued_role text,
  created_at timestamptz,
  attempts integer,
  claimed_until timestamptz
)
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.clock_timestamp();
  picked bigint[];
  last_at timestamptz := moment;
  last_id bigint := 9223372036854775807;
begin
  if coalesce(claim_events.worker, '') = '' or not coalesce(claim_events.batch >= 1, false)
    or not coalesce(claim_events.lease > interval '0', false) or not coalesce(claim_events.max_attempts >= 1, false)
  then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'claim_events takes a worker with a name, and batch, lease and max_attempts above zero';
  end if;

  picked := array(
    select event.id
    from tenon.outbox as event
    where event.delivered_at is null and event.dead_at is null and not event.waits
      and event.available_at <= moment
      and (event.claimed_until is null or event.claimed_until <= moment)
      and (claim_events.topics is null or event.topic = any (claim_events.topics))
      -- The first open event of its key. As a subquery that is asked per candidate: NOT EXISTS may become a join with all
      -- open events. It cannot overlook an earlier one, because enqueue gives the ids of a key in order of commit.
      and (event.key is null or event.id = (
        select pg_catalog.min(first.id)
        from tenon.outbox as first
        where first.key = event.key and first.delivered_at is null and first.dead_at is null
      ))
    order by event.available_at, event.id
    limit claim_events.batch
    for update of event skip locked
  );

  return query
  with taken as (
    update tenon.outbox as event set
      attempts = event.attempts + case when fate.dead then 0 else 1 end,
      claimed_by = case when not fate.dead then claim_events.worker end,
      claimed_until = case when not fate.dead then moment + claim_events.lease end,
      dead_at = case when fate.dead then moment end,
      last_error = case when fate.dead and event.claimed_by is not null then 'the lease ended' else event.last_error end
    from (
      select own.id, own.attempts >= claim_events.max_attempts as dead
      from tenon.outbox as own where own.id = any (picked)
    ) as fate
    where event.id = fate.id
    returning event.*
  )
  select
    taken.id, taken.topic, taken.key, taken.payload, taken.headers, taken.idempotency_key,
    taken.enqueued_by, taken.enqueued_role, taken.created_at, taken.attempts, taken.claimed_until
  from taken
  where taken.dead_at is null
  order by taken.id;

  -- One key with a long queue must not slow down the others: where many events had to be passed over because an earlier
  -- one of their key is open, they are put aside. 500 of them cost a claim about 5 ms.
  if pg_catalog.cardinality(picked) = claim_events.batch then
    select event.available_at, event.id into last_at, last_id
    from tenon.outbox as event where event.id = picked[claim_events.batch];
  end if;
  perform from tenon.outbox as event
  where event.delivered_at is null and event.dead_at is null and not event.waits
    and (event.available_at, event.id) <= (last_at, last_id)
    and event.key is not null and event.claimed_until is null
  offset 500 limit 1;
  if not found then return; end if;

  with passed as materialized (
    select event.id, event.key
    from tenon.outbox as event
    where event.delivered_at is null and event.dead_at is null and not event.waits
      and (event.available_at, event.id) <= (last_at, last_id)
      and event.key is not null and event.claimed_until is null
      and event.id > (
        select pg_catalog.min(first.id)
        from tenon.outbox as first
        where first.key = event.key and first.delivered_at is null and first.dead_at is null
      )
    order by event.available_at, event.id
    limit 10000
    for update of event skip locked
  ), open_first as materialized (
    -- Locked, so that it cannot end between here and the commit without seeing who waits for it; and written, so that
    -- under REPEATABLE READ it cannot either. Whoever ends it right now is left alone, and its followers too.
    select first.id
    from tenon.outbox as first
    where first.delivered_at is null and first.dead_at is null and first.id in (
      select (
        select pg_catalog.min(earliest.id)
        from tenon.outbox as earliest
        where earliest.key = queue.key and earliest.delivered_at is null and earliest.dead_at is null
      )
      from (select distinct passed.key from passed) as queue
    )
    for update of first skip locked
  ), marked as (
    update tenon.outbox as event set followed = true
    from open_first
    where event.id = open_first.id
    returning event.key
  )
  update tenon.outbox as event set waits = true
  from passed join marked on marked.key = passed.key
  where event.id = passed.id;
end
$function$;
comment on function tenon.claim_events(text, integer, interval, integer, text[]) is 'Hands out due events to a worker until the lease ends, at most one of each key. Fewer than batch does not mean that there are no more.';

-- In a trigger, so that an event which somebody deletes or changes by hand lets its followers go as well.
create function tenon.let_next_event_go() returns trigger
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  update tenon.outbox as event set waits = false, followed = true
  where event.id = (
    select pg_catalog.min(first.id)
    from tenon.outbox as first
    where first.key = old.key and first.delivered_at is null and first.dead_at is null
  );
  return null;
end
$function$;
comment on function tenon.let_next_event_go() is 'Trigger function: the next event of a key no longer waits when the one before it has ended.';

create trigger outbox_ended
  after update on tenon.outbox
  for each row when (
    old.followed and pg_catalog.num_nonnulls(old.delivered_at, old.dead_at) = 0
    and pg_catalog.num_nonnulls(new.delivered_at, new.dead_at) = 1
  )
  execute function tenon.let_next_event_go();
create trigger outbox_deleted
  after delete on tenon.outbox
  for each row when (old.followed)
  execute function tenon.let_next_event_go();

create function tenon.complete_events(worker text, ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  return query
  update tenon.outbox as event set
    delivered_at = pg_catalog.clock_timestamp(), claimed_by = null, claimed_until = null, last_error = null
  where event.id = any (complete_events.ids) and event.claimed_by = complete_events.worker
  returning event.id;
end
$function$;
comment on function tenon.complete_events(text, bigint[]) is 'Marks events as delivered and returns the ids that the worker still held; the others were handed to somebody else.';

create function tenon.fail_event(
  worker text,
  id bigint,
  error text,
  retry_in interval,
  max_attempts integer default 10
) returns text
  language plpgsql volatile security definer
  set search_path = ''
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.clock_timestamp();
  outcome text;
begin
  update tenon.outbox as event set
    claimed_by = null,
    claimed_until = null,
    last_error = pg_catalog.left(fail_event.error, 500),
    available_at = case
      when event.attempts < fail_event.max_attempts then coalesce(moment + fail_event.retry_in, event.available_at)
      else event.available_at
    end,
    dead_at = case when fail_event.retry_in is null or event.attempts >= fail_event.max_attempts then moment end
  where event.id = fail_event.id and event.claimed_by = fail_event.worker
  returning case when event.dead_at is null then 'waiting' else 'dead' end into outcome;
  return outcome;
end
$function$;
comment on function tenon.fail_event(text, bigint, text, interval, integer) is 'Gives an event back after a failed attempt: ''waiting'' until retry_in is over, ''dead'' when that was the last attempt or retry_in is null; null when the worker no longer held it.';

create function tenon.extend_events(worker text, ids bigint[], lease interval) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  return query
  update tenon.outbox as event set claimed_until = pg_catalog.clock_timestamp() + extend_events.lease
  where event.id = any (extend_events.ids) and event.claimed_by = extend_events.worker
  returning event.id;
end
$function$;
comment on function tenon.extend_events(text, bigint[], interval) is 'Lets the lease end that much from now and returns the ids that the worker still held: stop handling the others.';

create function tenon.release_events(worker text, ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  perform pg_catalog.pg_notify('tenon_outbox', '');
  return query
  update tenon.outbox as event set
    claimed_by = null, claimed_until = null, attempts = event.attempts - 1
  where event.id = any (release_events.ids) and event.claimed_by = release_events.worker
  returning event.id;
end
$function$;
comment on function tenon.release_events(text, bigint[]) is 'Gives back events that were never tried, as a relay that shuts down does; it does not count as an attempt.';

create function tenon.revive_events(ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
as $function$
begin
  perform pg_catalog.pg_notify('tenon_outbox', '');
  return query
  update tenon.outbox as event set
    dead_at = null, attempts = 0, available_at = pg_catalog.clock_timestamp()
  where event.id = any (revive_events.ids) and event.dead_at is not null
  returning event.id;
end
$function$;
comment on function tenon.revive_events(bigint[]) is 'Lets dead events be tried again, after those of their key that overtook them, and returns their ids.';

create function tenon.purge_events(older_than interval, batch integer default 10000) returns integer
  language plpgsql volatile security definer
  set search_path = ''
as $function$
declare
  purged integer;
begin
  delete from tenon.outbox as event
  where event.id in (
    select old.id
    from tenon.outbox as old
    where old.delivered_at < pg_catalog.clock_timestamp() - purge_events.older_than
    order by old.delivered_at
    limit purge_events.batch
    for update skip locked
  );
  get diagnostics purged = row_count;
  -- A key is only something to wait on: one that is needed again is made again.
  delete from tenon.outbox_keys as held
  where held.key in (
    select unused.key
    from tenon.outbox_keys as unused
    where not exists (
      select from tenon.outbox as event
      where event.key = unused.key and event.delivered_at is null and event.dead_at is null
    )
    limit purge_events.batch
    for update of unused skip locked
  );
  return purged;
end
$function$;
comment on function tenon.purge_events(interval, integer) is 'Deletes events that were delivered longer ago, and with them their idempotency keys; returns how many: call it until it is less than batch. Dead events stay.';

revoke all on function tenon.let_next_event_go() from public, anon, authenticated, service_role;
revoke all on function
  tenon.claim_events(text, integer, interval, integer, text[]),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
from public, anon, authenticated;
grant execute on function
  tenon.claim_events(text, integer, interval, integer, text[]),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
to service_role;
