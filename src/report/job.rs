//! A job: which reports to run, and what they share.
//!
//! A job is a folder of SQL files, a list of them, or one TOML file that names them with parameters, outputs, a time zone and a
//! window. What the TOML file says of a report goes before what the header of its SQL file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::zones::Tz;
use chrono::NaiveDate;
use datafusion::common::{ParamValues, ScalarValue};
use serde::Deserialize;
use serde_json::Value;

use super::spec::{Definition, identifier, make_unique, names};
use super::window::{Unit, Window};
use crate::error::{Error, Result};
use crate::script::{self, Clock};

/// Whether personal data is masked before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Results are written as they are.
    #[default]
    Kept,
    /// Phone numbers, e-mail addresses and names are masked.
    Redacted,
}

/// The window that a job asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobWindow {
    /// The last complete one, or the one that the command names.
    Each(Unit),
    /// From one day to another, both included.
    Span(NaiveDate, NaiveDate),
}

/// A job, before a command adds its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The name of its file or folder.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// What it is for.
    pub description: Option<String>,
    /// The zone of local days.
    pub time_zone: Option<Tz>,
    /// The stretch of time that it looks at.
    pub window: Option<JobWindow>,
    /// Whether it masks personal data.
    pub privacy: Privacy,
    /// Rows that the page shows of each report.
    pub html_rows: Option<usize>,
    /// Values for all reports that have such parameters.
    pub parameters: BTreeMap<String, Value>,
    /// The reports, in the order of the page.
    pub reports: Vec<Definition>,
}

/// A job file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct JobFile {
    title: Option<String>,
    description: Option<String>,
    time_zone: Option<String>,
    window: Option<WindowEntry>,
    formats: Option<Vec<String>>,
    #[serde(default)]
    redact: bool,
    html_rows: Option<usize>,
    #[serde(default)]
    parameters: BTreeMap<String, toml::Value>,
    #[serde(default, rename = "report")]
    reports: Vec<ReportEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WindowEntry {
    Unit(String),
    Span { from: String, to: String },
}

/// One `[[report]]` of a job file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ReportEntry {
    query: PathBuf,
    id: Option<String>,
    title: Option<String>,
    description: Option<String>,
    formats: Option<Vec<String>>,
    chart: Option<String>,
    unit: Option<String>,
    #[serde(default)]
    links: Vec<String>,
    expect: Option<Vec<String>>,
    order: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, toml::Value>,
}

impl Job {
    /// Loads a job from what a command names: one TOML file, or SQL files and folders of them.
    ///
    /// # Errors
    /// Files that cannot be read, a job file that is wrong, with its line.
    pub fn load(paths: &[PathBuf]) -> Result<Self> {
        let is_job = |path: &Path| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        let mut job = match paths {
            [] => return Err(Error::usage("nothing to run").with_hint("name a job file, a folder or SQL files")),
            [path] if is_job(path) => Self::from_toml(path)?,
            paths => {
                if let Some(path) = paths.iter().find(|path| is_job(path)) {
                    return Err(Error::usage(format!("{}: a job file stands alone", path.display())));
                }
                Self::from_files(paths)?
            }
        };
        make_unique(&mut job.reports);
        Ok(job)
    }

    fn from_files(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                files.extend(script::sql_files(path)?);
            } else {
                files.push(path.clone());
            }
        }
        let reports = files
            .iter()
            .map(|file| Definition::from_file(&file.display().to_string(), &script::read_file(file)?))
            .collect::<Result<Vec<_>>>()?;
        let name = match paths {
            [one] => identifier(&std::path::absolute(one).unwrap_or_else(|_| one.clone()).display().to_string()),
            _ => "reports".to_owned(),
        };
        let title = match reports.as_slice() {
            [one] => one.title.clone(),
            _ => "Reports".to_owned(),
        };
        Ok(Self {
            name,
            title,
            description: None,
            time_zone: None,
            window: None,
            privacy: Privacy::Kept,
            html_rows: None,
            parameters: BTreeMap::new(),
            reports,
        })
    }

    fn from_toml(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::usage(format!("{}: {e}", path.display())))?;
        Self::from_text(path, &text, &script::read_file)
    }

    /// Reads the text of a job file; `read` reads the SQL files that it names.
    pub(super) fn from_text(path: &Path, text: &str, read: &dyn Fn(&Path) -> Result<String>) -> Result<Self> {
        let shown = path.display();
        let file: JobFile = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            Error::usage(format!("{shown}:{line}: {}", error.message().trim_end_matches('.')))
        })?;
        let wrong = |error: Error| super::spec::prefixed(error, &shown.to_string());
        if file.reports.is_empty() {
            return Err(wrong(
                Error::usage("the job has no reports").with_hint("add [[report]] with query = \"….sql\""),
            ));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let stem = path.file_stem().map_or_else(|| "job".to_owned(), |stem| stem.to_string_lossy().into_owned());
        let name = identifier(&stem);
        let reports = file
            .reports
            .into_iter()
            .map(|entry| entry.definition(folder, file.formats.as_deref(), read))
            .collect::<Result<Vec<_>>>()
            .map_err(wrong)?;
        let time_zone = match file.time_zone {
            Some(name) => Some(name.parse().map_err(|_| wrong(Error::usage(format!("unknown time zone {name:?}"))))?),
            None => None,
        };
        let day = |text: &str| {
            text.parse::<NaiveDate>()
                .map_err(|_| wrong(Error::usage(format!("no day: {text:?}")).with_hint("write it as 2026-11-20")))
        };
        let window = match file.window {
            None => None,
            Some(WindowEntry::Unit(unit)) => Some(JobWindow::Each(unit.parse().map_err(wrong)?)),
            Some(WindowEntry::Span { from, to }) => Some(JobWindow::Span(day(&from)?, day(&to)?)),
        };
        Ok(Self {
            title: file.title.unwrap_or_else(|| name.clone()),
            name,
            description: file.description,
            time_zone,
            window,
            privacy: if file.redact { Privacy::Redacted } else { Privacy::Kept },
            html_rows: file.html_rows,
            parameters: values(file.parameters).map_err(wrong)?,
            reports,
        })
    }

    /// Chooses the windows of a run. `unit`, `from` and `last` are what the command says; a value for `day`, `week` or `month` in
    /// `given` chooses the window that it lies in, and is taken out.
    ///
    /// # Errors
    /// Days that make no window.
    pub fn windows(
        &self,
        unit: Option<Unit>,
        from: Option<NaiveDate>,
        last: Option<NaiveDate>,
        given: &mut BTreeMap<String, Value>,
        clock: &Clock,
    ) -> Result<Windows> {
        let (own_unit, own_span) = match self.window {
            Some(JobWindow::Each(unit)) => (Some(unit), None),
            Some(JobWindow::Span(from, last)) => (None, Some((from, last))),
            None => (None, None),
        };
        let unit = unit.or(own_unit);
        match (from, last, unit) {
            (Some(from), Some(last), Some(unit)) => return Ok(Windows::Each(Window::every(unit, from, last)?)),
            (Some(from), None, Some(unit)) => {
                let last = Window::last_complete(unit, clock.as_of, clock.time_zone)?.last();
                return Ok(Windows::Each(Window::every(unit, from, last)?));
            }
            (Some(from), Some(last), None) => return Ok(Windows::One(Some(Window::span(from, last)?))),
            (Some(_), None, None) => {
                return Err(Error::usage("⟨from⟩ has no end").with_hint("add ⟨to⟩, or ⟨window⟩ day, week or month"));
            }
            (None, Some(_), _) => return Err(Error::usage("⟨to⟩ has no start").with_hint("add ⟨from⟩")),
            (None, None, _) => {}
        }
        let Some(unit) = unit else {
            return Ok(Windows::One(match own_span {
                Some((from, last)) => Some(Window::span(from, last)?),
                None => None,
            }));
        };
        Ok(Windows::One(Some(match given.remove(unit.name()) {
            Some(value) => Window::containing(unit, local_day(unit.name(), value, clock)?)?,
            None => Window::last_complete(unit, clock.as_of, clock.time_zone)?,
        })))
    }

    /// Makes every report write these formats, whatever its header or the job says.
    pub fn set_formats(&mut self, text: &str) {
        let formats: Vec<String> = names(text).collect();
        for report in &mut self.reports {
            report.formats.clone_from(&formats);
        }
    }
}

/// The windows of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Windows {
    /// At most one, which is written into the folder of the run itself.
    One(Option<Window>),
    /// Several, each written into a folder of its own.
    Each(Vec<Window>),
}

/// Reads a day as a parameter of type date is read: written out, or counted from the clock.
fn local_day(name: &str, value: Value, clock: &Clock) -> Result<NaiveDate> {
    let script = script::parse("⟨param⟩", &format!("-- param: {name} date\nselect ${name}"))?;
    let bound = script::bind(&script, &BTreeMap::from([(name.to_owned(), value)]), clock)?;
    match bound {
        ParamValues::Map(values) => match values.get(name).map(|value| &value.value) {
            Some(ScalarValue::Date32(Some(days))) => NaiveDate::from_epoch_days(*days),
            _ => None,
        },
        ParamValues::List(_) => None,
    }
    .ok_or_else(|| Error::usage(format!("⟨param⟩ {name} is no day")).with_hint("write it as 2026-11-20 or yesterday"))
}

impl ReportEntry {
    fn definition(
        self,
        folder: &Path,
        formats: Option<&[String]>,
        read: &dyn Fn(&Path) -> Result<String>,
    ) -> Result<Definition> {
        let file = folder.join(&self.query);
        let mut definition = Definition::from_file(&file.display().to_string(), &read(&file)?)?;
        if let Some(id) = self.id {
            definition.id = identifier(&id);
        }
        definition.title = self.title.unwrap_or(definition.title);
        definition.description = self.description.or(definition.description);
        definition.chart = self.chart.or(definition.chart);
        definition.unit = self.unit.or(definition.unit);
        definition.order = self.order.or(definition.order);
        definition.expect = self.expect.unwrap_or(definition.expect);
        definition.links.extend(self.links);
        if let Some(formats) = self.formats.or_else(|| formats.map(<[String]>::to_vec)) {
            definition.formats = formats;
        }
        definition.parameters = values(self.parameters)?;
        Ok(definition)
    }
}

/// Turns values of TOML into those of JSON; dates and times become their text.
fn values(values: BTreeMap<String, toml::Value>) -> Result<BTreeMap<String, Value>> {
    values.into_iter().map(|(name, value)| Ok((name, json(value)?))).collect()
}

fn json(value: toml::Value) -> Result<Value> {
    Ok(match value {
        toml::Value::Datetime(instant) => Value::String(instant.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Result<_>>()?),
        toml::Value::Table(_) => {
            return Err(
                Error::usage("a table is no value of a parameter").with_hint("give an object as the text of its JSON")
            );
        }
        other => serde_json::to_value(other).map_err(Error::internal)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(text: &str) -> Result<Job> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("jobs")).unwrap();
        for name in ["a", "b"] {
            let sql = format!("-- title: {name}\n-- unit: s\n-- param: n integer = 1\nselect $n as n");
            std::fs::write(folder.path().join(format!("{name}.sql")), sql).unwrap();
        }
        let path = folder.path().join("jobs/daily.toml");
        std::fs::write(&path, text).unwrap();
        Job::load(&[path])
    }

    #[test]
    fn a_job_file_goes_before_the_headers() {
        let job = job("title = \"Daily\"\ntime-zone = \"Europe/Berlin\"\nwindow = \"day\"\nformats = [\"csv\", \"markdown\"]\nredact = true\n\
                       [parameters]\nn = 3\nsince = 2026-11-20\n[[report]]\nquery = \"../a.sql\"\ntitle = \"First\"\nexpect = [\"rows = 1\"]\n\
                       [[report]]\nquery = \"../a.sql\"\nunit = \"min\"\nformats = [\"ndjson\"]\nparameters = { n = 7 }\n")
        .unwrap();
        assert_eq!((job.name.as_str(), job.title.as_str(), job.privacy), ("daily", "Daily", Privacy::Redacted));
        assert_eq!(job.window, Some(JobWindow::Each(Unit::Day)));
        assert_eq!(job.parameters["since"], Value::String("2026-11-20".to_owned()));
        let [first, second] = job.reports.as_slice() else { panic!("two reports") };
        assert_eq!((first.id.as_str(), second.id.as_str()), ("a", "a_2"));
        assert_eq!((first.title.as_str(), second.title.as_str()), ("First", "a"));
        assert_eq!((first.unit.as_deref(), second.unit.as_deref()), (Some("s"), Some("min")));
        assert_eq!(
            (first.formats.as_slice(), second.formats.as_slice()),
            (&["csv".to_owned(), "markdown".to_owned()][..], &["ndjson".to_owned()][..])
        );
        assert_eq!(second.parameters["n"], Value::from(7));
    }

    #[test]
    fn windows_come_from_the_command_then_the_job() {
        let daily = job("window = \"day\"\n[[report]]\nquery = \"../a.sql\"").unwrap();
        let clock = Clock { as_of: "2026-11-22T01:00:00Z".parse().unwrap(), time_zone: Tz::UTC };
        let day = |text: &str| Some(text.parse::<NaiveDate>().unwrap());
        let one = |windows: Windows| match windows {
            Windows::One(window) => window.map(|window| window.name()),
            Windows::Each(_) => panic!("one window"),
        };
        let mut given = BTreeMap::from([("day".to_owned(), Value::from("today"))]);
        assert_eq!(one(daily.windows(None, None, None, &mut given, &clock).unwrap()).unwrap(), "2026-11-22");
        assert!(given.is_empty());
        assert_eq!(one(daily.windows(None, None, None, &mut given, &clock).unwrap()).unwrap(), "2026-11-21");
        let month = one(daily.windows(Some(Unit::Month), None, None, &mut given, &clock).unwrap());
        assert_eq!(month.unwrap(), "2026-10");
        let each = daily.windows(None, day("2026-11-19"), None, &mut given, &clock).unwrap();
        assert!(matches!(each, Windows::Each(windows) if windows.len() == 3));
        assert!(daily.windows(None, None, day("2026-11-19"), &mut given, &clock).is_err());
        let plain = job("[[report]]\nquery = \"../a.sql\"").unwrap();
        assert_eq!(plain.windows(None, None, None, &mut given, &clock).unwrap(), Windows::One(None));
        let span = plain.windows(None, day("2026-11-01"), day("2026-11-02"), &mut given, &clock).unwrap();
        assert_eq!(one(span).unwrap(), "2026-11-01_2026-11-02");
        let mut wrong = BTreeMap::from([("day".to_owned(), Value::from("x'; drop table"))]);
        assert!(daily.windows(None, None, None, &mut wrong, &clock).is_err());
    }

    #[test]
    fn mistakes_in_a_job_file_have_its_place() {
        let fails = |text: &str| job(text).unwrap_err().to_string();
        assert!(fails("titel = \"x\"").contains("daily.toml:1: unknown field `titel`"));
        assert!(fails("title = \"x\"").ends_with("daily.toml: the job has no reports"));
        assert!(fails("[[report]]\nquery = \"../none.sql\"").contains("none.sql"));
        assert!(fails("window = \"year\"\n[[report]]\nquery = \"../a.sql\"").contains("unknown window \"year\""));
        assert!(fails("time-zone = \"Mars\"\n[[report]]\nquery = \"../a.sql\"").contains("unknown time zone \"Mars\""));
    }
}
