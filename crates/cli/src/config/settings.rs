//! Brings flags, environment, file and defaults together.

use super::file::parse_time_zone;
use super::store::StoreSection;
use super::{
    CatalogConfig, ConfigError, DrillConfig, EncryptionConfig, Environment, FileConfig, MonitoringConfig,
    ReplicaConfig, ValidationConfig,
};
use crate::args::{CheckpointArg, GlobalOptions, parse_bounded, parse_choice};
use crate::locale::Language;
use cadena::cluster::{BinarySearch, ConnectionSettings};
use cadena::reader::ReaderChoice;
use cadena::retention::Policy;
use cadena::scheduler::Rules;
use cadena::stores::{StoreSettings, is_remote};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where the repository is when nobody says so: the seed's folder.
pub const DEFAULT_REPOSITORY: &str = "backups_incrementales";
/// The configuration file that is read when it exists and no other is named.
pub const DEFAULT_CONFIG: &str = "cadena.toml";
/// zstd's fastest level: reading and checksums take as long as it does.
const DEFAULT_COMPRESSION_LEVEL: i32 = 1;
/// With the one that is asked for, an even load for two cores but for one segment.
const DEFAULT_PUSH_AHEAD: usize = 8;
/// More workers than this rarely help one disk, and each takes memory; `--jobs` goes further.
const DEFAULT_JOBS_AT_MOST: usize = 8;

/// The permanent slot's name when nobody says so.
const DEFAULT_SLOT: &str = "cadena";
/// How much WAL the slot may hold back on the server before it is let go: more than a long outage of ours should take, less than
/// most servers' disks. A gap in the archive is closed by the next backup; a full disk stops the database.
const DEFAULT_MAX_SLOT_RETAINED_BYTES: u64 = 64 << 30;

/// The seed's variables and the libpq keywords that they set.
const CONNECTION_VARIABLES: [(&str, &str); 5] =
    [("DB_HOST", "host"), ("DB_PORT", "port"), ("DB_NAME", "dbname"), ("DB_USER", "user"), ("DB_PASSWORD", "password")];

/// Everything that commands need to know.
pub struct Settings {
    pub connection: ConnectionSettings,
    /// The repository: an absolute path, or the address of a storage elsewhere.
    pub store: StoreSettings,
    pub reader: ReaderChoice,
    pub jobs: usize,
    pub compression_level: i32,
    /// Of archived WAL. Its own: who waits for a segment to be archived should not wait for what suits backups.
    pub wal_compression_level: i32,
    /// How many segments that wait behind it `wal-push` may archive with the one that it is asked for.
    pub wal_push_ahead: usize,
    pub max_rate_bytes: Option<u64>,
    pub fast_checkpoint: bool,
    pub slot: String,
    /// `None`: no bound.
    pub max_slot_retained_bytes: Option<u64>,
    /// The system's is looked for when it is first asked for: that reads a whole tree of folders, and a server that archives a
    /// segment waits for this program.
    pub time_zone: LazyLock<TimeZone, Box<dyn FnOnce() -> TimeZone + Send>>,
    /// `CADENA_TIME_ZONE`, which a change of the file's zone doesn't touch.
    pub time_zone_variable: Option<TimeZone>,
    pub binaries: BinarySearch,
    /// Where throw-away clusters are made.
    pub work_folder: Option<PathBuf>,
    /// What the file says of the schedule.
    pub schedule: Rules,
    pub validation: ValidationConfig,
    pub catalog: CatalogConfig,
    pub monitoring: MonitoringConfig,
    /// Who runs this program, as the system calls the account.
    pub user_name: Option<String>,
    /// What `cadena.toml` says of retention.
    pub retention: Option<Policy>,
    /// Where copies go.
    pub replicas: Vec<ReplicaConfig>,
    /// What a drill looks at.
    pub drill: DrillConfig,
    pub encryption: EncryptionConfig,
    /// The replica that is read in the repository's place.
    pub from_replica: Option<String>,
    /// The configuration file that was read.
    pub config_file: Option<PathBuf>,
}

impl Settings {
    /// Resolves every setting.
    ///
    /// # Errors
    /// `ConfigBadVariable` for an environment variable that can't be used.
    pub fn resolve(flags: &GlobalOptions, environment: &Environment, file: FileConfig) -> Result<Self, ConfigError> {
        let connection = connection(flags, environment, &file)?;
        let store = store(flags, environment, &file.store)?;
        let binaries = BinarySearch {
            configured: environment.path("PG_BIN_PATH").or(file.pg_bin_path),
            path_folders: environment.raw("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default(),
        };
        let time_zone_variable = environment.parsed("CADENA_TIME_ZONE", parse_time_zone)?;
        let time_zone = time_zone_variable.clone().or(file.time_zone);
        Ok(Settings {
            connection,
            store,
            reader: file.reader.map_or(ReaderChoice::Auto, ReaderChoice::from),
            jobs: file.jobs.unwrap_or_else(default_jobs),
            compression_level: file.compression_level.unwrap_or(DEFAULT_COMPRESSION_LEVEL),
            wal_compression_level: file.wal_compression_level.unwrap_or(DEFAULT_COMPRESSION_LEVEL),
            wal_push_ahead: file.wal_push_ahead.unwrap_or(DEFAULT_PUSH_AHEAD),
            max_rate_bytes: file.max_rate_bytes,
            fast_checkpoint: file.checkpoint != Some(CheckpointArg::Spread),
            slot: file.slot.unwrap_or_else(|| DEFAULT_SLOT.to_owned()),
            max_slot_retained_bytes: file.max_slot_retained_bytes.unwrap_or(Some(DEFAULT_MAX_SLOT_RETAINED_BYTES)),
            time_zone: LazyLock::new(Box::new(|| time_zone.unwrap_or_else(TimeZone::system))),
            time_zone_variable,
            binaries,
            work_folder: environment.path("CADENA_WORK_DIR").or(file.work_folder),
            schedule: file.schedule,
            validation: file.validation,
            catalog: file.catalog,
            monitoring: MonitoringConfig {
                channels: file.notify,
                metrics: file.metrics,
                cluster_name: file.cluster_name,
                environment: environment.clone(),
            },
            user_name: ["USER", "LOGNAME", "USERNAME"]
                .into_iter()
                .find_map(|name| environment.raw(name)?.to_str().map(str::to_owned)),
            retention: file.retention,
            replicas: file.replicas,
            drill: file.drill,
            encryption: EncryptionConfig::new(file.encryption, environment)?,
            from_replica: flags.from_replica.clone(),
            config_file: file.path,
        })
    }
}

/// Says where the repository is. Options and secrets of the file hold for an address from elsewhere, too.
fn store(flags: &GlobalOptions, environment: &Environment, file: &StoreSection) -> Result<StoreSettings, ConfigError> {
    let named = flags.repository.clone().or_else(|| environment.path("BACKUP_DIR"));
    let named = named.map(|place| match place.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(_) => {
            let (variable, value, allowed) = ("BACKUP_DIR".to_owned(), "?".to_owned(), "UTF-8".to_owned());
            Err(ConfigError::ConfigBadVariable { variable, value, allowed })
        }
    });
    let url = named.transpose()?.or_else(|| file.url.clone()).unwrap_or_else(|| DEFAULT_REPOSITORY.to_owned());
    if is_remote(&url) || url.starts_with("file://") {
        return file.resolve(Some(&url), environment);
    }
    // It fails for an empty path only, and an empty value counts as absent everywhere above.
    let path = std::path::absolute(&url).map_or(url, |path| path.display().to_string());
    file.resolve(Some(&path), environment)
}

impl Settings {
    /// Returns the repository's folder, when it is one.
    pub fn repository_folder(&self) -> Option<PathBuf> {
        let url = &self.store.url;
        (!is_remote(url)).then(|| PathBuf::from(url.strip_prefix("file://").unwrap_or(url)))
    }
}

fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(DEFAULT_JOBS_AT_MOST)
}

/// Puts the connection together. Later keywords win over earlier ones, and all of them over the connection string.
///
/// A connection string of the environment replaces the file's whole `[connection]`: mixing half of one with half of the
/// other could reach a server that nobody meant.
fn connection(
    flags: &GlobalOptions,
    environment: &Environment,
    file: &FileConfig,
) -> Result<ConnectionSettings, ConfigError> {
    let (conninfo, mut keywords) = match environment.text("DATABASE_URL")? {
        Some(url) => (Some(url), Vec::new()),
        None => (file.url.clone(), file.keywords.clone()),
    };
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            keywords.retain(|(known, _)| known != name);
            keywords.push((name.to_owned(), value));
        }
    };
    environment.parsed("DB_PORT", |text| parse_bounded(text, 1, u16::MAX))?;
    for (variable, keyword) in CONNECTION_VARIABLES {
        set(keyword, environment.text(variable)?);
    }
    set("host", flags.host.clone());
    set("port", flags.port.map(|port| port.to_string()));
    set("dbname", flags.dbname.clone());
    set("user", flags.user.clone());
    let database_is_named = conninfo.is_some()
        || ["PGDATABASE", "PGSERVICE"].iter().any(|name| environment.has(name))
        || keywords.iter().any(|(name, _)| name == "dbname" || name == "service");
    if !database_is_named {
        // libpq's own default is a database with the user's name. A backup is of the whole cluster, and this one always exists.
        keywords.push(("dbname".to_owned(), "postgres".to_owned()));
    }
    Ok(ConnectionSettings { conninfo, keywords })
}

/// Chooses the language: `--lang`, `CADENA_LANG`, the file, the locale, English.
///
/// # Errors
/// `ConfigBadVariable` when `CADENA_LANG` names a language that we don't speak. A wrong `--lang` is left to the parser.
pub fn choose_language(
    flag: Option<&str>,
    environment: &Environment,
    file: Option<Language>,
) -> Result<Language, ConfigError> {
    if let Some(language) = flag.and_then(|name| parse_choice(name).ok()) {
        return Ok(language);
    }
    if let Some(language) = environment.parsed("CADENA_LANG", locale_name)?.or(file) {
        return Ok(language);
    }
    // The first of these that is set decides, as in POSIX, even if it is C.
    let variable = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| environment.raw(name));
    let name = match variable {
        Some(value) => value.to_str().map(str::to_owned),
        None => sys_locale::get_locale(),
    };
    Ok(name.and_then(|name| Language::from_locale_name(&name)).unwrap_or(Language::English))
}

fn locale_name(name: &str) -> Result<Language, String> {
    Language::from_locale_name(name).map_or_else(|| parse_choice(name), Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &GlobalOptions, environment: &[(&str, &str)], file: FileConfig) -> Settings {
        match Settings::resolve(flags, &Environment::of(environment), file) {
            Ok(settings) => settings,
            Err(error) => panic!("{error}"),
        }
    }

    fn keyword<'a>(settings: &'a Settings, name: &str) -> Option<&'a str> {
        let mut found = settings.connection.keywords.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is given twice");
        value
    }

    #[test]
    fn flags_win_over_environment_over_file_over_defaults() {
        let file = || FileConfig {
            keywords: vec![("host".into(), "file".into()), ("user".into(), "file".into()), ("port".into(), "1".into())],
            store: StoreSection { url: Some("/file".into()), ..StoreSection::default() },
            ..FileConfig::default()
        };
        let environment = [("DB_HOST", "environment"), ("DB_USER", "environment"), ("BACKUP_DIR", "/environment")];
        let flags = GlobalOptions { host: Some("flag".into()), repository: Some("/flag".into()), ..Default::default() };

        let settings = resolve(&flags, &environment, file());
        assert_eq!(keyword(&settings, "host"), Some("flag"));
        assert_eq!(keyword(&settings, "user"), Some("environment"));
        assert_eq!(keyword(&settings, "port"), Some("1"));
        assert_eq!(settings.store.url, "/flag");
        let none = GlobalOptions::default();
        assert_eq!(resolve(&none, &environment, file()).store.url, "/environment");
        assert_eq!(resolve(&none, &[], file()).store.url, "/file");
        let default = PathBuf::from(resolve(&none, &[], FileConfig::default()).store.url);
        assert!(default.is_absolute() && default.ends_with(DEFAULT_REPOSITORY), "{default:?}");
    }

    #[test]
    fn the_database_url_replaces_the_files_connection() {
        let file = FileConfig {
            url: Some("host=file".into()),
            keywords: vec![("host".into(), "file".into())],
            ..FileConfig::default()
        };
        let settings = resolve(&GlobalOptions::default(), &[("DATABASE_URL", "host=url"), ("DB_NAME", "d")], file);
        assert_eq!(settings.connection.conninfo.as_deref(), Some("host=url"));
        assert_eq!(settings.connection.keywords, [("dbname".to_owned(), "d".to_owned())]);
    }

    #[test]
    fn the_maintenance_database_is_used_only_when_nobody_names_one() {
        let none = GlobalOptions::default;
        assert_eq!(keyword(&resolve(&none(), &[], FileConfig::default()), "dbname"), Some("postgres"));
        for name in ["PGDATABASE", "PGSERVICE", "DATABASE_URL"] {
            assert_eq!(keyword(&resolve(&none(), &[(name, "x")], FileConfig::default()), "dbname"), None, "{name}");
        }
        assert_eq!(keyword(&resolve(&none(), &[("DB_NAME", "x")], FileConfig::default()), "dbname"), Some("x"));
    }

    #[test]
    fn a_bad_variable_is_named_with_what_is_allowed() {
        let environment = Environment::of(&[("DB_PORT", "http")]);
        let error = Settings::resolve(&GlobalOptions::default(), &environment, FileConfig::default()).err();
        let text = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(text, "environment variable DB_PORT = http; allowed: 1..65535");
    }

    #[test]
    fn an_empty_variable_counts_as_absent() {
        let settings =
            resolve(&GlobalOptions::default(), &[("DB_HOST", ""), ("BACKUP_DIR", "")], FileConfig::default());
        assert_eq!(keyword(&settings, "host"), None);
        assert!(PathBuf::from(&settings.store.url).ends_with(DEFAULT_REPOSITORY));
    }

    #[test]
    fn the_language_comes_from_flag_then_variable_then_file_then_locale() {
        let choose =
            |flag, variables: &[(&str, &str)], file| choose_language(flag, &Environment::of(variables), file).ok();
        let (en, es) = (Some(Language::English), Some(Language::Spanish));
        assert_eq!(choose(Some("es"), &[("CADENA_LANG", "en")], en), es);
        assert_eq!(choose(None, &[("CADENA_LANG", "es_AR"), ("LANG", "en_US")], en), es);
        assert_eq!(choose(None, &[("LANG", "en_US.UTF-8")], es), es);
        assert_eq!(choose(None, &[("LANG", "es_AR.UTF-8")], None), es);
        assert_eq!(choose(None, &[("LC_ALL", "C"), ("LANG", "es_AR.UTF-8")], None), en);
        assert_eq!(choose(None, &[("LC_MESSAGES", "es_ES"), ("LANG", "en_US")], None), es);
        assert_eq!(choose(None, &[("CADENA_LANG", "klingon")], None), None);
    }
}
