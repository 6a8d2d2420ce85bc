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
--   topics text[] default all, per_key integer default 1, ids bigint[], id bigint, error text (kept to 500 characters; a code rather than a message with
--   data), retry_in interval (null for never again), older_than interval
-- privilege: CREATE on schema tenon
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-select.html#SQL-FOR-UPDATE-SHARE
-- requires: roles
-- transactional: yes
-- kind: feature
-- down:
--   drop function tenon.claim_events(text, integer, interval, integer, text[], integer);
--   drop function tenon.complete_events(text, bigint[]);
--   drop function tenon.still_held(text, bigint[]);
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
  topics text[] default null,
  per_key integer default 1
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
  claimed_until timestamptz,
  dead boolean
)
  language plpgsql volatile security definer
  set search_path = ''
  -- The table can be empty when a plan is made and hold a million events when it is used.
  set plan_cache_mode = 'force_custom_plan'
as $function$
#variable_conflict use_column
declare
  moment constant timestamptz := pg_catalog.clock_timestamp();
  -- Events that are looked at for one that is handed out. Behind many of few keys other keys are looked for in another way.
  looked_at constant integer := 4 * claim_events.batch;
  candidates bigint[];
  looked bigint;
  picked bigint[];
  heads bigint[];
  followers bigint[];
  locked bigint[];
  pivot integer;
  half integer;
  steps integer;
  suspect bigint;
begin
  if coalesce(claim_events.worker, '') = '' or not coalesce(claim_events.batch >= 1, false)
    or not coalesce(claim_events.lease > interval '0', false) or not coalesce(claim_events.max_attempts >= 1, false)
    or not coalesce(claim_events.per_key >= 1, false)
  then
    raise exception using
      errcode = 'invalid_parameter_value',
      message = 'claim_events takes a worker with a name, and batch, lease, max_attempts and per_key above zero';
  end if;

  -- Of those without a key and of those with one the ones that are due first; either half, or more where the other has less.
  heads := array[]::bigint[];
  -- Of what is looked at only the first of each key can be the first of its key at all.
  select coalesce(pg_catalog.array_agg(earliest.id), '{}'), coalesce(pg_catalog.sum(earliest.number), 0) into candidates, looked
  from (
    select pg_catalog.min(event.id) as id, pg_catalog.count(*) as number
    from (
      select due.id, due.key
      from tenon.outbox as due
      where due.key is not null and due.delivered_at is null and due.dead_at is null
        and due.available_at <= moment
        and (due.claimed_until is null or due.claimed_until <= moment)
        and (claim_events.topics is null or due.topic = any (claim_events.topics))
      order by due.available_at, due.id
      limit looked_at
    ) as event
    group by event.key
  ) as earliest;
  picked := array(
    select event.id
    from tenon.outbox as event
    where event.key is null and event.delivered_at is null and event.dead_at is null
      and event.available_at <= moment
      and (event.claimed_until is null or event.claimed_until <= moment)
      and (claim_events.topics is null or event.topic = any (claim_events.topics))
    order by event.available_at, event.id
    limit case when pg_catalog.cardinality(candidates) = 0 then claim_events.batch else (claim_events.batch + 1) / 2 end
    for update of event skip locked
  );

  if pg_catalog.cardinality(candidates) > 0 then
    heads := array(
      select event.id
      from tenon.outbox as event
      where event.id = any (candidates) and event.delivered_at is null and event.dead_at is null
        and (event.claimed_until is null or event.claimed_until <= moment)
        -- The first open event of its key. It cannot overlook an earlier one, because enqueue gives the ids of a key in order
        -- of commit.
        and event.id = (
          select first.id
          from tenon.outbox as first
          where pg_catalog.hashtext(first.key) = pg_catalog.hashtext(event.key) and first.key = event.key
            and first.delivered_at is null and first.dead_at is null
          order by first.id
          limit 1
        )
      order by event.available_at, event.id
      limit claim_events.batch - pg_catalog.cardinality(picked)
      for update of event skip locked
    );
  end if;

  -- All that was looked at may be of few keys, whose first events somebody has or are not due. The keys themselves are gone
  -- through then, from any place on and once around.
  if looked = looked_at
    and pg_catalog.cardinality(heads) < (claim_events.batch - pg_catalog.cardinality(picked) + 1) / 2
  then
    pivot := (pg_catalog.random() * 4294967295 - 2147483648)::integer;
    -- Where nothing at all was found it is gone on with, so that an empty answer says that there is nothing.
    for round in 1 .. 4 loop
      half := 2 - round % 2;
      steps := case when round <= 2 then looked_at else 100000 end;
      exit when round > 2 and pg_catalog.cardinality(heads) + pg_catalog.cardinality(picked) > 0;
      candidates := array(
        with recursive walk as (
          (
            select first.key, first.id, first.topic, first.available_at, first.claimed_until, 1 as step
            from tenon.outbox as first
            where first.key is not null and first.delivered_at is null and first.dead_at is null
              and (half = 2 or pg_catalog.hashtext(first.key) >= pivot)
            order by pg_catalog.hashtext(first.key), first.key, first.id
            limit 1
          )
          union all
          select next.key, next.id, next.topic, next.available_at, next.claimed_until, walk.step + 1
          from walk
          cross join lateral (
            select first.key, first.id, first.topic, first.available_at, first.claimed_until
            from tenon.outbox as first
            where first.key is not null and first.delivered_at is null and first.dead_at is null
              and (pg_catalog.hashtext(first.key), first.key) > (pg_catalog.hashtext(walk.key), walk.key)
            order by pg_catalog.hashtext(first.key), first.key, first.id
            limit 1
          ) as next
          where walk.step < steps and (half = 1 or pg_catalog.hashtext(next.key) < pivot)
        )
        select walk.id
        from walk
        where walk.available_at <= moment and (walk.claimed_until is null or walk.claimed_until <= moment)
          and (claim_events.topics is null or walk.topic = any (claim_events.topics))
        limit claim_events.batch - pg_catalog.cardinality(picked) - pg_catalog.cardinality(heads)
      );
      heads := heads || array(
        select event.id
        from tenon.outbox as event
        where event.id = any (candidates) and event.id <> all (heads) and event.delivered_at is null and event.dead_at is null
          and (event.claimed_until is null or event.claimed_until <= moment)
        for update of event skip locked
      );
      exit when pg_catalog.cardinality(heads) + pg_catalog.cardinality(picked) >= claim_events.batch;
    end loop;
  end if;

  -- Whoever has the first event of a key has the key: those right behind it can go along, up to the first that is not due, is
  -- of another topic, or somebody holds.
  locked := array[]::bigint[];
  if claim_events.per_key > 1 and pg_catalog.cardinality(heads) > 0
    and pg_catalog.cardinality(heads) + pg_catalog.cardinality(picked) < claim_events.batch
  then
    followers := array(
      select behind.id
      from tenon.outbox as head
      cross join lateral (
        select run.id, run.place
        from (
          select next.id, pg_catalog.row_number() over (order by next.id) as place,
            pg_catalog.bool_and(
              next.available_at <= moment
              and (next.claimed_until is null or next.claimed_until <= moment)
              and (claim_events.topics is null or next.topic = any (claim_events.topics))
            ) over (order by next.id) as goes_along
          from (
            select later.id, later.available_at, later.claimed_until, later.topic
            from tenon.outbox as later
            where pg_catalog.hashtext(later.key) = pg_catalog.hashtext(head.key) and later.key = head.key and later.id > head.id
              and later.delivered_at is null and later.dead_at is null
            order by later.id
            limit least(claim_events.per_key - 1, 2 * claim_events.batch / pg_catalog.cardinality(heads))
          ) as next
        ) as run
        where run.goes_along
      ) as behind
      where head.id = any (heads)
      -- The second of every key before the third of any.
      order by behind.place, behind.id
      limit claim_events.batch - pg_catalog.cardinality(heads) - pg_catalog.cardinality(picked)
    );
    locked := array(
      select event.id
      from tenon.outbox as event
      where event.id = any (followers) and event.delivered_at is null and event.dead_at is null
        and (event.claimed_until is null or event.claimed_until <= moment)
      order by event.id
      for update of event skip locked
    );
    -- Behind one that somebody ends at this moment nothing goes along.
    if pg_catalog.cardinality(locked) < pg_catalog.cardinality(followers) then
      locked := array(
        select run.id
        from (
          select event.id, pg_catalog.bool_and(event.id = any (locked)) over (partition by event.key order by event.id) as goes_along
          from tenon.outbox as event where event.id = any (followers)
        ) as run
        where run.goes_along
      );
    end if;
  end if;

  picked := picked || heads || locked;
  -- Whoever held it went away without a word, again and again: it may be what ends them. It goes alone, so that it takes no
  -- others along.
  suspect := (
    select event.id
    from tenon.outbox as event
    where event.id = any (picked) and event.claimed_until is not null and event.attempts >= (claim_events.max_attempts + 1) / 2
    order by event.attempts, event.id
    limit 1
  );
  if suspect is not null then picked := array[suspect]; end if;

  return query
  with taken as (
    update tenon.outbox as event set
      attempts = event.attempts + case when event.attempts < claim_events.max_attempts then 1 else 0 end,
      claimed_by = case when event.attempts < claim_events.max_attempts then claim_events.worker end,
      claimed_until = case when event.attempts < claim_events.max_attempts then moment + claim_events.lease end,
      dead_at = case when event.attempts >= claim_events.max_attempts then moment end,
      last_error = case
        when event.attempts >= claim_events.max_attempts and event.claimed_by is not null then 'the lease ended'
        else event.last_error
      end
    where event.id = any (picked)
    returning event.*
  )
  select
    taken.id, taken.topic, taken.key, taken.payload, taken.headers, taken.idempotency_key,
    taken.enqueued_by, taken.enqueued_role, taken.created_at, taken.attempts, taken.claimed_until, taken.dead_at is not null
  from taken
  order by taken.id;
end
$function$;
comment on function tenon.claim_events(text, integer, interval, integer, text[], integer) is 'Hands out due events to a worker until the lease ends; of each key at most per_key in a row, to be handled in order of id: after a failure release those behind it. Fewer than batch does not mean that there are no more; none does. Those with dead are told and not to be handled: their last worker went away without a word.';

-- An event behind one of its key that is open and not the worker's is lost as well: whoever has the first has them all.
create function tenon.still_held(worker text, ids bigint[]) returns bigint[]
  language plpgsql stable
  set search_path = ''
  set plan_cache_mode = 'force_custom_plan'
as $function$
declare
  keys text[];
begin
  keys := array(
    select distinct event.key
    from tenon.outbox as event
    where event.id = any (still_held.ids) and event.claimed_by = still_held.worker and event.key is not null
  );
  keys := array(
    select held.key
    from pg_catalog.unnest(keys) as held (key)
    cross join lateral (
      select first.claimed_by
      from tenon.outbox as first
      where pg_catalog.hashtext(first.key) = pg_catalog.hashtext(held.key) and first.key = held.key
        and first.delivered_at is null and first.dead_at is null
      order by first.id
      limit 1
    ) as first
    where first.claimed_by = still_held.worker
  );
  return array(
    select event.id
    from tenon.outbox as event
    where event.id = any (still_held.ids) and event.claimed_by = still_held.worker
      and (event.key is null or event.key = any (keys))
  );
end
$function$;
comment on function tenon.still_held(text, bigint[]) is 'Those of some events that a worker holds, and whose key it holds.';

create function tenon.complete_events(worker text, ids bigint[]) returns setof bigint
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = 'force_custom_plan'
as $function$
declare
  held constant bigint[] := tenon.still_held(complete_events.worker, complete_events.ids);
begin
  return query
  update tenon.outbox as event set
    delivered_at = pg_catalog.clock_timestamp(), claimed_by = null, claimed_until = null, last_error = null
  where event.id = any (held)
    and event.claimed_by = complete_events.worker
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
  set plan_cache_mode = 'force_custom_plan'
as $function$
declare
  held constant bigint[] := tenon.still_held(extend_events.worker, extend_events.ids);
begin
  return query
  update tenon.outbox as event set claimed_until = pg_catalog.clock_timestamp() + extend_events.lease
  where event.id = any (held)
    and event.claimed_by = extend_events.worker
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

revoke all on function tenon.still_held(text, bigint[]) from public, anon, authenticated, service_role;
revoke all on function
  tenon.claim_events(text, integer, interval, integer, text[], integer),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
from public, anon, authenticated;
grant execute on function
  tenon.claim_events(text, integer, interval, integer, text[], integer),
  tenon.complete_events(text, bigint[]),
  tenon.fail_event(text, bigint, text, interval, integer),
  tenon.extend_events(text, bigint[], interval),
  tenon.release_events(text, bigint[]),
  tenon.revive_events(bigint[]),
  tenon.purge_events(interval, integer)
to service_role;
