//! Where do throw-away clusters go, and what became of those whose commands were killed?

use super::target::{Recovery, recovery_request, selector};
use crate::app::Session;
use crate::args::{SelectorOptions, WalDeliveryArg, WorkOptions};
use crate::failure::Failure;
use cadena::restore::{ThrowAwayPlace, ThrowAwayRequest, sweep};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Recovery over a long time of WAL takes hours; this is a bound for what hangs.
const RECOVERY_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Where they are made unless somebody says otherwise: on a disk, unlike many a /tmp; kept over a restart, so that what is left is
/// found; and open to the user that runs servers, unlike most folders of ours.
const DEFAULT_FOLDER: &str = "/var/tmp";

/// How one is made.
pub struct Raising<'a> {
    pub selector: &'a SelectorOptions,
    pub owner: Option<String>,
    pub jobs: Option<usize>,
    pub wal: WalDeliveryArg,
    pub work: &'a WorkOptions,
    pub port: Option<u16>,
    pub read_only: bool,
}

/// Returns the library's request.
///
/// # Errors
/// Those of the selector's values.
pub fn request(session: &Session, raising: Raising<'_>) -> Result<ThrowAwayRequest, Failure> {
    let settings = &session.settings;
    let recovery = Recovery { delivery: raising.wal.into(), ..Recovery::default() };
    let named = settings.connection.keywords.iter().find(|(name, _)| name == "user");
    Ok(ThrowAwayRequest {
        database: None,
        selector: selector(raising.selector),
        recovery: recovery_request(session, raising.selector, recovery)?,
        place: place(session, raising.work),
        owner: raising.owner,
        search: settings.binaries.clone(),
        jobs: raising.jobs.unwrap_or(settings.jobs),
        port: raising.port,
        users: named.map(|(_, name)| name.clone()).into_iter().collect(),
        read_only: raising.read_only,
        wait: RECOVERY_WAIT,
    })
}

fn place(session: &Session, work: &WorkOptions) -> ThrowAwayPlace {
    let registry = registry();
    let chosen = work.work_dir.clone().or_else(|| session.settings.work_folder.clone());
    let work_folder = chosen.map_or_else(|| registry.clone(), |folder| absolute(&folder));
    ThrowAwayPlace { work_folder, registry }
}

/// The one folder that every command looks in, whatever it is told.
fn registry() -> PathBuf {
    let default = Path::new(DEFAULT_FOLDER);
    if default.is_dir() { default.to_owned() } else { std::env::temp_dir() }
}

fn absolute(path: &Path) -> PathBuf {
    // It fails for an empty path only, which then is refused as a folder.
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Removes what killed commands left, and tells of it on standard error.
pub fn sweep_left_overs(session: &Session) {
    let mut folders = vec![registry()];
    folders.extend(session.settings.work_folder.as_deref().map(absolute));
    for swept in sweep(&folders) {
        let directory = swept.directory.display().to_string();
        let text = match swept.problem {
            None => session.locale.say_with("database-swept", &[("directory", directory.into())]),
            Some(problem) => {
                let values = [("directory", directory.into()), ("problem", problem.into())];
                session.locale.say_with("database-not-swept", &values)
            }
        };
        if !session.screen.quiet {
            session.screen.remark(&session.locale.say_with("warning-line", &[("message", text.into())]));
        }
    }
}
