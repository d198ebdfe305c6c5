use engine::backup::BackupOptions;
use engine::cluster::{BinarySearch, ConnectionSettings};
use engine::reader::ReaderChoice;
use engine::verify::{DueValidations, ValidationLevel};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;
use vault::repository::Repository;

/// What the services work with: a cluster, its repository, and how things are done. The options may be changed before a service is
/// made of them.
#[derive(Clone)]
pub struct ServiceSettings {
    /// The server.
    pub connection: ConnectionSettings,
    /// Where its backups are.
    pub repository: Repository,
    /// How backups are taken.
    pub backup: BackupOptions,
    /// How backups are validated.
    pub validation: DueValidations,
    /// Where PostgreSQL's programs may be; needed to start what was restored.
    pub binaries: BinarySearch,
    /// The permanent replication slot.
    pub slot: String,
    /// Where throw-away clusters are made, out of which one database is restored: needs room for the whole cluster, and the user that
    /// runs servers must be able to pass it.
    pub work_folder: PathBuf,
}

impl ServiceSettings {
    /// Takes the defaults that the command has: level 1, as many workers as cores and at most 8, validation by checksum.
    pub fn new(connection: ConnectionSettings, repository: Repository) -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let tool_version = concat!("cadena ", env!("CARGO_PKG_VERSION")).to_owned();
        ServiceSettings {
            connection,
            repository,
            backup: BackupOptions {
                reader: ReaderChoice::Auto,
                jobs,
                compression_level: 1,
                max_rate_bytes: None,
                fast_checkpoint: true,
                label: None,
                tool_version,
                time_zone: TimeZone::system(),
                temporary_folder: std::env::temp_dir(),
            },
            validation: DueValidations {
                level: ValidationLevel::Checksum,
                jobs,
                search: BinarySearch::default(),
                again_after: Duration::from_secs(7 * 86_400),
                budget: None,
                by: format!("cadena@{}", vault::storage::host_name()),
            },
            binaries: BinarySearch { configured: None, path_folders: Vec::new() },
            slot: "cadena".to_owned(),
            work_folder: std::env::temp_dir(),
        }
    }
}
