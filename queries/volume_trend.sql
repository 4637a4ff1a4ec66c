-- title: Volume trend by day
-- description: Sessions started on each local day of the window, beside those of the same weekday a week before, with the
--   change and the average of the seven days up to and with that day. Days without sessions count as zero. The
--   relative change is empty where there were none a week before. Nothing is left out; the default window holds
--   whole days only.
-- chart: line x=day y=sessions,average_7_days
-- unit: sessions
-- expect: rows > 0
-- param: since timestamp = today -28 days
--   the window begins on the local day of this instant
-- param: until timestamp = today
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with days as (
    -- The week before the window too, which the first week is compared with.
    select unnest(
        generate_series(
            local_day($since, $time_zone) - interval '7 days',
            local_day($until::timestamptz - interval '1 microsecond', $time_zone),
            interval '1 day'
        )
    ) as day
),
counted as (
    select local_day(started_at, $time_zone) as day, count(*) as sessions
    from workflow_sessions
    -- Nine days reach the beginning of the first of these days in every zone.
    where started_at >= $since::timestamptz - interval '9 days'
      and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1
),
compared as (
    select
        days.day,
        coalesce(sessions, 0) as sessions,
        lag(coalesce(sessions, 0), 7) over (order by days.day) as sessions_week_before,
        avg(coalesce(sessions, 0)) over (order by days.day rows between 6 preceding and current row) as average_7_days
    from days
    left join counted on counted.day = days.day
)
select
    day,
    sessions,
    sessions_week_before,
    sessions - sessions_week_before as change,
    round((sessions - sessions_week_before) / nullif(sessions_week_before, 0)::double, 4) as relative_change,
    round(average_7_days, 2) as average_7_days
from compared
where day >= local_day($since, $time_zone)
order by day;
