//! Phone numbers are those of libphonenumber: `tests/phones/recorded.tsv` has texts with the answers that its Python port gave.
//!
//! A line is a form, a text, the answer in most regions, and the regions with another: `AT,CH=+4312;DE=`. An answer of `~` and
//! digits is one under the region's own country code, `-` is no region, nothing is null. `tests/phones/run.sh` asks the
//! reference for every example number in every form, and compares them all with `SESSIONLAKE_PHONES`.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use datafusion::prelude::{SessionConfig, SessionContext};
use sessionlake::functions;

use crate::support::repository;

/// Lines that are compared at a time.
const LINES: usize = 200;

/// Answers `phone_e164` for each region and text.
async fn answers(regions: Vec<&str>, texts: Vec<&str>) -> Vec<Option<String>> {
    // With more partitions the rows come in another order.
    let mut context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    functions::register_all(&mut context).unwrap();
    let [regions, texts] = [regions, texts].map(|texts| Arc::new(StringArray::from(texts)) as ArrayRef);
    let batch = RecordBatch::try_from_iter([("region", regions), ("text", texts)]).unwrap();
    let sql = "select case region when '-' then phone_e164(text) else phone_e164(text, region) end from t";
    context.register_batch("t", batch).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let numbers = batches.iter().flat_map(|batch| batch.column(0).as_string_view().iter());
    numbers.map(|number| number.map(str::to_owned)).collect()
}

#[tokio::test]
async fn every_number_is_that_of_libphonenumber() {
    let wanted = std::env::var_os("SESSIONLAKE_PHONES");
    let is_recorded = wanted.is_none();
    let path = wanted.map_or_else(|| repository("tests/phones/recorded.tsv"), Into::into);
    let table = std::fs::read_to_string(path).unwrap();
    let codes = table.lines().find_map(|line| line.strip_prefix("# codes ")).unwrap();
    let codes: Vec<(&str, &str)> = codes.split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
    let codes: Vec<(&str, &str)> = [("-", "")].into_iter().chain(codes).collect();
    let lines: Vec<Vec<&str>> =
        table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect()).collect();
    // Probes, wrong numbers, null in place of a number, a number in place of null; of each form.
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let mut shown = String::new();
    let numbered: Vec<(usize, &Vec<&str>)> = lines.iter().enumerate().collect();
    for lines in numbered.chunks(LINES) {
        let mut expected = Vec::new();
        for (number, line) in lines {
            let [form, text, most, others] = line.as_slice() else { panic!("{line:?}") };
            let mut other = HashMap::new();
            for kind in others.split(';').filter(|kind| !kind.is_empty()) {
                let (regions, answer) = kind.split_once('=').unwrap();
                other.extend(regions.split(',').map(|region| (region, answer)));
            }
            for (place, (region, code)) in codes.iter().enumerate() {
                // Where the region does not matter, each text is asked for with a quarter of them by turns.
                if is_recorded && others.is_empty() && !(number + place).is_multiple_of(4) {
                    continue;
                }
                let answer = match (other.get(region), most.strip_prefix('~')) {
                    (Some(answer), _) => (*answer).to_owned(),
                    (None, Some(national)) => format!("+{code}{national}"),
                    (None, None) => (*most).to_owned(),
                };
                expected.push((*form, *region, *text, (!answer.is_empty()).then_some(answer)));
            }
        }
        let (regions, texts) = expected.iter().map(|(_, region, text, _)| (*region, *text)).unzip();
        for ((form, region, text, theirs), ours) in expected.into_iter().zip(answers(regions, texts).await) {
            let counts = counts.entry(form).or_default();
            counts[0] += 1;
            if ours != theirs {
                counts[if ours.is_none() { 2 } else { 1 + 2 * usize::from(theirs.is_none()) }] += 1;
                if shown.len() < 4_000 {
                    writeln!(shown, "{text:?} in {region}: {ours:?}, not {theirs:?}").unwrap();
                }
            }
        }
    }
    let sum = counts.values().fold([0; 4], |sum, counts| std::array::from_fn(|at| sum[at] + counts[at]));
    let [probes, wrong, nulls, numbers] = sum;
    eprintln!("{probes} probes: {wrong} wrong, {nulls} null for a number, {numbers} a number for null");
    assert_eq!(shown, "", "{counts:#?}");
    assert!(probes > 100_000, "{probes}");
}
