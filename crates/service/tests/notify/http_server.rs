//! A server that answers as it is told and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a client asked.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// How the server answers one request.
pub enum Reply {
    /// Status, further header lines, body.
    Say(u16, &'static str, String),
    /// Nothing, until the client goes away.
    Silence,
}

/// Answers one connection after another as the script says; when that ends, with 204.
pub struct HttpServer {
    pub address: SocketAddr,
    asked: Receiver<Asked>,
    _thread: JoinHandle<()>,
}

impl HttpServer {
    pub fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, asked) = channel();
        // It ends with the process: nothing tells a listener that nobody will come any more.
        let thread = std::thread::spawn(move || {
            let mut script = script.into_iter();
            for stream in listener.incoming() {
                let reply = script.next().unwrap_or(Reply::Say(204, "", String::new()));
                if serve(stream.unwrap(), reply, &sender).is_none() {
                    return;
                }
            }
        });
        HttpServer { address, asked, _thread: thread }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits for the next request.
    pub fn next(&self) -> Asked {
        self.asked.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("nobody asked: {error}"))
    }

    /// Tells whether nobody asks within `patience`.
    pub fn is_left_alone_for(&self, patience: Duration) -> bool {
        self.asked.recv_timeout(patience).is_err()
    }
}

fn serve(mut stream: TcpStream, reply: Reply, sender: &Sender<Asked>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    // A connection that asks nothing is one that was given up.
    let Some(method) = words.next() else { return Some(()) };
    let path = words.next().unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    // The test may be over already.
    sender.send(Asked { method, path, headers, body }).ok()?;
    match reply {
        Reply::Silence => {
            // It reads until the client goes away, so that it is the client that gives up.
            let mut rest = Vec::new();
            let _ = reader.read_to_end(&mut rest);
        }
        Reply::Say(status, more, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n");
            // The client may have gone away, which is its right.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    }
    Some(())
}
