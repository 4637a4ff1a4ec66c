-- title: First-time and returning callers by interval
-- description: Sessions started in each interval of the local clock: those that are the first of their phone number in the
--   whole lake, and those of numbers seen before. The shares are of the sessions with a readable number; those
--   without are counted apart. In the first weeks of a lake most numbers are new, because what came before it is
--   not known. Numbers are compared in their international form. Intervals without sessions are listed.
-- chart: stacked bar x=interval_start y=first_time_sessions,returning_sessions
-- unit: sessions
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = today
--   the window ends before this instant
-- param: interval text = 1 day
--   the width of an interval, a minute or more, such as 15 minutes, 1 day or 1 week
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
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
firsts as (
    select local_bucket(first_started_at, $interval, $time_zone) as interval_start, count(*) as first_time_sessions
    from (
        select phone_e164(source_details_phone_number, $region) as caller, min(started_at) as first_started_at
        from workflow_sessions
        where started_at < $until
          and source_details_phone_number is not null
          and ($channel is null or communication_type = $channel)
        group by 1
        -- Not in where: that would move into the scan, and each number would be read twice.
        having count(phone_e164(source_details_phone_number, $region)) > 0
    )
    where first_started_at >= $since
    group by 1
),
counted as (
    select
        local_bucket(started_at, $interval, $time_zone) as interval_start,
        count(*) as sessions,
        count(phone_e164(source_details_phone_number, $region)) as numbered_sessions
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($channel is null or communication_type = $channel)
    group by 1
)
select
    coalesce(buckets.interval_start, counted.interval_start, firsts.interval_start) as interval_start,
    coalesce(sessions, 0) as sessions,
    coalesce(first_time_sessions, 0) as first_time_sessions,
    coalesce(numbered_sessions, 0) - coalesce(first_time_sessions, 0) as returning_sessions,
    coalesce(sessions - numbered_sessions, 0) as sessions_without_number,
    round(coalesce(first_time_sessions, 0) / nullif(numbered_sessions, 0)::double, 4) as first_time_share,
    round(
        (numbered_sessions - coalesce(first_time_sessions, 0)) / nullif(numbered_sessions, 0)::double, 4
    ) as returning_share
from buckets
full join counted on counted.interval_start = buckets.interval_start
full join firsts on firsts.interval_start = coalesce(buckets.interval_start, counted.interval_start)
order by interval_start;
