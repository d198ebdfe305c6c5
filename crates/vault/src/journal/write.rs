use super::{Journal, JournalError, JournalEvent, LOCK_KEY, NewEvent, lines};
use crate::storage::{AppendObject, Exclusion, LockAttempt, LockGuard, host_name};
use std::time::{Duration, Instant};

/// A writer holds the lock for one line; whoever waits longer than this waits for something else.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
/// How far behind the last id of the month before the first one of a new file is, where no lock keeps late writers of the old one out.
const NEW_FILE_STEP: u64 = 1000;
/// How much of a file's end is searched for the last event at first; no usual line is as long.
const TAIL_BYTES: u64 = 64 << 10;

impl Journal {
    /// Writes one event, durably, under the next id. Other processes may do so at the same time.
    ///
    /// A clock that was set back leads to no older file: ids rise from line to line and from file to file.
    ///
    /// # Errors
    /// `JournalBusy`, `JournalEventInvalid`, those of the storage. After any of them the event may or may not be there.
    pub fn append(&self, at: jiff::Timestamp, event: NewEvent) -> Result<JournalEvent, JournalError> {
        if self.repository.storage().exclusion() == Exclusion::Lease {
            return self.append_on_condition(at, event);
        }
        let guard = self.lock()?;
        let written = self.append_locked(at, event);
        if let Err(error) = guard.release() {
            tracing::warn!(%error, "could not clear the holder of the journal's lock");
        }
        written
    }

    fn append_locked(&self, at: jiff::Timestamp, event: NewEvent) -> Result<JournalEvent, JournalError> {
        let (key, last_id) = self.place_of(at)?;
        let mut object = self.repository.storage().open_append(&key)?;
        let (last_here, ends_whole) = last_event(object.as_ref())?;
        let (event, line) = event_and_line(last_id.max(last_here) + 1, at, event, ends_whole)?;
        object.write_at(object.size_bytes(), &line)?;
        object.sync()?;
        Ok(event)
    }

    /// The same where locks are leases: without one. The whole file is written again on the condition that nobody else has written it,
    /// and if somebody has, the event is put behind what is there now.
    fn append_on_condition(&self, at: jiff::Timestamp, event: NewEvent) -> Result<JournalEvent, JournalError> {
        let (key, last_id) = self.place_of(at)?;
        let mut written = None;
        self.repository.storage().update(&key, &mut |there| {
            let there = there.unwrap_or_default();
            let last_here = lines::parse(there).0.last().map(|event| event.id);
            // Somebody may still be adding to the last month's file: the new one begins further on.
            let next =
                last_here.map_or(if last_id == 0 { 1 } else { last_id + NEW_FILE_STEP }, |last| last.max(last_id) + 1);
            let ends_whole = there.last().is_none_or(|byte| *byte == b'\n');
            let made = event_and_line(next, at, event.clone(), ends_whole);
            let content = made.as_ref().ok().map(|(_, line)| [there, line].concat());
            written = Some(made);
            content
        })?;
        match written {
            Some(made) => made.map(|(event, _)| event),
            None => Err(JournalError::JournalBusy { storage: self.repository.storage().describe(), seconds: 0 }),
        }
    }

    /// Returns the file that takes an event of this time, and the highest id in the files before it.
    fn place_of(&self, at: jiff::Timestamp) -> Result<(String, u64), JournalError> {
        let files = self.files()?;
        let this_month = lines::file_key(at);
        let key = match files.last() {
            Some((newest, _)) if *newest > this_month => newest.clone(),
            _ => this_month,
        };
        for (older, _) in files.iter().rev().filter(|(older, _)| *older != key) {
            // Ids rise from file to file: the newest one that holds an event knows the highest.
            if let Some(last) = lines::parse(&self.read_file(older)?).0.last() {
                return Ok((key, last.id));
            }
        }
        Ok((key, 0))
    }

    fn lock(&self) -> Result<Box<dyn LockGuard>, JournalError> {
        let storage = self.repository.storage();
        let holder = format!("process {} on {}", std::process::id(), host_name());
        let begin = Instant::now();
        loop {
            match storage.try_lock(LOCK_KEY, &|_| holder.clone().into_bytes())? {
                LockAttempt::Acquired { guard, .. } => return Ok(guard),
                LockAttempt::Held { .. } if begin.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
                LockAttempt::Held { .. } => {
                    let (storage, seconds) = (storage.describe(), LOCK_PATIENCE.as_secs());
                    return Err(JournalError::JournalBusy { storage, seconds });
                }
            }
        }
    }
}

/// Makes the event, and the line that goes behind what is there.
fn event_and_line(
    id: u64,
    at: jiff::Timestamp,
    event: NewEvent,
    ends_whole: bool,
) -> Result<(JournalEvent, Vec<u8>), JournalError> {
    let NewEvent { level, event, backup_id, details } = event;
    let event = JournalEvent { id, at, level, event, backup_id, details };
    let invalid = |detail: String| JournalError::JournalEventInvalid { event: event.event.clone(), detail };
    let mut line = serde_json::to_vec(&event).map_err(|error| invalid(error.to_string()))?;
    line.push(b'\n');
    if !ends_whole {
        // A writer died within its line: what it left stays, as a line that is no event.
        line.insert(0, b'\n');
    }
    Ok((event, line))
}

/// Finds the id of the last event of a file, 0 without one, and whether the file ends with a whole line.
fn last_event(object: &dyn AppendObject) -> Result<(u64, bool), JournalError> {
    let size_bytes = object.size_bytes();
    let mut tail_bytes = TAIL_BYTES.min(size_bytes);
    loop {
        let mut tail = vec![0; tail_bytes as usize];
        object.read_exact_at(size_bytes - tail_bytes, &mut tail)?;
        let ends_whole = tail.last().is_none_or(|byte| *byte == b'\n');
        // The tail's first line may be cut; it is no event then, and the search goes on with a longer one if need be.
        if let Some(last) = lines::parse(&tail).0.last() {
            return Ok((last.id, ends_whole));
        }
        if tail_bytes == size_bytes {
            return Ok((0, ends_whole));
        }
        tail_bytes = (tail_bytes * 8).min(size_bytes);
    }
}
