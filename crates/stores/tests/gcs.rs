//! Google Cloud Storage, at a server of our own: large objects, and what is wrong with credentials or the bucket.

mod support;

use std::sync::Arc;
use stores::{StoreSettings, open};
use support::content;
use testkit::stores::GcsServer;
use vault::storage::{Storage, StorageError, conformance};

fn storage(server: &GcsServer, url: &str, credentials: &str) -> Arc<dyn Storage> {
    let mut settings = StoreSettings { url: url.to_owned(), ..StoreSettings::default() };
    settings.options.insert("give_up_seconds".to_owned(), "3".to_owned());
    settings.options.insert("part_size".to_owned(), "5242880".to_owned());
    settings.secrets.set("credentials", server.credentials(credentials));
    open(&settings).unwrap()
}

#[test]
fn small_and_large_objects_arrive_as_they_are() {
    let Some(server) = GcsServer::start() else { return };
    let storage = storage(&server, &server.url("a-b/db_1"), "credentials");
    let large = content(12 << 20);
    for key in ["plain-1_2.json", "x/y.z"] {
        storage.put(key, b"small").unwrap();
        assert_eq!(storage.get(key).unwrap().as_deref(), Some(&b"small"[..]), "{key}");
        let key = format!("{key}.large");
        conformance::put_streamed(storage.as_ref(), &key, &large).unwrap();
        assert!(storage.get(&key).unwrap().is_some_and(|there| there == large), "{key}");
    }
}

#[test]
fn a_prefix_that_would_arrive_as_another_is_refused() {
    for prefix in ["a=b", "a%20b", "%C3%B1"] {
        let settings = StoreSettings { url: format!("gcs://copias/{prefix}"), ..StoreSettings::default() };
        let refused = open(&settings).err();
        assert!(
            matches!(&refused, Some(StorageError::StorageSetting { setting, .. }) if setting == "url"),
            "{refused:?}"
        );
    }
}

#[test]
fn wrong_credentials_and_a_missing_bucket_are_told() {
    let Some(server) = GcsServer::start() else { return };
    let wrong = storage(&server, &server.url("x"), "wrong");
    for refused in [wrong.get("a").map(drop), wrong.list("").map(drop), wrong.put("a", b"x")] {
        assert!(matches!(&refused, Err(StorageError::StorageCredentials { .. })), "{refused:?}");
    }
    let url = server.url("x").replace(GcsServer::BUCKET, "nowhere");
    let nowhere = storage(&server, &url, "credentials");
    for refused in [nowhere.get("a").map(drop), nowhere.list("").map(drop), nowhere.put("a", b"x")] {
        assert!(
            matches!(&refused, Err(StorageError::StorageSetting { setting, .. }) if setting == "url"),
            "{refused:?}"
        );
    }
}
