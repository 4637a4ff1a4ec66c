-- title: Containment rate by workflow
-- description: The share of ended inbound sessions that created no interaction, that is, did not reach an agent. The
--   denominator is every ended session of the inbound channels that started in the window. Contained sessions are
--   those whose last action is end (completed), those that ended at any other item (abandoned: many of these are
--   hang-ups), and those whose last action is unknown. Left out are running sessions, other channels, and, on
--   request, short sessions. See true_containment for callers who come back. All workflows first, then the one
--   with the most sessions.
-- chart: bar x=workflow_id y=containment_rate,completion_rate
-- unit: share
-- expect: max(containment_rate) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: channels text[] = Phone,Messaging,Email,Video
--   the communication types that count as inbound; schedules start Task sessions
-- param: exclude_under duration = 0
--   leaves out ended sessions that were shorter than this, such as misdials; with 0 none is left out
-- param: workflow text = null
--   only this workflow

with ended as (
    select workflow_id, coalesce(action_name(action_data), '') as last_action
    from ended_sessions
    where started_at >= $since and started_at < $until
      and communication_type = any($channels)
      and ($exclude_under <= 0 or session_duration(started_at, ended_at) >= $exclude_under)
      and ($workflow is null or workflow_id = $workflow)
),
counted as (
    select
        case when grouping(ended.workflow_id) = 1 then '(all)' else coalesce(ended.workflow_id, '(none)') end as workflow_id,
        grouping(ended.workflow_id) as is_total,
        count(*) as ended_sessions,
        count(*) filter (where last_action = 'createInteraction') as transferred_sessions,
        count(*) filter (where last_action = 'end') as completed_sessions,
        count(*) filter (where last_action = '') as unknown_sessions
    from ended
    group by rollup (ended.workflow_id)
)
select
    workflow_id,
    ended_sessions,
    transferred_sessions,
    completed_sessions,
    ended_sessions - transferred_sessions - completed_sessions - unknown_sessions as abandoned_sessions,
    unknown_sessions,
    ended_sessions - transferred_sessions as contained_sessions,
    round((ended_sessions - transferred_sessions) / nullif(ended_sessions, 0)::double, 4) as containment_rate,
    round(completed_sessions / nullif(ended_sessions, 0)::double, 4) as completion_rate
from counted
order by is_total desc, ended_sessions desc, workflow_id;
