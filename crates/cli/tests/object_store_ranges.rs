//! One database out of a bucket: what is fetched of the archive is near that database's share, however large the rest is.

#![cfg(unix)]

mod common;
mod daemon_support;
mod race_support;
mod stream_support;

use daemon_support::{completed, options};
use race_support::host;
use stream_support::ok;
use testkit::stores::{FaultProxy, ProxyFault, S3Server};
use testkit::{TestCluster, TestFolder, available_versions};

/// Rows of the wanted database, and what each has of bytes that don't get smaller.
const ROWS: u64 = 30_000;
const BODY_BYTES: u64 = 64;

/// The bytes of an object that the heads of requests ask for; one that names no range asks for all of it.
fn asked_bytes(heads: &[String], object: &str, size_bytes: u64) -> u64 {
    let reads = heads.iter().filter(|head| head.starts_with("GET ") && head.contains(object));
    let range = |head: &String| {
        let line =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let Some(line) = line else { return size_bytes };
        let (start, end) = line.trim().split_once('-').expect("a range");
        let end = end.parse::<u64>().expect("its end").min(size_bytes - 1);
        end + 1 - start.parse::<u64>().expect("its start")
    };
    reads.map(range).sum()
}

#[test]
fn one_database_is_fetched_from_a_bucket_without_the_others() {
    let Some(version) = available_versions().pop() else { return };
    let Some(server) = S3Server::start() else { return };
    let cluster = TestCluster::new(version, &options());
    let rows = |count: u64| {
        format!("CREATE TABLE item AS SELECT n, sha512(n::text::bytea) AS body FROM generate_series(1, {count}) n")
    };
    for (name, count) in [("wanted", ROWS), ("other", 15 * ROWS)] {
        cluster.sql(&format!("CREATE DATABASE {name}"));
        cluster.sql_in(name, &rows(count));
    }
    let proxy = FaultProxy::to(server.port());
    let work = TestFolder::new();
    let cadena = host(&server, &cluster, "ranges", "one", 60)
        .variable("AWS_ENDPOINT_URL", &proxy.endpoint())
        .variable("CADENA_WORK_DIR", &work.path().display().to_string());
    ok(&cadena, &["init", "--no-catalog"]);
    ok(&cadena, &["full"]);
    let record = completed(&cadena).pop().expect("a backup");
    let (name, size_bytes) = (record["archive_name"].as_str().expect("a name"), record["archive_bytes"].as_u64());
    let size_bytes = size_bytes.expect("a size");
    assert!(size_bytes > 35_000_000, "{record}");

    proxy.set(|_, _| ProxyFault::None);
    let owner = cluster.owner().name.clone();
    ok(&cadena, &["restore", "--backup", "1", "--database", "wanted", "--as", "back", "--owner", &owner]);
    let fetched = asked_bytes(&proxy.heads(), name, size_bytes);
    let digest = "SELECT count(*) || md5(string_agg(n || body::text, ',' ORDER BY n)) FROM item";
    assert_eq!(cluster.sql_in("back", digest), cluster.sql_in("wanted", digest));
    // Its own rows, what every cluster has (some 3 MB), the log, and what readers fetch ahead.
    assert!(fetched >= ROWS * BODY_BYTES, "{fetched} bytes can't have been enough");
    assert!(fetched < 10_000_000, "{fetched} of {size_bytes} bytes were fetched");
}
