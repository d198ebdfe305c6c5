//! Cuts a dump, whose length nobody knows before its end, into members: a tar header says how long its member is.

use super::description::PART_PREFIX;
use crate::backup::wal_members::MemberDefaults;
use crate::backup::work::LargeMember;
use crate::cluster::RunningProgram;
use crate::pipeline::RateLimit;
use crate::{Cancel, Error};
use std::sync::Arc;

/// The size of all parts but the last. One is held in memory until its size is known.
pub(super) const PART_BYTES: usize = 8 << 20;

/// A piece of a part.
pub(super) struct PartRun {
    pub member: Arc<LargeMember>,
    /// The whole part.
    pub bytes: Arc<Vec<u8>>,
    pub offset: usize,
    pub length: usize,
}

/// Reads a dump, and hands it out in pieces.
pub(super) struct PartCutter<'a> {
    pub program: RunningProgram,
    folder: String,
    run_bytes: usize,
    defaults: MemberDefaults,
    rate: &'a RateLimit,
    cancel: &'a Cancel,
    /// The part that is being handed out, and how far it is.
    present: Option<(Arc<LargeMember>, Arc<Vec<u8>>, usize)>,
    pub parts: u64,
    pub dump_bytes: u64,
}

impl<'a> PartCutter<'a> {
    /// Makes one for a dump whose parts go into `folder`, in pieces of `run_bytes`.
    pub fn new(
        program: RunningProgram,
        folder: &str,
        run_bytes: usize,
        defaults: MemberDefaults,
        rate: &'a RateLimit,
        cancel: &'a Cancel,
    ) -> Self {
        let (folder, present) = (folder.to_owned(), None);
        PartCutter { program, folder, run_bytes, defaults, rate, cancel, present, parts: 0, dump_bytes: 0 }
    }

    /// Returns the next piece; `None` at the dump's end, of which the program's end says whether it is whole.
    ///
    /// # Errors
    /// `ClusterProgram`; `cancelled`.
    pub fn next(&mut self) -> Result<Option<PartRun>, Error> {
        if self.present.is_none() {
            self.present = self.read_part()?;
        }
        let Some((member, bytes, offset)) = self.present.take() else { return Ok(None) };
        let length = self.run_bytes.min(bytes.len() - offset);
        if offset + length < bytes.len() {
            self.present = Some((member.clone(), bytes.clone(), offset + length));
        }
        Ok(Some(PartRun { member, bytes, offset, length }))
    }

    fn read_part(&mut self) -> Result<Option<(Arc<LargeMember>, Arc<Vec<u8>>, usize)>, Error> {
        let mut bytes = vec![0; PART_BYTES];
        let mut filled = 0;
        while filled < PART_BYTES {
            match self.program.read(&mut bytes[filled..], self.cancel)? {
                0 => break,
                read => {
                    self.rate.take(read as u64, self.cancel)?;
                    filled += read;
                }
            }
        }
        if filled == 0 {
            return Ok(None);
        }
        bytes.truncate(filled);
        self.parts += 1;
        self.dump_bytes += filled as u64;
        let member = LargeMember {
            path: format!("{}/{PART_PREFIX}{:08}", self.folder, self.parts).into_bytes(),
            mode: self.defaults.file_mode,
            modified_seconds: self.defaults.modified_seconds,
            size_bytes: filled as u64,
        };
        Ok(Some((Arc::new(member), Arc::new(bytes), 0)))
    }
}
