-- title: Outcomes of sessions
-- description: Ended sessions that started in the window by their last action: createInteraction is a transfer to an agent,
--   end a completed workflow, any other action an abandoned one, and none at all unknown. The share is of all
--   ended sessions of the window; times leave out sessions that ended before they started. Running sessions are
--   left out. Most sessions first.
-- chart: stacked bar x=outcome y=sessions series=last_action
-- unit: sessions
-- expect: max(share) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with ended as (
    select
        action_name(action_data) as last_action,
        case when ended_at >= started_at then session_duration(started_at, ended_at) end as seconds
    from ended_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
)
select
    case
        when last_action = 'createInteraction' then 'transferred'
        when last_action = 'end' then 'completed'
        when last_action is null then 'unknown'
        else 'abandoned'
    end as outcome,
    coalesce(last_action, '(none)') as last_action,
    count(*) as sessions,
    round(count(*) / sum(count(*)) over ()::double, 4) as share,
    round(avg(seconds), 3) as average_seconds,
    round(percentile_cont(0.5) within group (order by seconds), 3) as median_seconds
from ended
group by 1, ended.last_action
order by sessions desc, outcome, last_action;
