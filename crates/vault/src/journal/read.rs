use super::{Journal, JournalError, JournalReading, lines};

impl Journal {
    /// Reads every event whose id is above `id`; 0 reads all.
    ///
    /// # Errors
    /// Those of the storage. A line that is no event is counted, not an error.
    pub fn read_after(&self, id: u64) -> Result<JournalReading, JournalError> {
        let mut parts = Vec::new();
        let mut unreadable_lines = 0;
        // The newest first: whoever follows the journal need not read years of it.
        for (key, _) in self.files()?.into_iter().rev() {
            let (events, unreadable) = lines::parse(&self.read_file(&key)?);
            let reaches_back = events.first().is_some_and(|first| first.id <= id);
            unreadable_lines += unreadable;
            parts.push(events);
            if reaches_back {
                break;
            }
        }
        let mut events: Vec<_> = parts.into_iter().rev().flatten().filter(|event| event.id > id).collect();
        // They stand in order already, unless somebody edited a file.
        events.sort_by_key(|event| event.id);
        events.dedup_by_key(|event| event.id);
        Ok(JournalReading { events, unreadable_lines })
    }

    /// Reads a file as far as it goes now; one that is gone is empty.
    pub(super) fn read_file(&self, key: &str) -> Result<Vec<u8>, JournalError> {
        let object = match self.repository.storage().open(key) {
            Err(crate::storage::StorageError::StorageMissing { .. }) => return Ok(Vec::new()),
            opened => opened?,
        };
        let mut bytes = vec![0; usize::try_from(object.size_bytes()).unwrap_or(usize::MAX)];
        object.read_exact_at(0, &mut bytes)?;
        Ok(bytes)
    }
}
