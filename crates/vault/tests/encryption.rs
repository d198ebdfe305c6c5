//! What lies in an encrypted repository: `age -d` is the oracle, and who has no identity learns what stands in plain, no more.
#![cfg(unix)]

mod archive_support;
mod wal_support;

use archive_support::{Item, MemoryObject, directory, file, noise, run_tool, tar_stream};
use pgformat::Lsn;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use vault::archive::*;
use vault::encryption::{Keys, NewIdentity, Recipients, UnsealedObject, protect_identity, read_note};
use vault::repository::Repository;
use vault::storage::{LocalFolder, ObjectReader, Storage, StorageError};
use vault::wal::{SealOutcome, SegmentForm, WalArchive};
use wal_support::*;

use age::secrecy::{ExposeSecret, SecretString};

/// An identity in a file, as age wants it.
struct Holder {
    recipient: String,
    secret: SecretString,
    folder: tempfile::TempDir,
}

impl Holder {
    fn new() -> Self {
        let NewIdentity { file, recipient } = NewIdentity::generate(jiff::Timestamp::UNIX_EPOCH);
        let folder = fast_folder();
        std::fs::write(folder.path().join("identity.txt"), file.expose_secret()).unwrap();
        Holder { recipient, secret: file, folder }
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        keys.add(self.secret.expose_secret().as_bytes(), None, "test").unwrap();
        keys
    }

    /// Decrypts with the public tool.
    fn age(&self, sealed: &[u8]) -> Vec<u8> {
        let identity = self.folder.path().join("identity.txt");
        run("age", &["-d", "-i", identity.to_str().unwrap()], sealed).unwrap()
    }
}

fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let output = run_tool(program, arguments, input);
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn recipients(holders: &[&Holder]) -> Recipients {
    let texts: Vec<&str> = holders.iter().map(|holder| holder.recipient.as_str()).collect();
    Recipients::parse(&texts).unwrap().unwrap()
}

fn object(bytes: &[u8]) -> Arc<dyn ObjectReader> {
    Arc::new(MemoryObject(Arc::new(bytes.to_vec())))
}

fn open(bytes: &[u8], keys: &Keys) -> Result<UnsealedObject, StorageError> {
    UnsealedObject::open(object(bytes), keys, "here", "it")
}

fn storage_key<T>(result: Result<T, StorageError>) -> String {
    let error = result.err().expect("an error was expected");
    serde_json::to_value(&error).unwrap()["key"].as_str().unwrap().to_owned()
}

fn items() -> Vec<Item> {
    vec![
        file("backup_label", b"START WAL LOCATION\n"),
        directory("base"),
        file("base/1259", &noise(300_000)),
        file("base/PG_VERSION", b"17\n"),
    ]
}

/// Writes an archive; returns its bytes and what the writer says.
fn archive_of(items: &[Item], recipients: Option<&Recipients>) -> (Vec<u8>, SealedArchive) {
    let (plain, members) = tar_stream(items);
    let stream = archive_support::MemoryStream::default();
    let mut writer = ArchiveWriter::new(Box::new(stream.clone()), recipients).unwrap();
    let mut encoder = FrameEncoder::new(1).unwrap();
    for chunk in plain.chunks(70_000) {
        let mut frame = Vec::new();
        encoder.encode(chunk, &mut frame).unwrap();
        writer.append_frame(&frame, chunk.len() as u32).unwrap();
    }
    members.iter().for_each(|member| writer.add_member(member).unwrap());
    let (sealed, _) = writer.finish().unwrap();
    let bytes = stream.0.lock().unwrap().clone();
    (bytes, sealed)
}

#[test]
fn age_opens_an_archive_for_each_recipient_and_the_digest_is_of_what_is_stored() {
    let (one, other) = (Holder::new(), Holder::new());
    let (plain, _) = archive_of(&items(), None);
    let (stored, sealed) = archive_of(&items(), Some(&recipients(&[&one, &other])));
    assert_eq!(one.age(&stored), plain);
    assert_eq!(other.age(&stored), plain);
    assert_eq!(sealed.size_bytes, stored.len() as u64);
    let sum = String::from_utf8(run("sha256sum", &[], &stored).unwrap()).unwrap();
    assert_eq!(sum.split_whitespace().next().unwrap(), sealed.sha256);

    let boxed = || Box::new(MemoryObject(Arc::new(stored.clone())));
    let reader = ArchiveReader::open_sealed(boxed(), &other.keys(), "here", "it").unwrap();
    assert_eq!(reader.size_bytes(), stored.len() as u64);
    assert_eq!(reader.sha256(&mut |_| true).unwrap().unwrap(), sealed.sha256);
    let member = reader.find_member(b"base/1259").unwrap();
    assert_eq!(reader.read_member(&member, 1 << 20).unwrap(), noise(300_000));

    // What is told without an identity: which files there are.
    let encryption = sealed.encryption.unwrap();
    assert_eq!(encryption.recipients, [one.recipient.clone(), other.recipient.clone()]);
    let mut listed = Vec::new();
    read_member_list(&encryption.member_list, &sealed.sha256, &mut |path, _| {
        listed.push(String::from_utf8(path.to_vec()).unwrap());
    })
    .unwrap();
    assert_eq!(listed, ["backup_label", "base/1259", "base/PG_VERSION"]);

    let error = ArchiveReader::open_sealed(boxed(), &Keys::default(), "here", "it").err().unwrap();
    assert_eq!(serde_json::to_value(&error).unwrap()["key"], "encryption-identity-missing");
    let error = ArchiveReader::open_sealed(boxed(), &Holder::new().keys(), "here", "it").err().unwrap();
    assert_eq!(serde_json::to_value(&error).unwrap()["key"], "encryption-identity-wrong");
}

#[test]
fn what_age_wrote_is_read_as_well() {
    let holder = Holder::new();
    for length in [0, 1, 65_535, 65_536, 65_537, 300_000] {
        let plain = noise(length);
        let sealed = run("age", &["-r", &holder.recipient], &plain).unwrap();
        let opened = open(&sealed, &holder.keys()).unwrap();
        assert_eq!(opened.size_bytes(), length as u64);
        let mut found = vec![0; length];
        opened.read_exact_at(0, &mut found).unwrap();
        assert!(found == plain, "{length} bytes");
        assert_eq!(read_note(object(&sealed).as_ref(), "", "").unwrap(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_range_of_any_length_is_what_was_sealed(
        length in prop_oneof![0..200_usize, 65_500..65_600_usize, 131_000..131_200_usize, 0..700_000_usize],
        ranges in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f64), 1..12),
        note in prop::option::of(prop::collection::vec(any::<u8>(), 0..9000)),
    ) {
        let holder = Holder::new();
        let plain = noise(length);
        let sealed = recipients(&[&holder]).seal_bytes(note.as_deref(), &plain).unwrap();
        prop_assert_eq!(read_note(object(&sealed).as_ref(), "", "").unwrap(), note);
        let opened = open(&sealed, &holder.keys()).unwrap();
        prop_assert_eq!(opened.size_bytes(), length as u64);
        for (from, part) in ranges {
            let from = (from * length as f64) as usize;
            let to = from + (part * (length - from) as f64) as usize;
            let mut found = vec![0; to - from];
            opened.read_exact_at(from as u64, &mut found).unwrap();
            prop_assert!(found == plain[from..to], "{from}..{to} of {length}");
        }
        let mut beyond = [0; 2];
        let short = matches!(
            opened.read_exact_at(length as u64 - length.min(1) as u64, &mut beyond),
            Err(StorageError::StorageShort { .. })
        );
        prop_assert!(short);
    }
}

#[test]
fn no_changed_bit_and_no_cut_goes_unnoticed() {
    let holder = Holder::new();
    let plain = noise(140_000);
    let sealed = recipients(&[&holder]).seal_bytes(Some(b"told"), &plain).unwrap();
    let read_all = |bytes: &[u8]| -> Result<Vec<u8>, StorageError> {
        let opened = open(bytes, &holder.keys())?;
        let mut found = vec![0; opened.size_bytes() as usize];
        opened.read_exact_at(0, &mut found)?;
        Ok(found)
    };
    assert!(read_all(&sealed).unwrap() == plain);
    for at in (0..500).chain((500..sealed.len()).step_by(997)) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        let key = storage_key(read_all(&changed));
        // A recipient's stanza that was changed is nobody's.
        assert!(["encryption-damaged", "encryption-identity-wrong"].contains(&key.as_str()), "{at}: {key}");
    }
    // Also between two chunks, and with a whole one put behind.
    let header = sealed.len() - (140_000 + 3 * 16);
    let chunk = 65_536 + 16;
    for cut in [0, 10, header, header + 1, header + 16, header + chunk, header + 2 * chunk, sealed.len() - 1] {
        assert_eq!(storage_key(read_all(&sealed[..cut])), "encryption-damaged", "cut at {cut}");
    }
    let longer = [&sealed[..], &sealed[header..header + chunk]].concat();
    assert_eq!(storage_key(read_all(&longer)), "encryption-damaged");
}

#[test]
fn threads_share_one_object() {
    let holder = Holder::new();
    let plain = noise(2_000_000);
    let sealed = recipients(&[&holder]).seal_bytes(None, &plain).unwrap();
    let opened = open(&sealed, &holder.keys()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (opened, plain) = (&opened, &plain);
            scope.spawn(move || {
                for step in 0..60_usize {
                    let from = (thread * 499_979 + step * 33_331) % 1_900_000;
                    let mut found = vec![0; 100_000];
                    opened.read_exact_at(from as u64, &mut found).unwrap();
                    assert!(found == plain[from..from + 100_000]);
                }
            });
        }
    });
}

#[test]
fn an_identity_under_a_passphrase_opens_with_it_alone_and_age_reads_it() {
    let holder = Holder::new();
    let content = protect_identity(&holder.secret, "correct horse".to_owned().into()).unwrap();
    assert!(Keys::needs_passphrase(&content) && !Keys::needs_passphrase(holder.secret.expose_secret().as_bytes()));
    let sealed = recipients(&[&holder]).seal_bytes(None, b"secret").unwrap();

    let mut keys = Keys::default();
    keys.add_protected(content.clone(), "correct horse".to_owned().into(), "keys/identity.age");
    assert!(!keys.is_empty());
    assert_eq!(open(&sealed, &keys).unwrap().size_bytes(), 6);
    let mut wrong = Keys::default();
    wrong.add_protected(content.clone(), "battery staple".to_owned().into(), "keys/identity.age");
    assert_eq!(storage_key(open(&sealed, &wrong)), "encryption-passphrase-wrong");
    let error = Keys::default().add(&content, None, "keys/identity.age").unwrap_err();
    assert_eq!(serde_json::to_value(&error).unwrap()["key"], "encryption-passphrase-missing");
    let said = format!("{error} {wrong:?}");
    assert!(!said.contains("battery") && !said.contains("SECRET"), "{said}");
}

#[test]
fn what_is_no_recipient_or_no_identity_is_refused_without_repeating_a_secret() {
    let holder = Holder::new();
    let secret = holder.secret.expose_secret().lines().last().unwrap().to_owned();
    for text in ["age1", "", "ssh-ed25519 AAAA", &secret, &holder.recipient[..60]] {
        let error = Recipients::parse(&[text]).unwrap_err().to_string();
        assert!(!error.contains(&secret[20..40]), "{error}");
    }
    assert!(Recipients::parse::<&str>(&[]).unwrap().is_none());
    for content in ["", "# a comment\n", &holder.recipient, &secret[..70], "hello"] {
        let error = Keys::default().add(content.as_bytes(), None, "identity.txt").unwrap_err().to_string();
        assert!(error.contains("identity.txt") && !error.contains(&secret[20..40]), "{error}");
    }
}

fn encrypted_repository(folder: &Path, holder: &Holder) -> Repository {
    repository(folder).change_recipients(&mut |_| Ok(vec![holder.recipient.clone()])).unwrap();
    Repository::open(Arc::new(LocalFolder::new(folder))).unwrap()
}

fn wal(repository: &Repository) -> WalArchive {
    WalArchive::open_for(repository, geometry(1), TOOL).unwrap()
}

#[test]
fn a_sealed_segment_opens_with_age_and_zstd_and_tells_its_times_to_everybody() {
    let (folder, holder) = (fast_folder(), Holder::new());
    let blind = encrypted_repository(folder.path(), &holder);
    let bytes = whole_segment(geometry(1), 9, 1);
    assert_eq!(seal(&wal(&blind), segment(9), &bytes).unwrap(), SealOutcome::Archived);
    assert_eq!(wal_files(folder.path()), ["wal/00000001/000000010000000000000009.zst.age"]);
    let stored = std::fs::read(folder.path().join("wal/00000001/000000010000000000000009.zst.age")).unwrap();
    assert!(run("zstd", &["-dc"], &holder.age(&stored)).unwrap() == bytes);

    let seeing = wal(&blind.with_keys(holder.keys()));
    let blind = wal(&blind);
    let mut found = Vec::new();
    let whole = seeing.read_sealed(segment(9), &mut found).unwrap();
    assert!(found == bytes);
    let told = blind.info(segment(9)).unwrap();
    assert_eq!((told.crc32c, told.segment_bytes, &told.segment), (whole.crc32c, whole.segment_bytes, &whole.segment));
    assert_eq!(told.summary.last_commit, said_by(geometry(1), segment(9), &bytes).last_commit);
    assert!(told.summary.open.iter().all(|open| open.head.is_empty()));
    assert_eq!(blind.summary(segment(9)).unwrap().latest_time, whole.summary.latest_time);
    assert_eq!(key(blind.read_sealed(segment(9), &mut found)), "encryption-identity-missing");

    // The same once more, and another, without an identity.
    assert_eq!(seal(&blind, segment(9), &bytes).unwrap(), SealOutcome::AlreadyThere);
    assert_eq!(key(seal(&blind, segment(9), &whole_segment(geometry(1), 9, 2))), "wal-conflict");

    let mut changed = stored.clone();
    let last = changed.len() - 40;
    changed[last] ^= 1;
    std::fs::write(folder.path().join("wal/00000001/000000010000000000000009.zst.age"), &changed).unwrap();
    assert_eq!(key(seeing.read_sealed(segment(9), &mut found)), "wal-damaged");
}

#[test]
fn a_partial_segment_grows_in_pieces_and_is_read_after_a_restart() {
    let (folder, holder) = (fast_folder(), Holder::new());
    let repository = encrypted_repository(folder.path(), &holder);
    let seeing = wal(&repository.with_keys(holder.keys()));
    let whole = whole_segment(geometry(1), 9, 1);
    let start = Lsn(9 << 20);
    let path = folder.path().join("wal/00000001/000000010000000000000009.partial.pieces");
    let blind = wal(&repository);
    let mut partial = blind.open_partial(segment(9)).unwrap();
    for piece in [0..8192, 8192..100_000, 100_000..400_000] {
        partial.write(Lsn(start.0 + piece.start as u64), &whole[piece]).unwrap();
        partial.sync().unwrap();
    }
    // Written, and not made durable: a crash takes it.
    partial.write(Lsn(start.0 + 400_000), &whole[400_000..500_000]).unwrap();
    drop(partial);
    let stored = std::fs::read(&path).unwrap();
    let plain = whole[200_000..200_040].to_vec();
    assert!(!stored.windows(40).any(|window| window == plain), "the log stands there in plain");

    let mut read = Vec::new();
    let end = seeing.read_partial(segment(9), &mut read).unwrap();
    let length = (end.0 - start.0) as usize;
    assert!(length > 300_000 && length <= 400_000 && read[..length] == whole[..length]);
    assert_eq!(key(blind.read_partial(segment(9), &mut read)), "encryption-identity-missing");
    let told = blind.summary(segment(9)).unwrap();
    assert!(told.latest_time.is_some() && told.records_end_lsn.unwrap() > start, "{told:?}");
    assert_eq!(seeing.find(segment(9)).unwrap().unwrap().form, SegmentForm::Partial);

    // Whatever a crash tears off, what is before it stays.
    for cut in [stored.len() - 1, stored.len() / 2, 10] {
        std::fs::write(&path, &stored[..cut]).unwrap();
        let end = seeing.open_partial(segment(9)).unwrap().file_end();
        let known = if cut > stored.len() / 2 { 100_000 } else { end.0 - start.0 };
        assert_eq!(end.0 - start.0, known);
        assert!([0, 8192, 100_000].contains(&(end.0 - start.0)), "{end}");
    }
    std::fs::write(&path, &stored).unwrap();

    // With an identity it goes on where it was, without one from the start; nothing of what was there is lost meanwhile.
    assert_eq!(seeing.open_partial(segment(9)).unwrap().file_end(), Lsn(start.0 + 400_000));
    let mut again = wal(&repository).open_partial(segment(9)).unwrap();
    assert_eq!((again.file_end(), again.valid_end().unwrap()), (start, start));
    again.write(start, &whole[..50_000]).unwrap();
    again.sync().unwrap();
    assert_eq!(seeing.read_partial(segment(9), &mut read).unwrap(), end);
    again.write(Lsn(start.0 + 50_000), &whole[50_000..]).unwrap();
    again.sync().unwrap();
    drop(again);
    assert_eq!(seeing.read_partial(segment(9), &mut read).unwrap(), Lsn(10 << 20));
    assert!(read == whole);
}

#[test]
fn who_received_a_whole_segment_seals_it_without_an_identity() {
    let (folder, holder) = (fast_folder(), Holder::new());
    let blind = wal(&encrypted_repository(folder.path(), &holder));
    let whole = whole_segment(geometry(1), 9, 1);
    let mut partial = blind.open_partial(segment(9)).unwrap();
    partial.write(Lsn(9 << 20), &whole).unwrap();
    partial.sync().unwrap();
    drop(partial);
    let partial = blind.clone().open_partial(segment(9)).unwrap();
    let mut bytes = vec![0; 1 << 20];
    partial.read_range(Lsn(9 << 20), &mut bytes).unwrap();
    assert!(bytes == whole);
    drop(partial);
    seal(&blind, segment(9), &bytes).unwrap();
    blind.remove_partial(segment(9)).unwrap();
    assert_eq!(wal_files(folder.path()), ["wal/00000001/000000010000000000000009.zst.age"]);
}

#[test]
fn what_an_archiver_brings_at_the_end_of_a_timeline_is_compared_with_or_without_an_identity() {
    let whole = whole_segment(geometry(1), 9, 1);
    let other = whole_segment(geometry(1), 9, 2);
    let start = Lsn(9 << 20);
    for sees in [true, false] {
        let (folder, holder) = (fast_folder(), Holder::new());
        let repository = encrypted_repository(folder.path(), &holder);
        let seeing = wal(&repository.with_keys(holder.keys()));
        let archive = if sees { seeing.clone() } else { wal(&repository) };
        assert_eq!(archive.put_partial(segment(9), &whole[..300_000]).unwrap(), SealOutcome::Archived);
        assert_eq!(archive.put_partial(segment(9), &whole[..300_000]).unwrap(), SealOutcome::AlreadyThere);
        assert_eq!(archive.put_partial(segment(9), &whole[..200_000]).unwrap(), SealOutcome::AlreadyThere);
        assert_eq!(key(archive.put_partial(segment(9), &other[..500_000])), "wal-conflict", "with an identity: {sees}");
        assert_eq!(archive.put_partial(segment(9), &whole[..600_000]).unwrap(), SealOutcome::Archived);
        let mut read = Vec::new();
        let end = seeing.read_partial(segment(9), &mut read).unwrap();
        let length = (end.0 - start.0) as usize;
        assert!(length > 400_000 && read[..length] == whole[..length], "{length}");
    }
}

#[test]
fn encryption_that_is_switched_on_later_keeps_what_was_there() {
    let (folder, holder) = (fast_folder(), Holder::new());
    let plain = archive(folder.path(), 1);
    let bytes = whole_segment(geometry(1), 8, 1);
    seal(&plain, segment(8), &bytes).unwrap();
    let whole = whole_segment(geometry(1), 9, 1);
    let mut partial = plain.open_partial(segment(9)).unwrap();
    partial.write(Lsn(9 << 20), &whole[..200_000]).unwrap();
    partial.sync().unwrap();
    drop(partial);

    let repository = encrypted_repository(folder.path(), &holder);
    let blind = wal(&repository);
    let mut read = Vec::new();
    blind.read_sealed(segment(8), &mut read).unwrap();
    assert!(read == bytes);
    assert_eq!(seal(&blind, segment(8), &bytes).unwrap(), SealOutcome::AlreadyThere);
    let mut partial = blind.open_partial(segment(9)).unwrap();
    assert_eq!(partial.file_end(), Lsn((9 << 20) + 200_000));
    partial.write(Lsn((9 << 20) + 200_000), &whole[200_000..]).unwrap();
    partial.sync().unwrap();
    drop(partial);
    let seeing = wal(&repository.with_keys(holder.keys()));
    assert_eq!(seeing.read_partial(segment(9), &mut read).unwrap(), Lsn(10 << 20));
    assert!(read == whole);
    blind.remove_segment(segment(8)).unwrap();
    blind.remove_segment(segment(9)).unwrap();
    assert!(wal_files(folder.path()).is_empty(), "{:?}", wal_files(folder.path()));
}

#[test]
fn recipients_change_for_what_comes_and_never_to_nobody() {
    let (folder, one, other) = (fast_folder(), Holder::new(), Holder::new());
    let repository = encrypted_repository(folder.path(), &one);
    assert_eq!(repository.recipients().unwrap().texts(), std::slice::from_ref(&one.recipient));
    repository
        .change_recipients(&mut |present| Ok([present, std::slice::from_ref(&other.recipient)].concat()))
        .unwrap();
    let reopened = Repository::open(Arc::new(LocalFolder::new(folder.path()))).unwrap();
    assert_eq!(reopened.recipients().unwrap(), &recipients(&[&other, &one]), "whatever their order");
    reopened.check_recipients(Some(&recipients(&[&other, &one]))).unwrap();
    let pinned = reopened.check_recipients(Some(&recipients(&[&one]))).unwrap_err();
    assert_eq!(serde_json::to_value(&pinned).unwrap()["key"], "encryption-recipients-differ");
    let refused = reopened.change_recipients(&mut |_| Ok(Vec::new())).unwrap_err();
    assert_eq!(serde_json::to_value(&refused).unwrap()["key"], "encryption-last-recipient");
    // An older program is kept out, and a lost list never means plain.
    let path = folder.path().join("cadena.json");
    let mut described: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        (&described["format_version"], &described["encryption_recipients"][0]),
        (&2.into(), &one.recipient.clone().into())
    );
    std::fs::remove_file(folder.path().join("encryption.json")).unwrap();
    assert_eq!(
        Repository::open(Arc::new(LocalFolder::new(folder.path()))).unwrap().recipients().unwrap(),
        &recipients(&[&one])
    );
    described["encryption_recipients"] = serde_json::Value::Array(Vec::new());
    std::fs::write(&path, described.to_string()).unwrap();
    assert!(Repository::open(Arc::new(LocalFolder::new(folder.path()))).is_err());
    for content in ["{", "{}", "{\"format_version\":1,\"recipients\":[]}", "{\"format_version\":2}"] {
        LocalFolder::new(folder.path()).put("encryption.json", content.as_bytes()).unwrap();
        assert!(Repository::open(Arc::new(LocalFolder::new(folder.path()))).is_err(), "{content}");
    }
}
