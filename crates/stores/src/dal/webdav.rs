//! Streams to a WebDAV server: OpenDAL would gather the whole object in memory first.

use super::failure_of_status;
use crate::failure::Failure;
use crate::settings::Address;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

/// How many pieces may wait to be sent.
const PIECES: usize = 4;

/// Where and as whom is written.
#[derive(Clone)]
pub(super) struct WebDav {
    client: reqwest::Client,
    /// Without a slash at its end.
    base: String,
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
}

impl WebDav {
    pub fn new(address: &Address, client: reqwest::Client) -> Self {
        let scheme = if address.scheme == "webdav" { "http" } else { "https" };
        let port = address.port.map(|port| format!(":{port}")).unwrap_or_default();
        let path = crate::s3::encoded(&address.path, true);
        let slash = if path.is_empty() { "" } else { "/" };
        WebDav {
            client,
            base: format!("{scheme}://{}{port}{slash}{path}", address.host),
            user: address.user.clone().or_else(|| address.option("user").map(str::to_owned)),
            password: address.secrets.get("password").map(str::to_owned),
            token: address.secrets.get("token").map(str::to_owned),
        }
    }

    /// Begins to write an object, of known size or not. The folder above it has to be there.
    pub fn begin(&self, runtime: &'static Runtime, key: &str, size_bytes: Option<u64>) -> Put {
        let (sender, receiver) = channel(PIECES);
        let mut request = self.client.put(format!("{}/{}", self.base, crate::s3::encoded(key, true)));
        request = match (&self.token, &self.user) {
            (Some(token), _) => request.bearer_auth(token),
            (None, Some(user)) => request.basic_auth(user, self.password.as_deref()),
            (None, None) => request,
        };
        let request = request.body(reqwest::Body::wrap(Pipe { receiver, left_bytes: size_bytes }));
        let task = runtime.spawn(async move {
            let answer = request.send().await.map_err(|error| Failure::Unreachable(error.without_url().to_string()))?;
            failure_of_status(answer.status()).map_or(Ok(()), Err)
        });
        Put { runtime, sender: Some(sender), task }
    }
}

/// A write in progress.
pub(super) struct Put {
    runtime: &'static Runtime,
    /// `None` once all was sent.
    sender: Option<Sender<io::Result<Bytes>>>,
    task: JoinHandle<Result<(), Failure>>,
}

impl Put {
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = match &self.sender {
            Some(sender) => crate::runtime::wait(self.runtime, sender.send(Ok(Bytes::copy_from_slice(bytes)))).is_ok(),
            None => false,
        };
        if sent {
            return Ok(());
        }
        // Nobody takes it any more: the request has ended, and says why.
        match self.outcome() {
            Ok(()) => Err(Failure::Unreachable("the server answered before everything was sent".to_owned())),
            Err(failure) => Err(failure),
        }
    }

    pub fn close(mut self) -> Result<(), Failure> {
        self.sender = None;
        self.outcome()
    }

    /// Breaks the request off, so that the server does not take it for whole.
    pub fn abort(mut self) {
        if let Some(sender) = self.sender.take() {
            let broken = sender.try_send(Err(io::Error::other("given up")));
            if broken.is_err() {
                self.task.abort();
            }
        }
        if let Err(failure) = self.outcome() {
            tracing::debug!(?failure, "a write was given up");
        }
    }

    fn outcome(&mut self) -> Result<(), Failure> {
        match crate::runtime::wait(self.runtime, &mut self.task) {
            Ok(outcome) => outcome,
            Err(error) => Err(Failure::Unreachable(error.to_string())),
        }
    }
}

/// The content of a request, as it comes.
struct Pipe {
    receiver: Receiver<io::Result<Bytes>>,
    left_bytes: Option<u64>,
}

impl Body for Pipe {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.receiver.poll_recv(context).map(|piece| {
            let piece = piece?;
            if let (Ok(bytes), Some(left)) = (&piece, self.left_bytes.as_mut()) {
                *left = left.saturating_sub(bytes.len() as u64);
            }
            Some(piece.map(Frame::data))
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.left_bytes.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
