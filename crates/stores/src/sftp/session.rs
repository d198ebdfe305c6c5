//! Sessions, each with an ssh of its own, and the few that wait for their next use.

use super::ssh::{Ssh, Target, understood};
use crate::failure::Failure;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use std::future::Future;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a session waits for its next use.
const IDLE: Duration = Duration::from_secs(60);

/// A connection, with an SFTP server at its other end.
pub(super) struct Session {
    pub sftp: Sftp,
    ssh: Ssh,
    /// How long an answer may take.
    pub call: Duration,
}

impl Session {
    async fn open(target: &Target, call: Duration) -> Result<Self, Failure> {
        let (ssh, stdin, stdout) = Ssh::start(target, call)?;
        match within(call, Sftp::new(stdin, stdout, SftpOptions::new())).await {
            Ok(sftp) => Ok(Session { sftp, ssh, call }),
            Err(error) => match ssh.last_words().await {
                Some(words) => Err(understood(words)),
                None => Err(Failure::Unreachable(error.to_string())),
            },
        }
    }

    /// Ends it in good order, in the background.
    fn retire(self) {
        let Session { sftp, mut ssh, call } = self;
        tokio::spawn(async move {
            let goodbye = async {
                sftp.close().await?;
                ssh.ended().await.map_err(Error::IOError)
            };
            if let Err(error) = within(call, goodbye).await {
                tracing::debug!(%error, "an idle session did not end in good order");
            }
        });
    }
}

/// The sessions of one storage.
pub(super) struct Sessions {
    target: Target,
    call: Duration,
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Sessions {
    pub fn new(target: Target, call: Duration) -> Self {
        Sessions { target, call, idle: Mutex::default() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Session, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a session that nobody else uses.
    pub async fn take(&self) -> Result<Session, Failure> {
        let (old, found) = {
            let mut idle = self.idle();
            let fresh = idle.iter().position(|(_, since)| since.elapsed() < IDLE).unwrap_or(idle.len());
            let old: Vec<_> = idle.drain(..fresh).collect();
            (old, idle.pop())
        };
        old.into_iter().for_each(|(session, _)| session.retire());
        match found {
            Some((session, _)) => Ok(session),
            None => Session::open(&self.target, self.call).await,
        }
    }

    /// Takes back a session that can be used again.
    pub fn give_back(&self, session: Session) {
        self.idle().push((session, Instant::now()));
    }

    /// Understands an error met in a session, which is kept if it was an answer of the server, and else given up with all that
    /// wait: what broke one has most likely broken the others.
    pub async fn after(&self, session: Session, error: Error) -> Failure {
        if let Some(failure) = answer(&error) {
            self.give_back(session);
            return failure;
        }
        let others = std::mem::take(&mut *self.idle());
        others.into_iter().for_each(|(session, _)| session.retire());
        let words = session.ssh.last_words().await;
        Failure::Unreachable(words.unwrap_or_else(|| error.to_string()))
    }
}

/// Understands an answer; `None` when it is none, and the connection is of no more use.
pub(super) fn answer(error: &Error) -> Option<Failure> {
    let Error::SftpError(kind, message) = error else { return None };
    let said = format!("{kind:?}: {}", message.get().0);
    Some(match kind {
        SftpErrorKind::NoSuchFile => Failure::Missing,
        SftpErrorKind::PermDenied => Failure::Denied(said),
        SftpErrorKind::OpUnsupported => Failure::Other(said),
        // The protocol has no more than "failure" for a full disk, a quota or a fault that passes.
        _ => Failure::Unreachable(said),
    })
}

/// Waits no longer than `call` for an answer.
pub(super) async fn within<T>(call: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(call, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::IOError(io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))),
    }
}
