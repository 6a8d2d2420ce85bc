-- tenon.update_modified_column(): the trigger function that keeps updated_at current.
--
-- purpose: sets updated_at to the time the transaction began, whatever the UPDATE said. Attach it to a table that has
--   that column (without it every UPDATE fails with 42703):
--     create trigger update_customer_modtime before update on public.customers
--       for each row execute function tenon.update_modified_column();
--   Add `when (old.* is distinct from new.*)` before `execute` to leave rows alone that an UPDATE did not change.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/plpgsql-trigger.html
-- requires: none
-- transactional: yes
-- kind: core
-- down:
--   drop function tenon.update_modified_column();

create schema if not exists tenon;

create function tenon.update_modified_column() returns trigger
  language plpgsql
  set search_path = ''
as $function$
begin
  new.updated_at := pg_catalog.now();
  return new;
end
$function$;

comment on function tenon.update_modified_column() is 'Trigger function: sets updated_at to now(). For BEFORE UPDATE … FOR EACH ROW on a table with that column.';
