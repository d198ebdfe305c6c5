//! What is asked of a server: single steps, each with an answer within its time.

use super::session::{Session, within};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use openssh_sftp_client::Error;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::file::File;
use openssh_sftp_client::metadata::MetaData;
use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use tokio::io::AsyncSeekExt;

/// The most that is asked for at once; a server's own bound may be lower.
const READ_BYTES: u64 = 256 << 10;

impl Session {
    pub async fn stat(&self, path: &Path) -> Result<Option<MetaData>, Error> {
        match within(self.call, self.sftp.fs().metadata(path)).await {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes a folder and those above it, as far as they are missing.
    async fn make_folder(&self, path: &Path) -> Result<(), Error> {
        if self.stat(path).await?.is_some() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            Box::pin(self.make_folder(parent)).await?;
        }
        match within(self.call, self.sftp.fs().create_dir(path)).await {
            // Another one may have made it meanwhile; the protocol does not say.
            Err(error) if self.stat(path).await?.is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// Opens a file to be written from its beginning.
    pub async fn create(&self, path: &Path) -> Result<File, Error> {
        let open = || async { within(self.call, self.sftp.create(path)).await };
        match (open().await, path.parent()) {
            (Err(error), Some(folder)) if is_missing(&error) => {
                self.make_folder(folder).await?;
                open().await
            }
            (opened, _) => opened,
        }
    }

    /// Opens a file that is there, to go on writing.
    pub async fn reopen(&self, path: &Path) -> Result<File, Error> {
        within(self.call, self.sftp.options().write(true).open(path)).await
    }

    pub async fn write_at(&self, file: &mut File, mut offset: u64, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            file.seek(SeekFrom::Start(offset)).await?;
            let written = within(self.call, file.write(bytes)).await?;
            offset += written as u64;
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Closes a file that was written. What the server can make durable is durable then.
    pub async fn settle(&self, mut file: File) -> Result<(), Error> {
        if self.sftp.support_fsync() {
            within(self.call, file.sync_all()).await?;
        }
        within(self.call, file.close()).await
    }

    /// Reads a range; less of it where the file ends.
    pub async fn read(&self, path: &Path, range: Range<u64>) -> Result<Bytes, Error> {
        let mut file = within(self.call, self.sftp.open(path)).await?;
        let mut content = BytesMut::with_capacity((range.end - range.start) as usize);
        let mut offset = range.start;
        while offset < range.end {
            // The client moves on by what was asked for, not by what came.
            file.seek(SeekFrom::Start(offset)).await?;
            let wanted = (range.end - offset).min(READ_BYTES) as u32;
            match within(self.call, file.read(wanted, BytesMut::new())).await? {
                Some(piece) if !piece.is_empty() => {
                    offset += piece.len() as u64;
                    content.extend_from_slice(&piece);
                }
                _ => break,
            }
        }
        within(self.call, file.close()).await?;
        Ok(content.freeze())
    }

    /// Renames, over what is there if the server can.
    pub async fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        within(self.call, self.sftp.fs().rename(from, to)).await
    }

    pub async fn remove(&self, path: &Path) -> Result<(), Error> {
        match within(self.call, self.sftp.fs().remove_file(path)).await {
            Err(error) if !is_missing(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Lists a folder; nothing when there is none. What has no name in UTF-8 is nothing of ours.
    pub async fn entries(&self, folder: &Path) -> Result<Vec<(String, MetaData)>, Error> {
        let opened = match within(self.call, self.sftp.fs().open_dir(folder)).await {
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            opened => opened?,
        };
        let mut entries = pin!(opened.read_dir());
        let mut found = Vec::new();
        loop {
            let next = std::future::poll_fn(|context| entries.as_mut().poll_next(context));
            let next = within(self.call, async { next.await.transpose() }).await?;
            let Some(entry) = next else { return Ok(found) };
            match entry.filename().to_str() {
                None | Some("." | "..") => {}
                Some(name) => found.push((name.to_owned(), entry.metadata())),
            }
        }
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::SftpError(SftpErrorKind::NoSuchFile, _))
}
