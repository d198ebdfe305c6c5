//! `cadena list`: every backup, and whatever lies beside them.

use super::status::attention_text;
use super::{Outcome, open_repository};
use crate::app::Session;
use crate::exit::ExitStatus;
use crate::render::backup_table;
use cadena::health::{Attention, of_repository};
use cadena::repository::RepositoryContents;
use serde_json::{Value, json};

/// Lists the repository.
pub fn run(session: &Session) -> Outcome {
    let contents = open_repository(session)?.contents()?;
    session.screen.result(&contents_value(&contents), || text(session, &contents))?;
    Ok(ExitStatus::Success)
}

/// Returns the JSON form of a listing.
pub(super) fn contents_value(contents: &RepositoryContents) -> Value {
    let unreadable: Vec<Value> =
        contents.unreadable.iter().map(|record| json!({ "key": record.key, "detail": record.detail })).collect();
    json!({
        "backups": contents.records,
        "unreadable": unreadable,
        "orphan_archives": contents.orphan_archives,
        "without_archive": contents.without_archive,
        "running": contents.running,
        "interrupted": contents.interrupted,
        "cleaning": contents.cleaning,
    })
}

fn text(session: &Session, contents: &RepositoryContents) -> String {
    let locale = &session.locale;
    let mut text = match contents.records.is_empty() {
        true => locale.say("list-empty") + "\n",
        false => backup_table(&contents.records, locale, session.zone()),
    };
    for remark in of_repository(contents).iter().filter(|remark| !matches!(remark, Attention::AttentionNoBackup {})) {
        let message = attention_text(session, remark);
        text.push_str(&locale.say_with("list-remark", &[("message", message.into())]));
        text.push('\n');
    }
    text
}
