//! The same SQL on several processes: plans run in stages on workers.
//!
//! [`Cluster`] knows the workers, and spreads the plans of a session over them ([`Cluster::spread`]); [`work`] is a worker. Plans are cut, sent and run by
//! datafusion-distributed: whoever asks plans once, sends each worker its part of the files as plain data, and reads the rows that come
//! back; rows between workers go from one to the other, in memory. A worker reads the files that it is told of, of one lake, and never
//! the log. How a plan is made ready for that, and what a worker puts into it, is in `engine/stages`.
//!
//! A worker that dies, hangs or is cut off fails the query, which then runs once more as a whole on those that are left.

mod again;
mod build;
mod lines;
mod plan;
mod refusals;
mod spending;
mod spread;
mod within;
mod worker;

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use datafusion_distributed::GetWorkerInfoRequest;
use futures::future::join_all;
use tokio::runtime::Handle;
use url::Url;

use crate::engine::{Distribution, EngineOptions};
use crate::error::{Error, Result};
use crate::lake::{Costs, Lake};
use again::WhenAlone;
use lines::Lines;
pub use lines::{Keys, port_of};
use spread::Spread;
pub use worker::{TASKS, WorkerOptions, work};

pub use crate::net::tls::{mutual_tls_acceptor, tls_acceptor};

/// How long a worker may take to say who it is.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a server looks for workers that it does not know.
const FIND: Duration = Duration::from_secs(10);
/// Bytes of data files from which another task is worth its while, where nothing else is said.
pub const TASK_BYTES: u64 = 8 << 20;
/// Workers in one process at most.
const MOST_LOCAL: usize = 64;

/// Where the workers are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Workers {
    /// As many in this process.
    Local(NonZeroUsize),
    /// At these addresses, `host:port`.
    At(Vec<String>),
}

impl Workers {
    /// Reads `local:N`, or addresses with commas between them.
    ///
    /// # Errors
    /// A text that is neither.
    pub fn named(text: &str) -> Result<Self> {
        let wrong = |what: String| {
            Error::usage(what).with_hint("write workers as host:port,host:port, or local:2 for two in this process")
        };
        if let Some(count) = text.strip_prefix("local:") {
            let count = count.parse::<NonZeroUsize>().ok().filter(|count| count.get() <= MOST_LOCAL);
            let count = count.ok_or_else(|| wrong(format!("not a number of workers: {text:?}")))?;
            return Ok(Self::Local(count));
        }
        let addresses: Vec<String> = text.split(',').map(|address| address.trim().to_owned()).collect();
        for address in &addresses {
            port_of(address).ok_or_else(|| wrong(format!("not the address of a worker: {address:?}")))?;
        }
        Ok(Self::At(addresses))
    }
}

/// How plans are spread.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Bytes of data files from which another task is worth its while.
    pub task_bytes: u64,
    /// By what workers and those who ask them know each other.
    pub keys: Keys,
    /// The threads that workers of this process compute on.
    pub computing: Handle,
}

/// The workers that are known, and how they are reached.
pub struct Cluster {
    lines: Lines,
    /// The lake that they read.
    lake: Lake,
    /// Where they are looked for.
    addresses: Vec<String>,
    workers: RwLock<Vec<Known>>,
    task_bytes: u64,
    /// The workers of this process, which live as long as this.
    _within: Option<within::Within>,
}

/// A worker that has said who it is.
#[derive(Debug, Clone)]
struct Known {
    url: Url,
    /// The process, which is another one after a restart.
    instance: String,
}

impl Cluster {
    /// Finds the workers, and asks each who it is. To be called where work waits and none is computed: lines to workers are heard there. Those that are not there are told of; the others must be of this build and read the lake.
    ///
    /// # Errors
    /// No worker that answers; one of another build, or of another lake.
    pub async fn meet(
        workers: &Workers,
        options: &ClusterOptions,
        engine: &EngineOptions,
        lake: &Lake,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<Self>> {
        let (cluster, missing) = Self::met(workers, options, engine, lake).await?;
        if cluster.urls().is_empty() {
            return Err(Error::storage("no worker answers", missing.join("; ")));
        }
        for worker in &missing {
            tell(&format!("a worker does not answer and is left out: {worker}"));
        }
        Ok(Arc::new(cluster))
    }

    /// Finds the workers of a server, which begins without any, too: it looks for them for as long as it runs ([`Cluster::spread_for_long`]).
    ///
    /// # Errors
    /// A worker of another build, or of another lake.
    pub async fn meet_for_long(
        workers: &Workers,
        options: &ClusterOptions,
        engine: &EngineOptions,
        lake: &Lake,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<Self>> {
        let (cluster, missing) = Self::met(workers, options, engine, lake).await?;
        for worker in &missing {
            tell(&format!("a worker does not answer yet: {worker}"));
        }
        if cluster.urls().is_empty() {
            tell("no worker answers; questions run in this process until one does");
        }
        Ok(Arc::new(cluster))
    }

    /// Asks all workers who they are, and says which do not answer.
    async fn met(
        workers: &Workers,
        options: &ClusterOptions,
        engine: &EngineOptions,
        lake: &Lake,
    ) -> Result<(Self, Vec<String>)> {
        let (lines, (urls, mut missing), addresses, within) = match workers {
            Workers::Local(count) => {
                let within = within::Within::start(*count, engine, lake, &options.computing)?;
                (within.lines(), (within.urls(), Vec::new()), Vec::new(), Some(within))
            }
            Workers::At(addresses) => {
                let lines = Lines::to(options.keys.clone(), Handle::current());
                (lines, lines::found(addresses).await?, addresses.clone(), None)
            }
        };
        let (lake, task_bytes) = (lake.clone(), options.task_bytes.max(1));
        let cluster = Self { lines, lake, addresses, workers: RwLock::default(), task_bytes, _within: within };
        let answers = join_all(urls.iter().map(|url| cluster.ask(url))).await;
        let mut known = Vec::new();
        for (url, answer) in urls.iter().zip(answers) {
            match answer {
                Ok(told) => known
                    .push(Known { url: url.clone(), instance: build::require(&told, &cluster.lake, &place_of(url))? }),
                Err(error) => missing.push(format!("{}: {error}", place_of(url))),
            }
        }
        *cluster.workers.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok((cluster, missing))
    }

    /// Spreads plans over the workers; without any that is left they fail.
    pub fn spread(self: &Arc<Self>) -> Arc<dyn Distribution> {
        Arc::new(Spread { cluster: Arc::clone(self), when_alone: WhenAlone::Fail })
    }

    /// Spreads plans over the workers for as long as a server runs: workers that come, or come back, are found, and without any plans run in this
    /// process.
    pub fn spread_for_long(self: &Arc<Self>) -> Arc<dyn Distribution> {
        let known = Arc::downgrade(self);
        self.hearing().spawn(async move {
            loop {
                tokio::time::sleep(FIND).await;
                let Some(cluster) = known.upgrade() else { return };
                cluster.find().await;
            }
        });
        Arc::new(Spread { cluster: Arc::clone(self), when_alone: WhenAlone::Run })
    }

    /// Looks for workers that are not known, as a server does from time to time. One that is known under another process stays so until a query misses it: others may run on it.
    pub async fn find(&self) {
        let Ok((urls, _)) = lines::found(&self.addresses).await else { return };
        let known = self.urls();
        let new: Vec<Url> = urls.into_iter().filter(|url| !known.contains(url)).collect();
        let answers = join_all(new.iter().map(|url| self.ask(url))).await;
        for (url, answer) in new.into_iter().zip(answers) {
            let Ok(told) = answer else { continue };
            match build::require(&told, &self.lake, &place_of(&url)) {
                Ok(instance) => {
                    tracing::info!(target: "worker", worker = place_of(&url), "a worker is there");
                    self.workers.write().unwrap_or_else(PoisonError::into_inner).push(Known { url, instance });
                }
                Err(error) => tracing::warn!(target: "worker", "{error}"),
            }
        }
    }

    /// Asks a worker who it is.
    async fn ask(&self, url: &Url) -> std::result::Result<String, String> {
        let mut line = self.lines.worker(url).map_err(|error| error.strip_backtrace())?;
        match tokio::time::timeout(ANSWER, line.get_worker_info(GetWorkerInfoRequest {})).await {
            Ok(Ok(told)) => Ok(told.version),
            Ok(Err(error)) => Err(lines::plain(&error)),
            Err(_) => Err(format!("no answer in {} s", ANSWER.as_secs())),
        }
    }

    /// Names the workers that do not answer, or are others than before.
    async fn missing(&self) -> Vec<String> {
        self.looked_for().await.iter().map(|worker| place_of(&worker.url)).collect()
    }

    /// Adds what a query has cost on the workers to what it has cost here.
    async fn count(&self, query: &str, costs: &Costs) {
        let channels = self.urls().into_iter().filter_map(|url| self.lines.channel(&url).ok());
        for spent in join_all(channels.map(|channel| spending::asked(channel, query))).await.into_iter().flatten() {
            costs.add(&spent);
        }
    }

    /// The threads that hear and send.
    fn hearing(&self) -> &Handle {
        self.lines.hearing()
    }

    fn known(&self) -> Vec<Known> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The workers that were there when they were last asked.
    fn urls(&self) -> Vec<Url> {
        self.known().into_iter().map(|worker| worker.url).collect()
    }

    /// Asks all workers whether they are still there, and returns those that are not.
    async fn looked_for(&self) -> Vec<Known> {
        let known = self.known();
        let answers = join_all(known.iter().map(|worker| self.ask(&worker.url))).await;
        let is_there = |worker: &Known, answer: &std::result::Result<String, String>| {
            answer.as_ref().is_ok_and(|told| build::instance(told) == Some(worker.instance.as_str()))
        };
        let asked = known.into_iter().zip(&answers);
        asked.filter(|(worker, answer)| !is_there(worker, answer)).map(|(worker, _)| worker).collect()
    }

    /// Leaves out the workers that are gone, and names them.
    async fn lost(&self) -> Vec<String> {
        let lost = self.looked_for().await;
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| !lost.iter().any(|lost| lost.url == worker.url && lost.instance == worker.instance));
        lost.iter().map(|worker| place_of(&worker.url)).collect()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let workers: Vec<_> = self.urls().iter().map(place_of).collect();
        f.debug_tuple("Cluster").field(&workers).finish()
    }
}

/// Names a worker as people do.
fn place_of(url: &Url) -> String {
    match (url.host_str(), url.port_or_known_default()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        _ => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_a_number_or_addresses() {
        assert_eq!(Workers::named("local:3").unwrap(), Workers::Local(NonZeroUsize::new(3).unwrap()));
        let two = Workers::named("a.example:50051, [::1]:7").unwrap();
        assert_eq!(two, Workers::At(vec!["a.example:50051".to_owned(), "[::1]:7".to_owned()]));
        for wrong in
            ["local:0", "local:x", "local:65", "", "host", "host:", "host:99999", "a:1,,b:2", ":5", "http://a:1"]
        {
            assert!(Workers::named(wrong).is_err(), "{wrong}");
        }
    }
}
