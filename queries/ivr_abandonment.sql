-- title: Abandonment by workflow
-- description: The share of sessions that were given up: ended at an item that neither ends the workflow (end) nor creates an
--   interaction. The denominator is every session of the given channels that started in the window, running ones
--   included. A session whose last action is unknown is not counted as abandoned and shown apart. Sessions that
--   ended sooner than the given time are, on request, left out altogether. Times leave out sessions that ended
--   before they started. All workflows first, then the one with the most sessions.
-- chart: bar x=workflow_id y=abandonment_rate
-- unit: share
-- expect: max(abandonment_rate) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: channels text[] = Phone
--   the communication types to look at
-- param: exclude_under duration = 0
--   leaves out ended sessions that were shorter than this, such as misdials; with 0 none is left out
-- param: workflow text = null
--   only this workflow

with started as (
    select
        workflow_id,
        ended_at is null as is_running,
        ended_at is not null and action_name(action_data) is null as is_unknown,
        ended_at is not null and action_name(action_data) not in ('end', 'createInteraction') as is_abandoned,
        case when ended_at >= started_at then session_duration(started_at, ended_at) end as seconds
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and communication_type = any($channels)
      and (ended_at is null or $exclude_under <= 0 or session_duration(started_at, ended_at) >= $exclude_under)
      and ($workflow is null or workflow_id = $workflow)
),
counted as (
    select
        case when grouping(started.workflow_id) = 1 then '(all)' else coalesce(started.workflow_id, '(none)') end as workflow_id,
        grouping(started.workflow_id) as is_total,
        count(*) as started_sessions,
        count(*) filter (where is_abandoned) as abandoned_sessions,
        count(*) filter (where is_running) as running_sessions,
        count(*) filter (where is_unknown) as unknown_sessions,
        percentile_cont(0.5) within group (order by case when is_abandoned then seconds end) as median_seconds
    from started
    group by rollup (started.workflow_id)
)
select
    workflow_id,
    started_sessions,
    abandoned_sessions,
    round(abandoned_sessions / nullif(started_sessions, 0)::double, 4) as abandonment_rate,
    round(median_seconds, 3) as median_seconds_to_abandonment,
    running_sessions,
    unknown_sessions
from counted
order by is_total desc, started_sessions desc, workflow_id;
