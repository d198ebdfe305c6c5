//! Is the migration what its sources say?

use std::fs;
use std::path::Path;

#[test]
fn the_migration_is_its_sources_one_after_the_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let entries = fs::read_dir(root.join("sql/seguridad")).unwrap_or_else(|error| panic!("{error}"));
    let mut sources: Vec<_> = entries.map(|entry| entry.unwrap_or_else(|error| panic!("{error}")).path()).collect();
    sources.sort();
    assert!(sources.len() > 5, "{sources:?}");
    let whole: String = sources.iter().map(|path| read(path)).collect();
    let migration = read(&root.join("migrations/002_add_incremental_backup_system.sql"));
    assert!(migration == whole, "run: cat sql/seguridad/*.sql > migrations/002_add_incremental_backup_system.sql");
    assert!(!whole.contains("\n\\"), "psql's own commands are no SQL, and the program runs it too");
}
