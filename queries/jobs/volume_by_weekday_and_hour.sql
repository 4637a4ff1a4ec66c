-- title: When sessions start
-- description: Sessions by local weekday and hour over the four weeks that end with the window. Hours without sessions are
--   empty.
-- chart: heat map x=hour y=weekday value=sessions
-- unit: sessions
-- expect: sum(sessions) > 0
-- param: until timestamp = today
--   the four weeks end before this instant
-- param: workflow text = null
--   only this workflow

select
    case local_weekday(started_at, $time_zone)
        when 1 then '1 Monday' when 2 then '2 Tuesday' when 3 then '3 Wednesday' when 4 then '4 Thursday'
        when 5 then '5 Friday' when 6 then '6 Saturday' else '7 Sunday'
    end as weekday,
    local_hour(started_at, $time_zone) as hour,
    count(*) as sessions
from workflow_sessions
where started_at >= $until - interval '28 days' and started_at < $until
  and ($workflow is null or workflow_id = $workflow)
group by 1, 2
order by weekday, hour;
