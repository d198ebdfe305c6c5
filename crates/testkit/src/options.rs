//! How is a test cluster to be made?

/// Says how a test cluster is made. The default is a primary with page checksums, without fsync, that keeps 1 GB of WAL.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Whether the server fsyncs. Off by default: tests crash processes, not machines.
    pub fsync: bool,
    /// Whether pages carry checksums.
    pub checksums: bool,
    /// The size of a WAL segment in MB, a power of two from 1 to 1024; `None` leaves 16.
    pub wal_segment_mb: Option<u32>,
    /// Lines for postgresql.conf, after ours.
    pub settings: Vec<(String, String)>,
    /// Names of tablespaces to create.
    pub tablespaces: Vec<String>,
    /// Whether prepared transactions are allowed.
    pub prepared_transactions: bool,
    /// Further arguments for initdb.
    pub initdb_arguments: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            fsync: false,
            checksums: true,
            wal_segment_mb: None,
            settings: Vec::new(),
            tablespaces: Vec::new(),
            prepared_transactions: true,
            initdb_arguments: Vec::new(),
        }
    }
}

impl ClusterOptions {
    /// Adds a line for postgresql.conf.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a tablespace.
    #[must_use]
    pub fn tablespace(mut self, name: &str) -> Self {
        self.tablespaces.push(name.to_owned());
        self
    }

    /// Sets the size of a WAL segment.
    #[must_use]
    pub fn wal_segment_mb(mut self, megabytes: u32) -> Self {
        self.wal_segment_mb = Some(megabytes);
        self
    }

    /// Switches page checksums on or off.
    #[must_use]
    pub fn checksums(mut self, on: bool) -> Self {
        self.checksums = on;
        self
    }

    /// Switches fsync on or off.
    #[must_use]
    pub fn fsync(mut self, on: bool) -> Self {
        self.fsync = on;
        self
    }

    /// Returns postgresql.conf's lines. Port and socket are not among them: they stand on the command line, so that a
    /// restored copy does not want the same.
    pub(crate) fn configuration(&self) -> String {
        let on = |value: bool| if value { "on" } else { "off" };
        let ours = [
            ("listen_addresses", ""),
            ("fsync", on(self.fsync)),
            ("max_prepared_transactions", if self.prepared_transactions { "10" } else { "0" }),
            ("max_connections", "40"),
            ("shared_buffers", "32MB"),
            // Restored copies fetch their WAL from the source's pg_wal.
            ("wal_keep_size", "1GB"),
            ("max_wal_size", "256MB"),
            // The maintenance of small test tables is to happen within a test's time.
            ("autovacuum_naptime", "5s"),
            ("log_line_prefix", "%m [%p] %q%a "),
            ("log_checkpoints", "off"),
            ("jit", "off"),
            ("timezone", "UTC"),
        ];
        let further = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        ours.into_iter()
            .chain(further)
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_given_settings_last_and_quotes_them() {
        let text =
            ClusterOptions::default().set("shared_buffers", "1MB").set("archive_command", "cp '%p' x").configuration();
        let last: Vec<&str> = text.lines().rev().take(2).collect();
        assert_eq!(last, ["archive_command = 'cp ''%p'' x'", "shared_buffers = '1MB'"]);
    }
}
