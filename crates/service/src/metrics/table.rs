//! Every metric: its name, what kind it is, what it says.

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that goes up and down.
    Gauge,
    /// A count that only grows; it begins anew when the journal is lost.
    Counter,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, as it is scraped.
    pub name: &'static str,
    /// Its kind.
    pub kind: MetricKind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

/// All metrics, in the order of the page.
pub const METRICS: &[Metric] = &[
    gauge(
        "cadena_build_info",
        &["version", "system_identifier", "postgresql_version"],
        "Always 1; what runs, and for whom",
    ),
    gauge("cadena_repository_readable", &[], "1 if the repository could be looked at, else 0"),
    gauge("cadena_snapshot_timestamp_seconds", &[], "When these values were gathered"),
    gauge("cadena_snapshot_duration_seconds", &[], "How long gathering them took"),
    gauge("cadena_problems", &["level"], "Problems that somebody should look at, as /health lists them"),
    gauge("cadena_backups", &["kind", "state"], "Backups in the repository"),
    gauge("cadena_backups_archive_bytes", &["kind", "state"], "Size of their archives"),
    gauge(
        "cadena_backup_last_completed_timestamp_seconds",
        &["kind"],
        "When the newest completed backup of the kind was complete",
    ),
    gauge("cadena_backup_last_duration_seconds", &["kind"], "How long that backup took"),
    gauge("cadena_backup_last_archive_bytes", &["kind"], "Size of its archive"),
    gauge("cadena_backup_last_plain_bytes", &["kind"], "Its bytes before compression"),
    gauge("cadena_backup_late", &["kind"], "1 if a backup of the kind was due more than two hours ago and is missing"),
    gauge("cadena_backup_failing", &["kind"], "1 if the last attempt at a backup of the kind failed"),
    gauge("cadena_backup_running", &["kind"], "1 while a backup of the kind is being taken"),
    gauge("cadena_backup_running_since_timestamp_seconds", &[], "When the running backup began"),
    counter("cadena_backup_attempts_total", &["kind", "outcome"], "Attempts at backups that have ended"),
    gauge(
        "cadena_backups_broken",
        &[],
        "Completed backups that can't be restored: something that they stand on is missing",
    ),
    gauge("cadena_backups_validation", &["state"], "Completed backups by their last validation: valid, failed, never"),
    gauge("cadena_validation_last_timestamp_seconds", &[], "When a backup was last validated"),
    gauge("cadena_validation_last_success", &[], "1 if that validation found nothing wrong with the backup, else 0"),
    gauge(
        "cadena_validation_oldest_timestamp_seconds",
        &[],
        "Every backup that was ever validated was last validated at this time or later",
    ),
    counter("cadena_validations_total", &["result"], "Validations"),
    gauge(
        "cadena_restorable_first_timestamp_seconds",
        &[],
        "Beginning of the newest interval without a gap that can be restored",
    ),
    gauge("cadena_restorable_last_timestamp_seconds", &[], "The latest instant that can be restored"),
    gauge("cadena_restorable_windows", &[], "Intervals that can be restored, each without a gap"),
    gauge("cadena_wal_receiver_up", &[], "1 if a receiver of WAL lives"),
    gauge("cadena_wal_receiver_streaming", &[], "1 if it is connected to the server"),
    gauge("cadena_wal_lag_bytes", &[], "How far the archive is behind the server, as the receiver last heard"),
    gauge("cadena_wal_lag_seconds", &[], "For how long it has been behind"),
    gauge("cadena_wal_slot_up", &[], "1 if the replication slot is there and has lost nothing"),
    gauge("cadena_wal_slot_retained_bytes", &[], "WAL that the slot holds back on the server"),
    gauge("cadena_wal_gaps", &[], "Known gaps in the archived WAL"),
    gauge("cadena_wal_gap_open", &[], "1 if nothing after a gap can be restored, because no backup was taken since"),
    gauge("cadena_repository_bytes", &["part"], "What the repository takes: backups, wal, orphans"),
    gauge("cadena_repository_free_bytes", &[], "What may still be written there"),
    gauge("cadena_drill_last_timestamp_seconds", &[], "When the last drill ended"),
    gauge("cadena_drill_last_success", &[], "1 if it found nothing wrong, else 0"),
    gauge("cadena_drill_proved_instant_timestamp_seconds", &[], "The instant that the last successful drill reached"),
    gauge("cadena_drill_rto_seconds", &[], "How long that drill's restore took until the cluster took connections"),
    gauge("cadena_replica_up", &["replica"], "1 if the last attempt to bring the replica up to date got through"),
    gauge("cadena_replica_backups", &["replica"], "Completed backups that are whole there"),
    gauge("cadena_replica_behind_backups", &["replica"], "Backups that are not there yet and should be"),
    gauge("cadena_replica_behind_segments", &["replica"], "Segments of WAL that are not there yet and should be"),
    gauge("cadena_replica_behind_bytes", &["replica"], "The size of those backups"),
    gauge("cadena_replica_complete_timestamp_seconds", &["replica"], "When all backups that should be there last were"),
    gauge("cadena_replica_wal_timestamp_seconds", &["replica"], "When WAL last arrived there"),
    gauge(
        "cadena_replica_bad_copies",
        &["replica"],
        "Copies that the last comparison found bad and that were not mended",
    ),
    gauge("cadena_job_next_due_timestamp_seconds", &["task"], "When the job is due next"),
    gauge("cadena_job_last_run_timestamp_seconds", &["task"], "When the job last came to its end"),
    gauge("cadena_job_failing", &["task"], "1 if the last run of a job that is no backup failed"),
    gauge("cadena_job_running", &["task"], "1 while it runs"),
    counter("cadena_runs_total", &["task", "outcome"], "Runs of the schedule"),
    gauge("cadena_cleanup_last_timestamp_seconds", &[], "When backups were last cleaned up by the retention policy"),
    gauge("cadena_catalog_up", &[], "1 if the last synchronization of schema seguridad got through"),
    gauge("cadena_catalog_last_sync_timestamp_seconds", &[], "The last synchronization that got through"),
    gauge("cadena_notify_channel_up", &["channel"], "1 if the last notification through the channel got through"),
];
