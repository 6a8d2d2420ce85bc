-- The fixture of the security suite: rows of two tenants behind row security, and things that tell who ran a statement.
-- Runs as the superuser, once per database. Its roles belong to the whole server and are only ever created.

do $roles$
begin
  if to_regrole('tenant_member') is null then
    create role tenant_member nologin noinherit;
  end if;
  if to_regrole('tenant_guest') is null then
    create role tenant_guest nologin noinherit;
  end if;
end
$roles$;

create function subject() returns text
  language sql stable
  return nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub';

-- ran_as and session are written by the server: they say who inserted a row, whatever the statement claimed.
create table note (
  id integer generated always as identity primary key,
  owner text not null default subject(),
  body text,
  document jsonb,
  ran_as text not null default current_user,
  session text not null default session_user
);
alter table note enable row level security;
create policy note_owner_policy on note to tenant_member
  using (owner = (select subject())) with check (owner = (select subject()));
grant select, insert, update, delete on note to tenant_member;


-- Policies of this table are written with IS NULL, as careless ones are.
create table notice (id integer primary key, body text);
alter table notice enable row level security;
create policy notice_policy on notice to tenant_member using (current_setting('app.tenant_id', true) is null);
grant select on notice to tenant_member;
insert into notice values (1, 'for nobody with a tenant');

-- No row security and no rights for the login: what a statement that escaped its role would reach.
create table secret (id integer primary key, body text);
insert into secret values (1, 'of the owner');

-- A foreign key that is checked at the end of the transaction.
create table pledge (
  id integer primary key,
  note_id integer not null references note (id) deferrable initially deferred
);
grant select, insert, delete on pledge to tenant_member;

-- nextval is never rolled back: it tells that a statement ran although its transaction did not last.
create sequence ran;
grant usage, select on sequence ran to public;

-- Says who a query runs as without a function or raw SQL in the query.
create view identity with (security_invoker) as
  select current_user::text as role, session_user::text as login,
    current_setting('request.jwt.claims', true) as claims,
    current_setting('app.tenant_id', true) as tenant,
    current_setting('tenon.actor', true) as actor,
    current_setting('search_path') as search_path;
grant select on identity to public;

create procedure commit_inside(marker text)
  language plpgsql
  as $$
  begin
    insert into note (body) values (marker || ' before');
    commit;
    insert into note (owner, body) values ('ben', marker || ' after');
  end
  $$;
grant execute on procedure commit_inside(text) to public;

-- Puts the rows back; sequences go on, so that ids are never used twice.
create function reset_two_tenants() returns void
  language sql
  as $$
    delete from pledge;
    delete from note;
    insert into note (owner, body) values
      ('ada', 'ada 1'), ('ada', 'ada 2'), ('ben', 'ben 1'), ('ben', 'ben 2'), ('ben', 'ben 3');
  $$;
revoke execute on function reset_two_tenants() from public;
select reset_two_tenants();
