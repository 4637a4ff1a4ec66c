-- title: Stuck sessions
-- description: Sessions without an end that have run longer than a threshold at the as-of instant, by workflow, version and
--   the item they sit at: a branch that leads nowhere keeps its sessions running for ever. Sessions of exactly
--   that age are left out. Most sessions first. The oldest of each group is named, so that it can be looked at.
-- unit: sessions
-- param: longer_than duration = 24 hours
--   the age from which on a session counts as stuck
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

select
    coalesce(workflow_id, '(none)') as workflow_id,
    coalesce(version_id, '(none)') as version_id,
    coalesce(current_workflow_item_id, '(none)') as current_workflow_item_id,
    count(*) as sessions,
    min(started_at) as oldest_started_at,
    max(session_duration(started_at, ended_at)) as oldest_age_seconds,
    format_duration(max(session_duration(started_at, ended_at))) as oldest_age,
    first_value(session_id order by started_at, session_id) as oldest_session_id
from active_sessions
where session_duration(started_at, ended_at) > $longer_than
  and ($workflow is null or workflow_id = $workflow)
  and ($channel is null or communication_type = $channel)
group by 1, 2, 3
order by sessions desc, oldest_started_at, workflow_id, version_id, current_workflow_item_id;
