//! Lines to workers: HTTP/2 over TCP, encrypted and with a token where that is asked for, or within this process.
//!
//! A line that is silent is asked for a sign of life. Without it a peer that vanished, a cut network or a process that stands still would hold
//! a query for ever: the library under the plans waits without a limit.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result as EngineResult, exec_datafusion_err};
use datafusion_distributed::grpc::{BoxCloneSyncChannel, create_worker_client};
use datafusion_distributed::{ChannelResolver, WorkerChannel};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::AUTHORIZATION;
use tonic::codegen::http::{HeaderValue, Request, Uri};
use tonic::transport::Endpoint;
use tower::{ServiceExt, service_fn};
use url::Url;

use crate::error::{Error, Result};
use crate::net::listening::Wire;
use crate::net::tls::tls_connector;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a line may be silent before it is asked for a sign of life, and how long that may take.
pub const SILENCE: Duration = Duration::from_secs(5);
/// Workers at most that the names of the workers may stand for.
const MOST_FOUND: usize = 1_000;

/// By what workers and those who ask them know each other.
#[derive(Clone, Default)]
pub struct Keys {
    /// What a worker wants to hear.
    pub token: Option<String>,
    /// Encrypts, and says who is there.
    pub tls: Option<TlsConnector>,
}

impl Keys {
    /// Reads the keys: the certificates that those of workers are signed by, and a certificate of one's own with its key, all in PEM.
    ///
    /// # Errors
    /// Files that cannot be read, or hold something else.
    pub fn read(token: Option<String>, authority: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Self> {
        if authority.is_none() && own.is_some() {
            return Err(Error::usage("a certificate of one's own, and none that those of workers are signed by")
                .with_hint("name it with ⟨worker-ca⟩"));
        }
        if let Some(token) = &token {
            HeaderValue::from_str(token).map_err(|_| Error::usage("the token has characters that none may have"))?;
        }
        Ok(Self { token, tls: authority.map(|authority| tls_connector(authority, own, &["h2"])).transpose()? })
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Makes a line's bytes, for a worker of this process.
pub type Dial = Arc<dyn Fn(&Url) -> io::Result<Box<dyn Wire>> + Send + Sync>;

/// How workers are reached.
#[derive(Clone)]
pub struct Lines {
    keys: Keys,
    /// For workers of this process.
    dial: Option<Dial>,
    /// The threads that hear and send, which are not those that compute: an operator may compute for long without a pause, and a line that
    /// gives no sign of life meanwhile would be taken for dead.
    hearing: Handle,
    open: Arc<Mutex<HashMap<Url, BoxCloneSyncChannel>>>,
}

impl Lines {
    /// Reaches workers over the network.
    pub fn to(keys: Keys, hearing: Handle) -> Self {
        Self { keys, dial: None, hearing, open: Arc::default() }
    }

    /// Reaches workers of this process.
    pub fn within(dial: Dial, hearing: Handle) -> Self {
        Self { keys: Keys::default(), dial: Some(dial), hearing, open: Arc::default() }
    }

    /// The threads that hear and send.
    pub fn hearing(&self) -> &Handle {
        &self.hearing
    }

    /// Returns a line to a worker, for tasks.
    pub fn worker(&self, url: &Url) -> EngineResult<Box<dyn WorkerChannel>> {
        Ok(create_worker_client(self.channel(url)?))
    }

    /// Returns a line to a worker. It is connected when it is first used, and again when it broke.
    pub fn channel(&self, url: &Url) -> EngineResult<BoxCloneSyncChannel> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(url) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::try_from(url.to_string())
            .map_err(|error| exec_datafusion_err!("not the address of a worker: {url}: {error}"))?
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(SILENCE)
            .keep_alive_timeout(SILENCE)
            .keep_alive_while_idle(true);
        let (url_of_worker, lines) = (url.clone(), self.clone());
        let _hearing = self.hearing.enter();
        let channel = endpoint.connect_with_connector_lazy(service_fn(move |_: Uri| {
            let (url, lines) = (url_of_worker.clone(), lines.clone());
            async move { lines.connected(&url).await.map(TokioIo::new) }
        }));
        let token = self.keys.token.as_ref().map(|token| format!("Bearer {token}"));
        let token = token.and_then(|token| HeaderValue::from_str(&token).ok());
        let channel = channel.map_request(move |mut request: Request<Body>| {
            if let Some(token) = &token {
                request.headers_mut().insert(AUTHORIZATION, token.clone());
            }
            request
        });
        let channel = BoxCloneSyncChannel::new(channel);
        open.insert(url.clone(), channel.clone());
        Ok(channel)
    }

    async fn connected(&self, url: &Url) -> io::Result<Box<dyn Wire>> {
        if let Some(dial) = &self.dial {
            return dial(url);
        }
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, url.port_or_known_default().unwrap_or_default())).await?;
        stream.set_nodelay(true)?;
        match &self.keys.tls {
            None => Ok(Box::new(stream)),
            Some(tls) => {
                let name = ServerName::try_from(bare.to_owned()).map_err(io::Error::other)?;
                Ok(Box::new(tls.connect(name, stream).await?))
            }
        }
    }
}

#[async_trait]
impl ChannelResolver for Lines {
    async fn get_worker_client_for_url(&self, url: &Url) -> EngineResult<Box<dyn WorkerChannel>> {
        self.worker(url)
    }
}

/// Reads the port of `host:port`; `None` where the text is none.
pub fn port_of(address: &str) -> Option<u16> {
    let (host, port) = address.rsplit_once(':')?;
    let is_host = !host.is_empty() && !host.contains(['/', '@', ' ']) && (!host.contains(':') || host.starts_with('['));
    port.parse().ok().filter(|port| *port > 0 && is_host)
}

/// Finds the workers behind addresses. A name that stands for several addresses, as that of a service does, is a worker at each.
///
/// With TLS a worker is known by the name in its certificate, so that a name of one address stays a name. Beside the workers it returns what is wrong with
/// names that stand for none now.
///
/// # Errors
/// More workers than there may be.
pub async fn found(addresses: &[String]) -> Result<(Vec<Url>, Vec<String>)> {
    let (mut urls, mut unknown) = (Vec::new(), Vec::new());
    for address in addresses {
        let mut places: Vec<SocketAddr> = match tokio::net::lookup_host(address).await {
            Ok(places) => places.collect(),
            Err(error) => {
                unknown.push(format!("{address}: {error}"));
                continue;
            }
        };
        places.sort_unstable();
        places.dedup();
        // One machine may have an address of each family.
        let (four, six): (Vec<SocketAddr>, Vec<SocketAddr>) = places.into_iter().partition(SocketAddr::is_ipv4);
        match (four.len(), six.len()) {
            (0, 0) => unknown.push(format!("{address}: the name stands for no address")),
            (0 | 1, 0 | 1) => urls.push(format!("http://{address}")),
            (0, _) => urls.extend(six.iter().map(|place| format!("http://{place}"))),
            _ => urls.extend(four.iter().map(|place| format!("http://{place}"))),
        }
    }
    let mut parsed = Vec::with_capacity(urls.len());
    for url in urls {
        let url =
            Url::parse(&url).map_err(|error| Error::usage(format!("not the address of a worker: {url}: {error}")))?;
        if !parsed.contains(&url) {
            parsed.push(url);
        }
    }
    if parsed.len() > MOST_FOUND {
        return Err(Error::usage(format!("{} workers are more than {MOST_FOUND}", parsed.len())));
    }
    Ok((parsed, unknown))
}

/// Says what an error comes down to, without what libraries put around it.
pub fn plain(error: &DataFusionError) -> String {
    let text = error.strip_backtrace();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut last = text;
    while let Some(inner) = source {
        if let Some(status) = inner.downcast_ref::<Status>()
            && status.source().is_none()
        {
            return status.message().to_owned();
        }
        last = inner.to_string();
        source = inner.source();
    }
    last
}
