use super::session::Session;
use super::{Client, Condition, Failure, Sftp, hidden};
use crate::client::ClientStream;
use openssh_sftp_client::Error;
use openssh_sftp_client::file::File;

/// A large write. A piece whose answer was lost is written again, at its place: the same bytes over the same bytes.
pub(super) struct SftpStream {
    client: Sftp,
    key: String,
    hidden: String,
    /// The file under its hidden name; `None` until the first byte, and after a failure.
    open: Option<(Session, File)>,
    sent_bytes: u64,
    is_over: bool,
}

impl SftpStream {
    pub fn new(client: Sftp, key: &str, writer: &str) -> Self {
        let hidden = hidden::name(key, writer);
        SftpStream { client, key: key.to_owned(), hidden, open: None, sent_bytes: 0, is_over: false }
    }

    async fn opened(&mut self) -> Result<(Session, File), Failure> {
        if let Some(open) = self.open.take() {
            return Ok(open);
        }
        let session = self.client.shared.sessions.take().await?;
        let path = self.client.path(&self.hidden);
        let file = match self.sent_bytes {
            0 => session.create(&path).await,
            _ => session.reopen(&path).await,
        };
        match file {
            Ok(file) => Ok((session, file)),
            Err(error) => Err(self.client.shared.sessions.after(session, error).await),
        }
    }

    /// Does something with the file, on a new connection after a failure. What gives the file back goes on later.
    fn patiently(
        &mut self,
        work: impl AsyncFn(&Session, File, u64) -> Result<Option<File>, Error>,
    ) -> Result<(), Failure> {
        let patience = self.client.shared.patience;
        let runtime = self.client.shared.runtime;
        let done = patience.run(|_| {
            crate::runtime::wait(runtime, async {
                let (session, file) = self.opened().await?;
                match work(&session, file, self.sent_bytes).await {
                    Ok(Some(file)) => self.open = Some((session, file)),
                    Ok(None) => self.client.shared.sessions.give_back(session),
                    Err(error) => return Err(self.client.shared.sessions.after(session, error).await),
                }
                Ok(())
            })
        });
        done.map_err(|gave_up| gave_up.failure)
    }

    fn rename(&self) -> Result<(), Failure> {
        let patience = self.client.shared.patience;
        let renamed = patience.run(|attempt| {
            match self.client.rename(&self.hidden, &self.key, self.sent_bytes, Condition::Absent) {
                // The answer to the attempt before was lost, and it was done.
                Err(Failure::Missing) if attempt > 0 => match self.client.head(&self.key)? {
                    Some(found) if found.size_bytes == self.sent_bytes => Ok(()),
                    _ => Err(Failure::Missing),
                },
                renamed => renamed,
            }
        });
        renamed.map_err(|gave_up| gave_up.failure)
    }
}

impl ClientStream for SftpStream {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.patiently(async |session, mut file, offset| {
            session.write_at(&mut file, offset, bytes).await?;
            Ok(Some(file))
        })?;
        self.sent_bytes += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        // Before the object is whole: nothing of ours appears beside what is there.
        let patience = self.client.shared.patience;
        let there = patience.run(|_| self.client.head(&self.key)).map_err(|gave_up| gave_up.failure)?;
        if there.is_some() {
            return Err(Failure::Condition);
        }
        self.patiently(async |session, file, _| session.settle(file).await.map(|()| None))?;
        self.rename()?;
        self.is_over = true;
        Ok(())
    }
}

impl Drop for SftpStream {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        if let Some((session, file)) = self.open.take() {
            drop(file);
            self.client.shared.sessions.give_back(session);
        }
        hidden::discard(&self.client, &self.hidden);
    }
}
