-- The fixture of the fault and torture suites: a table whose every row says who wrote it, and tables to collide on.
-- For a superuser, once in a new database.

do $$
begin
  if not exists (select from pg_catalog.pg_roles where rolname = 'authenticated') then
    create role authenticated nologin noinherit;
  end if;
  if not exists (select from pg_catalog.pg_roles where rolname = 'anon') then
    create role anon nologin noinherit;
  end if;
end
$$;

create table public.entry (
  id bigint generated always as identity primary key,
  tenant text not null,
  note text not null,
  -- What the server itself believed at the time of the write: a row that ran as the login, or under another's claims, says so.
  written_by text not null default current_user,
  claimed_by text not null default coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')
);
create index entry_tenant_index on public.entry (tenant, note);
alter table public.entry enable row level security;
create policy entry_of_tenant on public.entry to authenticated
  using (tenant = (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))
  with check (tenant = (select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'));

create table public.account (
  id integer primary key,
  balance integer not null constraint account_balance_check check (balance >= 0)
);
insert into public.account select id, 100 from generate_series(1, 10) id;

create table public.seat (
  id integer primary key,
  place integer not null constraint seat_place_unique unique deferrable initially deferred,
  account_id integer constraint seat_account_id_fkey references public.account deferrable initially deferred
);
insert into public.seat select id, id from generate_series(1, 3) id;

grant select, insert, update, delete on public.entry, public.account, public.seat to authenticated;

create function public.reset_ledger() returns void language sql set search_path = '' as $$
  truncate public.entry, public.account, public.seat restart identity;
  insert into public.account select id, 100 from pg_catalog.generate_series(1, 10) id;
  insert into public.seat select id, id from pg_catalog.generate_series(1, 3) id;
$$;
