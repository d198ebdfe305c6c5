use super::ClusterError;
use super::error::sqlstate;
use super::libpq::{PgResult, WireParameter};
use std::ffi::CString;

/// A parameter of a statement (`$1`, `$2`, …).
#[derive(Debug, Clone, Copy)]
pub enum SqlParameter<'a> {
    /// A value in its text form; the server infers the type. [`text_array`] makes one for `$1::text[]`.
    Text(&'a str),
    /// A `bytea`, sent as it is.
    Bytes(&'a [u8]),
    /// NULL.
    Null,
}

impl<'a> SqlParameter<'a> {
    pub(super) fn to_wire(self, action: &str) -> Result<WireParameter<'a>, ClusterError> {
        let refused = |detail: &str| ClusterError::ClusterSql {
            action: action.to_owned(),
            sqlstate: sqlstate::CHARACTER_NOT_IN_REPERTOIRE.to_owned(),
            detail: detail.to_owned(),
        };
        match self {
            SqlParameter::Null => Ok(WireParameter::null()),
            SqlParameter::Bytes(bytes) => WireParameter::bytes(bytes).ok_or_else(|| refused("a parameter is too long")),
            SqlParameter::Text(text) => {
                CString::new(text).map(WireParameter::text).map_err(|_| refused("a parameter holds a zero byte"))
            }
        }
    }
}

/// Writes an array in PostgreSQL's text form for `$n::text[]`: every item quoted, `"` and `\` escaped.
pub fn text_array<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let mut text = String::from("{");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        for character in item.as_ref().chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
    }
    text.push('}');
    text
}

/// Writes an array of numbers in PostgreSQL's text form, such as `{1,2}`.
pub(super) fn number_array(items: impl IntoIterator<Item = u64>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    format!("{{{}}}", items.join(","))
}

/// The rows of an answer. Values are borrowed from libpq's memory, which is freed on drop.
pub struct QueryResult {
    result: PgResult,
    action: String,
}

impl QueryResult {
    pub(super) fn new(result: PgResult, action: &str) -> Self {
        QueryResult { result, action: action.to_owned() }
    }
    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.result.rows()
    }
    /// Returns one row.
    pub fn row(&self, row: usize) -> Row<'_> {
        Row { result: self, row }
    }
    /// Returns a value's bytes without a copy, or `None` for NULL (and for a row or column that is not there).
    pub fn bytes(&self, row: usize, column: usize) -> Option<&[u8]> {
        self.result.bytes(row, column)
    }
    /// Returns a value as text.
    ///
    /// # Errors
    /// `ClusterAnswer` when it is NULL or not UTF-8.
    pub fn text(&self, row: usize, column: usize) -> Result<&str, ClusterError> {
        let bytes = self.bytes(row, column).ok_or_else(|| self.odd(row, column, "no value"))?;
        std::str::from_utf8(bytes).map_err(|_| self.odd(row, column, "not UTF-8"))
    }
    /// Parses a value in text form.
    ///
    /// # Errors
    /// `ClusterAnswer` when it is NULL or not of that form.
    pub fn parse<T: std::str::FromStr>(&self, row: usize, column: usize) -> Result<T, ClusterError> {
        let text = self.text(row, column)?;
        text.parse().map_err(|_| self.odd(row, column, &format!("{text:?} has an unexpected form")))
    }
    /// Reads a boolean in text form (`t` or `f`).
    ///
    /// # Errors
    /// `ClusterAnswer` when it is NULL or something else.
    pub fn boolean(&self, row: usize, column: usize) -> Result<bool, ClusterError> {
        match self.text(row, column)? {
            "t" => Ok(true),
            "f" => Ok(false),
            other => Err(self.odd(row, column, &format!("{other:?} is not a boolean"))),
        }
    }
    pub(super) fn odd(&self, row: usize, column: usize, what: &str) -> ClusterError {
        let detail = format!("row {row}, column {column}: {what}");
        ClusterError::ClusterAnswer { action: self.action.clone(), detail }
    }
}

/// One row of an answer.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    result: &'a QueryResult,
    row: usize,
}

impl<'a> Row<'a> {
    /// Returns a value's bytes without a copy, or `None` for NULL.
    pub fn bytes(&self, column: usize) -> Option<&'a [u8]> {
        self.result.bytes(self.row, column)
    }
    /// Returns a value as text.
    ///
    /// # Errors
    /// `ClusterAnswer` when it is NULL or not UTF-8.
    pub fn text(&self, column: usize) -> Result<&'a str, ClusterError> {
        self.result.text(self.row, column)
    }
    /// Parses a value in text form.
    ///
    /// # Errors
    /// `ClusterAnswer` when it is NULL or not of that form.
    pub fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T, ClusterError> {
        self.result.parse(self.row, column)
    }
    /// Reads a `bigint` in binary form; `None` for NULL.
    pub(super) fn binary_bigint(&self, column: usize) -> Result<Option<i64>, ClusterError> {
        let Some(bytes) = self.bytes(column) else { return Ok(None) };
        let bytes = bytes.try_into().map_err(|_| self.result.odd(self.row, column, "not a bigint"))?;
        Ok(Some(i64::from_be_bytes(bytes)))
    }
    /// Reads a boolean in binary form; `None` for NULL.
    pub(super) fn binary_boolean(&self, column: usize) -> Result<Option<bool>, ClusterError> {
        match self.bytes(column) {
            None => Ok(None),
            Some([value @ (0 | 1)]) => Ok(Some(*value == 1)),
            Some(_) => Err(self.result.odd(self.row, column, "not a boolean")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_quote_every_item() {
        assert_eq!(text_array([] as [&str; 0]), "{}");
        assert_eq!(text_array(["a", "", "NULL", "b,{c}"]), r#"{"a","","NULL","b,{c}"}"#);
        assert_eq!(text_array([r#"q"b\"#]), r#"{"q\"b\\"}"#);
        assert_eq!(number_array([]), "{}");
        assert_eq!(number_array([1, 20]), "{1,20}");
    }

    #[test]
    fn refuses_a_zero_byte_instead_of_cutting_the_text() {
        let Err(error) = SqlParameter::Text("a\0b").to_wire("list") else { panic!("accepted") };
        assert_eq!(error.sqlstate(), Some("22021"));
    }
}
