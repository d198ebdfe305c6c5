//! Does backup_manifest list exactly what the archive holds? What `pg_verifybackup` will ask of the restored directory.

use super::finding::{FindingKind, Findings, show};
use pgformat::Lsn;
use pgformat::backup_manifest::BackupManifest;
use vault::archive::ArchiveMember;
use vault::repository::BackupRecord;

/// A manifest whose files are ticked off one by one.
pub(super) struct ManifestCheck {
    manifest: BackupManifest,
    seen: Vec<bool>,
}

/// The manifest's own name; it does not list itself.
pub(crate) const MANIFEST_PATH: &str = "backup_manifest";

impl ManifestCheck {
    /// Takes a parsed manifest; enters files that it lists twice.
    pub fn new(mut manifest: BackupManifest, findings: &mut Findings) -> Self {
        manifest.files.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        for pair in manifest.files.windows(2).filter(|pair| pair[0].path == pair[1].path) {
            findings.error(&FindingKind::VerifyManifestTwice { path: show(&pair[0].path) });
        }
        let seen = vec![false; manifest.files.len()];
        ManifestCheck { manifest, seen }
    }

    /// Compares the manifest's head and tail with the record.
    pub fn check_record(&self, record: &BackupRecord, findings: &mut Findings) {
        let mut mismatch = |what, found: String, recorded: String| {
            findings.error(&FindingKind::VerifyManifestMismatch { what, found, recorded });
        };
        if let Some(found) = self.manifest.system_identifier
            && found != record.system_identifier
        {
            mismatch("system identifier", found.to_string(), record.system_identifier.to_string());
        }
        // More than one range when the timeline changed during the backup.
        let ranges = &self.manifest.wal_ranges;
        let text = |lsn: Option<Lsn>| lsn.map_or_else(|| "-".to_owned(), |lsn| lsn.to_string());
        let start = ranges.iter().map(|range| range.start_lsn).min();
        let end = ranges.iter().map(|range| range.end_lsn).max();
        if start != record.start_lsn {
            mismatch("start LSN", text(start), text(record.start_lsn));
        }
        if end != record.stop_lsn {
            mismatch("stop LSN", text(end), text(record.stop_lsn));
        }
    }

    /// Ticks off a file of the archive. `crc32c` is the computed one; `None` when its content could not be read.
    pub fn tick(&mut self, member: &ArchiveMember, crc32c: Option<u32>, findings: &mut Findings) {
        if member.path == MANIFEST_PATH.as_bytes() || member.path.starts_with(b"pg_wal/") {
            return;
        }
        let path = || show(&member.path);
        let Ok(position) = self.manifest.files.binary_search_by(|file| file.path.cmp(&member.path)) else {
            return findings.error(&FindingKind::VerifyManifestUnlisted { path: path() });
        };
        if std::mem::replace(&mut self.seen[position], true) {
            return findings.error(&FindingKind::VerifyManifestTwice { path: path() });
        }
        let listed = &self.manifest.files[position];
        if listed.size_bytes != member.size_bytes {
            let (listed_bytes, found_bytes) = (listed.size_bytes, member.size_bytes);
            findings.error(&FindingKind::VerifyManifestSize { path: path(), listed_bytes, found_bytes });
        } else if crc32c.is_some_and(|found| found != listed.crc32c) {
            findings.error(&FindingKind::VerifyManifestChecksum { path: path() });
        }
    }

    /// Enters what was never ticked off.
    pub fn finish(self, findings: &mut Findings) {
        let files = self.manifest.files.iter().zip(&self.seen).enumerate();
        for (position, (file, seen)) in files {
            let twin = position > 0 && self.manifest.files[position - 1].path == file.path
                || self.manifest.files.get(position + 1).is_some_and(|next| next.path == file.path);
            if !seen && !twin {
                findings.error(&FindingKind::VerifyManifestAbsent { path: show(&file.path) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgformat::backup_manifest::ManifestFile;
    use vault::archive::MemberKind;

    fn listed(path: &str, size_bytes: u64, crc32c: u32) -> ManifestFile {
        ManifestFile { path: path.as_bytes().to_vec(), size_bytes, modified_seconds: 0, crc32c }
    }

    fn member(path: &str, size_bytes: u64) -> ArchiveMember {
        let path = path.as_bytes().to_vec();
        let (kind, mode, modified_seconds, content_offset, crc32c) = (MemberKind::File, 0o600, 0, 0, 0);
        ArchiveMember { path, kind, mode, modified_seconds, size_bytes, content_offset, crc32c }
    }

    #[test]
    fn tells_every_kind_of_difference() {
        let files =
            vec![listed("b", 2, 7), listed("a", 1, 7), listed("c", 3, 7), listed("gone", 0, 0), listed("a", 1, 7)];
        let manifest = BackupManifest { manifest_version: 2, system_identifier: None, files, wal_ranges: vec![] };
        let mut findings = Findings::default();
        let mut check = ManifestCheck::new(manifest, &mut findings);
        check.tick(&member("a", 1), Some(7), &mut findings);
        check.tick(&member("b", 9), Some(7), &mut findings);
        check.tick(&member("c", 3), Some(8), &mut findings);
        check.tick(&member("extra", 3), Some(8), &mut findings);
        check.tick(&member("pg_wal/000000010000000000000001", 3), Some(8), &mut findings);
        check.tick(&member("backup_manifest", 3), Some(8), &mut findings);
        check.tick(&member("c", 3), Some(7), &mut findings);
        check.finish(&mut findings);
        let keys: Vec<String> = findings
            .into_list()
            .iter()
            .map(|finding| format!("{}:{}", finding.what["key"], finding.what["path"]))
            .collect();
        assert_eq!(
            keys,
            [
                r#""verify-manifest-twice":"a""#,
                r#""verify-manifest-size":"b""#,
                r#""verify-manifest-checksum":"c""#,
                r#""verify-manifest-unlisted":"extra""#,
                r#""verify-manifest-twice":"c""#,
                r#""verify-manifest-absent":"gone""#,
            ]
        );
    }
}
