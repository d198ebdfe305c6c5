//! What real servers write, read by us: PostgreSQL's own programs are the judges.
//!
//! `CADENA_TEST_PG_BIN` names the servers' folders, with colons between, the oldest first; without it, those of scripts/setup-servers or Debian's are used. A missing
//! server is told, and is a failure with `CADENA_TEST_REQUIRE_SERVERS=1`.

#![cfg(unix)]
#![allow(clippy::print_stderr, reason = "which servers were tested, or were missing, must be seen")]

mod blocks;
#[path = "../support/controldata.rs"]
mod controldata;
mod incremental;
mod server;
mod wal;
mod wal_rarities;

use pgformat::backup_label::{BackupLabel, format_tablespace_map, parse_tablespace_map};
use pgformat::backup_manifest::{BackupManifest, ManifestWriter};
use pgformat::control_file::{CONTROL_FILE_PATH, ControlFile};
use pgformat::exclusion::{Treatment, is_unlogged_data, treatment, unlogged_relations};
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::{PgVersionDirectory, RelationFile, carries_page_checksums};
use pgformat::{Lsn, SystemIdentifier, WalSegment};
use server::{Server, binary_folders, run};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Runs `check` with a server of every version at hand.
fn with_every_server(check: impl Fn(&Server)) {
    for folder in every_folder() {
        // Incremental backups came together with this program, and need this setting.
        let settings: &[&str] = if folder.join("pg_combinebackup").exists() { &["summarize_wal = on"] } else { &[] };
        let server = Server::start(&folder, settings);
        eprintln!("PostgreSQL {} in {}", server.major, folder.display());
        check(&server);
    }
}

/// Returns the folders of every version at hand, and says so when there is none.
fn every_folder() -> Vec<PathBuf> {
    let folders = binary_folders();
    if folders.is_empty() {
        assert!(std::env::var_os("CADENA_TEST_REQUIRE_SERVERS").is_none_or(|value| value != "1"), "no server");
        eprintln!("SKIPPED for want of a PostgreSQL server (set CADENA_TEST_PG_BIN)");
    }
    folders
}

/// Fills a cluster with relations of every kind, in two tablespaces.
fn populate(server: &Server) {
    let tablespace = server.folder.path().join(r"spc with \ blank");
    run(server.command_at(Path::new("/bin/mkdir")).arg(&tablespace));
    server.sql(&format!("CREATE TABLESPACE spc LOCATION '{}'", tablespace.display()));
    server.sql(
        "CREATE TABLE plain AS SELECT g, repeat('x', 200) AS filler FROM generate_series(1, 20000) g;
         CREATE INDEX ON plain (g); CREATE INDEX ON plain USING gin ((ARRAY[g]));
         CREATE INDEX ON plain USING brin (g); CREATE INDEX ON plain USING hash (g);
         CREATE TABLE other (a int PRIMARY KEY) TABLESPACE spc; INSERT INTO other SELECT generate_series(1, 5000);
         CREATE UNLOGGED TABLE fast (a int PRIMARY KEY, b text) TABLESPACE spc;
         INSERT INTO fast SELECT g, repeat('y', 3000) FROM generate_series(1, 500) g;
         CREATE UNLOGGED TABLE fast_too (a int PRIMARY KEY); CREATE SEQUENCE counter;
         SELECT pg_create_physical_replication_slot('slot', true);",
    );
    server.sql("VACUUM");
    server.sql("CHECKPOINT");
}

/// Leaves files in the data directory that a backup must skip, or keep although their names are unusual.
fn litter(server: &Server) {
    let put = |name: &[u8]| {
        let path = server.data_directory.join(OsStr::from_bytes(name));
        run(server.command_at(Path::new("/bin/mkdir")).arg("-p").arg(path.parent().unwrap()));
        // The server's user must be able to read it: that user writes it.
        run(server.command_at(Path::new("/bin/cp")).arg(server.data_directory.join("PG_VERSION")).arg(&path));
    };
    for name in [
        "backup_manifest",
        "tablespace_map",
        "postgresql.auto.conf.tmp",
        "current_logfiles.tmp",
        "base/5/pg_internal.init.77",
        "base/1/t3_4711",
        "base/1/t12_4711_fsm",
        "base/1/t12_4711_vm.3",
        "base/1/t_4711",
        "base/1/tx3_4711",
        "base/1/4711_other",
        "base/pgsql_tmp/pgsql_tmp1.2",
        "pg_stat_tmp/something",
        "pg_snapshots/something",
        "pg_dynshmem/something",
        "pg_serial/something",
        "backup_label.old",
        "tablespace_map.old",
        "my_backup_label",
        "backup_label2",
        "mine/postmaster.opts",
        "mine/pgsql_tmpfile",
        "mine/pg_subtrans/something",
        "quote\"back\\slash\ttab\nend\u{1}\u{7f}ñ",
    ] {
        put(name.as_bytes());
    }
    put(b"mine/latin1-\xf1");
    // 14 does not skip these, and can't take a base backup when there is one in `base`.
    if server.major > 14 {
        put(b".DS_Store");
        put(b"base/.DS_Store");
    }
}

#[test]
fn a_base_backup_reads_as_its_server_wrote_it() {
    with_every_server(|server| {
        populate(server);
        litter(server);
        let temporary = server.session("CREATE TEMP TABLE temporary AS SELECT generate_series(1, 5000) a;");
        let backup = base_backup(server, "backup", &[]);
        let manifest_bytes = std::fs::read(backup.join("backup_manifest")).unwrap();
        let manifest = BackupManifest::parse(&manifest_bytes).unwrap();
        let control = check_control_file(server, &backup);
        assert_eq!(manifest.manifest_version, if server.major >= 17 { 2 } else { 1 });
        assert!(manifest.system_identifier.is_none_or(|identifier| identifier == control.system_identifier));
        assert!(rewrite(&manifest, &control) == manifest_bytes, "the manifest is not written as the server does");
        check_files(&backup, &manifest, &control);
        check_exclusions(server, &manifest, &control);
        check_label(&std::fs::read_to_string(backup.join("backup_label")).unwrap(), &manifest, &control);
        drop(temporary);
        if server.major >= 17 {
            check_incremental(server, &backup, &control);
        }
    });
}

#[test]
fn what_pg_backup_stop_returns_reads_back() {
    with_every_server(|server| {
        populate(server);
        let (start, stop) = match server.major {
            14 => ("pg_start_backup($$uno: dos\ntres$$, true, false)", "pg_stop_backup(false, false)"),
            _ => ("pg_backup_start($$uno: dos\ntres$$, true)", "pg_backup_stop(false)"),
        };
        let mut command = server.command("psql");
        command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", &format!("SELECT {start}"), "-c"]);
        let texts = run(command.arg(format!("SELECT '<', labelfile, '><', spcmapfile, '>' FROM {stop}")));
        let between = |n: usize| texts.split('<').nth(n).unwrap().split('>').next().unwrap().trim_matches('|');
        let label = BackupLabel::parse(between(1)).unwrap();
        assert_eq!(label.label, "uno: dos\ntres");
        assert_eq!(label.backup_from, "primary");
        assert_eq!(texts.lines().next().unwrap().parse::<Lsn>().unwrap(), label.start_lsn);
        assert_eq!(label.to_string(), between(1));
        let tablespaces = parse_tablespace_map(between(2)).unwrap();
        let oid = server.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'spc'").trim().parse().unwrap();
        let place = server.folder.path().join(r"spc with \ blank").to_str().unwrap().to_owned();
        assert_eq!(tablespaces, [(oid, place)]);
        assert_eq!(format_tablespace_map(&tablespaces), between(2));
    });
}

/// Takes a base backup in the plain format, without WAL.
fn base_backup(server: &Server, name: &str, arguments: &[&str]) -> PathBuf {
    let target = server.folder.path().join(name);
    let old = server.folder.path().join(r"spc with \ blank");
    let mapping = format!("{}={}/spc-of-{name}", old.display(), server.folder.path().display());
    let mut command = server.command("pg_basebackup");
    run(command.args(["-X", "none", "-c", "fast", "-T", &mapping, "-D"]).arg(&target).args(arguments));
    target
}

fn check_control_file(server: &Server, backup: &Path) -> ControlFile {
    let control = ControlFile::parse(&std::fs::read(backup.join(CONTROL_FILE_PATH)).unwrap()).unwrap();
    assert_eq!(control.version.number(), server.major);
    // Only a pg_controldata that knows the file's version can read it; 14 to 16 share theirs.
    let program =
        binary_folders().into_iter().map(|folder| folder.join("pg_controldata")).filter(|path| path.exists()).find_map(
            |path| {
                let text = run(server.command_at(&path).arg("-D").arg(backup));
                (!text.contains("WARNING") && text.contains("pg_control version number")).then_some(text)
            },
        );
    match program {
        Some(text) => controldata::assert_agrees(&control, &text),
        None => panic!("no pg_controldata reads the file of PostgreSQL {}", server.major),
    }
    control
}

/// Writes a manifest again from what was read.
fn rewrite(manifest: &BackupManifest, control: &ControlFile) -> Vec<u8> {
    let mut out = Vec::new();
    let identifier = manifest.system_identifier.unwrap_or(SystemIdentifier(0));
    let mut writer = ManifestWriter::new(control.version, identifier, &mut out);
    for file in &manifest.files {
        writer.file(file, &mut out);
    }
    writer.finish(&manifest.wal_ranges, &mut out);
    out
}

/// Checks every file's size and CRC against the manifest, and every page of every relation.
fn check_files(backup: &Path, manifest: &BackupManifest, control: &ControlFile) {
    let block_size = control.block_size_bytes as usize;
    let (mut pages, mut new_pages, mut without) = (0, 0, 0);
    for file in &manifest.files {
        let path = String::from_utf8_lossy(&file.path);
        let bytes = std::fs::read(backup.join(OsStr::from_bytes(&file.path))).unwrap();
        assert_eq!((bytes.len() as u64, crc32c::crc32c(&bytes)), (file.size_bytes, file.crc32c), "{path}");
        if !carries_page_checksums(&file.path) {
            without += 1;
            continue;
        }
        let relation = RelationFile::parse(&path).unwrap();
        let version = PgVersionDirectory::new(control.version, control.catalog_version);
        assert_eq!(relation.path(version), path);
        let first = relation.first_block(control.relation_segment_blocks).unwrap();
        assert_eq!(bytes.len() % block_size, 0, "{path}");
        for (block, page) in (first..).zip(bytes.chunks(block_size)) {
            for checksums in [true, false] {
                match check_page(page, block, checksums) {
                    PageVerdict::Valid => pages += 1,
                    PageVerdict::New => new_pages += 1,
                    wrong => panic!("{path} block {block}: {wrong:?}"),
                }
            }
            if page.iter().any(|byte| *byte != 0) {
                let mut flipped = page.to_vec();
                let at = (block as usize * 797 + page[20] as usize) % block_size;
                flipped[at] ^= 1 << (block % 8);
                assert_ne!(check_page(&flipped, block, true), PageVerdict::Valid, "{path} block {block} byte {at}");
                let moved = check_page(page, block + 1, true);
                assert!(matches!(moved, PageVerdict::ChecksumMismatch { .. }), "{path} block {block}: {moved:?}");
            }
        }
    }
    eprintln!(
        "  {} files, {without} without page checksums; {pages} page checks, {new_pages} new",
        manifest.files.len()
    );
    assert!(pages > 2000 && (10..200).contains(&without));
}

/// Checks that we would copy just the files that the server did.
fn check_exclusions(server: &Server, manifest: &BackupManifest, control: &ControlFile) {
    let version = PgVersionDirectory::new(control.version, control.catalog_version);
    let mut ours = BTreeSet::new();
    walk(&server.data_directory, b"", version, &mut ours);
    let by_the_backup: [&[u8]; 2] = [b"backup_label", b"tablespace_map"];
    let theirs: BTreeSet<Vec<u8>> = (manifest.files.iter().map(|file| file.path.clone()))
        .filter(|path| !by_the_backup.contains(&path.as_slice()))
        .collect();
    let names = |set: &mut dyn Iterator<Item = &Vec<u8>>| -> Vec<String> {
        set.map(|path| String::from_utf8_lossy(path).into_owned()).collect()
    };
    let too_many = names(&mut ours.difference(&theirs));
    let too_few = names(&mut theirs.difference(&ours));
    assert!(too_many.is_empty() && too_few.is_empty(), "too many: {too_many:?}\ntoo few: {too_few:?}");
    assert!(theirs.iter().any(|path| path.starts_with(b"pg_tblspc/")) && theirs.contains(&b"mine/latin1-\xf1"[..]));
}

/// Collects what we would copy of a directory.
fn walk(root: &Path, directory: &[u8], version: PgVersionDirectory, found: &mut BTreeSet<Vec<u8>>) {
    let entries = std::fs::read_dir(root.join(OsStr::from_bytes(directory))).unwrap();
    let names: Vec<Vec<u8>> = entries.map(|entry| entry.unwrap().file_name().into_vec()).collect();
    let unlogged = unlogged_relations(names.iter().map(Vec::as_slice));
    for name in &names {
        let path = if directory.is_empty() { name.clone() } else { [directory, b"/", name].concat() };
        let metadata = std::fs::symlink_metadata(root.join(OsStr::from_bytes(&path))).unwrap();
        if treatment(&path, metadata.is_dir()) != Treatment::Include || is_unlogged_data(name, &unlogged) {
            continue;
        }
        if metadata.is_symlink() && directory == b"pg_tblspc" {
            walk(root, &[&path[..], b"/", version.to_string().as_bytes()].concat(), version, found);
        } else if metadata.is_dir() {
            walk(root, &path, version, found);
        } else {
            found.insert(path);
        }
    }
}

fn check_label(text: &str, manifest: &BackupManifest, control: &ControlFile) -> BackupLabel {
    let label = BackupLabel::parse(text).unwrap();
    assert_eq!(label.to_string(), text);
    let range = manifest.wal_ranges[0];
    assert_eq!((label.start_lsn, label.start_timeline), (range.start_lsn, range.timeline));
    let segment = WalSegment::containing(label.start_timeline, label.start_lsn, control.wal_segment_size);
    assert_eq!(segment.file_name(control.wal_segment_size), label.start_wal_file);
    label
}

fn check_incremental(server: &Server, full: &Path, control: &ControlFile) {
    server.sql("INSERT INTO other SELECT generate_series(5001, 6000)");
    let argument = format!("--incremental={}", full.join("backup_manifest").display());
    let backup = base_backup(server, "incremental", &[&argument]);
    let manifest_bytes = std::fs::read(backup.join("backup_manifest")).unwrap();
    let manifest = BackupManifest::parse(&manifest_bytes).unwrap();
    assert!(rewrite(&manifest, control) == manifest_bytes);
    let label = check_label(&std::fs::read_to_string(backup.join("backup_label")).unwrap(), &manifest, control);
    let base = BackupManifest::parse(&std::fs::read(full.join("backup_manifest")).unwrap()).unwrap();
    assert_eq!(label.incremental_from_lsn, Some(base.wal_ranges[0].start_lsn));
    assert_eq!(label.incremental_from_timeline, Some(base.wal_ranges[0].timeline));
}
