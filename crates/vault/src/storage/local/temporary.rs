//! Files that are written under a hidden name and get their own when they are whole.

use super::Folder;
use crate::storage::key::PARTIAL_SUFFIX;
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::sync::Arc;

/// A hidden file `.NAME.TOKEN.cadena-partial`. Dropped without being published, it is removed.
///
/// Its writer keeps a kernel lock on it, which ends with the writer: so a sweep tells left-overs of dead writers from
/// files that are being written, whoever writes them.
pub(super) struct TemporaryFile {
    folder: Arc<Folder>,
    name: String,
    file: Option<File>,
}

impl TemporaryFile {
    /// Makes a hidden file for what will be `final_name`.
    pub fn create(folder: &Arc<Folder>, final_name: &str) -> io::Result<Self> {
        loop {
            let name = format!(".{final_name}.{:016x}{PARTIAL_SUFFIX}", RandomState::new().build_hasher().finish());
            let file = match folder.create_file(&name) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            let temporary = TemporaryFile { folder: Arc::clone(folder), name, file: Some(file) };
            // A sweep that came between the creation and the lock has taken the file for a left-over: take another.
            if try_lock(temporary.file())? && folder.is_same_file(&temporary.name, temporary.file())? {
                return Ok(temporary);
            }
        }
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        match &self.file {
            Some(file) => file,
            None => unreachable!("the file is taken only by publish and publish_new, which consume self"),
        }
    }

    /// Makes the content durable, then the name, which nothing may have yet. The file stays locked until it is dropped.
    pub fn publish_new(self, name: &str) -> io::Result<File> {
        self.publish_with(|folder, hidden| {
            folder.rename_new(hidden, name)?;
            folder.sync()
        })
    }

    /// The same, replacing what has the name.
    pub fn publish(self, name: &str) -> io::Result<File> {
        self.publish_with(|folder, hidden| {
            folder.rename(hidden, name)?;
            folder.sync()
        })
    }

    /// Makes the content durable and gives it its name, which nothing may have yet; [`Folder::sync`] makes that durable.
    pub fn publish_new_unsettled(self, name: &str) -> io::Result<File> {
        self.publish_with(|folder, hidden| folder.rename_new(hidden, name))
    }

    /// The order is the promise: a name that is seen after a power cut stands for a whole file. Content first, then the folder
    /// that holds the name. No test can show this order; only a power cut would.
    fn publish_with(mut self, rename: impl FnOnce(&Folder, &str) -> io::Result<()>) -> io::Result<File> {
        self.file().sync_all()?;
        rename(&self.folder, &self.name)?;
        self.file.take().ok_or_else(|| io::Error::other("the temporary file was published twice"))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = self.folder.remove(&self.name)
            && error.kind() != io::ErrorKind::NotFound
        {
            // Harmless: it is hidden, and a later sweep finds it, since its lock ends here.
            tracing::warn!(name = self.name, %error, "could not remove a temporary file");
        }
    }
}

/// Removes what dead writers of `final_name` left in `folder`.
pub(super) fn sweep(folder: &Folder, final_name: &str) -> io::Result<()> {
    sweep_those(folder, |name| is_temporary_of(name, final_name))
}

/// Removes what dead writers of anything left in `folder`.
pub(super) fn sweep_all(folder: &Folder) -> io::Result<()> {
    sweep_those(folder, is_temporary)
}

fn sweep_those(folder: &Folder, is_meant: impl Fn(&str) -> bool) -> io::Result<()> {
    for name in folder.names()? {
        let Some(name) = name.to_str().filter(|name| is_meant(name)) else { continue };
        let file = match folder.open_file(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if !try_lock(&file)? {
            continue;
        }
        match folder.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    folder.sync()
}

/// Takes the kernel lock of a file, unless another open file has it.
#[allow(clippy::incompatible_msrv)] // std's file locks came with Rust 1.89, while the workspace still says 1.88
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_temporary_of(name: &str, final_name: &str) -> bool {
    final_name_of(name) == Some(final_name)
}

fn is_temporary(name: &str) -> bool {
    final_name_of(name).is_some()
}

/// Returns what a hidden file was to become.
fn final_name_of(name: &str) -> Option<&str> {
    let (final_name, token) = name.strip_prefix('.')?.strip_suffix(PARTIAL_SUFFIX)?.rsplit_once('.')?;
    let is_token = token.len() == 16 && token.bytes().all(|b| b.is_ascii_hexdigit());
    (is_token && !final_name.is_empty()).then_some(final_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_temporary_files_of_one_name_from_all_others() {
        assert!(is_temporary_of(".a.0123456789abcdef.cadena-partial", "a"));
        for other in [
            ".a.0123456789abcdef.0123456789abcdef.cadena-partial",
            ".ab.0123456789abcdef.cadena-partial",
            ".a.0123456789abcde.cadena-partial",
            ".a.0123456789abcdeg.cadena-partial",
            "a.0123456789abcdef.cadena-partial",
            ".a.cadena-partial",
            "a",
        ] {
            assert!(!is_temporary_of(other, "a"), "{other}");
        }
    }

    #[test]
    fn a_sweep_takes_the_left_overs_of_the_dead_and_leaves_the_living_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open_root(temporary.path()).unwrap());
        let alive = TemporaryFile::create(&folder, "a").unwrap();
        let dead = ".a.0123456789abcdef.cadena-partial";
        std::fs::write(temporary.path().join(dead), "half").unwrap();
        std::fs::write(temporary.path().join(".ab.0123456789abcdef.cadena-partial"), "half").unwrap();
        sweep(&folder, "a").unwrap();
        let mut left: Vec<_> = folder.names().unwrap().into_iter().map(|name| name.into_string().unwrap()).collect();
        left.sort();
        let mut wanted = vec![alive.name.clone(), ".ab.0123456789abcdef.cadena-partial".to_owned()];
        wanted.sort();
        assert_eq!(left, wanted);
        drop(alive);
        sweep(&folder, "a").unwrap();
        assert_eq!(folder.names().unwrap().len(), 1);
    }

    #[test]
    fn writers_and_sweepers_that_race_never_harm_each_other() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open_root(temporary.path()).unwrap());
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    sweep(&folder, "a").unwrap();
                }
            });
            for round in 0..300_u32 {
                let file = TemporaryFile::create(&folder, "a").unwrap();
                io::Write::write_all(&mut file.file(), &round.to_le_bytes()).unwrap();
                file.publish("a").unwrap();
                assert_eq!(std::fs::read(temporary.path().join("a")).unwrap(), round.to_le_bytes());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
