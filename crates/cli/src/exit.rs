//! What does the exit code say? docs/reference/exit-codes.md is the contract.

use std::process::ExitCode;

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done.
    Success = 0,
    /// The operation failed.
    Failed = 1,
    /// The command line or the configuration is wrong; nothing was tried.
    Usage = 2,
    /// Done, and something needs a look (corrupt pages, attention in `status`).
    Warnings = 3,
    /// Another backup or restore holds the lock.
    Busy = 4,
    /// A backup is damaged.
    Damage = 5,
    /// A precondition is not met; nothing was written.
    Refused = 6,
    /// Of `wal-fetch` only: there is no such file. It leaves the program as 1.
    NotFound = 125,
    /// Of `wal-fetch` only: nothing that may be taken for "there is no such file". PostgreSQL ends recovery on codes up to 125
    /// as if the WAL ended there, and stops with an error on higher ones (upstream `RestoreArchivedFile`).
    StopRecovery = 126,
    /// Ended by SIGINT or SIGTERM.
    Interrupted = 130,
}

/// Errors that tell of a damaged backup.
pub const DAMAGE_KEYS: &[&str] = &[
    "repository-archive-missing",
    "repository-archive-size",
    "repository-archive-digest",
    "archive-damaged",
    "archive-hostile-member",
    "archive-absurd",
    "archive-no-member",
    "archive-content-damaged",
    "archive-tar-damaged",
    "replica-source-damaged",
    "restore-content",
    "restore-ended-short",
    "restore-wal-damaged",
    "restore-wal-missing",
    "wal-damaged",
    "restore-mismatch",
    "restore-incomplete",
    "chain-base-missing",
    "chain-base-unreadable",
    "chain-base-kind",
    "chain-archive-missing",
    "chain-base-swapped",
    "chain-mismatch",
    "chain-file-missing",
    "chain-file-twice",
    "chain-file-damaged",
    "chain-label",
    "chain-start",
];

/// Errors of options and settings that only what stands behind them can judge.
pub const USAGE_KEYS: &[&str] = &[
    "backup-method-kind",
    "backup-option",
    "daemon-idle",
    "metrics-remote",
    "notify-no-channel",
    "notify-settings",
    "notify-template",
];

/// Errors that come before the first byte is written: a refusal.
pub const REFUSAL_KEYS: &[&str] = &[
    "cluster-binary-missing",
    "cluster-no-user",
    "cluster-other-user",
    "cluster-privilege",
    "cluster-root",
    "cluster-version",
    "cluster-wal-level",
    "read-not-local",
    "catalog-absent",
    "catalog-foreign",
    "catalog-incomplete",
    "catalog-newer",
    "catalog-policy",
    "catalog-privilege",
    "catalog-read-only",
    "encryption-identity-file",
    "encryption-last-recipient",
    "encryption-newer",
    "encryption-passphrase-short",
    "encryption-recipient",
    "encryption-recipients-differ",
    "encryption-identity",
    "encryption-identity-missing",
    "encryption-identity-wrong",
    "encryption-passphrase-missing",
    "encryption-passphrase-wrong",
    "replica-broken-chain",
    "replica-foreign",
    "replica-is-repository",
    "replica-no-backup",
    "repository-absent",
    "repository-empty",
    "repository-foreign",
    "repository-newer",
    "repository-no-backup",
    "repository-not-completed",
    "repository-only-logical",
    "archive-newer",
    "backup-merge-alone",
    "backup-no-database",
    "backup-unknown-database",
    "database-ambiguous-table",
    "database-dump-whole",
    "database-exists",
    "database-missing-extensions",
    "database-missing-roles",
    "database-missing-tablespaces",
    "database-name",
    "database-no-space",
    "database-server-older",
    "database-unknown",
    "database-unknown-object",
    "retention-unreadable",
    "retention-value",
    "schedule-fixed",
    "restore-fetch-unusable",
    "restore-foreign-cluster",
    "restore-no-cluster",
    "restore-no-inodes",
    "restore-no-space",
    "restore-logical",
    "restore-logical-target",
    "restore-not-completed",
    "restore-tablespace-target",
    "restore-target",
    "restore-target-not-empty",
    "restore-target-running",
    "restore-target-ambiguous",
    "restore-target-unreachable",
    "restore-unfinished-over",
    "restore-unknown-point",
    "restore-unknown-tablespace",
    "restore-unknown-timeline",
    "restore-unreachable",
    "throw-away-folder",
    "verify-not-completed",
    "wal-foreign",
    "wal-geometry",
    "wal-newer",
];

/// Errors that say that someone else is at work.
pub const BUSY_KEYS: &[&str] = &[
    "backup-taken",
    "catalog-busy",
    "daemon-busy",
    "daemon-lock-lost",
    "replica-busy",
    "repository-busy",
    "restore-busy",
    "schedule-busy",
    "wal-receiver-busy",
    "wal-slot-busy",
];

impl ExitStatus {
    /// Returns the code for an error's key.
    pub fn for_key(key: &str) -> Self {
        if ["cancelled", "cluster-cancelled", "restore-cancelled-over"].contains(&key) {
            ExitStatus::Interrupted
        } else if key.starts_with("usage-") || key.starts_with("config-") || USAGE_KEYS.contains(&key) {
            ExitStatus::Usage
        } else if BUSY_KEYS.contains(&key) {
            ExitStatus::Busy
        } else if DAMAGE_KEYS.contains(&key) {
            ExitStatus::Damage
        } else if REFUSAL_KEYS.contains(&key) {
            ExitStatus::Refused
        } else {
            ExitStatus::Failed
        }
    }

    /// Returns the number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> ExitCode {
        ExitCode::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_key_gives_the_documented_code() {
        for (key, code) in [
            ("cancelled", 130),
            ("usage-unknown-option", 2),
            ("config-unknown-key", 2),
            ("repository-busy", 4),
            ("repository-archive-digest", 5),
            ("restore-target-not-empty", 6),
            ("cluster-connect", 1),
        ] {
            assert_eq!(ExitStatus::for_key(key).code(), code, "{key}");
        }
    }
}
