-- title: Repeat callers
-- description: Phone numbers with repeat sessions in the window. A session is a repeat when it starts less than the given
--   time after the start of the number's previous session, which may lie before the window. Numbers are compared
--   in their international form; sessions without a readable number are left out. Most repeats first. Numbers are
--   masked unless asked for in full.
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: within duration = 7 days
--   how long after the previous start a session is a repeat; exactly so long after is not
-- param: min_repeats integer = 1
--   only numbers with at least so many repeats
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: show_numbers boolean = false
--   shows phone numbers in full, not masked
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 50
--   at most so many numbers

with numbered as (
    select
        phone_e164(source_details_phone_number, $region) as caller,
        session_id,
        started_at,
        ended_at is not null and action_name(action_data) = 'createInteraction' as is_transferred
    from workflow_sessions
    where started_at >= $since - arrow_cast(cast($within * 1000000 as bigint), 'Duration(Microsecond)')
      and started_at < $until
      and source_details_phone_number is not null
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
),
spaced as (
    select
        *,
        session_duration(lag(started_at) over (partition by caller order by started_at, session_id), started_at) as gap_seconds
    from numbered
),
callers as (
    select
        caller,
        count(*) as sessions,
        count(*) filter (where gap_seconds < $within) as repeats,
        min(gap_seconds) filter (where gap_seconds < $within) as shortest_gap_seconds,
        count(*) filter (where is_transferred) as transferred_sessions,
        min(started_at) as first_started_at,
        max(started_at) as last_started_at
    from spaced
    where started_at >= $since
    group by caller
    -- Not in where: that would move into the scan, and each number would be read twice.
    having count(caller) > 0
)
select
    case when $show_numbers then caller else mask_phone(caller) end as phone_number,
    sessions,
    repeats,
    shortest_gap_seconds,
    transferred_sessions,
    first_started_at,
    last_started_at
from callers
where repeats >= $min_repeats
order by repeats desc, sessions desc, last_started_at desc, callers.caller
limit $top;
