-- What tools that are not to be had for a test ask, in their manner: the same tables, functions and forms of statements, in words of our own.
-- Each statement has the line `-- TOOL: what` before it. Rows are compared with those of a PostgreSQL of the same tables.

-- metabase: sessions by month
SELECT date_trunc('month', "public"."workflow_sessions"."started_at") AS "started_at", count(*) AS "count" FROM "public"."workflow_sessions"
GROUP BY date_trunc('month', "public"."workflow_sessions"."started_at") ORDER BY date_trunc('month', "public"."workflow_sessions"."started_at") ASC;
-- metabase: by day, as a date
SELECT CAST("public"."workflow_sessions"."started_at" AS date) AS "started_at", COUNT(DISTINCT "public"."workflow_sessions"."communication_type") AS "count"
FROM "public"."workflow_sessions" GROUP BY CAST("public"."workflow_sessions"."started_at" AS date) ORDER BY CAST("public"."workflow_sessions"."started_at" AS date) ASC;
-- metabase: by day of the week and hour
SELECT (CAST(extract(dow from "started_at") AS integer) + 1) AS "day", CAST(extract(hour from "started_at") AS integer) AS "hour", COUNT(*) AS "count"
FROM "public"."workflow_sessions" GROUP BY 1, 2 ORDER BY 1 ASC, 2 ASC;
-- metabase: by quarter and week of a zone
SELECT CAST(extract(quarter from timezone('Europe/Berlin', "started_at")) AS integer) AS "quarter", CEIL(CAST(extract(doy from CAST(date_trunc('week', ("started_at" + INTERVAL '1 day')) + INTERVAL '-1 day' AS timestamp)) AS numeric) / 7.0) AS "week", COUNT(*) AS "count"
FROM "public"."workflow_sessions" GROUP BY 1, 2 ORDER BY 1, 2;
-- metabase: bins of a number
SELECT (FLOOR((("public"."workflow_sessions"."time_in_workflow" - 0.0) / 5000.0)) * 5000.0) + 0.0 AS "time_in_workflow", COUNT(*) AS "count"
FROM "public"."workflow_sessions" GROUP BY (FLOOR((("public"."workflow_sessions"."time_in_workflow" - 0.0) / 5000.0)) * 5000.0) + 0.0
ORDER BY (FLOOR((("public"."workflow_sessions"."time_in_workflow" - 0.0) / 5000.0)) * 5000.0) + 0.0 ASC;
-- metabase: a filter of times that is relative
SELECT COUNT(*) AS "count" FROM "public"."workflow_sessions" WHERE ("started_at" >= date_trunc('day', (TIMESTAMP WITH TIME ZONE '2026-11-21 00:00:00.000Z' + INTERVAL '-7 day')))
AND ("started_at" < date_trunc('day', TIMESTAMP WITH TIME ZONE '2026-11-21 00:00:00.000Z'));
-- metabase: a filter of text in any case
SELECT COUNT(*) AS "count" FROM "public"."workflow_sessions" WHERE (LOWER("communication_type") LIKE '%phone%') AND (("variables_category" IS NOT NULL) AND ("variables_category" <> '' OR "variables_category" IS NULL));
-- metabase: percentiles and spread
SELECT ROUND(CAST(PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY "time_in_workflow") AS numeric), 3) AS "median", ROUND(CAST(STDDEV_POP("time_in_workflow") AS numeric), 3) AS "spread",
CAST(SUM(CASE WHEN "time_in_workflow" > 100 THEN 1 ELSE 0.0 END) / CASE WHEN COUNT(*) = 0 THEN NULL ELSE COUNT(*) END AS numeric(10, 4)) AS "share" FROM "public"."workflow_sessions";
-- metabase: a joined question in a question
SELECT "source"."communication_type" AS "communication_type", SUM("source"."count") AS "sum" FROM (SELECT "public"."workflow_sessions"."communication_type" AS "communication_type",
"Ended"."workflow_id" AS "Ended__workflow_id", COUNT(*) AS "count" FROM "public"."workflow_sessions" LEFT JOIN "public"."ended_sessions" AS "Ended" ON "public"."workflow_sessions"."session_id" = "Ended"."session_id"
GROUP BY "public"."workflow_sessions"."communication_type", "Ended"."workflow_id") AS "source" GROUP BY "source"."communication_type" ORDER BY "source"."communication_type" ASC LIMIT 2000;
-- metabase: a running sum and the row before
SELECT "day", SUM("n") OVER (ORDER BY "day" ASC ROWS UNBOUNDED PRECEDING) AS "sum", LAG("n", 1) OVER (ORDER BY "day" ASC) AS "before" FROM (SELECT date_trunc('day', "started_at") AS "day", COUNT(*) AS "n"
FROM "public"."workflow_sessions" GROUP BY 1) AS "s" ORDER BY 1;
-- metabase: a sample for fingerprints
SELECT "session_id", SUBSTRING("data", 1, 30) AS "substring", "time_in_workflow" FROM "public"."workflow_sessions" ORDER BY "session_id" LIMIT 5;
-- metabase: privileges of tables
WITH seen AS (SELECT schemaname, tablename AS name FROM pg_catalog.pg_tables UNION SELECT schemaname, viewname FROM pg_catalog.pg_views UNION SELECT schemaname, matviewname FROM pg_catalog.pg_matviews)
SELECT s.schemaname, s.name, pg_catalog.has_any_column_privilege(current_user, '"' || replace(s.schemaname, '"', '""') || '"."' || replace(s.name, '"', '""') || '"', 'select') AS "select"
FROM seen s WHERE s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema' AND pg_catalog.has_schema_privilege(current_user, s.schemaname, 'usage') ORDER BY 1, 2;
-- metabase: columns with types and keys
SELECT "c"."column_name", CASE WHEN "c"."udt_schema" IN ('public', 'pg_catalog') THEN FORMAT('%s', "c"."udt_name") ELSE FORMAT('"%s"."%s"', "c"."udt_schema", "c"."udt_name") END AS "type",
"c"."ordinal_position" - 1 AS "position", "k"."column_name" IS NOT NULL AS "is_key", ("c"."column_default" IS NULL OR LOWER("c"."column_default") = 'null') AND "c"."is_nullable" = 'NO' AS "required"
FROM "information_schema"."columns" AS "c" LEFT JOIN (SELECT t."table_schema", t."table_name", u."column_name" FROM "information_schema"."table_constraints" AS t INNER JOIN "information_schema"."key_column_usage" AS u
ON t."constraint_name" = u."constraint_name" AND t."table_schema" = u."table_schema" AND t."table_name" = u."table_name" WHERE t."constraint_type" = 'PRIMARY KEY') AS "k"
ON "c"."table_schema" = "k"."table_schema" AND "c"."table_name" = "k"."table_name" AND "c"."column_name" = "k"."column_name"
WHERE "c"."table_schema" !~ '^(information_schema|pg_)' AND "c"."table_name" IN ('workflow_sessions', 'Workflow Sessions') ORDER BY "c"."table_name", "position";
-- metabase: a name as regclass
SELECT CAST(CAST(FORMAT('%I.%I', CAST('public' AS TEXT), CAST('Workflow Sessions' AS TEXT)) AS REGCLASS) AS TEXT) AS "name";
-- metabase: keys to other tables
SELECT n.nspname, c.relname, a.attname FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(f.conkey) WHERE f.contype = 'f' AND n.nspname !~ '^information_schema|catalog_history|pg_' ORDER BY 1, 2;

-- grafana: the version, and whether there is an extension
SELECT current_setting('server_version_num')::int / 10000 AS version;
-- grafana: extension
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';
-- grafana: tables for its builder
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') AND quote_ident(table_schema) = 'public' ORDER BY 1;
-- grafana: columns for its builder
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns WHERE
CASE WHEN array_length(parse_ident('public.workflow_sessions'), 1) = 2 THEN quote_ident(table_schema) = (parse_ident('public.workflow_sessions'))[1] AND quote_ident(table_name) = (parse_ident('public.workflow_sessions'))[2]
ELSE quote_ident(table_name) = 'public.workflow_sessions' AND quote_ident(table_schema) = 'public' END ORDER BY 1;
-- grafana: a series by the hour
SELECT floor(extract(epoch from started_at)/3600)*3600 AS "time", communication_type AS metric, count(*) AS "value" FROM workflow_sessions
WHERE started_at BETWEEN '2026-11-12T00:00:00Z' AND '2026-11-14T00:00:00Z' GROUP BY 1, 2 ORDER BY 1, 2;
-- grafana: a series with its zone
SELECT date_trunc('hour', started_at AT TIME ZONE 'Europe/Berlin') AS "time", avg(time_in_workflow) AS "value" FROM workflow_sessions WHERE started_at BETWEEN '2026-11-12T00:00:00.123Z' AND '2026-11-14T00:00:00Z' GROUP BY 1 ORDER BY 1;
-- grafana: seconds since the epoch
SELECT started_at AS "time", extract(epoch from started_at) AS "value" FROM workflow_sessions WHERE extract(epoch from started_at) >= 1762905600 AND extract(epoch from started_at) <= 1763078400 ORDER BY 1, 2 LIMIT 20;
-- grafana: values of a variable
SELECT DISTINCT communication_type AS __text, communication_type AS __value FROM workflow_sessions WHERE communication_type ~* '^(p|e)' ORDER BY 1;
-- grafana: values of a variable in a list
SELECT count(*) FROM workflow_sessions WHERE communication_type IN ('Phone', 'Email') AND ('All' = 'All' OR communication_type = 'All');

-- superset: a filter of times
SELECT DATE_TRUNC('day', started_at) AS __timestamp, communication_type AS communication_type, count(*) AS count FROM public.workflow_sessions
WHERE started_at >= TO_TIMESTAMP('2026-11-12 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US') AND started_at < TO_TIMESTAMP('2026-11-14 00:00:00.000000', 'YYYY-MM-DD HH24:MI:SS.US')
GROUP BY DATE_TRUNC('day', started_at), communication_type ORDER BY count DESC, 1, 2 LIMIT 10000;
-- superset: a filter of dates
SELECT count(*) FROM public.workflow_sessions WHERE started_at >= TO_DATE('2026-11-12', 'YYYY-MM-DD');
-- superset: minutes by five
SELECT DATE_TRUNC('minute', started_at) - CAST(EXTRACT(minute FROM started_at) AS INTEGER) % 5 * INTERVAL '1 minute' AS t, count(*) FROM workflow_sessions GROUP BY 1 ORDER BY 1 LIMIT 20;
-- superset: the top ones and the rest
SELECT DATE_TRUNC('week', started_at) AS t, CASE WHEN communication_type = top.name THEN top.name ELSE 'Others' END AS name, count(*) AS n FROM public.workflow_sessions
LEFT JOIN (SELECT communication_type AS name, count(*) AS mme_inner__ FROM public.workflow_sessions GROUP BY communication_type ORDER BY mme_inner__ DESC LIMIT 1) AS top ON communication_type = top.name GROUP BY 1, 2 ORDER BY 1, 2;
-- superset: rows under a virtual table
SELECT communication_type, sum(n) AS "SUM(n)" FROM (select communication_type, 1 as n from workflow_sessions) AS virtual_table GROUP BY communication_type ORDER BY "SUM(n)" DESC, 1 LIMIT 100 OFFSET 1;
-- superset: seconds that are instants
SELECT count(*) FROM workflow_sessions WHERE (timestamp 'epoch' + 1763078400 * interval '1 second') > started_at;

-- powerbi: tables
select TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE from INFORMATION_SCHEMA.tables where TABLE_SCHEMA not in ('information_schema', 'pg_catalog') order by TABLE_SCHEMA, TABLE_NAME;
-- powerbi: columns
select COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, case when (data_type like '%unsigned%') then DATA_TYPE || ' unsigned' else DATA_TYPE end as DATA_TYPE from INFORMATION_SCHEMA.columns
where TABLE_SCHEMA = 'public' and TABLE_NAME = 'workflow_sessions' order by TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;
-- powerbi: keys of tables
select fk.table_schema || '_' || fk.table_name as name from INFORMATION_SCHEMA.referential_constraints rc join INFORMATION_SCHEMA.key_column_usage fk on fk.constraint_name = rc.constraint_name and fk.constraint_schema = rc.constraint_schema where fk.table_name = 'workflow_sessions';
-- powerbi: indexes
select i.CONSTRAINT_SCHEMA || '_' || i.CONSTRAINT_NAME as INDEX_NAME, ii.COLUMN_NAME, ii.ORDINAL_POSITION, case when i.CONSTRAINT_TYPE = 'PRIMARY KEY' then 'Y' else 'N' end as PRIMARY_KEY
from INFORMATION_SCHEMA.table_constraints i inner join INFORMATION_SCHEMA.key_column_usage ii on i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA and i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME and i.TABLE_SCHEMA = ii.TABLE_SCHEMA
where i.TABLE_SCHEMA = 'public' and i.TABLE_NAME = 'workflow_sessions' and i.CONSTRAINT_TYPE in ('PRIMARY KEY', 'UNIQUE') order by 1, 3;
-- powerbi: the types that its driver loads
SELECT n.nspname, t.typname, t.typtype, t.typnotnull, t.elem FROM (SELECT y.oid, y.typnamespace, y.typname, y.typnotnull, CASE WHEN p.proname = 'array_recv' THEN 'a' ELSE y.typtype END AS typtype,
CASE WHEN p.proname = 'array_recv' THEN y.typelem WHEN y.typtype = 'r' THEN r.rngsubtype WHEN y.typtype = 'm' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = y.oid) WHEN y.typtype = 'd' THEN y.typbasetype END AS elem
FROM pg_type AS y LEFT JOIN pg_class AS c ON c.oid = y.typrelid LEFT JOIN pg_proc AS p ON p.oid = y.typreceive LEFT JOIN pg_range AS r ON r.rngtypid = y.oid) AS t
JOIN pg_namespace AS n ON n.oid = t.typnamespace WHERE t.typname IN ('bool', 'int8', 'float8', 'text', 'timestamptz', 'date', 'numeric', '_text', '_int8', 'bytea') ORDER BY CASE WHEN t.typtype = 'b' THEN 0 ELSE 1 END, 2;
-- powerbi: a table's rows
select "$Table"."session_id" as "session_id", "$Table"."started_at" as "started_at" from "public"."workflow_sessions" "$Table" order by "$Table"."session_id" limit 4096 offset 0;
-- powerbi: a folded question
select "rows"."communication_type" as "communication_type", sum(cast("rows"."time_in_workflow" as decimal(20, 3))) as "a0", count(1) as "a1" from (select "_"."communication_type", "_"."time_in_workflow" from "public"."workflow_sessions" "_"
where "_"."started_at" >= timestamp with time zone '2026-11-12 00:00:00' and ("_"."communication_type" = 'Phone' and "_"."communication_type" is not null or "_"."communication_type" is null)) "rows" group by "communication_type" limit 1000001;
-- powerbi: parts of names
select count(*) from "public"."workflow_sessions" "_" where strpos("_"."communication_type", 'ho') > 0 and left("_"."communication_type", 1) = 'P' and coalesce(length("_"."communication_type"), 0) > 2;

-- dbeaver: the session
SELECT current_schema(), session_user;
-- dbeaver: databases
SELECT db.datname, db.datallowconn FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate AND db.datname = 'sessionlake' ORDER BY db.datname;
-- dbeaver: schemas with descriptions
SELECT n.nspname, d.description IS NOT NULL FROM pg_catalog.pg_namespace n LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass
WHERE nspname IN ('public', 'pg_catalog', 'information_schema') ORDER BY nspname;
-- dbeaver: tables
SELECT c.relname, c.relkind, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr, pg_catalog.pg_get_partkeydef(c.oid) AS partition_key FROM pg_catalog.pg_class c
LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public') AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY c.relname;
-- dbeaver: columns of a table
SELECT c.relname, a.attname, a.attnum, a.attnotnull, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dep.objid FROM pg_catalog.pg_attribute a
INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid) LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum AND dep.classid = dep.refclassid AND dep.refclassid = 'pg_class'::regclass
WHERE NOT a.attisdropped AND c.oid = 'public.workflow_sessions'::regclass AND a.attnum > 0 ORDER BY a.attnum;
-- dbeaver: constraints and indexes
SELECT i.*, i.indkey AS keys, c.relname, c.relnamespace, c.relam, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS pred FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid WHERE i.indrelid = 'workflow_sessions'::regclass ORDER BY tc.relname, c.relname;
-- dbeaver: types
SELECT t.typname, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid WHERE t.typname IN ('int8', 'text', 'float8', 'timestamptz', 'bool') AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C') ORDER BY 1;
-- dbeaver: probes
SELECT * FROM pg_catalog.pg_enum WHERE 1<>1 LIMIT 1;
-- dbeaver: probe of a column
SELECT reltype FROM pg_catalog.pg_class WHERE 1<>1 LIMIT 1;
-- dbeaver: keywords
SELECT count(*) > 0 FROM pg_catalog.pg_get_keywords() WHERE word <> ALL ('{select,from}'::text[]);
-- dbeaver: rows and their number
SELECT count(*) FROM (SELECT * FROM public.workflow_sessions WHERE communication_type = 'Phone') dbvrcnt;
-- dbeaver: a sorted and filtered grid
SELECT x.session_id, x.ended_at FROM public.workflow_sessions x WHERE x.time_in_workflow > 100 AND x.session_id ILIKE '%a%' ORDER BY x.started_at DESC NULLS LAST, x.session_id LIMIT 20;
-- dbeaver: sizes
SELECT c.relname, pg_catalog.pg_total_relation_size(c.oid) >= 0 AS total, pg_catalog.pg_relation_size(c.oid) >= 0 AS rel FROM pg_class c WHERE c.relname = 'workflow_sessions';
-- dbeaver: who waits
SELECT count(*) >= 0 FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE NOT l.granted;

-- tableau: a temporary name and casts
SELECT "workflow_sessions"."communication_type" AS "communication_type", SUM(1) AS "sum:Number of Records:ok", AVG(CAST("workflow_sessions"."time_in_workflow" AS DOUBLE PRECISION)) AS "avg" FROM "public"."workflow_sessions" "workflow_sessions" GROUP BY 1 ORDER BY 1;
-- tableau: parts of dates
SELECT CAST(EXTRACT(YEAR FROM "started_at") AS INTEGER) AS "yr", CAST(TRUNC(EXTRACT(QUARTER FROM "started_at")) AS INTEGER) AS "qr", DATE_TRUNC('MONTH', CAST("started_at" AS TIMESTAMP)) AS "tmn", COUNT(1) FROM "public"."workflow_sessions" GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
-- tableau: the last day
SELECT MAX(CAST("started_at" AS DATE)) - MIN(CAST("started_at" AS DATE)) AS "days" FROM "public"."workflow_sessions" HAVING (COUNT(1) > 0);

-- duckdb: a filter as its extension writes it
SELECT "communication_type" FROM "public"."workflow_sessions" WHERE "communication_type" = 'Phone' COLLATE "C" ORDER BY "communication_type" COLLATE "C" LIMIT 3;
-- superset: seconds that are instants, as a cast
SELECT count(*) FROM workflow_sessions WHERE CAST('epoch' AS TIMESTAMP) + 1763078400 * INTERVAL '1 SECOND' < started_at;
-- looker: symmetric sums and times as text
SELECT TO_CHAR(DATE_TRUNC('month', started_at), 'YYYY-MM') AS "month", COALESCE(ROUND(COALESCE(SUM(time_in_workflow)::numeric, 0), 2), 0) AS "total" FROM workflow_sessions AS w GROUP BY 1 ORDER BY 1 DESC LIMIT 500;
-- looker: times as text, to the second
SELECT TO_CHAR(started_at, 'YYYY-MM-DD HH24:MI:SS') AS "t" FROM workflow_sessions ORDER BY 1 LIMIT 5;
