//! Exit codes, and the one place where errors are printed.

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sessionlake::error::{as_flags, without_passwords};
use sessionlake::{Error, Result};
use tokio::sync::Notify;

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
/// 128 and the number of the signal that the terminal has gone.
#[cfg_attr(not(unix), expect(dead_code, reason = "there is no such signal"))]
pub const HUNG_UP: u8 = 129;
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
        Error::Cancelled => match STOPPED_BY.load(Ordering::SeqCst) {
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
    note(&format!("error: {error}"));
    if let Some(hint) = error.hint() {
        note(&format!("hint: {hint}"));
    }
}

/// Prints a line to stderr. The options that the library names in it are flags here.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", without_passwords(&as_flags(line)));
}

/// Wraps a failure to start the runtime.
pub fn runtime_error(error: std::io::Error) -> Error {
    Error::storage("starting threads", error)
}

/// Wakes those that wait for a signal.
static SIGNALLED: Notify = Notify::const_new();

/// Begins to listen for the signals that ask this process to stop, so that none is missed by whoever waits for one later. To be called on the
/// runtime, once.
pub fn listen() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let hang_up = (!is_ignored(SignalKind::hangup())).then_some((SignalKind::hangup(), HUNG_UP));
        let others = [(SignalKind::interrupt(), INTERRUPTED), (SignalKind::terminate(), TERMINATED)];
        for (kind, code) in others.into_iter().chain(hang_up) {
            // Without a handler the system ends the process, which is what was asked for.
            let Ok(mut received) = signal(kind) else { continue };
            tokio::spawn(async move {
                while received.recv().await.is_some() {
                    stop(code);
                }
            });
        }
    }
    #[cfg(not(unix))]
    tokio::spawn(async {
        while tokio::signal::ctrl_c().await.is_ok() {
            stop(INTERRUPTED);
        }
    });
}

fn stop(code: u8) {
    STOPPED_BY.store(code, Ordering::SeqCst);
    SIGNALLED.notify_waiters();
}

/// Forgets that an interrupt came, as a shell does that stops a statement and goes on; says whether one had.
pub fn forget_interrupt() -> bool {
    STOPPED_BY.compare_exchange(INTERRUPTED, 0, Ordering::SeqCst, Ordering::SeqCst).is_ok()
}

/// Waits for one more signal.
pub async fn another_signal() {
    SIGNALLED.notified().await;
}

/// Waits for the signal that asks this process to stop, or finds that it has come.
pub async fn signal() {
    loop {
        let signalled = SIGNALLED.notified();
        if STOPPED_BY.load(Ordering::SeqCst) != 0 {
            return;
        }
        signalled.await;
    }
}

/// Says whether whoever started this process had it ignore a signal, as nohup does; to listen for it would end that.
#[cfg(unix)]
fn is_ignored(kind: tokio::signal::unix::SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

/// Has a write beyond the largest size that the system allows a file fail with an error, where the signal would end the process and leave
/// its files.
pub fn fail_large_writes() {
    #[cfg(unix)]
    {
        // What is listened to once is caught from then on.
        let _ = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(libc::SIGXFSZ));
    }
}

/// How long work that is stopped may take to clean up: an interrupt is answered within a second.
const CLEANING_TIME: Duration = Duration::from_millis(800);

/// Runs work until it ends. A signal has it stop, and waits until it has cleaned up.
///
/// # Errors
/// What the work returns, or [`Error::Cancelled`].
pub async fn or_stopped<T>(work: impl Future<Output = Result<T>>, stop: impl FnOnce()) -> Result<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        outcome = &mut work => outcome,
        () = signal() => {
            stop();
            // What has not cleaned up by then waits for input that may never come.
            tokio::time::timeout(CLEANING_TIME, work).await.unwrap_or(Err(Error::Cancelled))
        }
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
