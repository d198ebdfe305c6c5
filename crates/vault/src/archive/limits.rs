//! The bounds of format version 1. A writer keeps them, a reader refuses what exceeds them before it allocates anything.

/// The format version that this program writes, and the highest that it reads.
pub(super) const FORMAT_VERSION: u16 = 1;
/// Plain bytes of one data frame at the most.
pub(super) const FRAME_PLAIN_LIMIT_BYTES: u32 = 16 << 20;
/// Compressed bytes of one data frame at the most.
pub(super) const FRAME_COMPRESSED_LIMIT_BYTES: u32 = 32 << 20;
/// No zstd frame with content is shorter: magic, frame header descriptor, content size, one block header.
pub(super) const FRAME_COMPRESSED_LEAST_BYTES: u32 = 9;
/// Data frames at the most: four times what [`super::frame_size_for`] aims at, since estimates may be low.
pub(super) const FRAME_LIMIT: u64 = 16 << 20;
/// Payload of one service frame at the most.
pub(super) const SERVICE_PAYLOAD_LIMIT_BYTES: u32 = 1 << 20;
/// Plain bytes of one index chunk at the most.
pub(super) const INDEX_CHUNK_LIMIT_BYTES: u32 = 512 << 10;
/// Bytes of a member's path at the most: what Linux calls PATH_MAX.
pub(super) const PATH_LIMIT_BYTES: usize = 4096;
