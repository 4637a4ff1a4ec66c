//! Workers in this process, for trials and tests: all that goes over the network otherwise goes through memory, in the same form.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use futures::stream::unfold;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use url::Url;

use super::lines::{Dial, Lines};
use super::refusals::Refusals;
use super::worker::{Line, WorkerOptions, serve};
use crate::engine::{EngineOptions, Resources};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::net::listening::Wire;

/// Bytes on their way between two workers.
const BUFFER: usize = 256 << 10;

/// The workers.
pub struct Within {
    lines: Lines,
    urls: Vec<Url>,
    /// They stop when it is dropped.
    _stop: watch::Sender<bool>,
}

impl Within {
    /// Starts workers that share the memory of one.
    ///
    /// # Errors
    /// A temporary folder that cannot be used.
    pub fn start(count: NonZeroUsize, engine: &EngineOptions, lake: &Lake, computing: &Handle) -> Result<Self> {
        let resources = Resources::new(engine)?;
        let (stop, stopped) = watch::channel(false);
        let mut doors = Vec::with_capacity(count.get());
        let mut urls = Vec::with_capacity(count.get());
        let mut waiting = Vec::with_capacity(count.get());
        for number in 1..=count.get() {
            let (door, come) = mpsc::unbounded_channel::<Box<dyn Wire>>();
            doors.push(door);
            waiting.push(come);
            urls.push(Url::parse(&format!("http://local-{number}:1")).map_err(Error::internal)?);
        }
        let known = urls.clone();
        let dial: Dial = Arc::new(move |url: &Url| {
            let place = known.iter().position(|known| known == url).and_then(|index| doors.get(index));
            let (ours, theirs) = tokio::io::duplex(BUFFER);
            let sent = place.map(|door| door.send(Box::new(theirs)));
            match sent {
                Some(Ok(())) => Ok(Box::new(ours) as Box<dyn Wire>),
                _ => Err(io::Error::from(io::ErrorKind::NotConnected)),
            }
        });
        let lines = Lines::within(dial, Handle::current());
        for come in waiting {
            // What they read is counted for the query, as on other machines, and not for the command beside it.
            let lake = lake.clone().counting(&Arc::default());
            let options = WorkerOptions::within(lake, engine.clone(), computing.clone());
            let incoming = unfold(come, async |mut come| {
                let wire = come.recv().await?;
                Some((Ok::<_, io::Error>(Line::of(wire, None)), come))
            });
            let serving =
                serve(options, resources.clone(), lines.clone(), incoming, Refusals::default(), stopped.clone())?;
            tokio::spawn(serving);
        }
        Ok(Self { lines, urls, _stop: stop })
    }

    /// How the workers are reached.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Where they are.
    pub fn urls(&self) -> Vec<Url> {
        self.urls.clone()
    }
}
