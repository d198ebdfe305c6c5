//! A daemon's host may write into a bucket, and nothing else: what it sends arrives, is sent once, and restores with other credentials.

#![cfg(unix)]

mod common;
mod daemon_support;
mod race_support;
mod stream_support;

use cadena::stores::{StoreSettings, open};
use daemon_support::cadena_for;
use race_support::host;
use std::os::unix::fs::PermissionsExt;
use stream_support::{Daemon, daemon_log, ok, streamed_options, wait_for};
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use testkit::{TestCluster, TestFolder, available_versions};

#[test]
fn a_host_that_may_only_write_keeps_a_replica_that_restores() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    // As a policy with PutObject and nothing else: no GetObject, no ListBucket, no DeleteObject.
    let proxy = FaultProxy::to(server.port());
    proxy.set(|line, _| {
        let is_granted = line.starts_with("PUT ") || line.starts_with("POST ");
        if is_granted { ProxyFault::None } else { ProxyFault::Answer(403, None) }
    });
    let cluster = TestCluster::new(version, &streamed_options());
    let cadena = cadena_for(&cluster).variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string());
    let config = |endpoint: &str, more: &str| {
        let file = cadena.write(
            "cadena.toml",
            &format!(
                "[[replica]]\nname = \"far\"\nurl = \"s3://{}/far\"\nendpoint = \"{endpoint}\"\nregion = \"us-east-1\"\n\
                 access_key = \"{}\"\nsecret_key = \"{}\"\npartial_seconds = 1\n{more}",
                S3Server::BUCKET,
                S3Server::ACCESS_KEY,
                S3Server::SECRET_KEY
            ),
        );
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    };
    config(&proxy.endpoint(), "write_only = true\n");
    ok(&cadena, &["init", "--slot"]);
    cluster.sql("CREATE TABLE item AS SELECT g id, md5(g::text) body FROM generate_series(1, 300000) g");
    let daemon = Daemon::start(&cadena);
    wait_for("the stream", || daemon_log(&cadena).contains("INFO"));
    assert_eq!(cadena.run(&["full"]).code, 0);
    cluster.sql("UPDATE item SET body = 'changed' WHERE id % 1000 = 0; SELECT pg_switch_wal()");
    assert_eq!(cadena.run(&["incremental"]).code, 0);
    let state = || ok(&cadena, &["replica", "list", "--json"]).json();
    wait_for("both backups there", || proxy.log().iter().any(|line| line.contains("/incremental/inc_")));
    assert_eq!(daemon.stop(), Some(0));
    ok(&cadena, &["replica", "push"]);
    assert!(proxy.log().iter().all(|line| !line.starts_with("DELETE ")), "nothing is removed there");

    // What is known to be there is not sent again, by another process either.
    let archives = || proxy.log().iter().filter(|line| line.contains(".backup")).count();
    let before = archives();
    ok(&cadena, &["replica", "push"]);
    assert_eq!(archives(), before, "{:?}", state());
    for arguments in [["replica", "verify", "far"], ["replica", "cleanup", "far"]] {
        let answer = cadena.run(&[&arguments[..], &["--json"]].concat());
        // From it nothing is to be removed: a cleanup has nothing to do.
        let is_fine = arguments[1] == "cleanup" && answer.code == 0;
        assert!(is_fine || answer.json()["error"]["key"] == "replica-write-only", "{answer:?}");
    }

    // What was sent is forgotten: the store says that it has it, and that is no failure.
    std::fs::remove_file(cadena.path("backups_incrementales/replicas/far.sent")).expect("a memory");
    ok(&cadena, &["replica", "push"]);
    // Nothing is known of the place at all: it may be another cluster's.
    for name in ["far.sent", "far.json"] {
        std::fs::remove_file(cadena.path("backups_incrementales/replicas").join(name)).expect("removed");
    }
    for _ in 0..2 {
        let answer = cadena.run(&["replica", "push", "--json"]);
        assert_eq!(answer.json()["error"]["key"].as_str(), Some("replica-unseen"), "{answer:?}");
    }

    // Another host, whose credentials may read.
    config(&server.endpoint(), "");
    ok(&cadena, &["replica", "push"]);
    let verified = ok(&cadena, &["replica", "verify", "--json"]).json();
    assert_eq!(verified["findings"].as_array().map(Vec::len), Some(0), "{verified}");
    let digest = "SELECT count(*) || md5(string_agg(id || body, ',' ORDER BY id)) FROM item";
    let wanted = cluster.sql(digest);
    std::fs::rename(cadena.path("backups_incrementales"), cadena.path("lost")).expect("moved");
    let folder = TestFolder::new();
    let target = folder.path().join("data");
    let restored = TestCluster::adopt(version, &target);
    let (to, owner) = (target.display().to_string(), restored.owner().name.clone());
    ok(&cadena, &["restore", "--latest", "--from-replica", "far", "--to", &to, "--owner", &owner]);
    restored.start_with(&[]);
    assert_eq!(restored.sql(digest), wanted);
    restored.stop();
}

/// An endpoint tells whose bucket it is: two of one name are two places, and one at two addresses is one.
#[test]
fn the_bucket_of_the_repository_is_refused_and_one_of_its_name_elsewhere_is_filled() {
    let Some(version) = available_versions().pop() else { return };
    let (Some(here), Some(there), Some(next)) = (S3Server::start(), S3Server::start(), S3Server::start()) else {
        return;
    };
    let cluster = TestCluster::new(version, &daemon_support::options());
    let cadena = host(&here, &cluster, "db", "one", 60);
    let replica_at = |endpoint: &str| {
        let text = format!(
            "[catalog]\nenabled = \"off\"\n[[replica]]\nname = \"far\"\nurl = \"s3://{}/db\"\nendpoint = \"{endpoint}\"\nwrite_only = true\n",
            S3Server::BUCKET
        );
        cadena.write("cadena.toml", &text);
        cadena.run(&["replica", "push", "--json"])
    };
    ok(&cadena, &["init", "--no-catalog"]);
    ok(&cadena, &["full"]);
    let objects = |server: &S3Server| {
        let mut settings = StoreSettings { url: S3Server::url("db", &server.endpoint()), ..StoreSettings::default() };
        settings.secrets.set("access_key", S3Server::ACCESS_KEY.to_owned());
        settings.secrets.set("secret_key", S3Server::SECRET_KEY.to_owned());
        let listed = open(&settings).expect("a storage").list("full/").expect("a list");
        listed.into_iter().map(|object| (object.key, object.size_bytes)).collect::<Vec<_>>()
    };

    // The same address but for its spelling: refused before anything is asked. By another way: refused by what lies there.
    let refused = replica_at(&format!("{}/", here.endpoint()));
    assert_eq!(
        (refused.code, refused.json()["error"]["key"].as_str()),
        (6, Some("replica-is-repository")),
        "{refused:?}"
    );
    let proxy = FaultProxy::to(here.port());
    let refused = replica_at(&proxy.endpoint());
    assert_eq!(refused.json()["error"]["key"].as_str(), Some("replica-unseen"), "{refused:?}");
    assert!(proxy.log().iter().all(|line| line.contains("cadena.json")), "{:?}", proxy.log());

    // Elsewhere: filled, and, when the provider changes, filled again.
    for server in [&there, &next] {
        let pushed = replica_at(&server.endpoint());
        assert_eq!(pushed.code, 0, "{pushed:?}");
        assert_eq!(objects(server), objects(&here));
        assert_eq!(objects(server).len(), 2);
    }
}
