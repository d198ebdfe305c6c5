//! Backup records as tables and facts.

use super::{Align, Table, described, units};
use crate::locale::Locale;
use cadena::repository::{BackupKind, BackupMethod, BackupRecord, BackupState};
use jiff::tz::TimeZone;

/// Returns a kind's name: the seed's words in Spanish.
pub fn kind_name(kind: BackupKind, locale: &Locale) -> String {
    match kind {
        BackupKind::Full => locale.say("kind-full"),
        BackupKind::Differential => locale.say("kind-differential"),
        BackupKind::Incremental => locale.say("kind-incremental"),
    }
}

/// Returns a kind's name, and of a logical backup that it is one.
pub fn method_name(kind: BackupKind, method: BackupMethod, locale: &Locale) -> String {
    match method {
        BackupMethod::Physical => kind_name(kind, locale),
        BackupMethod::Logical => locale.say("kind-logical"),
    }
}

/// Returns a state's name: the seed's words in Spanish.
pub fn state_name(state: BackupState, locale: &Locale) -> String {
    match state {
        BackupState::InProgress => locale.say("state-in-progress"),
        BackupState::Completed => locale.say("state-completed"),
        BackupState::Failed => locale.say("state-failed"),
    }
}

/// Writes one line for each backup.
pub fn backup_table(records: &[BackupRecord], locale: &Locale, zone: &TimeZone) -> String {
    let mut table = Table::new(vec![
        (locale.say("column-id"), Align::Right),
        (locale.say("column-kind"), Align::Left),
        (locale.say("column-state"), Align::Left),
        (locale.say("column-started"), Align::Left),
        (locale.say("column-duration"), Align::Right),
        (locale.say("column-plain"), Align::Right),
        (locale.say("column-archive"), Align::Right),
        (locale.say("column-file"), Align::Left),
    ]);
    let language = locale.language();
    for record in records {
        let known = |bytes: u64| if bytes == 0 { "-".to_owned() } else { units::size(bytes, language) };
        table.row(vec![
            record.id.to_string(),
            method_name(record.kind, record.method, locale),
            state_name(record.state, locale),
            units::local_time(record.started_at, zone),
            record_seconds(record).map_or_else(|| "-".to_owned(), |seconds| units::duration(seconds, language)),
            known(record.plain_bytes),
            known(record.archive_bytes),
            record.archive_name.clone(),
        ]);
    }
    table.text()
}

/// Returns what is to be said of one completed backup.
pub fn backup_facts(record: &BackupRecord, locale: &Locale, zone: &TimeZone) -> Vec<(String, String)> {
    let language = locale.language();
    let mut facts = vec![
        (locale.say("fact-backup"), format!("{} ({})", record.id, method_name(record.kind, record.method, locale))),
        (locale.say("fact-file"), record.archive_name.clone()),
        (locale.say("fact-started"), units::local_time(record.started_at, zone)),
    ];
    if let Some(seconds) = record_seconds(record) {
        facts.push((locale.say("fact-duration"), units::duration(seconds, language)));
    }
    facts.push((locale.say("fact-size"), sizes(record, locale)));
    facts.push((locale.say("fact-files"), record.files.to_string()));
    if let (Some(start), Some(stop), Some(timeline)) = (record.start_lsn, record.stop_lsn, record.timeline) {
        let lsn =
            [("start", start.to_string().into()), ("stop", stop.to_string().into()), ("timeline", timeline.0.into())];
        facts.push((locale.say("fact-lsn"), locale.say_with("fact-lsn-value", &lsn)));
    }
    facts.push((locale.say("fact-server"), server(record, locale)));
    facts.push((locale.say("fact-reader"), record.reader.clone()));
    if let Some(logical) = &record.logical {
        let names = logical.databases.iter().map(|database| database.name.as_str()).collect::<Vec<_>>();
        facts.push((locale.say("fact-databases"), names.join(", ")));
    }
    if let Some(base) = record.base_id {
        facts.push((locale.say("fact-base"), base.to_string()));
    }
    if let Some(way) = &record.changes_found_by {
        facts.push((locale.say("fact-changes"), changes(way, record, locale, zone)));
    }
    if let Some(digest) = &record.sha256 {
        facts.push((locale.say("fact-sha256"), digest.clone()));
    }
    facts
}

fn sizes(record: &BackupRecord, locale: &Locale) -> String {
    let language = locale.language();
    let ratio = record.plain_bytes as f64 / record.archive_bytes.max(1) as f64;
    let values = [
        ("archive", units::size(record.archive_bytes, language).into()),
        ("plain", units::size(record.plain_bytes, language).into()),
        ("ratio", units::decimal(ratio, 1, language).into()),
    ];
    locale.say_with("fact-size-value", &values)
}

/// Says how changed blocks were found, and why not in a better way.
fn changes(way: &str, record: &BackupRecord, locale: &Locale, zone: &TimeZone) -> String {
    let reasons: Vec<String> =
        record.changes_passed_over.iter().map(|reason| described(reason, locale, zone)).collect();
    if reasons.is_empty() { way.to_owned() } else { format!("{way} ({})", reasons.join(" ")) }
}

fn server(record: &BackupRecord, locale: &Locale) -> String {
    let version = format!("PostgreSQL {}", record.server_version);
    match record.from_standby {
        true => locale.say_with("fact-server-standby", &[("version", version.into())]),
        false => version,
    }
}

fn record_seconds(record: &BackupRecord) -> Option<f64> {
    record.finished_at.map(|end| end.duration_since(record.started_at).as_secs_f64())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::locale::Language;
    use serde_json::json;

    /// A record as it stands in a repository.
    pub fn record(id: u64, state: &str) -> BackupRecord {
        let value = json!({
            "record_version": 1, "id": id, "kind": "FULL", "base_id": null,
            "archive_name": "full_20261124_000000.backup", "state": state,
            "started_at": "2026-11-24T03:00:00Z", "finished_at": "2026-11-24T03:00:12.5Z", "label": "x",
            "system_identifier": "7312345678901234567", "postgresql_version": 17, "server_version": "17.10",
            "from_standby": false, "start_lsn": "0/2000028", "stop_lsn": "0/3000100", "timeline": 1,
            "block_size_bytes": 8192, "wal_segment_size": null, "data_checksums": true,
            "plain_bytes": 5_798_205_849_u64, "archive_bytes": 612_000_000, "sha256": "ab", "files": 1234,
            "compression_level": 1, "reader": "local", "changes_found_by": null, "tablespaces": [],
            "tool_version": "cadena 0.1.0", "error": null
        });
        match serde_json::from_value(value) {
            Ok(record) => record,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_table_is_aligned_and_in_local_time() {
        let zone = TimeZone::fixed(jiff::tz::offset(-3));
        let mut failed = record(12, "FALLIDO");
        (failed.plain_bytes, failed.archive_bytes, failed.finished_at) = (0, 0, None);
        let text = backup_table(&[record(1, "COMPLETADO"), failed], &Locale::new(Language::Spanish), &zone);
        let wanted = "\
Id  Tipo  Estado      Inicio               Duración    Datos    Archivo  Nombre
 1  FULL  COMPLETADO  2026-11-24 00:00:00    12,5 s  5,4 GiB  583,6 MiB  full_20261124_000000.backup
12  FULL  FALLIDO     2026-11-24 00:00:00         -        -          -  full_20261124_000000.backup
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_facts_hold_size_ratio_and_digest() {
        let text = super::super::facts(&backup_facts(
            &record(1, "COMPLETADO"),
            &Locale::new(Language::English),
            &TimeZone::UTC,
        ));
        assert!(text.contains("583.6 MiB of 5.4 GiB (9.5 : 1)"), "{text}");
        assert!(text.contains("SHA-256") && text.contains("0/2000028") && text.contains("PostgreSQL 17.10"), "{text}");
    }
}
