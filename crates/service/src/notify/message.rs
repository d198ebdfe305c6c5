use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use vault::journal::EventLevel;

/// On which occasion somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A backup, a validation or another run failed.
    Failure,
    /// One went well.
    Success,
    /// Nothing failed yet, but a restore to any instant is no longer certain: no WAL comes in, a disk is nearly full, …
    Risk,
    /// A backup begins. Of pings only.
    Start,
}

/// Where a matter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// A problem is new.
    Problem,
    /// A problem that was told of lasts.
    Reminder,
    /// A problem that was told of is over.
    Resolved,
    /// Something happened; nothing will follow.
    News,
    /// Somebody tries the channel.
    Test,
}

/// What somebody may be told of, before it has words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matter {
    /// What it is, such as `problem-backup-overdue`: the key of its sentence.
    pub key: String,
    /// What it is about, when there may be several of one key at a time: a kind, an id, a job.
    pub subject: String,
    /// When it is told.
    pub occasion: Occasion,
    /// How grave it is.
    pub level: EventLevel,
    /// The sentence's arguments.
    pub arguments: Map<String, Value>,
}

impl Matter {
    /// Makes one of a value that serializes to `{"key": …, arguments}`.
    pub fn of(what: &impl Serialize, subject: String, occasion: Occasion, level: EventLevel) -> Self {
        let mut arguments = match serde_json::to_value(what) {
            Ok(Value::Object(arguments)) => arguments,
            _ => Map::new(),
        };
        let key = match arguments.remove("key") {
            Some(Value::String(key)) => key,
            _ => "unknown".to_owned(),
        };
        Matter { key, subject, occasion, level, arguments }
    }

    /// Returns what tells this problem from every other.
    pub fn identity(&self) -> String {
        if self.subject.is_empty() { self.key.clone() } else { format!("{}/{}", self.key, self.subject) }
    }
}

/// A named value of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// Its name, for people.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The words of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// One line.
    pub title: String,
    /// What to do, or what else there is to say; may be empty.
    pub text: String,
    /// What else is worth knowing.
    pub facts: Vec<Fact>,
}

/// Finds the words for a matter, in the language of those who are told. `since` is when the problem was first seen.
pub trait NotifyWords: Send + Sync {
    /// Puts it into words.
    fn wording(&self, matter: &Matter, phase: Phase, at: Timestamp, since: Timestamp) -> Wording;
}

/// A message as it goes out. Templates read these fields.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notification {
    /// What it is about, such as `problem-backup-overdue`.
    pub key: String,
    /// Which of several.
    pub subject: String,
    /// The same for every message about one problem of one cluster.
    pub identity: String,
    /// When it is told.
    pub occasion: Occasion,
    /// Where the matter stands.
    pub phase: Phase,
    /// How grave it is.
    pub level: EventLevel,
    /// One line.
    pub title: String,
    /// What to do.
    pub text: String,
    /// What else is worth knowing.
    pub facts: Vec<Fact>,
    /// When this was said.
    pub at: Timestamp,
    /// When it began.
    pub since: Timestamp,
    /// Which cluster it is about.
    pub cluster: String,
    /// The host that says it.
    pub host: String,
    /// The arguments of the sentence.
    pub arguments: Map<String, Value>,
}
