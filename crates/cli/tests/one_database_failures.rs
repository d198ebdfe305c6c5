//! A restore of one database that is refused, or killed on its way: the live server is as it was, and nothing is left.

#![cfg(unix)]

mod common;
mod database_support;
mod stream_support;

use database_support::{Site, left_in, make_shop, one_version};
use pgformat::MajorVersion;
use std::path::Path;
use std::process::Command;
use stream_support::{ok, wait_for};
use testkit::{TestCluster, TestFolder};

#[test]
fn refusals_come_before_the_live_server_is_changed_and_say_what_is_missing() {
    let (version, newest) = (MajorVersion::V15, one_version());
    if !testkit::is_available(version) {
        return;
    }
    let mut site = Site::new(version);
    let cluster = site.cluster.clone();
    make_shop(&cluster);
    cluster.sql("CREATE DATABASE held");
    cluster.sql_in("held", "CREATE TABLE t AS SELECT 1 AS n");
    cluster.sql_in("held", "BEGIN; LOCK TABLE t; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s open'");
    cluster.sql_in(
        "held",
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = 'precious')",
    );
    // A dump of it can't be loaded: its check looks for another table where a dump does not.
    cluster.sql("CREATE DATABASE odd OWNER gerente");
    cluster.sql_in(
        "odd",
        "CREATE TABLE later AS SELECT 1 AS n; \
         CREATE FUNCTION known(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM later WHERE n = $1); END'; \
         CREATE TABLE first (n int CHECK (known(n))); INSERT INTO first VALUES (1)",
    );
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    site.mark("here");
    let point = ["--name", "here"];
    let refused = |arguments: &[&str], key: &str| {
        let before = cluster.sql("SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database");
        let answer = site.restore(&[&point[..], arguments].concat());
        let error = answer.json()["error"].clone();
        assert_eq!((answer.code, error["key"].as_str()), (6, Some(key)), "{answer:?}");
        assert_eq!(cluster.sql("SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database"), before);
        site.assert_nothing_left();
        error
    };
    refused(&["--database", "shop", "--as", "held"], "database-exists");
    refused(&["--database", "shop", "--as", "template1"], "database-name");
    let error = refused(&["--database", "shpo", "--as", "x"], "database-unknown");
    assert_eq!(error["known"], "held, odd, postgres, shop, template1");
    let error = refused(&["--database", "shop", "--as", "x", "--table", "ventas.pedido"], "database-unknown-object");
    assert!(error["known"].as_str().is_some_and(|known| known.contains("ventas.pedidos")), "{error}");

    // A newer server that lacks the roles; then with them, and without any.
    let other = TestCluster::new(newest, &testkit::ClusterOptions::default());
    let into = other.conninfo("postgres");
    let shop = ["--database", "shop", "--as", "shop", "--into", &into];
    let error = refused(&shop, "database-missing-roles");
    assert_eq!(error["roles"], "auditor, gerente, ventas señor");
    assert_eq!(other.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'gerente'"), "0");
    // A load that fails takes back what it had begun, the roles as well.
    let odd = ["--database", "odd", "--as", "odd", "--into", &into, "--create-roles"];
    let answer = site.restore(&[&point[..], &odd].concat());
    assert_eq!((answer.code, answer.json()["error"]["program"].as_str()), (1, Some("pg_restore")), "{answer:?}");
    let left = "SELECT count(*) FROM (SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database) x(name) \
                WHERE name ~ 'odd|gerente|cadena'";
    assert_eq!(other.sql(left), "0");
    site.assert_nothing_left();

    let answer = site.restore(&[&point[..], &shop, &["--create-roles"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(other.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'gerente'"), "f");
    let sum = "SELECT sum(total), max(doble) FROM ventas.pedidos";
    assert_eq!(other.sql_in("shop", sum), cluster.sql_in("shop", sum));
    assert_eq!(other.sql_in("shop", "SELECT encode(lo_get(424242), 'hex')"), "0102ff");

    // No room: found out before the cluster is written.
    let tight = TestFolder::new();
    if testkit::server_owner().uid != rustix::process::geteuid().as_raw() {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs"]).arg(tight.path()).status();
        assert!(mount.unwrap_or_else(|error| panic!("{error}")).success(), "mounting a tmpfs");
        let work = tight.path().display().to_string();
        let answer = site.restore(&[&point[..], &["--database", "shop", "--as", "x", "--work-dir", &work]].concat());
        let unmounted = Command::new("umount").arg(tight.path()).status();
        assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (6, Some("restore-no-space")), "{answer:?}");
        assert!(unmounted.unwrap_or_else(|error| panic!("{error}")).success(), "unmounting it");
    }

    // A transaction that was prepared and not decided holds up nothing, is not in the copy, and is told.
    let answer = site.restore(&[&point[..], &["--database", "held", "--as", "held_back"]].concat());
    assert_eq!(answer.code, 3, "{answer:?}");
    let warnings = answer.json()["outcome"]["warnings"].clone();
    assert_eq!(warnings[0]["key"], "warning-database-prepared", "{warnings}");
    assert_eq!(warnings[1]["key"], "warning-database-subscriptions", "{warnings}");
    // It can't take its original's slot away, be it enabled or dropped.
    let subscription = "SELECT subname, subenabled, subslotname IS NULL FROM pg_subscription s \
                        JOIN pg_database d ON d.oid = s.subdbid WHERE datname = 'held_back'";
    assert_eq!(cluster.sql(subscription), "s|f|t");
    assert_eq!(cluster.sql_in("held_back", "SELECT n FROM t"), "1");
    site.assert_nothing_left();
    cluster.sql_in("held", "ROLLBACK PREPARED 'it''s open'");
}

/// The server of the one throw-away cluster in a folder.
fn postmaster_in(folder: &Path) -> Option<rustix::process::Pid> {
    let pid_file = left_in(folder).first()?.join("data/postmaster.pid");
    let content = std::fs::read_to_string(pid_file).ok()?;
    rustix::process::Pid::from_raw(content.lines().next()?.trim().parse().ok()?)
}

/// One that has ended and was not yet waited for by who inherited it does not live.
fn is_alive(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().next());
    state.is_some_and(|state| state != "Z")
}

#[test]
fn killed_at_any_point_nothing_is_left_after_the_next_command() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    cluster.sql("CREATE DATABASE big");
    cluster.sql_in("big", "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 4) AS x FROM generate_series(1, 150000) n");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    site.mark("here");
    let arguments = site.restore_arguments(&["--name", "here", "--database", "big", "--as", "big_back"]);
    let start = || {
        let mut command = site.cadena.command(&arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("{error}"))
    };

    // With the server of the throw-away cluster just started.
    let mut child = start();
    wait_for("the throw-away cluster's server", || postmaster_in(site.work.path()).is_some());
    let server = postmaster_in(site.work.path()).expect("a server");
    child.kill().and_then(|()| child.wait().map(drop)).unwrap_or_else(|error| panic!("{error}"));
    assert!(is_alive(server) && left_in(site.work.path()).len() == 1);
    let answer = site.cadena.run(&["list", "--json"]);
    assert!(answer.stderr.contains("cadena-throw-away-"), "{answer:?}");
    assert!(!is_alive(server));
    site.assert_nothing_left();

    // While the live server is being loaded: what was begun there goes, too, once somebody restores again.
    let mut child = start();
    let begun = "SELECT count(*) > 0 FROM pg_database WHERE datname ~ '^cadena_restoring'";
    wait_for("the load", || cluster.sql(begun) == "t");
    child.kill().and_then(|()| child.wait().map(drop)).unwrap_or_else(|error| panic!("{error}"));
    wait_for("its programs to end with it", || {
        cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE datname ~ '^cadena_restoring'") == "0"
    });
    assert_eq!(cluster.sql(begun), "t");
    let answer = site.restore(&["--name", "here", "--database", "big", "--as", "big_back"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert_eq!(answer.json()["outcome"]["warnings"][0]["key"], "warning-database-swept");
    assert_eq!(cluster.sql_in("big_back", "SELECT count(*) FROM t"), "150000");
    site.assert_nothing_left();

    // Asked to end, it leaves nothing by itself.
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        cluster.sql("DROP DATABASE IF EXISTS big_back");
        let mut child = start();
        wait_for("the load", || cluster.sql(begun) == "t");
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(child.wait().unwrap_or_else(|error| panic!("{error}")).code(), Some(130), "{signal:?}");
        site.assert_nothing_left();
        assert!(!cluster.sql("SELECT string_agg(datname, ',') FROM pg_database").contains("big_back"));
    }
}
