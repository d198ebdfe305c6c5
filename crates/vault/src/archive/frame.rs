use super::ArchiveError;
use super::frame_parameters::{fixed_parameters, frame_parameters, wal_frame_parameters};
use super::limits::{FRAME_COMPRESSED_LIMIT_BYTES, FRAME_PLAIN_LIMIT_BYTES};
use std::io::Cursor;
use zstd::zstd_safe::{self, CCtx, DCtx, ResetDirective};

/// The first bytes of a zstd frame with content (RFC 8878).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Compresses plain bytes into one independent zstd frame (content size stored, no dictionary). One per worker; contexts are reused.
pub struct FrameEncoder {
    context: CCtx<'static>,
    level: i32,
    holds_wal: bool,
}

impl FrameEncoder {
    /// Makes one for the cluster's files. Takes a zstd level, 1 to 19 (negative "fast" levels down to -7 too).
    ///
    /// # Errors
    /// `ArchiveCodec` for any other level, and when zstd has no memory for a context.
    pub fn new(level: i32) -> Result<Self, ArchiveError> {
        Self::with_content(level, false)
    }

    /// Makes one for the write-ahead log, of which nothing but the log is in its frames.
    ///
    /// # Errors
    /// As [`FrameEncoder::new`].
    pub fn for_wal(level: i32) -> Result<Self, ArchiveError> {
        Self::with_content(level, true)
    }

    fn with_content(level: i32, holds_wal: bool) -> Result<Self, ArchiveError> {
        if !((1..=19).contains(&level) || (-7..=-1).contains(&level)) {
            return Err(ArchiveError::ArchiveCodec { detail: format!("level {level} is not in -7 to -1 or 1 to 19") });
        }
        let mut context = CCtx::try_create().ok_or_else(no_memory)?;
        for parameter in fixed_parameters(level) {
            context.set_parameter(parameter).map_err(codec)?;
        }
        Ok(FrameEncoder { context, level, holds_wal })
    }

    /// Appends the frame to `out`.
    ///
    /// # Errors
    /// `ArchiveMisuse` when `plain` is empty or over 16 MiB; `ArchiveCodec` when zstd fails. `out` is then as it was.
    pub fn encode(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        if plain.is_empty() || plain.len() > FRAME_PLAIN_LIMIT_BYTES as usize {
            return Err(ArchiveError::misuse(format!("a frame of {} plain bytes", plain.len())));
        }
        let parameters =
            if self.holds_wal { wal_frame_parameters(self.level) } else { frame_parameters(self.level, plain) };
        for parameter in parameters {
            self.context.set_parameter(parameter).map_err(codec)?;
        }
        let before = out.len();
        out.reserve(zstd_safe::compress_bound(plain.len()));
        let mut end = Cursor::new(&mut *out);
        end.set_position(before as u64);
        if let Err(code) = self.context.compress2(&mut end, plain) {
            // zstd keeps a failed frame open; dropping the session cannot fail and keeps the parameters.
            let _ = self.context.reset(ResetDirective::SessionOnly);
            out.truncate(before);
            return Err(codec(code));
        }
        Ok(())
    }
}

/// Decompresses one frame. One per worker.
pub struct FrameDecoder {
    context: DCtx<'static>,
}

impl FrameDecoder {
    /// Makes one.
    ///
    /// # Errors
    /// `ArchiveCodec` when zstd has no memory for a context.
    pub fn new() -> Result<Self, ArchiveError> {
        Ok(FrameDecoder { context: DCtx::try_create().ok_or_else(no_memory)? })
    }

    /// Replaces `out` by the frame's content, which must be exactly `plain_bytes` long.
    ///
    /// Never needs more memory than `plain_bytes`, whatever the frame says of itself.
    ///
    /// # Errors
    /// `ArchiveAbsurd` for lengths over the format's limits; `ArchiveCodec` when `frame` is not exactly one zstd frame that
    /// stores this content size, needs no dictionary and decodes. `out` is then empty.
    pub fn decode(&mut self, frame: &[u8], plain_bytes: u32, out: &mut Vec<u8>) -> Result<(), ArchiveError> {
        out.clear();
        if plain_bytes > FRAME_PLAIN_LIMIT_BYTES {
            return Err(ArchiveError::ArchiveAbsurd { what: "plain bytes of a frame", value: plain_bytes.into() });
        }
        if frame.len() > FRAME_COMPRESSED_LIMIT_BYTES as usize {
            return Err(ArchiveError::ArchiveAbsurd { what: "compressed bytes of a frame", value: frame.len() as u64 });
        }
        // zstd's decoder takes skippable frames for empty ones.
        if !frame.starts_with(&ZSTD_MAGIC) {
            return Err(bad_frame("it has no zstd frame header"));
        }
        match zstd_safe::get_frame_content_size(frame) {
            Ok(Some(size)) if size == u64::from(plain_bytes) => {}
            Ok(Some(size)) => return Err(bad_frame(format!("its header says {size} plain bytes, not {plain_bytes}"))),
            Ok(None) => return Err(bad_frame("its header has no content size")),
            Err(_) => return Err(bad_frame("it has no zstd frame header")),
        }
        // One call of zstd's decoder takes several frames in a row, and skippable ones; this format does not.
        if zstd_safe::find_frame_compressed_size(frame).map_err(codec)? != frame.len() {
            return Err(bad_frame("it is not exactly one zstd frame"));
        }
        if zstd_safe::get_dict_id_from_frame(frame).is_some() {
            return Err(bad_frame("it needs a dictionary"));
        }
        // `reserve_exact` on an empty vector: a buffer that is used again is large enough, and nothing is zero-filled.
        out.reserve_exact(plain_bytes as usize);
        match self.context.decompress(out, frame) {
            Ok(size) if size == plain_bytes as usize => Ok(()),
            Ok(size) => {
                out.clear();
                Err(bad_frame(format!("it holds {size} plain bytes, not {plain_bytes}")))
            }
            Err(code) => {
                out.clear();
                Err(codec(code))
            }
        }
    }
}

pub(super) fn codec(code: zstd_safe::ErrorCode) -> ArchiveError {
    ArchiveError::ArchiveCodec { detail: zstd_safe::get_error_name(code).to_owned() }
}

fn bad_frame(detail: impl Into<String>) -> ArchiveError {
    ArchiveError::ArchiveCodec { detail: detail.into() }
}

fn no_memory() -> ArchiveError {
    ArchiveError::ArchiveCodec { detail: "no memory for a zstd context".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(plain: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        FrameEncoder::new(1).unwrap().encode(plain, &mut out).unwrap();
        out
    }

    #[test]
    fn refuses_levels_that_the_format_does_not_offer() {
        for level in [i32::MIN, -8, 0, 20, 22, i32::MAX] {
            assert!(matches!(FrameEncoder::new(level), Err(ArchiveError::ArchiveCodec { .. })), "{level}");
        }
        for level in (-7..=-1).chain(1..=19) {
            assert!(FrameEncoder::new(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn appends_to_what_the_vector_holds_and_reuses_its_context() {
        let mut encoder = FrameEncoder::new(3).unwrap();
        let mut decoder = FrameDecoder::new().unwrap();
        let mut out = b"before".to_vec();
        let first: Vec<u8> = (0..300_000u32).flat_map(|n| n.to_le_bytes()).collect();
        encoder.encode(&first, &mut out).unwrap();
        let middle = out.len();
        encoder.encode(b"second", &mut out).unwrap();
        assert_eq!(&out[..6], b"before");
        let mut plain = Vec::new();
        decoder.decode(&out[6..middle], first.len() as u32, &mut plain).unwrap();
        assert_eq!(plain, first);
        decoder.decode(&out[middle..], 6, &mut plain).unwrap();
        assert_eq!(plain, b"second");
    }

    #[test]
    fn refuses_plain_bytes_that_no_frame_may_have() {
        let mut encoder = FrameEncoder::new(1).unwrap();
        let mut out = vec![7];
        assert!(matches!(encoder.encode(b"", &mut out), Err(ArchiveError::ArchiveMisuse { .. })));
        let long = vec![0; FRAME_PLAIN_LIMIT_BYTES as usize + 1];
        assert!(matches!(encoder.encode(&long, &mut out), Err(ArchiveError::ArchiveMisuse { .. })));
        encoder.encode(&long[1..], &mut out).unwrap();
        assert_eq!(out[0], 7);
    }

    #[test]
    fn refuses_a_frame_of_another_length_two_frames_and_a_skippable_one() {
        let mut decoder = FrameDecoder::new().unwrap();
        let mut out = Vec::new();
        let frame = encoded(b"hello");
        assert!(decoder.decode(&frame, 4, &mut out).is_err());
        assert!(decoder.decode(&frame, 6, &mut out).is_err());
        assert!(decoder.decode(&frame[..frame.len() - 1], 5, &mut out).is_err());
        assert!(decoder.decode(&[&frame[..], &frame[..]].concat(), 10, &mut out).is_err());
        assert!(decoder.decode(&[&frame[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat(), 5, &mut out).is_err());
        assert!(decoder.decode(&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], 0, &mut out).is_err());
        assert!(decoder.decode(&[], 0, &mut out).is_err());
        assert!(out.is_empty());
        decoder.decode(&frame, 5, &mut out).unwrap();
        assert_eq!(out, b"hello");
    }

    #[test]
    fn takes_no_more_memory_than_the_caller_allows() {
        let mut decoder = FrameDecoder::new().unwrap();
        let bomb = encoded(&vec![0; FRAME_PLAIN_LIMIT_BYTES as usize]);
        let mut out = Vec::new();
        assert!(decoder.decode(&bomb, 100, &mut out).is_err());
        assert!(out.capacity() <= 4096);
        assert!(matches!(decoder.decode(&bomb, u32::MAX, &mut out), Err(ArchiveError::ArchiveAbsurd { .. })));
        decoder.decode(&bomb, FRAME_PLAIN_LIMIT_BYTES, &mut out).unwrap();
        assert_eq!(out.len(), FRAME_PLAIN_LIMIT_BYTES as usize);
    }
}
