//! How is a half-made directory removed? Through directory handles, following no link, the control file first.

use pgformat::control_file::CONTROL_FILE_PATH;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;

/// Removes everything in `directory` except the top entries named in `keep`.
///
/// # Errors
/// The operating system's, at the first entry that can't be removed.
pub(crate) fn remove_contents(directory: impl AsFd, keep: &[&str]) -> io::Result<()> {
    let directory = directory.as_fd();
    // Without it no server starts here, however far the removal comes.
    if let Some((folder, name)) = CONTROL_FILE_PATH.split_once('/') {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let removed =
            openat(directory, folder, flags, Mode::empty()).and_then(|folder| unlinkat(folder, name, AtFlags::empty()));
        match removed {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    remove_entries(directory, keep)
}

/// The same, in no particular order.
///
/// # Errors
/// As [`remove_contents`].
pub(crate) fn remove_entries(directory: std::os::fd::BorrowedFd<'_>, keep: &[&str]) -> io::Result<()> {
    // Read whole before anything goes: an entry removed during a listing may hide others from it.
    let mut entries: Vec<(CString, FileType)> = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let kept = keep.iter().any(|kept| kept.as_bytes() == name.to_bytes());
        if !kept && name.to_bytes() != b"." && name.to_bytes() != b".." {
            entries.push((name.to_owned(), entry.file_type()));
        }
    }
    for (name, kind) in entries {
        let is_directory = match kind {
            FileType::Unknown => {
                let status = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(status.st_mode).is_dir()
            }
            kind => kind.is_dir(),
        };
        if is_directory {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let inner = openat(directory, &name, flags, Mode::empty())?;
            remove_entries(inner.as_fd(), &[])?;
            unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
        } else {
            unlinkat(directory, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{File, create_dir_all, read_dir, write};

    #[test]
    fn removes_all_but_what_is_kept_and_follows_no_link() {
        let outside = tempfile::tempdir().unwrap();
        write(outside.path().join("precious"), b"x").unwrap();
        let folder = tempfile::tempdir().unwrap();
        create_dir_all(folder.path().join("pg_tblspc")).unwrap();
        create_dir_all(folder.path().join("base/1")).unwrap();
        write(folder.path().join("base/1/1259"), b"x").unwrap();
        write(folder.path().join("marker"), b"x").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("pg_tblspc/1")).unwrap();
        remove_contents(File::open(folder.path()).unwrap(), &["marker"]).unwrap();
        let left: Vec<_> = read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["marker"]);
        assert!(outside.path().join("precious").exists());
    }
}
