-- title: Session volume by interval
-- description: Sessions started in each interval of the window, in all and by communication type. Intervals are those of the
--   local clock in the time zone of the run, each named by its first instant; intervals without sessions are
--   listed with zeros. Sessions without a communication type, or with one that is not documented, are in other.
--   Nothing is left out. An interval at the edge of the window counts only the part inside.
-- chart: stacked bar x=interval_start y=phone,messaging,email,task,video,other
-- unit: sessions
-- expect: rows > 0
-- param: since timestamp = yesterday
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = today
--   the window ends before this instant
-- param: interval text = 1 hour
--   the width of an interval, a minute or more, such as 15 minutes, 1 day or 1 week
-- param: workflow text = null
--   only this workflow

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
        count(*) as sessions,
        count(*) filter (where communication_type = 'Phone') as phone,
        count(*) filter (where communication_type = 'Messaging') as messaging,
        count(*) filter (where communication_type = 'Email') as email,
        count(*) filter (where communication_type = 'Task') as task,
        count(*) filter (where communication_type = 'Video') as video
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
    group by 1
)
select
    coalesce(buckets.interval_start, counted.interval_start) as interval_start,
    coalesce(sessions, 0) as sessions,
    coalesce(phone, 0) as phone,
    coalesce(messaging, 0) as messaging,
    coalesce(email, 0) as email,
    coalesce(task, 0) as task,
    coalesce(video, 0) as video,
    coalesce(sessions - phone - messaging - email - task - video, 0) as other
from buckets
full join counted on counted.interval_start = buckets.interval_start
order by interval_start;
