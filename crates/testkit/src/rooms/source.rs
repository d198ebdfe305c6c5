//! A Rust source cut into code and string literals, without comments and test modules.

/// A source file as the lint sees it.
pub(super) struct Source {
    /// The code, with the contents of literals and comments replaced by spaces; lines stay where they are.
    code: String,
    /// String literals with the line on which each begins, from 1.
    literals: Vec<(usize, String)>,
}

impl Source {
    /// Cuts a file up. Code that is only compiled for tests is left out.
    pub fn read(text: &str) -> Self {
        let mut source = cut(text);
        while let Some((start, end)) = test_item(&source.code) {
            let lines = line_of(&source.code, start)..=line_of(&source.code, end);
            source.literals.retain(|(line, _)| !lines.contains(line));
            let blank: String = source.code[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
            source.code.replace_range(start..end, &blank);
        }
        source
    }

    pub fn literals(&self) -> &[(usize, String)] {
        &self.literals
    }

    /// Finds uses of `words`, each with its line. A path is found in a `use` with braces too (`use std::{io, path::Path}`).
    pub fn uses_of<'a>(&self, words: &'a [&'a str]) -> Vec<(usize, &'a str)> {
        let mut found = Vec::new();
        for word in words {
            let direct = self.code.match_indices(word).filter(|(at, _)| self.stands_alone(*at, word)).map(|(at, _)| at);
            let grouped =
                word.rsplit_once("::").into_iter().flat_map(|(parent, child)| self.grouped_uses(parent, child));
            found.extend(direct.chain(grouped).map(|at| (line_of(&self.code, at), *word)));
        }
        found.sort_unstable();
        found
    }

    fn stands_alone(&self, at: usize, word: &str) -> bool {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let after = &self.code[at + word.len()..];
        !self.code[..at].ends_with(is_name) && (word.ends_with('!') || !after.starts_with(is_name))
    }

    /// Finds `child` as an item of `parent::{…}`.
    fn grouped_uses(&self, parent: &str, child: &str) -> Vec<usize> {
        let opening = format!("{parent}::{{");
        let mut found = Vec::new();
        for (start, _) in self.code.match_indices(&opening).filter(|(at, _)| self.stands_alone(*at, parent)) {
            let (mut depth, mut item) = (0, start + opening.len());
            for (at, c) in
                self.code[start + opening.len() - 1..].char_indices().map(|(i, c)| (start + opening.len() - 1 + i, c))
            {
                match c {
                    '{' => depth += 1,
                    '}' | ',' if depth == 1 => {
                        let text = self.code[item..at].trim();
                        let name = text.split("::").next().unwrap_or_default().split_whitespace().next();
                        if name == Some(child) {
                            found.push(item + (self.code[item..at].len() - self.code[item..at].trim_start().len()));
                        }
                        item = at + 1;
                        if c == '}' {
                            break;
                        }
                    }
                    '}' => depth -= 1,
                    _ => (),
                }
            }
        }
        found
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Finds an item behind `#[cfg(test)]` or `#[cfg(all(test, …))]`: from the attribute to its closing brace or semicolon.
fn test_item(code: &str) -> Option<(usize, usize)> {
    let start =
        ["#[cfg(test)]", "#[cfg(all(test,", "#[test]"].iter().filter_map(|attribute| code.find(attribute)).min()?;
    let mut depth = 0;
    for (at, c) in code[start..].char_indices().map(|(i, c)| (start + i, c)) {
        match c {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return Some((start, at + 1));
                }
            }
            ';' if depth == 0 => return Some((start, at + 1)),
            _ => (),
        }
    }
    Some((start, code.len()))
}

/// Separates code from literals and comments.
fn cut(text: &str) -> Source {
    let bytes = text.as_bytes();
    let (mut code, mut literals) = (String::with_capacity(text.len()), Vec::new());
    let mut at = 0;
    let blank = |code: &mut String, text: &str| code.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
    while at < bytes.len() {
        let rest = &text[at..];
        let before_is_name = code.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let length = if rest.starts_with("//") {
            let length = rest.find('\n').unwrap_or(rest.len());
            blank(&mut code, &rest[..length]);
            length
        } else if rest.starts_with("/*") {
            let length = block_comment(rest);
            blank(&mut code, &rest[..length]);
            length
        } else if let Some((prefix, hashes)) = (!before_is_name).then(|| raw_string(rest)).flatten() {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &rest[prefix..];
            let length = body.find(&end).unwrap_or(body.len());
            literals.push((line_of(text, at), body[..length].to_owned()));
            let whole = (prefix + length + end.len()).min(rest.len());
            blank(&mut code, &rest[..whole]);
            whole
        } else if let Some(body) = rest.strip_prefix('"') {
            let length = quoted(body, '"');
            literals.push((line_of(text, at), body[..length].to_owned()));
            let whole = (length + 2).min(rest.len());
            blank(&mut code, &rest[..whole]);
            whole
        } else if let Some(length) = character(rest) {
            blank(&mut code, &rest[..length]);
            length
        } else {
            let c = rest.chars().next().map_or(1, char::len_utf8);
            code.push_str(&rest[..c]);
            c
        };
        at += length;
    }
    Source { code, literals }
}

/// Returns the length of a block comment; they nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// Returns the length up to and with the opening quote, and the number of hashes, of `r"`, `r#"`, `br"` and the like.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix = ["br", "cr", "r"].into_iter().find(|prefix| text.starts_with(prefix))?;
    let hashes = text[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let quote = prefix.len() + hashes;
    (text.as_bytes().get(quote) == Some(&b'"')).then_some((quote + 1, hashes))
}

/// Returns the length up to the closing quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at;
        }
    }
    text.len()
}

/// Returns the length of a character literal, or `None` for a lifetime.
fn character(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('\'')?;
    let first = inner.chars().next()?;
    if first == '\\' {
        return Some((quoted(inner, '\'') + 2).min(text.len()));
    }
    inner[first.len_utf8()..].starts_with('\'').then_some(first.len_utf8() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_from_comments_literals_and_lifetimes() {
        let text = "a /* b /* c */ d */ \"e\\\"f\" 'g' '\\'' r#\"h\"i\"# b\"j\" fn k<'l>(m: &'l str) {} // n\no";
        let source = cut(text);
        let words: Vec<&str> = source.code.split_whitespace().collect();
        assert_eq!(words, ["a", "b", "fn", "k<'l>(m:", "&'l", "str)", "{}", "o"]);
        let literals: Vec<&str> = source.literals.iter().map(|(_, literal)| literal.as_str()).collect();
        assert_eq!(literals, ["e\\\"f", "h\"i", "j"]);
        assert_eq!(source.code.lines().count(), 2);
    }

    #[test]
    fn survives_a_file_that_breaks_off() {
        for text in ["\"a", "r#\"a", "/* a", "'", "'\\", "#[cfg(test)] mod a {", "use std::{", "é'é'\"é"] {
            Source::read(text).uses_of(&["std::path"]);
        }
    }
}
