-- title: Data quality
-- description: What is odd in the sessions that started in the window: a line per check, with the rows that it was made on,
--   those that fail it, their share, and one of them. Sessions without an end are compared with a threshold, times
--   in workflow with the time from start to end, phone numbers with the one in Source Details (both in their
--   international form where they have one). A phone number is unreadable when it has no international form. The
--   last two lines are of the whole lake, not of the window: rows that came more than once, by the ledgers of its
--   ingests, and records in quarantine.
-- chart: bar x=check y=failed_rows
-- unit: rows
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: no_end_after duration = 24 hours
--   how long a session may run before its missing end is odd
-- param: tolerance duration = 1 second
--   by how much the time in workflow may differ from the time between start and end
-- param: region text = US
--   the country whose national numbers are meant where a number has no country code
-- param: workflow text = null
--   only this workflow

with flagged as (
    select
        session_id,
        ended_at is not null as has_end,
        time_in_workflow is not null and ended_at is not null as has_both_times,
        data is not null as has_data,
        source_details is not null as has_source,
        source_details_phone_number is not null as has_phone,
        source_details_phone_number is not null and source_phone is not null as has_both_phones,
        ended_at is null and session_duration(started_at, ended_at) > $no_end_after as no_end,
        ended_at < started_at as end_before_start,
        started_at > $as_of or ended_at > $as_of as in_future,
        ended_at is not null
            and abs(time_in_workflow - session_duration(started_at, ended_at)) > $tolerance as time_differs,
        not json_valid(data) as bad_data,
        not json_valid(source_details) as bad_source,
        phone is null and source_details_phone_number is not null as bad_phone,
        coalesce(phone, source_details_phone_number)
            <> coalesce(phone_e164(source_phone, $region), source_phone) as phone_differs,
        communication_type is null
            or communication_type not in ('Email', 'Messaging', 'Phone', 'Task', 'Video') as odd_channel,
        workflow_id is null or version_id is null as no_workflow,
        ended_at is not null and action_name(action_data) is null as no_action
    from (
        select
            *,
            phone_e164(source_details_phone_number, $region) as phone,
            json_value(source_details, '$.phoneNumber') as source_phone
        from workflow_sessions
        where started_at >= $since and started_at < $until
          and ($workflow is null or workflow_id = $workflow)
    )
),
counted as (
    select
        count(*) as sessions,
        count(*) filter (where has_end) as ended,
        count(*) filter (where has_both_times) as timed,
        count(*) filter (where has_data) as with_data,
        count(*) filter (where has_source) as with_source,
        count(*) filter (where has_phone) as with_phone,
        count(*) filter (where has_both_phones) as with_both_phones,
        count(*) filter (where no_end) as no_end,
        min(session_id) filter (where no_end) as no_end_example,
        count(*) filter (where end_before_start) as end_before_start,
        min(session_id) filter (where end_before_start) as end_before_start_example,
        count(*) filter (where in_future) as in_future,
        min(session_id) filter (where in_future) as in_future_example,
        count(*) filter (where time_differs) as time_differs,
        min(session_id) filter (where time_differs) as time_differs_example,
        count(*) filter (where bad_data) as bad_data,
        min(session_id) filter (where bad_data) as bad_data_example,
        count(*) filter (where bad_source) as bad_source,
        min(session_id) filter (where bad_source) as bad_source_example,
        count(*) filter (where bad_phone) as bad_phone,
        min(session_id) filter (where bad_phone) as bad_phone_example,
        count(*) filter (where phone_differs) as phone_differs,
        min(session_id) filter (where phone_differs) as phone_differs_example,
        count(*) filter (where odd_channel) as odd_channel,
        min(session_id) filter (where odd_channel) as odd_channel_example,
        count(*) filter (where no_workflow) as no_workflow,
        min(session_id) filter (where no_workflow) as no_workflow_example,
        count(*) filter (where no_action) as no_action,
        min(session_id) filter (where no_action) as no_action_example
    from flagged
),
ingested as (
    select coalesce(sum(rows_read), 0) as rows_read, coalesce(sum(duplicate), 0) as duplicates from lake_history
),
lines as (
    select
        unnest(array[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]) as place,
        unnest(array[
            'no end for too long', 'ended before started', 'start or end after the as-of instant',
            'time in workflow differs', 'data is not JSON', 'source details are not JSON', 'unreadable phone number',
            'phone number differs from source details', 'communication type missing or unknown',
            'workflow or version missing', 'ended without a known action'
        ]) as "check",
        unnest(array[
            sessions, ended, sessions, timed, with_data, with_source, with_phone, with_both_phones, sessions, sessions, ended
        ]) as checked_rows,
        unnest(array[
            no_end, end_before_start, in_future, time_differs, bad_data, bad_source, bad_phone, phone_differs,
            odd_channel, no_workflow, no_action
        ]) as failed_rows,
        unnest(array[
            no_end_example, end_before_start_example, in_future_example, time_differs_example, bad_data_example,
            bad_source_example, bad_phone_example, phone_differs_example, odd_channel_example, no_workflow_example,
            no_action_example
        ]) as example_session_id
    from counted
    union all
    select 12, 'the same row more than once (whole lake)', rows_read, duplicates, null
    from ingested
    union all
    select 13, 'in quarantine (whole lake)', rows_read, (select count(*) from quarantine), null
    from ingested
)
select
    "check",
    checked_rows,
    failed_rows,
    round(failed_rows / nullif(checked_rows, 0)::double, 4) as failed_share,
    example_session_id
from lines
order by place;
