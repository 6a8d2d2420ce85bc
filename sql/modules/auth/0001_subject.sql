-- tenon.subject(): who the session is, as text; what the policies of tenon compare with.
--
-- purpose: returns "sub" of the setting request.jwt.claims, or null when there are no claims, no "sub" or an empty one.
--   Unlike auth.uid() it takes every kind of identity (uuid, cuid, auth0|…, a number), never fails on one, and reads no
--   legacy setting, so a stale request.jwt.claim.sub cannot speak for somebody else. Claims that are no JSON raise 22P02.
-- parameters: none
-- privilege: CREATE on the database, GRANT on schema tenon
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
-- requires: roles
-- transactional: yes
-- kind: core
-- down:
--   drop function tenon.subject();

create schema if not exists tenon;

-- A body in RETURN form is bound to its functions and operators when it is created, so no search_path can change what it
-- means; that is why it has no SET clause, which would keep the planner from inlining it. Measured on 100,000 rows with
-- an unwrapped policy `owner_id = tenon.subject()::uuid` (PostgreSQL 15 and 18): 190 and 225 ms inlined, 580 and 740 ms
-- with SET; wrapped in (select …), as every policy here has it, 6 and 12 ms, because it then runs once per query.
create function tenon.subject() returns text
  language sql stable parallel safe
  return nullif(
    nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub',
    ''
  );

comment on function tenon.subject() is 'The "sub" of the session''s claims as text, or null. In a policy write (select tenon.subject()), with the cast inside, so that it runs once per query.';

grant usage on schema tenon to anon, authenticated, service_role;

-- EXECUTE stays with PUBLIC too: it reads the caller's own setting, and a policy of the host may be for any role.
grant execute on function tenon.subject() to anon, authenticated, service_role;
