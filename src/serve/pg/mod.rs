//! PostgreSQL's protocol, so that the tools that speak it can ask the lake.
//!
//! `wire` has the messages, `login` who it is, `session` what a connection is at, `commands` what a statement is, `statements` those that are kept, `portal` answers on their way,
//! `beside` what questions ask of the session and its catalog, `encode` and `params` values out and in, `settings` what can be set. One task serves a connection; another reads ahead, so that a client that
//! cancels or goes away is heard while an answer is computed.

mod beside;
mod commands;
mod encode;
mod errors;
pub(crate) mod fuzz;
mod login;
mod params;
mod portal;
mod session;
mod settings;
mod statements;
mod types;
mod wire;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::catalog::{Present, Signal};
use super::guests::Entry as Guest;
use super::hub::Hub;
use super::metrics::Protocol;
use crate::error::Result;
use crate::net::listening::{ENDING, PAUSE, stopping};

/// How many questions about the catalog are computed at once: they are short, and each may hold some hundred megabytes.
const MOST_BESIDE: usize = 2;

/// What the connections of a listener share.
pub(super) struct Shared {
    pub hub: Arc<Hub>,
    pub tls: Option<TlsAcceptor>,
    pub cancels: Arc<Cancels>,
    /// How many questions about the catalog are computed at once.
    pub beside: Arc<Semaphore>,
    pub stop: watch::Receiver<bool>,
}

/// Which connection a cancel request means: by its number, if the secret is the one that was given to it. A session of the same user needs no secret.
#[derive(Default)]
pub(super) struct Cancels(Mutex<HashMap<i32, Known>>);

/// A connection, as others may mean it.
struct Known {
    secret: i32,
    user: String,
    cancel: Arc<Notify>,
    leave: Arc<Notify>,
    is_active: Arc<AtomicBool>,
}

impl Cancels {
    /// Gives a connection of a user a number that no other has now, for as long as the guard lives.
    fn register(self: &Arc<Self>, user: &str) -> Result<Registered> {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut bytes = [0; 8];
            super::scram::random(&mut bytes)?;
            let [a, b, c, d, e, f, g, h] = bytes;
            let (process, secret) = (i32::from_be_bytes([a & 0x7f, b, c, d]), i32::from_be_bytes([e, f, g, h]));
            if let Entry::Vacant(free) = numbers.entry(process) {
                let [cancel, leave] = [(); 2].map(|()| Arc::new(Notify::new()));
                let (user, is_active) = (user.to_owned(), Arc::<AtomicBool>::default());
                let registered = Registered {
                    cancels: Arc::clone(self),
                    process,
                    secret,
                    cancel: Arc::clone(&cancel),
                    leave: Arc::clone(&leave),
                    is_active: Arc::clone(&is_active),
                };
                free.insert(Known { secret, user, cancel, leave, is_active });
                return Ok(registered);
            }
        }
    }

    /// Stops what a connection does.
    fn cancel(&self, process: i32, secret: i32) {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = numbers.get(&process).filter(|known| known.secret == secret) {
            // Only what runs now is stopped: nobody waits in between.
            known.cancel.notify_waiters();
        }
    }

    /// The sessions of a user.
    pub fn sessions(&self, user: &str) -> Vec<Present> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let present = |(process, known): (&i32, &Known)| {
            let is_active = known.is_active.load(Ordering::Relaxed);
            (known.user == user).then_some(Present { process: *process, is_active })
        };
        let mut sessions: Vec<Present> = numbers.iter().filter_map(present).collect();
        sessions.sort_by_key(|session| session.process);
        sessions
    }

    /// Does what a session of a user asks of another; says whether that is there, and `None` where it is somebody else's.
    pub fn signal(&self, process: i32, user: &str, signal: Signal) -> Option<bool> {
        let numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(known) = numbers.get(&process) else { return Some(false) };
        if known.user != user {
            return None;
        }
        match signal {
            Signal::Cancel => known.cancel.notify_waiters(),
            // It ends also where it waits for nothing just now.
            Signal::Terminate => known.leave.notify_one(),
        }
        Some(true)
    }
}

/// The number of a connection.
pub(super) struct Registered {
    cancels: Arc<Cancels>,
    pub process: i32,
    pub secret: i32,
    pub cancel: Arc<Notify>,
    /// Tells that the connection is to end.
    pub leave: Arc<Notify>,
    /// Whether it does something now.
    pub is_active: Arc<AtomicBool>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.cancels.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.process);
    }
}

/// Serves connections until it is told to stop, and then lets statements end for ten seconds.
///
/// # Errors
/// None for what a client does.
pub async fn listen(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut stop: watch::Receiver<bool>,
) -> Result<()> {
    let beside = Arc::new(Semaphore::new(MOST_BESIDE));
    let shared = Arc::new(Shared { hub, tls, cancels: Arc::default(), beside, stop: stop.clone() });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers are sent at once.
                    let _ = stream.set_nodelay(true);
                    // Who has not said anything yet is no connection that is counted, and takes a file descriptor all the same.
                    let entry = Arc::new(Guest::of_guest(shared.hub.guests()));
                    connections.spawn(login::serve(Arc::clone(&shared), Box::new(stream), entry));
                }
                Err(error) => {
                    tracing::warn!(target: "serve", %error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
            () = stopping(&mut stop) => break,
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(ENDING, all).await;
    Ok(())
}

/// The protocol, in metrics.
const PROTOCOL: Protocol = Protocol::Postgres;
