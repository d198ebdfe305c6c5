//! Which files does one database need? Its own, those of what every cluster has (catalogs that all share, the templates, `postgres`), and
//! all that is no relation. Files of other databases are made with their length and without content.

use super::throwaway::{ThrowAwayError, folder_error};
use crate::Error;
use crate::chain::{Chain, ChainReader, OutputMember};
use pgformat::relation_file::{ForkNumber, RelationFile};
use pgformat::shared_catalog::{
    FIRST_NORMAL_OID, MAP_LIMIT_BYTES, PG_DATABASE_OID, SHARED_MAP_PATH, database_rows, mapped_file_number,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A catalog of databases that is larger than this is read by nobody here: the whole cluster is restored then.
const CATALOG_LIMIT_BYTES: u64 = 64 << 20;

/// The databases whose files are written whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptDatabases {
    oids: BTreeSet<u32>,
    /// The sum of the sizes of what is left out.
    pub left_out_bytes: u64,
}

impl KeptDatabases {
    /// Finds the databases that have, or had, a name when the backup was taken. `None` when there was none, or the catalog can't be read from
    /// the files: then everything is needed.
    ///
    /// # Errors
    /// Those of the archives.
    pub fn of(chain: &Chain, block_size: u32, name: &str) -> Result<Option<Self>, Error> {
        let Some(map) = find(chain, &|path| path == SHARED_MAP_PATH.as_bytes(), MAP_LIMIT_BYTES)? else {
            return Ok(None);
        };
        let Ok(number) = mapped_file_number(&map, PG_DATABASE_OID) else { return Ok(None) };
        let is_catalog = |path: &[u8]| {
            let file = std::str::from_utf8(path).ok().and_then(RelationFile::parse);
            file.is_some_and(|file| {
                let locator = file.locator;
                (locator.db_oid, locator.rel_number, file.segment) == (0, number, 0) && file.fork == ForkNumber::Main
            })
        };
        let Some(catalog) = find(chain, &is_catalog, CATALOG_LIMIT_BYTES)? else { return Ok(None) };
        let rows = catalog.chunks(block_size.max(1) as usize).flat_map(database_rows);
        let oids: BTreeSet<u32> = rows.filter(|row| row.name == name.as_bytes()).map(|row| row.oid).collect();
        Ok((!oids.is_empty()).then_some(KeptDatabases { oids, left_out_bytes: 0 }))
    }

    /// Tells whether a file's content is left out.
    pub fn leaves_out(&self, path: &[u8]) -> bool {
        let file = std::str::from_utf8(path).ok().and_then(RelationFile::parse);
        file.is_some_and(|file| file.locator.db_oid >= FIRST_NORMAL_OID && !self.oids.contains(&file.locator.db_oid))
    }

    /// Tells whether a database's files are whole.
    pub fn holds(&self, oid: u32) -> bool {
        oid < FIRST_NORMAL_OID || self.oids.contains(&oid)
    }

    /// Looks through a server's log for pages that its recovery missed and that were not left out: then something is wrong, and it is not
    /// known to be harmless (upstream `report_invalid_page`). Returns the line.
    pub fn missed_page<'a>(&self, log: &'a str) -> Option<&'a str> {
        let is_missed = |line: &&str| {
            let Some((_, relation)) = line.split_once(" of relation ") else { return false };
            let is_report = relation.ends_with(" does not exist") || relation.ends_with(" is uninitialized");
            // `base/16384/16397`, with the fork's name behind it where it is not the main one.
            let path = relation.split(' ').next().unwrap_or_default();
            is_report && !self.leaves_out(path.as_bytes())
        };
        log.lines().find(is_missed)
    }
}

/// The folders of the databases that are whole, held open: one that is there afterwards under the same name may have been made anew by recovery, out
/// of a database that was left out (`CREATE DATABASE … OID n TEMPLATE other STRATEGY FILE_COPY`).
#[derive(Debug)]
pub(crate) struct KeptFolders {
    folders: Vec<(PathBuf, File)>,
}

impl KeptFolders {
    /// Opens them: `base/OID`, and `pg_tblspc/TABLESPACE/PG_…/OID`.
    ///
    /// # Errors
    /// `ThrowAwayFolder`.
    pub fn find(data_directory: &Path, kept: &KeptDatabases) -> Result<Self, ThrowAwayError> {
        let mut parents = vec![data_directory.join("base")];
        for tablespace in entries(&data_directory.join("pg_tblspc"))? {
            parents.extend(entries(&tablespace)?);
        }
        let mut folders = Vec::new();
        for oid in &kept.oids {
            for path in parents.iter().map(|parent| parent.join(oid.to_string())).filter(|path| path.is_dir()) {
                let opened = File::open(&path).map_err(|error| folder_error(&path, error))?;
                folders.push((path, opened));
            }
        }
        Ok(KeptFolders { folders })
    }

    /// Returns the first that is gone, or another one by now.
    pub fn changed(&self) -> Option<&Path> {
        let is_same = |(path, held): &&(PathBuf, File)| {
            let same = |now: std::fs::Metadata| {
                held.metadata().is_ok_and(|then| (then.dev(), then.ino()) == (now.dev(), now.ino()))
            };
            std::fs::metadata(path).is_ok_and(same)
        };
        self.folders.iter().find(|folder| !is_same(folder)).map(|(path, _)| path.as_path())
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ThrowAwayError> {
    let list = || std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>();
    list().map_err(|error| folder_error(folder, error))
}

/// Reads a file of the chain; `None` when there is none, or one that is longer than `limit_bytes`.
fn find(chain: &Chain, wanted: &dyn Fn(&[u8]) -> bool, limit_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
    for output in chain.outputs()? {
        let output = output?;
        if wanted(&output.path) {
            return if output.size_bytes > limit_bytes {
                Ok(None)
            } else {
                read(&mut chain.reader()?, &output).map(Some)
            };
        }
    }
    Ok(None)
}

fn read(reader: &mut ChainReader<'_>, output: &OutputMember) -> Result<Vec<u8>, Error> {
    let mut content = Vec::with_capacity(output.size_bytes as usize);
    reader.read(output, 0..output.size_bytes, &mut |bytes| {
        content.extend_from_slice(bytes);
        Ok::<(), Error>(())
    })?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> KeptDatabases {
        KeptDatabases { oids: BTreeSet::from([16390]), left_out_bytes: 0 }
    }

    #[test]
    fn only_relations_of_other_databases_are_left_out() {
        for path in ["base/16391/16400", "base/16391/16400_vm.1", "pg_tblspc/16500/PG_17_202406281/16391/2619"] {
            assert!(kept().leaves_out(path.as_bytes()), "{path}");
        }
        for path in [
            "base/16390/16400",
            "pg_tblspc/16500/PG_17_202406281/16390/2619",
            "base/1/1259",
            "base/5/1259",
            "base/16391/PG_VERSION",
            "base/16391/pg_filenode.map",
            "global/1262",
            "pg_xact/0000",
            "base/16391/t3_16400",
        ] {
            assert!(!kept().leaves_out(path.as_bytes()), "{path}");
        }
        assert!(kept().holds(16390) && kept().holds(5) && !kept().holds(16391));
    }

    #[test]
    fn a_folder_that_was_made_anew_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let (own, moved) = (root.path().join("base/16390"), root.path().join("pg_tblspc/16500/PG_17_202406281/16390"));
        [&own, &moved].into_iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        let folders = KeptFolders::find(root.path(), &kept()).unwrap();
        assert_eq!((folders.folders.len(), folders.changed()), (2, None));
        std::fs::remove_dir(&moved).unwrap();
        std::fs::create_dir(&moved).unwrap();
        assert_eq!(folders.changed(), Some(moved.as_path()));
        std::fs::remove_dir(&own).unwrap();
        assert_eq!(folders.changed(), Some(own.as_path()));
    }

    #[test]
    fn a_page_that_was_missed_elsewhere_is_noticed() {
        let harmless = "x WARNING:  page 5 of relation base/16391/16400 does not exist\n\
            WARNING:  page 0 of relation pg_tblspc/16500/PG_17_202406281/16391/2619 is uninitialized\n\
            WARNING:  WAL contains references to invalid pages\n";
        assert_eq!(kept().missed_page(harmless), None);
        for line in [
            "WARNING:  page 5 of relation base/16390/16400 does not exist",
            "WARNING:  page 5 of relation base/16390/16400_vm is uninitialized",
            "WARNING:  page 1 of relation global/1262 is uninitialized",
        ] {
            assert_eq!(kept().missed_page(&format!("{harmless}{line}\n")), Some(line));
        }
    }
}
