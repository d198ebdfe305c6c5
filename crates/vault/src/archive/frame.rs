use super::ArchiveError;

/// Compresses plain bytes into one independent zstd frame (content size stored, no dictionary). One per worker; contexts are reused.
pub struct FrameEncoder {
    _private: (),
}

impl FrameEncoder {
    /// Takes a zstd level, 1 to 19 (negative "fast" levels down to -7 too).
    pub fn new(level: i32) -> Result<Self, ArchiveError> {
        let _ = level;
        todo!()
    }
    /// Appends the frame to `out`.
    pub fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let _ = (plain, out);
        todo!()
    }
}

/// Decompresses one frame. One per worker.
pub struct FrameDecoder {
    _private: (),
}

impl FrameDecoder {
    pub fn new() -> Result<Self, ArchiveError> {
        todo!()
    }
    /// Replaces `out` by the frame's content, which must be exactly `plain_bytes` long.
    pub fn decode(&mut self, frame: &[u8], plain_bytes: u32, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        let _ = (frame, plain_bytes, out);
        todo!()
    }
}
