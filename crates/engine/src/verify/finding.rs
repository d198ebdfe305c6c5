use serde::Serialize;

/// How many findings a report lists; a thoroughly damaged archive has millions.
const MAX_FINDINGS: usize = 1000;

/// Says how bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FindingSeverity {
    /// The backup is sound, the cluster was not: a page that was corrupt before the backup, and such.
    Warning,
    /// The backup is damaged.
    Error,
}

/// One thing found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: FindingSeverity,
    /// `{"key": …, arguments}`: a [`FindingKind`], or an error of the archive or the repository.
    pub what: serde_json::Value,
}

/// What a validation can find beyond the errors that archive, repository and restore know. Serializes to `{"key": …, arguments}`.
#[allow(missing_docs, reason = "each variant says what its fields are")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "key", rename_all = "kebab-case")]
pub enum FindingKind {
    /// The tar header before a member, or the zeros after it, are not what the index says.
    VerifyTarHeader { path: String },
    /// The tar stream does not end with zeros.
    VerifyTarEnd {},
    /// A member's content does not match its CRC-32C, or lies in a frame that can't be decoded.
    VerifyMemberContent { path: String },
    /// A page's checksum is wrong, and the record does not list it as corrupt in the cluster.
    VerifyPageChecksum { path: String, block: u32, found: u16, expected: u16 },
    /// A page's header is impossible, and the record does not list the page as corrupt in the cluster.
    VerifyPageHeader { path: String, block: u32 },
    /// A page that was corrupt in the cluster when the backup was taken.
    VerifyPageKnownCorrupt { path: String, block: u32 },
    /// A relation file whose size is no multiple of the block size.
    VerifyPartialPage { path: String, size_bytes: u64 },
    /// A file of changes whose head can't be, or does not fit the file.
    VerifyChanges { path: String, detail: String },
    /// The archive holds a file that the manifest does not list.
    VerifyManifestUnlisted { path: String },
    /// The manifest lists a file that the archive does not hold.
    VerifyManifestAbsent { path: String },
    /// The manifest or the archive names a file twice.
    VerifyManifestTwice { path: String },
    /// Manifest and archive disagree about a file's size.
    VerifyManifestSize { path: String, listed_bytes: u64, found_bytes: u64 },
    /// Manifest and archive disagree about a file's CRC-32C.
    VerifyManifestChecksum { path: String },
    /// The manifest's value is not the record's: system identifier, start LSN or stop LSN.
    VerifyManifestMismatch { what: &'static str, found: String, recorded: String },
    /// pg_restore can't read a dump.
    VerifyDump { database: String, detail: String },
    /// There are more findings than the report lists.
    VerifyMoreFindings { count: u64 },
}

/// Gathers findings, up to a bound.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    omitted: u64,
    omitted_error: bool,
}

impl Findings {
    /// Enters a finding that means a damaged backup.
    pub fn error(&mut self, what: &impl Serialize) {
        self.enter(FindingSeverity::Error, what);
    }

    /// Enters a finding that the backup itself is not to blame for.
    pub fn warning(&mut self, what: &impl Serialize) {
        self.enter(FindingSeverity::Warning, what);
    }

    fn enter(&mut self, severity: FindingSeverity, what: &impl Serialize) {
        if self.list.len() < MAX_FINDINGS {
            // Our own kinds and errors always serialize; should one not, it is still a finding.
            let what =
                serde_json::to_value(what).unwrap_or_else(|error| serde_json::json!({ "key": error.to_string() }));
            self.list.push(Finding { severity, what });
        } else {
            self.omitted += 1;
            self.omitted_error |= severity == FindingSeverity::Error;
        }
    }

    /// Returns the list; its last entry tells of what is not listed.
    pub fn into_list(mut self) -> Vec<Finding> {
        if self.omitted > 0 {
            let severity = if self.omitted_error { FindingSeverity::Error } else { FindingSeverity::Warning };
            let kind = FindingKind::VerifyMoreFindings { count: self.omitted };
            self.list.push(Finding { severity, what: serde_json::to_value(kind).unwrap_or_default() });
        }
        self.list
    }
}

/// Writes a member's path for a finding.
pub(super) fn show(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_beyond_the_list_still_makes_the_backup_invalid() {
        let mut findings = Findings::default();
        for block in 0..1000 {
            findings.warning(&FindingKind::VerifyPageKnownCorrupt { path: "base/1/2".to_owned(), block });
        }
        findings.error(&FindingKind::VerifyTarEnd {});
        let list = findings.into_list();
        assert_eq!(list.len(), 1001);
        let last = list.last().unwrap();
        assert_eq!(last.severity, FindingSeverity::Error);
        assert_eq!(last.what, serde_json::json!({ "key": "verify-more-findings", "count": 1 }));
    }
}
