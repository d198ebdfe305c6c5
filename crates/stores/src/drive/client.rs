//! The requests of a storage, made of Drive's.

use super::Drive;
use super::files::{File, Place};
use super::request::Ask;
use super::stream::DriveStream;
use crate::client::{Client, ClientStream, Condition, Found};
use crate::failure::Failure;
use bytes::Bytes;
use http::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::PoisonError;
use std::time::{SystemTime, UNIX_EPOCH};
use vault::storage::StoredObject;

/// So many folders are looked through in one request.
const FOLDERS_AT_ONCE: usize = 30;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    storage_quota: Quota,
}

#[derive(Deserialize)]
struct Quota {
    limit: Option<String>,
    usage: Option<String>,
}

impl Drive {
    /// Cuts a key into the path of its folder, below the root, and its name.
    pub(super) fn place<'a>(&self, key: &'a str) -> (String, &'a str) {
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let path = format!("{}{folder}", self.shared.prefix);
        (path.trim_end_matches('/').to_owned(), name)
    }

    /// Finds all files of a key, the oldest first.
    pub(super) fn find_key(&self, key: &str) -> Result<Vec<File>, Failure> {
        let (path, name) = self.place(key);
        let found = self.with_folders(|| self.find(&self.folders(&path, false)?, name))?;
        match found.first() {
            Some(file) => self.remember(key, &file.id),
            None => self.forget_key(key),
        }
        Ok(found)
    }

    pub(super) fn remember(&self, key: &str, id: &str) {
        let mut ids = self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.insert(key.to_owned(), id.to_owned());
    }

    fn forget_key(&self, key: &str) {
        self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    fn known_id(&self, key: &str) -> Option<String> {
        self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Takes a new file back when another one of its name counts. `yields` says which.
    pub(super) fn settle_new(&self, key: &str, file: &File, yields: impl Fn(&File) -> bool) -> Result<(), Failure> {
        let there = self.patiently(|_| self.find_key(key))?;
        if there.iter().any(|other| other.id != file.id && yields(other)) {
            self.patiently(|_| self.remove(&file.id))?;
            self.forget_key(key);
            return Err(Failure::Condition);
        }
        self.remember(key, &file.id);
        Ok(())
    }

    /// Reads a range of a file that was looked at before, if it is unchanged after that.
    fn get_unchanged(&self, key: &str, id: &str, range: Range<u64>, tag: &str) -> Result<(Bytes, Found), Failure> {
        let wanted = range.end - range.start;
        let content = self.download(id, Some(range), wanted)?;
        // The look comes after: contents follow one another, so what is unchanged now was so while it was read.
        let file = self.look_at(id)?;
        if file.tag() != tag {
            return Err(Failure::Condition);
        }
        self.remember(key, id);
        Ok((content, file.found()))
    }
}

impl Client for Drive {
    fn has_conditions(&self) -> bool {
        false
    }

    fn url(&self, key: &str) -> Option<String> {
        self.known_id(key).map(|id| format!("https://drive.google.com/file/d/{id}/view"))
    }

    fn free_bytes(&self) -> Result<Option<u64>, Failure> {
        self.look_at_root()?;
        if self.shared.root_drive.get().is_some_and(Option::is_some) {
            // A shared drive's room is not its users'.
            return Ok(None);
        }
        let query = [("fields", "storageQuota(limit,usage)")];
        let about: About = self.ask(&Ask::new(Method::GET, "/drive/v3/about", &query))?.json()?;
        let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
        let (limit, usage) = (number(about.storage_quota.limit), number(about.storage_quota.usage));
        Ok(limit.zip(usage).map(|(limit, usage)| limit.saturating_sub(usage)))
    }

    fn head(&self, key: &str) -> Result<Option<Found>, Failure> {
        Ok(self.find_key(key)?.first().map(File::found))
    }

    fn get(&self, key: &str, range: Option<Range<u64>>, tag: Option<&str>) -> Result<Option<(Bytes, Found)>, Failure> {
        if let (Some(range), Some(tag), Some(id)) = (&range, tag, self.known_id(key)) {
            match self.get_unchanged(key, &id, range.clone(), tag) {
                // It is gone; perhaps there is another one.
                Err(Failure::Missing) => self.forget_key(key),
                got => return got.map(Some),
            }
        }
        let Some(file) = self.find_key(key)?.into_iter().next() else { return Ok(None) };
        if tag.is_some_and(|tag| tag != file.tag()) {
            return Err(Failure::Condition);
        }
        let found = file.found();
        let gone = |failure| match failure {
            Failure::Missing => Failure::Collision("it was replaced meanwhile".to_owned()),
            failure => failure,
        };
        match range {
            Some(range) => self.get_unchanged(key, &file.id, range, &file.tag()).map(Some).map_err(gone),
            None if found.size_bytes == 0 => Ok(Some((Bytes::new(), found))),
            None => {
                let content = self.download(&file.id, None, found.size_bytes).map_err(gone)?;
                // It may have been replaced since: then it is read again.
                file.compare(content.len() as u64, &hex::encode(Sha256::digest(&content)))?;
                Ok(Some((content, found)))
            }
        }
    }

    fn put(&self, key: &str, content: Bytes, condition: Condition<'_>, writer: &str) -> Result<String, Failure> {
        if let Condition::Unchanged(_) = condition {
            return Err(Failure::Other("a write on the condition that nothing changed".to_owned()));
        }
        let there = self.find_key(key)?;
        if let Some(oldest) = there.first() {
            if condition.wants_absence() {
                return Err(Failure::Condition);
            }
            let written = self.write(Place::Present { id: &oldest.id }, &content, writer);
            let file = written.map_err(|failure| match failure {
                Failure::Missing => Failure::Collision("it was removed meanwhile".to_owned()),
                failure => failure,
            })?;
            // Nobody sees the others; they are left from writers that raced.
            there[1..].iter().try_for_each(|other| self.remove(&other.id))?;
            return Ok(file.tag());
        }
        let (path, name) = self.place(key);
        let file = self.with_folders(|| {
            let parents = self.folders(&path, true)?;
            let parent = parents.first().ok_or(Failure::Missing)?;
            self.write(Place::New { parent, name }, &content, writer)
        })?;
        let settled = self.settle_new(key, &file, |other| other.age() < file.age());
        settled.map_err(|failure| match (failure, condition) {
            // What is there has to be replaced instead.
            (Failure::Condition, Condition::Always) => Failure::Collision("somebody else was first".to_owned()),
            (failure, _) => failure,
        })?;
        Ok(file.tag())
    }

    fn delete(&self, key: &str) -> Result<(), Failure> {
        let there = self.find_key(key)?;
        self.forget_key(key);
        there.iter().try_for_each(|file| self.remove(&file.id))
    }

    fn list(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure> {
        self.with_folders(|| self.list_below(prefix, limit))
    }

    fn stream(&self, key: &str, writer: &str) -> Result<Box<dyn ClientStream>, Failure> {
        Ok(Box::new(DriveStream::new(self.clone(), key, writer)))
    }

    /// Uploads that were broken off are seen by nobody, and Google forgets them after a week. What may be left are files that nobody
    /// sees, since there is an older one of their name.
    fn sweep(&self, prefix: &str, exactly: bool, age_seconds: i64) -> Result<(), Failure> {
        let (path, name) = self.place(prefix);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let latest = i64::try_from(now).unwrap_or(i64::MAX) - age_seconds;
        let mut files = self.patiently(|_| {
            self.with_folders(|| {
                let parents = self.folders(&path, false)?;
                match (parents.is_empty(), exactly) {
                    (true, _) => Ok(Vec::new()),
                    (_, true) => self.find(&parents, name),
                    (_, false) => self.children(&parents, None),
                }
            })
        })?;
        files.retain(|file| !file.is_folder() && file.size_bytes().is_some());
        files.sort_by(|a, b| (&a.name, a.age()).cmp(&(&b.name, b.age())));
        for pair in files.windows(2) {
            let is_second = pair[0].name == pair[1].name;
            if is_second && pair[1].created_seconds().is_some_and(|created| created <= latest) {
                self.patiently(|_| self.remove(&pair[1].id))?;
            }
        }
        Ok(())
    }
}

impl Drive {
    fn list_below(&self, prefix: &str, limit: Option<usize>) -> Result<Vec<StoredObject>, Failure> {
        let (path, beginning) = self.place(prefix);
        let folder = prefix.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let mut found: BTreeMap<String, File> = BTreeMap::new();
        let mut level: HashMap<String, String> =
            self.folders(&path, false)?.into_iter().map(|id| (id, folder.clone())).collect();
        let mut is_first = true;
        while !level.is_empty() {
            let ids: Vec<String> = level.keys().cloned().collect();
            let mut next = HashMap::new();
            for some in ids.chunks(FOLDERS_AT_ONCE) {
                for file in self.children(some, None)? {
                    let Some(folder) = file.parents.iter().find_map(|parent| level.get(parent)) else { continue };
                    if is_first && !file.name.starts_with(beginning) {
                        continue;
                    }
                    // A name with a slash, which Drive allows, would be read as a folder.
                    let key = format!("{folder}{}", file.name);
                    if file.name.contains('/') {
                        continue;
                    }
                    if file.is_folder() {
                        next.insert(file.id, format!("{key}/"));
                    } else if file.size_bytes().is_some()
                        && found.get(&key).is_none_or(|known| file.age() < known.age())
                    {
                        found.insert(key, file);
                    }
                }
            }
            if limit.is_some_and(|limit| found.len() >= limit) {
                break;
            }
            level = next;
            is_first = false;
        }
        Ok(found
            .into_iter()
            .map(|(key, file)| StoredObject {
                key,
                size_bytes: file.size_bytes().unwrap_or_default(),
                modified_seconds: file.modified_seconds(),
            })
            .collect())
    }
}
