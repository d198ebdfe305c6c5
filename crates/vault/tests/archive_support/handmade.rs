//! Makes archives by hand from what docs/format/archive.md says, without the writer under test: what it would refuse to make
//! can be made here.

use super::ArchiveMember;
use vault::archive::MemberKind;

/// The parts of an archive, each open to mischief before [`Handmade::bytes`] puts them together.
#[derive(Clone)]
pub struct Handmade {
    /// Plain bytes of each data frame.
    pub frames: Vec<Vec<u8>>,
    /// Plain bytes of each index chunk.
    pub chunks: Vec<Vec<u8>>,
    pub members: u64,
    /// Sizes to enter into the seek table in place of the true ones: (entry, compressed, plain).
    pub entries: Vec<(usize, u32, u32)>,
    pub version: u16,
    /// Overrides the plain bytes in the summary.
    pub plain_bytes: Option<u64>,
}

impl Handmade {
    /// Takes a tar stream and its members as they are, in one frame and one chunk.
    pub fn new(plain: &[u8], members: &[ArchiveMember]) -> Self {
        Handmade {
            frames: vec![plain.to_vec()],
            chunks: vec![chunk(0, members)],
            members: members.len() as u64,
            entries: Vec::new(),
            version: 1,
            plain_bytes: None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut table = Vec::new();
        let mut checksums = Vec::new();
        for plain in &self.frames {
            let frame = compress(plain);
            checksums.extend(crc32c::crc32c(&frame).to_le_bytes());
            table.push((frame.len() as u32, plain.len() as u32));
            out.extend(frame);
        }
        let mut service = |kind, ordinal: usize, payload: &[u8], table: &mut Vec<(u32, u32)>| {
            let frame = self.service_frame(kind, ordinal as u32, payload);
            table.push((frame.len() as u32, 0));
            out.extend(frame);
        };
        for (ordinal, chunk) in self.chunks.iter().enumerate() {
            service(1, ordinal, &compress(chunk), &mut table);
        }
        if !checksums.is_empty() {
            service(2, 0, &checksums, &mut table);
        }
        table.push((64, 0));
        for &(entry, compressed, plain) in &self.entries {
            table[entry] = (compressed, plain);
        }
        let seek_table = seek_table(&table);
        let mut summary = Vec::new();
        summary.extend((self.frames.len() as u64).to_le_bytes());
        summary.extend(self.members.to_le_bytes());
        let plain_bytes = self.frames.iter().map(|frame| frame.len() as u64).sum();
        summary.extend(self.plain_bytes.unwrap_or(plain_bytes).to_le_bytes());
        summary.extend((self.chunks.len() as u32).to_le_bytes());
        summary.extend(u32::from(!checksums.is_empty()).to_le_bytes());
        summary.extend(crc32c::crc32c(&seek_table).to_le_bytes());
        out.extend(self.service_frame(3, 0, &summary));
        out.extend(seek_table);
        out
    }

    fn service_frame(&self, kind: u8, ordinal: u32, payload: &[u8]) -> Vec<u8> {
        let mut frame = 0x184D_2A51u32.to_le_bytes().to_vec();
        frame.extend((payload.len() as u32 + 20).to_le_bytes());
        frame.extend(b"CADENA-A");
        frame.extend(self.version.to_le_bytes());
        frame.extend([kind, 0]);
        frame.extend(ordinal.to_le_bytes());
        frame.extend(payload);
        frame.extend(crc32c::crc32c(&frame).to_le_bytes());
        frame
    }
}

pub fn seek_table(entries: &[(u32, u32)]) -> Vec<u8> {
    let mut table = 0x184D_2A5Eu32.to_le_bytes().to_vec();
    table.extend((entries.len() as u32 * 8 + 9).to_le_bytes());
    for (compressed, plain) in entries {
        table.extend(compressed.to_le_bytes());
        table.extend(plain.to_le_bytes());
    }
    table.extend((entries.len() as u32).to_le_bytes());
    table.push(0);
    table.extend(0x8F92_EAB1u32.to_le_bytes());
    table
}

pub fn compress(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 1).unwrap()
}

/// Writes a chunk whose first header is at `position`.
pub fn chunk(position: u64, members: &[ArchiveMember]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(&mut out, position);
    let mut path: &[u8] = b"";
    let mut modified = 0i64;
    for member in members {
        let shared = path.iter().zip(&member.path).take_while(|(a, b)| a == b).count();
        entry(&mut out, shared as u64, &member.path[shared..], member, member.modified_seconds.wrapping_sub(modified));
        path = &member.path;
        modified = member.modified_seconds;
    }
    out
}

pub fn entry(out: &mut Vec<u8>, shared: u64, suffix: &[u8], member: &ArchiveMember, modified_delta: i64) {
    varint(out, shared);
    varint(out, suffix.len() as u64);
    out.extend(suffix);
    varint(out, u64::from(member.mode) * 2 + u64::from(member.kind == MemberKind::Directory));
    let doubled = modified_delta.wrapping_mul(2) as u64;
    varint(out, if modified_delta < 0 { !doubled } else { doubled });
    if member.kind == MemberKind::File {
        varint(out, member.size_bytes);
        if member.size_bytes > 0 {
            out.extend(member.crc32c.to_le_bytes());
        }
    }
}

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}
