use super::error::sqlstate;
use super::libpq::{PgCancel, PgConn, PgResult};
use super::settings::Resolved;
use super::{ClusterError, ConnectionSettings, QueryResult, Row, SqlParameter};
use pgformat::MajorVersion;
use pq_sys::{ConnStatusType, ExecStatusType, PostgresPollingStatusType};
use std::ffi::CString;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long an attempt to connect may take, unless the settings say otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting call looks at its cancel check.
const CANCEL_CHECK: Duration = Duration::from_millis(100);
/// How long a server may take to end a statement that we cancelled.
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);
/// Where servers put their sockets when libpq's own default is another place.
#[cfg(unix)]
const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];
#[cfg(not(unix))]
const SOCKET_FOLDERS: [&str; 0] = [];
/// Rows that [`Connection::query_each`] holds at a time.
const ROWS_AT_A_TIME: u16 = 512;

/// Parameters that hold unless the settings, the service file or the environment say otherwise. A dead peer is noticed after
/// two minutes, idle or not: a backup's session is idle for hours, which some firewalls punish.
const DEFAULTS: [(&str, &str); 6] = [
    ("connect_timeout", "10"),
    ("fallback_application_name", "cadena"),
    ("keepalives_idle", "60"),
    ("keepalives_interval", "10"),
    ("keepalives_count", "6"),
    ("tcp_user_timeout", "120000"),
];

/// What we rely on, whatever the role, the database and the server were set to: forms of values, no time limits, and names
/// that nobody can shadow.
const SESSION: &str = "SELECT set_config(name, value, false) FROM (VALUES ('search_path', 'pg_catalog'), \
    ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'), ('extra_float_digits', '1'), \
    ('bytea_output', 'hex'), ('standard_conforming_strings', 'on'), ('client_min_messages', 'notice'), \
    ('statement_timeout', '0'), ('lock_timeout', '0'), ('idle_in_transaction_session_timeout', '0'), \
    ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('default_transaction_read_only', 'off'), \
    ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '10'), ('tcp_keepalives_count', '6'), \
    ('jit', 'off'), ('max_parallel_workers_per_gather', '0')) AS wanted(name, value) \
    WHERE EXISTS (SELECT FROM pg_catalog.pg_settings AS known WHERE lower(known.name) = lower(wanted.name))";

/// One connection. Not shared between threads; may be moved to another.
pub struct Connection {
    pg: PgConn,
    target: String,
    /// Why nothing more can be asked: a cancelled statement that the server did not end.
    stuck: Option<String>,
    raw_encoding: bool,
}

/// Cancels what a connection runs, from another thread. Outlives the connection harmlessly.
pub struct CancelHandle {
    request: Mutex<PgCancel>,
}

impl CancelHandle {
    /// Asks the server to cancel the statement that runs now, if any; the statement then ends with SQLSTATE 57014.
    ///
    /// # Errors
    /// `ClusterConnectionLost` when the server could not be asked.
    pub fn cancel(&self) -> Result<(), ClusterError> {
        let mut request = self.request.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        request.send().map_err(|detail| ClusterError::ClusterConnectionLost { detail })
    }
}

impl Connection {
    /// Connects. Without a host, libpq's default socket folder and Debian's (/var/run/postgresql) are tried.
    /// Sets `application_name` to `cadena`, ISO DateStyle, no statement or idle timeouts, UTF8 client encoding, and a search_path
    /// of pg_catalog only. Gives up after 10 seconds unless `connect_timeout` says otherwise.
    ///
    /// # Errors
    /// `ClusterConnect`; `ClusterSettings`; `ClusterVersion` below 14.
    pub fn connect(settings: &ConnectionSettings) -> Result<Self, ClusterError> {
        Self::connect_cancellable(settings, &|| false)
    }

    /// The same, looking at `cancelled` about ten times a second.
    ///
    /// # Errors
    /// Those of [`Connection::connect`]; `ClusterCancelled`.
    pub fn connect_cancellable(
        settings: &ConnectionSettings,
        cancelled: &dyn Fn() -> bool,
    ) -> Result<Self, ClusterError> {
        let resolved = settings.resolve()?;
        let pg = Attempt { settings, resolved: &resolved, cancelled, further: &[] }.connect()?;
        let mut connection = Connection { target: target_of(&pg), pg, stuck: None, raw_encoding: false };
        if connection.server_version_num() / 10_000 < MajorVersion::ALL[0].number() {
            let found = connection.pg.parameter_status(c"server_version").unwrap_or_default();
            return Err(ClusterError::ClusterVersion { found });
        }
        connection.query_cancellable("set up the session", SESSION, &[], cancelled)?;
        tracing::debug!(target = connection.target, "connected");
        Ok(connection)
    }

    /// Says whom we talk to (`user@host:port/dbname`), for messages.
    pub fn target(&self) -> String {
        self.target.clone()
    }
    /// Returns the name of the database that we are connected to.
    pub fn database(&self) -> String {
        self.pg.dbname()
    }
    /// Returns the keywords that lead to this server and no other, whatever the settings left open.
    pub(super) fn reached(&self) -> Vec<(&'static str, String)> {
        let (host, address) = (self.pg.host(), self.pg.host_address());
        let mut reached = vec![("port", self.pg.port()), ("user", self.pg.user())];
        // Both, when both are known: certificates are checked against the name.
        let named = !host.is_empty();
        if named {
            reached.push(("host", host));
        }
        if !address.is_empty() && !host_is_folder(&self.pg.host()) {
            reached.push(("hostaddr", address));
        }
        reached
    }
    /// Returns `server_version_num`.
    pub fn server_version_num(&self) -> u32 {
        self.pg.server_version()
    }
    /// Returns the process id of our session on the server.
    pub fn backend_pid(&self) -> i32 {
        self.pg.backend_pid()
    }
    /// Returns the encoding of the database that we are connected to, such as `UTF8`.
    pub fn server_encoding(&self) -> String {
        self.pg.parameter_status(c"server_encoding").unwrap_or_default()
    }
    /// Tells whether the server is on this host, as far as the connection shows: a socket, a loopback address, or an address that
    /// is ours. A tunnel or a container's forwarded port looks the same: compare system identifiers before believing it.
    pub fn is_local(&self) -> bool {
        let Ok(address) = self.pg.host_address().parse::<IpAddr>() else {
            return self.pg.host().starts_with(['/', '@']);
        };
        address.is_loopback() || self.own_address() == Some(address)
    }
    #[cfg(unix)]
    fn own_address(&self) -> Option<IpAddr> {
        use std::os::fd::BorrowedFd;
        // SAFETY: libpq's open socket, borrowed for this call only.
        let socket = unsafe { BorrowedFd::borrow_raw(self.pg.socket()) };
        let copy = socket.try_clone_to_owned().ok()?;
        std::net::TcpStream::from(copy).local_addr().ok().map(|address| address.ip())
    }
    #[cfg(not(unix))]
    fn own_address(&self) -> Option<IpAddr> {
        None
    }

    /// Runs one statement; values in text form. `action` names it in errors.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn query(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
    ) -> Result<QueryResult, ClusterError> {
        self.send(action, sql, parameters, false)?;
        self.collect(action)
    }
    /// The same with values in binary form (for bytea: the bytes themselves).
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`.
    pub fn query_binary(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
    ) -> Result<QueryResult, ClusterError> {
        self.send(action, sql, parameters, true)?;
        self.collect(action)
    }

    /// Runs the statements of a script, as `psql` would, in one transaction unless it says otherwise. No parameters, no rows.
    ///
    /// # Errors
    /// `ClusterSql` of the first statement that was refused, and nothing of the script was done; `ClusterConnectionLost`.
    pub fn run_script(&mut self, action: &str, script: &str) -> Result<(), ClusterError> {
        self.check_usable()?;
        let script = statement(action, script)?;
        if !self.pg.send_simple(&script) {
            return Err(self.lost(self.pg.error_message()));
        }
        self.collect(action).map(drop)
    }

    /// Runs one statement and looks at `cancelled` about ten times a second while the server works; when it says yes, the
    /// statement is cancelled on the server too.
    ///
    /// # Errors
    /// `ClusterCancelled`, `ClusterSql`, `ClusterConnectionLost`.
    pub fn query_cancellable(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
        cancelled: &dyn Fn() -> bool,
    ) -> Result<QueryResult, ClusterError> {
        if cancelled() {
            return Err(ClusterError::ClusterCancelled {});
        }
        self.send(action, sql, parameters, false)?;
        while self.pg.is_busy() {
            if cancelled() {
                self.abandon();
                return Err(ClusterError::ClusterCancelled {});
            }
            let readable = self.pg.wait(false, CANCEL_CHECK).map_err(|error| self.lost(error.to_string()))?;
            if readable && !self.pg.consume_input() {
                break;
            }
        }
        self.collect(action)
    }

    /// Runs one statement and hands over its rows one by one, without holding all of them. `binary` asks for values in binary
    /// form. When `each` fails, the statement is cancelled and that error returned.
    ///
    /// # Errors
    /// `ClusterSql`, `ClusterConnectionLost`, and what `each` returns.
    pub fn query_each<E: From<ClusterError>>(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
        binary: bool,
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.query_portions(action, sql, parameters, binary, ROWS_AT_A_TIME, each)
    }

    pub(super) fn query_portions<E: From<ClusterError>>(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
        binary: bool,
        portion_rows: u16,
        each: &mut dyn FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.send(action, sql, parameters, binary)?;
        if !self.pg.set_chunked_rows(portion_rows) {
            // Never refused right after a statement was sent; were it, the rows would come all at once, which is only slower.
            tracing::debug!(action, "libpq refused to hand over rows in portions");
        }
        let mut failed: Option<ClusterError> = None;
        while let Some(result) = self.pg.result() {
            match result.status() {
                ExecStatusType::PGRES_TUPLES_CHUNK | ExecStatusType::PGRES_TUPLES_OK => {
                    let rows = QueryResult::new(result, action);
                    for row in 0..rows.rows() {
                        if let Err(error) = each(&rows.row(row)) {
                            drop(rows);
                            self.abandon();
                            return Err(error);
                        }
                    }
                }
                ExecStatusType::PGRES_COMMAND_OK | ExecStatusType::PGRES_EMPTY_QUERY => {}
                _ => failed = self.keep_first(failed, action, &result),
            }
            if self.stuck.is_some() {
                break;
            }
        }
        failed.map_or(Ok(()), |error| Err(self.if_lost(error).into()))
    }

    /// Tells whether the server still answers (used by long backups to notice a lost session early).
    pub fn is_alive(&mut self) -> bool {
        self.check().is_ok()
    }
    /// The same, with the reason.
    ///
    /// # Errors
    /// `ClusterConnectionLost`; `ClusterSql`.
    pub fn check(&mut self) -> Result<(), ClusterError> {
        self.query("check the session", "SELECT", &[]).map(drop)
    }

    /// Returns a handle that cancels what this connection runs, from any thread.
    ///
    /// # Errors
    /// `ClusterConnectionLost` when the connection is broken already.
    pub fn cancel_handle(&self) -> Result<CancelHandle, ClusterError> {
        let request = self.pg.cancel_request().filter(|_| !self.pg.is_bad());
        let request = request.ok_or_else(|| self.lost("there is nothing left to cancel".to_owned()))?;
        Ok(CancelHandle { request: Mutex::new(request) })
    }

    /// Makes the server send and take text as raw bytes in its own encoding, with no conversion: file names are bytes, and a
    /// conversion would change them in databases that are not UTF8.
    pub(super) fn use_raw_encoding(&mut self) -> Result<(), ClusterError> {
        if !self.raw_encoding {
            let sql = "SELECT set_config('client_encoding', 'SQL_ASCII', false)";
            self.query("set the encoding of file names", sql, &[])?;
            self.raw_encoding = true;
        }
        Ok(())
    }

    fn send(
        &mut self,
        action: &str,
        sql: &str,
        parameters: &[SqlParameter<'_>],
        binary: bool,
    ) -> Result<(), ClusterError> {
        self.check_usable()?;
        let wire = parameters.iter().map(|p| p.to_wire(action)).collect::<Result<Vec<_>, _>>()?;
        let sql = statement(action, sql)?;
        if self.pg.send(&sql, &wire, binary) { Ok(()) } else { Err(self.lost(self.pg.error_message())) }
    }

    fn check_usable(&self) -> Result<(), ClusterError> {
        match &self.stuck {
            Some(reason) => Err(ClusterError::ClusterConnectionLost { detail: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Takes every result of the statement just sent: a FATAL error is followed by the end of the connection, which libpq only
    /// notices while it looks for the next result.
    fn collect(&mut self, action: &str) -> Result<QueryResult, ClusterError> {
        let mut answer = None;
        let mut failed = None;
        while let Some(result) = self.pg.result() {
            match result.status() {
                ExecStatusType::PGRES_TUPLES_OK | ExecStatusType::PGRES_COMMAND_OK => answer = Some(result),
                ExecStatusType::PGRES_EMPTY_QUERY => answer = Some(result),
                _ => failed = self.keep_first(failed, action, &result),
            }
            if self.stuck.is_some() {
                break;
            }
        }
        match (failed, answer) {
            (Some(error), _) => Err(self.if_lost(error)),
            (None, Some(result)) => Ok(QueryResult::new(result, action)),
            (None, None) => Err(self.lost(self.pg.error_message())),
        }
    }

    /// Reads an error's result; the first one of a statement says most.
    fn keep_first(&mut self, first: Option<ClusterError>, action: &str, result: &PgResult) -> Option<ClusterError> {
        use ExecStatusType::{PGRES_COPY_BOTH, PGRES_COPY_IN, PGRES_COPY_OUT};
        if matches!(result.status(), PGRES_COPY_IN | PGRES_COPY_OUT | PGRES_COPY_BOTH) {
            // PQgetResult would repeat it for ever. No statement of ours copies.
            self.stuck = Some("the server began a COPY that was not asked for".to_owned());
        }
        first.or_else(|| Some(refusal(action, result)))
    }

    /// Turns a refusal that was in truth the end of the connection into that. An error without an SQLSTATE is libpq's own: a
    /// failed write, for instance, which PQstatus does not show until a read fails too.
    fn if_lost(&self, error: ClusterError) -> ClusterError {
        match error {
            ClusterError::ClusterSql { sqlstate: state, detail, .. }
                if state.is_empty()
                    || self.pg.is_bad()
                    || self.stuck.is_some()
                    || sqlstate::ends_the_session(&state) =>
            {
                ClusterError::ClusterConnectionLost { detail }
            }
            other => other,
        }
    }

    fn lost(&self, detail: String) -> ClusterError {
        ClusterError::ClusterConnectionLost { detail }
    }

    /// Cancels the running statement and takes what is left of its answer, so that the connection can be used again. A server
    /// that does not react in time makes the connection useless instead of making us wait.
    fn abandon(&mut self) {
        let asked = match self.pg.cancel_request() {
            Some(mut request) => request.send(),
            None => Err("out of memory".to_owned()),
        };
        if let Err(detail) = asked {
            tracing::debug!(detail, "the cancel request did not reach the server");
        }
        let deadline = Instant::now() + CANCEL_PATIENCE;
        loop {
            while !self.pg.is_busy() {
                if self.pg.result().is_none() {
                    return;
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let readable = !left.is_zero() && self.pg.wait(false, left.min(CANCEL_CHECK)).unwrap_or(false);
            if left.is_zero() || (readable && !self.pg.consume_input() && self.pg.is_bad()) {
                self.stuck = Some("a cancelled statement did not end".to_owned());
                return;
            }
        }
    }
}

/// Connects for physical replication, where no SQL can be run. `synchronous_standby_names` finds us under the name `cadena`
/// unless the settings give us another.
pub(super) fn connect_for_replication(
    settings: &ConnectionSettings,
    cancelled: &dyn Fn() -> bool,
) -> Result<PgConn, ClusterError> {
    let resolved = settings.resolve()?;
    let named = resolved.get("application_name").is_some();
    let further: &[(&str, &str)] =
        if named { &[("replication", "true")] } else { &[("replication", "true"), ("application_name", "cadena")] };
    Attempt { settings, resolved: &resolved, cancelled, further }.connect()
}

fn host_is_folder(host: &str) -> bool {
    host.starts_with(['/', '@'])
}

/// One call of connect: whom to try, in which order, for how long.
struct Attempt<'a> {
    settings: &'a ConnectionSettings,
    resolved: &'a Resolved,
    cancelled: &'a dyn Fn() -> bool,
    /// Parameters that override those of the settings.
    further: &'a [(&'a str, &'a str)],
}

/// Why an attempt failed, and whether a server was there at all.
struct Failure {
    error: ClusterError,
    reached: bool,
}

impl Attempt<'_> {
    fn connect(&self) -> Result<PgConn, ClusterError> {
        let host_known = self.resolved.get("host").is_some() || self.resolved.get("hostaddr").is_some();
        let mut failure = match self.try_host(None) {
            Ok(pg) => return Ok(pg),
            Err(failure) => failure,
        };
        for folder in SOCKET_FOLDERS {
            let tried = matches!(&failure.error,
                ClusterError::ClusterConnect { target, .. } if target.contains(&format!("@{folder}:")));
            if host_known || tried || failure.reached {
                break;
            }
            match self.try_host(Some(folder)) {
                Ok(pg) => return Ok(pg),
                Err(next) => failure = merge(failure, next),
            }
        }
        Err(failure.error)
    }

    fn try_host(&self, folder: Option<&str>) -> Result<PgConn, Failure> {
        let unreached = |error| Failure { error, reached: false };
        let (mut parameters, expand) = self.settings.parameters().map_err(unreached)?;
        let mut add = |keyword: &str, value: &str| {
            if let (Ok(keyword), Ok(value)) = (CString::new(keyword), CString::new(value)) {
                parameters.push((keyword, value));
            }
        };
        for (keyword, value) in DEFAULTS {
            if self.resolved.get(keyword).is_none() {
                add(keyword, value);
            }
        }
        add("client_encoding", "UTF8");
        for (keyword, value) in self.further {
            add(keyword, value);
        }
        if let Some(folder) = folder {
            add("host", folder);
        }
        let out_of_memory =
            || ClusterError::ClusterConnect { target: String::new(), detail: "out of memory".to_owned() };
        let mut pg = PgConn::start(&parameters, expand).ok_or_else(|| unreached(out_of_memory()))?;
        let mut reached = false;
        let outcome = self.wait_until_connected(&mut pg, &mut reached);
        outcome.map_err(|error| Failure { error, reached })?;
        Ok(pg)
    }

    fn wait_until_connected(&self, pg: &mut PgConn, reached: &mut bool) -> Result<(), ClusterError> {
        use ConnStatusType::{CONNECTION_BAD, CONNECTION_NEEDED, CONNECTION_STARTED};
        let failed = |pg: &PgConn, detail: String| Err(ClusterError::ClusterConnect { target: target_of(pg), detail });
        let limit = self.time_limit();
        let deadline = limit.map(|limit| Instant::now() + limit);
        // PQconnectStart leaves us as if PQconnectPoll had said "writing".
        let mut wait_for_write = true;
        loop {
            if pg.is_bad() {
                return failed(pg, pg.error_message());
            }
            let ready = match pg.wait(wait_for_write, CANCEL_CHECK) {
                Ok(ready) => ready,
                Err(error) => return failed(pg, error.to_string()),
            };
            if (self.cancelled)() {
                return Err(ClusterError::ClusterCancelled {});
            }
            if ready {
                match pg.poll() {
                    PostgresPollingStatusType::PGRES_POLLING_OK => return Ok(()),
                    PostgresPollingStatusType::PGRES_POLLING_FAILED => return failed(pg, pg.error_message()),
                    PostgresPollingStatusType::PGRES_POLLING_READING => wait_for_write = false,
                    _ => wait_for_write = true,
                }
                *reached |= !matches!(pg.status(), CONNECTION_BAD | CONNECTION_NEEDED | CONNECTION_STARTED);
            } else if let (Some(limit), Some(deadline)) = (limit, deadline)
                && Instant::now() >= deadline
            {
                if self.has_other_addresses() {
                    // The first address swallowed the time. libpq alone can go on with the next ones, each with its own limit.
                    pg.reset();
                    return if pg.is_bad() { failed(pg, pg.error_message()) } else { Ok(()) };
                }
                return failed(pg, format!("no answer within {} seconds (connect_timeout)", limit.as_secs()));
            }
        }
    }

    /// Returns how long an attempt may take; `None` for ever, which libpq writes as 0 or less.
    fn time_limit(&self) -> Option<Duration> {
        let Some(text) = self.resolved.get("connect_timeout") else { return Some(CONNECT_TIMEOUT) };
        // libpq itself reports a value that is no number.
        let seconds: i64 = text.trim().parse().unwrap_or(0);
        u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    }

    fn has_other_addresses(&self) -> bool {
        let (host, address) = (self.resolved.get("host"), self.resolved.get("hostaddr"));
        if let Some(address) = address {
            return address.contains(',');
        }
        host.is_some_and(|host| {
            let several = || (host, 0u16).to_socket_addrs().map(Iterator::count).unwrap_or(0) > 1;
            host.contains(',') || (!host.starts_with(['/', '@']) && several())
        })
    }
}

/// Keeps what both attempts said.
fn merge(first: Failure, second: Failure) -> Failure {
    use ClusterError::ClusterConnect;
    match (first.error, second.error) {
        (ClusterConnect { target, detail: one }, ClusterConnect { target: reached_target, detail: two }) => {
            // A server that answered is the one the user means; else the first place is.
            if second.reached {
                return Failure { error: ClusterConnect { target: reached_target, detail: two }, reached: true };
            }
            Failure { error: ClusterConnect { target, detail: format!("{one}; {two}") }, reached: false }
        }
        (_, other) => Failure { error: other, reached: second.reached },
    }
}

fn statement(action: &str, sql: &str) -> Result<CString, ClusterError> {
    CString::new(sql).map_err(|_| ClusterError::ClusterSql {
        action: action.to_owned(),
        sqlstate: sqlstate::CHARACTER_NOT_IN_REPERTOIRE.to_owned(),
        detail: "the statement holds a zero byte".to_owned(),
    })
}

/// Reads a failed statement's result.
pub(super) fn refusal(action: &str, result: &PgResult) -> ClusterError {
    let field = |code: u8| result.error_field(code).filter(|text| !text.is_empty());
    let words: Vec<String> =
        [pq_sys::PG_DIAG_MESSAGE_PRIMARY, pq_sys::PG_DIAG_MESSAGE_DETAIL, pq_sys::PG_DIAG_MESSAGE_HINT]
            .into_iter()
            .filter_map(field)
            .collect();
    let detail = if words.is_empty() { result.error_message() } else { words.join("; ") };
    let sqlstate = field(pq_sys::PG_DIAG_SQLSTATE).unwrap_or_default();
    ClusterError::ClusterSql { action: action.to_owned(), sqlstate, detail }
}

pub(super) fn target_of(pg: &PgConn) -> String {
    format!("{}@{}:{}/{}", pg.user(), pg.host(), pg.port(), pg.dbname())
}
