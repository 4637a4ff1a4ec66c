//! Data checks: `expect: rows = 0`, `expect: max(sessions) < 1000`.
//!
//! A check compares one measure of the rows of a report with a number. It looks at the rows as they stream by, after they were
//! redacted, and holds no rows. Measures are `rows`; `count(column)` and `nulls(column)` of any column; `min`, `max`, `sum` and
//! `avg` of a column of numbers. A check on `min`, `max` or `avg` of no values holds: there is none that breaks it.

use std::fmt;

use arrow::array::{Array, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};

use crate::error::{Error, Result};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Rows,
    Count,
    Nulls,
    Minimum,
    Maximum,
    Sum,
    Average,
}

const MEASURES: [(&str, Measure); 6] = [
    ("count", Measure::Count),
    ("nulls", Measure::Nulls),
    ("min", Measure::Minimum),
    ("max", Measure::Maximum),
    ("sum", Measure::Sum),
    ("avg", Measure::Average),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer ones first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 8] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<>", Comparison::Unequal),
    ("!=", Comparison::Unequal),
    ("==", Comparison::Equal),
    ("=", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

const FORM: &str =
    "write rows = 0, max(sessions) < 1000, nulls(workflow_id) = 0; measures are rows, count, nulls, min, max, sum, avg";

/// A check on the rows of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    measure: Measure,
    /// The column; none for `rows`.
    column: Option<String>,
    comparison: Comparison,
    limit: f64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Check {
    /// The check, in its plain form.
    pub text: String,
    /// Whether it holds.
    pub passed: bool,
    /// The value of the measure; none where there was nothing to measure, or the report failed.
    pub found: Option<f64>,
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign =
            COMPARISONS.iter().find(|(_, comparison)| *comparison == self.comparison).map_or("=", |(text, _)| text);
        let sign = if sign == "==" { "=" } else { sign };
        match &self.column {
            None => write!(f, "rows {sign} {}", self.limit),
            Some(column) => {
                let measure =
                    MEASURES.iter().find(|(_, measure)| *measure == self.measure).map_or("", |(name, _)| name);
                let plain = column.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
                if plain {
                    write!(f, "{measure}({column}) {sign} {}", self.limit)
                } else {
                    write!(f, "{measure}(\"{}\") {sign} {}", column.replace('"', "\"\""), self.limit)
                }
            }
        }
    }
}

impl Expectation {
    /// Reads a check.
    ///
    /// # Errors
    /// A usage error that says what is not understood.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: &str| Error::usage(format!("{what} in the check {text:?}")).with_hint(FORM);
        let (subject, rest) = subject(text.trim()).ok_or_else(|| wrong("no measure"))?;
        let rest = rest.trim_start();
        let (sign, comparison) =
            COMPARISONS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(|| wrong("no comparison"))?;
        let number = rest.get(sign.len()..).unwrap_or_default().trim();
        let limit: f64 = number.replace('_', "").parse().map_err(|_| wrong("no number to compare with"))?;
        if !limit.is_finite() {
            return Err(wrong("no finite number to compare with"));
        }
        let (measure, column) = match subject {
            Subject::Rows => (Measure::Rows, None),
            Subject::Of(name, column) => {
                let name = name.to_lowercase();
                let found = MEASURES.iter().find(|(known, _)| *known == name);
                let (_, measure) = found.ok_or_else(|| wrong(&format!("unknown measure {name:?}")))?;
                (*measure, Some(column))
            }
        };
        Ok(Self { measure, column, comparison: *comparison, limit })
    }

    /// Checks that the columns of a result have what is measured.
    ///
    /// # Errors
    /// A usage error for a column that is not there, or has no numbers where numbers are needed.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        let Some(name) = &self.column else { return Ok(()) };
        let Ok(field) = schema.field_with_name(name) else {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            return Err(Error::usage(format!(
                "the check \"{self}\" is on a column {name:?} that the report does not have"
            ))
            .with_hint(format!("it has {}", names.join(", "))));
        };
        let counts = matches!(self.measure, Measure::Count | Measure::Nulls);
        if counts || field.data_type().is_numeric() || field.data_type() == &DataType::Null {
            return Ok(());
        }
        Err(Error::usage(format!("the check \"{self}\" needs numbers, and column {name:?} has none"))
            .with_hint("count(column) and nulls(column) take any column"))
    }

    /// Starts to measure.
    pub fn start(&self) -> Tally {
        Tally { expectation: self.clone(), rows: 0, values: 0, sum: 0.0, minimum: None, maximum: None }
    }

    fn holds(&self, found: f64) -> bool {
        match self.comparison {
            Comparison::Equal => found == self.limit,
            Comparison::Unequal => found != self.limit,
            Comparison::Less => found < self.limit,
            Comparison::LessOrEqual => found <= self.limit,
            Comparison::Greater => found > self.limit,
            Comparison::GreaterOrEqual => found >= self.limit,
        }
    }
}

enum Subject<'a> {
    Rows,
    Of(&'a str, String),
}

/// Takes `rows` or `measure(column)` from the start of a text.
fn subject(text: &str) -> Option<(Subject<'_>, &str)> {
    let word_end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(word_end)?;
    let rest = rest.trim_start();
    if word.eq_ignore_ascii_case("rows") && !rest.starts_with('(') {
        return Some((Subject::Rows, rest));
    }
    let inner = rest.strip_prefix('(')?.trim_start();
    let (column, rest) = match inner.strip_prefix('"') {
        Some(quoted) => quoted_name(quoted)?,
        None => {
            let end = inner.find(')')?;
            let (name, rest) = inner.split_at_checked(end)?;
            (name.trim().to_lowercase(), rest)
        }
    };
    let rest = rest.trim_start().strip_prefix(')')?;
    (!word.is_empty() && !column.is_empty()).then_some((Subject::Of(word, column), rest))
}

/// Reads a name up to its closing quote; doubled quotes stand for one.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('"')?;
        name.push_str(rest.get(..end)?);
        rest = rest.get(end + 1..)?;
        match rest.strip_prefix('"') {
            Some(after) => {
                name.push('"');
                rest = after;
            }
            None => return Some((name, rest)),
        }
    }
}

/// A measure under way.
#[derive(Debug, Clone)]
pub struct Tally {
    expectation: Expectation,
    rows: u64,
    values: u64,
    sum: f64,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

impl Tally {
    /// Takes the next rows.
    ///
    /// # Errors
    /// A defect of ours: a column that [`Expectation::check`] would not have let through.
    pub fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        self.rows += batch.num_rows() as u64;
        let Some(name) = &self.expectation.column else { return Ok(()) };
        let column = batch.column_by_name(name).ok_or_else(|| Error::internal(format!("no column {name:?}")))?;
        let nulls = column.logical_null_count();
        self.values += (column.len() - nulls) as u64;
        if matches!(self.expectation.measure, Measure::Count | Measure::Nulls) {
            return Ok(());
        }
        let numbers = cast(column, &DataType::Float64)?;
        let numbers = numbers.as_any().downcast_ref::<Float64Array>().ok_or_else(|| Error::internal("not a float"))?;
        for number in numbers.iter().flatten() {
            self.sum += number;
            // A NaN stays, so that it breaks every check but an inequality.
            let least = |old: f64| if number.is_nan() || number < old { number } else { old };
            let most = |old: f64| if number.is_nan() || number > old { number } else { old };
            self.minimum = Some(self.minimum.map_or(number, least));
            self.maximum = Some(self.maximum.map_or(number, most));
        }
        Ok(())
    }

    /// Says whether the check holds.
    pub fn verdict(&self) -> Check {
        let found = match self.expectation.measure {
            Measure::Rows => Some(self.rows as f64),
            Measure::Count => Some(self.values as f64),
            Measure::Nulls => Some((self.rows - self.values) as f64),
            Measure::Minimum => self.minimum,
            Measure::Maximum => self.maximum,
            Measure::Sum => Some(self.sum),
            Measure::Average => (self.values > 0).then(|| self.sum / self.values as f64),
        };
        let passed = found.is_none_or(|found| self.expectation.holds(found));
        Check { text: self.expectation.to_string(), passed, found: found.filter(|found| found.is_finite()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter([
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(5)])) as _),
            ("Who", Arc::new(StringArray::from(vec![Some("a"), None, None])) as _),
        ])
        .unwrap()
    }

    fn verdict(text: &str) -> (bool, Option<f64>) {
        let expectation = Expectation::parse(text).unwrap();
        expectation.check(&batch().schema()).unwrap();
        let mut tally = expectation.start();
        tally.add(&batch().slice(0, 1)).unwrap();
        tally.add(&batch().slice(1, 2)).unwrap();
        let check = tally.verdict();
        (check.passed, check.found)
    }

    #[test]
    fn measures_are_taken_over_all_batches() {
        assert_eq!(verdict("rows = 3"), (true, Some(3.0)));
        assert_eq!(verdict("ROWS > 3"), (false, Some(3.0)));
        assert_eq!(verdict("min( n )>=1"), (true, Some(1.0)));
        assert_eq!(verdict("max(N) < 5"), (false, Some(5.0)));
        assert_eq!(verdict("sum(n) <> 6"), (false, Some(6.0)));
        assert_eq!(verdict("avg(n) == 3.0"), (true, Some(3.0)));
        assert_eq!(verdict("nulls(n) != 1"), (false, Some(1.0)));
        assert_eq!(verdict("count(\"Who\") <= 1"), (true, Some(1.0)));
    }

    #[test]
    fn no_values_break_no_check_on_values() {
        let mut tally = Expectation::parse("max(n) < -1_000").unwrap().start();
        tally.add(&batch().slice(1, 1)).unwrap();
        assert_eq!(tally.verdict(), Check { text: "max(n) < -1000".to_owned(), passed: true, found: None });
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        for wrong in [
            "",
            "rows",
            "rows =",
            "rows = x",
            "= 0",
            "median(n) < 1",
            "max() < 1",
            "max(n < 1",
            "rows(n) = 1",
            "rows = inf",
            "max(\"n) < 1",
        ] {
            let error = Expectation::parse(wrong).unwrap_err();
            assert!(matches!(error, Error::Usage { .. }) && error.hint().is_some(), "{wrong}");
        }
    }

    #[test]
    fn columns_are_checked_before_anything_runs() {
        let fails = |text: &str| Expectation::parse(text).unwrap().check(&batch().schema()).unwrap_err().to_string();
        assert_eq!(
            fails("max(sesions) < 1"),
            "the check \"max(sesions) < 1\" is on a column \"sesions\" that the report does not have"
        );
        assert_eq!(
            fails("max(\"Who\") < 1"),
            "the check \"max(\"Who\") < 1\" needs numbers, and column \"Who\" has none"
        );
    }

    proptest! {
        #[test]
        fn the_plain_form_reads_back(column in "[a-z\" )(A-Z]{1,8}", limit in -1e9..1e9_f64, which in 0..6_usize, sign in 0..8_usize) {
            prop_assume!(!column.trim().is_empty());
            let text = format!("{}(\"{}\") {} {limit}", MEASURES[which].0, column.replace('"', "\"\""), COMPARISONS[sign].0);
            let parsed = Expectation::parse(&text).unwrap();
            prop_assert_eq!(parsed.column.as_deref(), Some(column.as_str()));
            prop_assert_eq!(Expectation::parse(&parsed.to_string()).unwrap(), parsed);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,30}") {
            let _ = Expectation::parse(&text);
        }
    }
}
