//! A key's folders, found and made.

use super::Drive;
use super::files::{FIELDS, File};
use super::request::Ask;
use crate::failure::Failure;
use http::Method;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Root {
    #[serde(flatten)]
    file: File,
    drive_id: Option<String>,
}

impl Drive {
    fn known_folders(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.shared.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the folders that a path stands for, the oldest first; none when there is none.
    pub(super) fn folders(&self, path: &str, make: bool) -> Result<Vec<String>, Failure> {
        self.look_at_root()?;
        let mut here = vec![self.shared.root.clone()];
        let mut end = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            end += name.len() + usize::from(end > 0);
            let so_far = &path[..end];
            let known = self.known_folders().get(so_far).cloned();
            here = match known {
                Some(known) => known,
                None => {
                    let found = self.folders_of(&here, name, make)?;
                    if found.is_empty() {
                        return Ok(found);
                    }
                    self.known_folders().insert(so_far.to_owned(), found.clone());
                    found
                }
            };
        }
        Ok(here)
    }

    fn folders_of(&self, parents: &[String], name: &str, make: bool) -> Result<Vec<String>, Failure> {
        let ids = |found: Vec<File>| found.into_iter().map(|file| file.id).collect::<Vec<_>>();
        let found = self.find_folders(parents, name)?;
        let Some(parent) = parents.first().filter(|_| make && found.is_empty()) else { return Ok(ids(found)) };
        let made = self.make_folder(parent, name)?;
        // Somebody else may have made it, too: the older one is taken, and ours goes, as nobody has put anything into it.
        let mut found = self.find_folders(parents, name)?;
        if !found.iter().any(|file| file.id == made.id) {
            found.push(made.clone());
            found.sort_by(|a, b| a.age().cmp(&b.age()));
        }
        let is_second = found.first().is_some_and(|oldest| oldest.id != made.id);
        if is_second && self.children(std::slice::from_ref(&made.id), Some(1))?.is_empty() {
            self.bin(&made.id)?;
            found.retain(|file| file.id != made.id);
        }
        Ok(ids(found))
    }

    /// Forgets all folders and files: one of them is no longer where it was.
    pub(super) fn forget(&self) {
        self.known_folders().clear();
        self.shared.ids.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Does something with what is known of folders; when a folder is gone, once more with what is found anew.
    pub(super) fn with_folders<T>(&self, action: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
        match action() {
            Err(Failure::Missing) => {
                self.forget();
                match action() {
                    // Between two looks it went again.
                    Err(Failure::Missing) => Err(Failure::Collision("a folder was removed meanwhile".to_owned())),
                    done => done,
                }
            }
            done => done,
        }
    }

    /// Looks at the root, once.
    pub(super) fn look_at_root(&self) -> Result<(), Failure> {
        if self.shared.root_drive.get().is_some() {
            return Ok(());
        }
        let path = format!("/drive/v3/files/{}", self.shared.root);
        let fields = format!("{FIELDS},driveId");
        let bad = |detail: String| Failure::Setting { setting: "gdrive_folder_id", detail };
        let looked = self.ask(&Ask::new(Method::GET, &path, &[("supportsAllDrives", "true"), ("fields", &fields)]));
        let root: Root = match looked {
            Ok(answer) => answer.json()?,
            Err(Failure::Missing) => {
                let with = self.shared.tokens.service_email();
                let hint = with.map(|email| format!(", or it is not shared with {email} as an editor"));
                return Err(bad(format!("there is no such folder{}", hint.unwrap_or_default())));
            }
            Err(failure) => return Err(failure),
        };
        if !root.file.is_folder() {
            return Err(bad("it is no folder".to_owned()));
        }
        if root.file.trashed {
            return Err(bad("the folder is in the bin".to_owned()));
        }
        // Two that look at once see the same.
        self.shared.root_drive.get_or_init(|| root.drive_id);
        Ok(())
    }
}
