-- invitations: how somebody whose user id nobody in the organization knows becomes a member.
--
-- purpose: an admin knows an e-mail address, and the person behind it may not have an account yet. create_invitation gives
--   a token once and keeps only its SHA-256; the host sends it; accept_invitation makes the caller a member, once, before
--   it expires, and only while its maker is still an admin: nobody leaves a way back in behind. Nobody is invited as owner.
--   Expired rows stay until somebody deletes them: delete from invitations where expires_at < now().
-- parameters: :"schema" identifier, where the table is made; :id_type uuid, text or bigint, the type of a user's identity.
--   create_invitation: organization_id uuid, email text, role text default member, expires_in interval default 7 days.
--   accept_invitation: token text
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html#url-tokens
-- requires: roles, auth, timestamps
-- transactional: yes
-- kind: feature
-- down:
--   drop function :"schema".accept_invitation(text);
--   drop function :"schema".create_invitation(uuid, text, text, interval);
--   drop table :"schema".invitations;

create table :"schema".invitations (
  id uuid not null default pg_catalog.gen_random_uuid(),
  organization_id uuid not null,
  -- Where the host sends the token, and what a list of open invitations shows. Who has the token may accept it.
  email text not null,
  role text not null default 'member',
  -- Of 244 random bits, so it needs no salt and tells nothing to those who may read it.
  token_sha256 bytea not null,
  -- Null when a service made it.
  invited_by :id_type default cast(tenon.subject() as :id_type),
  created_at timestamptz not null default pg_catalog.now(),
  expires_at timestamptz not null default pg_catalog.now() + interval '7 days',
  constraint invitations_pkey primary key (id),
  constraint invitations_token_sha256_key unique (token_sha256),
  constraint invitations_token_sha256_check check (pg_catalog.length(token_sha256) = 32),
  constraint invitations_organization_id_fkey foreign key (organization_id)
    references :"schema".organizations (id) on delete cascade,
  constraint invitations_role_check check (role in ('admin', 'member', 'viewer'))
);
comment on table :"schema".invitations is 'Open invitations; admins of the organization see, make and withdraw them. Accepting one deletes it.';
create index invitations_organization_id_idx on :"schema".invitations (organization_id, created_at desc);

-- With the caller's rights: the policy below says who may invite.
create function :"schema".create_invitation(
  organization_id uuid,
  email text,
  role text default 'member',
  expires_in interval default '7 days'
) returns text
  language sql volatile
  set search_path = ''
begin atomic
  with fresh (token) as materialized (
    select pg_catalog.replace(pg_catalog.gen_random_uuid()::text || pg_catalog.gen_random_uuid()::text, '-', '')
  ), made as (
    insert into :"schema".invitations (organization_id, email, role, token_sha256, expires_at)
    select
      create_invitation.organization_id,
      create_invitation.email,
      create_invitation.role,
      pg_catalog.sha256(pg_catalog.convert_to(fresh.token, 'UTF8')),
      pg_catalog.now() + create_invitation.expires_in
    from fresh
  )
  select fresh.token from fresh;
end;
comment on function :"schema".create_invitation(uuid, text, text, interval) is 'Makes an invitation and returns its token, which is kept nowhere.';
revoke all on function :"schema".create_invitation(uuid, text, text, interval) from public, anon;
grant execute on function :"schema".create_invitation(uuid, text, text, interval) to authenticated, service_role;

-- Defined with its owner's rights: the caller is not a member yet.
create function :"schema".accept_invitation(token text) returns uuid
  language sql volatile security definer
  set search_path = ''
begin atomic
  with taken as (
    delete from :"schema".invitations as invitation
    where invitation.token_sha256 = pg_catalog.sha256(pg_catalog.convert_to(accept_invitation.token, 'UTF8'))
      and invitation.expires_at > pg_catalog.now()
      and (
        invitation.invited_by is null
        or exists (
          select from :"schema".memberships as inviter
          where inviter.organization_id = invitation.organization_id
            and inviter.user_id = invitation.invited_by
            and inviter.role in ('admin', 'owner')
        )
      )
    returning invitation.organization_id, invitation.role
  ), joined as (
    insert into :"schema".memberships (organization_id, user_id, role)
    select taken.organization_id, cast(tenon.subject() as :id_type), taken.role from taken
    -- Who is a member already keeps the own role.
    on conflict do nothing
  )
  select taken.organization_id from taken;
end;
comment on function :"schema".accept_invitation(text) is 'Makes the session''s subject a member and returns the organization; null when the token is unknown, used, expired, or its maker may no longer invite.';
revoke all on function :"schema".accept_invitation(text) from public, anon, service_role;
grant execute on function :"schema".accept_invitation(text) to authenticated;

alter table :"schema".invitations enable row level security;

create policy invitations_select_policy on :"schema".invitations
  for select to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids('admin'))));
create policy invitations_insert_policy on :"schema".invitations
  for insert to authenticated
  with check (
    organization_id = any (array(select tenon_private.organization_ids('admin')))
    and invited_by = (select cast(tenon.subject() as :id_type))
  );
create policy invitations_delete_policy on :"schema".invitations
  for delete to authenticated
  using (organization_id = any (array(select tenon_private.organization_ids('admin'))));

-- For servers where nobody may give BYPASSRLS, and for accept_invitation under FORCE ROW LEVEL SECURITY.
create policy invitations_service_role_policy on :"schema".invitations
  for all to service_role using (true) with check (true);
create policy invitations_definer_policy on :"schema".invitations
  for all to current_user using (true) with check (true);

revoke all on table :"schema".invitations from public, anon, authenticated, service_role;
grant select, insert, delete on table :"schema".invitations to authenticated;
grant select, insert, update, delete on table :"schema".invitations to service_role;
