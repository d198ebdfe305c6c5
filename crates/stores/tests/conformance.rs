//! Every store keeps the contract of a storage, against a real server: S3 all of it, the others that of a replica.

mod support;

use std::sync::Arc;
use stores::{StoreSettings, open};
use support::{fresh_prefix, s3};
use testkit::stores::{AzureServer, GcsServer, S3Server, SftpServer, WebDavServer};
use vault::storage::{Storage, conformance};

#[test]
fn s3_keeps_the_contract() {
    let Some(server) = S3Server::start() else { return };
    conformance::run(&|| s3(&server.endpoint(), &fresh_prefix(), &[("give_up_seconds", "20")]));
}

#[test]
fn webdav_keeps_the_contract_of_a_replica() {
    let Some(server) = WebDavServer::start() else { return };
    conformance::run_replica(&|| {
        let mut settings = StoreSettings { url: server.url(&fresh_prefix()), ..StoreSettings::default() };
        settings.secrets.set("password", WebDavServer::PASSWORD.to_owned());
        open(&settings).unwrap()
    });
}

#[test]
fn azure_keeps_the_contract_of_a_replica() {
    let Some(server) = AzureServer::start() else { return };
    conformance::run_replica(&|| {
        let mut settings = StoreSettings { url: server.url(&fresh_prefix()), ..StoreSettings::default() };
        settings.secrets.set("account_key", AzureServer::KEY.to_owned());
        open(&settings).unwrap()
    });
}

#[test]
fn gcs_keeps_the_contract_of_a_replica() {
    let Some(server) = GcsServer::start() else { return };
    conformance::run_replica(&|| {
        let mut settings = StoreSettings { url: server.url(&fresh_prefix()), ..StoreSettings::default() };
        settings.secrets.set("credentials", server.credentials("credentials"));
        open(&settings).unwrap()
    });
}

#[test]
fn sftp_keeps_the_contract_of_a_replica() {
    let Some(server) = SftpServer::start() else { return };
    conformance::run_replica(&|| {
        let settings = StoreSettings { url: server.url(&fresh_prefix()), ..StoreSettings::default() };
        open(&settings).unwrap()
    });
}

#[test]
fn a_path_or_a_file_address_is_the_local_folder() {
    let folder = tempfile::tempdir().unwrap();
    for url in [folder.path().display().to_string(), format!("file://{}", folder.path().display())] {
        let storage: Arc<dyn Storage> = open(&StoreSettings { url, ..StoreSettings::default() }).unwrap();
        storage.put("a/b", b"x").unwrap();
        assert_eq!(std::fs::read(folder.path().join("a/b")).unwrap(), b"x");
    }
}
