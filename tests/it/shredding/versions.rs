//! What is asked of JSON in a lake of several versions: each answers as it did, with leaf columns and without.

use sessionlake::engine::{At, Leaves};
use sessionlake::lake::{Lake, Version};

use crate::lakes::{lake_in, open_with, rows_of, source, take};
use crate::support::repository;

/// Questions about paths of the generated sessions: common, mixed, rare, absent, in arrays, and whole documents.
const QUESTIONS: [&str; 9] = [
    "select session_id, data, source_details, action_data from workflow_sessions order by 1",
    "select json_get_str(data, 'variables', 'customer_tier') as tier, count(*) from workflow_sessions group by 1 order by 1",
    "select session_id, data->'variables'->>'amount', json_get_float(data, 'variables', 'amount') from workflow_sessions order by 1",
    "select session_id, json_as_text(data, 'details', 'customerNumber'), data->>'source' from workflow_sessions order by 1",
    "select session_id from workflow_sessions where json_get_bool(data, 'variables', 'authenticated') order by 1",
    "select json_get_str(data, 'variables', 'no_such_key'), count(*), count(json_get_str(data, 'variables', 'promo_code')) \
     from workflow_sessions group by 1",
    "select json_get_str(event, 'type') as type, count(*) from \
     (select unnest(json_get_array(data, 'variables', 'events')) as event from workflow_sessions) group by 1 order by 1",
    "select session_id, lag(json_get_str(data, 'routing', 'skill')) over (order by started_at, session_id) \
     from active_sessions order by 1",
    "select source_details->>'phoneNumber', json_get_str(data, 'source', 'phoneNumber'), count(*) from workflow_sessions \
     group by 1, 2 order by 1, 2",
];

/// Takes snapshots of the sample exports into a lake, one version each.
pub async fn take_snapshots(lake: &Lake, numbers: &[i64]) {
    for number in numbers {
        let path = repository(&format!("data/snapshots/workflow_sessions.{number}.csv"));
        take(lake, &[source(&path, *number)]).await;
    }
}

/// Asks all questions of all versions from the first on, with leaves and without.
pub async fn assert_every_version_agrees(lake: &Lake, last: Version) {
    let mut earlier = Vec::new();
    for version in 1..=last {
        let with = open_with(lake, At::Version(version), Leaves::Read).await.unwrap();
        let without = open_with(lake, At::Version(version), Leaves::Ignore).await.unwrap();
        let mut answers = Vec::new();
        for question in QUESTIONS {
            let [left, right] = [&with, &without].map(|engine| engine.context().sql(question));
            let left = rows_of(&left.await.unwrap().collect().await.unwrap());
            let right = rows_of(&right.await.unwrap().collect().await.unwrap());
            assert_eq!(left, right, "version {version}: {question}");
            answers.push(left);
        }
        assert!(answers.iter().all(|rows| !rows.is_empty()), "version {version}");
        // Each version is another state: one that was read in place of another would show.
        assert!(!earlier.contains(&answers), "version {version}");
        earlier.push(answers);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_a_lake_answers_the_same_with_leaves_and_without() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake_in(folder.path());
    take_snapshots(&lake, &[1, 2, 3]).await;
    assert_every_version_agrees(&lake, 3).await;
}
