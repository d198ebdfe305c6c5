//! A person allows it: the guided login of a program on a person's own machine (RFC 8252), with PKCE (RFC 7636).

use super::SCOPE;
use super::credentials::{Hidden, TOKEN_ENDPOINT};
use super::request::{check_endpoint, form_encoded, innermost};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use vault::storage::StorageError;

const AUTH_ENDPOINT: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// How long the token endpoint may take.
const CALL: Duration = Duration::from_secs(30);
/// How long a browser may take over its request.
const REQUEST: Duration = Duration::from_secs(5);
const REQUEST_LIMIT_BYTES: u64 = 16 << 10;

/// What a login needs.
#[derive(Debug, Clone, Default)]
pub struct LoginOptions {
    /// The JSON of an OAuth client of type "Desktop app", as Google's console gives it.
    pub client_json: String,
    /// Another scope than all of Drive, such as `drive.file`.
    pub scope: Option<String>,
    /// Another address at which a person allows it, for tests.
    pub auth_endpoint: Option<String>,
    /// Another address at which tokens are had, for tests.
    pub token_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct ClientFile {
    installed: Client,
}

#[derive(Deserialize)]
struct Client {
    client_id: String,
    client_secret: Hidden,
    auth_uri: Option<String>,
    token_uri: Option<String>,
}

/// A login that was begun: a person has to open [`DriveLogin::url`] in a browser on this machine.
pub struct DriveLogin {
    listener: TcpListener,
    url: String,
    redirect: String,
    state: String,
    verifier: Hidden,
    client: Client,
    token_endpoint: String,
}

#[derive(Deserialize)]
struct Granted {
    refresh_token: Option<Hidden>,
}

impl DriveLogin {
    /// Begins to listen for the browser, on this machine only.
    ///
    /// # Errors
    /// `StorageCredentials` for a client that can't be used, and when no port or no random numbers can be had.
    pub fn begin(options: &LoginOptions) -> Result<Self, StorageError> {
        let parsed = serde_json::from_str::<ClientFile>(&options.client_json);
        let client = parsed.map_err(|_| failed("it is no JSON of an OAuth client of the type Desktop app"))?.installed;
        let choose = |option: &Option<String>, written: &Option<String>, default: &str| {
            option.clone().or_else(|| written.clone()).unwrap_or_else(|| default.to_owned())
        };
        let auth_endpoint = choose(&options.auth_endpoint, &client.auth_uri, AUTH_ENDPOINT);
        let token_endpoint = choose(&options.token_endpoint, &client.token_uri, TOKEN_ENDPOINT);
        for endpoint in [&auth_endpoint, &token_endpoint] {
            check_endpoint(endpoint).map_err(|detail| failed(&format!("the client's addresses: {detail}")))?;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| failed(&error.to_string()))?;
        let port = listener.local_addr().map_err(|error| failed(&error.to_string()))?.port();
        let redirect = format!("http://127.0.0.1:{port}");
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let scope = match options.scope.as_deref().unwrap_or(SCOPE) {
            name if name.contains("://") => name.to_owned(),
            name => format!("https://www.googleapis.com/auth/{name}"),
        };
        let query = form_encoded(&[
            ("client_id", client.client_id.clone()),
            ("redirect_uri", redirect.clone()),
            ("response_type", "code".to_owned()),
            ("scope", scope),
            ("state", state.clone()),
            ("code_challenge", challenge),
            ("code_challenge_method", "S256".to_owned()),
            // Only these two together give a refresh token each time.
            ("access_type", "offline".to_owned()),
            ("prompt", "consent".to_owned()),
        ]);
        let url = format!("{auth_endpoint}?{query}");
        Ok(DriveLogin { listener, url, redirect, state, verifier: Hidden(verifier), client, token_endpoint })
    }

    /// Returns what the person has to open.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits for the person, and returns the credentials as JSON, to be kept in a file of the owner's only.
    ///
    /// # Errors
    /// `StorageCredentials` when nobody came in time, the person refused, or Google did.
    pub fn finish(self, time: Duration) -> Result<String, StorageError> {
        let code = self.wait(Instant::now() + time)?;
        let runtime = crate::runtime::start().map_err(|error| failed(&error.to_string()))?;
        let content = crate::runtime::wait(runtime, self.exchange(&code))?;
        let granted: Granted =
            serde_json::from_slice(&content).map_err(|_| failed("the token endpoint's answer is broken"))?;
        let refresh_token = granted.refresh_token.ok_or_else(|| failed("Google gave no refresh token"))?;
        let credentials = serde_json::json!({
            "type": "authorized_user",
            "client_id": self.client.client_id,
            "client_secret": self.client.client_secret.0,
            "refresh_token": refresh_token.0,
            "token_uri": self.token_endpoint,
        });
        Ok(format!("{credentials:#}\n"))
    }

    /// Returns the code that the browser brings.
    fn wait(&self, until: Instant) -> Result<Hidden, StorageError> {
        self.listener.set_nonblocking(true).map_err(|error| failed(&error.to_string()))?;
        while Instant::now() < until {
            match self.listener.accept() {
                Ok((stream, _)) => match self.serve(stream) {
                    Ok(Some(code)) => return code,
                    Ok(None) => {}
                    // A browser opens connections that it does not use.
                    Err(error) => tracing::debug!(kind = ?error.kind(), "a connection that brought nothing"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(50))
                }
                Err(error) => return Err(failed(&error.to_string())),
            }
        }
        Err(failed("nobody came back from the browser in time"))
    }

    fn serve(&self, stream: TcpStream) -> io::Result<Option<Result<Hidden, StorageError>>> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(REQUEST))?;
        let mut line = String::new();
        let mut reader = BufReader::new((&stream).take(REQUEST_LIMIT_BYTES));
        reader.read_line(&mut line)?;
        // The rest is read as well: a connection that is closed before that takes our answer with it.
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        let outcome = line.split(' ').nth(1).and_then(|target| self.outcome(target));
        let (status, text) = match &outcome {
            Some(Ok(_)) => ("200 OK", "Done. Listo. You may close this window."),
            Some(Err(_)) => ("200 OK", "Refused. Rechazado. You may close this window."),
            None => ("404 Not Found", ""),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        match (&stream).write_all(answer.as_bytes()) {
            // The code came; that the browser shows nothing loses nothing.
            Err(error) if outcome.is_none() => return Err(error),
            _ => {}
        }
        Ok(outcome)
    }

    /// Understands where the browser was sent. Whoever does not know the state is not who was asked.
    fn outcome(&self, target: &str) -> Option<Result<Hidden, StorageError>> {
        let url = reqwest::Url::parse(&self.redirect).ok()?.join(target).ok()?;
        let value =
            |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
        if value("state")? != self.state {
            return None;
        }
        match (value("code"), value("error")) {
            (Some(code), _) => Some(Ok(Hidden(code))),
            (None, Some(error)) => {
                let error: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
                Some(Err(failed(&format!("it was not allowed: {error}"))))
            }
            (None, None) => None,
        }
    }

    async fn exchange(&self, code: &Hidden) -> Result<Vec<u8>, StorageError> {
        let form = form_encoded(&[
            ("grant_type", "authorization_code".to_owned()),
            ("code", code.0.clone()),
            ("client_id", self.client.client_id.clone()),
            ("client_secret", self.client.client_secret.0.clone()),
            ("redirect_uri", self.redirect.clone()),
            ("code_verifier", self.verifier.0.clone()),
        ]);
        let unreachable = |error| failed(&format!("token: {}", innermost(error)));
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(CALL)
            .no_proxy()
            .build()
            .map_err(unreachable)?;
        let request = http.post(&self.token_endpoint).header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.map_err(unreachable)?;
        let status = answer.status();
        let content = answer.bytes().await.map_err(unreachable)?;
        match status.is_success() {
            true => Ok(content.into()),
            false => {
                let refused: serde_json::Value = serde_json::from_slice(&content).unwrap_or_default();
                let error = refused["error"].as_str().unwrap_or_default();
                Err(failed(format!("token: {} {error}", status.as_u16()).trim_end()))
            }
        }
    }
}

fn random() -> Result<String, StorageError> {
    let mut bytes = [0; 32];
    openssl::rand::rand_bytes(&mut bytes).map_err(|_| failed("no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn failed(detail: &str) -> StorageError {
    StorageError::StorageCredentials { storage: "Google Drive".to_owned(), detail: detail.to_owned() }
}
