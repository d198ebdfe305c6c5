//! The `ssh` beneath a session: a plain child that reads our pipe and ends when the pipe does.
//!
//! No connection is shared and no master stays in the background: when this process ends, however it ends, the kernel closes the pipe,
//! and ssh goes. It leaves no file.

use crate::failure::Failure;
use crate::settings::Address;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use vault::storage::StorageError;

/// After how long without a word from the server ssh asks it whether it is there, and how often before it gives up: what ssh itself
/// may outlive this process when the network is gone.
const ALIVE_SECONDS: u32 = 15;
const ALIVE_COUNT: u32 = 3;
/// How long the last words of an ssh that was ended are waited for.
const LISTENING: Duration = Duration::from_secs(2);

/// Whom ssh is to call, and how.
#[derive(Debug)]
pub(super) struct Target {
    host: String,
    port: Option<u16>,
    user: Option<String>,
    key_file: Option<String>,
    host_keys: &'static str,
}

impl Target {
    pub fn new(address: &Address) -> Result<Self, StorageError> {
        address.refuse_unknown(&["key_file", "known_hosts"], &[])?;
        let host_keys = match address.choice("known_hosts", &["strict", "add", "accept"], "strict")? {
            "add" => "accept-new",
            "accept" => "no",
            _ => "yes",
        };
        Ok(Target {
            // An IPv6 address has brackets in an address of ours, and none for ssh.
            host: address.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: address.port,
            user: address.user.clone(),
            key_file: address.option("key_file").map(str::to_owned),
            host_keys,
        })
    }

    fn command(&self, connect: Duration) -> Command {
        let mut command = Command::new("ssh");
        // Whatever the user's own configuration says: no master, no terminal, no question, nothing but the subsystem.
        command.args(["-S", "none", "-T", "-x", "-a"]);
        for option in ["ControlMaster=no", "BatchMode=yes", "ClearAllForwardings=yes", "PermitLocalCommand=no"] {
            command.arg("-o").arg(option);
        }
        command.arg("-o").arg("RemoteCommand=none");
        command.arg("-o").arg(format!("StrictHostKeyChecking={}", self.host_keys));
        command.arg("-o").arg(format!("ConnectTimeout={}", connect.as_secs().max(1)));
        command.arg("-o").arg(format!("ServerAliveInterval={ALIVE_SECONDS}"));
        command.arg("-o").arg(format!("ServerAliveCountMax={ALIVE_COUNT}"));
        if let Some(port) = self.port {
            command.arg("-p").arg(port.to_string());
        }
        if let Some(user) = &self.user {
            command.arg("-l").arg(user);
        }
        if let Some(key) = &self.key_file {
            command.args(["-o", "IdentitiesOnly=yes", "-i"]).arg(key);
        }
        command.args(["-s", "--"]).arg(&self.host).arg("sftp");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own: ^C in a terminal is for us, who may still have to tidy up at the other end.
        command.process_group(0).kill_on_drop(true);
        command
    }
}

/// A running ssh. Dropped, it is killed.
pub(super) struct Ssh {
    child: Child,
    words: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Ssh {
    /// Starts one, and returns its pipes.
    pub fn start(target: &Target, connect: Duration) -> Result<(Self, ChildStdin, ChildStdout), Failure> {
        let unusable = |detail: String| Failure::Setting { setting: "url", detail };
        let mut child = target.command(connect).spawn().map_err(|error| unusable(format!("ssh: {error}")))?;
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(unusable("ssh has no pipes".to_owned()));
        };
        let words = Arc::<Mutex<String>>::default();
        let listener = tokio::spawn(listen(stderr, Arc::clone(&words)));
        Ok((Ssh { child, words, listener }, stdin, stdout))
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> std::io::Result<()> {
        self.child.wait().await.map(|_| ())
    }

    /// Ends it, and returns what it said last, if it said anything.
    pub async fn last_words(mut self) -> Option<String> {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "ssh had ended");
        }
        match tokio::time::timeout(LISTENING, &mut self.listener).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what ssh said is lost"),
            // A proxy command of the user's may hold the pipe.
            Err(_) => self.listener.abort(),
        }
        let words = std::mem::take(&mut *self.words.lock().unwrap_or_else(PoisonError::into_inner));
        Some(words).filter(|words| !words.is_empty())
    }
}

/// Keeps the last line that is no mere warning. It reads to the end, so that ssh never waits for us.
async fn listen(stderr: ChildStderr, words: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).split(b'\n');
    loop {
        match lines.next_segment().await {
            Ok(Some(line)) => {
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if !line.is_empty() && !line.starts_with("Warning:") && !line.starts_with("**") {
                    *words.lock().unwrap_or_else(PoisonError::into_inner) = line;
                }
            }
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(%error, "ssh can't be listened to");
                return;
            }
        }
    }
}

/// Understands why ssh made no connection.
pub(super) fn understood(words: String) -> Failure {
    if words.contains("Host key verification failed") {
        return Failure::Setting { setting: "known_hosts", detail: words };
    }
    let refused = ["Permission denied", "Too many authentication failures", "No supported authentication"];
    if refused.iter().any(|refusal| words.contains(refusal)) {
        return Failure::Credentials(words);
    }
    Failure::Unreachable(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::StoreSettings;

    fn target(url: &str) -> Result<Target, StorageError> {
        Target::new(&Address::parse(&StoreSettings { url: url.to_owned(), ..StoreSettings::default() }).unwrap())
    }

    fn line(url: &str) -> Vec<String> {
        let command = target(url).unwrap().command(Duration::from_secs(30));
        command.as_std().get_args().map(|argument| argument.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn no_connection_is_shared_and_the_host_is_never_an_option() {
        let line = line("sftp://respaldo@nas:2222/srv?key_file=/k&known_hosts=add");
        assert!(line.windows(2).any(|pair| pair == ["-S", "none"]), "{line:?}");
        assert!(!line.iter().any(|argument| argument == "-M" || argument == "-f"), "{line:?}");
        for wanted in [["-p", "2222"], ["-l", "respaldo"], ["-i", "/k"], ["-o", "StrictHostKeyChecking=accept-new"]] {
            assert!(line.windows(2).any(|pair| pair == wanted), "{wanted:?} in {line:?}");
        }
        assert_eq!(line[line.len() - 3..], ["--", "nas", "sftp"]);
    }

    #[test]
    fn host_keys_are_wanted_unless_told_otherwise_and_ipv6_loses_its_brackets() {
        let line = line("sftp://[::1]/srv");
        assert!(line.contains(&"StrictHostKeyChecking=yes".to_owned()), "{line:?}");
        assert_eq!(line[line.len() - 3..], ["--", "::1", "sftp"]);
        assert!(target("sftp://nas/srv?known_hosts=maybe").is_err());
    }

    #[test]
    fn what_ssh_says_tells_a_wrong_key_from_a_host_that_is_away() {
        let is = |words: &str| understood(words.to_owned());
        assert!(matches!(is("root@nas: Permission denied (publickey)."), Failure::Credentials(_)));
        assert!(matches!(is("Host key verification failed."), Failure::Setting { setting: "known_hosts", .. }));
        assert!(is("ssh: connect to host nas port 22: Connection refused").is_transient());
    }
}
