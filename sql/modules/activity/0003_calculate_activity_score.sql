-- calculate_activity_score(user_id): ten points for each activity of the last 30 days, twenty more when it was completed.
--
-- purpose: returns the score as numeric, 0 when there is nothing to count (the sum of no rows is null). Runs with the
--   caller's rights: under row-level security the score of somebody else is 0.
--   A PL/pgSQL body with `where user_id = $1` fails with 42702, because user_id is the parameter and the column; here the
--   column is qualified, so the parameter can keep its name.
-- parameters: :"schema" identifier; :id_type uuid, text or bigint. The function: user_id :id_type
-- privilege: CREATE on the schema
-- oldest postgresql: 15
-- source: https://www.postgresql.org/docs/current/xfunc-sql.html
-- requires: roles, auth
-- transactional: yes
-- kind: demo
-- down:
--   drop function :"schema".calculate_activity_score(:id_type);

create function :"schema".calculate_activity_score(user_id :id_type) returns numeric
  language sql stable parallel safe
  set search_path = ''
  return (
    select coalesce(
      pg_catalog.count(activity.id) * 10 + pg_catalog.sum(case when activity.completed then 20 else 0 end),
      0
    )::pg_catalog.numeric
    from :"schema".user_activities as activity
    where activity.user_id = calculate_activity_score.user_id
      and activity.created_at > pg_catalog.now() - interval '30 days'
  );

comment on function :"schema".calculate_activity_score(:id_type) is 'Ten points per activity of the last 30 days and twenty more when completed; 0 for none. Runs with the caller''s rights.';

revoke all on function :"schema".calculate_activity_score(:id_type) from public, anon;
grant execute on function :"schema".calculate_activity_score(:id_type) to authenticated, service_role;
