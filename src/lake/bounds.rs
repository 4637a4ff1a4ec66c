//! The bounds that the log has of a column, as arrays with a value a file: what files are pruned by.

use std::sync::Arc;

use arrow::array::builder::StringViewBuilder;
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, TimestampMicrosecondArray};
use arrow::compute::{max, max_string_view, min, min_string_view};
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::ScalarValue;

use super::columns::{BoundsOf, FileColumns, LAST, Value, instant, lowered, raised};

/// Which end of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A value that no row is below.
    Lower,
    /// A value that no row is above.
    Upper,
}

/// Returns the bounds of a column of this type in some files, null where none is known; `None` where columns of the type have no bounds.
pub fn bounds<'a>(
    files: impl ExactSizeIterator<Item = &'a FileColumns>,
    name: &str,
    data_type: &DataType,
    end: End,
) -> Option<ArrayRef> {
    let mut bounds = BoundsOf::new(name, end == End::Upper);
    Some(match data_type {
        DataType::Utf8View => {
            let mut texts = StringViewBuilder::with_capacity(files.len());
            let mut last = String::new();
            for file in files {
                match bounds.of(file) {
                    Some(Value::Text(text)) if end == End::Lower => texts.append_value(text),
                    Some(Value::Text(text)) => {
                        last.clear();
                        last.push_str(text);
                        last.push(LAST);
                        texts.append_value(&last);
                    }
                    Some(Value::Constant(ScalarValue::Utf8View(text))) => texts.append_option(text.as_ref()),
                    _ => texts.append_null(),
                }
            }
            Arc::new(texts.finish())
        }
        DataType::Float64 => Arc::new(
            files
                .map(|file| match bounds.of(file) {
                    Some(Value::Number(number)) => Some(number),
                    Some(Value::Constant(ScalarValue::Float64(number))) => *number,
                    _ => None,
                })
                .collect::<Float64Array>(),
        ),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            let instants: TimestampMicrosecondArray = files
                .map(|file| match bounds.of(file) {
                    Some(Value::Instant(us)) if end == End::Lower => Some(lowered(us)),
                    Some(Value::Instant(us)) => Some(raised(us)),
                    Some(Value::Constant(ScalarValue::TimestampMicrosecond(us, _))) => *us,
                    _ => None,
                })
                .collect();
            Arc::new(instants.with_timezone("UTC"))
        }
        _ => return None,
    })
}

/// Returns the least and the greatest of the bounds of a column in some files, each where it is known of all; `None` where columns of the type have
/// no bounds.
pub fn range<'a>(
    files: impl ExactSizeIterator<Item = &'a FileColumns> + Clone,
    name: &str,
    data_type: &DataType,
) -> Option<(Option<ScalarValue>, Option<ScalarValue>)> {
    let least = |all: ArrayRef| match all.data_type() {
        DataType::Utf8View => {
            min_string_view(all.as_string_view()).map(|text| ScalarValue::Utf8View(Some(text.to_owned())))
        }
        DataType::Float64 => min(all.as_primitive::<Float64Type>()).map(ScalarValue::from),
        _ => min(all.as_primitive::<TimestampMicrosecondType>()).map(instant),
    };
    let greatest = |all: ArrayRef| match all.data_type() {
        DataType::Utf8View => {
            max_string_view(all.as_string_view()).map(|text| ScalarValue::Utf8View(Some(text.to_owned())))
        }
        DataType::Float64 => max(all.as_primitive::<Float64Type>()).map(ScalarValue::from),
        _ => max(all.as_primitive::<TimestampMicrosecondType>()).map(instant),
    };
    let whole = |all: &ArrayRef| all.null_count() == 0;
    let lower = bounds(files.clone(), name, data_type, End::Lower)?;
    let upper = bounds(files, name, data_type, End::Upper)?;
    Some((Some(lower).filter(whole).and_then(least), Some(upper).filter(whole).and_then(greatest)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::columns::ColumnsBuilder;
    use super::super::said::Said;
    use super::*;
    use crate::schema::stored_schema;

    /// Files as logs have them: whole, without statistics, cut, of other columns, with values of folders, with a NaN.
    fn files() -> Vec<FileColumns> {
        let text = |us: &str, id: &str, seconds: f64| {
            json!({
                "minValues": { "started_at": format!("2026-11-20T10:00:00.{us}Z"), "session_id": id, "time_in_workflow": seconds },
                "maxValues": { "started_at": format!("2026-11-20T11:00:00.{us}Z"), "session_id": id, "time_in_workflow": seconds * 2.0 },
                "nullCount": { "started_at": 0, "ended_at": 4 }, "numRecords": 5,
            })
            .to_string()
        };
        let mut builder = ColumnsBuilder::new(&stored_schema());
        let (mut rows, none) = (Vec::new(), |_: &str| false);
        rows.push(builder.push(&Said::of(&text("000001", "a", 1.0)), &none, Vec::new()));
        rows.push(builder.push(&Said::of(""), &none, Vec::new()));
        rows.push(builder.push(&Said::of(&text("123", "cut", -1.0)), &none, Vec::new()));
        let of_others =
            r#"{"nullCount": {"of_another": 3, "zzz": 1}, "minValues": {"of_another": "a", "session_id": 5}}"#;
        rows.push(builder.push(&Said::of(of_others), &none, Vec::new()));
        let workflow = ("workflow_id".to_owned(), ScalarValue::Utf8View(Some("w".to_owned())), Some(0));
        let nothing = ("version_id".to_owned(), ScalarValue::Utf8View(None), Some(5));
        rows.push(builder.push(&Said::of(&text("000001", "a", 1.0)), &none, vec![workflow, nothing]));
        rows.push(builder.push(&Said::of(&text("000000", "b", 3.0)), &|name| name == "time_in_workflow", Vec::new()));
        let all = Arc::new(builder.finish());
        let of_log = rows.into_iter().map(|row| all.of_file(row));
        // Some files are of no log, or of another.
        let known = all.of_file(0).get("session_id").unwrap();
        of_log.chain([FileColumns::default(), [("session_id".to_owned(), known)].into_iter().collect()]).collect()
    }

    #[test]
    fn arrays_have_the_bounds_of_each_file() {
        let files = files();
        let schema = stored_schema();
        for field in schema.fields() {
            for end in [End::Lower, End::Upper] {
                let Some(array) = bounds(files.iter(), field.name(), field.data_type(), end) else {
                    assert_eq!(field.name(), "_content_hash");
                    continue;
                };
                assert_eq!((array.len(), array.data_type()), (files.len(), field.data_type()));
                for (row, file) in files.iter().enumerate() {
                    let known = file.get(field.name()).and_then(|column| match end {
                        End::Lower => column.lower_bound(),
                        End::Upper => column.upper_bound(),
                    });
                    let found = ScalarValue::try_from_array(&array, row).unwrap();
                    assert_eq!(Some(found).filter(|value| !value.is_null()), known, "{} of file {row}", field.name());
                }
            }
        }
        let text = |value: &str| Some(ScalarValue::Utf8View(Some(value.to_owned())));
        let range = |files: &[FileColumns], name: &str| {
            let field = schema.field_with_name(name).unwrap();
            super::range(files.iter(), name, field.data_type()).unwrap()
        };
        assert_eq!(range(&files, "session_id"), (None, None), "one file does not say");
        let said = [files[0].clone(), files[5].clone()];
        assert_eq!(range(&said, "session_id"), (text("a"), text("b\u{10FFFF}")));
        assert_eq!(range(&said, "time_in_workflow"), (Some(ScalarValue::from(1.0)), None), "a row may be NaN");
    }

    #[test]
    fn what_few_files_have_is_theirs_alone() {
        let files = files();
        let counts = |name: &str| files.iter().map(|file| file.null_count(name)).collect::<Vec<_>>();
        let mut others = vec![None; files.len()];
        others[3] = Some(3);
        assert_eq!(counts("of_another"), others);
        assert_eq!(counts("ended_at")[..4], [Some(4), None, Some(4), None]);
        assert_eq!(counts("version_id")[4], Some(5));
        let constants: Vec<_> = files.iter().map(|file| file.constants().count()).collect();
        assert_eq!(constants, [0, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(files[0], files[0].clone());
        assert_ne!(files[0], files[4]);
        assert_eq!(files[1].get("session_id"), None);
    }
}
