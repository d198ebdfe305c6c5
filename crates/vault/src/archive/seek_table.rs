/// Holds where each frame is: compressed and plain offsets. 16 bytes of memory a frame at the most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeekTable {
    _private: (),
}

impl SeekTable {
    /// Returns the number of data frames.
    pub fn frame_count(&self) -> usize {
        todo!()
    }
    /// Returns the sum of plain bytes: the length of the tar stream.
    pub fn plain_bytes(&self) -> u64 {
        todo!()
    }
    /// Returns the frame that holds the plain byte at `plain_offset`, or `None` past the end.
    pub fn frame_at(&self, plain_offset: u64) -> Option<usize> {
        let _ = plain_offset;
        todo!()
    }
    /// Returns the plain range of a frame.
    pub fn plain_range(&self, frame: usize) -> std::ops::Range<u64> {
        let _ = frame;
        todo!()
    }
    /// Returns the compressed range of a frame in the file.
    pub fn compressed_range(&self, frame: usize) -> std::ops::Range<u64> {
        let _ = frame;
        todo!()
    }
}

/// Returns the plain frame size in bytes for a stream of about `plain_bytes`: 256 KiB, doubled until at most
/// 4 Mi frames are needed, so that a seek table never exceeds 32 MiB; at most 16 MiB.
pub fn frame_size_for(plain_bytes: u64) -> u32 {
    let _ = plain_bytes;
    todo!()
}
