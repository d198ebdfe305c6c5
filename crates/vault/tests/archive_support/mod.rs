//! An archive in memory, made by the writer under test, for the tests of this folder.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod handmade;

use std::io::{self, Write};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use vault::archive::*;
use vault::storage::{ObjectReader, PutStream, StorageError};

/// A sealed object in memory.
#[derive(Clone)]
pub struct MemoryObject(pub Arc<Vec<u8>>);

impl ObjectReader for MemoryObject {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        let range = usize::try_from(offset).ok().and_then(|start| Some(start..start.checked_add(buffer.len())?));
        match range.and_then(|range| self.0.get(range)) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(StorageError::StorageShort {
                storage: "memory".into(),
                object: "archive".into(),
                size_bytes: self.size_bytes(),
                wanted_bytes: offset.saturating_add(buffer.len() as u64),
            }),
        }
    }
}

/// Takes what a writer writes.
#[derive(Clone, Default)]
pub struct MemoryStream(pub Arc<Mutex<Vec<u8>>>);

impl Write for MemoryStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl PutStream for MemoryStream {
    fn commit(self: Box<Self>) -> Result<(), StorageError> {
        Ok(())
    }

    fn publish(self: Box<Self>) -> Result<(), StorageError> {
        self.commit()
    }
}

/// What an archive is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub mode: u32,
    pub modified_seconds: i64,
    pub content: Vec<u8>,
}

pub fn file(path: &str, content: &[u8]) -> Item {
    Item {
        path: path.as_bytes().to_vec(),
        kind: MemberKind::File,
        mode: 0o600,
        modified_seconds: 1_700_000_000,
        content: content.to_vec(),
    }
}

pub fn directory(path: &str) -> Item {
    Item { kind: MemberKind::Directory, mode: 0o700, ..file(path, b"") }
}

/// Makes bytes that do not compress (xorshift; the same each time).
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

/// Writes the tar stream of `items` and returns it with its members.
pub fn tar_stream(items: &[Item]) -> (Vec<u8>, Vec<ArchiveMember>) {
    let mut plain = Vec::new();
    let mut members = Vec::new();
    for item in items {
        let header = TarMember {
            path: &item.path,
            kind: item.kind,
            mode: item.mode,
            modified_seconds: item.modified_seconds,
            size_bytes: item.content.len() as u64,
        };
        header.append_header(&mut plain).unwrap();
        members.push(ArchiveMember {
            path: item.path.clone(),
            kind: item.kind,
            mode: item.mode,
            modified_seconds: item.modified_seconds,
            size_bytes: item.content.len() as u64,
            content_offset: plain.len() as u64,
            crc32c: crc32c::crc32c(&item.content),
        });
        plain.extend_from_slice(&item.content);
        plain.resize(plain.len() + padding_bytes(item.content.len() as u64), 0);
    }
    plain.resize(plain.len() + END_OF_TAR_BYTES, 0);
    (plain, members)
}

/// Seals `items` in frames of `frame_bytes`.
pub fn seal(items: &[Item], frame_bytes: usize, level: i32) -> (Vec<u8>, SealedArchive) {
    let (plain, members) = tar_stream(items);
    let stream = MemoryStream::default();
    let mut writer = ArchiveWriter::new(Box::new(stream.clone()), None).unwrap();
    let mut encoder = FrameEncoder::new(level).unwrap();
    let mut frame = Vec::new();
    for chunk in plain.chunks(frame_bytes) {
        frame.clear();
        encoder.encode(chunk, &mut frame).unwrap();
        writer.append_frame(&frame, chunk.len() as u32).unwrap();
    }
    for member in &members {
        writer.add_member(member).unwrap();
    }
    let (sealed, _) = writer.finish().unwrap();
    let bytes = stream.0.lock().unwrap().clone();
    (bytes, sealed)
}

pub fn open(bytes: &[u8]) -> Result<ArchiveReader, ArchiveError> {
    ArchiveReader::open(Box::new(MemoryObject(Arc::new(bytes.to_vec()))))
}

/// Reads and checks all there is, as a deep validation does; returns what a restore would make.
pub fn walk(bytes: &[u8]) -> Result<Vec<Item>, ArchiveError> {
    let reader = open(bytes)?;
    let layout = TarLayout::load(&reader)?;
    let mut items: Vec<Item> = layout
        .members()
        .iter()
        .map(|member| Item {
            path: member.path.clone(),
            kind: member.kind,
            mode: member.mode,
            modified_seconds: member.modified_seconds,
            content: Vec::new(),
        })
        .collect();
    let mut checker = TarChecker::new(&layout);
    let mut decoder = FrameDecoder::new()?;
    let (mut scratch, mut plain) = (Vec::new(), Vec::new());
    for frame in 0..reader.seek_table().frame_count() {
        reader.read_frame(frame, &mut decoder, &mut scratch, &mut plain)?;
        checker.feed(&plain, |content| {
            items[content.index].content.extend_from_slice(content.bytes);
            Ok::<(), ArchiveError>(())
        })?;
    }
    checker.finish()?;
    Ok(items)
}

/// Runs a tool; it must be there, as it is on every system that this project is tested on.
pub fn run_tool(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}
