use super::{ArchiveError, MemberKind};

/// The unit of a tar stream.
pub const TAR_BLOCK_BYTES: usize = 512;
/// How many zero bytes end a tar stream.
pub const END_OF_TAR_BYTES: usize = 1024;

/// Describes a member whose header is to be written.
#[derive(Debug, Clone)]
pub struct TarMember<'a> {
    pub path: &'a [u8],
    pub kind: MemberKind,
    pub mode: u32,
    pub modified_seconds: i64,
    pub size_bytes: u64,
}

impl TarMember<'_> {
    /// Appends the header block (and, for a path over 100 bytes, the GNU long-name entry before it) to `out`.
    ///
    /// # Errors
    /// `ArchiveHostileMember` for a path that a reader would refuse.
    pub fn append_header(&self, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let _ = out;
        todo!()
    }
}

/// Returns how many zero bytes follow a content of `size_bytes`.
pub fn padding_bytes(size_bytes: u64) -> usize {
    let _ = size_bytes;
    todo!()
}
