-- title: Session volume by workflow and version
-- description: Sessions started in the window by workflow and version: how many, their share of the workflow and of all, and
--   the first and last start. Sessions without a workflow or version are listed as (none). The workflow with the
--   most sessions first, within it the version that started last.
-- chart: stacked bar x=workflow_id y=sessions series=version_id
-- unit: sessions
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: channel text = null
--   only this communication type

select
    coalesce(workflow_id, '(none)') as workflow_id,
    coalesce(version_id, '(none)') as version_id,
    count(*) as sessions,
    round(count(*) / sum(count(*)) over (partition by workflow_id)::double, 4) as share_of_workflow,
    round(count(*) / sum(count(*)) over ()::double, 4) as share_of_all,
    min(started_at) as first_started_at,
    max(started_at) as last_started_at
from workflow_sessions
where started_at >= $since and started_at < $until
  and ($channel is null or communication_type = $channel)
group by workflow_sessions.workflow_id, workflow_sessions.version_id
order by
    sum(count(*)) over (partition by workflow_sessions.workflow_id) desc, workflow_id, last_started_at desc, version_id;
