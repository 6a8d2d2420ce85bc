-- Takes the function set_config away from everybody but the login.
--
-- purpose: a second wall for self-hosted servers. Whoever can put SQL of his own into a session could call
--   set_config('request.jwt.claims', …) in it and read as somebody else; after this file a session role gets 42501.
--   The statement SET is not affected, and neither is code that runs as the login itself.
--   Every other role that calls the function (a second app, PostgREST's authenticator, a restore by a plain role, since
--   dumps call it) needs a grant of its own: grant execute on function pg_catalog.set_config(text, text, boolean) to …
-- parameters: none
-- privilege: superuser
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
-- requires: roles
-- transactional: yes
-- kind: opt-in
-- down:
--   grant execute on function pg_catalog.set_config(text, text, boolean) to public;
--   revoke execute on function pg_catalog.set_config(text, text, boolean) from tenon_login;

grant execute on function pg_catalog.set_config(text, text, boolean) to tenon_login;

revoke execute on function pg_catalog.set_config(text, text, boolean) from public;

-- Without the right to do so the server only warns about the two statements above, and nothing has changed.
do $check$
begin
  if pg_catalog.has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'execute') then
    raise exception using
      errcode = 'insufficient_privilege',
      constraint = 'restrict_set_config_superuser',
      message = pg_catalog.format('role %I may not revoke execute on function pg_catalog.set_config', current_user),
      hint = 'run this file as a superuser';
  end if;
end
$check$;
