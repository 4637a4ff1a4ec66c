//! `sessionlake serve`: lets others ask the lake, over PostgreSQL's protocol, Flight SQL and HTTP.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use clap::Args as ClapArgs;
use sessionlake::serve::http::{self, HttpOptions};
use sessionlake::serve::{Clocks, Hub, HubOptions, Limits, Users, flight, pg, require_safe, tls_acceptor};
use sessionlake::{Error, Result};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::ClusterArgs;
use super::exit;
use super::query::parse_timeout;
use super::shared::{Shared, parse_size};
use super::workers::Workers;

/// Lets others ask the lake; nothing is changed by what they ask.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Port 0 takes one that is free, and says which.\n\nExamples:\n  sessionlake serve --pg 127.0.0.1:5432\n  \
                  sessionlake serve --http 127.0.0.1:8080 --reports out\n  \
                  sessionlake serve --pg 0.0.0.0:5432 --users users.toml --tls-cert cert.pem --tls-key key.pem"
)]
pub struct Args {
    /// Speaks PostgreSQL's protocol at this address, such as 127.0.0.1:5432
    #[arg(long, value_name = "ADDRESS")]
    pg: Option<SocketAddr>,
    /// Speaks HTTP at this address, such as 127.0.0.1:8080: the page for browsers, and questions as JSON
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// The folder whose runs of reports the page shows
    #[arg(long, value_name = "FOLDER", requires = "http")]
    reports: Option<PathBuf>,
    /// Speaks Arrow Flight SQL at this address, such as 127.0.0.1:31337
    #[arg(long, value_name = "ADDRESS")]
    flight: Option<SocketAddr>,
    /// Who may ask, as `sessionlake user add` writes it; without it everyone on this machine may
    #[arg(long, value_name = "FILE", env = "SESSIONLAKE_USERS")]
    users: Option<PathBuf>,
    /// The certificate of the server and those above it, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// What clients may take.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Connections at once [default: 100]
    #[arg(long, value_name = "N")]
    max_connections: Option<usize>,
    /// Questions that are computed at once; others wait [default: 4 a thread]
    #[arg(long, value_name = "N")]
    max_queries: Option<NonZeroUsize>,
    /// Questions that wait at once; more are refused [default: 1000]
    #[arg(long, value_name = "N")]
    max_waiting: Option<usize>,
    /// Stops a question after this long, such as 30s, 5m or 1h30m [default: 5m]
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Ends a connection that does nothing for this long [default: 1h]
    #[arg(long, value_name = "TIME")]
    idle: Option<String>,
    /// Rows of an answer at most [default: 100000000]
    #[arg(long, value_name = "N")]
    max_rows: Option<u64>,
    /// Bytes of an answer at most [default: 10GB]
    #[arg(long, value_name = "SIZE")]
    max_bytes: Option<String>,
    /// Bytes of a message of a client at most [default: 16MB]
    #[arg(long, value_name = "SIZE")]
    max_message: Option<String>,
}

/// Questions that are computed at once for each thread, where nothing else is said: while some wait for storage or for their clients, others
/// compute.
const QUERIES_A_THREAD: usize = 4;

/// Threads that compute, for each that a question runs on. A sort of what is in memory may compute for long without a pause: with as many threads as
/// there are cores, the questions of others would wait for it, where the system gives each thread its time.
const COMPUTING_A_THREAD: usize = 4;

impl LimitArgs {
    fn limits(&self, threads: NonZeroUsize) -> Result<Limits> {
        let usual = Limits::default();
        let time = |text: &Option<String>, usual| text.as_deref().map_or(Ok(usual), parse_timeout);
        let size = |name: &str, text: &Option<String>, usual: u64| {
            text.as_deref().map_or(Ok(usual), |text| parse_size(name, text))
        };
        Ok(Limits {
            connections: self.max_connections.unwrap_or(usual.connections),
            queries: self.max_queries.map_or(threads.get() * QUERIES_A_THREAD, NonZeroUsize::get),
            waiting: self.max_waiting.unwrap_or(usual.waiting),
            statement: time(&self.timeout, usual.statement)?,
            idle: time(&self.idle, usual.idle)?,
            login: usual.login,
            handshake: usual.handshake,
            rows: self.max_rows.unwrap_or(usual.rows),
            bytes: size("--max-bytes", &self.max_bytes, usual.bytes)?,
            message_bytes: usize::try_from(size("--max-message", &self.max_message, usual.message_bytes as u64)?)
                .unwrap_or(usize::MAX),
        })
    }
}

/// Runs the command.
///
/// # Errors
/// A lake that is not there; addresses that cannot be listened at, or must not without TLS and users.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    if args.pg.is_none() && args.http.is_none() && args.flight.is_none() {
        let hint = "name an address: --pg 127.0.0.1:5432, --flight 127.0.0.1:31337 or --http 127.0.0.1:8080";
        return Err(Error::usage("nothing to serve").with_hint(hint));
    }
    let users = args.users.as_deref().map(Users::at).transpose()?;
    let files = args.tls_cert.as_deref().zip(args.tls_key.as_deref());
    for address in args.pg.into_iter().chain(args.http).chain(args.flight) {
        require_safe(address, files.is_some(), users.is_some())?;
    }
    let tls =
        |protocol: &str| files.map(|(certificates, key)| tls_acceptor(certificates, key, &[protocol])).transpose();
    // Read before anything listens: a key that does not fit is said first.
    let [pg_tls, http_tls, flight_tls] = [tls("postgresql")?, tls("http/1.1")?, tls("h2")?];
    let computing = settings.engine.threads.saturating_mul(const { NonZeroUsize::new(COMPUTING_A_THREAD).unwrap() });
    let workers = Workers::start(computing)?;
    let started = Instant::now();
    let fixed = shared.names_instant().then_some(settings.engine.as_of);
    let lake = settings.lake()?;
    let spread = args.cluster.meet_for_long(&settings, &lake, &workers.handle()?).await?;
    let options = HubOptions {
        lake,
        limits: args.limits.limits(settings.engine.threads)?,
        engine: settings.engine,
        users,
        clocks: Clocks {
            now: Arc::new(move || fixed.unwrap_or_else(Utc::now)),
            passed: Arc::new(move || started.elapsed()),
        },
        compute: workers.handle()?,
        spread,
    };
    let hub = Hub::open(options).await?;
    let how = if files.is_some() { "over TLS" } else { "in plain text, on this machine" };
    let say = |what: String| {
        if !shared.quiet {
            exit::note(&format!("listening: {what} {how}"));
        }
    };
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    if let Some(address) = args.pg {
        let (listener, at) = listen_at(address).await?;
        say(format!("PostgreSQL at {at}"));
        serving.spawn(pg::listen(Arc::clone(&hub), listener, pg_tls, stopped.clone()));
    }
    if let Some(address) = args.http {
        let (listener, at) = listen_at(address).await?;
        let scheme = if files.is_some() { "https" } else { "http" };
        say(format!("{scheme}://{at}/"));
        let options = HttpOptions { reports: args.reports };
        serving.spawn(http::listen(Arc::clone(&hub), listener, http_tls, options, stopped.clone()));
    }
    if let Some(address) = args.flight {
        let (listener, at) = listen_at(address).await?;
        let scheme = if files.is_some() { "grpc+tls" } else { "grpc" };
        say(format!("Flight SQL at {scheme}://{at}"));
        serving.spawn(flight::listen(Arc::clone(&hub), listener, flight_tls, stopped.clone()));
    }
    tokio::select! {
        // None ends before it is told to, but by an error.
        Some(ended) = serving.join_next() => ended.map_err(Error::internal)??,
        () = exit::signal() => {
            let _ = stop.send(true);
            let ending = async {
                while let Some(ended) = serving.join_next().await {
                    ended.map_err(Error::internal)??;
                }
                Err(Error::Cancelled)
            };
            // Who asks twice does not want to wait.
            return tokio::select! {
                ended = ending => ended,
                () = exit::another_signal() => Err(Error::Cancelled),
            };
        }
    }
    Ok(exit::FINE)
}

/// Listens at an address, and says which it is where the port was left open.
///
/// # Errors
/// An address that is taken, or is not this machine's.
pub async fn listen_at(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error| Error::storage(format!("listening at {address}"), error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    Ok((listener, at))
}
