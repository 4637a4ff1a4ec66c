-- title: Session volume by channel
-- description: Sessions started in the window by communication type: how many, their share of all of them, how many have
--   ended, and how long the ended ones took on average. Sessions without a type are listed as (none), types that
--   are not documented under their own name. The average leaves out sessions that ended before they started. Most
--   sessions first.
-- chart: bar x=channel y=sessions
-- unit: sessions
-- expect: rows > 0
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow

select
    coalesce(communication_type, '(none)') as channel,
    count(*) as sessions,
    round(count(*) / sum(count(*)) over ()::double, 4) as share,
    count(ended_at) as ended_sessions,
    count(*) - count(ended_at) as running_sessions,
    round(avg(case when ended_at >= started_at then session_duration(started_at, ended_at) end), 3) as average_seconds
from workflow_sessions
where started_at >= $since and started_at < $until
  and ($workflow is null or workflow_id = $workflow)
group by 1
order by sessions desc, channel;
