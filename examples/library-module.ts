/** A library of articles that several teams share, made searchable: the migration of 05-search.ts. In an application it is a file. */
import { defineModule } from '../src/migrate/index.ts'

export const library = defineModule('library', [
  {
    path: '0001_articles.sql',
    sql: `-- requires: roles, search
-- down: drop function public.search_articles(tsquery, real[], integer, boolean, bigint, real, bigint, name); drop table public.articles

create table public.articles (
  id bigint generated always as identity primary key,
  team_id integer not null,
  title text not null,
  body text not null
);
create index articles_team_id_idx on public.articles (team_id);
select tenon.add_search('public.articles', '{"title": "A", "body": "D"}', 'english', policy_column => 'team_id', trigram_columns => '{title}');
alter table public.articles enable row level security;
create policy articles_team_policy on public.articles to authenticated
  using (team_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'team')::integer))
  with check (team_id = (select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'team')::integer));
revoke all on public.articles from public, anon, authenticated, service_role;
grant select, insert, update, delete on public.articles to authenticated;
select tenon.add_search_function('public.articles', 'articles_team_policy');
`,
  },
])
