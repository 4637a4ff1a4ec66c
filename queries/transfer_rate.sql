-- title: Transfer rate by interval
-- description: The share of ended sessions that created an interaction for an agent, for each interval of the local clock in
--   which sessions started, with the median seconds until they were handed over. The denominator is every ended
--   session of any channel that started in the interval. Left out are running sessions and, on request, short
--   ones; times also leave out sessions that ended before they started. Intervals without ended sessions have no
--   rate.
-- chart: line x=interval_start y=transfer_rate
-- unit: share
-- expect: max(transfer_rate) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = today
--   the window ends before this instant
-- param: interval text = 1 day
--   the width of an interval, a minute or more, such as 15 minutes, 1 day or 1 week
-- param: exclude_under duration = 0
--   leaves out ended sessions that were shorter than this, such as misdials; with 0 none is left out
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with buckets as (
    -- Every interval of the window, so that one without sessions shows a zero.
    select distinct local_bucket(instant, $interval, $time_zone) as interval_start
    from (
        select
            unnest(
                generate_series(
                    local_bucket($since, $interval, $time_zone), $until::timestamptz, interval '1 minute'
                )
            ) as instant
        union all
        select $until::timestamptz - interval '1 microsecond'
    )
    where instant < $until
      and $since < $until
),
counted as (
    select
        local_bucket(started_at, $interval, $time_zone) as interval_start,
        count(*) as ended_sessions,
        count(*) filter (where action_name(action_data) = 'createInteraction') as transferred_sessions,
        percentile_cont(0.5) within group (
            order by
                case
                    when action_name(action_data) = 'createInteraction' and ended_at >= started_at
                        then session_duration(started_at, ended_at)
                end
        ) as median_seconds
    from ended_sessions
    where started_at >= $since and started_at < $until
      and ($exclude_under <= 0 or session_duration(started_at, ended_at) >= $exclude_under)
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1
)
select
    coalesce(buckets.interval_start, counted.interval_start) as interval_start,
    coalesce(ended_sessions, 0) as ended_sessions,
    coalesce(transferred_sessions, 0) as transferred_sessions,
    round(transferred_sessions / nullif(ended_sessions, 0)::double, 4) as transfer_rate,
    round(median_seconds, 3) as median_seconds_to_transfer
from buckets
full join counted on counted.interval_start = buckets.interval_start
order by interval_start;
