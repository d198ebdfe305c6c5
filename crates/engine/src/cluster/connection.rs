use super::ClusterError;

/// Says how to reach a server: libpq's keywords and values. `Debug` hides the password.
#[derive(Clone, Default)]
pub struct ConnectionSettings {
    /// A libpq connection URI or keyword string (`DATABASE_URL`), applied first.
    pub conninfo: Option<String>,
    /// Keywords that override it (`host`, `port`, `dbname`, `user`, `password`, `sslmode`, …).
    pub keywords: Vec<(String, String)>,
}

/// One connection. Not shared between threads; may be moved to another.
pub struct Connection {
    _private: (),
}

/// A parameter of a statement.
pub enum SqlParameter<'a> {
    Text(&'a str),
    Null,
}

/// The rows of an answer.
pub struct QueryResult {
    _private: (),
}

impl Connection {
    /// Connects. Without a host, libpq's default socket folder and Debian's (/var/run/postgresql) are tried.
    /// Sets `application_name` to `cadena`, ISO DateStyle, no statement or idle timeouts, UTF8 client encoding, empty search_path.
    ///
    /// # Errors
    /// `ClusterConnect`.
    pub fn connect(settings: &ConnectionSettings) -> Result<Self, ClusterError> {
        let _ = settings;
        todo!()
    }
    /// Says whom we talk to (`user@host:port/dbname`), for messages.
    pub fn target(&self) -> String {
        todo!()
    }
    /// Returns `server_version_num`.
    pub fn server_version_num(&self) -> u32 {
        todo!()
    }
    /// Runs one statement; values in text form. `action` names it in errors.
    pub fn query(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
    ) -> Result<QueryResult, ClusterError> {
        let _ = (action, sql, parameters);
        todo!()
    }
    /// The same with values in binary form (for bytea: the bytes themselves).
    pub fn query_binary(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
    ) -> Result<QueryResult, ClusterError> {
        let _ = (action, sql, parameters);
        todo!()
    }
    /// Tells whether the server still answers (used by long backups to notice a lost session early).
    pub fn is_alive(&mut self) -> bool {
        todo!()
    }
}

impl QueryResult {
    pub fn rows(&self) -> usize {
        todo!()
    }
    /// Returns a value's bytes without a copy, or `None` for NULL.
    pub fn bytes(&self, row: usize, column: usize) -> Option<&[u8]> {
        let _ = (row, column);
        todo!()
    }
    /// Returns a value as text.
    ///
    /// # Errors
    /// `ClusterSql` when it is NULL or not UTF-8.
    pub fn text(&self, row: usize, column: usize) -> Result<&str, ClusterError> {
        let _ = (row, column);
        todo!()
    }
    /// Parses a value.
    pub fn parse<T: std::str::FromStr>(&self, row: usize, column: usize) -> Result<T, ClusterError> {
        let _ = (row, column);
        todo!()
    }
}
