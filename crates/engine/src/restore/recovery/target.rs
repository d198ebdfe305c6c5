//! What does a server need to know to recover beyond its backup?

use super::settings::{NOTHING_FOUND, RecoverySettings};
use crate::restore::point::RecoveryWork;
use crate::restore::{ArchiveMode, RecoveryPlan, RecoveryStop, TargetAction, WalDelivery};
use pgformat::{Lsn, MajorVersion};

/// Where fetched segments wait, below the data directory.
pub(in crate::restore) const SPOOL_FOLDER: &str = "pg_wal/cadena_spool";

/// Returns the settings for a recovery with archived WAL.
pub(in crate::restore) fn target_settings(
    plan: &RecoveryPlan,
    work: &RecoveryWork,
    fetch_command: &[String],
    version: MajorVersion,
) -> RecoverySettings {
    let mut settings: Vec<(&'static str, String)> = Vec::new();
    let timeline = work.target_timeline.map_or_else(|| "current".to_owned(), |timeline| timeline.to_string());
    settings.push(("recovery_target_timeline", timeline));
    let promotes = plan.action == TargetAction::Promote;
    let stop = match (work.stop, work.last_record) {
        (RecoveryStop::BeforeRecord, _) => Some((work.stop_lsn, "off")),
        // Without a target the action would be ignored. One that promotes needs none: what is left of it in the file would stop every
        // standby that is made of the copy later.
        (RecoveryStop::EndOfWal, Some(record)) if !promotes => Some((record, "on")),
        (RecoveryStop::EndOfWal, _) => None,
    };
    if let Some((lsn, inclusive)) = stop {
        settings.push(("recovery_target_inclusive", inclusive.to_owned()));
        settings.push(("recovery_target_lsn", lsn.to_string()));
    }
    let action = match plan.action {
        TargetAction::Promote => "promote",
        TargetAction::Pause => "pause",
        TargetAction::Shutdown => "shutdown",
    };
    settings.push(("recovery_target_action", action.to_owned()));
    if plan.action == TargetAction::Pause {
        settings.push(("hot_standby", "on".to_owned()));
    }
    if plan.archive_mode == ArchiveMode::Off {
        settings.push(("archive_mode", "off".to_owned()));
        settings.push(("archive_command", String::new()));
        if version >= MajorVersion::V15 {
            settings.push(("archive_library", String::new()));
        }
        settings.push(("synchronous_standby_names", String::new()));
    }
    settings.push(("restore_command", restore_command(plan.delivery, work.until_lsn, fetch_command)));
    RecoverySettings { comment: comment(plan, work), settings }
}

fn comment(plan: &RecoveryPlan, work: &RecoveryWork) -> String {
    let stop = work.stop_lsn;
    let source = match plan.delivery {
        WalDelivery::Stage => "All the WAL it needs is in pg_wal: restore_command finds nothing on purpose.",
        WalDelivery::Auto | WalDelivery::Fetch => {
            "It fetches the WAL it needs from the repository, and none beyond the end."
        }
    };
    format!("Recovery ends at {stop}. {source}")
}

/// Returns what the server calls for each file.
pub(in crate::restore) fn restore_command(delivery: WalDelivery, until_lsn: Lsn, fetch_command: &[String]) -> String {
    if delivery == WalDelivery::Stage || fetch_command.is_empty() {
        return NOTHING_FOUND.to_owned();
    }
    let words: Vec<String> = fetch_command.iter().map(|word| shell_quoted(word).replace('%', "%%")).collect();
    format!("{} --until-lsn {until_lsn} --spool {SPOOL_FOLDER} %f %p", words.join(" "))
}

/// Quotes a word for the shell that runs `restore_command`.
fn shell_quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else if cfg!(windows) {
        format!("\"{word}\"")
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_the_shell_and_for_the_server() {
        let command: Vec<String> =
            ["/opt/it's here/cadena", "--repository", "/srv/100%", "wal-fetch"].map(str::to_owned).to_vec();
        let text = restore_command(WalDelivery::Fetch, Lsn(0x0300_0028), &command);
        assert_eq!(
            text,
            r"'/opt/it'\''s here/cadena' --repository '/srv/100%%' wal-fetch --until-lsn 0/3000028 --spool pg_wal/cadena_spool %f %p"
        );
        assert_eq!(restore_command(WalDelivery::Stage, Lsn(1), &command), "false");
    }
}
