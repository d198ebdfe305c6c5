//! Who owns a data directory and runs its server. PostgreSQL refuses to run as root, and backups often do run as root.

use crate::cluster::ClusterError;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The operating-system user that owns a data directory and runs its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOwner {
    /// The user's number; never 0.
    pub uid: u32,
    /// The number of its main group.
    pub gid: u32,
    /// Its name, or its number where it has no name.
    pub name: String,
}

/// What a program of PostgreSQL gets to see of the environment. Everything else stays out: PG* variables would change
/// what it does, and a server lives long and would show the passwords of ours to whoever may read its environment.
const CHILD_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl ServerOwner {
    /// Returns the user we are, unless we are root.
    pub fn current() -> Option<Self> {
        let (uid, gid) = os::current_ids();
        (!os::is_root()).then(|| Self {
            uid,
            gid,
            name: os::account_of(uid).map_or(uid.to_string(), |found| found.name),
        })
    }

    /// Looks a user up by name.
    ///
    /// # Errors
    /// `ClusterNoUser`; `ClusterRoot` for root.
    pub fn named(name: &str) -> Result<Self, ClusterError> {
        let account = os::account_named(name).ok_or_else(|| ClusterError::ClusterNoUser { user: name.to_owned() })?;
        if account.uid == 0 { Err(ClusterError::ClusterRoot {}) } else { Ok(account) }
    }

    /// Picks who is to own a new data directory: `named`, else we (if not root), else the owner of the existing target
    /// (if not root), else `postgres`.
    ///
    /// # Errors
    /// `ClusterNoUser` when `named` does not exist; `ClusterOtherUser` when it is not us and we are not root;
    /// `ClusterRoot` when none of them is to be had.
    pub fn choose(named: Option<&str>, target: &Path) -> Result<Self, ClusterError> {
        let us = Self::current();
        if let Some(name) = named {
            let owner = Self::named(name)?;
            return match us {
                Some(us) if us.uid != owner.uid => {
                    Err(ClusterError::ClusterOtherUser { user: owner.name, current: us.name })
                }
                _ => Ok(owner),
            };
        }
        us.or_else(|| Self::of_existing(target))
            .or_else(|| Self::named("postgres").ok())
            .ok_or(ClusterError::ClusterRoot {})
    }

    /// Returns the owner of an existing file or folder, unless that is root.
    pub fn of_existing(path: &Path) -> Option<Self> {
        let (uid, gid) = os::owner_ids(path)?;
        // A container may run under a number without a name.
        let account = os::account_of(uid).unwrap_or(Self { uid, gid, name: uid.to_string() });
        (uid != 0).then_some(account)
    }

    /// Returns a command that runs `program` as this user, in `/`, with a clean environment (`PATH`, `HOME`, `LC_ALL=C`) so
    /// that its messages are in English and no `PG*` variable changes what it does.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        os::prepare(&mut command, self);
        command
    }

    /// Gives a file or folder to this user when we are root; does nothing otherwise, since what we make is ours.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn take_over(&self, path: &Path) -> io::Result<()> {
        os::give_to(path, self)
    }

    /// Names the first folder on the way to `path` whose mode does not let this user in. A hint for error messages, not a
    /// verdict: access control lists may say otherwise.
    pub(super) fn first_forbidden_folder(&self, path: &Path) -> Option<PathBuf> {
        let mut folders: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
        folders.reverse();
        folders.into_iter().find(|folder| os::may_not_enter(folder, self)).map(Path::to_owned)
    }
}

#[cfg(unix)]
mod os {
    use super::{CHILD_PATH, Command, Path, ServerOwner, io};
    use std::ffi::{CStr, CString};
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::CommandExt;
    use std::ptr;

    pub fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    pub fn current_ids() -> (u32, u32) {
        (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
    }

    pub fn owner_ids(path: &Path) -> Option<(u32, u32)> {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.uid(), metadata.gid()))
    }

    pub fn account_named(name: &str) -> Option<ServerOwner> {
        let name = CString::new(name).ok()?;
        // SAFETY: `name` is a C string, and the other pointers come from `look_up`, which keeps them valid for the call.
        look_up(|entry, buffer, size, result| unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, size, result) })
    }

    pub fn account_of(uid: u32) -> Option<ServerOwner> {
        // SAFETY: the pointers come from `look_up`, which keeps them valid for the call.
        look_up(|entry, buffer, size, result| unsafe { libc::getpwuid_r(uid, entry, buffer, size, result) })
    }

    /// Calls one of the `getpw…_r` functions with a buffer that grows until the entry fits.
    fn look_up(
        call: impl Fn(*mut libc::passwd, *mut libc::c_char, libc::size_t, *mut *mut libc::passwd) -> libc::c_int,
    ) -> Option<ServerOwner> {
        let mut buffer: Vec<libc::c_char> = vec![0; 1024];
        loop {
            let mut entry = std::mem::MaybeUninit::<libc::passwd>::uninit();
            let mut result = ptr::null_mut();
            let code = call(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &mut result);
            // A directory service's entry may be long, but not that long.
            if code == libc::ERANGE && buffer.len() < 1 << 20 {
                buffer.resize(buffer.len() * 2, 0);
                continue;
            }
            if code != 0 || result.is_null() {
                return None;
            }
            // SAFETY: the call succeeded with a result, so `result` points to the initialized `entry`, whose name is a C
            // string inside `buffer`; both live until we return.
            let (uid, gid, name) =
                unsafe { ((*result).pw_uid, (*result).pw_gid, CStr::from_ptr((*result).pw_name).to_string_lossy()) };
            return Some(ServerOwner { uid, gid, name: name.into_owned() });
        }
    }

    /// Returns the groups that the user is in, its own among them.
    fn groups_of(owner: &ServerOwner) -> Vec<libc::gid_t> {
        let Ok(name) = CString::new(owner.name.as_str()) else { return vec![owner.gid] };
        let mut groups: Vec<libc::gid_t> = vec![0; 64];
        loop {
            let mut count = groups.len() as libc::c_int;
            // SAFETY: `groups` has room for `count` entries, and `name` is a C string. The casts are for macOS, which
            // declares group ids as int here.
            let code = unsafe {
                libc::getgrouplist(name.as_ptr(), owner.gid as _, groups.as_mut_ptr().cast(), &raw mut count)
            };
            if code >= 0 {
                groups.truncate(count.max(0) as usize);
                return groups;
            }
            if groups.len() >= 1 << 16 {
                return vec![owner.gid];
            }
            groups.resize(groups.len() * 2, 0);
        }
    }

    pub fn prepare(command: &mut Command, owner: &ServerOwner) {
        // HOME is a folder that everybody can enter and that holds no .pgpass, .psqlrc or certificate.
        command.env_clear().env("PATH", CHILD_PATH).env("LC_ALL", "C").env("HOME", "/").current_dir("/");
        if !is_root() {
            return;
        }
        // Looked up here: after the fork only system calls are allowed.
        let mut groups = groups_of(owner);
        if cfg!(target_os = "macos") {
            groups.truncate(16); // setgroups refuses more there
        }
        let (uid, gid) = (owner.uid, owner.gid);
        // `Command::uid` would drop the user's further groups, such as Debian's ssl-cert, without which the server cannot
        // read its key.
        let become_owner = move || {
            // SAFETY: `groups` is a valid array of that length; the calls change nothing but the credentials of the child.
            let done = unsafe {
                libc::setgroups(groups.len() as _, groups.as_ptr()) == 0
                    && libc::setgid(gid) == 0
                    && libc::setuid(uid) == 0
            };
            if done { Ok(()) } else { Err(io::Error::last_os_error()) }
        };
        // SAFETY: the closure makes only async-signal-safe system calls and allocates nothing.
        unsafe { command.pre_exec(become_owner) };
    }

    pub fn give_to(path: &Path, owner: &ServerOwner) -> io::Result<()> {
        if is_root() { std::os::unix::fs::chown(path, Some(owner.uid), Some(owner.gid)) } else { Ok(()) }
    }

    pub fn may_not_enter(folder: &Path, owner: &ServerOwner) -> bool {
        let Ok(metadata) = std::fs::metadata(folder) else { return false };
        if !metadata.is_dir() {
            return false;
        }
        let search_bit = if metadata.uid() == owner.uid {
            0o100
        } else if groups_of(owner).contains(&metadata.gid()) {
            0o010
        } else {
            0o001
        };
        metadata.mode() & search_bit == 0
    }
}

/// Windows has no root and PostgreSQL's own programs drop an administrator's rights by themselves, so a server runs as us.
#[cfg(not(unix))]
mod os {
    use super::{Command, Path, ServerOwner, io};

    pub fn is_root() -> bool {
        false
    }
    pub fn current_ids() -> (u32, u32) {
        (1, 1)
    }
    pub fn owner_ids(_path: &Path) -> Option<(u32, u32)> {
        None
    }
    pub fn account_named(_name: &str) -> Option<ServerOwner> {
        None
    }
    pub fn account_of(_uid: u32) -> Option<ServerOwner> {
        None
    }
    pub fn prepare(command: &mut Command, _owner: &ServerOwner) {
        // Programs need the system's own variables there, so only libpq's and the server's are taken out.
        for name in ["PGDATA", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGPASSWORD", "PGOPTIONS", "PGSERVICE"] {
            command.env_remove(name);
        }
        command.env("LC_ALL", "C");
    }
    pub fn give_to(_path: &Path, _owner: &ServerOwner) -> io::Result<()> {
        Ok(())
    }
    pub fn may_not_enter(_folder: &Path, _owner: &ServerOwner) -> bool {
        false
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// A user that is neither we nor root, if we may become others at all.
    fn somebody_else() -> Option<ServerOwner> {
        ServerOwner::current().is_none().then(|| ServerOwner::named("nobody").unwrap())
    }

    #[test]
    fn refuses_a_user_that_does_not_exist() {
        let error = ServerOwner::named("no-such-user-here").unwrap_err();
        assert!(matches!(error, ClusterError::ClusterNoUser { user } if user == "no-such-user-here"));
        assert!(matches!(ServerOwner::named("a\0b"), Err(ClusterError::ClusterNoUser { .. })));
    }

    #[test]
    fn refuses_root_by_name() {
        assert!(matches!(ServerOwner::named("root"), Err(ClusterError::ClusterRoot {})));
        assert!(matches!(ServerOwner::choose(Some("root"), Path::new("/")), Err(ClusterError::ClusterRoot {})));
    }

    #[test]
    fn chooses_us_unless_we_are_root() {
        if let Some(us) = ServerOwner::current() {
            assert_ne!(us.uid, 0);
            assert_eq!(ServerOwner::choose(None, Path::new("/")).unwrap(), us);
            let other = ServerOwner::choose(Some("nobody"), Path::new("/"));
            assert!(us.name == "nobody" || matches!(other, Err(ClusterError::ClusterOtherUser { .. })));
        }
    }

    #[test]
    fn chooses_the_owner_of_the_target_when_we_are_root() {
        let Some(nobody) = somebody_else() else { return };
        let target = tempfile::tempdir().unwrap();
        nobody.take_over(target.path()).unwrap();
        assert_eq!(ServerOwner::choose(None, target.path()).unwrap(), nobody);
        // Root's own folder says nothing of who is to own the data.
        assert_ne!(ServerOwner::choose(None, Path::new("/")).map(|owner| owner.uid).unwrap_or(1), 0);
    }

    #[test]
    fn runs_a_program_as_the_owner_with_its_groups_and_a_clean_environment() {
        let owner = somebody_else().or_else(ServerOwner::current).unwrap();
        let output = owner.command("/bin/sh").args(["-c", "id -u; id -g; id -G; pwd; env"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], owner.uid.to_string());
        assert_eq!(lines[1], owner.gid.to_string());
        let expected = Command::new("id").args(["-G", &owner.name]).output().unwrap();
        let sorted = |text: &str| {
            let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(sorted(lines[2]), sorted(&String::from_utf8(expected.stdout).unwrap()));
        assert_eq!(lines[3], "/");
        // The shell itself adds PWD and the like.
        let names: Vec<&str> =
            lines[4..].iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| ["PATH", "HOME", "LC_ALL", "PWD", "SHLVL", "_"].contains(name)), "{names:?}");
    }

    #[test]
    fn names_the_folder_that_the_owner_cannot_enter() {
        let Some(nobody) = somebody_else() else { return };
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (shut, inner) = (root.path().join("shut"), root.path().join("shut/inner"));
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(nobody.first_forbidden_folder(&inner), None);
        fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(nobody.first_forbidden_folder(&inner), Some(shut.clone()));
        nobody.take_over(&shut).unwrap();
        assert_eq!(nobody.first_forbidden_folder(&inner), None);
    }
}
