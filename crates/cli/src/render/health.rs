//! How the backups are, for people.

use super::{Align, Table, facts, kind_name, method_name, units};
use crate::locale::Locale;
use cadena::health::{ChainLink, KindHealth, RepositoryHealth, WalHealth};
use cadena::repository::RunningBackup;
use cadena::verify::{LastValidation, ValidationResult};
use jiff::tz::TimeZone;

/// So many backups are drawn; of more, the newest chains.
const DRAWN_LINKS: usize = 60;

/// Writes everything, what needs attention first.
pub fn health_text(health: &RepositoryHealth, messages: &[String], locale: &Locale, zone: &TimeZone) -> String {
    let mut text = String::new();
    if let Some(running) = &health.running {
        text.push_str(&(running_text("status-running", running, locale, zone) + "\n"));
    }
    if let Some(cleaning) = &health.cleaning {
        text.push_str(&(running_text("status-cleaning", cleaning, locale, zone) + "\n"));
    }
    match messages.is_empty() {
        true => text.push_str(&(locale.say("status-fine") + "\n")),
        false => text.push_str(&(locale.say("status-attention") + "\n")),
    }
    for message in messages {
        text.push_str(&format!("  - {message}\n"));
    }
    let mut section = |heading: &str, body: String| {
        if !body.is_empty() {
            text.push_str(&format!("\n{heading}\n{body}"));
        }
    };
    section(&locale.say("status-kinds"), kinds_text(health, locale, zone));
    section(
        &locale.say("status-chains"),
        chains_text(&health.chains, &|link| copies_text(health, link, locale), locale, zone),
    );
    section(&locale.say("status-wal"), facts(&wal_facts(&health.wal, locale, zone)));
    section(&locale.say("status-validation"), facts(&validation_facts(health, locale, zone)));
    section(&locale.say("status-drill"), facts(&drill_facts(health, locale, zone)));
    section(&locale.say("status-replicas"), replicas_text(health, locale, zone));
    section(&locale.say("status-space"), facts(&space_facts(health, locale)));
    text
}

fn running_text(key: &str, running: &RunningBackup, locale: &Locale, zone: &TimeZone) -> String {
    let values = [
        ("name", running.archive_name.as_str().into()),
        ("pid", running.pid.to_string().into()),
        ("host", running.host.as_str().into()),
        ("since", units::local_time(running.started_at, zone).into()),
    ];
    locale.text(key, &values)
}

/// One line for each kind that there is, or will be.
fn kinds_text(health: &RepositoryHealth, locale: &Locale, zone: &TimeZone) -> String {
    let is_shown = |kind: &&KindHealth| kind.last_id.is_some() || kind.next_due_at.is_some();
    let shown: Vec<&KindHealth> = health.kinds.iter().filter(is_shown).collect();
    if shown.is_empty() {
        return String::new();
    }
    let mut table = Table::new(vec![
        (locale.say("column-kind"), Align::Left),
        (locale.say("column-count"), Align::Right),
        (locale.say("column-archive"), Align::Right),
        (locale.say("column-plain"), Align::Right),
        (locale.say("column-last"), Align::Left),
        (locale.say("column-duration"), Align::Right),
        (locale.say("column-next"), Align::Left),
    ]);
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    for kind in shown {
        let total = health.totals.iter().find(|total| total.kind == kind.kind);
        let language = locale.language();
        table.row(vec![
            kind_name(kind.kind, locale),
            total.map_or(0, |total| total.count).to_string(),
            or_dash(total.map(|total| units::size(total.archive_bytes, language))),
            or_dash(total.map(|total| units::size(total.plain_bytes, language))),
            or_dash(kind.last_started_at.map(|at| units::local_time(at, zone))),
            or_dash(kind.last_seconds.map(|seconds| units::duration(seconds, language))),
            or_dash(kind.next_due_at.map(|at| units::local_time(at, zone))),
        ]);
    }
    table.text()
}

/// Draws what stands on what.
fn chains_text(links: &[ChainLink], copies: &dyn Fn(&ChainLink) -> String, locale: &Locale, zone: &TimeZone) -> String {
    let shown = newest_chains(links);
    let mut table: Vec<[String; 5]> = Vec::new();
    for (index, link) in shown.iter().enumerate() {
        let validated = link.validation.as_ref().map(|last| validation_text(last, locale, zone));
        let broken = link.broken.then(|| locale.say("status-chain-broken"));
        table.push([
            format!("{}{} {}", branches(shown, index), link.id, method_name(link.kind, link.method, locale)),
            units::local_time(link.started_at, zone),
            units::size(link.archive_bytes, locale.language()),
            broken.or(validated).unwrap_or_else(|| locale.say("status-not-validated")),
            copies(link),
        ]);
    }
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second, third, fourth) = (width(0), width(1), width(2), width(3));
    let mut text = String::new();
    for [link, time, size, state, copies] in &table {
        let line = format!("{link:<first$}  {time:<second$}  {size:>third$}  {state:<fourth$}  {copies}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let hidden = links.len() - shown.len();
    if hidden > 0 {
        text.push_str(&(locale.say_with("status-chains-more", &[("count", hidden.into())]) + "\n"));
    }
    text
}

/// Says where else a backup is; nothing for a repository without replicas.
fn copies_text(health: &RepositoryHealth, link: &ChainLink, locale: &Locale) -> String {
    if health.replicas.is_empty() {
        return String::new();
    }
    match health.copies.iter().find(|copies| copies.id == link.id) {
        Some(copies) => locale.say_with("status-copies", &[("replicas", copies.replicas.join(", ").into())]),
        None => locale.say("status-no-copy"),
    }
}

/// Leaves out the oldest chains when there are many; never a part of one, unless it is the only one.
fn newest_chains(links: &[ChainLink]) -> &[ChainLink] {
    let mut starts = links.iter().enumerate().filter(|(_, link)| link.depth == 0).map(|(index, _)| index);
    let fits = starts.clone().find(|start| links.len() - start <= DRAWN_LINKS);
    let from = fits.or(starts.next_back()).unwrap_or(0);
    &links[from..]
}

/// Returns the lines that lead to a link: whether more follows on each level decides how they bend.
fn branches(links: &[ChainLink], index: usize) -> String {
    let depth = links[index].depth;
    let goes_on = |level: u64| {
        links[index + 1..].iter().take_while(|later| later.depth >= level).any(|later| later.depth == level)
    };
    let mut text = String::new();
    for level in 1..depth {
        text.push_str(if goes_on(level) { "│  " } else { "   " });
    }
    if depth > 0 {
        text.push_str(if goes_on(depth) { "├─ " } else { "└─ " });
    }
    text
}

/// What was proved, and when.
fn drill_facts(health: &RepositoryHealth, locale: &Locale, zone: &TimeZone) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let proved = health.drills.proved.as_ref().map_or_else(
        || locale.say("status-drill-never"),
        |drill| {
            let time =
                |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| units::local_time(at, zone));
            let values = [
                ("instant", time(drill.target_time).into()),
                ("at", time(Some(drill.at)).into()),
                ("rto", units::duration(drill.rto_seconds.unwrap_or_default(), locale.language()).into()),
            ];
            locale.say_with("status-drill-proved-value", &values)
        },
    );
    rows.push((locale.say("status-drill-proved"), proved));
    if let Some(last) = &health.drills.last {
        let text = format!("{} {}", units::local_time(last.at, zone), last.result.word());
        rows.push((locale.say("status-drill-last"), text));
    }
    rows
}

/// One line for each replica: how many of the completed backups are there, and how far the log goes.
fn replicas_text(health: &RepositoryHealth, locale: &Locale, zone: &TimeZone) -> String {
    let completed: u64 = health.totals.iter().map(|total| total.count).sum();
    let mut rows = Vec::new();
    for state in &health.replicas {
        let wal = state.wal.as_ref().map_or_else(|| "-".to_owned(), |wal| wal.segment.clone());
        let values = [
            ("count", state.backups.len().into()),
            ("total", completed.into()),
            ("wal", wal.into()),
            ("at", state.reached_at.map_or_else(|| "-".to_owned(), |at| units::local_time(at, zone)).into()),
        ];
        rows.push((format!("{} ({})", state.name, state.provider), locale.say_with("status-replica", &values)));
    }
    facts(&rows)
}

fn validation_text(last: &LastValidation, locale: &Locale, zone: &TimeZone) -> String {
    let values = [("level", last.level.as_str().into()), ("at", units::local_time(last.at, zone).into())];
    match last.result {
        ValidationResult::Passed => locale.say_with("status-valid", &values),
        ValidationResult::Warned => locale.say_with("status-valid-warned", &values),
        ValidationResult::Failed => locale.say_with("status-invalid", &values),
    }
}

fn wal_facts(wal: &WalHealth, locale: &Locale, zone: &TimeZone) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    if let Some(window) = wal.windows.windows.iter().max_by_key(|window| (window.timeline, window.last_lsn)) {
        let values = [
            ("from", units::local_time(window.first_time, zone).into()),
            ("until", units::local_time(window.last_time, zone).into()),
        ];
        pairs.push((locale.say("status-restorable"), locale.say_with("status-restorable-value", &values)));
        let more = wal.windows.windows.len() - 1;
        if more > 0 {
            pairs.push((String::new(), locale.say_with("status-restorable-more", &[("count", more.into())])));
        }
    }
    if let (Some(receiver), true) = (&wal.receiver, wal.receiving) {
        let values = [
            ("lsn", receiver.durable_lsn.to_string().into()),
            ("size", units::size(wal.lag_bytes.unwrap_or(0), locale.language()).into()),
            ("duration", units::duration(wal.lag_seconds.unwrap_or(0) as f64, locale.language()).into()),
        ];
        pairs.push((locale.say("status-receiver"), locale.say_with("status-receiver-value", &values)));
    }
    if let Some(slot) = &wal.slot {
        let values =
            [("name", slot.slot.as_str().into()), ("size", units::size(slot.retained_bytes, locale.language()).into())];
        pairs.push((locale.say("status-slot"), locale.say_with("status-slot-value", &values)));
    }
    pairs
}

fn validation_facts(health: &RepositoryHealth, locale: &Locale, zone: &TimeZone) -> Vec<(String, String)> {
    let known = &health.validation;
    if health.totals.is_empty() {
        return Vec::new();
    }
    let counts =
        [("valid", known.valid.into()), ("failed", (known.failed.len() as u64).into()), ("never", known.never.into())];
    let mut pairs = vec![(locale.say("status-validated"), locale.say_with("status-validated-value", &counts))];
    if let Some(at) = known.last_at {
        pairs.push((locale.say("status-validated-last"), units::local_time(at, zone)));
    }
    pairs
}

fn space_facts(health: &RepositoryHealth, locale: &Locale) -> Vec<(String, String)> {
    let space = &health.space;
    let size = |bytes| units::size(bytes, locale.language());
    let mut pairs = vec![
        (locale.say("status-space-backups"), size(space.backup_bytes)),
        (locale.say("status-space-wal"), size(space.wal_bytes)),
    ];
    if space.orphan_bytes > 0 {
        pairs.push((locale.say("status-space-orphans"), size(space.orphan_bytes)));
    }
    pairs.push((locale.say("status-space-total"), size(space.total_bytes)));
    pairs.extend(space.free_bytes.map(|free| (locale.say("status-space-free"), size(free))));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use cadena::repository::{BackupId, BackupKind};

    fn link(id: u64, kind: BackupKind, base: Option<u64>, depth: u64) -> ChainLink {
        ChainLink {
            id: BackupId(id),
            kind,
            method: Default::default(),
            base_id: base.map(BackupId),
            depth,
            started_at: jiff::Timestamp::UNIX_EPOCH,
            archive_bytes: 1 << id,
            broken: false,
            validation: None,
        }
    }

    #[test]
    fn chains_are_drawn_as_trees() {
        use BackupKind::{Differential, Full, Incremental};
        let links = [
            link(1, Full, None, 0),
            link(2, Incremental, Some(1), 1),
            link(3, Incremental, Some(2), 1),
            link(4, Differential, Some(1), 1),
            link(5, Incremental, Some(4), 2),
            link(6, Incremental, Some(5), 2),
            link(7, Differential, Some(1), 1),
            link(8, Full, None, 0),
            link(9, Incremental, Some(8), 1),
        ];
        let locale = Locale::new(crate::locale::Language::English);
        let text = chains_text(&links, &|_| String::new(), &locale, &TimeZone::UTC);
        let drawn: Vec<&str> =
            text.lines().map(|line| line.split("  1970").next().unwrap_or_default().trim_end()).collect();
        let expected = [
            "1 FULL",
            "├─ 2 INCREMENTAL",
            "├─ 3 INCREMENTAL",
            "├─ 4 DIFFERENTIAL",
            "│  ├─ 5 INCREMENTAL",
            "│  └─ 6 INCREMENTAL",
            "└─ 7 DIFFERENTIAL",
            "8 FULL",
            "└─ 9 INCREMENTAL",
        ];
        assert_eq!(drawn, expected);
    }

    #[test]
    fn of_many_chains_the_newest_are_drawn_whole() {
        let mut links = Vec::new();
        for chain in 0..20 {
            links.push(link(chain % 60, BackupKind::Full, None, 0));
            links.extend((0..6).map(|_| link(chain % 60, BackupKind::Incremental, Some(0), 1)));
        }
        let shown = newest_chains(&links);
        assert_eq!((shown.len(), shown[0].depth), (56, 0));
        // The only chain there is, however long.
        let mut long = vec![link(1, BackupKind::Full, None, 0)];
        long.extend((0..100).map(|_| link(2, BackupKind::Incremental, Some(1), 1)));
        assert_eq!(newest_chains(&long).len(), 101);
    }
}
