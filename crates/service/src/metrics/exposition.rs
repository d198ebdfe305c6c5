use super::{LOGICAL, METRICS, MetricKind, Snapshot};
use engine::restore::LastDrill;
use engine::verify::ValidationResult;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use vault::journal::EventLevel;
use vault::repository::BackupKind;

/// The media type of [`exposition`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Writes a snapshot in the OpenMetrics text format. What is not known has no sample.
///
/// # Errors
/// None that a snapshot can cause; the encoder's are passed on.
pub fn exposition(snapshot: &Snapshot) -> Result<String, std::fmt::Error> {
    let mut page = Page::default();
    page.program(snapshot);
    page.backups(snapshot);
    page.validations(snapshot);
    page.wal(snapshot);
    page.drills_and_replicas(snapshot);
    page.jobs(snapshot);
    page.text()
}

/// Samples by metric, filled in any order and written in the order of the table.
#[derive(Default)]
struct Page {
    samples: Vec<(&'static str, Labels, f64)>,
}

impl Page {
    fn set(&mut self, name: &'static str, value: f64) {
        self.samples.push((name, Vec::new(), value));
    }

    fn set_for(&mut self, name: &'static str, label: (&'static str, &str), value: f64) {
        self.samples.push((name, vec![(label.0, label.1.to_owned())], value));
    }

    fn set_if(&mut self, name: &'static str, value: Option<f64>) {
        self.samples.extend(value.map(|value| (name, Vec::new(), value)));
    }

    fn program(&mut self, snapshot: &Snapshot) {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let labels = vec![
            ("version", snapshot.version.clone()),
            ("system_identifier", text(&snapshot.system_identifier)),
            ("postgresql_version", text(&snapshot.postgresql_version)),
        ];
        self.samples.push(("cadena_build_info", labels, 1.0));
        self.set("cadena_repository_readable", flag(snapshot.health.is_some()));
        self.set("cadena_snapshot_timestamp_seconds", seconds(snapshot.taken_at));
        self.set("cadena_snapshot_duration_seconds", snapshot.seconds);
        for (level, word) in [(EventLevel::Warning, "warning"), (EventLevel::Error, "error")] {
            let count = snapshot.problems.iter().filter(|problem| problem.level == level).count();
            self.set_for("cadena_problems", ("level", word), count as f64);
        }
        for (channel, is_up) in snapshot.channels.iter().flatten() {
            self.set_for("cadena_notify_channel_up", ("channel", channel), flag(*is_up));
        }
    }

    fn backups(&mut self, snapshot: &Snapshot) {
        if let Some(sums) = &snapshot.backups {
            for (kind, state, count, bytes) in &sums.sums {
                let labels = || vec![("kind", kind.word().to_owned()), ("state", state.word().to_owned())];
                self.samples.push(("cadena_backups", labels(), *count as f64));
                self.samples.push(("cadena_backups_archive_bytes", labels(), *bytes as f64));
            }
            for last in &sums.last {
                let kind = ("kind", last.kind.word());
                self.set_for("cadena_backup_last_completed_timestamp_seconds", kind, seconds(last.finished_at));
                self.set_for("cadena_backup_last_duration_seconds", kind, last.seconds);
                self.set_for("cadena_backup_last_archive_bytes", kind, last.archive_bytes as f64);
                self.set_for("cadena_backup_last_plain_bytes", kind, last.plain_bytes as f64);
            }
        }
        if let Some(health) = &snapshot.health {
            for kind in &health.kinds {
                self.set_for("cadena_backup_late", ("kind", kind.kind.word()), flag(kind.late_since.is_some()));
                let is_running = health.running.as_ref().is_some_and(|running| running.kind == kind.kind);
                self.set_for("cadena_backup_running", ("kind", kind.kind.word()), flag(is_running));
            }
            let since = health.running.as_ref().map(|running| seconds(running.started_at));
            self.set_if("cadena_backup_running_since_timestamp_seconds", since);
            let broken = health.chains.iter().filter(|link| link.broken).count();
            self.set("cadena_backups_broken", broken as f64);
            for (part, bytes) in [
                ("backups", health.space.backup_bytes),
                ("wal", health.space.wal_bytes),
                ("orphans", health.space.orphan_bytes),
            ] {
                self.set_for("cadena_repository_bytes", ("part", part), bytes as f64);
            }
            self.set_if("cadena_repository_free_bytes", health.space.free_bytes.map(|bytes| bytes as f64));
        }
        if let Some(journal) = &snapshot.journal {
            for kind in BackupKind::ALL {
                let is_failing = journal.failing_backups().contains_key(kind.word());
                self.set_for("cadena_backup_failing", ("kind", kind.word()), flag(is_failing));
            }
            if journal.attempts.keys().any(|(kind, _)| kind == LOGICAL) {
                let is_failing = journal.failing_backups().contains_key(LOGICAL);
                self.set_for("cadena_backup_failing", ("kind", LOGICAL), flag(is_failing));
            }
            for ((kind, outcome), count) in &journal.attempts {
                let labels = vec![("kind", kind.clone()), ("outcome", (*outcome).to_owned())];
                self.samples.push(("cadena_backup_attempts_total", labels, *count as f64));
            }
        }
    }

    fn validations(&mut self, snapshot: &Snapshot) {
        if let Some(known) = snapshot.health.as_ref().map(|health| &health.validation) {
            for (state, count) in
                [("valid", known.valid), ("failed", known.failed.len() as u64), ("never", known.never)]
            {
                self.set_for("cadena_backups_validation", ("state", state), count as f64);
            }
            self.set_if("cadena_validation_oldest_timestamp_seconds", known.oldest_at.map(seconds));
        }
        if let Some(journal) = &snapshot.journal {
            for (result, count) in &journal.validations {
                self.set_for("cadena_validations_total", ("result", result), *count as f64);
            }
            if let Some((at, result)) = &journal.last_validation {
                self.set("cadena_validation_last_timestamp_seconds", seconds(*at));
                self.set("cadena_validation_last_success", flag(result != "FALLIDO"));
            }
        }
    }

    fn wal(&mut self, snapshot: &Snapshot) {
        let Some(wal) = snapshot.health.as_ref().map(|health| &health.wal) else { return };
        let windows = &wal.windows.windows;
        // The newest by what `status` shows as restorable.
        let newest = windows.iter().max_by_key(|window| (window.timeline, window.last_lsn));
        self.set_if("cadena_restorable_first_timestamp_seconds", newest.map(|window| seconds(window.first_time)));
        self.set_if("cadena_restorable_last_timestamp_seconds", newest.map(|window| seconds(window.last_time)));
        self.set("cadena_restorable_windows", windows.len() as f64);
        self.set("cadena_wal_gaps", wal.windows.gaps.len() as f64);
        let is_open = snapshot.problems.iter().any(|problem| problem.key == "problem-wal-gap");
        self.set("cadena_wal_gap_open", flag(is_open));
        if let Some(receiver) = &wal.receiver {
            self.set("cadena_wal_receiver_up", flag(wal.receiving));
            self.set("cadena_wal_receiver_streaming", flag(wal.receiving && receiver.streaming_since.is_some()));
        }
        self.set_if("cadena_wal_lag_bytes", wal.lag_bytes.map(|bytes| bytes as f64));
        self.set_if("cadena_wal_lag_seconds", wal.lag_seconds.map(|seconds| seconds as f64));
        if let Some(slot) = &wal.slot {
            use engine::wal::SlotState::{AtRisk, Reserved};
            self.set("cadena_wal_slot_up", flag(matches!(slot.state, Reserved | AtRisk)));
            self.set("cadena_wal_slot_retained_bytes", slot.retained_bytes as f64);
        }
    }

    fn drills_and_replicas(&mut self, snapshot: &Snapshot) {
        if let Some(drills) = snapshot.health.as_ref().map(|health| &health.drills) {
            self.set_if("cadena_drill_last_timestamp_seconds", drills.last.as_ref().map(|last| seconds(last.at)));
            let is_good = |last: &LastDrill| flag(last.result != ValidationResult::Failed);
            self.set_if("cadena_drill_last_success", drills.last.as_ref().map(is_good));
            let proved = drills.proved.as_ref();
            let instant = proved.and_then(|proved| proved.target_time);
            self.set_if("cadena_drill_proved_instant_timestamp_seconds", instant.map(seconds));
            self.set_if("cadena_drill_rto_seconds", proved.and_then(|proved| proved.rto_seconds));
        }
        for state in snapshot.health.iter().flat_map(|health| &health.replicas) {
            let label = ("replica", state.name.as_str());
            self.set_for("cadena_replica_up", label, flag(state.failing_since.is_none()));
            self.set_for("cadena_replica_backups", label, state.backups.len() as f64);
            self.set_for("cadena_replica_behind_backups", label, state.backlog.backups as f64);
            self.set_for("cadena_replica_behind_segments", label, state.backlog.segments as f64);
            self.set_for("cadena_replica_behind_bytes", label, state.backlog.bytes as f64);
            self.set_for("cadena_replica_bad_copies", label, state.bad_copies as f64);
            for (name, at) in [
                ("cadena_replica_complete_timestamp_seconds", state.complete_at),
                ("cadena_replica_wal_timestamp_seconds", state.wal.as_ref().map(|wal| wal.at)),
            ] {
                if let Some(at) = at {
                    self.set_for(name, label, seconds(at));
                }
            }
        }
    }

    fn jobs(&mut self, snapshot: &Snapshot) {
        for job in snapshot.jobs.iter().flatten() {
            // `job` is what Prometheus itself calls whom it scrapes.
            let label = ("task", job.job.as_str());
            if let Some(at) = job.next_due_at {
                self.set_for("cadena_job_next_due_timestamp_seconds", label, seconds(at));
            }
            self.set_for("cadena_job_running", label, flag(job.running));
        }
        if let Some(journal) = &snapshot.journal {
            for ((job, outcome), count) in &journal.runs {
                let labels = vec![("task", job.clone()), ("outcome", (*outcome).to_owned())];
                self.samples.push(("cadena_runs_total", labels, *count as f64));
            }
            for (job, at) in &journal.last_run {
                self.set_for("cadena_job_last_run_timestamp_seconds", ("task", job), seconds(*at));
            }
            for job in journal.failing_jobs().keys() {
                self.set_for("cadena_job_failing", ("task", job), 1.0);
            }
            self.set_if("cadena_cleanup_last_timestamp_seconds", journal.last_cleanup.map(seconds));
        }
        if let Some(catalog) = &snapshot.catalog {
            self.set("cadena_catalog_up", flag(catalog.up));
            self.set_if("cadena_catalog_last_sync_timestamp_seconds", catalog.last_success_at.map(seconds));
        }
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        for metric in METRICS {
            let mut samples = self.samples.iter().filter(|(name, ..)| *name == metric.name);
            // The format adds a counter's ending itself.
            let name = metric.name.trim_end_matches("_total");
            match (metric.kind, metric.labels.is_empty()) {
                (MetricKind::Gauge, true) => {
                    if let Some((.., value)) = samples.next() {
                        let gauge = Gauge::<f64, AtomicU64>::default();
                        gauge.set(*value);
                        registry.register(name, metric.help, gauge);
                    }
                }
                (MetricKind::Gauge, false) => {
                    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
                    samples.for_each(|(_, labels, value)| {
                        family.get_or_create(&escaped(labels)).set(*value);
                    });
                    registry.register(name, metric.help, family);
                }
                (MetricKind::Counter, _) => {
                    let family = Family::<Labels, Counter>::default();
                    samples.for_each(|(_, labels, value)| {
                        family.get_or_create(&escaped(labels)).inc_by(*value as u64);
                    });
                    registry.register(name, metric.help, family);
                }
            }
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// Escapes values as the format wants it; the encoder leaves that to its caller.
fn escaped(labels: &Labels) -> Labels {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    labels.iter().map(|(name, value)| (*name, escape(value))).collect()
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

fn seconds(instant: Timestamp) -> f64 {
    instant.as_millisecond() as f64 / 1000.0
}
