-- title: Heat map of hours and weekdays
-- description: Sessions started in the window by local hour (rows, 0 to 23) and local weekday (columns), in the time zone of
--   the run. The default window is the last four whole weeks, so that each weekday occurs equally often. An hour
--   that the clocks show twice in autumn counts both times. Nothing is left out.
-- param: since timestamp = start of week -4 weeks
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = start of week
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with cells as (
    select
        local_hour(started_at, $time_zone) as hour,
        local_weekday(started_at, $time_zone) as weekday,
        count(*) as sessions
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1, 2
),
hours as (
    select unnest(generate_series(0, 23)) as hour
)
select
    hours.hour,
    coalesce(sum(sessions) filter (where weekday = 1), 0) as monday,
    coalesce(sum(sessions) filter (where weekday = 2), 0) as tuesday,
    coalesce(sum(sessions) filter (where weekday = 3), 0) as wednesday,
    coalesce(sum(sessions) filter (where weekday = 4), 0) as thursday,
    coalesce(sum(sessions) filter (where weekday = 5), 0) as friday,
    coalesce(sum(sessions) filter (where weekday = 6), 0) as saturday,
    coalesce(sum(sessions) filter (where weekday = 7), 0) as sunday,
    coalesce(sum(sessions), 0) as total
from hours
left join cells on cells.hour = hours.hour
group by hours.hour
order by hours.hour;
