//! Names and texts within statements that take no parameters.

/// Quotes a name.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes a text. Sessions of ours have `standard_conforming_strings = on`, so a backslash is only itself.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Settings whose value is a list, stored flattened (upstream `guc_tables.c`, `GUC_LIST_QUOTE`; pg_dump keeps the same list). As one
/// text they would be one odd item.
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// Writes a stored setting's value as SET takes it.
pub(super) fn setting_value(name: &str, value: &str) -> String {
    if !LISTS.iter().any(|list| list.eq_ignore_ascii_case(name)) {
        return literal(value);
    }
    let items: Vec<String> = list_items(value).iter().map(|item| literal(item)).collect();
    if items.is_empty() { literal("") } else { items.join(", ") }
}

/// Cuts a flattened list: items divided by commas, those with odd letters between double quotes.
fn list_items(value: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut item = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut characters = value.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.next_if_eq(&'"').is_some() => item.push('"'),
            '"' => {
                quoted = !quoted;
                any = true;
            }
            ',' if !quoted => {
                items.push(std::mem::take(&mut item));
                any = false;
            }
            ' ' | '\t' | '\n' if !quoted => {}
            other => item.push(other),
        }
    }
    if any || !item.is_empty() || !items.is_empty() {
        items.push(item);
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's \\ so"), "'it''s \\ so'");
    }

    #[test]
    fn a_list_is_written_item_by_item_and_anything_else_as_one_text() {
        assert_eq!(setting_value("search_path", "\"$user\", public, \"a, \"\"b\""), "'$user', 'public', 'a, \"b'");
        assert_eq!(setting_value("search_path", "\"\""), "''");
        assert_eq!(setting_value("search_path", ""), "''");
        assert_eq!(setting_value("DateStyle", "ISO, DMY"), "'ISO, DMY'");
    }
}
