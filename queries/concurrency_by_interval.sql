-- title: Concurrent sessions by interval
-- description: The most sessions that ran at once in each interval, when that was first reached, and the average over time. A
--   session runs from its start up to, not including, its end; one that has not ended runs through the window.
--   Sessions that began before the window count from its beginning. Left out are sessions that ended at or before
--   their start. The share is that of the platform's limit. Intervals are those of the local clock; those at the
--   edge of the window count only the part inside.
-- chart: line x=interval_start y=peak_sessions,average_sessions
-- unit: sessions
-- param: since timestamp = yesterday
--   the window begins here
-- param: until timestamp = today
--   the window ends before this instant
-- param: interval text = 1 hour
--   the width of an interval, a minute or more, such as 15 minutes, 1 day or 1 week
-- param: session_limit integer = 1000
--   the sessions that may run at once
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
changes as (
    select instant, sum(change) as change
    from (
        select
            unnest(array[greatest(started_at, $since), ended_at]) as instant,
            unnest(array[1, -1]) as change
        from workflow_sessions
        where started_at < $until
          and (ended_at is null or (ended_at > $since and ended_at > started_at))
          and ($workflow is null or workflow_id = $workflow)
          and ($channel is null or communication_type = $channel)
        union all
        -- What runs when an interval begins belongs to it too.
        select greatest(interval_start, $since), 0
        from buckets
    )
    where instant < $until
    group by instant
),
levels as (
    select
        instant,
        sum(change) over (order by instant) as sessions,
        session_duration(instant, coalesce(lead(instant) over (order by instant), $until)) as seconds
    from changes
)
select
    local_bucket(instant, $interval, $time_zone) as interval_start,
    max(sessions) as peak_sessions,
    first_value(instant order by sessions desc, instant) as peak_at,
    round(sum(sessions * seconds) / nullif(sum(seconds), 0), 3) as average_sessions,
    round(max(sessions) / nullif($session_limit, 0)::double, 4) as peak_share_of_limit
from levels
group by 1
order by interval_start;
