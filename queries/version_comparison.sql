-- title: Two versions side by side
-- description: Sessions of two versions of a workflow that started in the window: a line per figure, with the value of the
--   baseline, that of the candidate, their difference, and the difference as a share of the baseline. Without
--   parameters the candidate is the newest version of the workflow with the most sessions in the window and the
--   baseline the one before it; a version is newer when its first session is later, and only versions with
--   sessions in the window count. Rates are of ended sessions: completed (last action end), transferred
--   (createInteraction), abandoned (any other); contained is not transferred. Times are those of ended sessions
--   and leave out those that ended before they started.
-- param: since timestamp = today -90 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   the workflow whose versions are compared
-- param: baseline text = null
--   the version to compare with
-- param: candidate text = null
--   the version to look at

with busiest as (
    select workflow_id
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and workflow_id is not null
    group by workflow_id
    order by count(*) desc, workflow_id
    limit 1
),
compared as (
    select coalesce($workflow, max(workflow_id)) as workflow_id
    from busiest
),
recent as (
    select version_id, row_number() over (order by min(started_at) desc, version_id desc) as recency
    from workflow_sessions
    join compared on compared.workflow_id = workflow_sessions.workflow_id
    where version_id is not null
      and started_at < $until
    group by version_id
    having max(started_at) >= $since
),
sides as (
    select
        unnest(array['baseline', 'candidate']) as side,
        unnest(array[
            coalesce($baseline, max(version_id) filter (where recency = 2)),
            coalesce($candidate, max(version_id) filter (where recency = 1))
        ]) as version_id
    from recent
),
measured as (
    select
        version_id,
        started_at,
        ended_at,
        action_name(action_data) as last_action,
        case when ended_at >= started_at then session_duration(started_at, ended_at) end as seconds
    from workflow_sessions
    left join compared on compared.workflow_id = workflow_sessions.workflow_id
    where started_at >= $since and started_at < $until
      -- Two versions that are both named may be of any workflow: their names may be those of several.
      and (
          compared.workflow_id is not null
          or ($workflow is null and $baseline is not null and $candidate is not null)
      )
),
figures as (
    select
        sides.side,
        sides.version_id,
        count(measured.started_at)::double as sessions,
        count(ended_at)::double as ended_sessions,
        count(*) filter (where ended_at is not null and last_action = 'end') as completed,
        count(*) filter (where ended_at is not null and last_action = 'createInteraction') as transferred,
        count(*) filter (where ended_at is not null and last_action not in ('end', 'createInteraction')) as abandoned,
        avg(seconds) as average_seconds,
        percentile_cont(0.5) within group (order by seconds) as median_seconds,
        percentile_cont(0.95) within group (order by seconds) as p95_seconds
    from sides
    left join measured on measured.version_id = sides.version_id
    group by sides.side, sides.version_id
),
lines as (
    select
        side,
        version_id,
        unnest(array[1, 2, 3, 4, 5, 6, 7, 8, 9]) as place,
        unnest(array[
            'sessions', 'ended_sessions', 'containment_rate', 'completion_rate', 'transfer_rate', 'abandonment_rate',
            'average_seconds', 'median_seconds', 'p95_seconds'
        ]) as figure,
        unnest(array[
            sessions,
            ended_sessions,
            (ended_sessions - transferred) / nullif(ended_sessions, 0),
            completed / nullif(ended_sessions, 0),
            transferred / nullif(ended_sessions, 0),
            abandoned / nullif(ended_sessions, 0),
            average_seconds,
            median_seconds,
            p95_seconds
        ]) as value
    from figures
),
paired as (
    select
        place,
        figure,
        max(version_id) filter (where side = 'baseline') as baseline_version_id,
        max(version_id) filter (where side = 'candidate') as candidate_version_id,
        max(value) filter (where side = 'baseline') as baseline,
        max(value) filter (where side = 'candidate') as candidate
    from lines
    group by place, figure
)
select
    figure,
    round(baseline, 4) as baseline,
    round(candidate, 4) as candidate,
    round(candidate - baseline, 4) as difference,
    round((candidate - baseline) / nullif(baseline, 0), 4) as relative_difference,
    baseline_version_id,
    candidate_version_id
from paired
order by place;
