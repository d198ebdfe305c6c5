//! The one unsafe corner: libpq's pointers behind owned Rust values. No policy here; see `connection.rs` for that.

use pq_sys as pq;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

/// Copies a C string; `None` for a null pointer.
///
/// # Safety
/// `text` is null or points to a zero-terminated string that lives during the call.
unsafe fn copy(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// One of libpq's connection options, with a value if it has one.
pub(super) struct ConninfoOption {
    pub keyword: String,
    pub value: Option<String>,
    /// Its value must never be shown.
    pub secret: bool,
}

/// Copies and frees a list that libpq made.
///
/// # Safety
/// `list` is null or comes from PQconninfoParse, PQconndefaults or PQconninfo, and is not used afterwards.
unsafe fn take_options(list: *mut pq::PQconninfoOption) -> Vec<ConninfoOption> {
    let mut options = Vec::new();
    if list.is_null() {
        return options;
    }
    let mut entry = list;
    // SAFETY: the list ends with an entry whose keyword is null; its strings live until PQconninfoFree.
    unsafe {
        while let Some(keyword) = copy((*entry).keyword) {
            // libpq marks passwords with `*`; the SCRAM keys are as good as passwords but are only marked as debug options.
            let secret = copy((*entry).dispchar).is_some_and(|mark| mark == "*") || keyword.starts_with("scram_");
            options.push(ConninfoOption { keyword, value: copy((*entry).val), secret });
            entry = entry.add(1);
        }
        pq::PQconninfoFree(list);
    }
    options
}

/// Returns every option that libpq knows, with the environment's and the service file's values.
pub(super) fn known_options() -> Vec<ConninfoOption> {
    // SAFETY: no arguments; the list is ours.
    unsafe { take_options(pq::PQconndefaults()) }
}

/// Parses a connection string without defaults. The error is libpq's text, which may quote parts of the string.
pub(super) fn parse_conninfo(conninfo: &CStr) -> Result<Vec<ConninfoOption>, String> {
    let mut message: *mut c_char = ptr::null_mut();
    // SAFETY: both pointers are valid; the list and the message are ours to free.
    unsafe {
        let list = pq::PQconninfoParse(conninfo.as_ptr(), &mut message);
        let text = copy(message).unwrap_or_else(|| "out of memory".to_owned());
        if !message.is_null() {
            pq::PQfreemem(message.cast());
        }
        if list.is_null() { Err(text) } else { Ok(take_options(list)) }
    }
}

/// Owns a PGconn.
pub(super) struct PgConn(NonNull<pq::PGconn>);

// SAFETY: libpq lets a connection move between threads as long as one at a time uses it; without Sync that holds.
unsafe impl Send for PgConn {}

impl Drop for PgConn {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { pq::PQfinish(self.0.as_ptr()) }
    }
}

impl PgConn {
    /// Begins to connect. `None` only when memory is out; otherwise look at [`PgConn::is_bad`].
    pub fn start(parameters: &[(CString, CString)], expand_dbname: bool) -> Option<Self> {
        let end = std::iter::once(ptr::null());
        let keywords: Vec<_> = parameters.iter().map(|(keyword, _)| keyword.as_ptr()).chain(end.clone()).collect();
        let values: Vec<_> = parameters.iter().map(|(_, value)| value.as_ptr()).chain(end).collect();
        // SAFETY: both arrays end with null; libpq copies what it keeps.
        let raw = unsafe { pq::PQconnectStartParams(keywords.as_ptr(), values.as_ptr(), c_int::from(expand_dbname)) };
        let connection = PgConn(NonNull::new(raw)?);
        // SAFETY: a valid connection; the receiver takes no argument.
        unsafe { pq::PQsetNoticeReceiver(raw, Some(trace_notice), ptr::null_mut()) };
        Some(connection)
    }
    fn raw(&self) -> *mut pq::PGconn {
        self.0.as_ptr()
    }
    pub fn poll(&mut self) -> pq::PostgresPollingStatusType {
        // SAFETY: a valid connection.
        unsafe { pq::PQconnectPoll(self.raw()) }
    }
    /// Closes and connects again with the same options, waiting, with libpq's own time limit for each address.
    pub fn reset(&mut self) {
        // SAFETY: a valid connection.
        unsafe { pq::PQreset(self.raw()) }
    }
    pub fn status(&self) -> pq::ConnStatusType {
        // SAFETY: a valid connection.
        unsafe { pq::PQstatus(self.raw()) }
    }
    pub fn is_bad(&self) -> bool {
        self.status() == pq::ConnStatusType::CONNECTION_BAD
    }
    /// Returns libpq's last words, without the line end.
    pub fn error_message(&self) -> String {
        // SAFETY: a valid connection; the text lives until the next call.
        unsafe { copy(pq::PQerrorMessage(self.raw())) }.unwrap_or_default().trim_end().to_owned()
    }
    /// Returns the options in use, passwords included.
    pub fn options(&self) -> Vec<ConninfoOption> {
        // SAFETY: a valid connection; the list is ours.
        unsafe { take_options(pq::PQconninfo(self.raw())) }
    }
    pub fn user(&self) -> String {
        // SAFETY: a valid connection; the text is copied at once. So it is for the next four.
        unsafe { copy(pq::PQuser(self.raw())) }.unwrap_or_default()
    }
    pub fn host(&self) -> String {
        unsafe { copy(pq::PQhost(self.raw())) }.unwrap_or_default()
    }
    /// Returns the address that we are connected to; empty for a socket.
    pub fn host_address(&self) -> String {
        unsafe { copy(pq::PQhostaddr(self.raw())) }.unwrap_or_default()
    }
    pub fn port(&self) -> String {
        unsafe { copy(pq::PQport(self.raw())) }.unwrap_or_default()
    }
    pub fn dbname(&self) -> String {
        unsafe { copy(pq::PQdb(self.raw())) }.unwrap_or_default()
    }
    pub fn server_version(&self) -> u32 {
        // SAFETY: a valid connection.
        u32::try_from(unsafe { pq::PQserverVersion(self.raw()) }).unwrap_or(0)
    }
    pub fn backend_pid(&self) -> i32 {
        // SAFETY: a valid connection.
        unsafe { pq::PQbackendPID(self.raw()) }
    }
    /// Returns a value that the server reports by itself, such as `server_encoding`.
    pub fn parameter_status(&self, name: &CStr) -> Option<String> {
        // SAFETY: a valid connection and string.
        unsafe { copy(pq::PQparameterStatus(self.raw(), name.as_ptr())) }
    }
    pub fn socket(&self) -> c_int {
        // SAFETY: a valid connection.
        unsafe { pq::PQsocket(self.raw()) }
    }
    /// Waits until the socket can be read (or written), at most for `limit`. `Ok(false)` when the time is over.
    pub fn wait(&self, write: bool, limit: Duration) -> Result<bool, std::io::Error> {
        let microseconds = i64::try_from(limit.as_micros()).unwrap_or(i64::MAX / 2);
        // SAFETY: no pointers.
        let answer = unsafe {
            let end = pq::PQgetCurrentTimeUSec().saturating_add(microseconds);
            pq::PQsocketPoll(self.socket(), c_int::from(!write), c_int::from(write), end)
        };
        if answer >= 0 {
            return Ok(answer > 0);
        }
        let error = std::io::Error::last_os_error();
        // A signal: as if the time was over, so that the caller looks at its cancel flag.
        if error.kind() == std::io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
    }
    /// Sends a statement; `false` when libpq could not.
    pub fn send(&mut self, sql: &CStr, parameters: &[WireParameter], binary: bool) -> bool {
        let types: Vec<pq::Oid> = parameters.iter().map(|parameter| parameter.type_oid).collect();
        let values: Vec<*const c_char> = parameters.iter().map(WireParameter::pointer).collect();
        let lengths: Vec<c_int> = parameters.iter().map(|parameter| parameter.length).collect();
        let formats: Vec<c_int> = parameters.iter().map(|parameter| c_int::from(parameter.binary)).collect();
        let Ok(count) = c_int::try_from(parameters.len()) else { return false };
        // SAFETY: four arrays of `count` entries; libpq copies everything before it returns.
        let sent = unsafe {
            pq::PQsendQueryParams(
                self.raw(),
                sql.as_ptr(),
                count,
                types.as_ptr(),
                values.as_ptr(),
                lengths.as_ptr(),
                formats.as_ptr(),
                c_int::from(binary),
            )
        };
        sent == 1
    }
    /// Sends a statement in the simple protocol, the only one that a replication connection knows; `false` when libpq could not.
    pub fn send_simple(&mut self, sql: &CStr) -> bool {
        // SAFETY: a valid connection and string.
        unsafe { pq::PQsendQuery(self.raw(), sql.as_ptr()) == 1 }
    }
    /// Takes the next message of a copy that has arrived whole, without waiting.
    pub fn copy_data(&mut self) -> CopyData {
        let mut buffer: *mut c_char = ptr::null_mut();
        // SAFETY: a valid connection; the buffer is ours to free.
        let answer = unsafe { pq::PQgetCopyData(self.raw(), &mut buffer, 1) };
        match (usize::try_from(answer), NonNull::new(buffer)) {
            (Ok(0), _) => CopyData::Nothing,
            (Ok(length), Some(start)) => CopyData::Message(CopyBuffer { start, length }),
            _ if answer == -1 => CopyData::End,
            _ => CopyData::Failed,
        }
    }
    /// Sends a message into a copy; `false` when libpq could not.
    pub fn put_copy_data(&mut self, message: &[u8]) -> bool {
        let Ok(length) = c_int::try_from(message.len()) else { return false };
        // SAFETY: a valid connection; libpq copies the message.
        unsafe { pq::PQputCopyData(self.raw(), message.as_ptr().cast(), length) == 1 && pq::PQflush(self.raw()) == 0 }
    }
    /// Ends our side of a copy; `false` when libpq could not.
    pub fn put_copy_end(&mut self) -> bool {
        // SAFETY: a valid connection; null means no error.
        unsafe { pq::PQputCopyEnd(self.raw(), ptr::null()) == 1 && pq::PQflush(self.raw()) == 0 }
    }
    /// Asks for the rows of the statement just sent in portions of at most `rows`.
    pub fn set_chunked_rows(&mut self, rows: u16) -> bool {
        // SAFETY: a valid connection.
        unsafe { pq::PQsetChunkedRowsMode(self.raw(), c_int::from(rows)) == 1 }
    }
    /// Waits for and returns the next result; `None` when the statement is over.
    pub fn result(&mut self) -> Option<PgResult> {
        // SAFETY: a valid connection; the result is ours.
        NonNull::new(unsafe { pq::PQgetResult(self.raw()) }).map(PgResult)
    }
    /// Reads what has arrived; `false` on a broken connection.
    pub fn consume_input(&mut self) -> bool {
        // SAFETY: a valid connection.
        unsafe { pq::PQconsumeInput(self.raw()) == 1 }
    }
    /// Tells whether [`PgConn::result`] would wait.
    pub fn is_busy(&mut self) -> bool {
        // SAFETY: a valid connection.
        unsafe { pq::PQisBusy(self.raw()) == 1 }
    }
    pub fn cancel_request(&self) -> Option<PgCancel> {
        // SAFETY: a valid connection; the request copies what it needs and outlives it.
        NonNull::new(unsafe { pq::PQcancelCreate(self.raw()) }).map(PgCancel)
    }
}

/// One parameter as libpq wants it.
pub(super) struct WireParameter<'a> {
    value: Option<WireValue<'a>>,
    length: c_int,
    binary: bool,
    /// 0 lets the server infer it.
    type_oid: pq::Oid,
}

enum WireValue<'a> {
    Text(CString),
    Bytes(&'a [u8]),
}

impl<'a> WireParameter<'a> {
    const BYTEA: pq::Oid = 17;

    pub fn null() -> Self {
        WireParameter { value: None, length: 0, binary: false, type_oid: 0 }
    }
    pub fn text(text: CString) -> Self {
        WireParameter { value: Some(WireValue::Text(text)), length: 0, binary: false, type_oid: 0 }
    }
    /// `None` when there are more bytes than the protocol can carry.
    pub fn bytes(bytes: &'a [u8]) -> Option<Self> {
        let length = c_int::try_from(bytes.len()).ok()?;
        Some(WireParameter { value: Some(WireValue::Bytes(bytes)), length, binary: true, type_oid: Self::BYTEA })
    }
    fn pointer(&self) -> *const c_char {
        match &self.value {
            None => ptr::null(),
            Some(WireValue::Text(text)) => text.as_ptr(),
            // An empty slice's pointer is dangling but not null, which is what tells an empty value from NULL.
            Some(WireValue::Bytes(bytes)) => bytes.as_ptr().cast(),
        }
    }
}

/// What [`PgConn::copy_data`] found.
pub(super) enum CopyData {
    Message(CopyBuffer),
    /// None has arrived whole.
    Nothing,
    /// The other side ended it; [`PgConn::result`] says how.
    End,
    Failed,
}

/// Owns one message of a copy.
pub(super) struct CopyBuffer {
    start: NonNull<c_char>,
    length: usize,
}

// SAFETY: plain memory that nobody else knows of.
unsafe impl Send for CopyBuffer {}

impl Drop for CopyBuffer {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { pq::PQfreemem(self.start.as_ptr().cast()) }
    }
}

impl CopyBuffer {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes, which live as long as this.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<u8>(), self.length) }
    }
}

/// Owns a PGresult.
pub(super) struct PgResult(NonNull<pq::PGresult>);

// SAFETY: a result is plain memory that nobody changes after PQgetResult.
unsafe impl Send for PgResult {}

impl Drop for PgResult {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { pq::PQclear(self.0.as_ptr()) }
    }
}

impl PgResult {
    pub fn status(&self) -> pq::ExecStatusType {
        // SAFETY: a valid result.
        unsafe { pq::PQresultStatus(self.0.as_ptr()) }
    }
    pub fn rows(&self) -> usize {
        // SAFETY: a valid result.
        usize::try_from(unsafe { pq::PQntuples(self.0.as_ptr()) }).unwrap_or(0)
    }
    pub fn columns(&self) -> usize {
        // SAFETY: a valid result.
        usize::try_from(unsafe { pq::PQnfields(self.0.as_ptr()) }).unwrap_or(0)
    }
    /// Returns a value's bytes; `None` for NULL and for a row or column that is not there.
    pub fn bytes(&self, row: usize, column: usize) -> Option<&[u8]> {
        if row >= self.rows() || column >= self.columns() {
            return None;
        }
        let (row, column) = (c_int::try_from(row).ok()?, c_int::try_from(column).ok()?);
        let raw = self.0.as_ptr();
        // SAFETY: row and column exist; the bytes live as long as the result.
        unsafe {
            if pq::PQgetisnull(raw, row, column) == 1 {
                return None;
            }
            let length = usize::try_from(pq::PQgetlength(raw, row, column)).ok()?;
            Some(std::slice::from_raw_parts(pq::PQgetvalue(raw, row, column).cast::<u8>(), length))
        }
    }
    /// Returns a field of an error, such as the SQLSTATE.
    pub fn error_field(&self, field: u8) -> Option<String> {
        // SAFETY: a valid result; the text is copied at once.
        unsafe { copy(pq::PQresultErrorField(self.0.as_ptr(), c_int::from(field))) }
    }
    /// Returns libpq's text of the error, without the line end.
    pub fn error_message(&self) -> String {
        // SAFETY: a valid result.
        unsafe { copy(pq::PQresultErrorMessage(self.0.as_ptr())) }.unwrap_or_default().trim_end().to_owned()
    }
}

/// Owns a request to cancel whatever its connection runs.
pub(super) struct PgCancel(NonNull<pq::PGcancelConn>);

// SAFETY: independent of its connection; one thread at a time uses it.
unsafe impl Send for PgCancel {}

impl Drop for PgCancel {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { pq::PQcancelFinish(self.0.as_ptr()) }
    }
}

impl PgCancel {
    /// Sends the request over a connection of its own and waits until the server has taken it.
    pub fn send(&mut self) -> Result<(), String> {
        let raw = self.0.as_ptr();
        // SAFETY: a valid request; a reset one may be sent again.
        unsafe {
            let sent = pq::PQcancelBlocking(raw) == 1;
            let answer = if sent {
                Ok(())
            } else {
                Err(copy(pq::PQcancelErrorMessage(raw)).unwrap_or_default().trim_end().to_owned())
            };
            pq::PQcancelReset(raw);
            answer
        }
    }
}

/// Hands a server's notice to tracing: libpq would print it.
unsafe extern "C" fn trace_notice(_argument: *mut c_void, result: *const pq::PGresult) {
    let field = |field: u8| {
        // SAFETY: libpq hands us a valid result for the time of the call.
        unsafe { copy(pq::PQresultErrorField(result, c_int::from(field))) }.unwrap_or_default()
    };
    let severity = field(pq::PG_DIAG_SEVERITY_NONLOCALIZED);
    let (sqlstate, message) = (field(pq::PG_DIAG_SQLSTATE), field(pq::PG_DIAG_MESSAGE_PRIMARY));
    // A panic in someone's subscriber must not cross C's frames.
    let traced = std::panic::catch_unwind(|| match severity.as_str() {
        "WARNING" => tracing::warn!(sqlstate, "PostgreSQL: {message}"),
        "NOTICE" | "INFO" => tracing::info!(sqlstate, "PostgreSQL: {message}"),
        _ => tracing::debug!(sqlstate, "PostgreSQL: {message}"),
    });
    drop(traced);
}
