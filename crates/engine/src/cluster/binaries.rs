use super::ClusterError;
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where to look for PostgreSQL's own programs.
#[derive(Debug, Clone, Default)]
pub struct BinarySearch {
    /// `PG_BIN_PATH`: looked at first. Either the folder of the programs or the one that holds `bin`.
    pub configured: Option<PathBuf>,
    /// The folders of PATH. Relative ones are passed over: what they name depends on where we are called from.
    pub path_folders: Vec<PathBuf>,
}

/// The folder of one major version's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresBinaries {
    /// The folder itself, such as `/usr/lib/postgresql/17/bin`.
    pub folder: PathBuf,
    /// The version that its `postgres` reports.
    pub version: MajorVersion,
}

/// The program whose `--version` decides of which version a folder is.
const SERVER: &str = "postgres";

impl BinarySearch {
    /// Finds a folder whose `postgres` is of `version`: the configured folder, PATH, then the usual places of Debian, Red Hat,
    /// macOS (Homebrew, Postgres.app) and Windows.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`, saying where it looked.
    pub fn find(&self, version: MajorVersion) -> Result<PostgresBinaries, ClusterError> {
        let mut folders = self.given_folders();
        folders.extend(usual_folders(version));
        find_among(&folders, version)
    }

    /// Returns every version found, newest first; of each version the folder that [`BinarySearch::find`] would pick.
    pub fn find_all(&self) -> Vec<PostgresBinaries> {
        // The given folders are asked once, not once for each version: each question starts a process.
        let given: Vec<PostgresBinaries> =
            self.given_folders().iter().filter_map(|folder| PostgresBinaries::in_folder(folder)).collect();
        MajorVersion::ALL
            .into_iter()
            .rev()
            .filter_map(|version| {
                given
                    .iter()
                    .find(|binaries| binaries.version == version)
                    .cloned()
                    .or_else(|| find_among(&usual_folders(version), version).ok())
            })
            .collect()
    }

    /// Returns the configured folder and PATH's, in the order in which they are looked at.
    pub(super) fn given_folders(&self) -> Vec<PathBuf> {
        let configured = self.configured.iter().flat_map(|folder| [folder.clone(), folder.join("bin")]);
        configured.chain(self.path_folders.iter().filter(|folder| folder.is_absolute()).cloned()).collect()
    }
}

impl PostgresBinaries {
    /// Returns the path of one program, such as `pg_ctl`.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`.
    pub fn program(&self, name: &str) -> Result<PathBuf, ClusterError> {
        let path = self.folder.join(file_name(name));
        if path.is_file() {
            return Ok(path);
        }
        Err(ClusterError::ClusterBinaryMissing {
            program: name.to_owned(),
            major: self.version.to_string(),
            looked_in: self.folder.display().to_string(),
        })
    }

    /// Reads the major version that a folder's `postgres --version` reports. `None` when there is none, it does not run,
    /// or it is of a version that is not supported.
    pub fn in_folder(folder: &Path) -> Option<Self> {
        let server = folder.join(file_name(SERVER));
        if !server.is_file() {
            return None;
        }
        let output = Command::new(&server).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        if !output.status.success() {
            return None;
        }
        let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { folder: home_of(folder, &server), version })
    }
}

/// Returns the folder that holds the other programs: where `postgres` is only a link (`/usr/local/bin`), its target's folder.
fn home_of(folder: &Path, server: &Path) -> PathBuf {
    if !server.is_symlink() {
        return folder.to_owned();
    }
    let target = server.canonicalize().ok();
    match target.as_deref().and_then(Path::parent) {
        Some(home) if home.join(file_name(SERVER)).is_file() => home.to_owned(),
        _ => folder.to_owned(),
    }
}

fn find_among(folders: &[PathBuf], version: MajorVersion) -> Result<PostgresBinaries, ClusterError> {
    folders
        .iter()
        .filter_map(|folder| PostgresBinaries::in_folder(folder))
        .find(|binaries| binaries.version == version)
        .ok_or_else(|| ClusterError::ClusterBinaryMissing {
            program: SERVER.to_owned(),
            major: version.to_string(),
            looked_in: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
        })
}

/// Reads `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, `postgres (PostgreSQL) 18beta1` and the like.
pub(super) fn parse_version(text: &str) -> Option<MajorVersion> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    MajorVersion::try_from(digits.parse::<u32>().ok()?).ok()
}

pub(super) fn file_name(program: &str) -> String {
    format!("{program}{}", std::env::consts::EXE_SUFFIX)
}

/// Returns where packages put the programs of one version.
#[cfg(not(windows))]
pub(super) fn usual_folders(version: MajorVersion) -> Vec<PathBuf> {
    [
        format!("/usr/lib/postgresql/{version}/bin"),          // Debian, Ubuntu
        format!("/usr/pgsql-{version}/bin"),                   // Red Hat and kin, packages of PGDG
        format!("/usr/lib/postgresql{version}/bin"),           // SUSE
        format!("/usr/libexec/postgresql{version}"),           // Alpine
        format!("/usr/lib64/postgresql-{version}/bin"),        // Gentoo
        format!("/opt/homebrew/opt/postgresql@{version}/bin"), // Homebrew on Apple silicon
        format!("/usr/local/opt/postgresql@{version}/bin"),    // Homebrew on Intel
        format!("/home/linuxbrew/.linuxbrew/opt/postgresql@{version}/bin"), // Homebrew on Linux
        format!("/Applications/Postgres.app/Contents/Versions/{version}/bin"), // Postgres.app
        format!("/Library/PostgreSQL/{version}/bin"),          // EDB's installer on macOS
        "/usr/local/pgsql/bin".to_owned(),                     // built from source
        "/usr/bin".to_owned(),                                 // Red Hat's own, Arch
        "/usr/local/bin".to_owned(),                           // FreeBSD, container images
    ]
    .map(PathBuf::from)
    .to_vec()
}

/// Returns where packages put the programs of one version.
#[cfg(windows)]
pub(super) fn usual_folders(version: MajorVersion) -> Vec<PathBuf> {
    vec![PathBuf::from(format!(r"C:\Program Files\PostgreSQL\{version}\bin"))]
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// Writes a program from another process: were we to hold it open for writing while another test's thread forks, running
    /// it would fail with "text file busy".
    fn fake_program(path: &Path, script: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = "printf '%s' \"$2\" > \"$1\" && chmod 755 \"$1\"";
        let status = Command::new("/bin/sh").args(["-c", write, "sh"]).arg(path).arg(script).status().unwrap();
        assert!(status.success());
    }

    fn fake_postgres(folder: &Path, version_line: &str) {
        let script = format!("#!/bin/sh\n[ \"$1\" = --version ] || exit 1\necho '{version_line}'\n");
        fake_program(&folder.join("postgres"), &script);
    }

    #[test]
    fn reads_every_form_of_version_line() {
        for (line, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(MajorVersion::V15)),
            ("postgres (PostgreSQL) 18.6", Some(MajorVersion::V18)),
            ("postgres (PostgreSQL) 17beta2", Some(MajorVersion::V17)),
            ("postgres (PostgreSQL) 16devel", Some(MajorVersion::V16)),
            ("postgres (EnterpriseDB) 14.5.0", Some(MajorVersion::V14)),
            ("postgres (PostgreSQL) 13.4", None),
            ("postgres (PostgreSQL) 9.6.24", None),
            ("postgres (PostgreSQL) 99999999999999.1", None),
            ("postgres", None),
            ("", None),
        ] {
            assert_eq!(parse_version(line), version, "{line}");
        }
    }

    #[test]
    fn prefers_the_configured_folder_over_path() {
        let root = tempfile::tempdir().unwrap();
        fake_postgres(&root.path().join("mine"), "postgres (PostgreSQL) 16.1");
        fake_postgres(&root.path().join("path"), "postgres (PostgreSQL) 16.2");
        let search =
            BinarySearch { configured: Some(root.path().join("mine")), path_folders: vec![root.path().join("path")] };
        assert_eq!(search.find(MajorVersion::V16).unwrap().folder, root.path().join("mine"));
    }

    #[test]
    fn accepts_the_folder_above_bin_as_configured() {
        let root = tempfile::tempdir().unwrap();
        fake_postgres(&root.path().join("bin"), "postgres (PostgreSQL) 16.1");
        let search = BinarySearch { configured: Some(root.path().to_owned()), path_folders: vec![] };
        assert_eq!(search.find(MajorVersion::V16).unwrap().folder, root.path().join("bin"));
    }

    #[test]
    fn passes_over_folders_of_another_version_and_broken_programs() {
        let root = tempfile::tempdir().unwrap();
        let [old, broken, plain, right] = ["old", "broken", "plain", "right"].map(|name| root.path().join(name));
        fake_postgres(&old, "postgres (PostgreSQL) 14.9");
        fake_program(&broken.join("postgres"), "#!/bin/sh\nexit 3\n");
        fs::create_dir_all(&plain).unwrap();
        fs::write(plain.join("postgres"), "not a program").unwrap();
        fake_postgres(&right, "postgres (PostgreSQL) 17.3");
        let search = BinarySearch { configured: None, path_folders: vec![old, broken, plain, right.clone()] };
        assert_eq!(search.find(MajorVersion::V17).unwrap().folder, right);
    }

    #[test]
    fn follows_a_link_to_the_folder_that_has_the_other_programs() {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().canonicalize().unwrap().join("cellar/bin");
        fake_postgres(&home, "postgres (PostgreSQL) 18.0");
        fs::write(home.join("pg_ctl"), "").unwrap();
        let links = root.path().join("links");
        fs::create_dir(&links).unwrap();
        symlink(home.join("postgres"), links.join("postgres")).unwrap();
        let found = BinarySearch { configured: None, path_folders: vec![links] }.find(MajorVersion::V18).unwrap();
        assert_eq!(found.program("pg_ctl").unwrap(), home.join("pg_ctl"));
    }

    #[test]
    fn never_runs_a_program_from_a_relative_path_folder() {
        let search = BinarySearch { configured: None, path_folders: vec![PathBuf::from("."), PathBuf::new()] };
        assert!(search.given_folders().is_empty());
    }

    #[test]
    fn says_where_it_looked_when_nothing_is_found() {
        let root = tempfile::tempdir().unwrap();
        let folders = [root.path().join("a"), root.path().join("b")];
        let error = find_among(&folders, MajorVersion::V17).unwrap_err();
        let ClusterError::ClusterBinaryMissing { program, major, looked_in } = error else { panic!("{error}") };
        assert_eq!((program.as_str(), major.as_str()), ("postgres", "17"));
        assert_eq!(looked_in, format!("{}, {}", folders[0].display(), folders[1].display()));
    }

    #[test]
    fn names_the_program_and_folder_when_one_program_is_missing() {
        let root = tempfile::tempdir().unwrap();
        let binaries = PostgresBinaries { folder: root.path().to_owned(), version: MajorVersion::V16 };
        let error = binaries.program("pg_dump").unwrap_err();
        assert!(error.to_string().contains("pg_dump") && error.to_string().contains(root.path().to_str().unwrap()));
    }

    #[test]
    fn finds_all_versions_newest_first_and_each_once() {
        let root = tempfile::tempdir().unwrap();
        let folders: Vec<PathBuf> = [("a", "14.1"), ("b", "18.1"), ("c", "16.1"), ("d", "16.2"), ("e", "12.1")]
            .iter()
            .map(|(name, version)| {
                fake_postgres(&root.path().join(name), &format!("postgres (PostgreSQL) {version}"));
                root.path().join(name)
            })
            .collect();
        let found = BinarySearch { configured: None, path_folders: folders }.find_all();
        let versions: Vec<u32> = found.iter().map(|binaries| binaries.version.number()).collect();
        assert!(versions.is_sorted_by(|newer, older| newer > older), "{versions:?}");
        // This machine may have further versions in the usual places.
        let ours: Vec<_> = found.iter().filter(|binaries| binaries.folder.starts_with(root.path())).collect();
        assert_eq!(ours.iter().map(|b| b.version.number()).collect::<Vec<_>>(), [18, 16, 14]);
        assert_eq!(ours[1].folder, root.path().join("c"));
    }
}
