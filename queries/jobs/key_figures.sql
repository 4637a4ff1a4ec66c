-- title: At a glance
-- description: The window in a few figures, each beside the same time one week before: sessions that started in it, the share
--   of its ended inbound sessions that an agent never saw (contained), the median time of those that ended, the share of its
--   callers who came more than once, and the sessions that still run.
-- chart: number x=figure y=value before=week_before
-- expect: rows = 5
-- param: since timestamp = yesterday
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = today
--   the window ends before this instant
-- param: channels text[] = Phone,Messaging,Email,Video
--   the communication types that count as inbound
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code

with periods as (
    select 'now' as period
    union all
    select 'before'
),
sessions as (
    select
        'now' as period,
        ended_at,
        session_duration(started_at, ended_at) as seconds,
        action_name(action_data) as last_action,
        communication_type = any($channels) as inbound,
        phone_e164(source_details_phone_number, $region) as caller
    from workflow_sessions
    where started_at >= $since and started_at < $until
    union all
    select
        'before',
        ended_at,
        session_duration(started_at, ended_at),
        action_name(action_data),
        communication_type = any($channels),
        phone_e164(source_details_phone_number, $region)
    from workflow_sessions
    where started_at >= $since - interval '7 days' and started_at < $until - interval '7 days'
),
counted as (
    select
        period,
        count(*)::double as started,
        (count(*) filter (where ended_at is null))::double as running,
        (count(*) filter (where ended_at is not null and inbound))::double as ended_inbound,
        (count(*) filter (where ended_at is not null and inbound and last_action = 'createInteraction'))::double as transferred,
        median(seconds) filter (where ended_at is not null and seconds >= 0) as median_seconds
    from sessions
    group by period
),
callers as (
    select period, 100 * avg((sessions > 1)::int) as repeated
    from (select period, caller, count(*) as sessions from sessions where caller is not null group by period, caller)
    group by period
),
-- A window without a session has its figures too.
every as (
    select periods.period, started, running, ended_inbound, transferred, median_seconds, repeated
    from periods
    left join counted on counted.period = periods.period
    left join callers on callers.period = periods.period
),
figures as (
    select period, 1 as place, 'sessions' as figure, coalesce(started, 0) as value from every
    union all
    select period, 2, 'contained, %', round(100 * (1 - transferred / nullif(ended_inbound, 0)), 1) from every
    union all
    select period, 3, 'median time, s', round(median_seconds, 1) from every
    union all
    select period, 4, 'callers who came more than once, %', round(repeated, 1) from every
    union all
    -- Those of the week before had a week more to end: no comparison.
    select period, 5, 'still running', coalesce(running, 0) from every where period = 'now'
)
select
    place,
    figure,
    max(value) filter (where period = 'now') as value,
    max(value) filter (where period = 'before') as week_before
from figures
group by place, figure
order by place;
