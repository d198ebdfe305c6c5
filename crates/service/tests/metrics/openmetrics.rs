//! A strict reader of the OpenMetrics text format, written from its specification and not from our writer.

use std::collections::{BTreeMap, BTreeSet};

/// Sample name, labels in order, value.
pub type Sample = (String, Vec<(String, String)>, f64);

/// A page: what each family is, and every sample.
#[derive(Debug, Default)]
pub struct Page {
    pub types: BTreeMap<String, String>,
    pub helps: BTreeMap<String, String>,
    pub samples: Vec<Sample>,
}

impl Page {
    /// Reads a page; panics with the line that breaks a rule.
    pub fn read(text: &str) -> Page {
        let body = text.strip_suffix("# EOF\n").expect("the page ends with # EOF and a line feed");
        let mut page = Page::default();
        let mut family = String::new();
        let mut seen = BTreeSet::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let mut words = rest.splitn(3, ' ');
                let (what, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
                assert!(is_name(name), "{line}");
                let map = match what {
                    "HELP" => &mut page.helps,
                    "TYPE" => &mut page.types,
                    _ => panic!("{line}"),
                };
                assert!(map.insert(name.to_owned(), value.to_owned()).is_none(), "twice: {line}");
                family = name.to_owned();
                continue;
            }
            let sample = read_sample(line);
            let kind = page.types.get(&family).unwrap_or_else(|| panic!("before its TYPE: {line}"));
            let expected = match kind.as_str() {
                "counter" => format!("{family}_total"),
                "gauge" => family.clone(),
                _ => panic!("{kind}: {line}"),
            };
            assert_eq!(sample.0, expected, "not of the family above it: {line}");
            assert!(seen.insert((sample.0.clone(), sample.1.clone())), "twice: {line}");
            page.samples.push(sample);
        }
        page
    }

    /// Returns the value of a sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self.samples.iter().filter(|(known, of, _)| {
            known == name && labels.iter().all(|(key, value)| of.contains(&((*key).to_owned(), (*value).to_owned())))
        });
        let first = found.next().map(|(.., value)| *value);
        assert!(found.next().is_none(), "{name} {labels:?} names several samples");
        first
    }
}

fn is_name(text: &str) -> bool {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    text.starts_with(is_first) && text.chars().all(|c| is_first(c) || c.is_ascii_digit())
}

fn read_sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        while !rest.starts_with('}') {
            let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(key), "{line}");
            let (value, after) = read_quoted(after).unwrap_or_else(|| panic!("{line}"));
            labels.push((key.to_owned(), value));
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    labels.sort();
    (name.to_owned(), labels, value.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
}

fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (end, '"') => return Some((value, &text[end + 1..])),
            (_, '\\') => match characters.next()?.1 {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                _ => return None,
            },
            (_, character) => value.push(character),
        }
    }
}
