-- title: Active sessions
-- description: Sessions that run at an instant: started at or before it, and not ended or ended after it. Age is counted from
--   the start to that instant. Current item and last action are those of the newest export, so for an instant in
--   the past they may be later ones. The oldest first.
-- unit: sessions
-- param: at timestamp = now
--   the instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 100
--   at most so many sessions

select
    session_id,
    workflow_id,
    version_id,
    communication_type,
    current_workflow_item_id,
    action_name(action_data) as last_action,
    started_at,
    session_duration(started_at, $at) as age_seconds,
    format_duration(session_duration(started_at, $at)) as age
from workflow_sessions
where started_at <= $at
  and (ended_at is null or ended_at > $at)
  and ($workflow is null or workflow_id = $workflow)
  and ($channel is null or communication_type = $channel)
order by started_at, session_id
limit $top;
