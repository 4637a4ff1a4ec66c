-- title: Repeat rate by outcome
-- description: Of the sessions that started in the window and ended in a certain way, the share after which another session
--   of the same number, of any workflow and channel, started: after this one did and less than the given time
--   after this one ended. The outcome is transferred (last action createInteraction), completed (end), abandoned
--   (any other) or unknown (none). The denominator leaves out running sessions, those without a readable number,
--   those that ended before they started, and those that ended less than that time before the as-of instant, which
--   cannot be decided yet. All outcomes are listed.
-- chart: bar x=outcome y=repeat_rate
-- unit: share
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: within duration = 24 hours
--   how long after the end another session counts; exactly so long after does not
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with outcomes (place, outcome) as (
    values (1, 'completed'), (2, 'transferred'), (3, 'abandoned'), (4, 'unknown')
),
numbered as (
    select
        phone_e164(source_details_phone_number, $region) as caller,
        session_id,
        workflow_id,
        communication_type,
        started_at,
        ended_at,
        action_name(action_data) as last_action
    from workflow_sessions
    where started_at >= $since
      and started_at < $as_of
      and source_details_phone_number is not null
),
followed as (
    select
        *,
        -- The next instant: sessions that start at the same one come back to neither.
        first_value(started_at) over (
            partition by caller order by started_at groups between 1 following and 1 following
        ) as next_started_at,
        -- Zero where there is no number. A condition on the number itself would move into the scan and read it twice.
        count(caller) over (partition by caller order by started_at, session_id) as numbered_sessions
    from numbered
),
counted as (
    select
        case
            when last_action = 'createInteraction' then 'transferred'
            when last_action = 'end' then 'completed'
            when last_action is null then 'unknown'
            else 'abandoned'
        end as outcome,
        count(*) as ended_sessions,
        count(*) filter (where next_started_at is not null and gap_seconds < $within) as repeated_sessions,
        percentile_cont(0.5) within group (
            order by case when next_started_at is not null and gap_seconds < $within then greatest(gap_seconds, 0) end
        ) as median_seconds
    from (select *, session_duration(ended_at, next_started_at) as gap_seconds from followed)
    where numbered_sessions > 0
      and started_at < $until
      and ended_at >= started_at
      and session_duration(ended_at, $as_of) >= $within
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
    group by 1
)
select
    outcomes.outcome,
    coalesce(ended_sessions, 0) as ended_sessions,
    coalesce(repeated_sessions, 0) as repeated_sessions,
    round(repeated_sessions / nullif(ended_sessions, 0)::double, 4) as repeat_rate,
    round(median_seconds, 3) as median_seconds_until_repeat
from outcomes
left join counted on counted.outcome = outcomes.outcome
order by outcomes.place;
