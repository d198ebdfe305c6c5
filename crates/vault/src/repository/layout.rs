use super::BackupKind;

/// The key of the repository's description of itself.
pub const DESCRIPTION_KEY: &str = "cadena.json";
/// The key of the object that remembers the last backup id given out.
pub const SEQUENCE_KEY: &str = "sequence.json";
/// The key of the object that names the backups whose removal has begun.
pub const REMOVALS_KEY: &str = "removals.json";
/// The key of the object that says for whom is encrypted from now on.
pub const ENCRYPTION_KEY: &str = "encryption.json";
/// The key of the identity that a passphrase protects, where one was made.
pub const IDENTITY_KEY: &str = "keys/identity.age";
/// The key of the lock that a running backup or cleanup holds.
pub const LOCK_KEY: &str = "lock";

/// The list of an encrypted archive's files lies beside it.
const MEMBERS_ENDING: &str = ".members";

const ARCHIVE_ENDING: &str = ".backup";
const RECORD_ENDING: &str = ".json";

/// Names a backup: `full_YYYYMMDD_HHMMSS`, with `_2`, `_3`, … when that second is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    /// What the name begins with and which folder it lies in.
    pub kind: BackupKind,
    /// Without folder and ending.
    pub stem: String,
}

impl BackupKind {
    /// Every kind.
    pub const ALL: [BackupKind; 3] = [BackupKind::Full, BackupKind::Differential, BackupKind::Incremental];

    /// Returns the folder of the kind's archives and records: `full`, `differential`, `incremental`.
    pub fn folder(self) -> &'static str {
        match self {
            BackupKind::Full => "full",
            BackupKind::Differential => "differential",
            BackupKind::Incremental => "incremental",
        }
    }

    /// Returns what the kind's names begin with: `full`, `dif`, `inc`.
    pub fn name_prefix(self) -> &'static str {
        match self {
            BackupKind::Full => "full",
            BackupKind::Differential => "dif",
            BackupKind::Incremental => "inc",
        }
    }

    /// Returns the seed's word: `FULL`, `DIFERENCIAL`, `INCREMENTAL`.
    pub fn word(self) -> &'static str {
        match self {
            BackupKind::Full => "FULL",
            BackupKind::Differential => "DIFERENCIAL",
            BackupKind::Incremental => "INCREMENTAL",
        }
    }
}

impl BackupName {
    /// Makes the name for a local time; `attempt` 1 has no suffix. Years outside 0 to 9999 are brought to the nearest.
    pub fn new(kind: BackupKind, local: jiff::civil::DateTime, attempt: u32) -> Self {
        let mut stem = format!(
            "{}_{:04}{:02}{:02}_{:02}{:02}{:02}",
            kind.name_prefix(),
            local.year().max(0),
            local.month(),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        );
        if attempt > 1 {
            stem.push_str(&format!("_{attempt}"));
        }
        BackupName { kind, stem }
    }

    /// Reads `full_….backup`, `dif_….json`, … ; anything else is not ours.
    pub fn parse_file_name(file_name: &str) -> Option<Self> {
        let stem = file_name.strip_suffix(ARCHIVE_ENDING).or_else(|| file_name.strip_suffix(RECORD_ENDING))?;
        let mut parts = stem.split('_');
        let prefix = parts.next()?;
        let kind = BackupKind::ALL.into_iter().find(|kind| kind.name_prefix() == prefix)?;
        let (date, time) = (digits(parts.next()?, 8)?, digits(parts.next()?, 6)?);
        let attempt = match parts.next() {
            None => 1,
            Some(suffix) => suffix.parse::<u32>().ok().filter(|attempt| *attempt > 1)?,
        };
        let small = |number: u32| i8::try_from(number).ok();
        let local = jiff::civil::DateTime::new(
            i16::try_from(date / 10_000).ok()?,
            small(date / 100 % 100)?,
            small(date % 100)?,
            small(time / 10_000)?,
            small(time / 100 % 100)?,
            small(time % 100)?,
            0,
        )
        .ok()?;
        // Only the spelling that `new` makes: no `_02`, no `_+3`, no further parts.
        let name = Self::new(kind, local, attempt);
        (name.stem == stem).then_some(name)
    }

    /// Returns the archive's file name, `NAME.backup`.
    pub fn archive_file_name(&self) -> String {
        format!("{}{ARCHIVE_ENDING}", self.stem)
    }

    /// Returns the record's file name, `NAME.json`.
    pub fn record_file_name(&self) -> String {
        format!("{}{RECORD_ENDING}", self.stem)
    }

    /// Reads the file name of an archive.
    pub fn of_archive(file_name: &str) -> Option<Self> {
        Self::parse_file_name(file_name).filter(|_| file_name.ends_with(ARCHIVE_ENDING))
    }
}

/// Returns `full/NAME.backup`.
pub fn archive_key(name: &BackupName) -> String {
    format!("{}/{}", name.kind.folder(), name.archive_file_name())
}

/// Returns `full/NAME.members`.
pub(super) fn member_list_key(name: &BackupName) -> String {
    format!("{}/{}{MEMBERS_ENDING}", name.kind.folder(), name.stem)
}

/// Reads such a key.
pub(super) fn name_of_member_list(key: &str) -> Option<BackupName> {
    let (folder, name) = key.strip_suffix(MEMBERS_ENDING)?.split_once('/')?;
    BackupName::parse_file_name(&format!("{name}{RECORD_ENDING}")).filter(|name| name.kind.folder() == folder)
}

/// Returns `full/NAME.json`.
pub fn record_key(name: &BackupName) -> String {
    format!("{}/{}", name.kind.folder(), name.record_file_name())
}

fn digits(text: &str, count: usize) -> Option<u32> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_follow_the_seed() {
        let local = jiff::civil::date(2026, 11, 4).at(1, 2, 3, 999);
        let name = BackupName::new(BackupKind::Full, local, 1);
        assert_eq!(archive_key(&name), "full/full_20261104_010203.backup");
        assert_eq!(record_key(&name), "full/full_20261104_010203.json");
        let name = BackupName::new(BackupKind::Differential, local, 2);
        assert_eq!(archive_key(&name), "differential/dif_20261104_010203_2.backup");
        let name = BackupName::new(BackupKind::Incremental, local, 10);
        assert_eq!(record_key(&name), "incremental/inc_20261104_010203_10.json");
    }

    #[test]
    fn reads_its_own_names_and_no_others() {
        for ours in ["full_20261104_010203.backup", "dif_20261104_010203.json", "inc_20240229_235959_12.json"] {
            assert!(BackupName::parse_file_name(ours).is_some(), "{ours}");
        }
        for other in [
            "",
            ".json",
            "full.json",
            "full_20261104.json",
            "full_20261104_010203",
            "full_20261104_010203.backup.bak",
            "full_20261104_010203_1.json",
            "full_20261104_010203_0.json",
            "full_20261104_010203_02.json",
            "full_20261104_010203_+2.json",
            "full_20261104_010203_2_3.json",
            "full_20261304_010203.json",
            "full_20250229_010203.json",
            "full_20261104_240000.json",
            "full_2026110a_010203.json",
            "FULL_20261104_010203.json",
            "differential_20261104_010203.json",
            "man_20261104_010203.json",
            "../full_20261104_010203.json",
            "full_20261104_010203_99999999999.json",
            "full_+0261104_010203.json",
            "full_２０２６1104_010203.json",
        ] {
            assert_eq!(BackupName::parse_file_name(other), None, "{other}");
        }
        assert!(BackupName::of_archive("full_20261104_010203.json").is_none());
    }

    proptest! {
        #[test]
        fn every_name_is_read_back(second in 0_i64..253_402_300_799, attempt in 1_u32.., kind in 0_usize..3) {
            let zoned = jiff::Timestamp::from_second(second).unwrap().to_zoned(jiff::tz::TimeZone::UTC);
            let name = BackupName::new(BackupKind::ALL[kind], zoned.datetime(), attempt);
            prop_assert_eq!(BackupName::parse_file_name(&name.archive_file_name()), Some(name.clone()));
            prop_assert_eq!(BackupName::parse_file_name(&name.record_file_name()), Some(name));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".*") {
            let _ = BackupName::parse_file_name(&text);
            let _ = BackupName::parse_file_name(&format!("full_{text}.json"));
        }
    }
}
