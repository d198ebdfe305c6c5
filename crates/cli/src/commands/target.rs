//! How far is a restore to go? From options to the library's request.

use crate::app::Session;
use crate::args::{SelectorOptions, parse_instant};
use crate::failure::Failure;
use cadena::pgformat::TimelineId;
use cadena::repository::BackupId;
use cadena::restore::{
    ArchiveMode, RecoveryRequest, RecoveryTarget, RestoreSelector, TargetAction, TimelineChoice, WalDelivery,
};

/// What only a restore that writes asks for.
#[derive(Default)]
pub struct Recovery {
    pub action: TargetAction,
    pub archive_mode: ArchiveMode,
    pub delivery: WalDelivery,
}

/// Returns which backup a restore begins with.
pub fn selector(options: &SelectorOptions) -> RestoreSelector {
    options.backup.map_or(RestoreSelector::Latest, |id| RestoreSelector::Backup(BackupId(id)))
}

/// Returns where recovery is to end, and how.
///
/// # Errors
/// Those of [`parse_instant`].
pub fn recovery_request(
    session: &Session,
    options: &SelectorOptions,
    recovery: Recovery,
) -> Result<RecoveryRequest, Failure> {
    let target = match options {
        SelectorOptions { at: Some(text), .. } => RecoveryTarget::Time(parse_instant(text, session.zone())?),
        SelectorOptions { lsn: Some(lsn), .. } => RecoveryTarget::Lsn(*lsn),
        SelectorOptions { name: Some(name), .. } => RecoveryTarget::Name(name.clone()),
        SelectorOptions { latest: true, .. } => RecoveryTarget::Latest,
        _ => RecoveryTarget::BackupEnd,
    };
    Ok(RecoveryRequest {
        target,
        timeline: options.timeline.map_or(TimelineChoice::Newest, |number| TimelineChoice::Number(TimelineId(number))),
        action: recovery.action,
        archive_mode: recovery.archive_mode,
        delivery: recovery.delivery,
        fetch_command: fetch_command(session, recovery.delivery),
    })
}

/// Returns the beginning of the command by which the restored server gets its WAL: this program, as it was called.
/// `None` when the program's own path can't be found out or written; then WAL is staged.
///
/// From a storage elsewhere WAL is staged, too, unless fetching is asked for: whoever starts the server later may have neither our
/// environment nor the right to read our configuration, and then no credentials.
fn fetch_command(session: &Session, delivery: WalDelivery) -> Option<Vec<String>> {
    if session.settings.from_replica.is_some() {
        return None;
    }
    let program = std::env::current_exe().ok()?.to_str()?.to_owned();
    let mut command = vec![program];
    let is_elsewhere = session.settings.repository_folder().is_none();
    if is_elsewhere && delivery != WalDelivery::Fetch {
        return None;
    }
    // It says how a storage elsewhere is reached, and with which identity is read.
    let is_explicit = delivery == WalDelivery::Fetch;
    if let (true, Some(config)) = (is_elsewhere || is_explicit, &session.settings.config_file) {
        let config = std::path::absolute(config).ok()?;
        command.extend(["--config".to_owned(), config.to_str()?.to_owned()]);
    }
    command.extend(["--repository".to_owned(), session.settings.store.url.clone(), "wal-fetch".to_owned()]);
    Some(command)
}
