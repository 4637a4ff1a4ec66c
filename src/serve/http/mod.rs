//! HTTP: questions as JSON, answers in every format, and a page for browsers.
//!
//! `connections` counts and times connections, `access` says who may ask and from where, `ask` and `answer` are the way of a question,
//! `catalog`, `queries` and `runs` list what there is, `page` has the page, `problem` says what is wrong. Requests and answers are described in
//! docs/serve-http.md.
//!
//! Limits: HTTP/1.1 alone; the page needs a browser of the last years; a log-in is lost when the server ends.

mod access;
mod answer;
mod ask;
mod catalog;
mod connections;
mod page;
mod problem;
mod queries;
mod runs;
mod types;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::StreamExt;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio_rustls::TlsAcceptor;

use self::access::Access;
use self::connections::{Gate, Way};
use self::problem::Problem;
use super::Hub;
use crate::error::{Error, Result};
use crate::net::listening::{ENDING, stopping};

/// Bytes of a log-in at most.
const LOG_IN_BYTES: usize = 16 << 10;

/// Bodies that are held without being counted, in bytes.
const SMALL_BODY: usize = 64 << 10;
/// Bodies of the largest size that are held at once; others wait.
const LARGE_BODIES: usize = 4;
/// Large bodies are counted in these bytes.
const COUNTED: usize = 1 << 10;

/// What the HTTP server is told beside the hub.
#[derive(Debug, Clone, Default)]
pub struct HttpOptions {
    /// The folder whose runs of reports are shown.
    pub reports: Option<PathBuf>,
}

struct Server {
    hub: Arc<Hub>,
    access: Access,
    options: HttpOptions,
    /// Room for large bodies.
    room: Semaphore,
}

type Shared = State<Arc<Server>>;

/// Answers requests until `stop` turns true, and then for as long as answers take, at most ten seconds.
///
/// # Errors
/// A listener without an address.
pub async fn listen(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    options: HttpOptions,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let gate = Gate::open(Arc::clone(&hub), listener, tls, stop.clone())
        .map_err(|error| Error::storage("cannot listen", error))?;
    let room = Semaphore::new(
        hub.limits().message_bytes.div_ceil(COUNTED).saturating_mul(LARGE_BODIES).min(Semaphore::MAX_PERMITS),
    );
    let server = Arc::new(Server { hub, access: Access::default(), options, room });
    let service = router(server).into_make_service_with_connect_info::<Way>();
    let mut told = stop.clone();
    let serving = axum::serve(gate, service).with_graceful_shutdown(async move {
        stopping(&mut told).await;
    });
    let over = async {
        stopping(&mut stop).await;
        tokio::time::sleep(ENDING).await;
    };
    tokio::select! {
        served = serving => served.map_err(|error| Error::storage("cannot serve", error)),
        () = over => Ok(()),
    }
}

fn router(server: Arc<Server>) -> Router {
    let checked = axum::middleware::from_fn(checked);
    Router::new()
        .route("/", get(async || page::index()))
        .route("/page/{name}", get(async |Path(name): Path<String>| page::file(&name)))
        .route("/v1/sql", post(sql))
        .route("/v1/login", post(log_in))
        .route("/v1/logout", post(log_out))
        .route("/v1/server", get(about))
        .route("/v1/tables", get(tables))
        .route("/v1/functions", get(functions))
        .route("/v1/queries", get(queries))
        .route("/v1/paths", get(paths))
        .route("/v1/reports", get(reports))
        .route("/reports/{*path}", get(report))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || ([(header::CONTENT_TYPE, "text/plain")], "ok\n")))
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || {
            let hint = "POST asks, GET looks at what there is";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "usage", "this address is not asked in this way", hint)
        })
        .layer(checked)
        .with_state(server)
}

/// What holds for every request and every answer.
async fn checked(ConnectInfo(way): ConnectInfo<Way>, request: Request, next: Next) -> Response {
    let answering = way.activity.begin();
    let (method, label) = (request.method().clone(), label(request.uri().path()));
    let mut response = match allowed(&request, &way) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    drop(answering);
    tracing::debug!(target: "serve", protocol = "http", %method, path = label, status = response.status().as_u16(), "answered");
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn allowed(request: &Request, way: &Way) -> Result<(), Problem> {
    if request.version() != Version::HTTP_11 {
        // An answer of 1.0 ends with its connection: one that broke off would look whole.
        let message = "only HTTP/1.1 is spoken here";
        return Err(Problem::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "usage", message, ""));
    }
    access::require_own(request.method(), request.uri(), request.headers(), way)
}

/// The name of an address in the log, where nothing of what was asked may stand.
fn label(path: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "/",
        "/v1/sql",
        "/v1/login",
        "/v1/logout",
        "/v1/server",
        "/v1/tables",
        "/v1/functions",
        "/v1/queries",
        "/v1/paths",
        "/v1/reports",
        "/metrics",
    ];
    KNOWN.into_iter().find(|known| *known == path).unwrap_or(match path {
        "/healthz" => "/healthz",
        path if path.starts_with("/page/") => "/page",
        path if path.starts_with("/reports/") => "/reports",
        _ => "other",
    })
}

/// Reads a body of JSON, which no form of another site can send. What comes with it is its room, to be kept as long as the body is.
async fn body<'s>(
    server: &'s Server,
    headers: &HeaderMap,
    body: Body,
    most: usize,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'s>>), Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        let hint = "send it with the header Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "usage", "the body is not said to be JSON", hint));
    }
    let too_large = || {
        let message = format!("the body has more than {most} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message, "")
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let read = async {
        // A client that does not say how much it sends may send as much as it may.
        let expected = announced.map_or(most, |length| usize::try_from(length).unwrap_or(most));
        let room = match u32::try_from(expected.div_ceil(COUNTED)) {
            Ok(counted) if expected > SMALL_BODY => {
                Some(server.room.acquire_many(counted).await.map_err(Error::internal)?)
            }
            _ => None,
        };
        let mut bytes = Vec::new();
        let mut pieces = body.into_data_stream();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "usage", "the body broke off", ""))?;
            if bytes.len() + piece.len() > most {
                return Err(too_large());
            }
            bytes.extend_from_slice(&piece);
        }
        Ok((bytes, room))
    };
    tokio::time::timeout(server.hub.limits().handshake, read).await.unwrap_or_else(|_| {
        Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the body did not come in time", ""))
    })
}

/// An answer of JSON.
struct Json(Value);

impl IntoResponse for Json {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0.to_string()).into_response()
    }
}

async fn sql(State(server): Shared, request: Request) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    let caller = server.access.caller(&server.hub, &way_of(&parts)?, &parts.headers, false).await?;
    let form = ask::form(parts.uri.query(), &parts.headers)?;
    let (bytes, _room) = body(&server, &parts.headers, sent, server.hub.limits().message_bytes).await?;
    let question = ask::Question::read(&bytes)?;
    drop(bytes);
    let way = way_of(&parts)?;
    ask::ask(&server.hub, &caller, question, form, way.activity.begin()).await
}

/// The connection that a request came over.
fn way_of(parts: &axum::http::request::Parts) -> Result<Way, Problem> {
    let way = parts.extensions.get::<ConnectInfo<Way>>().cloned();
    way.map(|ConnectInfo(way)| way).ok_or_else(Problem::not_found)
}

#[derive(Deserialize)]
struct LogIn {
    user: String,
    password: String,
}

async fn log_in(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    let (bytes, _room) = body(&server, &parts.headers, sent, LOG_IN_BYTES).await?;
    let given: LogIn = serde_json::from_slice(&bytes).map_err(|_| {
        let hint = "send {\"user\": \"…\", \"password\": \"…\"}";
        Problem::new(StatusCode::BAD_REQUEST, "usage", "the body is not a log-in", hint)
    })?;
    let token = server.access.token(&server.hub, &given.user, &given.password).await?;
    let seconds = crate::serve::tokens::TOKEN_LIFE.as_secs();
    let cookie = cookie(&token, seconds, &way)?;
    let answer = json!({ "token": token, "token_type": "Bearer", "expires_in": seconds });
    Ok(([(header::SET_COOKIE, cookie)], Json(answer)).into_response())
}

async fn log_out(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    access::tokens_sent(&headers).for_each(|token| server.access.forget(token));
    Ok(([(header::SET_COOKIE, cookie("", 0, &way)?)], Json(json!({}))).into_response())
}

/// The cookie that opens the pages of runs, which browsers open by themselves. It goes nowhere else, and no script sees it.
fn cookie(token: &str, seconds: u64, way: &Way) -> Result<HeaderValue> {
    let secure = if way.is_encrypted { "; Secure" } else { "" };
    let name = access::COOKIE;
    let text = format!("{name}={token}; Path=/reports/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).map_err(Error::internal)
}

async fn about(State(server): Shared, ConnectInfo(way): ConnectInfo<Way>, headers: HeaderMap) -> Result<Json, Problem> {
    let caller = server.access.caller(&server.hub, &way, &headers, false).await?;
    let hub = &server.hub;
    let user = hub.has_users().then_some(caller.name);
    let zone = hub.settings().time_zone.name();
    Ok(Json(json!({ "version": env!("CARGO_PKG_VERSION"), "user": user, "time_zone": zone })))
}

async fn tables(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Json, Problem> {
    let caller = server.access.caller(&server.hub, &way, &headers, false).await?;
    Ok(Json(catalog::tables(&server.hub, &caller).await?))
}

async fn functions(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Json, Problem> {
    server.access.caller(&server.hub, &way, &headers, false).await?;
    Ok(Json(catalog::functions()))
}

async fn queries(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Json, Problem> {
    server.access.caller(&server.hub, &way, &headers, false).await?;
    Ok(Json(queries::list()?))
}

async fn paths(State(server): Shared, ConnectInfo(way): ConnectInfo<Way>, headers: HeaderMap) -> Result<Json, Problem> {
    let caller = server.access.caller(&server.hub, &way, &headers, false).await?;
    Ok(Json(catalog::paths(&server.hub, &caller).await?))
}

async fn reports(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Json, Problem> {
    let caller = server.access.caller(&server.hub, &way, &headers, false).await?;
    let Some(folder) = server.options.reports.clone() else {
        return Ok(Json(json!({ "offered": false, "runs": [] })));
    };
    let listed = tokio::task::spawn_blocking(move || runs::list(&folder, &caller)).await;
    Ok(Json(listed.map_err(Error::internal)??))
}

async fn report(State(server): Shared, Path(path): Path<String>, request: Request) -> Result<Response, Problem> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let way = request.extensions().get::<ConnectInfo<Way>>().cloned().ok_or_else(Problem::not_found)?.0;
    let caller = server.access.caller(&server.hub, &way, request.headers(), is_reading).await?;
    let folder = server.options.reports.clone().ok_or_else(Problem::not_found)?;
    let opened = tokio::task::spawn_blocking(move || runs::open(&folder, &caller, &path)).await;
    let (file, length, content_type) = opened.map_err(Error::internal)??;
    Ok(runs::send(file, length, content_type))
}

async fn metrics(
    State(server): Shared,
    ConnectInfo(way): ConnectInfo<Way>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    server.access.caller(&server.hub, &way, &headers, false).await?;
    const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, TYPE)], server.hub.metrics_text()).into_response())
}
