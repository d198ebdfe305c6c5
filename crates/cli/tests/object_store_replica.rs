//! Replicas in S3 and Azure Blob, on a WebDAV server and over SFTP: the backups and the WAL arrive, are compared, and each of them brings the cluster
//! back, read where it lies.

#![cfg(unix)]

mod common;
mod daemon_support;
mod stream_support;

use daemon_support::cadena_for;
use std::os::unix::fs::PermissionsExt;
use stream_support::{ok, streamed_options};
use testkit::stores::{AzureServer, S3Server, SftpServer, WebDavServer};
use testkit::{TestCluster, TestFolder, available_versions};

#[test]
fn a_copy_in_any_store_brings_the_cluster_back() {
    let Some(version) = available_versions().pop() else { return };
    let cluster = TestCluster::new(version, &streamed_options());
    let (Some(s3), Some(webdav), Some(sftp)) = (S3Server::start(), WebDavServer::start(), SftpServer::start()) else {
        return;
    };
    let Some(azure) = AzureServer::start() else { return };
    let cadena = cadena_for(&cluster)
        .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
        .variable("DAV_PASSWORD", WebDavServer::PASSWORD)
        .variable("AZURE_KEY", AzureServer::KEY)
        .variable("HOME", &std::env::var("HOME").unwrap_or_default());
    let config = format!(
        "[[replica]]\nname = \"s3\"\nprovider = \"S3\"\ns3_bucket = \"{}\"\ns3_region = \"us-east-1\"\nendpoint = \"{}\"\n\
         s3_access_key = \"{}\"\ns3_secret_key_file = \"key\"\n\
         [[replica]]\nname = \"dav\"\nurl = \"{}\"\npassword_env = \"DAV_PASSWORD\"\n\
         [[replica]]\nname = \"nas\"\nurl = \"{}\"\n\
         [[replica]]\nname = \"azure\"\nprovider = \"AZURE\"\nurl = \"azblob://{}/db1\"\naccount = \"{}\"\nendpoint = \"{}\"\n\
         account_key_env = \"AZURE_KEY\"\n",
        S3Server::BUCKET,
        s3.endpoint(),
        S3Server::ACCESS_KEY,
        webdav.url("copies/db"),
        sftp.url("copies"),
        AzureServer::CONTAINER,
        AzureServer::ACCOUNT,
        azure.endpoint(),
    );
    let private = |path: std::path::PathBuf| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("chmod");
    };
    private(cadena.write("key", &format!("{}\n", S3Server::SECRET_KEY)));
    private(cadena.write("cadena.toml", &config));
    ok(&cadena, &["init", "--slot"]);
    cluster.sql("CREATE TABLE item AS SELECT g id, md5(g::text) body FROM generate_series(1, 300000) g");
    ok(&cadena, &["full"]);
    cluster.sql("UPDATE item SET body = 'changed' WHERE id % 1000 = 0; SELECT pg_switch_wal()");
    ok(&cadena, &["incremental"]);
    let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
    let wanted = cluster.sql(digest);
    for name in ["s3", "dav", "nas", "azure"] {
        ok(&cadena, &["replica", "push", name]);
        ok(&cadena, &["replica", "verify", name]);
    }
    let providers = cluster.sql("SELECT nube_subido, nube_proveedor FROM seguridad.backup_manifest ORDER BY id");
    assert!(providers.lines().all(|line| line.starts_with("t|")), "{providers}");

    std::fs::rename(cadena.path("backups_incrementales"), cadena.path("lost")).expect("moved");
    for name in ["s3", "dav", "nas", "azure"] {
        let folder = TestFolder::new();
        let target = folder.path().join("data");
        let restored = TestCluster::adopt(version, &target);
        let (to, owner) = (target.display().to_string(), restored.owner().name.clone());
        ok(&cadena, &["validate", "--level", "deep", "--from-replica", name]);
        ok(&cadena, &["restore", "--latest", "--from-replica", name, "--to", &to, "--owner", &owner]);
        restored.start_with(&[]);
        assert_eq!(restored.sql(digest), wanted, "{name}");
        restored.stop();
    }
    drop((webdav, sftp, azure));
}
