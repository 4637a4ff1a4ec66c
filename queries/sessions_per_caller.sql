-- title: Sessions per caller
-- description: Phone numbers by how many sessions of theirs started in the window, with the share of numbers and of sessions.
--   Numbers are compared in their international form; sessions without a readable number are left out. Steps
--   without numbers are listed.
-- chart: bar x=sessions_per_caller y=callers
-- unit: callers
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with steps (sessions_per_caller, at_least) as (
    values ('1', 1), ('2', 2), ('3', 3), ('4', 4), ('5 to 9', 5), ('10 and more', 10)
),
callers as (
    select phone_e164(source_details_phone_number, $region) as caller, count(*) as sessions
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and source_details_phone_number is not null
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1
    -- Not in where: that would move into the scan, and each number would be read twice.
    having count(phone_e164(source_details_phone_number, $region)) > 0
),
counted as (
    select
        case when sessions >= 10 then 10 when sessions >= 5 then 5 else sessions end as at_least,
        count(*) as callers,
        sum(sessions) as sessions
    from callers
    group by 1
)
select
    sessions_per_caller,
    coalesce(callers, 0) as callers,
    round(coalesce(callers, 0) / nullif(sum(callers) over (), 0)::double, 4) as share_of_callers,
    coalesce(sessions, 0) as sessions,
    round(coalesce(sessions, 0) / nullif(sum(sessions) over (), 0)::double, 4) as share_of_sessions
from steps
left join counted on counted.at_least = steps.at_least
order by steps.at_least;
