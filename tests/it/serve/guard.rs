//! What masked users and those of some workflows learn: what they would learn if there were only the rows that they may see.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use datafusion::datasource::MemTable;
use sessionlake::engine::Engine;
use sessionlake::generate::GenerateFormat;
use sessionlake::serve::{Caller, Hub, Protocol};

use super::{ask, hub};
use crate::lakes::{generated, lake_in, rows_of, source, take};
use crate::model::engine;

/// Conditions and expressions on a text column `{c}` and a value `{v}` that is there.
const WAYS: [&str; 22] = [
    "select count(*) from workflow_sessions where {c} = '{v}'",
    "select count(*) from workflow_sessions where {c} like '{v}%'",
    "select count(*) from workflow_sessions where {c} in ('{v}', 'x')",
    "select count(*) from workflow_sessions where strpos({c}, '{v}') > 0",
    "select count(*) from workflow_sessions where {c} ~ '^.*[0-9]{{5}}'",
    "select count(*) from workflow_sessions where {c} >= '{v}' and {c} <= '{v}'",
    "select count(*) from workflow_sessions where {c} between '{v}' and '{v}zz'",
    "select count(distinct {c}) from workflow_sessions",
    "select min({c}), max({c}), min(length({c})), max(length({c})) from workflow_sessions",
    "select {c}, count(*) from workflow_sessions group by {c} order by 1, 2",
    "select session_id, substr({c}, 1, 9), right({c}, 7), reverse({c}) from workflow_sessions order by 1",
    "select md5({c}) from workflow_sessions order by 1",
    "select session_id from workflow_sessions order by {c}, session_id",
    "select sum(cast(right({c}, 2) as bigint)) from workflow_sessions",
    "select cast({c} as bigint) from workflow_sessions",
    "select case when {c} = '{v}' then 1 / 0 else 0 end from workflow_sessions order by 1",
    "select a.session_id from workflow_sessions a join workflow_sessions b on a.{c} = b.{c} order by 1",
    "select count(*) from (values ('{v}')) v(x) join workflow_sessions s on s.{c} = v.x",
    "select count(*) from workflow_sessions where exists (select 1 from (values ('{v}')) v(x) where x = {c})",
    "select session_id, lag({c}) over (order by session_id), first_value({c}) over (order by started_at, session_id) from workflow_sessions order by 1",
    "select array_agg({c} order by session_id) from workflow_sessions",
    "with t as (select {c} as x from active_sessions union all select {c} from ended_sessions) select x from t order by 1",
];

/// Questions of JSON.
const JSON_WAYS: [&str; 16] = [
    "select session_id, data->'details'->>'email', data->'details'->>'firstName' from workflow_sessions order by 1",
    "select session_id, json_get_str(data, 'source', 'phoneNumber') from workflow_sessions order by 1",
    "select data->'source'->>'phoneNumber', count(*) from workflow_sessions group by 1 order by 1",
    "select count(*) from workflow_sessions where data->'source'->>'phoneNumber' = '{v}'",
    "select count(*) from workflow_sessions where data->'source'->>'phoneNumber' >= '{v}'",
    "select min(data->'details'->>'email'), max(data->'details'->>'lastName') from workflow_sessions",
    "select json_value(data, '$.details.email') from workflow_sessions order by 1",
    "select json_query(data, '$.details') from workflow_sessions order by 1",
    "select count(*) from workflow_sessions where json_exists(data, '$.details.email')",
    "select session_id, source_details->>'phoneNumber' from workflow_sessions order by 1",
    "select length(data), length(source_details) from workflow_sessions order by 1, 2",
    "select count(*) from workflow_sessions where data like '%{v}%'",
    "select json_object_keys(data->'details') from workflow_sessions order by 1",
    "select session_id, data->'variables'->>'user_id' from workflow_sessions order by 1",
    "select cast(data->'source'->>'phoneNumber' as bigint) from workflow_sessions",
    "select \"Data\", \"Source Details - Phone Number\" from \"Workflow Sessions\" order by \"Session Id\"",
];

/// Questions that are refused: they tell of files, of rows as they are stored, or of plans.
const REFUSED: [&str; 14] = [
    "select * from stored_sessions",
    "select * from quarantine",
    "select * from lake_files",
    "select * from lake_json_paths",
    "select * from lake_history",
    "select * from session_changes(0, 1)",
    "select * from sessionlake.public.lake_files",
    "explain select * from workflow_sessions",
    "explain analyze select * from workflow_sessions where source_details_phone_number = '{v}'",
    "explain verbose select 1",
    "explain (analyze) select count(*) from workflow_sessions",
    "copy workflow_sessions to 'x.csv'",
    "create view v as select * from workflow_sessions",
    "select * from 'lake/sessions/x.parquet'",
];

/// Questions with names that are none, of which hints name what is there for the caller.
const MISSPELT: [&str; 8] = [
    "select * from quarantin",
    "select * from lakefiles",
    "select * from stored_session",
    "select * from nosuch",
    "select * from sessionlake.public.lake_history2",
    "select nosuch from workflow_sessions",
    "select _extr, sourc from workflow_sessions",
    "select s.exported_at from workflow_sessions s join active_sessions a on a.conten = s.session_id",
];

/// The number of one caller.
const ONE: &str =
    "select max(source_details_phone_number) from workflow_sessions where source_details_phone_number <> 'anonymous'";

async fn batches(hub: &Arc<Hub>, caller: &Caller, sql: &str) -> Vec<RecordBatch> {
    let given = Default::default();
    let mut asked = hub.ask(Protocol::Http, caller, &hub.settings(), ("q", sql), &given).await.unwrap();
    let mut all = vec![];
    while let Some(batch) = asked.next().await.unwrap() {
        all.push(batch);
    }
    all
}

/// A session in which there is nothing but some rows.
async fn of_rows(rows: Vec<RecordBatch>) -> Engine {
    let session = Engine::new(engine()).unwrap();
    let schema = rows[0].schema();
    let table = Arc::new(MemTable::try_new(schema, vec![rows]).unwrap());
    session.context().register_table("workflow_sessions", table).unwrap();
    for (name, condition) in [("active_sessions", "is null"), ("ended_sessions", "is not null")] {
        let sql = format!("create view {name} as select * from workflow_sessions where ended_at {condition}");
        session.context().sql(&sql).await.unwrap();
    }
    let documented =
        sessionlake::schema::COLUMNS.map(|column| format!("\"{}\" as \"{}\"", column.name, column.documented));
    let sql = format!("create view \"Workflow Sessions\" as select {} from workflow_sessions", documented.join(", "));
    session.context().sql(&sql).await.unwrap();
    session
}

async fn answer(session: &Engine, sql: &str) -> Result<Vec<String>, String> {
    let script = sessionlake::script::parse("q", sql).map_err(|error| error.to_string())?;
    let none: Vec<(String, datafusion::common::ScalarValue)> = vec![];
    let run = async {
        let plan = session.plan(script.statements[0].parsed.clone(), &none.into()).await?;
        session.context().execute_logical_plan(plan).await?.collect().await
    };
    run.await.map(|batches| rows_of(&batches)).map_err(|error| error.to_string())
}

/// Asks in both ways, and expects the same; returns how many were asked.
async fn compare(hub: &Arc<Hub>, caller: &Caller, only: &Engine, columns: &[&str], values: &[String]) -> usize {
    let mut asked = 0;
    for value in values {
        let quoted = value.replace('\'', "''");
        let ways = columns.iter().flat_map(|column| WAYS.map(|way| way.replace("{c}", column)));
        for sql in ways.chain(JSON_WAYS.map(str::to_owned)) {
            let sql = sql.replace("{v}", &quoted).replace("{{", "{").replace("}}", "}");
            let (told, expected) = (ask(hub, caller, &sql).await, answer(only, &sql).await);
            match (&told, &expected) {
                (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{sql}"),
                (Err(_), Err(_)) => {}
                _ => panic!("{sql}: {told:?}, and {expected:?}"),
            }
            asked += 1;
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masked_users_learn_what_masked_rows_tell_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 60, GenerateFormat::Csv), 0)]).await;
    let hub = hub(&lake, folder.path(), "none").await;
    let (all, masked) = (hub.log_in("all", "all").await.unwrap(), hub.log_in("masked", "masked").await.unwrap());
    assert!(hub.log_in("masked", "all").await.is_err() && hub.log_in("nobody", "").await.is_err());

    // What is secret: the phone numbers, and the addresses and last names of the JSON texts.
    let secrets = "select distinct x from (select source_details_phone_number as x from workflow_sessions union all \
                   select data->'details'->>'email' from workflow_sessions union all \
                   select data->'details'->>'lastName' from workflow_sessions) t where length(x) > 4 and x <> 'anonymous' order by 1";
    let secrets: BTreeSet<String> = batches(&hub, &all, secrets)
        .await
        .iter()
        .flat_map(|batch| {
            arrow::compute::cast(batch.column(0), &arrow::datatypes::DataType::Utf8View)
                .unwrap()
                .as_string_view()
                .iter()
                .flatten()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(secrets.len() > 40, "{}", secrets.len());

    let rows = batches(&hub, &masked, "select * from workflow_sessions order by session_id").await;
    let shown = rows_of(&rows).join("\n");
    for secret in &secrets {
        assert!(!shown.contains(secret.as_str()), "{secret}");
    }
    // One value as it is, and the one that stands in its place.
    let pair = batches(&hub, &all, ONE).await;
    let known = rows_of(&pair).remove(0);
    let place = batches(&hub, &masked, ONE).await;
    let values = [known.clone(), rows_of(&place).remove(0)];
    assert_ne!(values[0], values[1]);

    let only = of_rows(rows).await;
    let columns = ["source_details_phone_number", "data", "source_details"];
    let asked = compare(&hub, &masked, &only, &columns, &values).await;
    assert!(asked > 150, "{asked}");
    for sql in MISSPELT {
        let error = ask(&hub, &masked, sql).await.unwrap_err();
        let hidden = ["quarantine", "stored_", "lake_", "session_changes", "_source", "_content_hash"];
        let named = hidden.iter().find(|name| error.contains(*name) && !sql.contains(*name));
        assert!(named.is_none(), "{sql}: {error}");
    }
    for sql in REFUSED {
        let error = ask(&hub, &masked, &sql.replace("{v}", &known)).await.unwrap_err();
        for secret in &secrets {
            assert!(!error.replace(&known, "").contains(secret.as_str()), "{sql}: {error}");
        }
    }
    // Nothing of the rest is lost: counts, times, ids.
    for sql in [
        "select count(*) from workflow_sessions",
        "select session_id, started_at, ended_at, time_in_workflow, workflow_id from workflow_sessions order by 1",
        "select count(*) from workflow_sessions where started_at > timestamp '2026-10-05' and ended_at is not null",
    ] {
        assert_eq!(ask(&hub, &masked, sql).await, ask(&hub, &all, sql).await, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_of_a_workflow_learn_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take(&lake, &[source(&generated(folder.path(), 60, GenerateFormat::Csv), 0)]).await;
    let first = hub(&lake, folder.path(), "none").await;
    let all = first.log_in("all", "all").await.unwrap();
    let workflow = rows_of(&batches(&first, &all, "select min(workflow_id) from workflow_sessions").await).remove(0);
    let hub = hub(&lake, folder.path(), &workflow).await;
    let part = hub.log_in("part", "part").await.unwrap();
    let sql = format!("select * from workflow_sessions where workflow_id = '{workflow}' order by session_id");
    let rows = batches(&hub, &all, &sql).await;
    let count: usize = rows.iter().map(RecordBatch::num_rows).sum();
    assert!(count > 0 && count < 60, "{count}");
    let only = of_rows(rows).await;
    let other = "select max(source_details_phone_number) from workflow_sessions where workflow_id <> ";
    let other = rows_of(&batches(&hub, &all, &format!("{other}'{workflow}'")).await).remove(0);
    compare(&hub, &part, &only, &["source_details_phone_number", "workflow_id", "data"], &[other]).await;
    for sql in REFUSED {
        assert!(ask(&hub, &part, sql).await.is_err(), "{sql}");
    }
}
