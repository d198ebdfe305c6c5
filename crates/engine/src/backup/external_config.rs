use super::wal_members::MemberDefaults;
use super::work::ReadyMember;
use crate::cluster::ExternalConfigFile;
use crate::reader::SourceReader;
use serde_json::{Value, json};

/// The folder in the archive for configuration that the cluster keeps outside its data directory.
pub(crate) const EXTERNAL_CONFIG_FOLDER: &str = "cadena_external_config";
/// Configuration files are small; a larger one is not one.
const LIMIT_BYTES: usize = 1024 * 1024;

/// Reads the configuration files that lie outside the data directory (Debian keeps them in /etc), so that they are not lost
/// with the machine. They are kept as they are, in a folder of their own: put in place they would still name the old
/// cluster's data directory. One that can't be read becomes a warning, since the data does not depend on it.
pub(super) fn external_config_members(
    files: &[ExternalConfigFile],
    reader: &mut dyn SourceReader,
    defaults: MemberDefaults,
) -> (Vec<ReadyMember>, Vec<Value>) {
    let mut members = Vec::new();
    let mut warnings = Vec::new();
    for file in files {
        let mut content = None;
        let mut each = |_, found: Option<crate::reader::FileContent<'_>>| {
            content = found.map(|found| found.bytes.to_vec());
            Ok(())
        };
        let outcome = reader.read_files(&[file.path.as_bytes()], LIMIT_BYTES, &mut each);
        let cause = match (outcome, content) {
            (Ok(()), Some(content)) => {
                let name = file.path.rsplit(['/', '\\']).next().unwrap_or(&file.setting);
                members.push(defaults.file(&format!("{EXTERNAL_CONFIG_FOLDER}/{name}"), content));
                continue;
            }
            (Ok(()), None) => "not there".to_owned(),
            (Err(error), _) => error.to_string(),
        };
        warnings.push(json!({ "key": "warning-external-config", "path": file.path, "cause": cause }));
    }
    if !members.is_empty() {
        members.insert(0, defaults.folder(EXTERNAL_CONFIG_FOLDER));
    }
    (members, warnings)
}
