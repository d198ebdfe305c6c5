use super::{Journal, JournalError, JournalEvent, LOCK_KEY, NewEvent, lines};
use crate::storage::{AppendObject, LockAttempt, LockGuard, host_name};
use std::time::{Duration, Instant};

/// A writer holds the lock for one line; whoever waits longer than this waits for something else.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
const LOCK_PAUSE: Duration = Duration::from_millis(5);
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
        let guard = self.lock()?;
        let written = self.append_locked(at, event);
        if let Err(error) = guard.release() {
            tracing::warn!(%error, "could not clear the holder of the journal's lock");
        }
        written
    }

    fn append_locked(&self, at: jiff::Timestamp, event: NewEvent) -> Result<JournalEvent, JournalError> {
        let files = self.files()?;
        let this_month = lines::file_key(at);
        let key = match files.last() {
            Some((newest, _)) if *newest > this_month => newest.clone(),
            _ => this_month,
        };
        let mut last_id = 0;
        for (older, _) in files.iter().rev().filter(|(older, _)| *older != key) {
            // Ids rise from file to file: the newest one that holds an event knows the highest.
            last_id = lines::parse(&self.read_file(older)?).0.last().map_or(0, |event| event.id);
            if last_id > 0 {
                break;
            }
        }
        let mut object = self.repository.storage().open_append(&key)?;
        let (last_here, ends_whole) = last_event(object.as_ref())?;
        let id = last_id.max(last_here) + 1;
        let NewEvent { level, event, backup_id, details } = event;
        let event = JournalEvent { id, at, level, event, backup_id, details };
        let invalid = |detail: String| JournalError::JournalEventInvalid { event: event.event.clone(), detail };
        let mut line = serde_json::to_vec(&event).map_err(|error| invalid(error.to_string()))?;
        line.push(b'\n');
        if !ends_whole {
            // A writer died within its line: what it left stays, as a line that is no event.
            line.insert(0, b'\n');
        }
        object.write_at(object.size_bytes(), &line)?;
        object.sync()?;
        Ok(event)
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
