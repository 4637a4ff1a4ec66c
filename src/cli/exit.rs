//! Exit codes, and the one place where errors are printed.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};

use sessionlake::{Error, Result};

/// Everything went well.
pub const FINE: u8 = 0;
/// SQL or runtime error.
pub const SQL: u8 = 1;
/// Usage or configuration.
pub const USAGE: u8 = 2;
/// A data check failed, an input was refused, or more rows were quarantined than allowed.
pub const CHECK: u8 = 3;
/// Storage did not do what was asked.
pub const STORAGE: u8 = 4;
/// Another writer was faster, again and again.
pub const CONFLICT: u8 = 5;
/// A limit was reached.
pub const LIMIT: u8 = 6;
/// 128 and the number of the interrupt signal.
pub const INTERRUPTED: u8 = 130;
/// 128 and the number of the termination signal.
pub const TERMINATED: u8 = 143;

/// The code of the signal that stopped the run, if one did.
static STOPPED_BY: AtomicU8 = AtomicU8::new(0);

/// Maps an error to its exit code.
pub fn code(error: &Error) -> u8 {
    match error {
        Error::Usage { .. } | Error::NotBuilt { .. } | Error::NotFound { .. } => USAGE,
        Error::Input { .. } | Error::Check { .. } => CHECK,
        Error::Storage { .. } => STORAGE,
        Error::Conflict { .. } => CONFLICT,
        Error::Limit { .. } => LIMIT,
        Error::Cancelled => match STOPPED_BY.load(Ordering::Relaxed) {
            0 => INTERRUPTED,
            code => code,
        },
        _ => SQL,
    }
}

/// Prints an error with its hint to stderr and returns its exit code. A reader that went away is not an error.
pub fn report(error: &Error) -> ExitCode {
    if sessionlake::format::is_broken_pipe(error) {
        return ExitCode::from(FINE);
    }
    print(error);
    ExitCode::from(code(error))
}

/// Prints an error with its hint to stderr.
pub fn print(error: &Error) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// Prints a line to stderr.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Wraps a failure to start the runtime.
pub fn runtime_error(error: std::io::Error) -> Error {
    Error::storage("starting threads", error)
}

/// Waits for the signal that asks this process to stop.
pub async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let terminated = async {
            match signal(SignalKind::terminate()) {
                Ok(mut signal) => {
                    signal.recv().await;
                }
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = tokio::signal::ctrl_c() => STOPPED_BY.store(INTERRUPTED, Ordering::Relaxed),
            () = terminated => STOPPED_BY.store(TERMINATED, Ordering::Relaxed),
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
        STOPPED_BY.store(INTERRUPTED, Ordering::Relaxed);
    }
}

/// Runs work until it ends or a signal asks to stop; what the work holds is then dropped, temporary files with it.
///
/// # Errors
/// What the work returns, or [`Error::Cancelled`].
pub async fn or_signal<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        () = signal() => Err(Error::Cancelled),
    }
}
