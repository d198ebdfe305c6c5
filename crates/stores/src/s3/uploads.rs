//! Uploads in parts: begun, sent, completed, listed, given up.

use super::S3;
use super::request::Ask;
use super::xml::{self, Upload};
use crate::failure::Failure;
use bytes::Bytes;
use http::Method;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The uploads of this process: a sweep does not touch them.
static OURS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// A part that is there.
#[derive(Debug, Clone)]
pub(super) struct SentPart {
    pub etag: String,
    /// Base 64; empty where the store keeps none.
    pub crc32c: String,
    pub size_bytes: u64,
}

impl S3 {
    /// Begins an upload and returns its id.
    pub(super) fn begin_upload(&self, key: &str, writer: &str) -> Result<String, Failure> {
        let object = self.object(key);
        let answer = self.patiently(|_| {
            let mut ask = Ask::new(Method::POST, &object);
            ask.query = &[("uploads", "")];
            ask.headers = self.new_object.clone();
            ask.headers.extend(self.retention());
            ask.headers.push(("x-amz-meta-cadena-writer", writer.to_owned()));
            if self.has_checksums {
                ask.headers.push(("x-amz-checksum-algorithm", "CRC32C".to_owned()));
            }
            self.ask(ask)
        })?;
        let id = xml::read::<xml::Begun>(&answer.content)?.upload_id;
        OURS.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
        Ok(id)
    }

    pub(super) fn is_ours(&self, id: &str) -> bool {
        OURS.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Claims an upload that somebody who died began; false when this process has it already.
    pub(super) fn claim(&self, id: &str) -> bool {
        OURS.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned())
    }

    pub(super) fn forget(&self, id: &str) {
        OURS.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    /// Sends a part.
    pub(super) fn send_part(&self, key: &str, id: &str, number: u32, content: Bytes) -> Result<SentPart, Failure> {
        let object = self.object(key);
        let text = number.to_string();
        let crc32c = self.checksum(&content).unwrap_or_default();
        let answer = self.patiently(|_| {
            let query = [("partNumber", text.as_str()), ("uploadId", id)];
            let mut ask = Ask::new(Method::PUT, &object);
            ask.query = &query;
            if !crc32c.is_empty() {
                ask.headers.push(("x-amz-sdk-checksum-algorithm", "CRC32C".to_owned()));
                ask.headers.push(("x-amz-checksum-crc32c", crc32c.clone()));
            }
            ask.content = content.clone();
            self.ask(ask)
        })?;
        Ok(SentPart { etag: answer.etag(), crc32c, size_bytes: content.len() as u64 })
    }

    /// Makes an object of an upload, if there is none under its key. One attempt.
    pub(super) fn complete_upload(
        &self,
        key: &str,
        id: &str,
        parts: &BTreeMap<u32, SentPart>,
    ) -> Result<String, Failure> {
        let object = self.object(key);
        let list = parts.iter().map(|(number, part)| (*number, part.etag.as_str(), part.crc32c.as_str()));
        let query = [("uploadId", id)];
        let mut ask = Ask::new(Method::POST, &object);
        ask.query = &query;
        ask.headers.push(("if-none-match", "*".to_owned()));
        ask.headers.push(("content-type", "application/xml".to_owned()));
        ask.content = xml::complete(list).into();
        // The store puts the parts together before it answers.
        ask.expected_bytes = parts.values().map(|part| part.size_bytes).sum::<u64>() / 64;
        Ok(self.ask(ask)?.etag())
    }

    /// Gives an upload up; one that is gone is no failure.
    pub(super) fn abort_upload(&self, key: &str, id: &str) -> Result<(), Failure> {
        let object = self.object(key);
        let query = [("uploadId", id)];
        let mut ask = Ask::new(Method::DELETE, &object);
        ask.query = &query;
        match self.ask(ask) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Lists the unfinished uploads under keys that begin with `prefix`, keys relative to our root.
    pub(super) fn unfinished(&self, prefix: &str) -> Result<Vec<Upload>, Failure> {
        let prefix = self.object(prefix);
        let mut found = Vec::new();
        let mut markers: Option<(String, String)> = None;
        loop {
            let mut query = vec![("uploads", ""), ("prefix", prefix.as_str())];
            if let Some((key, id)) = &markers {
                query.push(("key-marker", key));
                query.push(("upload-id-marker", id));
            }
            let answer = self.patiently(|_| {
                let mut ask = Ask::new(Method::GET, "");
                ask.query = &query;
                self.ask(ask)
            })?;
            let page: xml::Uploads = xml::read(&answer.content)?;
            found.extend(page.uploads.into_iter().filter_map(|upload| {
                let key = upload.key.strip_prefix(&self.prefix)?.to_owned();
                Some(Upload { key, ..upload })
            }));
            markers = match (page.is_truncated, page.next_key_marker, page.next_upload_id_marker) {
                (true, Some(key), id) => Some((key, id.unwrap_or_default())),
                _ => return Ok(found),
            };
        }
    }

    /// Lists the parts of an upload.
    pub(super) fn parts_of(&self, key: &str, id: &str) -> Result<Vec<xml::Part>, Failure> {
        let object = self.object(key);
        let mut found = Vec::new();
        let mut marker = String::new();
        loop {
            let mut query = vec![("uploadId", id)];
            if !marker.is_empty() {
                query.push(("part-number-marker", &marker));
            }
            let answer = self.patiently(|_| {
                let mut ask = Ask::new(Method::GET, &object);
                ask.query = &query;
                self.ask(ask)
            })?;
            let page: xml::Parts = xml::read(&answer.content)?;
            found.extend(page.parts);
            marker = match (page.is_truncated, page.next_part_number_marker) {
                (true, Some(next)) => next,
                _ => return Ok(found),
            };
        }
    }

    pub(super) fn sweep_uploads(&self, prefix: &str, exactly: bool, age_seconds: i64) -> Result<(), Failure> {
        let uploads = match self.unfinished(prefix) {
            Ok(uploads) => uploads,
            // Who may only write can't look for left-overs; the bucket's own rules remove them.
            Err(Failure::Denied(cause)) => {
                tracing::info!(cause, "left-overs of uploads can't be listed");
                return Ok(());
            }
            // Some that speak S3 list no uploads.
            Err(Failure::Other(cause)) => {
                tracing::info!(cause, "left-overs of uploads can't be listed");
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let mine = uploads.into_iter().filter(|upload| !exactly || upload.key == prefix);
        let mine: Vec<_> = mine.filter(|upload| !self.is_ours(&upload.upload_id)).collect();
        if mine.is_empty() {
            return Ok(());
        }
        // By the store's own clock, of which both times are.
        let now = self.patiently(|_| self.store_seconds(prefix))?;
        for upload in mine {
            let begun = upload.initiated.parse::<jiff::Timestamp>().map_or(i64::MAX, |time| time.as_second());
            if now.is_some_and(|now| now.saturating_sub(begun) >= age_seconds) {
                self.patiently(|_| self.abort_upload(&upload.key, &upload.upload_id))?;
            }
        }
        Ok(())
    }

    /// Asks the store what time it is.
    fn store_seconds(&self, prefix: &str) -> Result<Option<i64>, Failure> {
        let prefix = self.object(prefix);
        let query = [("list-type", "2"), ("max-keys", "1"), ("prefix", prefix.as_str())];
        let mut ask = Ask::new(Method::GET, "");
        ask.query = &query;
        Ok(self.ask(ask)?.header("date").and_then(super::request::http_date))
    }
}
