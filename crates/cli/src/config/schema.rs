//! What may stand in `cadena.toml`? docs/reference/configuration.md is its page.

/// Every section with its keys.
pub const SECTIONS: &[(&str, &[&str])] = &[
    (
        "connection",
        &["url", "host", "port", "dbname", "user", "password", "passfile", "service", "sslmode", "sslrootcert"],
    ),
    ("repository", &["path"]),
    ("backup", &["reader", "jobs", "compression_level", "max_rate", "checkpoint"]),
    ("wal", &["slot", "max_slot_retained", "compression_level", "push_ahead"]),
    ("restore", &["work_dir"]),
    ("encryption", &["recipients", "identity_file", "passphrase_file", "passphrase_env"]),
    ("catalog", &["enabled", "lang"]),
    ("schedule", &["full", "diferencial", "incremental", "validate", "cleanup", "drill"]),
    ("validation", &["level", "again_days", "max_minutes"]),
    ("retention", &["full_months", "differential_weeks", "incremental_days", "min_chains", "wal_days"]),
    ("metrics", &["listen", "allow_remote"]),
    ("general", &["lang", "time_zone", "pg_bin_path", "cluster_name"]),
];

/// The section that may stand there several times; its keys hang on its `type`.
pub const NOTIFY: &str = "notify";

/// Returns the name of every section.
pub fn section_names() -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().map(|(name, _)| *name).chain([NOTIFY, super::replica::REPLICA, super::drill::DRILL])
}

/// Returns the keys of a section, or `None` when there is no such section.
pub fn keys_of(section: &str) -> Option<&'static [&'static str]> {
    SECTIONS.iter().find(|(name, _)| *name == section).map(|(_, keys)| *keys)
}

/// Returns the known name that looks most like `name`.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name = name.to_lowercase();
    known
        .map(|candidate| (strsim::jaro_winkler(&name, candidate), candidate))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_the_one_that_was_meant() {
        let backup = || keys_of("backup").unwrap_or_default().iter().copied();
        assert_eq!(nearest("job", backup()), "jobs");
        assert_eq!(nearest("compresion_level", backup()), "compression_level");
        assert_eq!(nearest("MaxRate", backup()), "max_rate");
        assert_eq!(nearest("repositorio", section_names()), "repository");
    }
}
