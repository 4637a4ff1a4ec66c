//! The pages of the historical interface: headers once a page, rows as arrays of strings, a token for the next page.
//!
//! A file is a sequence of pages, each on its own line. A page has at most 200 records. Missing values are "", and in JSON
//! columns the text "null".

use crate::generate::row::{Row, Value};
use crate::generate::text::{push_base64, push_instant, push_number, push_seconds};
use crate::json::{Escaping, push_json_string_as};
use crate::schema::{COLUMNS, Kind};

const PAGE_RECORDS: usize = 200;

/// Names of the columns as this interface spells them, in the order of [`COLUMNS`].
const NAMES: [&str; 14] = [
    "WORKFLOWSESSION_ACTIONDATA",
    "WORKFLOWSESSION_COMMTYPE",
    "WORKFLOWSESSION_CURRENTWORKFLOWITEMID",
    "WORKFLOWSESSION_DATA",
    "WORKFLOWSESSION_ENDTIME",
    "WORKFLOWSESSION_ID",
    "SOURCE_DETAILS_PHONE_NUMBER",
    "WORKFLOWSESSION_DATA_SOURCE",
    "WORKFLOWSESSION_STARTTIME",
    "TIME_IN_WORKFLOW",
    "VARIABLES_CATEGORY",
    "VARIABLES_SUB_CATEGORY",
    "WORKFLOWSESSION_WORKFLOWVERSIONID",
    "WORKFLOWSESSION_WORKFLOWID",
];

/// A record as an array, and the key by which paging goes on after it.
#[derive(Debug)]
pub(crate) struct Record {
    json: String,
    key: String,
}

/// Encodes a row.
pub(super) fn record(row: &Row<'_>) -> Record {
    let mut json = String::with_capacity(1200);
    for (index, (column, value)) in COLUMNS.iter().zip(row.values()).enumerate() {
        json.push(if index == 0 { '[' } else { ',' });
        match value {
            Value::Null if column.kind == Kind::Json => json.push_str("\"null\""),
            Value::Null => json.push_str("\"\""),
            Value::Text(text) | Value::Object(text) => push_json_string_as(&mut json, text, Escaping::Plain),
            Value::Instant(instant_us) => {
                json.push('"');
                push_instant(&mut json, instant_us);
                json.push('"');
            }
            Value::Milliseconds(milliseconds) => {
                json.push('"');
                push_seconds(&mut json, milliseconds);
                json.push('"');
            }
        }
    }
    json.push(']');
    let mut key = String::with_capacity(56);
    push_instant(&mut key, row.started_us);
    key.push('@');
    key.push_str(&row.session_id);
    Record { json, key }
}

/// Puts records on pages. The last page is known only at the end, so one page is always held back.
#[derive(Debug, Default)]
pub(crate) struct Pager {
    pending: Vec<Record>,
}

impl Pager {
    /// Takes records and returns the text of the pages that are complete and not the last.
    pub(crate) fn push(&mut self, records: Vec<Record>) -> String {
        let mut out = String::new();
        for record in records {
            if self.pending.len() == PAGE_RECORDS {
                self.push_page(&mut out, true);
            }
            self.pending.push(record);
        }
        out
    }

    /// Returns the text of the last page, which may be empty of records.
    pub(crate) fn finish(mut self) -> String {
        let mut out = String::new();
        self.push_page(&mut out, false);
        out
    }

    fn push_page(&mut self, out: &mut String, more: bool) {
        let mut token = String::new();
        if let Some(last) = self.pending.last().filter(|_| more) {
            push_base64(&mut token, last.key.as_bytes());
        }
        for (index, (name, column)) in NAMES.iter().zip(&COLUMNS).enumerate() {
            out.push_str(if index == 0 { "{\"columnHeaders\":[{\"name\":\"" } else { ",{\"name\":\"" });
            out.push_str(name);
            out.push_str("\",\"type\":\"");
            out.push_str(match column.kind {
                Kind::Text | Kind::Json => "string",
                Kind::Timestamp => "datetime",
                Kind::Seconds => "number",
            });
            out.push_str("\"}");
        }
        out.push_str("],\"records\":[");
        for (index, record) in self.pending.drain(..).enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str(&record.json);
        }
        out.push_str("],\"pagination\":{\"pageSize\":");
        push_number(out, PAGE_RECORDS as u64);
        out.push_str(",\"prevPageToken\":\"\",\"nextPageToken\":\"");
        out.push_str(&token);
        out.push_str("\"},\"links\":{\"prev\":\"\",\"next\":\"");
        if more {
            out.push_str("/api/analytics/v2/datasets/workflow?pageSize=200\\u0026nextPageToken=");
            out.push_str(&token);
        }
        out.push_str("\"}}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_mean_the_documented_columns() {
        let headers = crate::schema::match_headers(&NAMES, &[]).unwrap();
        for (index, column) in COLUMNS.iter().enumerate() {
            assert_eq!(headers.position(column.name), Some(index), "{}", column.name);
        }
    }

    #[test]
    fn every_page_but_the_last_names_the_next() {
        let row = Row { session_id: "028d01".to_owned(), ..Row::default() };
        let mut pager = Pager::default();
        let mut text = String::new();
        for _ in 0..3 {
            text.push_str(&pager.push((0..150).map(|_| record(&row)).collect()));
        }
        text.push_str(&pager.finish());
        let pages: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let sizes: Vec<usize> = pages.iter().map(|page| page["records"].as_array().unwrap().len()).collect();
        assert_eq!(sizes, [200, 200, 50]);
        assert_eq!(pages[0]["links"]["next"].as_str().unwrap().matches('&').count(), 1);
        assert_eq!(pages[2]["links"]["next"], "");
        assert_eq!(pages[2]["pagination"]["nextPageToken"], "");
    }
}
