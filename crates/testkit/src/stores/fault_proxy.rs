use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What happens to a request that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyFault {
    /// Nothing.
    None,
    /// The connection is cut before the request reaches the server.
    ResetBefore,
    /// The server carries the request out, and the answer is lost.
    ResetAfter,
    /// No answer comes, for so long.
    Stall(Duration),
    /// The proxy answers with a status, and perhaps with `Retry-After`, in seconds; the server hears nothing.
    Answer(u16, Option<u64>),
    /// The answer ends in its middle.
    Truncate,
    /// A byte of the request's content is changed.
    ChangeRequest,
    /// A byte of the answer's content is changed.
    ChangeAnswer,
    /// The request's conditions are left out, as by a store that ignores them.
    DropConditions,
    /// The answer's clock goes wrong by so many seconds.
    SkewDate(i64),
}

/// Chooses the fault of a request, from its first line and its number, from 1.
type Chooser = Box<dyn Fn(&str, usize) -> ProxyFault + Send + Sync>;

/// Stands between a client and an HTTP server, and spoils what it is told to spoil. Each connection carries one request.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    chooser: Mutex<Chooser>,
    requests: AtomicUsize,
    faults: AtomicUsize,
    is_over: AtomicBool,
    log: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Begins to pass everything to a port of this host.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap_or_else(|error| panic!("no port: {error}"));
        let port = listener.local_addr().unwrap_or_else(|error| panic!("no port: {error}")).port();
        let shared = Arc::new(Shared {
            target,
            chooser: Mutex::new(Box::new(|_, _| ProxyFault::None)),
            requests: AtomicUsize::new(0),
            faults: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            log: Mutex::new(Vec::new()),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let shared = Arc::clone(&serving);
                // A connection that breaks is what this is for.
                std::thread::spawn(move || drop(shared.serve(client)));
            }
        });
        FaultProxy { port, shared }
    }

    /// Chooses the faults from now on, and counts requests and faults anew.
    pub fn set(&self, chooser: impl Fn(&str, usize) -> ProxyFault + Send + Sync + 'static) {
        *self.shared.chooser.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(chooser);
        self.shared.requests.store(0, Ordering::SeqCst);
        self.shared.faults.store(0, Ordering::SeqCst);
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the address of the proxy.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns how many requests came, and how many were spoilt.
    pub fn counts(&self) -> (usize, usize) {
        (self.shared.requests.load(Ordering::SeqCst), self.shared.faults.load(Ordering::SeqCst))
    }

    /// Returns the first lines of the requests that came.
    pub fn log(&self) -> Vec<String> {
        self.heads().iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the heads of the requests that came.
    pub fn heads(&self) -> Vec<String> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

/// A request or an answer: its head, with the empty line, and its content.
struct Message {
    head: String,
    content: Vec<u8>,
}

impl Shared {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(Duration::from_secs(60)))?;
        let Some(mut request) = read_message(&mut client, false)? else { return Ok(()) };
        let line = request.head.lines().next().unwrap_or_default().to_owned();
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(request.head.clone());
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let fault = self.chooser.lock().unwrap_or_else(PoisonError::into_inner)(&line, number);
        if fault != ProxyFault::None {
            self.faults.fetch_add(1, Ordering::SeqCst);
        }
        match fault {
            ProxyFault::ResetBefore => return reset(&client),
            ProxyFault::Stall(time) => {
                std::thread::sleep(time);
                return reset(&client);
            }
            ProxyFault::Answer(status, retry_after) => {
                let retry = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
                let head = format!("HTTP/1.1 {status} Fault\r\n{retry}Content-Length: 0\r\nConnection: close\r\n\r\n");
                return client.write_all(head.as_bytes());
            }
            ProxyFault::ChangeRequest => change(&mut request.content),
            ProxyFault::DropConditions => {
                let is_condition = |line: &&str| line.to_ascii_lowercase().starts_with("if-");
                let kept: Vec<&str> = request.head.split("\r\n").filter(|line| !is_condition(line)).collect();
                request.head = kept.join("\r\n");
            }
            _ => {}
        }
        let mut server = TcpStream::connect(("127.0.0.1", self.target))?;
        server.set_read_timeout(Some(Duration::from_secs(60)))?;
        server.write_all(with_header(&request.head, "connection", "close").as_bytes())?;
        server.write_all(&request.content)?;
        let is_head = line.starts_with("HEAD ");
        let Some(mut answer) = read_message(&mut server, is_head)? else { return reset(&client) };
        answer.head = with_header(&answer.head, "connection", "close");
        match fault {
            ProxyFault::ResetAfter => return reset(&client),
            ProxyFault::ChangeAnswer => change(&mut answer.content),
            ProxyFault::SkewDate(seconds) => {
                let now = jiff::Timestamp::now().as_second() + seconds;
                let date = jiff::Timestamp::from_second(now).map_err(io::Error::other)?;
                let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
                answer.head = with_header(&answer.head, "date", &date.map_err(io::Error::other)?);
            }
            ProxyFault::Truncate => {
                let half = answer.content.len() / 2;
                client.write_all(answer.head.as_bytes())?;
                client.write_all(&answer.content[..half])?;
                return reset(&client);
            }
            _ => {}
        }
        client.write_all(answer.head.as_bytes())?;
        client.write_all(&answer.content)
    }
}

fn change(content: &mut [u8]) {
    let middle = content.len() / 2;
    if let Some(byte) = content.get_mut(middle) {
        *byte ^= 1;
    }
}

/// Closes without a word. What was read already makes the system send a reset.
fn reset(stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Both)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Replaces a header, or adds it.
fn with_header(head: &str, name: &str, value: &str) -> String {
    let is_it = |line: &str| line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name));
    let mut lines: Vec<String> = head.trim_end().split("\r\n").filter(|line| !is_it(line)).map(str::to_owned).collect();
    lines.push(format!("{name}: {value}"));
    lines.join("\r\n") + "\r\n\r\n"
}

/// Reads a message whole: by its length, by its chunks, or, of an answer, to the end.
fn read_message(stream: &mut TcpStream, without_content: bool) -> io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 64 << 10];
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let content = bytes.split_off(end);
    let head = String::from_utf8_lossy(&bytes).into_owned();
    if head.to_ascii_lowercase().contains("expect: 100-continue") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if without_content {
        return Ok(Some(Message { head, content: Vec::new() }));
    }
    let mut content = content;
    let is_chunked = header(&head, "transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    let length: Option<usize> = header(&head, "content-length").and_then(|length| length.parse().ok());
    let is_answer = head.starts_with("HTTP/");
    loop {
        let is_whole = match (length, is_chunked) {
            (_, true) => content.ends_with(b"0\r\n\r\n"),
            (Some(length), _) => content.len() >= length,
            (None, _) => !is_answer,
        };
        if is_whole {
            break;
        }
        match stream.read(&mut buffer)? {
            0 => break,
            count => content.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(Some(Message { head, content }))
}
