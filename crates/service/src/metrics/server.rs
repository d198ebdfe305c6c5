//! The pages, over HTTP. One thread with a runtime of its own; a few connections at a time, each bounded in size and time, so that
//! nobody who can reach the port can hold up more than this page.

use super::{CONTENT_TYPE, MetricsError, Snapshot, SnapshotCache, exposition, health_page};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, Response, StatusCode, header};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// So many connections are served at a time; more wait.
const CONNECTIONS_AT_MOST: usize = 16;
/// A request's head must be here within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection ends after this, whatever goes on.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// An answer that takes longer is none. Prometheus waits for ten seconds unless it is told otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// A request's head is no larger.
const HEAD_LIMIT_BYTES: usize = 16 << 10;
/// After a failed accept (too many open files, say) there is no use in trying at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where the pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether others than this host may reach it. There is neither a password nor TLS.
    pub allow_remote: bool,
}

/// Serves `/metrics`, `/health` and `/ready` until it is stopped or dropped.
pub struct MetricsServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Begins to listen. Returns when connections are accepted.
    ///
    /// # Errors
    /// `MetricsRemote`, `MetricsListen`.
    pub fn start(settings: MetricsSettings, cache: Arc<SnapshotCache>) -> Result<Self, MetricsError> {
        let address = settings.listen.to_string();
        if !settings.listen.ip().is_loopback() && !settings.allow_remote {
            return Err(MetricsError::MetricsRemote { address });
        }
        let failed = |cause: std::io::Error| MetricsError::MetricsListen {
            address: settings.listen.to_string(),
            cause: cause.to_string(),
        };
        let listener = TcpListener::bind(settings.listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || {
            runtime.block_on(async move {
                let accepting = tokio::spawn(accept(listener, router(cache)));
                // Dropped without a word means the same.
                let _ = stopped.await;
                accepting.abort();
            });
            // A snapshot that is being taken may wait for a server that does not answer; nobody waits for it any more.
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(failed)?;
        Ok(MetricsServer { address: bound, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends; open connections are closed.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It fails only when the thread has ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the metrics panicked");
        }
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        self.end();
    }
}

async fn accept(listener: TcpListener, router: Router) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the metrics can't be served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_AT_MOST));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(HEAD_LIMIT_BYTES);
            let connection = http.serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a connection ended"),
                Err(_) => tracing::debug!("a connection took too long"),
            }
            drop(place);
        });
    }
}

fn router(cache: Arc<SnapshotCache>) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .fallback(|| async { page(StatusCode::NOT_FOUND, TEXT, "See /metrics, /health and /ready.\n".to_owned()) })
        .method_not_allowed_fallback(|method: Method| async move {
            page(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("{method} is not served here.\n"))
        })
        .with_state(cache)
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

async fn metrics(State(cache): State<Arc<SnapshotCache>>) -> Response<Body> {
    let Some(snapshot) = take(cache).await else { return too_slow() };
    match exposition(&snapshot) {
        Ok(text) => page(StatusCode::OK, CONTENT_TYPE, text),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

async fn health(State(cache): State<Arc<SnapshotCache>>) -> Response<Body> {
    let Some(snapshot) = take(cache).await else { return too_slow() };
    let (found, is_well) = health_page(&snapshot);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    match serde_json::to_string(&found) {
        Ok(text) => page(status, JSON, text + "\n"),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

async fn ready(State(cache): State<Arc<SnapshotCache>>) -> Response<Body> {
    let Some(snapshot) = take(cache).await else { return too_slow() };
    match snapshot.health.is_some() {
        true => page(StatusCode::OK, TEXT, "ready\n".to_owned()),
        false => page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the repository can't be read\n".to_owned()),
    }
}

/// Takes a snapshot away from the runtime's thread, which has others to serve.
async fn take(cache: Arc<SnapshotCache>) -> Option<Arc<Snapshot>> {
    let taken = tokio::task::spawn_blocking(move || cache.get());
    match tokio::time::timeout(ANSWER_TIMEOUT, taken).await {
        Ok(Ok(snapshot)) => Some(snapshot),
        Ok(Err(error)) => {
            tracing::error!(%error, "the snapshot could not be taken");
            None
        }
        Err(_) => None,
    }
}

fn too_slow() -> Response<Body> {
    page(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the values could not be gathered in time\n".to_owned())
}

fn page(status: StatusCode, media_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}
