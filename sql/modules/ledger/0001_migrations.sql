-- The ledger: which file of which module was applied to this database, and with which content.
--
-- purpose: makes a second run do nothing and an edited file visible. The applier runs this file before any other, by itself.
-- parameters: none
-- privilege: CREATE on the database
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/sql-createtable.html
-- requires: none
-- transactional: yes
-- kind: core
-- down: none (without it the applier no longer knows what it did; drop schema tenon by hand when every module is gone)

-- "if not exists" for the schema only: other modules make it too when they are run without the applier.
create schema if not exists tenon;

comment on schema tenon is 'Objects of the tenon library. Host tables never live here.';

create table tenon.migrations (
  module text not null,
  version text not null,
  -- One module can stand in several schemas of one database; '' for a file that names no schema.
  target_schema text not null,
  -- What :id_type was; '' for a file that does not use it.
  id_type text not null,
  slug text not null,
  sha256 text not null,
  -- 'running' is what a statement that cannot run in a transaction is until it is through: the next run finishes it.
  state text not null default 'applied',
  -- Who applied it: tenon, baseline, or the migration tool that an exported file is for.
  origin text not null default 'tenon',
  applied_by text not null default session_user,
  applied_at timestamptz not null default pg_catalog.now(),
  constraint migrations_pkey primary key (module, version, target_schema),
  constraint migrations_state_check check (state in ('running', 'applied')),
  constraint migrations_sha256_check check (sha256 ~ '^[0-9a-f]{64}$')
);

comment on table tenon.migrations is 'One row per applied SQL file. Written by the applier only; the hash is of the file as released, before its placeholders were filled.';

-- No policy on purpose: nobody but the owner (and roles that bypass row security) sees a row.
alter table tenon.migrations enable row level security;

revoke all on table tenon.migrations from public;
