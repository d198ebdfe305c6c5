use super::webdav::Put;
use super::{Client, Condition, Dal, Failure, failure, hidden};
use crate::client::ClientStream;
use opendal::Writer;
use opendal::options::WriteOptions;

/// A large write, in parts at once where the store takes parts, else as one stream.
pub(super) struct DalStream {
    client: Dal,
    key: String,
    /// What is written to: the key itself, or a hidden name.
    target: String,
    /// `None` once it is closed.
    sink: Option<Sink>,
    total_bytes: u64,
}

enum Sink {
    Dal(Writer),
    WebDav(Put),
}

impl DalStream {
    pub fn begin(client: &Dal, key: &str, token: &str, size_bytes: Option<u64>) -> Result<Self, Failure> {
        let client = client.patient();
        let target = if client.renames { hidden::name(key, token) } else { key.to_owned() };
        let sink = match &client.webdav {
            Some(webdav) => {
                if let Some((folder, _)) = target.rsplit_once('/') {
                    client.wait(client.operator.create_dir(&format!("{folder}/")))?;
                } else {
                    client.wait(client.operator.create_dir("/"))?;
                }
                Sink::WebDav(webdav.begin(client.runtime, &target, size_bytes))
            }
            None => {
                let options = client.write_options(Condition::Absent, token);
                let (chunk, concurrent) = (Some(client.transfer.part_bytes), client.transfer.concurrency);
                let options = WriteOptions { chunk, concurrent, ..options };
                Sink::Dal(client.wait(client.operator.writer_options(&target, options))?)
            }
        };
        Ok(DalStream { client, key: key.to_owned(), target, sink: Some(sink), total_bytes: 0 })
    }

    fn close(&self, sink: Sink) -> Result<(), Failure> {
        match sink {
            Sink::WebDav(put) => put.close(),
            Sink::Dal(mut writer) => {
                let closed = crate::runtime::wait(self.client.runtime, writer.close());
                closed.map(|_| ()).map_err(|error| failure(&error))
            }
        }
    }

    fn finish_and_rename(&self, sink: Sink) -> Result<(), Failure> {
        self.close(sink)?;
        match self.client.head(&self.target)? {
            Some(found) if found.size_bytes == self.total_bytes => {}
            Some(found) => {
                let detail = format!("{} bytes were sent, {} are there", self.total_bytes, found.size_bytes);
                return Err(Failure::WrongBytes(detail));
            }
            None => return Err(Failure::Missing),
        }
        match self.client.renames {
            true => self.client.rename(&self.target, &self.key, Condition::Absent),
            false => Ok(()),
        }
    }

    /// Removes what lies under the hidden name.
    fn discard(&self) {
        if self.client.renames {
            hidden::discard(&self.client, &self.target);
        }
    }
}

impl ClientStream for DalStream {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.total_bytes += bytes.len() as u64;
        match &mut self.sink {
            None => Err(Failure::Other("the write has ended".to_owned())),
            Some(Sink::WebDav(put)) => put.write(bytes),
            Some(Sink::Dal(writer)) => {
                let content = bytes::Bytes::copy_from_slice(bytes);
                crate::runtime::wait(self.client.runtime, writer.write(content)).map_err(|error| failure(&error))
            }
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        // Before the store is told that the object is whole: nothing of ours appears beside what is there.
        if self.client.head(&self.key)?.is_some() {
            return Err(Failure::Condition);
        }
        let Some(sink) = self.sink.take() else { return Err(Failure::Other("the write has ended".to_owned())) };
        self.finish_and_rename(sink).inspect_err(|_| self.discard())
    }
}

impl Drop for DalStream {
    fn drop(&mut self) {
        match self.sink.take() {
            None => return,
            Some(Sink::WebDav(put)) => put.abort(),
            Some(Sink::Dal(mut writer)) => {
                let aborted = crate::runtime::wait(self.client.runtime, writer.abort());
                if let Err(error) = aborted {
                    tracing::debug!(%error, "a write could not be aborted");
                }
            }
        }
        self.discard();
    }
}
