//! Incremental files as servers of 17 and later write them, and what pg_combinebackup makes of them.

use crate::blocks::{add_tablespace, change, control, populate};
use crate::every_folder;
use crate::server::{Server, run};
use pgformat::incremental_file::{
    INCREMENTAL_HEAD_BYTES, IncrementalHeader, SegmentGeometry, incremental_path, reconstructed_path,
};
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::RelationFile;
use std::path::{Path, PathBuf};

#[test]
fn incremental_files_read_and_combine_as_the_server_and_pg_combinebackup_do() {
    for folder in every_folder().into_iter().filter(|folder| folder.join("pg_combinebackup").exists()) {
        let server = Server::start(&folder, &["summarize_wal = on", "max_prepared_transactions = 10"]);
        populate(&server);
        add_tablespace(&server, "unused");
        let full = backup(&server, "full", &[]);
        change(&server);
        let argument = format!("--incremental={}", full.join("backup_manifest").display());
        let incremental = backup(&server, "incremental", &[&argument]);
        let combined = server.folder.path().join("combined");
        let mut combine = server.command("pg_combinebackup");
        combine.arg(&full).arg(&incremental).arg("-o").arg(&combined).arg("--no-sync");
        for name in ["spc", "unused"] {
            combine.arg("-T").arg(mapping(&server, &format!("incremental-{name}"), &format!("combined-{name}")));
        }
        run(&mut combine);
        let control = control(&server);
        let geometry = SegmentGeometry {
            block_size_bytes: control.block_size_bytes,
            relation_segment_blocks: control.relation_segment_blocks,
        };
        let mut paths = Vec::new();
        walk(&incremental, "", &mut paths);
        let (mut files, mut blocks, mut empty, mut longer) = (0, 0, 0, 0);
        for path in &paths {
            let Some(plain) = reconstructed_path(path) else { continue };
            assert_eq!(&incremental_path(&plain), path);
            let relation = RelationFile::parse(&plain).unwrap();
            let bytes = std::fs::read(incremental.join(path)).unwrap();
            let header = IncrementalHeader::parse(&bytes, geometry).unwrap();
            let size = IncrementalHeader::size_by_head(&bytes[..INCREMENTAL_HEAD_BYTES], geometry).unwrap();
            assert_eq!((size, bytes.len() as u64), (header.size_bytes(), header.file_size_bytes()), "{path}");
            let mut again = Vec::new();
            header.write(&mut again);
            assert!(again == bytes[..size], "{path} is not written as it was read");
            let first = relation.first_block(control.relation_segment_blocks).unwrap();
            for number in header.block_numbers() {
                let at = header.offset_of(*number).unwrap() as usize;
                let page = &bytes[at..at + control.block_size_bytes as usize];
                let verdict = check_page(page, first + number, true);
                assert!(matches!(verdict, PageVerdict::Valid | PageVerdict::New), "{path} {number}: {verdict:?}");
            }
            let before = std::fs::read(full.join(&plain)).unwrap();
            let made = reconstruct(&header, &bytes, &before, control.block_size_bytes as usize);
            assert!(made == std::fs::read(combined.join(&plain)).unwrap(), "{path} is put together otherwise");
            files += 1;
            blocks += header.block_numbers().len();
            empty += usize::from(header.block_numbers().is_empty());
            longer += usize::from(header.reconstructed_blocks() as usize * 8192 > before.len());
        }
        eprintln!("PostgreSQL {}: {files} files, {blocks} blocks, {empty} without, {longer} longer", server.major);
        assert!(files > 500 && blocks > 3000 && empty > 300 && longer > 0);
    }
}

/// Puts a segment together, as pg_combinebackup does with two backups.
fn reconstruct(header: &IncrementalHeader, bytes: &[u8], before: &[u8], block_size: usize) -> Vec<u8> {
    let mut made = vec![0; header.reconstructed_blocks() as usize * block_size];
    let old = before.len().min(header.truncation_block_length() as usize * block_size);
    made[..old].copy_from_slice(&before[..old]);
    for number in header.block_numbers() {
        let (to, from) = (*number as usize * block_size, header.offset_of(*number).unwrap() as usize);
        made[to..to + block_size].copy_from_slice(&bytes[from..from + block_size]);
    }
    made
}

fn mapping(server: &Server, old: &str, new: &str) -> String {
    let folder = server.folder.path().display();
    format!("{folder}/{old}={folder}/{new}")
}

fn backup(server: &Server, name: &str, arguments: &[&str]) -> PathBuf {
    let target = server.folder.path().join(name);
    let mut command = server.command("pg_basebackup");
    command.args(["-X", "none", "-c", "fast", "--no-sync", "-D"]).arg(&target).args(arguments);
    for tablespace in ["spc", "unused"] {
        command.arg("-T").arg(mapping(server, tablespace, &format!("{name}-{tablespace}")));
    }
    run(&mut command);
    target
}

/// Lists the files below a folder; links to tablespaces are followed.
fn walk(root: &Path, folder: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(folder)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
        if root.join(&path).is_dir() {
            walk(root, &path, paths);
        } else {
            paths.push(path);
        }
    }
}
