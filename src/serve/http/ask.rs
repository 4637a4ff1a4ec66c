//! `POST /v1/sql`: a question as JSON, and its answer in the format that was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Form};
use super::connections::Answering;
use super::problem::Problem;
use crate::engine::At;
use crate::error::{Error, Result};
use crate::format::FormatOptions;
use crate::report::chart::{self, ChartKind, ChartSpec};
use crate::script::{self, Script};
use crate::serve::instants::{instant, zone};
use crate::serve::{Asked, Caller, Hub, Protocol, Settings, long};

/// The name that errors call the text by.
const NAME: &str = "sql";
/// Rows that a chart is drawn from at most, as in reports.
const CHART_ROWS: usize = 100_000;
/// Bytes of rows that a chart is drawn from at most.
const CHART_BYTES: usize = 64 << 20;
/// Figures that are drawn at most.
const FIGURE_ROWS: usize = 64;

/// A question, as its body has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// One statement that reads.
    pub sql: String,
    /// Values of its parameters.
    #[serde(default)]
    pub params: Option<BTreeMap<String, Value>>,
    /// The version of the lake.
    #[serde(default)]
    pub version: Option<u64>,
    /// An instant whose newest version is asked.
    #[serde(default)]
    pub at_time: Option<String>,
    /// The instant that is now.
    #[serde(default)]
    pub as_of: Option<String>,
    /// The zone of local days.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Rows that are wanted at most.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// The chart, in the language of the headers of reports.
    #[serde(default)]
    pub chart: Option<String>,
}

impl Question {
    /// Reads the body of a request.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(bytes).map_err(|error| {
            let hint = "send an object such as {\"sql\": \"select 1\", \"params\": {}}";
            Problem::new(StatusCode::BAD_REQUEST, "usage", &format!("the body is not a question: {error}"), hint)
        })
    }

    fn settings(&self, hub: &Hub) -> Result<Settings> {
        let mut settings = hub.settings();
        if let Some(name) = &self.time_zone {
            settings.time_zone = zone("time_zone", name)?;
        }
        settings.at = match (self.version, &self.at_time) {
            (Some(_), Some(_)) => {
                return Err(Error::usage("version and at_time are both given").with_hint("give one of them"));
            }
            (Some(version), None) => At::Version(version),
            (None, Some(text)) => At::Time(instant("at_time", text, settings.time_zone)?),
            (None, None) => settings.at,
        };
        if let Some(text) = &self.as_of {
            settings.as_of = Some(instant("as_of", text, settings.time_zone)?);
        }
        Ok(settings)
    }

    fn chart_spec(&self, script: &Script) -> Result<ChartSpec> {
        let line = self.chart.as_deref().or_else(|| script.header.get("chart"));
        let line = line.ok_or_else(|| {
            Error::usage("there is no chart to draw")
                .with_hint("say which in the member chart, such as \"bar x=day y=sessions\", or in a header -- chart:")
        })?;
        let mut spec = ChartSpec::parse(line)?;
        spec.unit = spec.unit.or_else(|| script.header.get("unit").map(str::to_owned));
        Ok(spec)
    }
}

/// Chooses the format by the query of the address, else by the header `Accept`, else JSON.
pub(super) fn form(query: Option<&str>, headers: &HeaderMap) -> Result<Form, Problem> {
    let asked =
        query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "format");
    if let Some((_, name)) = asked {
        return Form::named(name).ok_or_else(|| {
            let names = Form::names().collect::<Vec<_>>().join(", ");
            let message = format!("unknown format {name:?}");
            Problem::new(StatusCode::BAD_REQUEST, "usage", &message, &format!("one of {names}"))
        });
    }
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types =
        accepted.flat_map(|value| value.split(',')).filter_map(|part| part.split(';').next()).map(str::trim);
    Ok(types.find_map(Form::of_type).unwrap_or(Form::Json))
}

/// Asks a question and begins its answer.
pub(super) async fn ask(
    hub: &Arc<Hub>,
    caller: &Caller,
    question: Question,
    form: Form,
    answering: Answering,
) -> Result<Response, Problem> {
    let bytes = question.sql.len();
    long::apart(bytes, answered(hub, caller, question, form, answering)).await
}

async fn answered(
    hub: &Arc<Hub>,
    caller: &Caller,
    question: Question,
    form: Form,
    answering: Answering,
) -> Result<Response, Problem> {
    let settings = question.settings(hub)?;
    let script = script::parse(NAME, &question.sql)?;
    let [statement] = script.statements.as_slice() else {
        return Err(Error::usage("there is more than one statement").with_hint("ask one statement at a time").into());
    };
    // What is wrong with the chart is said before anything is computed.
    let spec = if form == Form::Svg { Some(question.chart_spec(&script)?) } else { None };
    let given = question.params.clone().unwrap_or_default();
    let bind = |clock: &script::Clock| script::bind(&script, &given, clock);
    let asked = hub.ask_statement(Protocol::Http, caller, &settings, (&script, statement), bind).await?;
    let mut response = match spec {
        Some(spec) => draw(hub, asked, spec, script.header.title.as_deref().unwrap_or("Chart")).await?,
        None => stream(hub, asked, &question, form, answering).await?,
    };
    let content_type = HeaderValue::from_static(form.content_type());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}

async fn stream(
    hub: &Arc<Hub>,
    mut asked: Asked,
    question: &Question,
    form: Form,
    answering: Answering,
) -> Result<Response, Problem> {
    let mut headers = HeaderMap::new();
    let as_of = asked.clock.as_of.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
    for (name, value) in [
        ("sessionlake-version", asked.version.to_string()),
        ("sessionlake-as-of", as_of),
        ("sessionlake-time-zone", asked.clock.time_zone.name().to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let mut about = vec![("SQL".to_owned(), question.sql.clone())];
    about.extend(question.params.iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (format!("parameter {name}"), text)
    }));
    about.push(("Version of the lake".to_owned(), asked.version.to_string()));
    let options = FormatOptions { time_zone: asked.clock.time_zone, about, ..FormatOptions::default() };
    // Once something is sent the status can be no other.
    let first = asked.next().await?;
    let pieces = answer::begin(hub, (asked, first), form, options, question.max_rows.unwrap_or(u64::MAX))?;
    // The connection is one that answers until the last piece is taken, or nobody takes any more.
    let pieces = pieces.map(move |piece| {
        let _ = &answering;
        piece
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Draws the chart of an answer.
async fn draw(hub: &Arc<Hub>, mut asked: Asked, spec: ChartSpec, title: &str) -> Result<Response, Problem> {
    if spec.kind == ChartKind::Table {
        return Err(Error::usage("the chart is the table itself")
            .with_hint("ask for the rows, or for another kind")
            .into());
    }
    spec.check(&asked.columns)?;
    let is_figures = spec.kind == ChartKind::Number;
    let most = if is_figures { FIGURE_ROWS } else { CHART_ROWS };
    // Only what is drawn is held.
    let wanted: Vec<usize> = (0..asked.columns.fields().len())
        .filter(|at| {
            is_figures
                || asked.columns.fields().get(*at).is_some_and(|field| spec.columns().any(|name| name == field.name()))
        })
        .collect();
    let (mut batches, mut rows, mut bytes, mut is_cut) = (Vec::new(), 0, 0, false);
    while let Some(batch) = asked.next().await? {
        let mut batch: RecordBatch = batch.project(&wanted).map_err(Error::from)?;
        if rows + batch.num_rows() > most {
            batch = batch.slice(0, most - rows);
            is_cut = true;
        }
        rows += batch.num_rows();
        bytes += batch.get_array_memory_size();
        batches.push(batch);
        if is_cut || bytes > CHART_BYTES {
            is_cut = true;
            break;
        }
    }
    let time_zone = asked.clock.time_zone;
    let title = title.to_owned();
    let mut drawn = asked
        .within(hub.compute().spawn_blocking(move || chart::svg(&spec, &title, &batches, time_zone)))
        .await?
        .map_err(Error::internal)??
        .svg;
    if is_cut {
        drawn = drawn.replacen("</desc>", &format!(" Drawn from the first {} rows.</desc>", grouped(rows)), 1);
    }
    // The drawing is whole by itself: the page, which has the styles, takes them out.
    if let Some(end) = drawn.find('>') {
        drawn.insert_str(end + 1, &format!("<style>{}</style>", chart::STYLE));
    }
    asked.sent(rows as u64, drawn.len() as u64)?;
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY)], Bytes::from(drawn)).into_response())
}

fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::OutputFormat;

    #[test]
    fn a_format_is_chosen_by_address_or_header() {
        let accept = |value: &str| HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(value).unwrap())]);
        let none = HeaderMap::new();
        assert_eq!(form(None, &none).unwrap(), Form::Json);
        assert_eq!(form(Some("a=b&format=csv"), &accept("application/json")).unwrap(), Form::File(OutputFormat::Csv));
        for (value, expected) in [
            ("*/*", Form::Json),
            ("text/html, application/x-ndjson;q=0.5", Form::File(OutputFormat::Ndjson)),
            ("application/vnd.apache.arrow.stream", Form::ArrowStream),
            ("application/vnd.apache.parquet", Form::File(OutputFormat::Parquet)),
            ("image/svg+xml", Form::Svg),
            ("text/csv", Form::File(OutputFormat::Csv)),
        ] {
            assert_eq!(form(None, &accept(value)).unwrap(), expected, "{value}");
        }
        assert!(form(Some("format=table"), &none).is_err());
    }

    #[test]
    fn questions_are_objects_that_are_known() {
        let question = Question::read(b"{\"sql\":\"select $a\",\"params\":{\"a\":1},\"max_rows\":5}").unwrap();
        assert_eq!((question.params.unwrap().len(), question.max_rows), (1, Some(5)));
        for wrong in
            ["", "select 1", "[]", "{}", "{\"sql\":1}", "{\"sql\":\"x\",\"more\":1}", "{\"sql\":\"x\",\"version\":-1}"]
        {
            assert_eq!(Question::read(wrong.as_bytes()).unwrap_err().status, StatusCode::BAD_REQUEST, "{wrong}");
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
