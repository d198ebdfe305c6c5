//! One channel's queue and what its thread does next. What waits is the present state of each problem, not every message ever meant
//! for it: a server that comes back after a day hears what is so, once.

use super::memory::Told;
use super::{ChannelSettings, Matter, Phase};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// So many problems are kept apart; who has more has one problem.
const PROBLEMS_AT_MOST: usize = 200;
/// So many news wait.
const NEWS_AT_MOST: usize = 64;
/// News are tried so often.
const NEWS_ATTEMPTS: u32 = 6;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A problem, as a channel knows it.
#[derive(Debug, Clone)]
struct Held {
    matter: Matter,
    since: Timestamp,
    /// When it was told; `None`: it has yet to be.
    told_at: Option<Timestamp>,
    /// The server will not have it; it is tried again with the next reminder.
    refused: bool,
    is_over: bool,
}

/// Something that happened.
#[derive(Debug, Clone)]
struct Item {
    number: u64,
    matter: Matter,
    at: Timestamp,
    attempts: u32,
}

/// What is to be sent now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Work {
    pub matter: Matter,
    pub phase: Phase,
    pub at: Timestamp,
    pub since: Timestamp,
    item: Option<u64>,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The server has it.
    Taken,
    /// It may pass later.
    Failed,
    /// It will not pass as it is.
    Refused,
}

/// The queue of one channel. It knows no clock and sends nothing: time comes in, work goes out.
pub(super) struct Line {
    settings: ChannelSettings,
    problems: BTreeMap<String, Held>,
    news: VecDeque<Item>,
    next_number: u64,
    failures: u32,
    not_before: Option<Timestamp>,
    /// What was dropped since somebody last asked.
    dropped: u64,
}

impl Line {
    /// Makes one that goes on where `told` ends.
    pub fn new(settings: ChannelSettings, told: BTreeMap<String, Told>) -> Self {
        let held = |told: Told| Held {
            matter: told.matter,
            since: told.since,
            told_at: Some(told.told_at),
            refused: false,
            is_over: false,
        };
        let problems = told.into_iter().map(|(identity, told)| (identity, held(told))).collect();
        let news = VecDeque::new();
        Line { settings, problems, news, next_number: 0, failures: 0, not_before: None, dropped: 0 }
    }

    /// Takes all problems that there are now. What is missing is over.
    pub fn problems(&mut self, all: &[Matter], now: Timestamp) {
        let wanted: BTreeMap<String, &Matter> = all
            .iter()
            .filter(|matter| self.settings.wants_problem(matter))
            .map(|matter| (matter.identity(), matter))
            .collect();
        self.problems.retain(|identity, held| {
            held.is_over = !wanted.contains_key(identity);
            // Of what nobody heard of, nobody need hear the end.
            !held.is_over || (held.told_at.is_some() && !held.refused)
        });
        for (identity, matter) in wanted {
            if let Some(held) = self.problems.get_mut(&identity) {
                held.matter = matter.clone();
            } else if self.problems.len() < PROBLEMS_AT_MOST {
                let held = Held { matter: matter.clone(), since: now, told_at: None, refused: false, is_over: false };
                self.problems.insert(identity, held);
            } else {
                self.dropped += 1;
            }
        }
    }

    /// Takes something that happened. When too many wait, the oldest goes.
    pub fn news(&mut self, matter: &Matter, at: Timestamp) {
        if !self.settings.wants_news(matter) {
            return;
        }
        if self.news.len() == NEWS_AT_MOST {
            self.news.pop_front();
            self.dropped += 1;
        }
        self.news.push_back(Item { number: self.next_number, matter: matter.clone(), at, attempts: 0 });
        self.next_number += 1;
    }

    /// Returns what is to be sent now: ends first, then problems, the gravest first, then reminders, then news.
    pub fn next(&self, now: Timestamp) -> Option<Work> {
        if self.not_before.is_some_and(|until| now < until) {
            return None;
        }
        let of = |held: &Held, phase| {
            let (matter, since) = (held.matter.clone(), held.since);
            Work { matter, phase, at: now, since, item: None }
        };
        let held = || self.problems.values();
        let over = held().find(|held| held.is_over).map(|held| of(held, Phase::Resolved));
        let fresh = || {
            let fresh = held().filter(|held| !held.is_over && held.told_at.is_none());
            fresh.max_by_key(|held| held.matter.level).map(|held| of(held, Phase::Problem))
        };
        let lasting = || {
            let due = |held: &&Held| held.told_at.is_some_and(|told| now >= later(told, self.settings.repeat_after));
            // What was refused was not told yet.
            let phase = |held: &Held| if held.refused { Phase::Problem } else { Phase::Reminder };
            held().filter(|held| !held.is_over).find(due).map(|held| of(held, phase(held)))
        };
        let news = || {
            let item = self.news.front()?;
            let (matter, number) = (item.matter.clone(), Some(item.number));
            Some(Work { matter, phase: Phase::News, at: item.at, since: item.at, item: number })
        };
        over.or_else(fresh).or_else(lasting).or_else(news)
    }

    /// Returns when there may be something to do again, as far as time alone brings it.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.not_before.filter(|until| *until > now);
        if waits.is_some() {
            return waits;
        }
        let told = self.problems.values().filter_map(|held| held.told_at);
        told.map(|told| later(told, self.settings.repeat_after)).min()
    }

    /// Notes how an attempt ended.
    pub fn done(&mut self, work: &Work, attempt: Attempt, now: Timestamp) {
        if attempt == Attempt::Failed {
            self.not_before = Some(later(now, pause_after(self.failures)));
            self.failures = self.failures.saturating_add(1);
        } else {
            self.failures = 0;
            self.not_before = None;
        }
        match work.item {
            Some(number) => self.item_done(number, attempt),
            None => self.problem_done(work, attempt, now),
        }
    }

    fn item_done(&mut self, number: u64, attempt: Attempt) {
        // It may have been pushed out meanwhile.
        let Some(item) = self.news.front_mut().filter(|item| item.number == number) else { return };
        item.attempts += 1;
        let gives_up = attempt == Attempt::Refused || item.attempts >= NEWS_ATTEMPTS;
        if attempt == Attempt::Taken || gives_up {
            self.news.pop_front();
            self.dropped += u64::from(attempt != Attempt::Taken);
        }
    }

    fn problem_done(&mut self, work: &Work, attempt: Attempt, now: Timestamp) {
        let identity = work.matter.identity();
        let Some(held) = self.problems.get_mut(&identity) else { return };
        match (attempt, work.phase) {
            (Attempt::Failed, _) => {}
            (_, Phase::Resolved) => {
                // It may have come back while its end was being told.
                if held.is_over {
                    self.problems.remove(&identity);
                } else {
                    (held.told_at, held.since) = (None, now);
                }
            }
            (Attempt::Taken, _) => (held.told_at, held.refused) = (Some(now), false),
            (Attempt::Refused, phase) => (held.told_at, held.refused) = (Some(now), phase == Phase::Problem),
        }
    }

    /// Returns what was told, for the memory.
    pub fn told(&self) -> BTreeMap<String, Told> {
        let told = self.problems.iter().filter(|(_, held)| !held.refused);
        told.filter_map(|(identity, held)| {
            let told = Told { matter: held.matter.clone(), since: held.since, told_at: held.told_at? };
            Some((identity.clone(), told))
        })
        .collect()
    }

    /// Returns how much was dropped since this was last asked.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Tells whether the server has not answered lately.
    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }
}

/// One second, then four times as long each time, up to five minutes.
fn pause_after(failures: u32) -> Duration {
    Duration::from_secs(4_u64.saturating_pow(failures)).min(LONGEST_PAUSE)
}

fn later(instant: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    instant.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
