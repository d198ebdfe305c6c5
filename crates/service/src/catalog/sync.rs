use super::chains::{ChainRow, chain_rows};
use super::error::sqlstate;
use super::rows::{ManifestRow, ValidationRow, cloud_rows, event_row, instant, manifest_rows, validation_rows};
use super::state::demand;
use super::statements as sql;
use super::transaction::in_transaction;
use super::{CatalogError, Words};
use engine::cluster::{Connection, SqlParameter};
use jiff::Timestamp;
use serde::Serialize;
use vault::journal::{Journal, JournalEvent};
use vault::repository::Repository;

/// How many rows of a history are sent at a time.
const ROWS_AT_A_TIME: usize = 2_000;
/// The largest id that PostgreSQL's `bigint` holds; a journal that was edited could name a greater one.
const ID_LIMIT: u64 = i64::MAX as u64;

/// What changed in one table. Rows that went with their backup are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RowCounts {
    /// New rows.
    pub inserted: u64,
    /// Rows that differed.
    pub updated: u64,
    /// Rows of what is gone.
    pub deleted: u64,
}

/// What a sync did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SyncReport {
    /// `backup_manifest`.
    pub manifest: RowCounts,
    /// `backup_chain`.
    pub chain: RowCounts,
    /// `backup_validation`.
    pub validation: RowCounts,
    /// `backup_event`.
    pub event: RowCounts,
    /// Records that can't be trusted: they have no row.
    pub unreadable_records: u64,
    /// Lines of the journal that are no event: they have no row.
    pub unreadable_lines: u64,
}

/// Brings the catalog to what the repository says, in one transaction. May run in several processes at once, and whatever the catalog
/// held before: nothing, an older state, rows of another repository.
///
/// # Errors
/// `CatalogAbsent`, `CatalogForeign`, `CatalogIncomplete`, `CatalogNewer`, `CatalogPrivilege`, `CatalogReadOnly`, `CatalogBusy`; those of
/// the server and of the repository. After any of them the catalog is what it was.
pub fn sync(
    connection: &mut Connection,
    repository: &Repository,
    words: &dyn Words,
) -> Result<SyncReport, CatalogError> {
    attempts(connection, repository, words, false)
}

/// Empties the catalog, but for the policies, and fills it anew from the repository, in one transaction. Gives the rows that it had,
/// unless somebody changed them.
///
/// # Errors
/// Those of [`sync`].
pub fn rebuild(
    connection: &mut Connection,
    repository: &Repository,
    words: &dyn Words,
) -> Result<SyncReport, CatalogError> {
    attempts(connection, repository, words, true)
}

/// Tries as it is, and once more in plain ASCII if the database's encoding lacks a character: a name in a message is not worth the row.
fn attempts(
    connection: &mut Connection,
    repository: &Repository,
    words: &dyn Words,
    anew: bool,
) -> Result<SyncReport, CatalogError> {
    demand(connection, false)?;
    let mut attempt = |ascii_only| {
        in_transaction(connection, |connection| Sync { connection, repository, words, ascii_only }.run(anew))
    };
    match attempt(false) {
        Err(CatalogError::Cluster(error)) if error.sqlstate() == Some(sqlstate::UNTRANSLATABLE_CHARACTER) => {
            attempt(true)
        }
        outcome => outcome,
    }
}

struct Sync<'a> {
    connection: &'a mut Connection,
    repository: &'a Repository,
    words: &'a dyn Words,
    ascii_only: bool,
}

impl Sync<'_> {
    fn run(&mut self, anew: bool) -> Result<SyncReport, CatalogError> {
        self.connection.query("wait for another sync", sql::LOCK, &[])?;
        // Read under the lock: who had read before and wrote after us would bring an older state back.
        let contents = self.repository.contents()?;
        let mut journal = Journal::of(self.repository).read_after(0)?;
        journal.events.retain(|event| event.id <= ID_LIMIT);
        let backups = manifest_rows(self.repository, &contents, self.words);
        let chains = chain_rows(&contents);

        if anew {
            for statement in sql::EMPTY {
                self.connection.query("empty the catalog", statement, &[])?;
            }
        }
        let manifest = self.backups(&backups)?;
        self.cloud()?;
        Ok(SyncReport {
            manifest,
            chain: self.chains(&chains)?,
            validation: self.validations(&validation_rows(&journal.events, &backups))?,
            event: self.events(&journal.events)?,
            unreadable_records: contents.unreadable.len() as u64,
            unreadable_lines: journal.unreadable_lines,
        })
    }

    fn backups(&mut self, rows: &[ManifestRow]) -> Result<RowCounts, CatalogError> {
        let rows = self.json(rows);
        let deleted = self.count("remove backups from the catalog", sql::DELETE_MANIFEST, &rows)?;
        Ok(RowCounts { deleted, ..self.upsert("enter backups into the catalog", sql::UPSERT_MANIFEST, &rows)? })
    }

    /// Says where copies are.
    fn cloud(&mut self) -> Result<(), CatalogError> {
        let rows = match cloud_rows(self.repository) {
            Ok(Some(rows)) => rows,
            Ok(None) => return Ok(()),
            // What replicas hold is remembered anew; the rest of the catalog does not wait for it.
            Err(error) => {
                tracing::warn!(%error, "the catalog does not say where copies are");
                return Ok(());
            }
        };
        let rows = self.json(&rows);
        self.count("say where copies are", sql::UPDATE_CLOUD, &rows).map(drop)
    }

    fn chains(&mut self, rows: &[ChainRow]) -> Result<RowCounts, CatalogError> {
        let rows = self.json(rows);
        let deleted = self.count("remove chains from the catalog", sql::DELETE_CHAIN, &rows)?;
        Ok(RowCounts { deleted, ..self.upsert("enter chains into the catalog", sql::UPSERT_CHAIN, &rows)? })
    }

    fn validations(&mut self, rows: &[ValidationRow]) -> Result<RowCounts, CatalogError> {
        let table = History {
            fingerprint: sql::FINGERPRINT_VALIDATION,
            delete: sql::DELETE_VALIDATION,
            upsert: sql::UPSERT_VALIDATION,
        };
        self.history(&table, rows, |row| (row.id, row.fecha_validacion), |row| row.clone())
    }

    fn events(&mut self, events: &[JournalEvent]) -> Result<RowCounts, CatalogError> {
        let table =
            History { fingerprint: sql::FINGERPRINT_EVENT, delete: sql::DELETE_EVENT, upsert: sql::UPSERT_EVENT };
        let words = self.words;
        self.history(&table, events, |event| (event.id, instant(event.at)), |event| event_row(event, words))
    }

    /// Appends what is new to a table that only grows. Where the table does not hold what it should up to its last row, because the
    /// database came back in an older state, say, or is another repository's, every row is compared.
    fn history<T, R: Serialize>(
        &mut self,
        table: &History,
        items: &[T],
        key: impl Fn(&T) -> (u64, Timestamp),
        row: impl Fn(&T) -> R,
    ) -> Result<RowCounts, CatalogError> {
        let found = Fingerprint::read(self.connection, table.fingerprint)?;
        let expected = Fingerprint::of(items.iter().map(&key).filter(|(id, _)| *id <= found.last_id));
        let mut counts = RowCounts::default();
        let is_grown = found == expected;
        if !is_grown {
            let ids: Vec<String> = items.iter().map(|item| key(item).0.to_string()).collect();
            counts.deleted =
                self.count("compare the catalog's history", table.delete, &format!("{{{}}}", ids.join(",")))?;
        }
        let wanted: Vec<&T> = items.iter().filter(|item| !is_grown || key(item).0 > found.last_id).collect();
        for portion in wanted.chunks(ROWS_AT_A_TIME) {
            let rows: Vec<R> = portion.iter().map(|item| row(item)).collect();
            let rows = self.json(&rows);
            let changed = self.upsert("enter history into the catalog", table.upsert, &rows)?;
            counts.inserted += changed.inserted;
            counts.updated += changed.updated;
        }
        Ok(counts)
    }

    /// Writes rows as JSON that the database can hold: `jsonb` refuses a zero character.
    fn json(&self, rows: &[impl Serialize]) -> String {
        // Strings, numbers and instants only: this can't fail, and an empty list would empty the table.
        let text = serde_json::to_string(rows).unwrap_or_else(|_| "null".to_owned());
        let text = without_zero_characters(&text);
        if self.ascii_only { ascii(&text) } else { text }
    }

    fn count(&mut self, action: &str, sql: &str, parameter: &str) -> Result<u64, CatalogError> {
        Ok(self.connection.query(action, sql, &[SqlParameter::Text(parameter)])?.parse(0, 0)?)
    }

    fn upsert(&mut self, action: &str, sql: &str, rows: &str) -> Result<RowCounts, CatalogError> {
        let answer = self.connection.query(action, sql, &[SqlParameter::Text(rows)])?;
        Ok(RowCounts { inserted: answer.parse(0, 0)?, updated: answer.parse(0, 1)?, deleted: 0 })
    }
}

/// The statements of a table that only grows.
struct History {
    fingerprint: &'static str,
    delete: &'static str,
    upsert: &'static str,
}

/// Tells whether a table holds the rows that it should, without fetching them.
#[derive(Debug, PartialEq, Eq)]
struct Fingerprint {
    count: u64,
    last_id: u64,
    sum_of_ids: i128,
    sum_of_microseconds: i128,
}

impl Fingerprint {
    fn read(connection: &mut Connection, sql: &str) -> Result<Self, CatalogError> {
        let rows = connection.query("look at the catalog's history", sql, &[])?;
        Ok(Fingerprint {
            count: rows.parse(0, 0)?,
            last_id: rows.parse(0, 1)?,
            sum_of_ids: rows.parse(0, 2)?,
            sum_of_microseconds: rows.parse(0, 3)?,
        })
    }

    fn of(items: impl Iterator<Item = (u64, Timestamp)>) -> Self {
        let mut sum = Fingerprint { count: 0, last_id: 0, sum_of_ids: 0, sum_of_microseconds: 0 };
        for (id, at) in items {
            sum.count += 1;
            sum.last_id = sum.last_id.max(id);
            sum.sum_of_ids += i128::from(id);
            sum.sum_of_microseconds += i128::from(at.as_microsecond());
        }
        sum
    }
}

/// Replaces escaped zero characters of a JSON text by the character for what can't be shown.
fn without_zero_characters(json: &str) -> String {
    if !json.contains("\\u0000") {
        return json.to_owned();
    }
    let mut text = String::with_capacity(json.len());
    let mut characters = json.chars();
    while let Some(character) = characters.next() {
        text.push(character);
        if character != '\\' {
            continue;
        }
        // An escape: what follows the backslash belongs to it, so that an escaped backslash before "u0000" is left alone.
        match characters.next() {
            Some('u') if characters.as_str().starts_with("0000") => {
                text.pop();
                text.push('\u{fffd}');
                characters = characters.as_str()[4..].chars();
            }
            Some(next) => text.push(next),
            None => {}
        }
    }
    text
}

/// Replaces what is not ASCII; letters with an accent lose it.
fn ascii(text: &str) -> String {
    const PLAIN: [(&str, char); 12] = [
        ("áàâãä", 'a'),
        ("éèêë", 'e'),
        ("íìîï", 'i'),
        ("óòôõö", 'o'),
        ("úùûü", 'u'),
        ("ñ", 'n'),
        ("ÁÀÂÃÄ", 'A'),
        ("ÉÈÊË", 'E'),
        ("ÍÌÎÏ", 'I'),
        ("ÓÒÔÕÖ", 'O'),
        ("ÚÙÛÜ", 'U'),
        ("Ñ", 'N'),
    ];
    let plain = |character: char| {
        let known = PLAIN.iter().find(|(accented, _)| accented.contains(character));
        known.map_or('?', |(_, plain)| *plain)
    };
    text.chars().map(|character| if character.is_ascii() { character } else { plain(character) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_characters_are_replaced_and_nothing_else() {
        let json = serde_json::to_string(&["a\0b", "c:\\u0000", "d\\\0", "é\n"]).unwrap();
        let cleaned = without_zero_characters(&json);
        let read: Vec<String> = serde_json::from_str(&cleaned).unwrap();
        assert_eq!(read, ["a\u{fffd}b", "c:\\u0000", "d\\\u{fffd}", "é\n"]);
        assert_eq!(without_zero_characters(r#"{"a":1}"#), r#"{"a":1}"#);
    }

    #[test]
    fn what_an_encoding_lacks_is_made_plain() {
        assert_eq!(ascii(r#"{"a":"Falló el año €"}"#), r#"{"a":"Fallo el ano ?"}"#);
    }

    #[test]
    fn figures_differ_when_a_row_is_missing_doubled_or_of_another_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let of = |items: &[(u64, i64)]| Fingerprint::of(items.iter().map(|(id, second)| (*id, at(*second))));
        let whole = of(&[(1, 10), (2, 20), (4, 40)]);
        for other in [&[(1, 10), (4, 40)][..], &[(1, 10), (3, 20), (4, 40)], &[(1, 10), (2, 21), (4, 40)], &[]] {
            assert_ne!(whole, of(other), "{other:?}");
        }
        assert_eq!(whole, of(&[(4, 40), (1, 10), (2, 20)]));
    }
}
