-- title: Time in workflow: average and percentiles
-- description: How long ended sessions that started in the window took from start to end, in seconds: average, exact
--   percentiles (interpolated between neighbours) and longest, for each workflow, version, channel, category or
--   local day, with a line for all of them first. Left out are running sessions and those that ended before they
--   started. Most sessions first.
-- chart: bar x=part y=median_seconds,p90_seconds
-- unit: s
-- expect: min(median_seconds) >= 0
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: by text = workflow
--   what to group by: workflow, version, channel, category or day
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with measured as (
    select
        coalesce(
            case $by
                when 'workflow' then workflow_id
                when 'version' then version_id
                when 'channel' then communication_type
                when 'category' then variables_category
                when 'day' then cast(local_day(started_at, $time_zone) as text)
                else 'by is not one of workflow, version, channel, category, day'
            end,
            '(none)'
        ) as part,
        session_duration(started_at, ended_at) as seconds
    from ended_sessions
    where started_at >= $since and started_at < $until
      and ended_at >= started_at
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
)
select
    case when grouping(part) = 1 then '(all)' else part end as part,
    count(*) as sessions,
    round(avg(seconds), 3) as average_seconds,
    round(percentile_cont(0.5) within group (order by seconds), 3) as median_seconds,
    round(percentile_cont(0.9) within group (order by seconds), 3) as p90_seconds,
    round(percentile_cont(0.95) within group (order by seconds), 3) as p95_seconds,
    round(percentile_cont(0.99) within group (order by seconds), 3) as p99_seconds,
    max(seconds) as longest_seconds
from measured
group by rollup (measured.part)
order by grouping(measured.part) desc, sessions desc, part;
