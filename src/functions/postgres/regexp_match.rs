//! `regexp_match` with a null for each group of the pattern that took no part in the match, as in PostgreSQL.
//!
//! DataFusion leaves such groups out, so that those behind them move up: of `'y'` and `(x)|(y)` it gives `[y]` for `[null, y]`. Patterns with fewer than two
//! groups are DataFusion's own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use ::regex::Regex;
use arrow::array::{Array, ArrayRef, AsArray, ListBuilder, StringBuilder};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::functions::regex;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF};

use crate::functions::instead::{self, Instead};

#[derive(Debug, PartialEq, Eq, Hash)]
struct RegexpMatch {
    stock: Arc<ScalarUDF>,
}

/// The function, which stands in for DataFusion's.
pub fn function() -> Arc<ScalarUDF> {
    instead::function(RegexpMatch { stock: regex::regexp_match() })
}

impl Instead for RegexpMatch {
    fn stock(&self) -> &Arc<ScalarUDF> {
        &self.stock
    }

    fn invoke(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if !has_groups(&args.args) {
            return self.stock.invoke_with_args(args);
        }
        let is_single = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_single { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|arg| cast(&arg.to_array(rows)?, &DataType::Utf8).map_err(Into::into));
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let found = cast(&matches(&columns, rows)?, args.return_field.data_type())?;
        Ok(match is_single {
            true => ColumnarValue::Scalar(ScalarValue::try_from_array(&found, 0)?),
            false => ColumnarValue::Array(found),
        })
    }
}

/// Says whether a pattern may have two groups.
fn has_groups(args: &[ColumnarValue]) -> bool {
    match args.get(1) {
        Some(ColumnarValue::Scalar(pattern)) => {
            pattern.try_as_str().flatten().is_some_and(|pattern| pattern.matches('(').count() > 1)
        }
        Some(ColumnarValue::Array(_)) => true,
        None => false,
    }
}

fn matches(columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
    let texts: Vec<_> = columns.iter().map(|column| column.as_string::<i32>()).collect();
    let (Some(values), Some(patterns), flags) = (texts.first(), texts.get(1), texts.get(2)) else {
        return exec_err!("regexp_match takes a text and a pattern");
    };
    let mut compiled: HashMap<(&str, &str), Regex> = HashMap::new();
    let mut found = ListBuilder::new(StringBuilder::new());
    for row in 0..rows {
        let is_known = |texts: &&arrow::array::StringArray| texts.is_valid(row);
        if !(is_known(values) && is_known(patterns) && flags.is_none_or(is_known)) {
            found.append_null();
            continue;
        }
        let key = (patterns.value(row), flags.map_or("", |flags| flags.value(row)));
        if key.1 == "g" {
            return exec_err!("regexp_match() does not support the \"global\" option");
        }
        let regex = match compiled.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let pattern = if key.1.is_empty() { key.0.to_owned() } else { format!("(?{}){}", key.1, key.0) };
                match Regex::new(&pattern) {
                    Ok(regex) => place.insert(regex),
                    Err(error) => return exec_err!("Regular expression did not compile: {error}"),
                }
            }
        };
        let captures = regex.captures(values.value(row));
        match captures {
            None => found.append_null(),
            Some(captures) => {
                // Without groups it is the whole match.
                let first = usize::from(captures.len() > 1);
                for group in captures.iter().skip(first) {
                    found.values().append_option(group.map(|group| group.as_str()));
                }
                found.append(true);
            }
        }
    }
    Ok(Arc::new(found.finish()))
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;

    use super::*;

    #[test]
    fn a_group_that_took_no_part_is_null() {
        let column = |values: Vec<Option<&str>>| Arc::new(StringArray::from(values)) as ArrayRef;
        let values = column(vec![Some("y"), Some("x"), Some("z"), None, Some("ab"), Some("AB")]);
        let patterns = column(vec![
            Some("(x)|(y)"),
            Some("(x)|(y)"),
            Some("(x)|(y)"),
            Some("(x)|(y)"),
            Some("a(b)?(c)?"),
            Some("(a)(b)"),
        ]);
        let flags = column(vec![Some(""), Some(""), Some(""), Some(""), Some(""), Some("i")]);
        let found = matches(&[values, patterns, flags], 6).unwrap();
        let found = found.as_list::<i32>();
        let rows: Vec<Option<Vec<Option<String>>>> = (0..6)
            .map(|row| {
                found
                    .is_valid(row)
                    .then(|| found.value(row).as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
            })
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(rows[0], Some(vec![None, some("y")]));
        assert_eq!(rows[1], Some(vec![some("x"), None]));
        assert_eq!((&rows[2], &rows[3]), (&None, &None));
        assert_eq!(rows[4], Some(vec![some("b"), None]));
        assert_eq!(rows[5], Some(vec![some("A"), some("B")]));
    }
}
