-- title: Top callers
-- description: Phone numbers with the most sessions started in the window, with the time that their sessions took (running
--   ones up to the as-of instant; those that ended before they started count nothing). The share is of all
--   sessions of the window, those without a number included. Numbers are compared in their international form;
--   sessions without a readable number are not listed. Numbers are masked unless asked for in full. Most sessions
--   first.
-- chart: bar x=phone_number y=sessions
-- unit: sessions
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: show_numbers boolean = false
--   shows phone numbers in full, not masked
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 20
--   at most so many numbers

with callers as (
    select
        phone_e164(source_details_phone_number, $region) as caller,
        count(*) as sessions,
        sum(count(*)) over () as all_sessions,
        count(*) filter (where ended_at is not null and action_name(action_data) = 'createInteraction') as transferred_sessions,
        sum(greatest(session_duration(started_at, ended_at), 0)) as seconds,
        min(started_at) as first_started_at,
        max(started_at) as last_started_at
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1
)
select
    case when $show_numbers then caller else mask_phone(caller) end as phone_number,
    sessions,
    round(sessions / nullif(all_sessions, 0)::double, 4) as share,
    transferred_sessions,
    round(seconds, 3) as total_seconds,
    format_duration(round(seconds)) as total_time,
    first_started_at,
    last_started_at
from callers
where caller is not null
order by sessions desc, seconds desc, callers.caller
limit $top;
