//! An error at the edge: the library's key and arguments, ready to become a sentence.

use crate::exit::ExitStatus;
use serde::Serialize;
use serde_json::{Map, Value};

/// Carries any error of the library or of this program as `{"key": …, arguments}`.
///
/// It is no `std::error::Error` itself, so that every error converts into it with `?`.
#[derive(Debug, Clone)]
pub struct Failure {
    key: String,
    arguments: Map<String, Value>,
    /// The terse English text for `-v` and as a last resort.
    english: String,
}

impl<E: std::error::Error + Serialize> From<E> for Failure {
    fn from(error: E) -> Self {
        let english = error.to_string();
        Self::from_value(serde_json::to_value(&error).unwrap_or_default(), english)
    }
}

impl Failure {
    /// Takes the serialized form of an error (as records and reports hold it).
    pub fn from_value(value: Value, english: String) -> Self {
        let mut arguments = match value {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let key = match arguments.remove("key") {
            Some(Value::String(key)) => key,
            _ => "unknown".to_owned(),
        };
        Failure { key, arguments, english }
    }

    /// Returns the key, such as `repository-busy`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the arguments of the sentence.
    pub fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    /// Returns it as logs and reports hold it: `{"key": …, arguments}`.
    pub fn value(&self) -> Value {
        let mut value = self.arguments.clone();
        value.insert("key".to_owned(), self.key.clone().into());
        Value::Object(value)
    }

    /// Returns the English text of the library.
    pub fn english(&self) -> &str {
        &self.english
    }

    /// Returns the exit code.
    pub fn exit_status(&self) -> ExitStatus {
        ExitStatus::for_key(&self.key)
    }
}
