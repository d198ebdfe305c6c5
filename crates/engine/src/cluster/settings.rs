use super::ClusterError;
use super::libpq::{self, PgConn};
use std::ffi::CString;
use std::fmt;

/// Says how to reach a server: libpq's keywords and values. `Debug` hides the password.
#[derive(Clone, Default)]
pub struct ConnectionSettings {
    /// A libpq connection URI or keyword string (`DATABASE_URL`), applied first.
    pub conninfo: Option<String>,
    /// Keywords that override it (`host`, `port`, `dbname`, `user`, `password`, `sslmode`, …).
    pub keywords: Vec<(String, String)>,
}

/// What libpq will use, from all its sources: the settings, the service file, the environment, its own defaults.
pub(super) struct Resolved {
    options: Vec<libpq::ConninfoOption>,
}

/// A value of sslmode that libpq refuses: it ends a connection attempt after the options are known and before anything
/// touches the network.
const NO_SUCH_SSLMODE: &str = "cadena-resolve-only";

impl ConnectionSettings {
    /// Returns libpq's parameters: the connection string first, under `dbname`, then the keywords.
    /// The flag says whether libpq must expand `dbname`.
    pub(super) fn parameters(&self) -> Result<(Vec<(CString, CString)>, bool), ClusterError> {
        let mut parameters = Vec::new();
        let conninfo = self.conninfo.as_deref().filter(|conninfo| !conninfo.is_empty());
        if let Some(conninfo) = conninfo {
            parameters.push((c_string("dbname")?, c_string(conninfo)?));
        }
        for (keyword, value) in &self.keywords {
            parameters.push((c_string(keyword)?, c_string(value)?));
        }
        Ok((parameters, conninfo.is_some()))
    }

    /// Returns keyword, value and whether it is a secret, of all that is given here and nowhere else; later ones win.
    pub(in crate::cluster) fn given(&self) -> Result<Vec<(String, String, bool)>, ClusterError> {
        let bad = |detail: String| ClusterError::ClusterSettings { detail };
        let mut given = Vec::new();
        match self.conninfo.as_deref().filter(|conninfo| !conninfo.is_empty()) {
            Some(conninfo) if is_connection_string(conninfo) => {
                let options =
                    libpq::parse_conninfo(&c_string(conninfo)?).map_err(|text| bad(without_quotations(&text)))?;
                let set = options.into_iter().filter_map(|o| Some((o.keyword, o.value?, o.secret)));
                given.extend(set);
            }
            Some(dbname) => given.push(("dbname".to_owned(), dbname.to_owned(), false)),
            None => {}
        }
        let known = libpq::known_options();
        for (keyword, value) in &self.keywords {
            let secret = known.iter().find(|option| option.keyword == *keyword).is_none_or(|option| option.secret);
            given.push((keyword.clone(), value.clone(), secret));
        }
        Ok(given)
    }

    /// Asks libpq what it would connect with, without connecting.
    ///
    /// # Errors
    /// `ClusterSettings`, without any part of the connection string that might be a password.
    pub(super) fn resolve(&self) -> Result<Resolved, ClusterError> {
        let bad = |detail: String| ClusterError::ClusterSettings { detail };
        let known = libpq::known_options();
        for (keyword, _) in &self.keywords {
            if !known.iter().any(|option| &option.keyword == keyword) {
                return Err(bad(format!("libpq has no connection option {keyword:?}")));
            }
        }
        if let Some(conninfo) = self.conninfo.as_deref().filter(|conninfo| is_connection_string(conninfo)) {
            if has_unescaped_password(conninfo) {
                let detail = "the password in the connection URI holds an @ or a / that must be written %40 or %2F";
                return Err(bad(detail.to_owned()));
            }
            libpq::parse_conninfo(&c_string(conninfo)?).map_err(|text| bad(without_quotations(&text)))?;
        }
        let (mut parameters, expand) = self.parameters()?;
        parameters.push((c_string("sslmode")?, c_string(NO_SUCH_SSLMODE)?));
        let refused = PgConn::start(&parameters, expand).ok_or_else(|| bad("out of memory".to_owned()))?;
        let mut options = refused.options();
        let parsed = options.iter().any(|o| o.keyword == "sslmode" && o.value.as_deref() == Some(NO_SUCH_SSLMODE));
        if !parsed {
            // The string itself is sound (see above), so this is about the service file or the environment.
            return Err(bad(refused.error_message()));
        }
        options.retain(|option| option.keyword != "sslmode");
        Ok(Resolved { options })
    }
}

impl Resolved {
    /// Returns an option's value unless it is empty, which libpq takes as not given.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        let found = self.options.iter().find(|option| option.keyword == keyword && !option.secret)?;
        found.value.as_deref().filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = libpq::known_options();
        let secret = |keyword: &str| known.iter().find(|o| o.keyword == keyword).is_none_or(|option| option.secret);
        let mut shown = f.debug_map();
        if let Some(conninfo) = &self.conninfo {
            match CString::new(conninfo.as_str()).ok().and_then(|text| libpq::parse_conninfo(&text).ok()) {
                Some(options) if !has_unescaped_password(conninfo) => {
                    for option in options.iter().filter(|option| option.value.is_some()) {
                        let value = option.value.as_deref().unwrap_or_default();
                        shown.entry(&option.keyword, &if option.secret { "***" } else { value });
                    }
                }
                _ => drop(shown.entry(&"conninfo", &"***")),
            }
        }
        for (keyword, value) in &self.keywords {
            shown.entry(keyword, &if secret(keyword) { "***" } else { value.as_str() });
        }
        shown.finish()
    }
}

fn c_string(text: &str) -> Result<CString, ClusterError> {
    CString::new(text).map_err(|_| ClusterError::ClusterSettings { detail: "a value holds a zero byte".to_owned() })
}

/// Tells a connection string from a bare database name (upstream `fe-connect.c`, recognized_connection_string).
fn is_connection_string(text: &str) -> bool {
    is_uri(text) || text.contains('=')
}

fn is_uri(text: &str) -> bool {
    text.starts_with("postgresql://") || text.starts_with("postgres://")
}

/// Finds URIs whose password holds a bare `@` or `/`. libpq would take the password's tail for a host, port or database
/// and quote it in errors.
fn has_unescaped_password(conninfo: &str) -> bool {
    if !is_uri(conninfo) {
        return false;
    }
    let rest = conninfo.split_once("://").map_or("", |(_, rest)| rest);
    let before_query = rest.split('?').next().unwrap_or_default();
    let at_signs = before_query.matches('@').count();
    let path = before_query.split_once('/').map_or("", |(_, path)| path);
    at_signs > 1 || path.contains('@')
}

/// Leaves out everything between the first and the last quotation mark of libpq's message.
fn without_quotations(message: &str) -> String {
    let message = message.trim_end();
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…\"{}", &message[..first], &message[last + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_conninfo(conninfo: &str) -> ConnectionSettings {
        ConnectionSettings { conninfo: Some(conninfo.to_owned()), keywords: Vec::new() }
    }

    #[test]
    fn debug_shows_everything_but_passwords() {
        let mut settings = with_conninfo("postgresql://ana:s3cret@db.example:5433/tienda?sslmode=require");
        settings.keywords.push(("password".to_owned(), "otr0".to_owned()));
        settings.keywords.push(("passwrod".to_owned(), "typ0".to_owned()));
        settings.keywords.push(("host".to_owned(), "other.example".to_owned()));
        let shown = format!("{settings:?}");
        for secret in ["s3cret", "otr0", "typ0"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        for open in ["ana", "db.example", "5433", "tienda", "require", "other.example"] {
            assert!(shown.contains(open), "{open} is missing in {shown}");
        }
        for broken in ["host=h password=s3cret word", "postgres://ana:s3cr@et@h/d", "password='s3cret"] {
            assert!(!format!("{:?}", with_conninfo(broken)).contains("s3cr"), "{broken}");
        }
    }

    #[test]
    fn refuses_a_damaged_connection_string_without_quoting_it() {
        for conninfo in [
            "host=localhost password=my s3cret port=1",
            "host=localhost password=my \"s3\"cret\" x\"",
            "postgresql://ana:s3cret%zz@localhost/db",
            "postgresql://ana:one@s3cret@localhost/db",
            "postgresql://ana:s3cret/two@localhost/db",
            "postgresql://[s3cret/db",
        ] {
            let error = with_conninfo(conninfo).resolve().err().unwrap_or_else(|| panic!("{conninfo} was accepted"));
            let shown = format!("{error} {}", serde_json::to_string(&error).unwrap());
            assert!(shown.contains("cluster-settings") && !shown.contains("s3"), "{shown}");
        }
    }

    #[test]
    fn accepts_what_libpq_accepts() {
        for conninfo in [
            "postgresql://ana:s%40c:ret@h1:5432,h2:5433/db?target_session_attrs=any",
            "postgresql://[::1]:5432/db",
            "postgres:///db?host=/var/run/postgresql",
            "host='/var/run/postgresql' user=ana@example",
            "tienda",
            "postgresql://",
        ] {
            if let Err(error) = with_conninfo(conninfo).resolve() {
                panic!("{conninfo}: {error}");
            }
        }
    }

    #[test]
    fn later_keywords_override_the_connection_string() {
        let mut settings = with_conninfo("postgresql://ana@h1:5433/tienda?connect_timeout=3");
        settings.keywords.push(("dbname".to_owned(), "otra=1".to_owned()));
        settings.keywords.push(("port".to_owned(), String::new()));
        let resolved = settings.resolve().unwrap();
        assert_eq!(resolved.get("dbname"), Some("otra=1"));
        assert_eq!(resolved.get("port"), Some("5433"), "an empty value does not count");
        assert_eq!(resolved.get("user"), Some("ana"));
        assert_eq!(resolved.get("connect_timeout"), Some("3"));
        assert_eq!(resolved.get("password"), None);
    }

    #[test]
    fn names_an_unknown_keyword_and_a_missing_service() {
        let settings = ConnectionSettings { conninfo: None, keywords: vec![("hots".into(), "x".into())] };
        let error = settings.resolve().err().unwrap().to_string();
        assert!(error.contains("hots"), "{error}");
        let error = with_conninfo("service=no-such-service").resolve().err().unwrap().to_string();
        assert!(error.contains("no-such-service"), "{error}");
    }
}
