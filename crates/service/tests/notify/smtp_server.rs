//! A mail server that takes one mail after another, in the clear, and remembers what was said to it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// What one client said, commands and mail, line by line.
pub type Dialogue = Vec<String>;

/// How the server behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Takes every mail, from whoever logs in or does not.
    Takes,
    /// Wants a login and refuses it, repeating what it was sent.
    RefusesLogin,
    /// Says that its mailbox is full, for now.
    IsFull,
    /// Knows nobody.
    KnowsNobody,
    /// Offers no STARTTLS.
    IsPlain,
}

pub struct SmtpServer {
    pub address: SocketAddr,
    said: Receiver<Dialogue>,
}

impl SmtpServer {
    pub fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serve(stream.unwrap(), manners, &sender).is_none() {
                    return;
                }
            }
        });
        SmtpServer { address, said }
    }

    /// Waits for the end of the next dialogue.
    pub fn next(&self) -> Dialogue {
        self.said.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("nobody came: {error}"))
    }
}

fn serve(mut stream: TcpStream, manners: Manners, sender: &Sender<Dialogue>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut said = Dialogue::new();
    let mut in_mail = false;
    // Writing fails when the client has gone, and the next read says so too.
    let mut say = |text: &str| stream.write_all(format!("{text}\r\n").as_bytes()).is_ok();
    say("220 mail.example ESMTP");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
        let line = line.trim_end_matches("\r\n").to_owned();
        said.push(line.clone());
        if in_mail {
            if line == "." {
                in_mail = false;
                say("250 2.0.0 queued as 4711");
            }
            continue;
        }
        let verb = line.split(' ').next().unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME"),
            "AUTH" if manners == Manners::RefusesLogin => say(&format!("535 5.7.8 not with {line}")),
            "AUTH" => say("235 2.7.0 welcome"),
            "RCPT" if manners == Manners::IsFull => say("452 4.2.2 mailbox full"),
            "RCPT" if manners == Manners::KnowsNobody => say("550 5.1.1 no such user"),
            "DATA" => {
                in_mail = true;
                say("354 go on")
            }
            "QUIT" => {
                say("221 bye");
                break;
            }
            _ => say("250 ok"),
        };
    }
    sender.send(said).ok()
}
