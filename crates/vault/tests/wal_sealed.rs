//! Sealed segments: there and back, by our reader and by zstd; damage; the same segment twice.
#![allow(clippy::print_stderr, reason = "a test says what it skips")]

mod wal_support;

use pgformat::{Lsn, MajorVersion, SystemIdentifier, TimelineId, WalSegment};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use vault::wal::{SealOutcome, WalArchive, WalArchiveError};
use wal_support::*;

fn sealed_path(folder: &Path, archive: &WalArchive, segment: WalSegment) -> PathBuf {
    let name = segment.file_name(archive.geometry().segment_size);
    folder.join(format!("wal/{:08X}/{name}.zst", segment.timeline.0))
}

/// Returns what `zstd -dc` makes of a file; `None` when the program is not installed.
fn unpacked_by_zstd(path: &Path) -> Option<Vec<u8>> {
    let Ok(output) = Command::new("zstd").arg("-dc").arg(path).output() else {
        eprintln!("NOT TESTED: the program zstd is not installed (scripts/setup-servers installs it)");
        return None;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

#[test]
fn segments_of_every_size_come_back_as_they_went_and_zstd_opens_them() {
    for (mebibytes, jobs, piece_bytes) in
        [(1, 1, 8192), (1, 3, 1 << 20), (4, 2, 777_777), (16, 2, 16 << 20), (64, 5, 131_072)]
    {
        let folder = fast_folder();
        let archive = archive(folder.path(), mebibytes);
        let (segment, bytes) = (segment(9), whole_segment(*archive.geometry(), 9, mebibytes));
        assert_eq!(seal_in_pieces(&archive, segment, &bytes, piece_bytes, jobs).unwrap(), SealOutcome::Archived);

        let mut read = vec![1; 5];
        let info = archive.read_sealed(segment, &mut read).unwrap();
        assert_eq!(Sha256::digest(&read), Sha256::digest(&bytes), "{mebibytes} MiB");
        let path = sealed_path(folder.path(), &archive, segment);
        if let Some(unpacked) = unpacked_by_zstd(&path) {
            assert_eq!(Sha256::digest(&unpacked), Sha256::digest(&bytes), "{mebibytes} MiB");
        }

        let summary = said_by(*archive.geometry(), segment, &bytes);
        assert_eq!(summary.restore_points.len(), 1);
        assert_eq!(info.summary, summary);
        assert_eq!(info, archive.info(segment).unwrap());
        assert_eq!(archive.summary(segment).unwrap(), summary);
        assert_eq!(info.segment, segment.file_name(archive.geometry().segment_size));
        assert_eq!((info.segment_bytes, info.crc32c), (mebibytes << 20, crc32c::crc32c(&bytes)));
        assert_eq!((info.restore_points_total, info.tool_version.as_str()), (1, TOOL));
        let found = archive.find(segment).unwrap().unwrap();
        assert_eq!(found.size_bytes, fs::metadata(&path).unwrap().len());
        assert_eq!(wal_files(folder.path()).len(), 1);
    }
}

#[test]
fn whoever_opens_the_archive_later_reads_what_was_sealed() {
    let folder = fast_folder();
    assert!(WalArchive::open(&repository(folder.path())).unwrap().is_none());
    let bytes = whole_segment(geometry(1), 3, 1);
    seal(&archive(folder.path(), 1), segment(3), &bytes).unwrap();
    let archive = WalArchive::open(&repository(folder.path())).unwrap().unwrap();
    assert_eq!(*archive.geometry(), geometry(1));
    let mut read = Vec::new();
    archive.read_sealed(segment(3), &mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(key(archive.info(segment(4))), "wal-missing");
    assert_eq!(key(archive.summary(segment(4))), "wal-missing");
    assert_eq!(key(archive.read_sealed(segment(4), &mut read)), "wal-missing");
    assert_eq!(key(archive.read_partial(segment(4), &mut read)), "wal-missing");
    assert_eq!(archive.find(segment(4)).unwrap(), None);
}

#[test]
fn every_flipped_bit_is_found() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let segment = segment(9);
    seal(&archive, segment, &whole_segment(*archive.geometry(), 9, 1)).unwrap();
    let path = sealed_path(folder.path(), &archive, segment);
    let good = fs::read(&path).unwrap();
    let trailer_bytes = u32::from_le_bytes(good[good.len() - 12..good.len() - 8].try_into().unwrap()) as usize;
    let trailer_at = good.len() - trailer_bytes;
    // Every bit of the first frame's header and of the trailer, and some of each part of what lies between.
    let between = (200..trailer_at).step_by(1_999).map(|at| (at, 1 << (at % 8)));
    let edges = (0..200).chain(trailer_at - 16..good.len()).flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)));
    let mut read = Vec::new();
    for (at, bit) in edges.chain(between) {
        let mut bad = good.clone();
        bad[at] ^= bit;
        fs::write(&path, &bad).unwrap();
        assert_eq!(key(archive.read_sealed(segment, &mut read)), "wal-damaged", "bit {bit} of byte {at}");
        assert!(read.is_empty());
        if at >= trailer_at {
            assert_eq!(key(archive.info(segment)), "wal-damaged", "bit {bit} of byte {at}");
        }
    }
    fs::write(&path, &good).unwrap();
    archive.read_sealed(segment, &mut read).unwrap();
}

#[test]
fn cut_longer_renamed_and_empty_files_are_found() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    seal(&archive, segment(9), &whole_segment(*archive.geometry(), 9, 1)).unwrap();
    let path = sealed_path(folder.path(), &archive, segment(9));
    let good = fs::read(&path).unwrap();
    let mut read = Vec::new();
    let lengths = (0..64).chain((64..good.len()).step_by(4_999)).chain(good.len() - 64..good.len());
    for length in lengths {
        fs::write(&path, &good[..length]).unwrap();
        assert_eq!(key(archive.read_sealed(segment(9), &mut read)), "wal-damaged", "{length} bytes");
        assert_eq!(key(archive.info(segment(9))), "wal-damaged", "{length} bytes");
    }
    for bad in [
        [&good[..], b"x"].concat(),
        [&good[..], &good].concat(),
        [b"x", &good[..]].concat(),
        good[1..].to_vec(),
        vec![0; good.len()],
        b"not a sealed segment at all, but long enough for one".to_vec(),
    ] {
        fs::write(&path, &bad).unwrap();
        assert_eq!(key(archive.info(segment(9))), "wal-damaged");
    }
    fs::write(&path, &good).unwrap();
    fs::rename(&path, sealed_path(folder.path(), &archive, segment(10))).unwrap();
    assert_eq!(key(archive.info(segment(10))), "wal-damaged");
    assert_eq!(key(archive.read_sealed(segment(10), &mut read)), "wal-damaged");
}

/// Replaces a file's trailer by one that `change` made, with a right checksum.
fn with_trailer(good: &[u8], change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let length = u32::from_le_bytes(good[good.len() - 12..good.len() - 8].try_into().unwrap()) as usize;
    let (frames, trailer) = good.split_at(good.len() - length);
    let mut body = trailer[..length - 16].to_vec();
    change(&mut body);
    let crc = crc32c::crc32c(&body);
    let footer = [&crc.to_le_bytes()[..], &trailer[length - 12..]].concat();
    [frames, &body, &footer].concat()
}

#[test]
fn absurd_trailers_are_refused_and_newer_ones_are_told_from_damage() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    seal(&archive, segment(9), &whole_segment(*archive.geometry(), 9, 1)).unwrap();
    let path = sealed_path(folder.path(), &archive, segment(9));
    let good = fs::read(&path).unwrap();
    let outcome = |bad: Vec<u8>| {
        fs::write(&path, bad).unwrap();
        archive.info(segment(9)).map_err(|error| serde_json::to_value(error).unwrap()["key"].clone())
    };
    assert!(outcome(with_trailer(&good, |_| ())).is_ok());
    assert_eq!(outcome(with_trailer(&good, |body| body[16] = 2)).unwrap_err(), "wal-newer");
    for (at, value) in
        [(16, 0_u32), (18, 1), (20, 0), (20, 2), (20, u32::MAX), (24, 0), (24, u32::MAX), (28, u32::MAX), (28, 1)]
    {
        let bad = with_trailer(&good, |body| body[at..at + 4].copy_from_slice(&value.to_le_bytes()));
        assert_eq!(outcome(bad).unwrap_err(), "wal-damaged", "{value} at {at}");
    }
    for length in [0, 43, 44, u32::MAX, good.len() as u32, good.len() as u32 + 1] {
        let mut bad = good.clone();
        let at = bad.len() - 12;
        bad[at..at + 4].copy_from_slice(&length.to_le_bytes());
        assert_eq!(outcome(bad).unwrap_err(), "wal-damaged", "a trailer of {length} bytes");
    }
}

#[test]
fn the_same_segment_twice_is_no_error_and_another_one_is_never_written_over_it() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let (bytes, other) = (whole_segment(*archive.geometry(), 9, 1), whole_segment(*archive.geometry(), 9, 2));
    assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), SealOutcome::Archived);
    let path = sealed_path(folder.path(), &archive, segment(9));
    let stored = fs::read(&path).unwrap();
    assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), SealOutcome::AlreadyThere);
    assert_eq!(key(seal(&archive, segment(9), &other)), "wal-conflict");
    assert_eq!(key(seal(&archive, segment(9), &bytes[..bytes.len() - 1])), "wal-invalid");
    assert_eq!(fs::read(&path).unwrap(), stored);

    // Nor over one that is damaged: it may be all that is left of what was there.
    for bad in [&b""[..], &stored[..stored.len() / 2]] {
        fs::write(&path, bad).unwrap();
        assert_eq!(key(seal(&archive, segment(9), &bytes)), "wal-damaged");
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), SealOutcome::Archived);
    assert_eq!(fs::read(&path).unwrap(), stored);
    assert_eq!(wal_files(folder.path()).len(), 1);
}

#[test]
fn bytes_that_are_not_this_segment_are_refused_and_leave_nothing() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 2);
    let own = *archive.geometry();
    let bytes = whole_segment(own, 9, 1);
    let foreign = pgformat::wal::WalGeometry { system_identifier: SystemIdentifier(5), ..own };
    let foreign_too = pgformat::wal::WalGeometry { version: MajorVersion::V14, ..foreign };
    for piece_bytes in [1 << 20, 7] {
        for geometry in [foreign, foreign_too] {
            let bytes = whole_segment(geometry, 9, 1);
            let refusal = seal_in_pieces(&archive, segment(9), &bytes, piece_bytes, 2).unwrap_err();
            match refusal {
                WalArchiveError::WalForeign { expected, found } => {
                    assert_eq!((expected, found), (IDENTIFIER.to_string(), "5".to_owned()));
                }
                other => panic!("{other}"),
            }
        }
    }
    let other_size = whole_segment(pgformat::wal::WalGeometry { segment_size: geometry(1).segment_size, ..own }, 18, 1);
    let mut torn = bytes.clone();
    torn[1_500_000] ^= 1;
    for (what, bad) in [
        ("nothing", vec![]),
        ("too few", bytes[..bytes.len() - 1].to_vec()),
        ("too many", [&bytes[..], &[0]].concat()),
        ("another segment", whole_segment(own, 10, 1)),
        ("another segment size", [&other_size[..], &other_size].concat()),
        ("a flipped bit", torn),
        ("zeros", vec![0; bytes.len()]),
    ] {
        assert_eq!(key(seal(&archive, segment(9), &bad)), "wal-invalid", "{what}");
        assert_eq!(wal_files(folder.path()), Vec::<String>::new(), "{what}");
    }
    // A newer timeline's WAL is none of an older one's.
    let mut crafter = WalCrafter::new(own, 9);
    crafter.timeline = TimelineId(2);
    crafter.fill_segment(0);
    assert_eq!(key(seal(&archive, segment(9), &crafter.bytes)), "wal-invalid");
    let ours = WalSegment { timeline: TimelineId(2), number: 9 };
    assert_eq!(seal(&archive, ours, &crafter.bytes).unwrap(), SealOutcome::Archived);
    // What was refused once takes nothing more.
    let mut sealer = archive.seal(segment(9), 1, 2).unwrap();
    assert!(sealer.write(&vec![0; 8192]).is_err());
    assert_eq!(key(sealer.write(&bytes)), "wal-invalid");
    assert_eq!(key(sealer.finish()), "wal-invalid");
    assert!(archive.seal(segment(9), 23, 1).is_err());
    assert_eq!(wal_files(folder.path()), ["wal/00000002/000000020000000000000009.zst"]);
}

#[test]
fn a_segment_may_be_read_right_into_the_sealers_frames() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let bytes = whole_segment(*archive.geometry(), 9, 1);
    let fill = |bytes: &[u8], at_most: usize| {
        let mut sealer = archive.seal(segment(9), 1, 2)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = sealer.room();
            assert!(!room.is_empty());
            let length = room.len().min(rest.len()).min(at_most);
            room[..length].copy_from_slice(&rest[..length]);
            sealer.filled(length)?;
            rest = &rest[length..];
        }
        sealer.filled(0)?;
        sealer.finish()
    };
    assert_eq!(key(fill(&bytes[..bytes.len() - 1], usize::MAX)), "wal-invalid");
    assert_eq!(key(fill(&[&bytes[..], &[0]].concat(), usize::MAX)), "wal-invalid");
    assert_eq!(key(fill(&whole_segment(*archive.geometry(), 10, 1), 1_000)), "wal-invalid");
    assert_eq!(wal_files(folder.path()), Vec::<String>::new());
    assert_eq!(fill(&bytes, 100_001).unwrap(), SealOutcome::Archived);
    let stored = fs::read(sealed_path(folder.path(), &archive, segment(9))).unwrap();
    assert_eq!(fill(&bytes, usize::MAX).unwrap(), SealOutcome::AlreadyThere);
    fs::remove_file(sealed_path(folder.path(), &archive, segment(9))).unwrap();
    assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), SealOutcome::Archived);
    assert!(fs::read(sealed_path(folder.path(), &archive, segment(9))).unwrap() == stored);
}

/// Makes a sealed segment again, with frames of another length.
fn with_frames_of(good: &[u8], plain: &[u8], frame_bytes: usize) -> Vec<u8> {
    let length = u32::from_le_bytes(good[good.len() - 12..good.len() - 8].try_into().unwrap()) as usize;
    let trailer = &good[good.len() - length..];
    let frames = u32::from_le_bytes(trailer[20..24].try_into().unwrap()) as usize;
    let mut encoder = vault::archive::FrameEncoder::new(3).unwrap();
    let (mut file, mut entries) = (Vec::new(), Vec::new());
    for plain in plain.chunks(frame_bytes) {
        let mut frame = Vec::new();
        encoder.encode(plain, &mut frame).unwrap();
        entries.extend((frame.len() as u32).to_le_bytes());
        entries.extend(crc32c::crc32c(&frame).to_le_bytes());
        file.extend(frame);
    }
    let mut body = [&trailer[..28], &entries, &trailer[28 + frames * 8..length - 16]].concat();
    let new_length = body.len() as u32 + 16;
    body[4..8].copy_from_slice(&(new_length - 8).to_le_bytes());
    body[20..24].copy_from_slice(&(entries.len() as u32 / 8).to_le_bytes());
    let crc = crc32c::crc32c(&body);
    [&file[..], &body, &crc.to_le_bytes(), &new_length.to_le_bytes(), b"CADENA-W"].concat()
}

#[test]
fn frames_of_every_allowed_length_are_read_and_no_others() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 4);
    let bytes = whole_segment(*archive.geometry(), 9, 1);
    seal(&archive, segment(9), &bytes).unwrap();
    let path = sealed_path(folder.path(), &archive, segment(9));
    let good = fs::read(&path).unwrap();
    let mut read = Vec::new();
    for kibibytes in [256, 512, 1024] {
        fs::write(&path, with_frames_of(&good, &bytes, kibibytes << 10)).unwrap();
        archive.read_sealed(segment(9), &mut read).unwrap();
        assert!(read == bytes, "{kibibytes} KiB");
        assert_eq!(seal(&archive, segment(9), &bytes).unwrap(), SealOutcome::AlreadyThere);
    }
    for frame_bytes in [128 << 10, 2 << 20, 4 << 20, 1_000_000, (256 << 10) + 1] {
        fs::write(&path, with_frames_of(&good, &bytes, frame_bytes)).unwrap();
        assert_eq!(key(archive.read_sealed(segment(9), &mut read)), "wal-damaged", "{frame_bytes} bytes");
    }
}

#[test]
fn a_sealer_that_is_dropped_leaves_nothing() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 16);
    let bytes = whole_segment(*archive.geometry(), 9, 1);
    for taken in [0, 1, 5 << 20, bytes.len()] {
        let mut sealer = archive.seal(segment(9), 1, 2).unwrap();
        sealer.write(&bytes[..taken]).unwrap();
        drop(sealer);
        assert_eq!(wal_files(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn of_many_sealers_of_one_segment_one_archives_it_and_the_others_agree_or_are_told() {
    let geometry = geometry(1);
    let contents = [whole_segment(geometry, 9, 1), whole_segment(geometry, 9, 2)];
    for round in 0..6 {
        let folder = fast_folder();
        let archive = archive(folder.path(), 1);
        // In even rounds all bring the same, in odd ones two kinds.
        let barrier = Barrier::new(6);
        let outcomes: Vec<(usize, Result<SealOutcome, WalArchiveError>)> = std::thread::scope(|scope| {
            let sealers: Vec<_> = (0..6)
                .map(|sealer| {
                    let (archive, barrier) = (archive.clone(), &barrier);
                    let which = if round % 2 == 0 { 0 } else { sealer % 2 };
                    let bytes = &contents[which];
                    scope.spawn(move || {
                        let mut sealer = archive.seal(segment(9), 1, 1).unwrap();
                        sealer.write(bytes).unwrap();
                        // All of them have begun before any of them ends.
                        barrier.wait();
                        (which, sealer.finish())
                    })
                })
                .collect();
            sealers.into_iter().map(|sealer| sealer.join().unwrap()).collect()
        });
        let mut read = Vec::new();
        archive.read_sealed(segment(9), &mut read).unwrap();
        let winners: Vec<_> =
            outcomes.iter().filter(|(_, outcome)| matches!(outcome, Ok(SealOutcome::Archived))).collect();
        assert_eq!(winners.len(), 1);
        let winner = winners[0].0;
        assert!(read == contents[winner]);
        for (which, outcome) in outcomes {
            match outcome {
                Ok(_) => assert_eq!(which, winner),
                Err(WalArchiveError::WalConflict { .. }) => assert_ne!(which, winner),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(wal_files(folder.path()).len(), 1);
    }
}

#[test]
fn a_segment_of_very_many_restore_points_tells_them_all() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let mut crafter = WalCrafter::new(*archive.geometry(), 9);
    for number in 0..5_000 {
        // Control characters are what JSON needs most room for.
        restore_point(&mut crafter, number, &format!("{}{number}", "\u{1}".repeat(55)));
    }
    crafter.fill_segment(0);
    seal(&archive, segment(9), &crafter.bytes).unwrap();
    let info = archive.info(segment(9)).unwrap();
    assert_eq!((info.summary.restore_points.len(), info.restore_points_total), (4096, 5000));
    let summary = archive.summary(segment(9)).unwrap();
    assert_eq!(summary, said_by(*archive.geometry(), segment(9), &crafter.bytes));
    assert_eq!(summary.restore_points.len(), 5000);
}

#[test]
fn an_archive_takes_wal_of_one_cluster_and_one_form_only() {
    let folder = fast_folder();
    let repository = repository(folder.path());
    let own = geometry(16);
    let foreign = pgformat::wal::WalGeometry { system_identifier: SystemIdentifier(5), ..own };
    assert_eq!(key(WalArchive::open_for(&repository, foreign, TOOL).map(|_| ())), "wal-foreign");
    assert_eq!(wal_files(folder.path()), Vec::<String>::new());
    WalArchive::open_for(&repository, own, TOOL).unwrap();
    WalArchive::open_for(&repository, own, "cadena 0.2.0").unwrap();
    for (what, other) in [
        ("wal_segment_size", geometry(1)),
        ("wal_block_size", pgformat::wal::WalGeometry { block_size_bytes: 4096, ..own }),
        ("PostgreSQL", pgformat::wal::WalGeometry { version: MajorVersion::V18, ..own }),
    ] {
        match WalArchive::open_for(&repository, other, TOOL).map(|_| ()) {
            Err(WalArchiveError::WalGeometry { what: named, .. }) => assert_eq!(named, what),
            other => panic!("{what}: {other:?}"),
        }
    }
    let path = folder.path().join("wal/wal.json");
    let good = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    assert_eq!((value["format_version"].as_u64(), value["created_by"].as_str()), (Some(1), Some(TOOL)));
    for (bad, wanted) in [
        ("", "wal-unreadable"),
        ("{}", "wal-unreadable"),
        ("{\"format_version\": 1}", "wal-unreadable"),
        ("{\"format_version\": 2, \"anything\": []}", "wal-newer"),
        (&good.replace("8192", "8193"), "wal-unreadable"),
        (&good.replace("16777216", "16777217"), "wal-unreadable"),
        (&good.replace(&IDENTIFIER.to_string(), "5"), "wal-foreign"),
    ] {
        fs::write(&path, bad).unwrap();
        assert_eq!(key(WalArchive::open(&repository).map(|_| ())), wanted, "{bad}");
        assert_eq!(key(WalArchive::open_for(&repository, own, TOOL).map(|_| ())), wanted, "{bad}");
        assert_eq!(fs::read_to_string(&path).unwrap(), bad);
    }
}

#[test]
fn a_record_that_crosses_the_border_is_told_by_both_segments() {
    let folder = fast_folder();
    let archive = archive(folder.path(), 1);
    let mut crafter = WalCrafter::new(*archive.geometry(), 9);
    crafter.fill_segment(104);
    let crossing = crafter.record_of(400);
    crafter.fill_segment(0);
    let (first, second) = crafter.bytes.split_at(1 << 20);
    seal(&archive, segment(9), first).unwrap();
    seal(&archive, segment(10), second).unwrap();
    assert_eq!(archive.summary(segment(9)).unwrap().open.unwrap().lsn, crossing);
    let continued = archive.summary(segment(10)).unwrap().continued.unwrap();
    assert_eq!((continued.remaining_bytes, continued.ends_here), (296, true));
    assert!(archive.summary(segment(10)).unwrap().first_record_lsn > Some(Lsn(10 << 20)));
}

/// How long sealing takes: `cargo test --release -p vault --test wal_sealed measure -- --ignored --nocapture`, with
/// `WAL_SEGMENT=FILE` for a segment of a real server.
#[test]
#[ignore = "measures"]
fn measure_how_long_sealing_takes() {
    let folder = tempfile::tempdir_in(std::env::var("WAL_FOLDER").unwrap_or_else(|_| ".".to_owned())).unwrap();
    let mut geometry = geometry(16);
    let (bytes, segment) = match std::env::var("WAL_SEGMENT") {
        Err(_) => (whole_segment(geometry, 9, 1), segment(9)),
        Ok(path) => {
            let bytes = fs::read(&path).unwrap();
            geometry.system_identifier = SystemIdentifier(u64::from_le_bytes(bytes[24..32].try_into().unwrap()));
            let magic = u16::from_le_bytes(bytes[..2].try_into().unwrap());
            let version = MajorVersion::ALL.into_iter().find(|version| pgformat::wal::page_magic(*version) == magic);
            geometry.version = version.unwrap();
            let name = Path::new(&path).file_name().unwrap().to_str().unwrap();
            (bytes, WalSegment::parse(name, geometry.segment_size).unwrap())
        }
    };
    let description = vault::repository::RepositoryDescription {
        system_identifier: geometry.system_identifier,
        ..repository(fast_folder().path()).description().clone()
    };
    let storage = std::sync::Arc::new(vault::storage::LocalFolder::new(folder.path()));
    let repository = vault::repository::Repository::create(storage, &description).unwrap();
    let path = |archive: &WalArchive| sealed_path(folder.path(), archive, segment);
    for jobs in [1, 2] {
        for fresh in [true, false] {
            let mut archive = WalArchive::open_for(&repository, geometry, TOOL).unwrap();
            let mut milliseconds = Vec::new();
            for _ in 0..15 {
                if fresh {
                    archive = WalArchive::open_for(&repository, geometry, TOOL).unwrap();
                }
                let start = std::time::Instant::now();
                let mut sealer = archive.seal(segment, 1, jobs).unwrap();
                sealer.write(&bytes).unwrap();
                sealer.finish().unwrap();
                milliseconds.push(start.elapsed().as_secs_f64() * 1000.0);
                fs::rename(path(&archive), folder.path().join("last")).unwrap();
            }
            milliseconds.sort_by(f64::total_cmp);
            let size = fs::metadata(folder.path().join("last")).unwrap().len();
            let (least, median) = (milliseconds[0], milliseconds[7]);
            println!("{jobs} jobs, fresh {fresh}: {least:.1} ms, median {median:.1} ms, {size} bytes");
        }
    }
    let archive = WalArchive::open_for(&repository, geometry, TOOL).unwrap();
    fs::rename(folder.path().join("last"), path(&archive)).unwrap();
    let mut read = Vec::new();
    let start = std::time::Instant::now();
    archive.read_sealed(segment, &mut read).unwrap();
    println!("read: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
    let start = std::time::Instant::now();
    let mut sealer = archive.seal(segment, 1, 1).unwrap();
    sealer.write(&bytes).unwrap();
    sealer.finish().unwrap();
    println!("already there: {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
}
