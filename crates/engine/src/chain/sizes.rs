//! How large will the layered files be? The newest archive's heads say so; the others are not needed for it.

use super::error::ChainError;
use super::layered::read_header;
use super::links::{Chain, changed_path};
use crate::Error;
use vault::archive::MemberKind;

impl Chain {
    /// Tells of each file of which the newest archive holds changes: its path, the bytes that its member has there, and the bytes
    /// that it will have. In the archive's order, so that each frame with heads in it is decoded once.
    ///
    /// # Errors
    /// `each`'s; `ChainFileDamaged`; those of the archive.
    pub fn layered_sizes(&self, each: &mut dyn FnMut(&str, u64, u64) -> Result<(), Error>) -> Result<(), Error> {
        let newest = self.links().len() - 1;
        let link = self.newest();
        let mut reader = self.reader()?;
        let mut head = Vec::new();
        for member in link.reader.members()? {
            let member = member?;
            let changes = (member.kind == MemberKind::File).then(|| changed_path(&link.record, &member.path)).flatten();
            let Some(path) = changes else { continue };
            let start = member.content_offset;
            let header = read_header(self.geometry(), member.size_bytes, &mut head, &mut |range, head| {
                reader.append(newest, start + range.start..start + range.end, head)
            })?;
            let header = header.map_err(|detail| {
                let (id, path) = (link.record.id.to_string(), path.clone());
                ChainError::ChainFileDamaged { id, path, detail }
            })?;
            let blocks = u64::from(header.reconstructed_blocks());
            each(&path, member.size_bytes, blocks * u64::from(self.geometry().block_size_bytes))?;
        }
        Ok(())
    }
}
