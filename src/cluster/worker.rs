//! A worker: it runs stages that others planned, over the data files of one lake.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use datafusion::common::{DataFusionError, Result as EngineResult, exec_datafusion_err};
use datafusion::execution::SessionState;
use datafusion_distributed::{
    DistributedExt, NetworkBoundaryExt, Worker, WorkerPlanRewriteEvent, WorkerPlanRewriteEventResponse,
    WorkerQueryContext,
};
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinError;
use tokio_rustls::TlsAcceptor;
use tonic::body::Body;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::NamedService;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tonic::{Request, Status};
use tower::Service;

use super::build::{build, told};
use super::lines::{Keys, Lines, SILENCE};
use super::plan::{BUILD, SETTINGS};
use super::refusals::Refusals;
use super::spending::{self, QUERY, Spending};
use crate::engine::{EngineOptions, Resources, ScanCodec, ToldTables, settled};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::net::listening::{ENDING, Wire, each_connection, secured, stopping};

/// Tasks that a worker runs at once, where nothing else is said.
pub const TASKS: usize = 256;
/// Bytes of a message, of plans above all.
const MESSAGE_BYTES: usize = 64 << 20;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that are ready and wait to be taken.
const WAITING: usize = 64;

/// What a worker may do.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// The lake whose files it reads.
    pub lake: Lake,
    /// Its memory, disk and threads.
    pub engine: EngineOptions,
    /// Tasks at once.
    pub tasks: usize,
    /// What it wants to hear, and what it tells other workers.
    pub keys: Keys,
    /// The threads that compute.
    pub computing: Handle,
}

impl WorkerOptions {
    /// The options of a worker of this process.
    pub(super) fn within(lake: Lake, engine: EngineOptions, computing: Handle) -> Self {
        Self { lake, engine, tasks: TASKS, keys: Keys::default(), computing }
    }
}

/// Works until it is told to stop, and then lets stages end for ten seconds.
///
/// # Errors
/// A temporary folder that cannot be used; a listener that fails.
pub async fn work(
    options: WorkerOptions,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let resources = Resources::new(&options.engine)?;
    let lines = Lines::to(options.keys.clone(), Handle::current());
    let (sender, come) = mpsc::channel(WAITING);
    let refusals = Refusals::default();
    tokio::spawn(take(listener, tls, sender, refusals.clone(), stop.clone()));
    let incoming = unfold(come, async |mut come| come.recv().await.map(|line| (Ok::<_, io::Error>(line), come)));
    serve(options, resources, lines, incoming, refusals, stop)?.await
}

/// Makes the service of a worker over connections.
///
/// # Errors
/// A token that no header can have.
pub(super) fn serve(
    options: WorkerOptions,
    resources: Resources,
    lines: Lines,
    incoming: impl Stream<Item = io::Result<Line>> + Send + 'static,
    refusals: Refusals,
    mut stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = Result<()>> + Send + 'static> {
    let instance = uuid::Uuid::new_v4().simple().to_string();
    let version = told(&options.lake, &instance);
    let token = options.keys.token.clone();
    let tables = Arc::new(ToldTables::of(options.lake.clone()));
    let tasks = Arc::new(Semaphore::new(options.tasks));
    let (runtime, engine) = (resources.runtime(), options.engine.clone());
    let spending = Spending::default();
    let counting = spending.clone();
    let builder = move |context: WorkerQueryContext| {
        let session = session(context, &resources, &engine, &tables, &lines, &tasks, &counting);
        async move { session }
    };
    let worker = Worker::from_session_builder(builder).with_runtime_env(runtime).with_version(version);
    let service = worker.into_worker_server().max_decoding_message_size(MESSAGE_BYTES);
    let service = Apart { inner: service, computing: options.computing, spending };
    let service = InterceptedService::new(service, move |request: Request<()>| {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
        known(request, token.as_deref()).inspect_err(|_| refusals.note(peer, "a token that is not the worker's"))
    });
    let (told, mut stopped) = watch::channel(false);
    let serving = Server::builder()
        .http2_keepalive_interval(Some(SILENCE))
        .http2_keepalive_timeout(Some(SILENCE))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move {
            stopping(&mut stop).await;
            let _ = told.send(true);
        });
    let late = async move {
        stopping(&mut stopped).await;
        tokio::time::sleep(ENDING).await;
    };
    Ok(async move {
        tokio::select! {
            served = serving => served.map_err(|error| Error::storage("worker", error)),
            () = late => Ok(()),
        }
    })
}

/// Answers on the threads that compute, but for the question who the worker is: that is answered while they are busy, too, as signs of life are.
#[derive(Clone)]
struct Apart<S> {
    inner: S,
    computing: Handle,
    spending: Spending,
}

impl<S: NamedService> NamedService for Apart<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<HttpRequest<Body>> for Apart<S>
where
    S: Service<HttpRequest<Body>, Response = HttpResponse<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        if request.uri().path() == spending::PATH {
            return Box::pin(std::future::ready(Ok(self.spending.answer(request.headers()))));
        }
        let is_of_itself = request.uri().path().ends_with("/GetWorkerInfo");
        let answer = self.inner.call(request);
        if is_of_itself {
            return Box::pin(answer);
        }
        let answer = self.computing.spawn(answer);
        Box::pin(async move {
            let failed = |error: JoinError| Ok(Status::internal(error.to_string()).into_http());
            answer.await.unwrap_or_else(failed)
        })
    }
}

/// Refuses whoever does not know the token.
fn known(request: Request<()>, token: Option<&str>) -> std::result::Result<Request<()>, Status> {
    let Some(token) = token else { return Ok(request) };
    let given = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    // By hashes, so that the time it takes tells nothing of the token.
    let hashed = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    match hashed(given).as_ref() == hashed(token).as_ref() {
        true => Ok(request),
        false => Err(Status::unauthenticated("the worker wants another token")),
    }
}

/// Builds the session of a stage.
fn session(
    mut context: WorkerQueryContext,
    resources: &Resources,
    engine: &EngineOptions,
    tables: &Arc<ToldTables>,
    lines: &Lines,
    tasks: &Arc<Semaphore>,
    spending: &Spending,
) -> EngineResult<SessionState> {
    let header = |name: &str| context.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header(BUILD) != build() {
        let message = format!("the worker is of another build than who asks it: {:?}", build());
        return Err(Error::usage(message).into());
    }
    let seat = Arc::clone(tasks).try_acquire_owned().map_err(|_| {
        DataFusionError::ResourcesExhausted(
            "the worker runs as many tasks as ⟨max-tasks⟩ lets it; try again later".to_owned(),
        )
    })?;
    let (settings, costs) = (header(SETTINGS).to_owned(), spending.of(header(QUERY)));
    let base = context.builder.config().take().ok_or_else(|| exec_datafusion_err!("a stage without a session"))?;
    let base = base
        .with_distributed_user_codec(ScanCodec::of(Arc::clone(tables), Arc::clone(&costs)))
        .with_distributed_channel_resolver(lines.clone())
        .with_distributed_worker_plan_rewrite_handler(settle)
        // It goes with the session, which lives as long as the task.
        .with_extension(Arc::new(seat));
    Ok(resources.stage_session(engine, base, &settings, &costs)?)
}

/// Puts operators of ours into a stage.
fn settle(event: WorkerPlanRewriteEvent<'_>) -> EngineResult<WorkerPlanRewriteEventResponse> {
    let plan = settled(event.plan, event.session_config.options(), &|node| node.is_network_boundary())?;
    Ok(WorkerPlanRewriteEventResponse::new(plan))
}

/// Takes connections until the worker is to stop.
async fn take(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    sender: mpsc::Sender<Line>,
    refusals: Refusals,
    stop: watch::Receiver<bool>,
) {
    each_connection(listener, stop, |stream| {
        let (tls, sender, refusals) = (tls.clone(), sender.clone(), refusals.clone());
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let peer = stream.peer_addr().ok();
            match secured(stream, tls, HANDSHAKE).await {
                Some(wire) => drop(sender.send(Line::of(wire, peer)).await),
                None => refusals.note(peer, "no handshake that the worker's TLS takes"),
            }
        });
    })
    .await;
}

/// A connection.
pub(super) struct Line {
    wire: Box<dyn Wire>,
    peer: Peer,
}

/// Who is at the other end; nobody is known of a line within this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(Option<SocketAddr>);

impl Line {
    pub fn of(wire: Box<dyn Wire>, peer: Option<SocketAddr>) -> Self {
        Self { wire, peer: Peer(peer) }
    }
}

impl Connected for Line {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}
