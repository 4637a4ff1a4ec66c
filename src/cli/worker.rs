//! `sessionlake worker`: runs parts of what others ask of a lake.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use sessionlake::cluster::{TASKS, WorkerOptions, mutual_tls_acceptor, tls_acceptor, work};
use sessionlake::{Error, Result};
use tokio::sync::watch;

use super::cluster::KeyArgs;
use super::exit;
use super::serve::listen_at;
use super::shared::Shared;
use super::workers::Workers;

/// Tasks at once that a worker must be able to run at least: one query may have some twenty.
const LEAST_TASKS: usize = 32;

/// Runs parts of plans for `query` and `report` on other machines, over the data files of one lake.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "A worker reads the lake by its own credentials, and answers whoever may connect. Beyond this machine it wants TLS, \
                        and a token or certificates of those who ask.\n\nExamples:\n  \
                        sessionlake worker --lake s3://bucket/lake --bind 127.0.0.1:50051\n  \
                        sessionlake query --lake s3://bucket/lake --workers 127.0.0.1:50051,127.0.0.1:50052 report.sql\n  \
                        sessionlake worker --bind 0.0.0.0:50051 --worker-token token --tls-cert cert.pem --tls-key key.pem --worker-ca ca.pem"
)]
pub struct Args {
    /// Listens at this address; port 0 takes one that is free, and says which
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:50051")]
    bind: SocketAddr,
    /// The certificate of the worker and those above it, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Those who ask must show a certificate that one in this file signed, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// Tasks at once, each of which is a part of a plan [default: 256]
    #[arg(long, value_name = "N")]
    max_tasks: Option<usize>,
    #[command(flatten)]
    keys: KeyArgs,
}

/// Runs the command.
///
/// # Errors
/// An address that cannot be listened at, or must not without TLS and a token or certificates.
pub async fn run(shared: &Shared, args: Args) -> Result<u8> {
    let settings = shared.settings()?;
    let files = args.keys.files()?;
    require_safe(args.bind, args.tls_cert.is_some(), files.token.is_some() || args.client_ca.is_some())?;
    let tls = match (&args.tls_cert, &args.tls_key, &args.client_ca) {
        (Some(certificates), Some(key), None) => Some(tls_acceptor(certificates, key, &["h2"])?),
        (Some(certificates), Some(key), Some(authority)) => {
            Some(mutual_tls_acceptor(certificates, key, authority, &["h2"])?)
        }
        _ => None,
    };
    let keys = files.read()?;
    if tls.is_some() && files.authority.is_none() {
        let hint = "name the certificates that those of workers are signed by with --worker-ca";
        return Err(Error::usage("a worker with TLS also asks others, and cannot know them").with_hint(hint));
    }
    let computing = Workers::start(settings.engine.threads)?;
    let tasks = args.max_tasks.unwrap_or(TASKS);
    if tasks < LEAST_TASKS {
        let hint = "a plan of several stages has so many tasks for one worker";
        return Err(Error::usage(format!("--max-tasks is {tasks}, and {LEAST_TASKS} at least")).with_hint(hint));
    }
    let computing_on = computing.handle()?;
    let options =
        WorkerOptions { lake: settings.lake()?, engine: settings.engine, tasks, keys, computing: computing_on };
    let (listener, at) = listen_at(args.bind).await?;
    if !shared.quiet {
        let how = if tls.is_some() { "over TLS" } else { "in plain text, on this machine" };
        exit::note(&format!("listening: a worker at {at} {how}"));
    }
    let (stop, stopped) = watch::channel(false);
    let mut working = tokio::spawn(work(options, listener, tls, stopped));
    tokio::select! {
        ended = &mut working => ended.map_err(Error::internal)??,
        () = exit::signal() => {
            let _ = stop.send(true);
            working.await.map_err(Error::internal)??;
            return Err(Error::Cancelled);
        }
    }
    Ok(exit::FINE)
}

/// Refuses to work for others than this machine in plain text, or without knowing who asks.
fn require_safe(address: SocketAddr, has_tls: bool, knows_who: bool) -> Result<()> {
    let (missing, hint) = match (address.ip().is_loopback(), has_tls, knows_who) {
        (true, ..) | (false, true, true) => return Ok(()),
        (false, false, _) => ("TLS", "name a certificate with --tls-cert and --tls-key, or listen on 127.0.0.1"),
        (false, true, false) => (
            "token and no certificate of those who ask",
            "name a file with a token with --worker-token, or certificates with --client-ca",
        ),
    };
    Err(Error::usage(format!("{address} is reached from other machines, and there is no {missing}")).with_hint(hint))
}
