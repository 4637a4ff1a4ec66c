//! Servers: who sees what, and what clients of PostgreSQL's protocol get.

mod guard;
mod limits;
mod pg;
mod replay;
mod workers;

use std::path::Path;
use std::sync::Arc;

use chrono::DateTime;
use sessionlake::engine::Distribution;
use sessionlake::lake::Lake;
use sessionlake::serve::{Caller, Clocks, Hub, HubOptions, Limits, Protocol, Role, User, Users, Verifier};

use crate::lakes::{NOW_US, rows_of};
use crate::model::engine;

/// Makes a hub with the users `all`, `masked` and `part`, whose passwords are their names.
async fn hub(lake: &Lake, folder: &Path, workflow: &str) -> Arc<Hub> {
    hub_with(lake, folder, workflow, Limits::default()).await
}

async fn hub_with(lake: &Lake, folder: &Path, workflow: &str, limits: Limits) -> Arc<Hub> {
    hub_over(lake, folder, workflow, limits, None).await
}

async fn hub_over(
    lake: &Lake,
    folder: &Path,
    workflow: &str,
    limits: Limits,
    spread: Option<Arc<dyn Distribution>>,
) -> Arc<Hub> {
    let users = Users::to_be_at(&folder.join("users.toml")).unwrap();
    let user = |name: &str, role, workflows| User {
        name: name.to_owned(),
        role,
        workflows,
        expires: None,
        verifier: Verifier::of(name).unwrap(),
    };
    let one = Some([workflow.to_owned()].into());
    users
        .replace(vec![
            user("all", Role::Reader, None),
            user("masked", Role::Masked, None),
            user("part", Role::Reader, one),
        ])
        .unwrap();
    let now = DateTime::from_timestamp_micros(NOW_US).unwrap();
    let options = HubOptions {
        lake: lake.clone(),
        engine: engine(),
        limits,
        users: Some(users),
        clocks: Clocks { now: Arc::new(move || now), passed: Arc::new(std::time::Duration::default) },
        compute: tokio::runtime::Handle::current(),
        spread,
    };
    Hub::open(options).await.unwrap()
}

/// Asks as a caller; returns the rows, or the error.
async fn ask(hub: &Arc<Hub>, caller: &Caller, sql: &str) -> Result<Vec<String>, String> {
    let told = |error: sessionlake::Error| format!("{error} {}", error.hint().unwrap_or_default());
    let settings = hub.settings();
    let given = Default::default();
    let mut asked = hub.ask(Protocol::Http, caller, &settings, ("q", sql), &given).await.map_err(told)?;
    let mut batches = Vec::new();
    while let Some(batch) = asked.next().await.map_err(told)? {
        batches.push(batch);
    }
    Ok(rows_of(&batches))
}
