use super::layered::LayeredFile;
use super::links::{Chain, changed_path};
use super::read::ChainReader;
use super::table::{PathKeys, PathTable};
use crate::Error;
use std::sync::Arc;
use vault::archive::{ArchiveMember, IndexReader, MemberKind};

/// A file or folder as it is to be restored.
#[derive(Debug, Clone)]
pub struct OutputMember {
    /// Where it goes; of a file of changes, that of the file that it is made for.
    pub path: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Seconds since the Unix epoch.
    pub modified_seconds: i64,
    /// Size of the content; 0 for folders.
    pub size_bytes: u64,
    /// Where the content is.
    pub content: OutputContent,
}

/// Where an output's bytes come from.
#[derive(Debug, Clone)]
pub enum OutputContent {
    /// A folder.
    Directory,
    /// A whole file of the newest archive.
    Whole {
        /// Where its content begins in that archive's tar stream.
        content_offset: u64,
        /// CRC-32C of the content.
        crc32c: u32,
    },
    /// Put together from several archives.
    Layered(Arc<LayeredFile>),
}

/// Goes through the newest archive's members as they are to be restored, in that archive's order.
///
/// Where the chain names more files than memory should hold, the layered ones come in several rounds: all folders in the first,
/// all whole files in the last one, each round in the archive's order. So folders always come before what is in them, and
/// what the archive has last (pg_control) comes last.
pub struct Outputs<'c> {
    chain: &'c Chain,
    keys: PathKeys,
    table: PathTable,
    round: u64,
    rounds: u64,
    members: IndexReader,
    reader: ChainReader<'c>,
    head: Vec<u8>,
    ended: bool,
}

impl<'c> Outputs<'c> {
    pub(super) fn new(chain: &'c Chain, most_entries: u64) -> Result<Self, Error> {
        let rounds = PathTable::parts(chain, most_entries);
        let mut outputs = Outputs {
            chain,
            keys: PathKeys::new(),
            table: PathTable::default(),
            round: 0,
            rounds,
            members: chain.newest().reader.members()?,
            reader: chain.reader()?,
            head: Vec::new(),
            ended: false,
        };
        outputs.fill_table()?;
        Ok(outputs)
    }

    fn fill_table(&mut self) -> Result<(), Error> {
        // A FULL alone has nothing to be looked up.
        if self.chain.links().len() > 1 {
            // Before the next one is made.
            self.table = PathTable::default();
            self.table = PathTable::read(self.chain, &self.keys, self.round, self.rounds)?;
        }
        Ok(())
    }

    fn try_next(&mut self) -> Result<Option<OutputMember>, Error> {
        loop {
            match self.members.next().transpose()? {
                Some(member) => {
                    if let Some(output) = self.output(member)? {
                        return Ok(Some(output));
                    }
                }
                None if self.round + 1 == self.rounds => return Ok(None),
                None => {
                    self.round += 1;
                    self.fill_table()?;
                    self.members = self.chain.newest().reader.members()?;
                }
            }
        }
    }

    /// Returns the output of a member; `None` when it belongs to another round.
    fn output(&mut self, member: ArchiveMember) -> Result<Option<OutputMember>, Error> {
        let ArchiveMember { path, kind, mode, modified_seconds, size_bytes, content_offset, crc32c } = member;
        if kind == MemberKind::Directory {
            let (size_bytes, content) = (0, OutputContent::Directory);
            let folder = OutputMember { path, mode, modified_seconds, size_bytes, content };
            return Ok((self.round == 0).then_some(folder));
        }
        let Some(path) = changed_path(&self.chain.newest().record, &path) else {
            let content = OutputContent::Whole { content_offset, crc32c };
            let file = OutputMember { path, mode, modified_seconds, size_bytes, content };
            return Ok((self.round + 1 == self.rounds).then_some(file));
        };
        let key = self.keys.of(path.as_bytes());
        if key.part(self.rounds) != self.round {
            return Ok(None);
        }
        let entries = self.table.find(key);
        let layered = LayeredFile::resolve(self.chain, &path, entries, &mut self.reader, &mut self.head)?;
        let (path, size_bytes) = (path.into_bytes(), layered.size_bytes());
        let content = OutputContent::Layered(Arc::new(layered));
        Ok(Some(OutputMember { path, mode, modified_seconds, size_bytes, content }))
    }
}

impl Iterator for Outputs<'_> {
    type Item = Result<OutputMember, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.try_next().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl std::iter::FusedIterator for Outputs<'_> {}
