-- title: Statements of every kind that a plan may be cut in
-- Each has one answer, which is the same in one process and on workers.

-- Limits in the midst of a plan are limits of all rows.
select count(*) as n from (select * from workflow_sessions limit 3) a cross join (select 1 as one from workflow_sessions limit 7) b;
select count(*) as n from (select session_id from workflow_sessions limit 3) a join workflow_sessions b on a.session_id = b.session_id;
select count(*) as n from workflow_sessions where session_id in (select session_id from workflow_sessions limit 4);
select count(*) as n from ((select session_id from workflow_sessions limit 3) union all (select session_id from workflow_sessions limit 5)) u;
select session_id from workflow_sessions order by session_id limit 5 offset 3;
select session_id from (select session_id, started_at from workflow_sessions order by started_at, session_id limit 9) t order by session_id desc limit 4;

-- Joins of each kind.
select a.session_id, b.session_id as other from workflow_sessions a join workflow_sessions b on a.source_details_phone_number = b.source_details_phone_number and a.session_id < b.session_id order by 1, 2;
select a.session_id, b.session_id as other from workflow_sessions a left join active_sessions b on a.session_id = b.session_id order by 1;
select a.session_id, b.session_id as other from active_sessions a right join ended_sessions b on a.workflow_id = b.workflow_id and a.started_at < b.started_at order by 2, 1;
select a.session_id as ended, b.session_id as active from ended_sessions a full join active_sessions b on a.session_id = b.session_id order by 1, 2;
select session_id from workflow_sessions a where exists (select 1 from workflow_sessions b where b.source_details_phone_number = a.source_details_phone_number and b.session_id <> a.session_id) order by 1;
select session_id from workflow_sessions a where not exists (select 1 from active_sessions b where b.workflow_id = a.workflow_id) order by 1;
select session_id from workflow_sessions where source_details_phone_number not in (select source_details_phone_number from active_sessions where source_details_phone_number is not null) order by 1;
select count(*) as n from workflow_sessions where source_details_phone_number not in (select source_details_phone_number from active_sessions);
select count(*) as n from workflow_sessions a, workflow_sessions b where a.started_at < b.started_at and a.time_in_workflow > b.time_in_workflow;
select a.workflow_id, count(*) as n from workflow_sessions a join workflow_sessions b on b.started_at between a.started_at and a.started_at + interval '2 days' group by 1 order by 1;

-- Values of subqueries.
select session_id, time_in_workflow > (select avg(time_in_workflow) from workflow_sessions) as is_long from workflow_sessions order by 1;
select session_id, (select count(*) from workflow_sessions b where b.workflow_id = a.workflow_id) as peers from workflow_sessions a order by 1;
select (select max(session_id) from workflow_sessions) as last, (select min(started_at) from active_sessions) as first;
with t as (select workflow_id, count(*) as n from workflow_sessions group by 1) select a.workflow_id, a.n, b.n as most from t a join (select max(n) as n from t) b on a.n <= b.n order by 1;

-- Groups.
select workflow_id, communication_type, count(*) as n, sum(time_in_workflow) as t, avg(time_in_workflow) as m from workflow_sessions group by rollup (workflow_id, communication_type) order by 1 nulls first, 2 nulls first, 3;
select workflow_id, communication_type, grouping(workflow_id) as g, count(*) as n from workflow_sessions group by grouping sets ((workflow_id), (communication_type), ()) order by 1 nulls first, 2 nulls first, 3, 4;
select communication_type, count(distinct workflow_id) as w, count(distinct source_details_phone_number) filter (where ended_at is null) as p from workflow_sessions group by 1 order by 1;
select workflow_id, min(started_at) as first, max(ended_at) as last, sum(session_duration(started_at, ended_at, now())) as t from workflow_sessions group by 1 order by 1;
select workflow_id, sum(ended_at - started_at) as t, avg(ended_at - started_at) as m, max(ended_at - started_at) as l from workflow_sessions group by 1 order by 1;
select workflow_id, percentile_cont(0.5) within group (order by time_in_workflow) as median from workflow_sessions group by 1 having count(*) > 2 order by 1;
select workflow_id, array_agg(session_id order by session_id) as ids, string_agg(session_id, '+' order by session_id desc) as text from workflow_sessions group by 1 order by 1;
select bool_and(ended_at is not null) as every_one, bool_or(source_details_phone_number is null) as any_one, count(*) filter (where data is null) as n from workflow_sessions;
select distinct communication_type, ended_at is null as runs from workflow_sessions order by 1, 2;
select distinct on (workflow_id) workflow_id, session_id from workflow_sessions order by workflow_id, started_at desc, session_id;
select sum(length(session_id)) as n, sum(1) as ones, avg(length(data)) as m from workflow_sessions;

-- Windows.
select session_id, row_number() over (order by started_at, session_id) as n from workflow_sessions order by 1;
select session_id, rank() over (partition by workflow_id order by started_at) as r, lag(session_id) over (partition by workflow_id order by started_at, session_id) as before from workflow_sessions order by 1;
select session_id, sum(time_in_workflow) over (partition by workflow_id order by started_at, session_id rows between 2 preceding and current row) as t from workflow_sessions order by 1;
select session_id, count(*) over () as all_rows, avg(time_in_workflow) over (partition by communication_type) as m from workflow_sessions order by 1;
select session_id, ntile(4) over (order by started_at, session_id) as q, first_value(session_id) over (partition by workflow_id order by started_at, session_id) as f from workflow_sessions order by 1;

-- What the form of plans on the wire leaves out.
select session_id, count(*) filter (where communication_type = 'Phone') over (partition by workflow_id order by started_at, session_id) as n from workflow_sessions order by 1;
select session_id, sum(time_in_workflow) filter (where ended_at is not null) over (partition by workflow_id) as t from workflow_sessions order by 1;
select session_id, lead(variables_category) ignore nulls over (partition by workflow_id order by started_at, session_id) as l, first_value(variables_category) ignore nulls over (partition by workflow_id order by started_at, session_id) as f from workflow_sessions order by 1;
select workflow_id, percentile_cont(0.1) within group (order by time_in_workflow desc) as c, percentile_disc(0.1) within group (order by started_at desc) as d, mode() within group (order by communication_type desc) as m from workflow_sessions group by 1 order by 1;
select workflow_id, string_agg(session_id, ',' order by started_at desc, session_id desc) as ids, first_value(session_id order by started_at desc, session_id) as f from workflow_sessions group by 1 order by 1;

select session_id, (select max(n) from (select count(*) filter (where communication_type = 'Phone') over () as n from workflow_sessions) t) as most from workflow_sessions order by 1;

-- Sets.
select workflow_id from active_sessions union select workflow_id from ended_sessions order by 1;
select workflow_id from ended_sessions except select workflow_id from active_sessions order by 1;
select workflow_id from ended_sessions intersect select workflow_id from active_sessions order by 1;
select 'active' as kind, count(*) as n from active_sessions union all select 'ended', count(*) from ended_sessions order by 1;

-- Windows whose keys are the same in all rows or twice, and groups by the value of a subquery.
select workflow_id, sum(time_in_workflow) over (partition by workflow_id order by started_at, session_id) as s from workflow_sessions where workflow_id = (select min(workflow_id) from workflow_sessions) order by 1, 2;
select k, ntile(3) over (partition by k order by s desc) as n from (select 'x' as k, session_id as s from workflow_sessions) q order by 2;
select a, sum(f) over (partition by a, b order by a, s rows between 1 preceding and unbounded following) as n from (select workflow_id as a, workflow_id as b, session_id as s, time_in_workflow as f from workflow_sessions) q order by 1, 2;
select k, min(e) as first from (select (select count(*) from workflow_sessions) as k, ended_at as e from workflow_sessions) g group by k;

-- JSON, lists, zones.
select data->>'step' as step, count(*) as n from workflow_sessions group by 1 order by 1 nulls first;
select session_id, json_valid(data) as is_valid, data->'variables' as variables from workflow_sessions order by 1;
select session_id, key from (select session_id, unnest(json_object_keys(data)) as key from workflow_sessions) t order by 1, 2;
select local_day(started_at, 'Europe/Berlin') as day, count(*) as n from workflow_sessions group by 1 order by 1;
select date_trunc('hour', started_at) as hour, count(*) as n from workflow_sessions where started_at >= '2026-11-15' group by 1 order by 1;
select mask_phone(source_details_phone_number) as masked, count(*) as n from workflow_sessions group by 1 order by 1 nulls first;
set time zone 'America/New_York';
select cast(min(started_at) as text) as first, extract(hour from max(started_at)) as hour from workflow_sessions;
set datafusion.execution.batch_size = 7;
select workflow_id, count(*) as n, sum(time_in_workflow) as t from workflow_sessions group by 1 order by 1;
set sessionlake.own_sort = false;
select session_id, started_at from stored_sessions order by started_at desc, session_id;

-- Conditions on lengths and single elements of arrays, which files have as lists.
select session_id from workflow_sessions where json_length(data, 'events') > 2 order by 1;
select count(*) as n from workflow_sessions where data->'events'->0->>'type' = 'menu' or json_length(data, 'events') = 1;
-- Aggregates of several orders, joins on computed keys, and the merged column of a full join.
select communication_type, string_agg(session_id, ',' order by session_id) as up, string_agg(distinct session_id, ',' order by session_id desc) as down from workflow_sessions group by 1 order by 1;
select count(*) as n from workflow_sessions a join workflow_sessions b on json_length(a.data, 'events') + 1 = json_length(b.data, 'events') * 2;
select n, count(*) as c from (select json_length(data, 'events') as n from workflow_sessions) s full join (values (1), (99)) v(n) using (n) group by n order by n;
-- Other tables, alone and beside the sessions.
select count(*) as n, min(line) as first from quarantine;
select f.files, s.n from (select count(*) as files from lake_files) f cross join (select count(*) as n from workflow_sessions) s;
with recursive t(n) as (select 1 union all select n + 1 from t where n < 5) select t.n, count(s.session_id) as sessions from t left join workflow_sessions s on length(s.session_id) = t.n group by 1 order by 1;
select s.session_id, v.n from workflow_sessions s join (values ('Phone', 1), ('Task', 2)) v(kind, n) on s.communication_type = v.kind order by 1;
