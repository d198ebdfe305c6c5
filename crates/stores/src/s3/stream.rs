//! A large object, sent in parts, several at once, with a bounded number of bytes in memory.

use super::S3;
use super::uploads::SentPart;
use super::xml;
use crate::client::{Client, ClientStream, Condition};
use crate::failure::Failure;
use crate::patience::GaveUp;
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// S3 takes so many parts.
const PARTS_AT_MOST: u64 = 10_000;
/// From these parts on, those of an object whose size is not known in advance are larger: part number, factor.
const GROWTH: [(u32, usize); 2] = [(8_001, 8), (5_001, 4)];

/// An upload in progress. What fits into one part is sent in one request.
pub(super) struct PartStream {
    client: S3,
    key: String,
    writer: String,
    buffer: Vec<u8>,
    /// `None` until a part has been filled.
    id: Option<String>,
    next_number: u32,
    /// When the size is known: every part has this many bytes.
    fixed_part_bytes: Option<usize>,
    total_bytes: u64,
    /// What an earlier attempt has sent.
    there: BTreeMap<u32, xml::Part>,
    /// An earlier attempt may be gone on with, so ours may, too.
    keeps: bool,
    crew: Option<Crew>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    parts: BTreeMap<u32, SentPart>,
    failure: Option<Failure>,
}

/// Threads that send parts.
struct Crew {
    parts: SyncSender<(u32, Bytes)>,
    source: Arc<Mutex<Receiver<(u32, Bytes)>>>,
    threads: Vec<JoinHandle<()>>,
}

impl PartStream {
    pub fn new(client: S3, key: &str, writer: &str) -> Self {
        PartStream {
            client,
            key: key.to_owned(),
            writer: writer.to_owned(),
            buffer: Vec::new(),
            id: None,
            next_number: 1,
            fixed_part_bytes: None,
            total_bytes: 0,
            there: BTreeMap::new(),
            keeps: false,
            crew: None,
            progress: Arc::default(),
        }
    }

    /// Begins an upload of known size, or goes on with one.
    pub fn resuming(client: S3, key: &str, writer: &str, size_bytes: u64) -> Result<Self, Failure> {
        let mut stream = Self::new(client, key, writer);
        let part_bytes = part_bytes_for(stream.client.transfer.part_bytes, size_bytes);
        stream.fixed_part_bytes = Some(part_bytes);
        stream.keeps = true;
        if size_bytes <= part_bytes as u64 {
            return Ok(stream);
        }
        let unfinished = match stream.client.unfinished(key) {
            Ok(unfinished) => unfinished,
            // Without the right to look, it is sent from the start.
            Err(Failure::Denied(_) | Failure::Other(_)) => return Ok(stream),
            Err(failure) => return Err(failure),
        };
        let mut ours: Vec<_> = unfinished.into_iter().filter(|upload| upload.key == key).collect();
        ours.sort_by(|a, b| b.initiated.cmp(&a.initiated));
        for upload in ours {
            let parts = match stream.client.parts_of(key, &upload.upload_id) {
                Ok(parts) => parts,
                Err(Failure::Missing | Failure::Denied(_)) => continue,
                Err(failure) => return Err(failure),
            };
            if stream.client.claim(&upload.upload_id) {
                stream.there = parts.into_iter().map(|part| (part.number, part)).collect();
                stream.id = Some(upload.upload_id);
                return Ok(stream);
            }
        }
        Ok(stream)
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self) -> Result<(), Failure> {
        self.lock().failure.clone().map_or(Ok(()), Err)
    }

    fn part_bytes(&self) -> usize {
        let usual = self.client.transfer.part_bytes;
        let grown = GROWTH.iter().find(|(from, _)| self.next_number >= *from);
        self.fixed_part_bytes.unwrap_or_else(|| grown.map_or(usual, |(_, factor)| usual * factor))
    }

    /// Hands the buffer on as the next part.
    fn send(&mut self) -> Result<(), Failure> {
        self.check()?;
        let id = match &self.id {
            Some(id) => id.clone(),
            None => self.id.insert(self.client.begin_upload(&self.key, &self.writer)?).clone(),
        };
        let number = self.next_number;
        self.next_number += 1;
        let content = Bytes::from(std::mem::take(&mut self.buffer));
        if let Some(part) = self.already_there(number, &content) {
            self.lock().parts.insert(number, part);
            return Ok(());
        }
        let is_large = content.len() > self.client.transfer.part_bytes && self.fixed_part_bytes.is_none();
        if is_large {
            // Larger parts one at a time, so that memory stays what it was.
            self.dismiss();
            let part = self.client.send_part(&self.key, &id, number, content)?;
            self.lock().parts.insert(number, part);
            return Ok(());
        }
        let (client, key, progress) = (self.client.clone(), self.key.clone(), Arc::clone(&self.progress));
        let crew = self.crew.get_or_insert_with(Crew::new);
        if crew.threads.len() < client.transfer.concurrency {
            let source = Arc::clone(&crew.source);
            crew.threads.push(std::thread::spawn(move || work(&client, &key, &id, &source, &progress)));
        }
        // Waits until a thread is free: that bounds what is in memory.
        if crew.parts.send((number, content)).is_err() {
            self.check()?;
            return Err(Failure::Other("the threads that send parts are gone".to_owned()));
        }
        Ok(())
    }

    /// Tells whether an earlier attempt has sent this very part.
    fn already_there(&self, number: u32, content: &[u8]) -> Option<SentPart> {
        let part = self.there.get(&number)?;
        let checksum = self.client.checksum(content).unwrap_or_default();
        let is_same = part.size == content.len() as u64
            && match &part.crc32c {
                Some(stored) => *stored == checksum,
                // Some keep no checksum that can be asked for. A part's tag is its MD5, unless the store encrypts with a key of
                // its customer: then nothing is equal, and the part is sent again.
                None => part.etag.trim_matches('"') == hex::encode(Md5::digest(content)),
            };
        is_same.then(|| SentPart { etag: part.etag.clone(), crc32c: checksum, size_bytes: part.size })
    }

    /// Waits for all parts that are on their way.
    fn dismiss(&mut self) {
        if let Some(Crew { parts, threads, .. }) = self.crew.take() {
            drop(parts);
            for thread in threads {
                if thread.join().is_err() {
                    self.lock().failure.get_or_insert(Failure::Other("a thread that sends parts broke".to_owned()));
                }
            }
        }
    }

    fn finish_parts(&mut self, id: &str) -> Result<(), Failure> {
        if !self.buffer.is_empty() {
            self.send()?;
        }
        self.dismiss();
        self.check()?;
        let parts = std::mem::take(&mut self.lock().parts);
        let mut last_ambiguous = false;
        let outcome = self.client.patience.run(|_| {
            let outcome = self.client.complete_upload(&self.key, id, &parts);
            match outcome {
                Ok(_) => Ok(()),
                // An earlier attempt may have done it, its answer lost: then what lies there is ours.
                Err(failure @ (Failure::Condition | Failure::Missing)) if last_ambiguous => match self.is_done()? {
                    true => Ok(()),
                    false => Err(failure),
                },
                Err(failure) => {
                    last_ambiguous |= failure.is_ambiguous();
                    Err(failure)
                }
            }
        });
        if let Err(GaveUp { failure, .. }) = outcome {
            // Whether it is there or not decides, not whether we were told.
            if !(failure.is_ambiguous() && self.is_done().unwrap_or(false)) {
                return Err(failure);
            }
        }
        let found = match self.client.patiently(|_| self.client.head(&self.key)) {
            // Who may only write can't look; each part came with its checksum, and the list of parts was taken.
            Err(Failure::Denied(_)) => return Ok(()),
            found => found?,
        };
        match found {
            Some(found) if found.size_bytes == self.total_bytes => Ok(()),
            Some(found) => Err(Failure::WrongBytes(format!(
                "{} bytes were sent, {} are there",
                self.total_bytes, found.size_bytes
            ))),
            None => Err(Failure::Missing),
        }
    }

    /// Tells whether what lies under the key was made by this upload.
    fn is_done(&self) -> Result<bool, Failure> {
        let found = match self.client.head(&self.key) {
            Err(Failure::Denied(_)) => None,
            found => found?,
        };
        Ok(found.is_some_and(|found| found.writer.as_deref() == Some(self.writer.as_str())))
    }
}

impl ClientStream for PartStream {
    fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.check()?;
        while !bytes.is_empty() {
            let part_bytes = self.part_bytes();
            // Only when there is more than one part is it known that there is a second one.
            if self.buffer.len() == part_bytes {
                self.send()?;
                continue;
            }
            let taken = bytes.len().min(part_bytes - self.buffer.len());
            if self.buffer.capacity() == 0 {
                self.buffer.reserve_exact(if self.next_number == 1 { taken } else { part_bytes });
            }
            self.buffer.extend_from_slice(&bytes[..taken]);
            self.total_bytes += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), Failure> {
        self.check()?;
        let Some(id) = self.id.clone() else {
            let content = Bytes::from(std::mem::take(&mut self.buffer));
            return crate::remote::put_once(
                &self.client,
                &self.client.patience,
                &self.key,
                &content,
                Condition::Final,
                &self.writer,
            )
            .map(|_| ())
            .map_err(|gave_up| gave_up.failure);
        };
        let outcome = self.finish_parts(&id);
        if outcome.is_ok() {
            self.client.forget(&id);
            self.id = None;
        }
        outcome
    }
}

impl Drop for PartStream {
    fn drop(&mut self) {
        self.dismiss();
        let Some(id) = self.id.take() else { return };
        if !self.keeps
            && let Err(failure) = self.client.abort_upload(&self.key, &id)
        {
            tracing::info!(?failure, key = self.key, "an upload could not be given up; a sweep does it");
        }
        self.client.forget(&id);
    }
}

impl Crew {
    fn new() -> Self {
        // No part waits in the channel: whoever sends one waits for a thread.
        let (parts, source) = sync_channel(0);
        Crew { parts, source: Arc::new(Mutex::new(source)), threads: Vec::new() }
    }
}

fn work(client: &S3, key: &str, id: &str, source: &Mutex<Receiver<(u32, Bytes)>>, progress: &Mutex<Progress>) {
    loop {
        let next = source.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, content)) = next else { return };
        let failed = progress.lock().unwrap_or_else(PoisonError::into_inner).failure.is_some();
        if failed {
            // Taken all the same: the writer learns of the failure with its next call.
            continue;
        }
        let sent = client.send_part(key, id, number, content);
        let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(part) => {
                progress.parts.insert(number, part);
            }
            Err(failure) => {
                progress.failure.get_or_insert(failure);
            }
        }
    }
}

/// Returns how large the parts of an object of known size are: the same at every attempt.
fn part_bytes_for(usual: usize, size_bytes: u64) -> usize {
    let least = size_bytes.div_ceil(PARTS_AT_MOST);
    let rounded = least.div_ceil(1 << 20) << 20;
    usual.max(usize::try_from(rounded).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_any_size_fits_into_ten_thousand_parts() {
        for size in [0, 1, 8 << 20, 80 << 30, 5 << 40] {
            let part = part_bytes_for(8 << 20, size) as u64;
            assert!(part >= 8 << 20 && size.div_ceil(part) <= PARTS_AT_MOST, "{size}: {part}");
        }
    }
}
