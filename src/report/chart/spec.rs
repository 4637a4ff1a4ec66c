//! Reads what a chart is asked to show: `bar x=day y=sessions series=channel`.
//!
//! The line stands in a SQL file's header or in a job. It names columns of the result, so it can be checked against the plan's
//! schema before anything runs.

use arrow::datatypes::{DataType, Schema};

use crate::{Error, Result};

/// What a chart shows, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSpec {
    /// The form of the chart.
    pub kind: ChartKind,
    /// The column along the horizontal axis; empty where the kind does without (table, number).
    pub x: String,
    /// The columns of numbers. Of a heat map the one that gives the colour.
    pub y: Vec<String>,
    /// The column whose values are lines, bars or layers of their own; the rows of a heat map.
    pub series: Option<String>,
    /// The column of what figures were before, such as in the week before.
    pub before: Option<String>,
    /// What the numbers count: `sessions`, `%`, `s`. Seconds get ticks at whole minutes, hours and days.
    pub unit: Option<String>,
}

/// The form of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChartKind {
    /// Bars, side by side where there are several series; lying where the categories are long texts.
    Bar,
    /// Bars whose series stand on each other.
    StackedBar,
    /// Lines, with gaps where a value is missing.
    Line,
    /// Layers on each other.
    Area,
    /// A grid of colours.
    HeatMap,
    /// The distribution of `x`; with `y` the counts of bins that the query made.
    Histogram,
    /// No chart, the table only.
    Table,
    /// Large figures: of every `y`, or of every row where `x` names them.
    Number,
}

/// A kind with the words it goes by.
struct Names {
    kind: ChartKind,
    names: &'static [&'static str],
}

const KINDS: [Names; 8] = [
    Names { kind: ChartKind::Bar, names: &["bar", "bars"] },
    Names { kind: ChartKind::StackedBar, names: &["stacked bar", "stacked bars"] },
    Names { kind: ChartKind::Line, names: &["line", "lines"] },
    Names { kind: ChartKind::Area, names: &["area"] },
    Names { kind: ChartKind::HeatMap, names: &["heat map", "heatmap"] },
    Names { kind: ChartKind::Histogram, names: &["histogram"] },
    Names { kind: ChartKind::Table, names: &["table"] },
    Names { kind: ChartKind::Number, names: &["number", "numbers"] },
];

impl ChartKind {
    /// Returns the kind's name, as a chart line writes it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|entry| entry.kind == self).and_then(|entry| entry.names.first()).copied().unwrap_or("table")
    }

    /// Lists the name of every kind.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter_map(|entry| entry.names.first().copied())
    }

    fn find(words: &str) -> Option<Self> {
        let words = words.replace(['-', '_'], " ");
        KINDS
            .iter()
            .find(|entry| entry.names.iter().any(|name| name.eq_ignore_ascii_case(&words)))
            .map(|entry| entry.kind)
    }
}

const FORM: &str = "write for example bar x=day y=sessions series=channel";

fn refused(text: &str, message: &str, hint: impl Into<String>) -> Error {
    Error::usage(format!("chart {text:?}: {message}")).with_hint(hint)
}

impl ChartSpec {
    /// Reads a chart line: the kind in one or two words, then `x=`, `y=` (several with commas), `series=`, `value=` (heat maps:
    /// the colour, where `y` then names the rows), `before=` (numbers: what they were) and `unit=`. Names with blanks, commas or `=` stand in double quotes, a double
    /// quote in them twice.
    ///
    /// # Errors
    /// [`Error::Usage`] for an unknown kind or key, a key given twice, one that is missing or that the kind has no use for.
    pub fn parse(text: &str) -> Result<Self> {
        let words = words(text).map_err(|message| refused(text, &message, "close the double quote"))?;
        let split = words.iter().position(|word| word.key.is_some()).unwrap_or(words.len());
        let (kind_words, settings) = words.split_at(split);
        let kind_text = kind_words.iter().map(|word| word.value.as_str()).collect::<Vec<_>>().join(" ");
        let list = || format!("one of {}", ChartKind::names().collect::<Vec<_>>().join(", "));
        if kind_text.is_empty() {
            return Err(refused(text, "it begins with no kind", list()));
        }
        let kind =
            ChartKind::find(&kind_text).ok_or_else(|| refused(text, &format!("unknown kind {kind_text:?}"), list()))?;

        let (mut x, mut y, mut series, mut value, mut before, mut unit) = (None, None, None, None, None, None);
        for word in settings {
            let Some(key) = &word.key else {
                return Err(refused(text, &format!("{:?} has no key", word.value), FORM));
            };
            let slot = match key.to_ascii_lowercase().as_str() {
                "x" => &mut x,
                "y" => &mut y,
                "series" => &mut series,
                "value" if kind == ChartKind::HeatMap => &mut value,
                "before" if kind == ChartKind::Number => &mut before,
                "unit" => &mut unit,
                _ => {
                    let keys = "the keys are x, y, series and unit, of a heat map also value, of a number also before";
                    return Err(refused(text, &format!("unknown key {key:?}"), keys));
                }
            };
            if slot.is_some() {
                return Err(refused(
                    text,
                    &format!("{key:?} is given twice"),
                    "several columns of y stand in one, with commas",
                ));
            }
            if word.parts.iter().any(String::is_empty) {
                return Err(refused(text, &format!("{key:?} is empty"), FORM));
            }
            *slot = Some(word);
        }
        let one = |word: Option<&Word>| word.map(|word| word.value.clone());
        let mut spec = Self {
            kind,
            x: one(x).unwrap_or_default(),
            y: y.map(|word| word.parts.clone()).unwrap_or_default(),
            series: one(series),
            before: one(before),
            unit: one(unit),
        };
        if let Some(value) = value {
            if spec.series.is_some() || spec.y.len() != 1 {
                return Err(refused(
                    text,
                    "value goes with one y, the rows, and without series",
                    "heat map x=hour y=weekday value=sessions",
                ));
            }
            spec.series = spec.y.pop();
            spec.y = vec![value.value.clone()];
        }
        spec.check_shape(text)?;
        Ok(spec)
    }

    /// Checks that the kind has the keys it needs, and none that it does nothing with.
    fn check_shape(&self, text: &str) -> Result<()> {
        let needs = |what: &str| Err(refused(text, &format!("a {} needs {what}", self.kind.name()), FORM));
        let useless = |what: &str| {
            let message = format!("a {} has no use for {what}", self.kind.name());
            Err(refused(text, &message, "leave it out, or take another kind"))
        };
        match self.kind {
            ChartKind::Table if !self.x.is_empty() => useless("x"),
            ChartKind::Table if !self.y.is_empty() => useless("y"),
            ChartKind::Table | ChartKind::Number | ChartKind::Histogram if self.series.is_some() => useless("series"),
            ChartKind::Table => Ok(()),
            ChartKind::Number if self.y.is_empty() => needs("y, the columns of the figures"),
            ChartKind::Number => Ok(()),
            _ if self.x.is_empty() => needs("x, the column along its axis"),
            ChartKind::Histogram if self.y.len() > 1 => useless("more than one y"),
            ChartKind::Histogram => Ok(()),
            _ if self.y.is_empty() => needs("y, the column of its numbers"),
            ChartKind::HeatMap if self.series.is_none() => {
                Err(refused(text, "a heat map needs its rows", "write heat map x=hour y=weekday value=sessions"))
            }
            ChartKind::HeatMap if self.y.len() > 1 => useless("more than one value"),
            _ => Ok(()),
        }
    }

    /// Names the columns that the chart is drawn from; none for kinds that show rows as they are.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let is_drawn = !matches!(self.kind, ChartKind::Table | ChartKind::Number);
        let all = std::iter::once(&self.x).chain(&self.y).chain(&self.series);
        all.filter(move |name| is_drawn && !name.is_empty()).map(String::as_str)
    }

    /// Checks that a result has the columns of the chart, and numbers where numbers are needed.
    ///
    /// # Errors
    /// [`Error::Usage`] that names the column.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        let find = |name: &str| {
            schema.fields().iter().find(|field| field.name() == name).ok_or_else(|| {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                Error::usage(format!("the chart's column {name:?} is not in the result"))
                    .with_hint(format!("the result has {}", names.join(", ")))
            })
        };
        let number = |name: &str| {
            let data_type = find(name)?.data_type();
            if is_number(data_type) {
                return Ok(());
            }
            Err(Error::usage(format!("the chart's column {name:?} is of type {data_type} and no number"))
                .with_hint("cast it to double precision, or take another column"))
        };
        if !self.x.is_empty() {
            find(&self.x)?;
        }
        if let Some(series) = &self.series {
            find(series)?;
        }
        if let Some(before) = &self.before {
            number(before)?;
        }
        match self.kind {
            ChartKind::Number => self.y.iter().try_for_each(|name| find(name).map(|_| ())),
            ChartKind::Histogram => {
                number(&self.x)?;
                self.y.iter().try_for_each(|name| number(name))
            }
            _ => self.y.iter().try_for_each(|name| number(name)),
        }
    }
}

/// Returns whether values of the type have a length on an axis.
pub(super) fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, value) => is_number(value),
        DataType::RunEndEncoded(_, value) => is_number(value.data_type()),
        DataType::Duration(_) | DataType::Null => true,
        other => other.is_numeric(),
    }
}

/// A word of a chart line: `key=value`, or a value alone.
struct Word {
    key: Option<String>,
    /// The value as a whole.
    value: String,
    /// The value cut at its commas.
    parts: Vec<String>,
}

fn words(text: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    loop {
        while characters.next_if(|c| c.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Ok(words);
        }
        let mut word = Word { key: None, value: String::new(), parts: vec![String::new()] };
        while let Some(character) = characters.next_if(|c| !c.is_whitespace()) {
            let mut push = |character: char| {
                word.value.push(character);
                if let Some(part) = word.parts.last_mut() {
                    part.push(character);
                }
            };
            match character {
                '"' => loop {
                    match characters.next() {
                        Some('"') if characters.next_if_eq(&'"').is_none() => break,
                        Some(quoted) => push(quoted),
                        None => return Err("a double quote is open".to_owned()),
                    }
                },
                '=' if word.key.is_none() => {
                    word.key = Some(std::mem::take(&mut word.value));
                    word.parts = vec![String::new()];
                }
                ',' => {
                    word.value.push(',');
                    word.parts.push(String::new());
                }
                other => push(other),
            }
        }
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use proptest::prelude::*;

    fn spec(kind: ChartKind, x: &str, y: &[&str], series: Option<&str>) -> ChartSpec {
        let y = y.iter().map(|&name| name.to_owned()).collect();
        ChartSpec { kind, x: x.to_owned(), y, series: series.map(str::to_owned), before: None, unit: None }
    }

    #[test]
    fn every_kind_is_read() {
        for (text, expected) in [
            ("bar x=day y=sessions", spec(ChartKind::Bar, "day", &["sessions"], None)),
            ("Stacked Bar x=day y=n series=channel", spec(ChartKind::StackedBar, "day", &["n"], Some("channel"))),
            ("stacked-bar x=day y=n", spec(ChartKind::StackedBar, "day", &["n"], None)),
            ("line x=day y=p50,p90,p99", spec(ChartKind::Line, "day", &["p50", "p90", "p99"], None)),
            ("area  series=c   y=n x=d", spec(ChartKind::Area, "d", &["n"], Some("c"))),
            ("heat map x=hour y=n series=weekday", spec(ChartKind::HeatMap, "hour", &["n"], Some("weekday"))),
            ("heatmap x=hour y=weekday value=n", spec(ChartKind::HeatMap, "hour", &["n"], Some("weekday"))),
            ("histogram x=seconds", spec(ChartKind::Histogram, "seconds", &[], None)),
            ("table", spec(ChartKind::Table, "", &[], None)),
            ("number y=a,b", spec(ChartKind::Number, "", &["a", "b"], None)),
            (
                "bar x=\"Started At\" y=\"a, b\",\"say \"\"=\"\"\"",
                spec(ChartKind::Bar, "Started At", &["a, b", "say \"=\""], None),
            ),
        ] {
            assert_eq!(ChartSpec::parse(text).unwrap(), expected, "{text}");
        }
        assert_eq!(ChartSpec::parse("bar x=a y=b unit=%").unwrap().unit.as_deref(), Some("%"));
    }

    #[test]
    fn what_a_chart_cannot_be_is_refused() {
        for (text, message) in [
            ("", "begins with no kind"),
            ("x=day y=n", "begins with no kind"),
            ("pie x=day y=n", "unknown kind \"pie\""),
            ("bar day n", "unknown kind \"bar day n\""),
            ("bar x=day y=n day", "\"day\" has no key"),
            ("bar x=day", "needs y"),
            ("bar y=n", "needs x"),
            ("bar x=day y=", "\"y\" is empty"),
            ("bar x=day y=a,,b", "\"y\" is empty"),
            ("bar x=day y=n colour=red", "unknown key \"colour\""),
            ("bar x=day y=n value=m", "unknown key \"value\""),
            ("bar x=day x=week y=n", "\"x\" is given twice"),
            ("bar x=\"day y=n", "a double quote is open"),
            ("table x=day", "no use for x"),
            ("number", "needs y"),
            ("number y=n series=c", "no use for series"),
            ("heat map x=a y=b", "needs its rows"),
            ("heat map x=a y=b,c series=d", "more than one value"),
            ("heat map x=a y=b series=d value=e", "value goes with one y"),
            ("histogram x=a y=b,c", "more than one y"),
        ] {
            let error = ChartSpec::parse(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert!(matches!(error, Error::Usage { .. }) && error.hint().is_some(), "{text}");
        }
    }

    #[test]
    fn a_chart_is_checked_against_the_columns_of_the_result() {
        let schema = Schema::new(vec![
            Field::new("day", DataType::Date32, true),
            Field::new("n", DataType::Int64, true),
            Field::new("channel", DataType::Utf8View, true),
        ]);
        let check = |text: &str| ChartSpec::parse(text).unwrap().check(&schema);
        check("bar x=day y=n series=channel").unwrap();
        check("number y=channel").unwrap();
        check("table").unwrap();
        for (text, message) in [
            ("bar x=Day y=n", "\"Day\" is not in the result"),
            ("bar x=day y=m", "\"m\" is not in the result"),
            ("bar x=day y=n series=c", "\"c\" is not in the result"),
            ("bar x=day y=channel", "\"channel\" is of type Utf8View and no number"),
            ("histogram x=channel", "no number"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
            assert!(error.hint().is_some());
        }
    }

    proptest! {
        #[test]
        fn any_column_name_in_quotes_is_read_back(x in "\\PC{1,12}", y in proptest::collection::vec("\\PC{1,12}", 1..4)) {
            let quote = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
            let text = format!("line x={} y={}", quote(&x), y.iter().map(quote).collect::<Vec<_>>().join(","));
            let spec = ChartSpec::parse(&text).unwrap();
            prop_assert_eq!(spec.x, x);
            prop_assert_eq!(spec.y, y);
        }

        #[test]
        fn no_text_breaks_the_reader(text in any::<String>()) {
            let _ = ChartSpec::parse(&text);
        }
    }
}
