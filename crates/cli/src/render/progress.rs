//! A bar on a terminal's standard error; nothing in a pipe.

use super::units;
use crate::locale::{Language, Locale};
use cadena::{Phase, Progress, SilentProgress};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::time::Duration;

/// Every phase, with the key of its name.
const PHASES: [(Phase, &str); 12] = [
    (Phase::Checkpoint, "phase-checkpoint"),
    (Phase::Scanning, "phase-scanning"),
    (Phase::Copying, "phase-copying"),
    (Phase::CollectingWal, "phase-collecting-wal"),
    (Phase::Committing, "phase-committing"),
    (Phase::Verifying, "phase-verifying"),
    (Phase::Restoring, "phase-restoring"),
    (Phase::Syncing, "phase-syncing"),
    (Phase::Starting, "phase-starting"),
    (Phase::Dumping, "phase-dumping"),
    (Phase::Loading, "phase-loading"),
    (Phase::Sending, "phase-sending"),
];

/// Returns a bar when somebody looks at it, silence otherwise.
pub fn progress_for(wanted: bool, locale: &Locale) -> Box<dyn Progress> {
    if wanted && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        Box::new(Bar::new(locale))
    } else {
        Box::new(SilentProgress)
    }
}

/// Draws progress. Dropped, it wipes its line.
struct Bar {
    bar: ProgressBar,
    /// Names in the user's language, made beforehand: the callbacks come from many threads.
    names: Vec<(Phase, String)>,
    language: Language,
}

impl Bar {
    fn new(locale: &Locale) -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(Duration::from_millis(120));
        let names = PHASES.iter().map(|(phase, key)| (*phase, locale.text(key, &[]))).collect();
        Bar { bar, names, language: locale.language() }
    }

    fn style(&self, with_total: bool) -> ProgressStyle {
        let template = match with_total {
            true => "{spinner} {msg} [{bar:24}] {percent:>3} %  {done} / {total}  {rate}",
            false => "{spinner} {msg} {done}",
        };
        let language = self.language;
        // The templates are constants; should one be wrong, the default style is better than an end.
        ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ")
            .with_key("done", move |state: &ProgressState, out: &mut dyn Write| {
                let done =
                    if state.pos() == 0 && !with_total { String::new() } else { units::size(state.pos(), language) };
                let _ = out.write_str(&done);
            })
            .with_key("total", move |state: &ProgressState, out: &mut dyn Write| {
                let _ = out.write_str(&units::size(state.len().unwrap_or(0), language));
            })
            .with_key("rate", move |state: &ProgressState, out: &mut dyn Write| {
                let _ = write!(out, "{}/s", units::size(state.per_sec() as u64, language));
            })
    }
}

impl Progress for Bar {
    fn phase(&self, phase: Phase, total_bytes: Option<u64>) {
        let name = self.names.iter().find(|(known, _)| *known == phase).map(|(_, name)| name.clone());
        self.bar.set_message(name.unwrap_or_default());
        self.bar.set_style(self.style(total_bytes.is_some_and(|total| total > 0)));
        match total_bytes {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.reset();
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
