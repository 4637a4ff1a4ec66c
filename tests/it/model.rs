//! Sequences of commands on a lake, compared after each of them with a small model of the table.
//!
//! A sequence is drawn from a seed: exports in any order and grouping, once or again, vacuum, erasure, restoring, optimize, sessions that another program appends, and commands that fail at some
//! call of the store and are then given again. `SESSIONLAKE_MODEL_SEEDS=100..200` asks for other seeds than those that are always tried; a failure names
//! its seed and its step.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::Path;

use arrow::array::RecordBatch;
use chrono::{DateTime, TimeDelta, Utc};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::{ArrowWriter, ProjectionMask};
use sessionlake::custody::{
    EraseOptions, RestoreOptions, RestoreTo, Selection, VacuumOptions, VerifyOptions, erase, restore, set_properties,
    vacuum, verify,
};
use sessionlake::engine::{EngineOptions, Leaves};
use sessionlake::ingest::{IngestOptions, SourceFile, UpkeepOptions, ingest, optimize};
use sessionlake::lake::{Lake, layout, properties};

use crate::faults::{FaultStore, Plan};
use crate::lakes::{NOW_US, State, export, files_in, lake_in, options, query, try_take};
use crate::support::Draw;

/// Exports of a sequence.
const EXPORTS: u64 = 6;
/// Sessions that exports are of.
const SESSIONS: u64 = 7;
/// Commands of a sequence.
const STEPS: u32 = 10;

/// The sessions of a table: their states, and the hour of the export that each was stored from.
type Table = BTreeMap<u32, (State, i64)>;

/// What a lake holds.
#[derive(Default)]
struct Model {
    table: Table,
    /// The latest hour at which a stored state was seen again.
    sightings: BTreeMap<State, i64>,
    erased: BTreeSet<u32>,
    /// The tables of the versions so far.
    versions: BTreeMap<u64, Table>,
    erased_in: Option<u64>,
    kept_from: u64,
}

impl Model {
    fn take(&mut self, exports: &[(i64, Vec<State>)]) {
        let mut incoming: BTreeMap<u32, BTreeMap<State, i64>> = BTreeMap::new();
        for (hour, states) in exports {
            for state in states.iter().filter(|state| !self.erased.contains(&state.session)) {
                let seen = incoming.entry(state.session).or_default().entry(state.clone()).or_insert(*hour);
                *seen = (*seen).max(*hour);
            }
        }
        for (session, mut states) in incoming {
            let stored = self.table.get(&session).cloned();
            let new = states.clone();
            if let Some((state, hour)) = &stored {
                let hour = *self.sightings.get(state).unwrap_or(hour).max(hour);
                let seen = states.entry(state.clone()).or_insert(hour);
                *seen = (*seen).max(hour);
            }
            let (winner, seen) = states.into_iter().max_by_key(|(s, seen)| (s.ended, *seen, s.seconds)).unwrap();
            match stored {
                Some((state, hour)) if state == winner => {
                    if new.contains_key(&winner) && seen > hour {
                        self.sightings.insert(winner, seen);
                    }
                }
                _ => drop(self.table.insert(session, (winner, seen))),
            }
        }
    }

    /// The rows as a query gives them.
    fn rows(&self) -> Vec<String> {
        let mut states: Vec<&State> = self.table.values().map(|(state, _)| state).collect();
        states.sort_by_key(|state| format!("session-{}", state.session));
        states.iter().map(|s| format!("session-{}|{}|{}|{}", s.session, s.ended, s.seconds, s.data)).collect()
    }
}

async fn rows(lake: &Lake) -> Vec<String> {
    let sql = "select session_id, ended_at is not null, cast(time_in_workflow as bigint), data ->> 'step' \
               from workflow_sessions order by session_id";
    query(lake, sql).await
}

/// What the engine of a command may use.
pub fn engine() -> EngineOptions {
    EngineOptions {
        as_of: DateTime::from_timestamp_micros(NOW_US).unwrap(),
        time_zone: sessionlake::zones::Tz::UTC,
        memory_limit_bytes: 256 << 20,
        spill_limit_bytes: 1 << 30,
        temporary_folder: None,
        threads: NonZeroUsize::MIN,
        leaves: Leaves::Read,
    }
}

/// A command.
#[derive(Debug, Clone)]
enum Command {
    Take(Vec<usize>),
    Vacuum,
    Erase(u32),
    Restore(u64),
    Optimize,
    /// Another program appends a session of its own.
    Append(u32),
}

async fn give(
    lake: &Lake,
    command: &Command,
    (files, upkeep): (&[SourceFile], bool),
    folder: &Path,
) -> sessionlake::Result<()> {
    let limits = options().limits;
    let now = Utc::now();
    match command {
        Command::Take(taken) => {
            let taken: Vec<SourceFile> = taken.iter().map(|file| files[*file].clone()).collect();
            let ledger = ingest(lake, &taken, IngestOptions { upkeep, ..options() }).await?;
            crate::lakes::assert_balanced(&ledger);
        }
        Command::Vacuum => {
            let options = VacuumOptions { retention: TimeDelta::zero(), now, removes: true };
            vacuum(lake, options, &limits).await?;
        }
        Command::Erase(session) => {
            let selection = Selection { session_ids: vec![format!("session-{session}")], ..Selection::default() };
            let options = EraseOptions {
                selection,
                erases: true,
                purge: false,
                remembers: true,
                leaf_budget: 32,
                now,
                engine: engine(),
            };
            erase(lake, &options, &limits).await?;
        }
        Command::Restore(version) => {
            let options = RestoreOptions { to: RestoreTo::Version(*version), with_erased: false, now };
            restore(lake, options, &limits).await?;
        }
        Command::Optimize => {
            let IngestOptions { leaf_budget, now_us, limits, .. } = options();
            optimize(lake, &UpkeepOptions { leaf_budget, now_us, limits }).await?;
        }
        Command::Append(session) => append(lake, *session, folder).await,
    }
    Ok(())
}

/// The state of a session that another program appends.
fn foreign(session: u32) -> State {
    State { session, ended: true, seconds: 60, data: 1 }
}

/// Appends a session as a program does that knows nothing of ours: a file with the columns of the table, and an action without statistics and tags.
async fn append(lake: &Lake, session: u32, folder: &Path) {
    let other = folder.join(format!("foreign-{session}"));
    std::fs::create_dir_all(&other).unwrap();
    let made = lake_in(&other);
    if made.open(layout::SESSIONS).await.unwrap().is_none() {
        try_take(&made, &[export(&other, "foreign.csv", 0, &[foreign(session)])]).await.unwrap();
    }
    let [file] = &files_in(&other.join("lake").join(layout::SESSIONS), ".parquet")[..] else { panic!("one file") };
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(file).unwrap()).unwrap();
    let stored = sessionlake::schema::stored_schema();
    let mask =
        ProjectionMask::columns(reader.parquet_schema(), stored.fields().iter().map(|field| field.name().as_str()));
    let rows: Vec<RecordBatch> = reader.with_projection(mask).build().unwrap().collect::<Result<_, _>>().unwrap();
    let name = format!("part-{session}.snappy.parquet");
    let tables = folder.join("lake").join(layout::SESSIONS);
    let target = std::fs::File::create(tables.join(&name)).unwrap();
    let mut writer = ArrowWriter::try_new(target, rows[0].schema(), None).unwrap();
    rows.iter().for_each(|rows| writer.write(rows).unwrap());
    writer.close().unwrap();
    let size = std::fs::metadata(tables.join(&name)).unwrap().len();
    let add = serde_json::json!({ "add": { "path": name, "size": size, "partitionValues": {}, "modificationTime": 0, "dataChange": true } });
    let next = version(lake).await + 1;
    std::fs::write(tables.join("_delta_log").join(format!("{next:020}.json")), add.to_string()).unwrap();
}

/// The newest version.
async fn version(lake: &Lake) -> u64 {
    lake.open(layout::SESSIONS).await.unwrap().map_or(0, |table| table.version())
}

async fn run(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut draw = Draw(seed);
    let (files, exports) = exports(folder.path(), &mut draw);
    let lake = lake_in(folder.path());
    let mut model = Model::default();
    // A lake is there from the first, with an index of session ids as soon as it has a file.
    lake.open_or_create(layout::SESSIONS).await.unwrap();
    let indexed = [(properties::INDEX_FILES.to_owned(), Some("1".to_owned()))];
    set_properties(&lake, &indexed, Utc::now(), &options().limits).await.unwrap();
    model.versions.extend([(0, Table::new()), (1, Table::new())]);
    // Ingests of every other sequence merge files and bring the index up to date; in the others what optimize made of it grows old.
    let upkeep = seed % 2 == 1;
    let mut given = Vec::new();
    for step in 0..STEPS {
        let newest = version(&lake).await;
        let command = match draw.below(13) {
            0 => Command::Vacuum,
            1 => Command::Erase(draw.below(SESSIONS) as u32),
            2 | 3 => Command::Restore(draw.below(newest + 1)),
            4 | 5 => Command::Optimize,
            6 => Command::Append(100 + step),
            _ => Command::Take((0..1 + draw.below(3)).map(|_| draw.below(EXPORTS) as usize).collect()),
        };
        given.push(command.clone());
        let place = || format!("seed {seed}, step {step}: {given:?}");
        if draw.below(4) == 0 && !matches!(command, Command::Append(_)) {
            // A call of the store fails, done or not; what becomes of the command does not matter, for it is given again.
            let plan = Plan::failing(1 + draw.below(60) as usize, draw.below(2) == 0);
            let _ = give(&FaultStore::around(lake.clone(), &plan), &command, (&files, upkeep), folder.path()).await;
        }
        let outcome = give(&lake, &command, (&files, upkeep), folder.path()).await;
        let newest = version(&lake).await;
        match &command {
            Command::Take(taken) => {
                outcome.unwrap_or_else(|error| panic!("{}: {error}", place()));
                let taken: Vec<_> = taken.iter().map(|file| exports[*file].clone()).collect();
                model.take(&taken);
            }
            Command::Optimize => outcome.unwrap_or_else(|error| panic!("{}: {error}", place())),
            Command::Vacuum => {
                outcome.unwrap_or_else(|error| panic!("{}: {error}", place()));
                model.kept_from = newest;
            }
            Command::Erase(session) => {
                outcome.unwrap_or_else(|error| panic!("{}: {error}", place()));
                model.table.remove(session);
                // Earlier versions may have it where the newest has not.
                model.erased_in = Some(newest);
                model.erased.insert(*session);
            }
            Command::Append(session) => drop(model.table.insert(*session, (foreign(*session), 0))),
            Command::Restore(to) => match outcome {
                Ok(()) => {
                    assert!(
                        model.erased_in.is_none_or(|erased| erased <= *to) || model.versions[to] == model.table,
                        "{}: what was erased came back",
                        place()
                    );
                    model.table = model.versions[to].clone();
                }
                Err(error) => {
                    let may_fail = model.erased_in.is_some_and(|erased| erased > *to) || model.kept_from > *to;
                    assert!(may_fail, "{}: {error}", place());
                }
            },
        }
        // Versions between, of a command that failed after its commit, have the same rows or are of the same command.
        for version in model.versions.len() as u64..=newest {
            model.versions.insert(version, model.table.clone());
        }
        assert_eq!(rows(&lake).await, model.rows(), "{}", place());
        for session in [draw.below(SESSIONS) as u32, 100 + step] {
            let sql = format!("select count(*) from workflow_sessions where session_id = 'session-{session}'");
            let expected = u32::from(model.table.contains_key(&session)).to_string();
            assert_eq!(query(&lake, &sql).await, [expected], "session {session}: {}", place());
        }
    }
    let options = VerifyOptions { deep: true, repair: false, leaf_budget: 32, now: Utc::now(), memory: None };
    let report = verify(&lake, &options, &crate::lakes::options().limits).await.unwrap();
    assert!(report.faults.is_empty(), "seed {seed}: {given:?}: {:#?}", report.faults);
}

/// Draws exports and writes them: each has some of the sessions in states of its own, or in those of an earlier export.
fn exports(folder: &Path, draw: &mut Draw) -> (Vec<SourceFile>, Vec<(i64, Vec<State>)>) {
    let (mut files, mut exports) = (Vec::new(), Vec::new());
    for hour in 0..EXPORTS {
        let mut states: Vec<State> = Vec::new();
        for session in 0..SESSIONS as u32 {
            if draw.below(3) > 0 {
                let data = draw.below(3) as u32;
                states.push(State { session, ended: draw.below(3) == 0, seconds: 60 + data, data });
            }
        }
        files.push(export(folder, &format!("{hour}.csv"), hour as i64, &states));
        exports.push((hour as i64, states));
    }
    (files, exports)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_sequence_of_commands_gives_the_table_of_the_model() {
    let seeds = std::env::var("SESSIONLAKE_MODEL_SEEDS").unwrap_or_else(|_| "0..12".to_owned());
    let (first, end) = seeds.split_once("..").unwrap();
    for seed in first.parse::<u64>().unwrap()..end.parse().unwrap() {
        eprintln!("seed {seed}");
        run(seed).await;
    }
}
