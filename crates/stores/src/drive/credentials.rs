//! Who are we? A service account's key, or a user's refresh token: the two kinds of JSON that Google's own programs take.

use super::request::check_endpoint;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde::Deserialize;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Google's limit for an assertion.
const ASSERTION_SECONDS: u64 = 3600;
/// Where tokens are had, when the credentials don't say.
pub(super) const TOKEN_ENDPOINT: &str = "https://oauth2.googleapis.com/token";

/// A text that is never shown.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(super) struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What a token is had for.
pub(super) enum Credentials {
    /// A program's own account.
    Service { email: String, key_id: Option<String>, key: PKey<Private>, token_uri: String, subject: Option<String> },
    /// A person who allowed it.
    User { client_id: String, client_secret: Hidden, refresh_token: Hidden, token_uri: String },
}

#[derive(Deserialize)]
struct Written {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: Option<String>,
    private_key_id: Option<String>,
    private_key: Option<Hidden>,
    client_id: Option<String>,
    client_secret: Option<Hidden>,
    refresh_token: Option<Hidden>,
    token_uri: Option<String>,
}

#[derive(serde::Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(serde::Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'a str,
    aud: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl Credentials {
    /// Understands the JSON of either kind. The complaints repeat nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| format!("the credentials are no JSON of Google's: line {}", error.line()))?;
        let missing = |name: &str| format!("the credentials have no {name}");
        let token_uri = written.token_uri.unwrap_or_else(|| TOKEN_ENDPOINT.to_owned());
        check_endpoint(&token_uri).map_err(|detail| format!("the credentials' token_uri: {detail}"))?;
        match written.kind.as_deref() {
            Some("service_account") => {
                let pem = written.private_key.ok_or_else(|| missing("private_key"))?;
                // What OpenSSL complains about may quote the key's surroundings: the reader is told less.
                let key = PKey::private_key_from_pem(pem.0.as_bytes())
                    .map_err(|_| "the credentials' private_key is no PEM key".to_owned())?;
                if key.rsa().is_err() {
                    return Err("the credentials' private_key is no RSA key".to_owned());
                }
                let email = written.client_email.ok_or_else(|| missing("client_email"))?;
                Ok(Credentials::Service { email, key_id: written.private_key_id, key, token_uri, subject: None })
            }
            Some("authorized_user") => Ok(Credentials::User {
                client_id: written.client_id.ok_or_else(|| missing("client_id"))?,
                client_secret: written.client_secret.ok_or_else(|| missing("client_secret"))?,
                refresh_token: written.refresh_token.ok_or_else(|| missing("refresh_token"))?,
                token_uri,
            }),
            _ => Err("the credentials are neither of type service_account nor authorized_user; \
                      an OAuth client's JSON becomes the latter by `cadena drive login`"
                .to_owned()),
        }
    }

    /// Makes a service account act for a person of its domain.
    pub fn act_for(&mut self, person: &str) -> Result<(), String> {
        match self {
            Credentials::Service { subject, .. } => {
                *subject = Some(person.to_owned());
                Ok(())
            }
            Credentials::User { .. } => Err("only a service account can act for somebody else".to_owned()),
        }
    }

    /// Returns where tokens are had.
    pub fn token_uri(&self) -> &str {
        match self {
            Credentials::Service { token_uri, .. } | Credentials::User { token_uri, .. } => token_uri,
        }
    }

    /// Returns the account that a folder has to be shared with, when it is a program's own.
    pub fn service_email(&self) -> Option<&str> {
        match self {
            Credentials::Service { email, .. } => Some(email),
            Credentials::User { .. } => None,
        }
    }

    /// Makes the form with which a token is asked for.
    pub fn form(&self, scope: &str, token_uri: &str) -> Result<Vec<(&'static str, String)>, String> {
        match self {
            Credentials::Service { .. } => Ok(vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
                ("assertion", self.assertion(scope, token_uri)?),
            ]),
            Credentials::User { client_id, client_secret, refresh_token, .. } => Ok(vec![
                ("grant_type", "refresh_token".to_owned()),
                ("client_id", client_id.clone()),
                ("client_secret", client_secret.0.clone()),
                ("refresh_token", refresh_token.0.clone()),
            ]),
        }
    }

    /// Makes a service account's assertion: a JSON web token, signed with its key (RFC 7523).
    fn assertion(&self, scope: &str, token_uri: &str) -> Result<String, String> {
        let Credentials::Service { email, key_id, key, subject, .. } = self else {
            return Err("a user's credentials sign nothing".to_owned());
        };
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "this host's clock is before 1970")?.as_secs();
        let header = Header { alg: "RS256", typ: "JWT", kid: key_id.as_deref() };
        let claims = Claims {
            iss: email,
            scope,
            aud: token_uri,
            iat: now,
            exp: now + ASSERTION_SECONDS,
            sub: subject.as_deref(),
        };
        let part = |json: serde_json::Result<Vec<u8>>| json.map(|json| URL_SAFE_NO_PAD.encode(json));
        let (header, claims) = part(serde_json::to_vec(&header))
            .and_then(|header| Ok((header, part(serde_json::to_vec(&claims))?)))
            .map_err(|error| error.to_string())?;
        let signed = format!("{header}.{claims}");
        let signature = Signer::new(MessageDigest::sha256(), key)
            .and_then(|mut signer| signer.sign_oneshot_to_vec(signed.as_bytes()))
            .map_err(|_| "the private key can't sign".to_owned())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Takes what is secret out of a text that somebody else wrote.
    pub fn hide_in(&self, text: &str) -> String {
        match self {
            Credentials::Service { .. } => text.to_owned(),
            Credentials::User { client_secret, refresh_token, .. } => [client_secret, refresh_token]
                .iter()
                .filter(|secret| !secret.0.is_empty())
                .fold(text.to_owned(), |text, secret| text.replace(&secret.0, "…")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> (Credentials, PKey<Private>) {
        let key = PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
        let pem = String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        let text = serde_json::json!({
            "type": "service_account", "client_email": "copias@p.iam.gserviceaccount.com", "private_key_id": "k1",
            "private_key": pem, "token_uri": "https://oauth2.googleapis.com/token",
        });
        (Credentials::parse(&text.to_string()).unwrap(), key)
    }

    #[test]
    fn an_assertion_is_signed_with_the_key_and_says_what_google_wants() {
        let (mut credentials, key) = service();
        credentials.act_for("ana@example.com").unwrap();
        let form = credentials.form("scope", TOKEN_ENDPOINT).unwrap();
        let parts: Vec<&str> = form[1].1.split('.').collect();
        let json = |part: &str| serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap());
        assert_eq!(json(parts[0]).unwrap(), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        let claims = json(parts[1]).unwrap();
        assert_eq!(claims["iss"], "copias@p.iam.gserviceaccount.com");
        assert_eq!((&claims["aud"], &claims["sub"]), (&TOKEN_ENDPOINT.into(), &"ana@example.com".into()));
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
        let mut verifier = openssl::sign::Verifier::new(MessageDigest::sha256(), &key).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        assert!(verifier.verify_oneshot(&signature, format!("{}.{}", parts[0], parts[1]).as_bytes()).unwrap());
    }

    #[test]
    fn complaints_name_what_is_wrong_and_repeat_no_secret() {
        for (text, wanted) in [
            ("not json, hush", "no JSON"),
            ("{\"type\": \"service_account\", \"client_email\": \"a\", \"private_key\": \"hush\"}", "no PEM"),
            ("{\"type\": \"service_account\"}", "private_key"),
            ("{\"type\": \"authorized_user\", \"client_id\": \"a\", \"refresh_token\": \"hush\"}", "client_secret"),
            ("{\"installed\": {\"client_secret\": \"hush\"}}", "drive login"),
            ("{\"type\": \"authorized_user\", \"token_uri\": \"http://example.com/hush\"}", "token_uri"),
        ] {
            let Err(complaint) = Credentials::parse(text) else { panic!("{text} was taken") };
            assert!(complaint.contains(wanted) && !complaint.contains("hush"), "{complaint}");
        }
        assert_eq!(format!("{:?}", Hidden("hush".to_owned())), "…");
    }
}
