-- title: Items at which sessions stop
-- description: Workflow items by how many sessions that started in the window stopped there or sit there: the current item of
--   ended and running sessions. The share is of all sessions of the workflow in the window, whatever became of
--   them. Left out, unless asked for, are ended sessions whose last action is end or createInteraction, for those
--   items are where a workflow is meant to stop. Sessions without an item are listed as (none). Most sessions
--   first.
-- chart: stacked bar x=current_workflow_item_id y=ended_sessions,running_sessions
-- unit: sessions
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: include_terminal boolean = false
--   also counts sessions that ended with end or createInteraction
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type
-- param: top integer = 50
--   at most so many items

with placed as (
    select
        coalesce(workflow_id, '(none)') as workflow_id,
        coalesce(current_workflow_item_id, '(none)') as current_workflow_item_id,
        ended_at,
        action_name(action_data) as last_action
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
),
items as (
    select
        workflow_id,
        current_workflow_item_id,
        count(*) filter (where ended_at is not null) as ended_sessions,
        count(*) filter (where ended_at is null) as running_sessions,
        count(*) filter (
            where ended_at is not null and last_action in ('end', 'createInteraction')
        ) as terminal_sessions,
        sum(count(*)) over (partition by workflow_id) as workflow_sessions
    from placed
    group by workflow_id, current_workflow_item_id
),
counted as (
    select
        workflow_id,
        current_workflow_item_id,
        ended_sessions - case when $include_terminal then 0 else terminal_sessions end as ended_sessions,
        running_sessions,
        workflow_sessions
    from items
)
select
    workflow_id,
    current_workflow_item_id,
    ended_sessions + running_sessions as sessions,
    round((ended_sessions + running_sessions) / nullif(workflow_sessions, 0)::double, 4) as share_of_workflow,
    ended_sessions,
    running_sessions
from counted
where ended_sessions + running_sessions > 0
order by sessions desc, workflow_id, current_workflow_item_id
limit $top;
