-- title: Sessions by a value in Data
-- description: Sessions started in the window by the value at a JSON path of Data: how many, their share of all, how many of
--   the ended ones were transferred to an agent, and the median time of the ended ones. Where the path picks
--   nothing, null, an object, an array or several values, or Data is not JSON, the value is (none). Times leave out running
--   sessions and those that ended before they started. Most sessions first.
-- chart: bar x=value y=sessions
-- unit: sessions
-- param: path text = $.variables.customer_tier
--   a JSONPath, such as $.variables.priority or $.source.region
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 50
--   at most so many values

with valued as (
    select
        coalesce(json_value(data, $path), '(none)') as value,
        ended_at,
        action_name(action_data) as last_action,
        case when ended_at >= started_at then session_duration(started_at, ended_at) end as seconds
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
)
select
    value,
    count(*) as sessions,
    round(count(*) / sum(count(*)) over ()::double, 4) as share,
    count(ended_at) as ended_sessions,
    round(
        count(*) filter (where ended_at is not null and last_action = 'createInteraction')
            / nullif(count(ended_at), 0)::double,
        4
    ) as transfer_rate,
    round(percentile_cont(0.5) within group (order by seconds), 3) as median_seconds
from valued
group by value
order by sessions desc, value
limit $top;
