use std::fmt;

/// What parts of a secret are too short to be looked for in texts: "v2" or "api" would tear up every sentence.
const SHORTEST_PART: usize = 8;
/// Stands where a secret was.
const HIDDEN: &str = "…";

/// An address with a token in it, or a password. It is never shown: not by `Debug`, and it does not serialize.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// Returns the text, for the one who sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns `text` without this secret or, when it is an address, any longer part of it: a server's answer may repeat them.
    pub fn hide_in(&self, text: &str) -> String {
        let mut hidden = text.to_owned();
        let mut parts: Vec<&str> = vec![&self.0];
        if let Some((_, rest)) = self.0.split_once("://") {
            // Nobody has to guess which host does not answer; all else of an address may be a token.
            let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            parts.push(path);
            parts.extend(path.split(['/', '?', '&', '=', '#']));
            parts.extend(host.rsplit_once('@').into_iter().flat_map(|(user, _)| user.split(':')));
        }
        // The longest first, so that no part of one is left when a shorter one is cut out of it.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        for part in
            parts.into_iter().filter(|part| part.len() >= SHORTEST_PART || (*part == self.0 && !part.is_empty()))
        {
            hidden = hidden.replace(part, HIDDEN);
        }
        hidden
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_hidden_whole_and_in_parts() {
        let url =
            Secret::new("https://user:longpassword@hooks.example/services/T000AAAA1/B0/xyzxyzxyz?token=abcdefgh1");
        let text = "POST https://user:longpassword@hooks.example/services/T000AAAA1/B0/xyzxyzxyz?token=abcdefgh1: \
                    no such hook xyzxyzxyz, T000AAAA1, abcdefgh1 of longpassword on hooks.example";
        let hidden = url.hide_in(text);
        for part in ["xyzxyzxyz", "T000AAAA1", "abcdefgh1", "longpassword"] {
            assert!(!hidden.contains(part), "{part} in {hidden}");
        }
        assert!(hidden.ends_with("on hooks.example"), "{hidden}");
        assert!(!format!("{url:?}").contains("hooks"), "{url:?}");
    }

    #[test]
    fn a_short_password_is_hidden_too_and_an_empty_one_changes_nothing() {
        assert_eq!(Secret::new("abc").hide_in("login abc refused"), "login … refused");
        assert_eq!(Secret::new("").hide_in("login refused"), "login refused");
    }
}
