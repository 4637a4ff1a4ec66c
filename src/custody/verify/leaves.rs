//! Compares what leaf columns, pools and computed columns of a file answer with what its text answers.
//!
//! The questions are those of queries, asked twice of one file: as every query reads it, and from the text alone. So all that stands between the
//! columns and an answer is compared too.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::FaultKind;
use crate::engine::{Engine, EngineOptions, Execution, LakeView, Leaves, element_keys};
use crate::error::{Error, Result};
use crate::ingest::Limits;
use crate::lake::{DataFile, Snapshot, Table};

/// JSON paths that are compared in one pass over a file.
const PATHS_AT_ONCE: usize = 48;

/// The paths of a file that are stored beside the text, but for those inside the elements of arrays, which have no single value.
const PATHS: &str = "select json_column, json_path from lake_json_paths \
                     where json_column is not null and leaf_files + pool_files > 0 and json_path not like '%*%' \
                     order by 1, 2";

/// The paths inside the elements of arrays that are stored beside the text.
const INSIDE: &str = "select json_column, json_path from lake_json_paths \
                      where json_column is not null and leaf_files > 0 and json_path like '%[*]%' \
                      order by 1, 2";
/// What is asked of each element.
const OF_ELEMENTS: [&str; 5] = ["json_get_str", "json_get_int", "json_get_float", "json_get_bool", "json_as_text"];

/// Paths inside the elements of the arrays at one place: as JSONPath, and by their keys.
type Inside = Vec<(String, Vec<String>)>;

/// Compares all paths of a file that are stored beside the text.
///
/// # Errors
/// A run stopped from outside, or a limit that was reached; storage errors.
pub(super) async fn compare(
    table: &Table,
    snapshot: &Snapshot,
    file: &DataFile,
    options: &EngineOptions,
    limits: &Limits,
) -> Result<Vec<(String, FaultKind, String)>> {
    let one = Snapshot { version: snapshot.version, files: Arc::new(vec![file.clone()]) };
    let view = LakeView::of_files(table.clone(), one);
    let engine = |leaves: Leaves| -> Result<Engine> {
        let engine = Engine::with_execution(EngineOptions { leaves, ..options.clone() }, Execution::InOrder)?;
        engine.attach_view(&view)?;
        Ok(engine)
    };
    let (reading, parsing) = (engine(Leaves::Read)?, engine(Leaves::Ignore)?);
    let paths = listed(&reading, PATHS).await?;
    let mut faults = Vec::new();
    // The column of names of actions, which has no path.
    let mut questions = vec!["action_name(action_data)".to_owned()];
    let mut asked = vec!["action_data: its name".to_owned()];
    for (column, path) in &paths {
        let quoted = path.replace('\'', "''");
        questions.push(format!("json_value({column}, '{quoted}')"));
        questions.push(format!("json_query({column}, '{quoted}')"));
        questions.push(format!("email_domain(json_value({column}, '{quoted}'))"));
        asked.extend(std::iter::repeat_n(format!("{column}: {path}"), 3));
    }
    let mut compared = async |questions: &[String], asked: &[String], from: &str, place: &str| -> Result<()> {
        limits.check()?;
        let selected: Vec<String> =
            questions.iter().enumerate().map(|(number, question)| format!("{question} as a{number}")).collect();
        let sql = format!("select {} from {from}", selected.join(", "));
        let read = reading.context().sql(&sql).await?.execute_stream().await?;
        let parsed = parsing.context().sql(&sql).await?.execute_stream().await?;
        if let Some((number, row)) = first_difference(read, parsed, limits).await? {
            let what = asked.get(number).map(String::as_str).unwrap_or("a path");
            let words = format!("{what} is stored otherwise than the text has it in {place} {row}");
            faults.push((file.path.clone(), FaultKind::Leaves, words));
        }
        Ok(())
    };
    for (questions, asked) in questions.chunks(PATHS_AT_ONCE * 3).zip(asked.chunks(PATHS_AT_ONCE * 3)) {
        compared(questions, asked, "stored_sessions", "row").await?;
    }
    let mut arrays: BTreeMap<(String, Vec<String>), Inside> = BTreeMap::new();
    for (column, json_path) in listed(&reading, INSIDE).await? {
        if let Some((array, inside)) = element_keys(&json_path) {
            arrays.entry((column, array)).or_default().push((json_path, inside));
        }
    }
    for ((column, array), paths) in arrays {
        let from = format!("(select unnest(json_get_array({column}, {})) as e from stored_sessions)", literals(&array));
        for paths in paths.chunks(PATHS_AT_ONCE) {
            let question = |inside: &Vec<String>| OF_ELEMENTS.map(|of| format!("{of}(e, {})", literals(inside)));
            let questions: Vec<String> = paths.iter().flat_map(|(_, inside)| question(inside)).collect();
            let asked: Vec<String> = paths
                .iter()
                .flat_map(|(path, _)| std::iter::repeat_n(format!("{column}: {path}"), OF_ELEMENTS.len()))
                .collect();
            compared(&questions, &asked, &from, "element").await?;
        }
    }
    Ok(faults)
}

/// Writes keys as SQL does.
fn literals(keys: &[String]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("'{}'", key.replace('\'', "''"))).collect();
    quoted.join(", ")
}

/// Lists columns and paths.
async fn listed(engine: &Engine, sql: &str) -> Result<Vec<(String, String)>> {
    let mut paths: Vec<(String, String)> = Vec::new();
    for batch in engine.context().sql(sql).await?.collect().await? {
        let column = |index: usize| -> Result<Vec<String>> {
            let column = batch.columns().get(index).ok_or_else(|| Error::internal("no column of paths"))?;
            let texts = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8View)?;
            Ok(texts.as_string_view().iter().map(|text| text.unwrap_or_default().to_owned()).collect())
        };
        paths.extend(column(0)?.into_iter().zip(column(1)?));
    }
    Ok(paths)
}

/// Finds the first column and row, each from 0, in which two results differ.
async fn first_difference(
    mut left: SendableRecordBatchStream,
    mut right: SendableRecordBatchStream,
    limits: &Limits,
) -> Result<Option<(usize, u64)>> {
    let (mut ahead, mut behind): (Option<RecordBatch>, Option<RecordBatch>) = (None, None);
    let mut row = 0_u64;
    loop {
        limits.check()?;
        let one = match ahead.take().filter(|batch| batch.num_rows() > 0) {
            Some(batch) => Some(batch),
            None => left.next().await.transpose()?,
        };
        let other = match behind.take().filter(|batch| batch.num_rows() > 0) {
            Some(batch) => Some(batch),
            None => right.next().await.transpose()?,
        };
        let (one, other) = match (one, other) {
            (Some(one), Some(other)) => (one, other),
            (None, None) => return Ok(None),
            (one, other) if one.as_ref().or(other.as_ref()).is_none_or(|batch| batch.num_rows() == 0) => {
                (ahead, behind) = (one, other);
                continue;
            }
            _ => return Ok(Some((0, row))),
        };
        let rows = one.num_rows().min(other.num_rows());
        for (number, (a, b)) in one.columns().iter().zip(other.columns()).enumerate() {
            if a.slice(0, rows).as_ref() != b.slice(0, rows).as_ref() {
                let differs = (0..rows).find(|row| a.slice(*row, 1).as_ref() != b.slice(*row, 1).as_ref());
                return Ok(Some((number, row + differs.unwrap_or_default() as u64)));
            }
        }
        row += rows as u64;
        ahead = Some(one.slice(rows, one.num_rows() - rows));
        behind = Some(other.slice(rows, other.num_rows() - rows));
    }
}
