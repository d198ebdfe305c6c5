//! Files as Drive tells of them, and the requests on them.

use super::Drive;
use super::request::{Ask, Target};
use super::stream::Session;
use crate::client::Found;
use crate::failure::Failure;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;

/// What is asked for of a file.
pub(super) const FIELDS: &str =
    "id,name,mimeType,size,createdTime,modifiedTime,sha256Checksum,headRevisionId,parents,trashed,appProperties";
const FOLDER_TYPE: &str = "application/vnd.google-apps.folder";
/// Kept beside a file: the token of its writer.
const WRITER: &str = "cadenaWriter";
/// What Google takes in one request with a file's name and its content.
pub(super) const MULTIPART_BYTES: usize = 5_000_000;
/// Everything in a shared drive is hidden from programs that don't say that they know of them.
const ALL_DRIVES: (&str, &str) = ("supportsAllDrives", "true");

/// A file, or a folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub id: String,
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub mime_type: String,
    size: Option<String>,
    /// RFC 3339, always with milliseconds and `Z`: in order of time as text.
    #[serde(default)]
    pub created_time: String,
    #[serde(default)]
    modified_time: String,
    sha256_checksum: Option<String>,
    head_revision_id: Option<String>,
    #[serde(default)]
    pub parents: Vec<String>,
    #[serde(default)]
    pub trashed: bool,
    #[serde(default)]
    app_properties: HashMap<String, String>,
}

impl File {
    pub fn is_folder(&self) -> bool {
        self.mime_type == FOLDER_TYPE
    }

    /// Returns the size of the content; documents of Google's own have none, and are no objects.
    pub fn size_bytes(&self) -> Option<u64> {
        self.size.as_ref()?.parse().ok()
    }

    pub fn modified_seconds(&self) -> i64 {
        self.modified_time.parse::<jiff::Timestamp>().map_or(0, |time| time.as_second())
    }

    pub fn created_seconds(&self) -> Option<i64> {
        self.created_time.parse::<jiff::Timestamp>().ok().map(|time| time.as_second())
    }

    /// The older of two of one name is the one that counts.
    pub fn age(&self) -> (&str, &str) {
        (&self.created_time, &self.id)
    }

    /// Changes with the content.
    pub fn tag(&self) -> String {
        let revision = self.head_revision_id.as_deref().unwrap_or_default();
        format!("{}/{revision}/{}", self.id, self.sha256_checksum.as_deref().unwrap_or_default())
    }

    pub fn found(&self) -> Found {
        Found {
            size_bytes: self.size_bytes().unwrap_or_default(),
            etag: self.tag(),
            modified_seconds: self.modified_seconds(),
            answered_seconds: None,
            writer: self.app_properties.get(WRITER).cloned(),
        }
    }

    /// Compares what Drive says that it has with what was sent.
    pub fn compare(&self, size_bytes: u64, sha256: &str) -> Result<(), Failure> {
        let there = self.size_bytes();
        if there != Some(size_bytes) {
            return Err(Failure::WrongBytes(format!("{size_bytes} bytes were sent, {} arrived", there.unwrap_or(0))));
        }
        match self.sha256_checksum.as_deref() {
            Some(checksum) if checksum.eq_ignore_ascii_case(sha256) => Ok(()),
            Some(_) => Err(Failure::WrongBytes("the SHA-256 that Drive tells differs".to_owned())),
            None => Err(Failure::WrongBytes("Drive tells no SHA-256".to_owned())),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    files: Vec<File>,
    next_page_token: Option<String>,
    #[serde(default)]
    incomplete_search: bool,
}

/// What is written, and where.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// A new file in a folder.
    New { parent: &'a str, name: &'a str },
    /// New content of a file.
    Present { id: &'a str },
}

impl Place<'_> {
    /// Returns method and path of an upload.
    pub fn upload(&self) -> (Method, String) {
        match self {
            Place::New { .. } => (Method::POST, "/upload/drive/v3/files".to_owned()),
            Place::Present { id } => (Method::PATCH, format!("/upload/drive/v3/files/{id}")),
        }
    }

    /// Returns what is told of the file beside its content.
    pub fn metadata(&self, writer: &str) -> String {
        let properties = serde_json::json!({ WRITER: writer });
        match self {
            Place::New { parent, name } => {
                serde_json::json!({"name": name, "parents": [parent], "appProperties": properties}).to_string()
            }
            Place::Present { .. } => serde_json::json!({ "appProperties": properties }).to_string(),
        }
    }
}

/// Makes a text of a search.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

impl Drive {
    /// Lists what a search finds, page after page.
    pub(super) fn search(&self, search: &str, limit: Option<usize>) -> Result<Vec<File>, Failure> {
        let fields = format!("nextPageToken,incompleteSearch,files({FIELDS})");
        let page = limit.unwrap_or(1000).clamp(1, 1000).to_string();
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![
                ("q", search),
                ("fields", fields.as_str()),
                ("pageSize", page.as_str()),
                ("orderBy", "createdTime"),
                ALL_DRIVES,
                ("includeItemsFromAllDrives", "true"),
            ];
            if let Some(drive) = self.shared.root_drive.get().and_then(Option::as_deref) {
                query.extend([("corpora", "drive"), ("driveId", drive)]);
            }
            query.extend(token.as_deref().map(|token| ("pageToken", token)));
            let answer = self.patiently(|_| {
                let listed: Page = self.ask(&Ask::new(Method::GET, "/drive/v3/files", &query))?.json()?;
                match listed.incomplete_search {
                    true => Err(Failure::Unreachable("Drive says that its listing is incomplete".to_owned())),
                    false => Ok(listed),
                }
            })?;
            found.extend(answer.files);
            token = answer.next_page_token;
            if token.is_none() || limit.is_some_and(|limit| found.len() >= limit) {
                return Ok(found);
            }
        }
    }

    /// Finds the files of a name in any of some folders, the oldest first.
    pub(super) fn find(&self, parents: &[String], name: &str) -> Result<Vec<File>, Failure> {
        if parents.is_empty() {
            return Ok(Vec::new());
        }
        let search = format!(
            "name = {} and {} and mimeType != '{FOLDER_TYPE}' and trashed = false",
            quoted(name),
            within(parents)
        );
        let mut found = self.search(&search, None)?;
        // A search may be broader than we mean it, as in letters' cases.
        found.retain(|file| file.name == name && !file.is_folder() && file.size_bytes().is_some());
        found.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(found)
    }

    /// Finds the folders of a name in any of some folders, the oldest first.
    pub(super) fn find_folders(&self, parents: &[String], name: &str) -> Result<Vec<File>, Failure> {
        let search = format!(
            "name = {} and {} and mimeType = '{FOLDER_TYPE}' and trashed = false",
            quoted(name),
            within(parents)
        );
        let mut found = self.search(&search, None)?;
        found.retain(|file| file.name == name && file.is_folder());
        found.sort_by(|a, b| a.age().cmp(&b.age()));
        Ok(found)
    }

    /// Lists all that lies in some folders, without what lies in the folders in them.
    pub(super) fn children(&self, parents: &[String], limit: Option<usize>) -> Result<Vec<File>, Failure> {
        self.search(&format!("{} and trashed = false", within(parents)), limit)
    }

    /// Makes a folder.
    pub(super) fn make_folder(&self, parent: &str, name: &str) -> Result<File, Failure> {
        let query = [ALL_DRIVES, ("fields", FIELDS)];
        let mut ask = Ask::new(Method::POST, "/drive/v3/files", &query);
        ask.headers.push(("content-type", "application/json".to_owned()));
        ask.content =
            serde_json::json!({"name": name, "parents": [parent], "mimeType": FOLDER_TYPE}).to_string().into();
        self.ask(&ask)?.json()
    }

    /// Looks at a file.
    pub(super) fn look_at(&self, id: &str) -> Result<File, Failure> {
        let path = format!("/drive/v3/files/{id}");
        let file: File = self.ask(&Ask::new(Method::GET, &path, &[ALL_DRIVES, ("fields", FIELDS)]))?.json()?;
        if file.trashed { Err(Failure::Missing) } else { Ok(file) }
    }

    /// Reads a file, or a range of it.
    pub(super) fn download(&self, id: &str, range: Option<Range<u64>>, expected: u64) -> Result<Bytes, Failure> {
        let path = format!("/drive/v3/files/{id}");
        let mut ask = Ask::new(Method::GET, &path, &[ALL_DRIVES, ("alt", "media")]);
        ask.expected_bytes = expected;
        if let Some(range) = &range {
            ask.headers.push(("range", format!("bytes={}-{}", range.start, range.end.saturating_sub(1))));
        }
        let answer = self.ask(&ask)?;
        if let Some(range) = range {
            let began = answer
                .header("content-range")
                .and_then(|text| text.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
            if began != Some(range.start) || answer.content.len() as u64 != range.end - range.start {
                return Err(Failure::Unreachable("another range came than was asked for".to_owned()));
            }
        }
        Ok(answer.content)
    }

    /// Removes a file at once, not into the bin. One that is gone is no failure.
    pub(super) fn remove(&self, id: &str) -> Result<(), Failure> {
        let path = format!("/drive/v3/files/{id}");
        match self.ask(&Ask::new(Method::DELETE, &path, &[ALL_DRIVES])) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Puts a folder into the bin: if somebody puts something into it at this moment, it can be had back.
    pub(super) fn bin(&self, id: &str) -> Result<(), Failure> {
        let path = format!("/drive/v3/files/{id}");
        let mut ask = Ask::new(Method::PATCH, &path, &[ALL_DRIVES]);
        ask.headers.push(("content-type", "application/json".to_owned()));
        ask.content = Bytes::from_static(b"{\"trashed\": true}");
        match self.ask(&ask) {
            Ok(_) | Err(Failure::Missing) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Writes a file whole, and compares what arrived. A new one that is wrong is removed.
    pub(super) fn write(&self, place: Place<'_>, content: &Bytes, writer: &str) -> Result<File, Failure> {
        let file = match content.len() <= MULTIPART_BYTES {
            true => self.write_at_once(place, content, writer)?,
            false => Session::begin(self, place, writer)?.send_whole(content)?,
        };
        match file.compare(content.len() as u64, &hex::encode(Sha256::digest(content))) {
            Ok(()) => Ok(file),
            Err(failure) => {
                if matches!(place, Place::New { .. }) {
                    self.patiently(|_| self.remove(&file.id))?;
                }
                Err(failure)
            }
        }
    }

    fn write_at_once(&self, place: Place<'_>, content: &Bytes, writer: &str) -> Result<File, Failure> {
        let (method, path) = place.upload();
        let query = [("uploadType", "multipart"), ALL_DRIVES, ("fields", FIELDS)];
        let mut ask = Ask::new(method, &path, &query);
        // The content may hold anything, but not a token that was made a moment ago.
        let boundary = format!("cadena-{}", crate::remote::new_token());
        ask.headers.push(("content-type", format!("multipart/related; boundary={boundary}")));
        let mut body = format!(
            "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--{boundary}\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            place.metadata(writer)
        )
        .into_bytes();
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        ask.content = body.into();
        self.ask(&ask)?.json()
    }

    /// Begins an upload in pieces, and returns its address.
    pub(super) fn begin_upload(&self, place: Place<'_>, writer: &str) -> Result<super::credentials::Hidden, Failure> {
        let (method, path) = place.upload();
        let query = [("uploadType", "resumable"), ALL_DRIVES, ("fields", FIELDS)];
        let mut ask = Ask::new(method, &path, &query);
        ask.headers.push(("content-type", "application/json; charset=UTF-8".to_owned()));
        ask.headers.push(("x-upload-content-type", "application/octet-stream".to_owned()));
        ask.content = place.metadata(writer).into();
        let answer = self.ask(&ask)?;
        let address = answer.header("location").unwrap_or_default();
        // The token goes there, too.
        super::request::check_endpoint(address)
            .map_err(|_| Failure::Unreachable("an upload without a usable address".to_owned()))?;
        Ok(super::credentials::Hidden(address.to_owned()))
    }

    /// Asks of an upload by its address.
    pub(super) fn ask_session(
        &self,
        method: Method,
        session: &super::credentials::Hidden,
        range: Option<String>,
        content: Bytes,
    ) -> Result<super::request::Answer, Failure> {
        let headers = range.map(|range| ("content-range", range)).into_iter().collect();
        self.ask(&Ask { method, target: Target::Session(session), headers, content, expected_bytes: 0 })
    }
}

/// Makes the part of a search that says where.
fn within(parents: &[String]) -> String {
    let each: Vec<String> = parents.iter().map(|parent| format!("{} in parents", quoted(parent))).collect();
    format!("({})", each.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_searches_are_escaped() {
        assert_eq!(quoted("it's a \\ 'name'"), r"'it\'s a \\ \'name\''");
        assert_eq!(within(&["a".to_owned(), "b".to_owned()]), "('a' in parents or 'b' in parents)");
    }

    #[test]
    fn what_arrived_is_compared() {
        let file: File =
            serde_json::from_value(serde_json::json!({"id": "1", "size": "3", "sha256Checksum": "ab"})).unwrap();
        assert!(file.compare(3, "AB").is_ok());
        for (size_bytes, sha256) in [(3, "cd"), (4, "ab")] {
            assert!(matches!(file.compare(size_bytes, sha256), Err(Failure::WrongBytes(_))));
        }
        let untold: File = serde_json::from_value(serde_json::json!({"id": "1", "size": "3"})).unwrap();
        assert!(matches!(untold.compare(3, "ab"), Err(Failure::WrongBytes(_))));
    }
}
