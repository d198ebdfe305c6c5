//! One database out of a cluster of several comes back as it was at an instant, into the live server, under a new name or in place of
//! the damaged one. The other databases and those who use them notice nothing.
//!
//! The oracle is a dump taken at that very point, by PostgreSQL's newest pg_dump.

#![cfg(unix)]

mod common;
mod database_support;
mod stream_support;

use cadena::repository::{BackupId, Repository};
use cadena::storage::LocalFolder;
use database_support::{Site, assert_same_text, make_shop, one_version};
use pgformat::MajorVersion;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use stream_support::{Clock, make_clock, ok};
use testkit::TestCluster;

testkit::on_each_version!(a_database_comes_back_from_the_second_before_and_the_others_notice_nothing, |version| {
    let mut site = Site::new(version);
    let cluster = site.cluster.clone();
    make_clock(&cluster, 50);
    make_shop(&cluster);
    // Each way to sort that the versions' packages have.
    cluster.sql(match version {
        MajorVersion::V14 => "CREATE DATABASE other ENCODING 'SQL_ASCII' TEMPLATE template0",
        MajorVersion::V15 => "CREATE DATABASE other LOCALE_PROVIDER icu ICU_LOCALE 'es' TEMPLATE template0",
        MajorVersion::V16 => {
            "CREATE DATABASE other LOCALE_PROVIDER icu ICU_LOCALE 'es' ICU_RULES '&n < ñ' TEMPLATE template0"
        }
        _ => "CREATE DATABASE other LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' TEMPLATE template0",
    });
    cluster.sql_in("other", "CREATE TABLE t AS SELECT generate_series(1, 1000) n");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    let clock = Clock::start(cluster.clone(), Duration::from_millis(20));
    clock.wait_for_rows(2);

    // The second before: what the dump says then is what must come back.
    let expected = site.dump_as("shop", "shop_back");
    let other_then = site.dump_as("other", "other_back");
    site.mark("before_the_mistake");
    cluster.sql_in("shop", "UPDATE ventas.pedidos SET total = 0; DROP TABLE ventas.clientes CASCADE");
    cluster.sql("DROP DATABASE other");
    let damaged = site.dump("shop");

    let point = ["--name", "before_the_mistake"];
    let answer = site.restore(&[&point[..], &["--database", "shop", "--as", "shop_back"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    let outcome = &answer.json()["outcome"];
    assert_eq!(outcome["tables"], 4, "{outcome}");
    assert_same_text(&site.dump("shop_back"), &expected);
    assert_same_text(&site.dump("shop"), &damaged);
    site.assert_nothing_left();

    // A dropped one, under a name of its own.
    let answer = site.restore(&[&point[..], &["--database", "other", "--as", "other_back"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_same_text(&site.dump("other_back"), &other_then);

    // In place of the damaged one, whose users are sent away and come back to the right one.
    let mut user = cluster.session("shop");
    user.run("SELECT 1").unwrap_or_else(|failure| panic!("{failure}"));
    let answer = site.restore(&[&point[..], &["--database", "shop", "--replace"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    let outcome = answer.json()["outcome"].clone();
    let kept = outcome["kept"].as_str().unwrap_or_else(|| panic!("{outcome}"));
    assert!(outcome["ended_sessions"].as_u64() >= Some(1), "{outcome}");
    assert!(user.run("SELECT 1").is_err(), "it was connected to the old one");
    assert_same_text(&site.dump_as("shop", "shop_back"), &expected);
    assert_same_text(&site.dump_as(kept, "shop"), &damaged);
    assert!(kept.starts_with("shop_before_20"), "{kept}");

    // Those who used another database all the while lost nothing.
    clock.wait_for_rows(2);
    let rows = clock.rows();
    clock.stop();
    // One session that never had to connect again: every number was acknowledged, and is there.
    assert!(rows.iter().copied().eq(1..=rows.len() as u64), "{rows:?}");
    assert!(cluster.sql_scalar::<u64>("SELECT count(*) FROM clock") >= rows.len() as u64);
    assert_eq!(cluster.sql("SELECT count(*) = max(n) FROM clock"), "t");
    site.assert_nothing_left();
});

/// Clients that keep databases busy with whatever leaves records in the log. Ends when dropped; an error of theirs is a failure.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Crowd {
    fn start(cluster: &Arc<TestCluster>, databases: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |database: &String| {
            let (cluster, stop, database) = (cluster.clone(), stop.clone(), database.clone());
            std::thread::spawn(move || {
                let mut session = cluster.session(&database);
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    rounds += 1;
                    for statement in [
                        "UPDATE bulk SET body = md5(body) WHERE id % 97 = (random() * 96)::int",
                        "INSERT INTO bulk SELECT n, md5(n::text) FROM generate_series(1, 300) n",
                        "DELETE FROM bulk WHERE ctid IN (SELECT ctid FROM bulk LIMIT 300)",
                        "CREATE TABLE gone AS SELECT * FROM bulk LIMIT 500; CREATE INDEX ON gone (id); DROP TABLE gone",
                        "TRUNCATE small; INSERT INTO small SELECT generate_series(1, 200)",
                        "VACUUM bulk",
                    ] {
                        session.run(statement).unwrap_or_else(|failure| panic!("{database}: {failure}"));
                        std::thread::sleep(Duration::from_millis(60));
                    }
                }
                rounds
            })
        };
        Crowd { threads: databases.iter().map(client).collect(), stop }
    }

    /// Ends it, and makes sure that each of them came through.
    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            assert!(thread.join().expect("no client saw an error") > 0);
        }
    }
}

testkit::on_each_version!(
    rows_of_other_databases_are_not_restored_and_nothing_of_the_wanted_one_is_missing,
    |version| {
        let mut site = Site::new(version);
        let cluster = site.cluster.clone();
        make_shop(&cluster);
        let crowd: Vec<String> = (1..=4).map(|number| format!("crowd_{number}")).collect();
        for database in &crowd {
            cluster.sql(&format!("CREATE DATABASE {database}"));
            cluster.sql_in(
            database,
            "CREATE TABLE bulk AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 20000) n; \
             CREATE INDEX ON bulk (id); CREATE INDEX ON bulk USING gin (string_to_array(body, 'a')); CREATE TABLE small (n int)",
        );
        }
        for (name, text) in [("first", "one"), ("second", "two")] {
            cluster.sql(&format!("CREATE DATABASE {name}"));
            cluster.sql_in(name, &format!("CREATE TABLE t AS SELECT '{text}' AS is FROM generate_series(1, 3000)"));
        }
        site.init();
        ok(&site.cadena, &["full", "--json"]);
        let busy = Crowd::start(&cluster, &crowd);
        cluster.sql_in("shop", "INSERT INTO ventas.clientes (nombre) SELECT 'n' || n FROM generate_series(1, 3000) n");
        ok(&site.cadena, &["incremental", "--json"]);
        cluster.sql_in("shop", "UPDATE ventas.pedidos SET total = total + 1; VACUUM FULL ventas.clientes");
        // After the backup: one is born, and two change names.
        cluster.sql("CREATE DATABASE born");
        cluster.sql_in("born", "CREATE TABLE t AS SELECT generate_series(1, 500) n");
        cluster.sql("ALTER DATABASE first RENAME TO third; ALTER DATABASE second RENAME TO first");
        let expected = site.dump_as("shop", "shop_back");
        site.mark("here");
        cluster.sql_in("shop", "TRUNCATE ventas.pedidos");
        let restore = |database: &str| {
            let name = format!("{database}_back");
            let answer = site.restore(&["--name", "here", "--database", database, "--as", &name]);
            assert_eq!(answer.code, 0, "{answer:?}");
            answer.json()["outcome"].clone()
        };
        let outcome = restore("shop");
        busy.stop();
        assert_same_text(&site.dump("shop_back"), &expected);
        assert!(outcome["left_out_bytes"].as_u64() > Some(4 * 2_000_000), "{outcome}");
        // Of those that the backup does not know by their name, or knows by another's, all is restored. One version will do.
        if version == one_version() {
            for (database, count) in [("born", "500"), ("first", "3000")] {
                let outcome = restore(database);
                assert_eq!(outcome["left_out_bytes"], 0, "{outcome}");
                assert_eq!(cluster.sql_in(&format!("{database}_back"), "SELECT count(*) FROM t"), count);
            }
            assert_eq!(cluster.sql_in("first_back", "SELECT DISTINCT \"is\" FROM t"), "two");
        }
        site.assert_nothing_left();
    }
);

#[test]
fn damage_is_found_in_what_is_read_and_what_is_not_needed_is_not_read() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    for database in ["wanted", "other"] {
        cluster.sql(&format!("CREATE DATABASE {database}"));
        cluster.sql_in(
            database,
            "CREATE TABLE bulk AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 30000) n; VACUUM (FREEZE) bulk",
        );
    }
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    let (wanted, other) =
        ["wanted", "other"].map(|name| cluster.sql_in(name, "SELECT pg_relation_filepath('bulk')")).into();
    cluster.sql_in("wanted", "UPDATE bulk SET body = 'x' WHERE id = 7");
    ok(&site.cadena, &["incremental", "--json"]);
    let expected = site.dump_as("wanted", "wanted_back");
    site.mark("here");
    let restore = |name: &str| site.restore(&["--name", "here", "--database", "wanted", "--as", name]);

    damage_in_full(&site, &other);
    let answer = restore("wanted_back");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.json()["outcome"]["left_out_bytes"].as_u64() > Some(2_000_000), "{answer:?}");
    assert_same_text(&site.dump("wanted_back"), &expected);
    // The other one can't be had, nor the whole cluster: its frame is damaged.
    let answer = site.restore(&["--name", "here", "--database", "other", "--as", "other_back"]);
    assert_eq!(
        (answer.code, answer.json()["error"]["key"].as_str()),
        (5, Some("repository-archive-digest")),
        "{answer:?}"
    );

    damage_in_full(&site, &wanted);
    let answer = restore("wanted_again");
    assert_eq!(
        (answer.code, answer.json()["error"]["key"].as_str()),
        (5, Some("repository-archive-digest")),
        "{answer:?}"
    );
    assert_eq!(
        cluster.sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE datname ~ '_'"),
        "wanted_back"
    );
    site.assert_nothing_left();
}

/// Flips a bit in the middle of a file of the FULL's archive, where that is compressed.
fn damage_in_full(site: &Site, path: &str) {
    let storage = LocalFolder::new(&site.cadena.path("backups_incrementales"));
    let repository = Repository::open(Arc::new(storage)).unwrap_or_else(|error| panic!("{error}"));
    let record = repository.record(BackupId(1)).unwrap_or_else(|error| panic!("{error}"));
    let archive = repository.open_archive(&record).unwrap_or_else(|error| panic!("{error}"));
    let member = archive.find_member(path.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let table = archive.seek_table();
    let frame = table.frame_at(member.content_offset + member.size_bytes / 2).expect("a frame");
    let place = table.compressed_range(frame);
    let file = site.cadena.path("backups_incrementales").join("full").join(&record.archive_name);
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let (mut byte, at) = ([0], (place.start + place.end) / 2);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}
