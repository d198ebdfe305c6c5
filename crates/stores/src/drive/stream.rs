//! An upload in pieces. What was received is asked for after every failure; nobody sees the file before its last piece.

use super::Drive;
use super::credentials::Hidden;
use super::files::{File, MULTIPART_BYTES, Place};
use crate::client::{ClientStream, Condition};
use crate::failure::Failure;
use bytes::Bytes;
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};

/// An upload that was begun, at the address that Drive gave for it.
pub(super) struct Session {
    drive: Drive,
    address: Hidden,
    is_over: bool,
}

/// How far an upload is.
enum Progress {
    Received(u64),
    Done(Box<File>),
}

impl Session {
    pub fn begin(drive: &Drive, place: Place<'_>, writer: &str) -> Result<Self, Failure> {
        let address = drive.begin_upload(place, writer)?;
        Ok(Session { drive: drive.clone(), address, is_over: false })
    }

    fn ask(&self, range: String, content: Bytes) -> Result<Progress, Failure> {
        let answer = match self.drive.ask_session(Method::PUT, &self.address, Some(range), content) {
            // Another attempt at this address makes no sense.
            Err(Failure::Missing) => return Err(Failure::Other("the upload's session has ended".to_owned())),
            answer => answer?,
        };
        if answer.status != StatusCode::PERMANENT_REDIRECT {
            return Ok(Progress::Done(Box::new(answer.json()?)));
        }
        let Some(range) = answer.header("range") else { return Ok(Progress::Received(0)) };
        let last = range.strip_prefix("bytes=0-").and_then(|last| last.parse::<u64>().ok());
        let last = last.and_then(|last| last.checked_add(1));
        last.map(Progress::Received).ok_or_else(|| Failure::Unreachable("an unknown range was received".to_owned()))
    }

    /// Sends `piece`, which begins at `offset`; the last one with the length of the whole. Returns the file then.
    pub fn send(&mut self, piece: &Bytes, offset: u64, total: Option<u64>) -> Result<Option<File>, Failure> {
        let drive = self.drive.clone();
        let end = offset + piece.len() as u64;
        let mut is_unsure = false;
        let done = drive.patiently(|_| {
            let whole = total.map_or("*".to_owned(), |total| total.to_string());
            let mut received = match is_unsure {
                false => offset,
                true => match self.ask(format!("bytes */{whole}"), Bytes::new())? {
                    Progress::Done(file) => return Ok(Some(*file)),
                    Progress::Received(received) => received,
                },
            };
            is_unsure = true;
            loop {
                if received < offset || received > end {
                    return Err(Failure::Other(format!("the upload stands at {received}, not at {offset} to {end}")));
                }
                if received == end && total.is_none() {
                    return Ok(None);
                }
                let rest = piece.slice((received - offset) as usize..);
                let range = match rest.is_empty() {
                    true => format!("bytes */{whole}"),
                    false => format!("bytes {received}-{}/{whole}", end - 1),
                };
                match self.ask(range, rest)? {
                    Progress::Done(file) => return Ok(Some(*file)),
                    Progress::Received(now) if now <= received => {
                        return Err(Failure::Unreachable("nothing of a piece was received".to_owned()));
                    }
                    Progress::Received(now) => received = now,
                }
            }
        })?;
        match (&done, total) {
            (None, Some(_)) => Err(Failure::Unreachable("the last piece made no file".to_owned())),
            (Some(_), None) => Err(Failure::Other("the upload ended before its last piece".to_owned())),
            _ => {
                self.is_over = done.is_some();
                Ok(done)
            }
        }
    }

    /// Sends everything that there is.
    pub fn send_whole(mut self, content: &Bytes) -> Result<File, Failure> {
        let length = content.len();
        let part = self.drive.shared.part_bytes;
        let mut offset = 0;
        while length - offset > part {
            self.send(&content.slice(offset..offset + part), offset as u64, None)?;
            offset += part;
        }
        let file = self.send(&content.slice(offset..), offset as u64, Some(length as u64))?;
        file.ok_or_else(|| Failure::Unreachable("the last piece made no file".to_owned()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Nobody sees it, and it goes by itself after a week: this only tidies up sooner.
        match self.drive.ask_session(Method::DELETE, &self.address, None, Bytes::new()) {
            Ok(_) | Err(Failure::Missing | Failure::Other(_)) => {}
            Err(failure) => tracing::debug!(?failure, "an upload that was broken off could not be cancelled"),
        }
    }
}

/// A large write in progress.
pub(super) struct DriveStream {
    drive: Drive,
    key: String,
    writer: String,
    /// What was not sent yet: less than a piece, or a bit more.
    buffer: Vec<u8>,
    sent_bytes: u64,
    hash: Sha256,
    session: Option<Session>,
}

impl DriveStream {
    pub fn new(drive: Drive, key: &str, writer: &str) -> Self {
        DriveStream {
            drive,
            key: key.to_owned(),
            writer: writer.to_owned(),
            buffer: Vec::new(),
            sent_bytes: 0,
            hash: Sha256::new(),
            session: None,
        }
    }

    fn session(&mut self) -> Result<&mut Session, Failure> {
        if self.session.is_none() {
            let (path, name) = self.drive.place(&self.key);
            let begun = self.drive.patiently(|_| {
                self.drive.with_folders(|| {
                    let parents = self.drive.folders(&path, true)?;
                    let parent = parents.first().ok_or(Failure::Missing)?;
                    Session::begin(&self.drive, Place::New { parent, name }, &self.writer)
                })
            })?;
            self.session = Some(begun);
        }
        self.session.as_mut().ok_or_else(|| Failure::Other("no upload".to_owned()))
    }

    /// Looks for the file of an upload whose last answer never came.
    fn ours(&self) -> Option<File> {
        let there = self.drive.find_key(&self.key).ok()?;
        there.into_iter().find(|file| file.found().writer.as_deref() == Some(&self.writer))
    }
}

impl ClientStream for DriveStream {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hash.update(bytes);
        self.buffer.extend_from_slice(bytes);
        let part = self.drive.shared.part_bytes;
        // One byte is kept back: only the last piece may end the file.
        while self.buffer.len() > part {
            let rest = self.buffer.split_off(part);
            let piece = Bytes::from(std::mem::replace(&mut self.buffer, rest));
            let offset = self.sent_bytes;
            self.session()?.send(&piece, offset, None)?;
            self.sent_bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        let content = Bytes::from(std::mem::take(&mut self.buffer));
        if self.session.is_none() && content.len() <= MULTIPART_BYTES {
            let patience = self.drive.shared.patience;
            let put =
                crate::remote::put_once(&self.drive, &patience, &self.key, &content, Condition::Absent, &self.writer);
            return put.map(|_| ()).map_err(|gave_up| gave_up.failure);
        }
        let there = self.drive.patiently(|_| self.drive.find_key(&self.key))?;
        if !there.is_empty() {
            return Err(Failure::Condition);
        }
        let (offset, total) = (self.sent_bytes, self.sent_bytes + content.len() as u64);
        let file = match self.session()?.send(&content, offset, Some(total)) {
            Ok(file) => file,
            Err(failure) => Some(self.ours().ok_or(failure)?),
        };
        let Some(file) = file else { return Err(Failure::Unreachable("the last piece made no file".to_owned())) };
        let sha256 = hex::encode(std::mem::take(&mut self.hash).finalize());
        if let Err(failure) = file.compare(total, &sha256) {
            self.drive.patiently(|_| self.drive.remove(&file.id))?;
            return Err(failure);
        }
        // When another one is there, both may have been first: nobody knows whether Drive dates a file by the begin or the end of its
        // upload. So this one goes, and the caller is told.
        self.drive.settle_new(&self.key, &file, |_| true)
    }
}
