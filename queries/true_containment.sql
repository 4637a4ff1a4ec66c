-- title: True containment by workflow
-- description: The share of inbound sessions that created no interaction and whose caller did not come back. A caller comes
--   back when another session of the same number, of any workflow and channel, starts after this one did and less
--   than the given time after this one ended. The denominator is every ended session of the inbound channels that
--   started in the window, has a readable phone number, and ended at least that time before the as-of instant; the
--   others cannot be decided and are counted as left out. Running sessions and those that ended before they
--   started are left out as well. All workflows first, then the one with the most sessions.
-- chart: bar x=workflow_id y=containment_rate,true_containment_rate
-- unit: share
-- expect: max(true_containment_rate) <= 1
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: within duration = 24 hours
--   how long after the end another session counts as coming back; exactly so long after is not
-- param: channels text[] = Phone,Messaging,Email,Video
--   the communication types that count as inbound; schedules start Task sessions
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: workflow text = null
--   only this workflow

with numbered as (
    select
        session_id,
        workflow_id,
        communication_type,
        started_at,
        ended_at,
        action_name(action_data) as last_action,
        phone_e164(source_details_phone_number, $region) as caller
    from workflow_sessions
    where started_at >= $since
      and started_at < $as_of
),
followed as (
    select
        *,
        -- The next instant: sessions that start at the same one come back to neither.
        first_value(started_at) over (
            partition by caller order by started_at groups between 1 following and 1 following
        ) as next_started_at
    from numbered
),
decided as (
    select
        workflow_id,
        caller is not null and session_duration(ended_at, $as_of) >= $within as is_decided,
        coalesce(last_action, '') <> 'createInteraction' as is_contained,
        next_started_at is not null and session_duration(ended_at, next_started_at) < $within as is_followed
    from followed
    where started_at < $until
      and ended_at >= started_at
      and communication_type = any($channels)
      and ($workflow is null or workflow_id = $workflow)
),
counted as (
    select
        case when grouping(decided.workflow_id) = 1 then '(all)' else coalesce(decided.workflow_id, '(none)') end as workflow_id,
        grouping(decided.workflow_id) as is_total,
        count(*) filter (where is_decided) as ended_sessions,
        count(*) filter (where is_decided and is_contained) as contained_sessions,
        count(*) filter (where is_decided and is_contained and is_followed) as came_back_sessions,
        count(*) filter (where not is_decided) as left_out_sessions
    from decided
    group by rollup (decided.workflow_id)
)
select
    workflow_id,
    ended_sessions,
    contained_sessions,
    came_back_sessions,
    round(contained_sessions / nullif(ended_sessions, 0)::double, 4) as containment_rate,
    round((contained_sessions - came_back_sessions) / nullif(ended_sessions, 0)::double, 4) as true_containment_rate,
    left_out_sessions
from counted
order by is_total desc, ended_sessions desc, workflow_id;
