-- auth.uid(), auth.role(), auth.email() and auth.jwt(), with the meaning they have on Supabase.
--
-- purpose: lets policies written for Supabase run on any PostgreSQL: the legacy setting request.jwt.claim.<name> wins over
--   request.jwt.claims, nothing set gives null, and auth.uid() raises 22P02 for a subject that is no uuid.
--   Does nothing where Supabase owns schema auth. An own function of the same name is refused (42723), never replaced.
-- parameters: none
-- privilege: CREATE on the database, or on schema auth when the host has one
-- oldest postgresql: 15
-- source: https://github.com/supabase/auth/blob/master/migrations/20220531120530_add_auth_jwt_function.up.sql
-- requires: roles
-- transactional: yes
-- kind: core
-- down:
--   do $down$
--   begin
--     if not exists (
--       select from pg_catalog.pg_namespace as namespace
--       where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
--     ) then
--       drop function auth.uid();
--       drop function auth.role();
--       drop function auth.email();
--       drop function auth.jwt();
--     end if;
--   end
--   $down$;

do $auth$
begin
  if exists (
    select from pg_catalog.pg_namespace as namespace
    where namespace.nspname = 'auth' and namespace.nspowner = pg_catalog.to_regrole('supabase_auth_admin')
  ) then
    raise notice 'schema auth belongs to Supabase: its functions are left as they are';
    return;
  end if;

  create schema if not exists auth;
  grant usage on schema auth to anon, authenticated, service_role;

  -- RETURN bodies, and no SET clause: see 0001_subject.sql. Many policies in the field call auth.uid() for every row.
  create function auth.uid() returns uuid
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.sub', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'sub'
    )::pg_catalog.uuid;

  create function auth.role() returns text
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.role', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'role'
    );

  create function auth.email() returns text
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim.email', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::pg_catalog.jsonb operator(pg_catalog.->>) 'email'
    );

  create function auth.jwt() returns jsonb
    language sql stable parallel safe
    return coalesce(
      nullif(pg_catalog.current_setting('request.jwt.claim', true), ''),
      nullif(pg_catalog.current_setting('request.jwt.claims', true), '')
    )::pg_catalog.jsonb;

  comment on function auth.uid() is 'The subject of the session as uuid, as on Supabase: 22P02 when it is none. tenon.subject() is the text form.';
  comment on function auth.role() is 'The "role" claim of the session, as on Supabase.';
  comment on function auth.email() is 'The "email" claim of the session, as on Supabase.';
  comment on function auth.jwt() is 'All claims of the session, as on Supabase.';
end
$auth$;
