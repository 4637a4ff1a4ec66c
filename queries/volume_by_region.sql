-- title: Session volume by region
-- description: Sessions started in the window by the region in Source Details and, for numbers of the North American plan
--   (+1), by area code: how many, their share of all, and how many numbers they came from. Where there is no
--   region it is (none); where there is no such number the area code is empty. Nothing is left out. Most sessions
--   first.
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: path text = $.region
--   where Source Details has the region, as a JSONPath
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 50
--   at most so many lines

with placed as (
    select
        coalesce(json_value(source_details, $path), '(none)') as region,
        phone_e164(source_details_phone_number, $region) as caller
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
)
select
    region,
    case when starts_with(caller, '+1') then substr(caller, 3, 3) end as area_code,
    count(*) as sessions,
    round(count(*) / sum(count(*)) over ()::double, 4) as share,
    count(distinct caller) as callers
from placed
group by 1, 2
order by sessions desc, region, area_code nulls last
limit $top;
