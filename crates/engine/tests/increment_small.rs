//! The cost of an increment follows the change: nothing changed, nothing held; a few rows changed, a few blocks held, however
//! large the rest is.

mod backup_support;

use backup_support::{increment, options, repository_for};
use engine::backup::ChangesChoice;
use engine::reader::ReaderChoice;
use testkit::{ClusterOptions, TestCluster, TestFolder};
use vault::repository::{BackupKind, BackupRecord, Repository};

/// What an archive holds of relations: how many members of blocks, and their bytes; and the bytes of relation files held whole that are no
/// free space maps.
fn held(repository: &Repository, record: &BackupRecord) -> (usize, u64, u64) {
    let (mut increments, mut increment_bytes, mut whole_bytes) = (0, 0, 0);
    for member in repository.open_archive(record).unwrap().members().unwrap() {
        let member = member.unwrap();
        let path = String::from_utf8(member.path).unwrap();
        if path.contains("/INCREMENTAL.") {
            increments += 1;
            increment_bytes += member.size_bytes;
        } else if pgformat::relation_file::RelationFile::parse(&path).is_some() && !path.ends_with("_fsm") {
            whole_bytes += member.size_bytes;
        }
    }
    (increments, increment_bytes, whole_bytes)
}

testkit::on_each_version!(an_increment_holds_what_changed_and_nothing_more, |version| {
    let folder = TestFolder::new();
    let source = TestCluster::new(version, &ClusterOptions::default().set("autovacuum", "off"));
    source.sql("CREATE TABLE large AS SELECT n, repeat('x', 100) AS filler FROM generate_series(1, 300000) AS n");
    source.sql("VACUUM (ANALYZE, FREEZE); CHECKPOINT");
    let repository = repository_for(&source, &folder.path().join("repository"));
    let take =
        |kind| increment(&source, &repository, kind, ChangesChoice::Wal, &options(ReaderChoice::Auto, None)).record;
    let full = take(BackupKind::Full);
    assert!(full.plain_bytes > 40_000_000);

    let nothing = take(BackupKind::Incremental);
    assert_eq!(nothing.kind, BackupKind::Incremental);
    let (increments, increment_bytes, whole_bytes) = held(&repository, &nothing);
    assert!(increments > 500, "{increments}");
    // The heads of files without blocks, and the few pages that a checkpoint and its snapshot touch.
    assert!(increment_bytes < 200_000, "{increment_bytes}");
    // A file of one block whose block a checkpoint's snapshot touched is whole.
    assert!(whole_bytes < 100_000, "{whole_bytes}");
    assert!(nothing.archive_bytes < 400_000, "{}", nothing.archive_bytes);

    source.sql("UPDATE large SET filler = repeat('y', 100) WHERE n IN (1, 150000, 299999)");
    let few = take(BackupKind::Incremental);
    let (_, few_bytes, whole_bytes) = held(&repository, &few);
    assert!(few_bytes > increment_bytes && few_bytes < increment_bytes + 200_000, "{few_bytes}");
    assert!(whole_bytes < 100_000, "{whole_bytes}");
});
