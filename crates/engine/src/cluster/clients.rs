//! Which pg_dump and pg_restore fit two servers? A dump must be made by programs that know the source's version, and is best loaded
//! by those of the target's: what newer ones write, an older server may not understand.

use super::binaries::{BinarySearch, file_name, usual_folders};
use super::{ClusterError, ConnectionSettings};
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The client programs of one version, in one folder. Debian's packages of clients have them without a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPrograms {
    /// The folder.
    pub folder: PathBuf,
    /// What its pg_dump reports.
    pub version: MajorVersion,
}

impl ClientPrograms {
    /// Returns the path of `pg_dump`.
    pub fn dump(&self) -> PathBuf {
        self.folder.join(file_name("pg_dump"))
    }

    /// Returns the path of `pg_restore`.
    pub fn restore(&self) -> PathBuf {
        self.folder.join(file_name("pg_restore"))
    }

    /// Returns the path of `pg_dumpall`.
    ///
    /// # Errors
    /// `ClusterBinaryMissing` when the folder has none.
    pub fn dump_all(&self) -> Result<PathBuf, ClusterError> {
        let path = self.folder.join(file_name("pg_dumpall"));
        if path.is_file() {
            return Ok(path);
        }
        let (program, looked_in) = ("pg_dumpall".to_owned(), self.folder.display().to_string());
        Err(ClusterError::ClusterBinaryMissing { program, major: self.version.to_string(), looked_in })
    }

    /// Returns the path of `pg_amcheck`, where the package has it.
    pub fn amcheck(&self) -> Option<PathBuf> {
        Some(self.folder.join(file_name("pg_amcheck"))).filter(|path| path.is_file())
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let found = ClientPrograms { folder: folder.to_owned(), version: MajorVersion::V14 };
        if !found.restore().is_file() || !found.dump().is_file() {
            return None;
        }
        // Debian's /usr/bin/pg_dump is a script that picks a version by its arguments, not the one that it names here.
        let real = found.dump().canonicalize().ok()?;
        if real.file_name() != found.dump().file_name() {
            return None;
        }
        let output =
            Command::new(found.dump()).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
        let version = super::binaries::parse_version(&String::from_utf8_lossy(&output.stdout))?;
        output.status.success().then_some(ClientPrograms { version, ..found })
    }
}

impl BinarySearch {
    /// Finds the programs that dump from a server of `source` and load into one of `target`, which is not older: those of the target's
    /// version, else the newest between, else the oldest beyond.
    ///
    /// # Errors
    /// `ClusterBinaryMissing`, saying where it looked.
    pub fn find_clients(&self, source: MajorVersion, target: MajorVersion) -> Result<ClientPrograms, ClusterError> {
        let mut folders = self.given_folders();
        folders.extend(MajorVersion::ALL.into_iter().rev().flat_map(usual_folders));
        let mut seen = Vec::new();
        let mut found: Vec<ClientPrograms> = Vec::new();
        for folder in folders {
            if !seen.contains(&folder) {
                found.extend(ClientPrograms::in_folder(&folder));
                seen.push(folder);
            }
        }
        choose(found, source, target).ok_or_else(|| ClusterError::ClusterBinaryMissing {
            program: "pg_dump, pg_restore".to_owned(),
            major: source.max(target).to_string(),
            looked_in: seen.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
        })
    }
}

/// How a client program is told whom to connect to.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConnection {
    /// For `-d`: everything but secrets, since others may see command lines.
    pub conninfo: String,
    /// For the environment variable PGPASSWORD.
    pub password: Option<String>,
}

impl ConnectionSettings {
    /// Writes the settings down for a client program, as they were given: what they leave open (service, environment, password file)
    /// it finds by itself as we do.
    ///
    /// # Errors
    /// `ClusterSettings`.
    pub fn for_client(&self) -> Result<ClientConnection, ClusterError> {
        let mut values: Vec<(String, String, bool)> = Vec::new();
        for (keyword, value, secret) in self.given()? {
            values.retain(|(known, ..)| *known != keyword);
            values.push((keyword, value, secret));
        }
        let password = values.iter().find(|(keyword, ..)| keyword == "password").map(|(_, value, _)| value.clone());
        let quoted = |value: &str| format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"));
        let open = values.iter().filter(|(_, value, secret)| !secret && !value.is_empty());
        let conninfo: Vec<String> = open.map(|(keyword, value, _)| format!("{keyword}={}", quoted(value))).collect();
        Ok(ClientConnection { conninfo: conninfo.join(" "), password })
    }
}

impl ClientConnection {
    /// Adds the connection to a program's command line and environment.
    pub fn apply(&self, command: &mut Command) {
        command.arg("-d").arg(&self.conninfo).arg("--no-password");
        if let Some(password) = &self.password {
            command.env("PGPASSWORD", password);
        }
    }
}

impl std::fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientConnection").field(&self.conninfo).finish()
    }
}

fn choose(found: Vec<ClientPrograms>, source: MajorVersion, target: MajorVersion) -> Option<ClientPrograms> {
    let place = |programs: &ClientPrograms| {
        let (version, target) = (programs.version.number(), target.number());
        (version > target, version.abs_diff(target))
    };
    // Of one version the first: that of the configured folder.
    found.into_iter().filter(|programs| programs.version >= source).min_by_key(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(versions: &[MajorVersion], source: MajorVersion, target: MajorVersion) -> Option<MajorVersion> {
        let all = versions.iter().map(|version| ClientPrograms { folder: PathBuf::new(), version: *version });
        choose(all.collect(), source, target).map(|programs| programs.version)
    }

    #[test]
    fn a_password_is_never_on_the_command_line() {
        let settings = ConnectionSettings {
            conninfo: Some("postgresql://ana:s3cret@h:5433/d?sslmode=prefer".to_owned()),
            keywords: vec![("dbname".to_owned(), "it's".to_owned()), ("port".to_owned(), "6000".to_owned())],
        };
        let client = settings.for_client().unwrap();
        assert_eq!(client.conninfo, "user='ana' host='h' sslmode='prefer' dbname='it\\'s' port='6000'");
        assert_eq!(client.password.as_deref(), Some("s3cret"));
        assert!(!format!("{client:?}").contains("s3cret"));
        let keyword = ConnectionSettings { conninfo: None, keywords: vec![("password".to_owned(), "x".to_owned())] };
        assert_eq!(keyword.for_client().unwrap().conninfo, "");
    }

    #[test]
    fn programs_of_the_targets_version_are_best_then_older_then_newer() {
        use MajorVersion::{V14, V15, V16, V17, V18};
        assert_eq!(chosen(&[V18, V15, V16], V15, V16), Some(V16));
        assert_eq!(chosen(&[V14, V15, V18], V14, V16), Some(V15));
        assert_eq!(chosen(&[V14, V18, V17], V15, V16), Some(V17));
        assert_eq!(chosen(&[V14, V15], V16, V16), None);
    }
}
