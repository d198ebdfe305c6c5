use super::{Client, Condition, Dal, Failure, failure, hidden_name};
use crate::client::ClientStream;
use opendal::Writer;
use opendal::options::WriteOptions;

/// A large write through OpenDAL, which sends parts at once where the store takes parts.
pub(super) struct DalStream {
    client: Dal,
    key: String,
    /// What is written to: the key itself, or a hidden name.
    target: String,
    /// `None` once it is closed.
    writer: Option<Writer>,
    total_bytes: u64,
}

impl DalStream {
    pub fn begin(client: Dal, key: &str, token: &str) -> Result<Self, Failure> {
        let target = if client.renames { hidden_name(key, token) } else { key.to_owned() };
        let options = client.write_options(Condition::Absent, token);
        let options = match client.renames {
            // One after the other: these servers take an object as one stream.
            true => options,
            false => {
                let (chunk, concurrent) = (Some(client.transfer.part_bytes), client.transfer.concurrency);
                WriteOptions { chunk, concurrent, ..options }
            }
        };
        let writer = client.wait(client.operator.writer_options(&target, options))?;
        Ok(DalStream { client, key: key.to_owned(), target, writer: Some(writer), total_bytes: 0 })
    }
}

impl ClientStream for DalStream {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let Some(writer) = &mut self.writer else { return Err(Failure::Other("the write has ended".to_owned())) };
        if bytes.is_empty() {
            return Ok(());
        }
        self.total_bytes += bytes.len() as u64;
        let content = bytes::Bytes::copy_from_slice(bytes);
        crate::runtime::wait(self.client.runtime, writer.write(content)).map_err(|error| failure(&error))
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let Some(mut writer) = self.writer.take() else { return Err(Failure::Other("the write has ended".to_owned())) };
        if self.client.head(&self.key)?.is_some() {
            self.writer = Some(writer);
            return Err(Failure::Condition);
        }
        let closed = crate::runtime::wait(self.client.runtime, writer.close());
        if let Err(error) = closed {
            self.writer = Some(writer);
            return Err(failure(&error));
        }
        match self.client.head(&self.target)? {
            Some(found) if found.size_bytes == self.total_bytes => {}
            Some(found) => {
                let detail = format!("{} bytes were sent, {} are there", self.total_bytes, found.size_bytes);
                return Err(Failure::WrongBytes(detail));
            }
            None => return Err(Failure::Missing),
        }
        if self.client.renames {
            let renamed = self.client.rename(&self.target, &self.key, Condition::Absent);
            if renamed.is_err() {
                self.client.delete(&self.target)?;
            }
            return renamed;
        }
        Ok(())
    }
}

impl Drop for DalStream {
    fn drop(&mut self) {
        let Some(mut writer) = self.writer.take() else { return };
        let aborted = crate::runtime::wait(self.client.runtime, writer.abort());
        if let Err(error) = aborted {
            tracing::debug!(%error, "a write could not be aborted");
        }
        drop(writer);
        if self.client.renames {
            if let Err(failure) = self.client.delete(&self.target) {
                tracing::info!(?failure, key = self.target, "a left-over stays until the next sweep");
            }
        }
    }
}
