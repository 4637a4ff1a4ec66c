-- title: Categories and sub-categories
-- description: Sessions started in the window by category and sub-category: how many, their share of all and of the category,
--   and the average and median time of the ended ones. Lines come at three levels: total, category, sub-category.
--   Sessions without a category or sub-category are listed as (none); accounts without these columns see only
--   that. Times leave out running sessions and those that ended before they started. Total first, then the
--   category with the most sessions, followed by its sub-categories.
-- param: since timestamp = today -30 days
--   the window begins here; a session belongs to it by its start
-- param: until timestamp = now
--   the window ends before this instant
-- param: workflow text = null
--   only this workflow
-- param: channel text = null
--   only this communication type

with categorised as (
    select
        coalesce(variables_category, '(none)') as category,
        coalesce(variables_sub_category, '(none)') as sub_category,
        case when ended_at >= started_at then session_duration(started_at, ended_at) end as seconds
    from workflow_sessions
    where started_at >= $since and started_at < $until
      and ($workflow is null or workflow_id = $workflow)
      and ($channel is null or communication_type = $channel)
),
rolled as (
    select
        grouping(categorised.category) as is_total,
        grouping(categorised.sub_category) as is_category,
        categorised.category,
        categorised.sub_category,
        count(*) as sessions,
        avg(seconds) as average_seconds,
        percentile_cont(0.5) within group (order by seconds) as median_seconds
    from categorised
    group by rollup (categorised.category, categorised.sub_category)
),
placed as (
    select
        *,
        max(sessions) over () as all_sessions,
        max(sessions) over (partition by is_total, category) as category_sessions
    from rolled
)
select
    case when is_total = 1 then 'total' when is_category = 1 then 'category' else 'sub-category' end as level,
    category,
    sub_category,
    sessions,
    round(sessions / nullif(all_sessions, 0)::double, 4) as share_of_all,
    case when is_total = 0 then round(sessions / nullif(category_sessions, 0)::double, 4) end as share_of_category,
    round(average_seconds, 3) as average_seconds,
    round(median_seconds, 3) as median_seconds
from placed
order by is_total desc, category_sessions desc, category, is_category desc, sessions desc, sub_category;
