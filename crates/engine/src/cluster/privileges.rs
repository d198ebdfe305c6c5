use pgformat::MajorVersion;
use serde::Serialize;

/// One thing that the role may not do, and the statement that mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrivilegeFinding {
    /// Key of the sentence that says what for: `privilege-backup-control`, `privilege-read-files`, `privilege-slot`, …
    pub purpose: String,
    pub grant: String,
    /// Without it no backup works; otherwise only less safely or not over SQL.
    pub required: bool,
}

/// Returns the statements that let `role` do everything that backups need, for `--print-grants`; ready for psql.
pub fn required_grants(version: MajorVersion, role: &str) -> Vec<String> {
    let _ = (version, role);
    todo!()
}
