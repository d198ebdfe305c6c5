use super::ArchiveError;
use super::limits::{FRAME_COMPRESSED_LEAST_BYTES, FRAME_COMPRESSED_LIMIT_BYTES, FRAME_LIMIT, FRAME_PLAIN_LIMIT_BYTES};
use std::ops::Range;

/// How many frames share one pair of absolute offsets; the sizes between are summed up on the way.
const FRAMES_PER_MARK: usize = 64;

/// Holds where each frame is: compressed and plain offsets. 16 bytes of memory a frame at the most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeekTable {
    compressed_sizes: Vec<u32>,
    plain_sizes: Vec<u32>,
    /// Offsets of every 64th frame.
    marks: Vec<Mark>,
    end: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mark {
    compressed: u64,
    plain: u64,
}

/// A part of a plain range that lies in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FramePiece {
    /// Which frame.
    pub frame: usize,
    /// Where the piece begins in the frame's plain bytes.
    pub offset_in_frame: usize,
    /// Length of the piece in bytes; never 0.
    pub len: usize,
}

impl SeekTable {
    pub(super) fn with_capacity(frames: usize) -> Self {
        SeekTable {
            compressed_sizes: Vec::with_capacity(frames),
            plain_sizes: Vec::with_capacity(frames),
            marks: Vec::with_capacity(frames.div_ceil(FRAMES_PER_MARK)),
            end: Mark::default(),
        }
    }

    /// Enters the next frame after checking its sizes.
    pub(super) fn push(&mut self, compressed_bytes: u32, plain_bytes: u32) -> Result<(), ArchiveError> {
        check_frame_sizes(compressed_bytes.into(), plain_bytes.into())?;
        if self.plain_sizes.len() as u64 >= FRAME_LIMIT {
            return Err(ArchiveError::ArchiveAbsurd { what: "frames", value: FRAME_LIMIT + 1 });
        }
        if self.plain_sizes.len().is_multiple_of(FRAMES_PER_MARK) {
            self.marks.push(self.end);
        }
        self.compressed_sizes.push(compressed_bytes);
        self.plain_sizes.push(plain_bytes);
        // 2^24 frames of under 2^26 bytes: no overflow.
        self.end.compressed += u64::from(compressed_bytes);
        self.end.plain += u64::from(plain_bytes);
        Ok(())
    }

    /// Returns the number of data frames.
    pub fn frame_count(&self) -> usize {
        self.plain_sizes.len()
    }

    /// Returns the sum of plain bytes: the length of the tar stream.
    pub fn plain_bytes(&self) -> u64 {
        self.end.plain
    }

    /// Returns the sum of compressed bytes: where the data frames end in the file.
    pub fn compressed_bytes(&self) -> u64 {
        self.end.compressed
    }

    /// Returns the frame that holds the plain byte at `plain_offset`, or `None` past the end.
    pub fn frame_at(&self, plain_offset: u64) -> Option<usize> {
        if plain_offset >= self.end.plain {
            return None;
        }
        // The first mark is at 0, so at least one lies at or before the offset.
        let mark = self.marks.partition_point(|mark| mark.plain <= plain_offset) - 1;
        let mut frame = mark * FRAMES_PER_MARK;
        let mut end = self.marks[mark].plain;
        loop {
            end += u64::from(self.plain_sizes[frame]);
            if plain_offset < end {
                return Some(frame);
            }
            frame += 1;
        }
    }

    /// Returns the plain range of a frame.
    ///
    /// # Panics
    /// When `frame` is not below [`Self::frame_count`].
    pub fn plain_range(&self, frame: usize) -> Range<u64> {
        range(frame, &self.plain_sizes, self.marks[frame / FRAMES_PER_MARK].plain)
    }

    /// Returns the compressed range of a frame in the file.
    ///
    /// # Panics
    /// When `frame` is not below [`Self::frame_count`].
    pub fn compressed_range(&self, frame: usize) -> Range<u64> {
        range(frame, &self.compressed_sizes, self.marks[frame / FRAMES_PER_MARK].compressed)
    }

    /// Cuts a plain range, such as [`super::ArchiveMember::content_range`], at the frames' borders. What lies past the end is left out.
    pub fn pieces(&self, plain: Range<u64>) -> impl Iterator<Item = FramePiece> + '_ {
        let end = plain.end.min(self.end.plain);
        let first = if plain.start < end { self.frame_at(plain.start) } else { None };
        let mut frame = first.unwrap_or(0);
        let mut frame_start = first.map_or(0, |frame| self.plain_range(frame).start);
        let mut at = if first.is_some() { plain.start } else { end };
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let frame_end = frame_start + u64::from(self.plain_sizes[frame]);
            // Both fit: a frame is at most 16 MiB long.
            let piece = FramePiece {
                frame,
                offset_in_frame: (at - frame_start) as usize,
                len: (frame_end.min(end) - at) as usize,
            };
            at = frame_end;
            frame_start = frame_end;
            frame += 1;
            Some(piece)
        })
    }
}

fn range(frame: usize, sizes: &[u32], mark: u64) -> Range<u64> {
    let first = frame / FRAMES_PER_MARK * FRAMES_PER_MARK;
    let start = mark + sizes[first..frame].iter().map(|&size| u64::from(size)).sum::<u64>();
    start..start + u64::from(sizes[frame])
}

/// Checks the sizes of one data frame against the format's limits.
pub(super) fn check_frame_sizes(compressed_bytes: u64, plain_bytes: u64) -> Result<(), ArchiveError> {
    if !(u64::from(FRAME_COMPRESSED_LEAST_BYTES)..=FRAME_COMPRESSED_LIMIT_BYTES.into()).contains(&compressed_bytes) {
        return Err(ArchiveError::ArchiveAbsurd { what: "compressed bytes of a frame", value: compressed_bytes });
    }
    if !(1..=u64::from(FRAME_PLAIN_LIMIT_BYTES)).contains(&plain_bytes) {
        return Err(ArchiveError::ArchiveAbsurd { what: "plain bytes of a frame", value: plain_bytes });
    }
    Ok(())
}

/// Returns the plain frame size in bytes for a stream of about `plain_bytes`: 256 KiB, doubled until at most
/// 4 Mi frames are needed, so that a seek table never exceeds 32 MiB; at most 16 MiB.
pub fn frame_size_for(plain_bytes: u64) -> u32 {
    const LEAST_BYTES: u32 = 256 << 10;
    const FRAMES_AIMED_AT: u64 = 4 << 20;
    let mut size = LEAST_BYTES;
    while size < FRAME_PLAIN_LIMIT_BYTES && plain_bytes.div_ceil(size.into()) > FRAMES_AIMED_AT {
        size *= 2;
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_the_frame_size_until_the_table_stays_small() {
        const TIB: u64 = 1 << 40;
        for (plain, size) in [
            (0, 256 << 10),
            (5 << 30, 256 << 10),
            (TIB, 256 << 10),
            (TIB + 1, 512 << 10),
            (2 * TIB, 512 << 10),
            (64 * TIB, 16 << 20),
            (65 * TIB, 16 << 20),
            (u64::MAX, 16 << 20),
        ] {
            assert_eq!(frame_size_for(plain), size, "{plain}");
        }
    }

    #[test]
    fn refuses_frames_that_no_writer_makes() {
        let mut table = SeekTable::default();
        for (compressed, plain) in [(8, 1), (9, 0), (9, (16 << 20) + 1), ((32 << 20) + 1, 1), (u32::MAX, u32::MAX)] {
            assert!(matches!(table.push(compressed, plain), Err(ArchiveError::ArchiveAbsurd { .. })));
        }
        table.push(9, 1).unwrap();
        table.push(32 << 20, 16 << 20).unwrap();
        assert_eq!(table.frame_count(), 2);
    }

    #[test]
    fn an_empty_table_holds_no_byte() {
        let table = SeekTable::default();
        assert_eq!(table.frame_at(0), None);
        assert_eq!(table.pieces(0..10).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn agrees_with_a_plain_list_of_offsets(
            sizes in proptest::collection::vec((9u32..5000, 1u32..2000), 1..400),
            picks in proptest::collection::vec(any::<(u32, u32)>(), 20),
        ) {
            let mut table = SeekTable::with_capacity(sizes.len());
            let mut owner = Vec::new();
            let (mut compressed_at, mut plain_at) = (0u64, 0u64);
            for (frame, &(compressed, plain)) in sizes.iter().enumerate() {
                table.push(compressed, plain).unwrap();
                owner.extend(std::iter::repeat_n(frame, plain as usize));
                compressed_at += u64::from(compressed);
                plain_at += u64::from(plain);
                prop_assert_eq!(table.compressed_range(frame), compressed_at - u64::from(compressed)..compressed_at);
                prop_assert_eq!(table.plain_range(frame), plain_at - u64::from(plain)..plain_at);
            }
            prop_assert_eq!(table.plain_bytes(), plain_at);
            prop_assert_eq!(table.compressed_bytes(), compressed_at);
            prop_assert_eq!(table.frame_at(plain_at), None);
            for (a, b) in picks {
                let (a, b) = (u64::from(a) % plain_at, u64::from(b) % (plain_at + 10));
                prop_assert_eq!(table.frame_at(a), Some(owner[a as usize]));
                let mut at = a;
                for piece in table.pieces(a..b) {
                    prop_assert!(piece.len > 0);
                    let range = table.plain_range(piece.frame);
                    prop_assert_eq!(range.start + piece.offset_in_frame as u64, at);
                    at += piece.len as u64;
                    prop_assert!(at <= range.end);
                }
                prop_assert_eq!(at, b.min(plain_at).max(a));
            }
        }
    }
}
