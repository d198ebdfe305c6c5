//! The local folder keeps the contract of all storages.

use std::sync::{Arc, Mutex};
use vault::storage::{LocalFolder, Storage, conformance};

#[test]
fn the_local_folder_keeps_the_contract_of_storages() {
    let folders = Mutex::new(Vec::new());
    conformance::run(&|| {
        let folder = tempfile::tempdir().unwrap();
        // The root does not exist yet, nor does the folder above it.
        let storage = LocalFolder::new(&folder.path().join("missing").join("repository"));
        folders.lock().unwrap().push(folder);
        Arc::new(storage) as Arc<dyn Storage>
    });
}

#[test]
fn a_local_folder_behind_a_symbolic_link_keeps_the_contract_too() {
    #[cfg(unix)]
    {
        let folders = Mutex::new(Vec::new());
        conformance::run(&|| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::create_dir(folder.path().join("real")).unwrap();
            std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
            let storage = LocalFolder::new(&folder.path().join("link"));
            folders.lock().unwrap().push(folder);
            Arc::new(storage) as Arc<dyn Storage>
        });
    }
}
