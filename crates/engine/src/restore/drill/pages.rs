//! Every page of a stopped cluster.

use super::DrillFinding;
use crate::restore::error::target_error;
use crate::verify::finding::Findings;
use crate::{Cancel, Error, Phase, Progress};
use pgformat::page::{PageVerdict, check_page};
use pgformat::relation_file::{RelationFile, carries_page_checksums};
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use vault::repository::BackupRecord;

/// Relation segments are 1 GiB in every package.
const SEGMENT_BYTES: u32 = 1 << 30;
const PIECE_BYTES: usize = 1 << 20;

/// Checks every page of every relation, and returns how many there are.
///
/// # Errors
/// `RestoreTarget` when a file can't be read; `cancelled`.
pub(super) fn check_all(
    data_directory: &Path,
    record: &BackupRecord,
    findings: &mut Findings,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<u64, Error> {
    progress.phase(Phase::Verifying, None);
    let known: HashSet<(&str, u32)> =
        record.corrupt_pages.iter().map(|page| (page.file.as_str(), page.block)).collect();
    let mut pages = 0;
    let mut folders: Vec<PathBuf> = ["base", "global", "pg_tblspc"].into_iter().map(PathBuf::from).collect();
    let mut buffer = vec![0; PIECE_BYTES];
    while let Some(folder) = folders.pop() {
        let path = data_directory.join(&folder);
        let unreadable = |error| target_error(&path, error);
        for entry in std::fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let below = folder.join(entry.file_name());
            // A tablespace is a link.
            let kind = std::fs::metadata(entry.path()).map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(below);
                continue;
            }
            let Some(name) = below.to_str().filter(|name| carries_page_checksums(name.as_bytes())) else { continue };
            pages += check_file(&entry.path(), name, (record, &known), &mut buffer, findings, (progress, cancel))?;
        }
    }
    Ok(pages)
}

fn check_file(
    path: &Path,
    name: &str,
    (record, known): (&BackupRecord, &HashSet<(&str, u32)>),
    buffer: &mut [u8],
    findings: &mut Findings,
    (progress, cancel): (&dyn Progress, &Cancel),
) -> Result<u64, Error> {
    let block_bytes = record.block_size_bytes as usize;
    let Some(file) = RelationFile::parse(name) else { return Ok(0) };
    let first_block = file.first_block(SEGMENT_BYTES / record.block_size_bytes.max(1)).unwrap_or_default();
    let relation = first_segment(name);
    let mut opened = File::open(path).map_err(|error| target_error(path, error))?;
    let (mut block, mut size_bytes, mut pages) = (first_block, 0_u64, 0);
    loop {
        cancel.check()?;
        let filled = fill(&mut opened, buffer).map_err(|error| target_error(path, error))?;
        size_bytes += filled as u64;
        for page in buffer[..filled].chunks_exact(block_bytes) {
            let is_good =
                matches!(check_page(page, block, record.data_checksums), PageVerdict::New | PageVerdict::Valid);
            if !is_good {
                let known = known.contains(&(relation, block));
                findings.error(&DrillFinding::DrillPage { path: name.to_owned(), block, known });
            }
            block += 1;
            pages += 1;
        }
        progress.advance(filled as u64);
        if filled < buffer.len() {
            break;
        }
    }
    if !size_bytes.is_multiple_of(block_bytes as u64) {
        findings.error(&DrillFinding::DrillPartialPage { path: name.to_owned(), size_bytes });
    }
    Ok(pages)
}

/// A record names pages by the relation's first segment.
fn first_segment(name: &str) -> &str {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    name[file..].find('.').map_or(name, |dot| &name[..file + dot])
}

fn fill(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_named_by_their_first() {
        for (name, wanted) in
            [("base/5/16384.3", "base/5/16384"), ("base/5/16384", "base/5/16384"), ("x.y/1_vm.1", "x.y/1_vm")]
        {
            assert_eq!(first_segment(name), wanted);
        }
    }
}
