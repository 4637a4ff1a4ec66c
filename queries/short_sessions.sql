-- title: Short sessions by workflow
-- description: Ended sessions that started in the window and took less than the threshold from start to end: how many, their
--   share of the workflow's ended sessions, and how they ended. Such sessions are often misdials or broken first
--   items. Sessions of exactly the threshold are not short. Left out are running sessions and those that ended
--   before they started. All workflows first, then the one with the most short sessions.
-- chart: bar x=workflow_id y=short_share
-- unit: share
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: shorter_than duration = 10 seconds
--   the time under which a session is short
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with ended as (
    select
        workflow_id,
        coalesce(action_name(action_data), '') as last_action,
        session_duration(started_at, ended_at) < $shorter_than as is_short
    from ended_sessions
    where started_at >= $since and started_at < $until
      and ended_at >= started_at
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
),
counted as (
    select
        case when grouping(ended.workflow_id) = 1 then '(all)' else coalesce(ended.workflow_id, '(none)') end as workflow_id,
        grouping(ended.workflow_id) as is_total,
        count(*) as ended_sessions,
        count(*) filter (where is_short) as short_sessions,
        count(*) filter (where is_short and last_action = 'end') as short_completed_sessions,
        count(*) filter (where is_short and last_action = 'createInteraction') as short_transferred_sessions
    from ended
    group by rollup (ended.workflow_id)
)
select
    workflow_id,
    ended_sessions,
    short_sessions,
    round(short_sessions / nullif(ended_sessions, 0)::double, 4) as short_share,
    short_completed_sessions,
    short_transferred_sessions,
    short_sessions - short_completed_sessions - short_transferred_sessions as short_other_sessions
from counted
order by is_total desc, short_sessions desc, ended_sessions desc, workflow_id;
