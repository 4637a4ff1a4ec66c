-- title: Histogram of time in workflow
-- description: Ended sessions that started in the window by how long they took from start to end. A bucket holds the sessions
--   from its first second up to, not including, the first of the next; share and cumulated share are of all
--   sessions listed. Left out are running sessions and those that ended before they started. Buckets without
--   sessions are listed.
-- chart: bar x=bucket y=sessions
-- unit: sessions
-- expect: max(cumulated_share) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with buckets (bucket, from_seconds, to_seconds) as (
    values
        ('under 10 s', 0, 10),
        ('10 to 30 s', 10, 30),
        ('30 to 60 s', 30, 60),
        ('1 to 2 min', 60, 120),
        ('2 to 5 min', 120, 300),
        ('5 to 10 min', 300, 600),
        ('10 to 30 min', 600, 1800),
        ('30 to 60 min', 1800, 3600),
        ('1 to 4 h', 3600, 14400),
        ('4 h and more', 14400, null)
),
counted as (
    select
        case
            when seconds < 10 then 0
            when seconds < 30 then 10
            when seconds < 60 then 30
            when seconds < 120 then 60
            when seconds < 300 then 120
            when seconds < 600 then 300
            when seconds < 1800 then 600
            when seconds < 3600 then 1800
            when seconds < 14400 then 3600
            else 14400
        end as from_seconds,
        count(*) as sessions
    from (
        select session_duration(started_at, ended_at) as seconds
        from ended_sessions
        where started_at >= $since and started_at < $until
          and ended_at >= started_at
          and ($workflow is null or workflow_id = $workflow)
          and ($channel is null or communication_type = $channel)
    )
    group by 1
)
select
    bucket,
    buckets.from_seconds,
    to_seconds,
    coalesce(sessions, 0) as sessions,
    round(coalesce(sessions, 0) / nullif(sum(sessions) over (), 0)::double, 4) as share,
    round(
        coalesce(sum(sessions) over (order by buckets.from_seconds), 0) / nullif(sum(sessions) over (), 0)::double, 4
    ) as cumulated_share
from buckets
left join counted on counted.from_seconds = buckets.from_seconds
order by buckets.from_seconds;
