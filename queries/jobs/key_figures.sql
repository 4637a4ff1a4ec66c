-- title: At a glance
-- description: The window in a few figures: sessions that started in it, the change against the same time one week before,
--   the share of its ended inbound sessions that an agent never saw (contained), the share that was passed on to an
--   agent, the median time of those that ended, and the sessions that still run.
-- chart: number x=figure y=value
-- expect: rows = 6
-- param: since timestamp = yesterday
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = today
--   the window ends before this instant
-- param: channels text[] = Phone,Messaging,Email,Video
--   the communication types that count as inbound

with sessions as (
    select
        ended_at,
        session_duration(started_at, ended_at) as seconds,
        action_name(action_data) as last_action,
        communication_type = any($channels) as inbound
    from workflow_sessions
    where started_at >= $since and started_at < $until
),
counted as (
    select
        count(*)::double as started,
        (count(*) filter (where ended_at is null))::double as running,
        (count(*) filter (where ended_at is not null and inbound))::double as ended_inbound,
        (count(*) filter (where ended_at is not null and inbound and last_action = 'createInteraction'))::double as transferred,
        median(seconds) filter (where ended_at is not null and seconds >= 0) as median_seconds
    from sessions
),
before as (
    select count(*)::double as started
    from workflow_sessions
    where started_at >= $since - interval '7 days' and started_at < $until - interval '7 days'
)
select 1 as place, 'sessions' as figure, counted.started as value from counted
union all
select 2, 'change on the week before, %', round(100 * (counted.started - before.started) / nullif(before.started, 0), 1)
from counted cross join before
union all
select 3, 'contained, %', round(100 * (1 - transferred / nullif(ended_inbound, 0)), 1) from counted
union all
select 4, 'passed on to an agent, %', round(100 * transferred / nullif(ended_inbound, 0), 1) from counted
union all
select 5, 'median time, seconds', round(median_seconds, 1) from counted
union all
select 6, 'still running', running from counted
order by place;
