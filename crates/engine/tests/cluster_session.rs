//! The backup session on primaries and standbys of every version, and what may befall it.

mod cluster_support;

use cluster_support::{TestServer, assert_key, on_each_version, wait_until};
use engine::cluster::{BackupSession, ClusterInfo, Connection, probe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn info(server: &TestServer) -> ClusterInfo {
    probe(&mut server.connect()).unwrap()
}

fn never() -> bool {
    false
}

/// Tells whether the server believes that a backup runs: it refuses a shutdown in smart mode and, up to 14, shows it; on every
/// version our session's backend and its slot are what there is to see.
fn wait_until_no_session(server: &TestServer) {
    server.wait_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'cadena'");
    server.wait_until("SELECT count(*) = 0 FROM pg_replication_slots");
}

#[test]
fn a_session_on_a_primary_keeps_its_wal_and_returns_the_label() {
    on_each_version(|server| {
        let info = info(server);
        let label = "copia ñ\nde prueba";
        let (mut session, start) = BackupSession::start(&server.settings(), &info, label, true, &never).unwrap();
        let slot = start.slot.clone().unwrap();
        assert!(slot.starts_with("cadena_backup_"), "{slot}");
        assert_eq!(start.slot_refusal, None);
        let kept = format!(
            "SELECT temporary AND restart_lsn <= '{}' FROM pg_replication_slots WHERE slot_name = '{slot}'",
            start.start_lsn
        );
        assert_eq!(server.value(&format!("SELECT ({kept})::text")), "true");
        let segment = server.value(&format!("SELECT pg_walfile_name('{}')", start.start_lsn));
        server.sql(&["CREATE TABLE public.t AS SELECT generate_series(1, 200000) AS i"]);
        for _ in 0..5 {
            server.sql(&["SELECT pg_switch_wal()", "INSERT INTO public.t VALUES (1)", "CHECKPOINT"]);
        }
        session.check().unwrap();
        assert!(server.data().join("pg_wal").join(&segment).exists(), "the slot kept {segment}");
        let stop = session.stop(&never).unwrap();
        assert!(stop.stop_lsn > start.start_lsn);
        assert_eq!((stop.timeline.0, stop.stop_timeline.0), (1, 1));
        assert_eq!(stop.label.start_lsn, start.start_lsn);
        assert_eq!(stop.label.label, "copia ñ de prueba");
        assert_eq!(stop.label.backup_from, "primary");
        assert!(stop.label_text.starts_with("START WAL LOCATION: ") && stop.label_text.ends_with('\n'));
        assert_eq!(stop.tablespace_map, "");
        // After the stop the slot still holds the WAL, until the session goes.
        assert!(server.data().join("pg_wal").join(&segment).exists());
        assert_eq!(server.value("SELECT count(*)::text FROM pg_replication_slots"), "1");
        drop(session);
        wait_until_no_session(server);
    });
}

#[test]
fn two_sessions_run_at_once() {
    on_each_version(|server| {
        let info = info(server);
        let (mut one, first) = BackupSession::start(&server.settings(), &info, "one", true, &never).unwrap();
        let (mut two, second) = BackupSession::start(&server.settings(), &info, "two", true, &never).unwrap();
        assert_ne!(first.slot.unwrap(), second.slot.unwrap());
        assert_eq!(one.stop(&never).unwrap().label.label, "one");
        assert_eq!(two.stop(&never).unwrap().label.label, "two");
        assert_key(two.stop(&never), "cluster-sql");
    });
}

#[test]
fn without_a_free_slot_the_backup_goes_on_and_says_why() {
    on_each_version(|server| {
        server.configure("max_replication_slots = 1\n");
        server.down("fast");
        server.up();
        server.sql(&["SELECT pg_create_physical_replication_slot('taken')"]);
        let (mut session, start) = BackupSession::start(&server.settings(), &info(server), "x", true, &never).unwrap();
        assert_eq!(start.slot, None);
        let refusal: serde_json::Value = serde_json::from_str(&start.slot_refusal.unwrap()).unwrap();
        assert_eq!((refusal["key"].as_str(), refusal["sqlstate"].as_str()), (Some("cluster-sql"), Some("53400")));
        session.stop(&never).unwrap();
    });
}

#[test]
fn without_the_replication_attribute_the_backup_goes_on_and_says_why() {
    let Some(server) = TestServer::start(15) else { return };
    let grants = engine::cluster::required_grants(pgformat::MajorVersion::V15, "copia");
    server.sql(&["CREATE ROLE copia LOGIN"]);
    server.sql(&grants.iter().map(String::as_str).collect::<Vec<_>>());
    server.sql(&["ALTER ROLE copia NOREPLICATION"]);
    let settings = server.settings_as("copia");
    let info = probe(&mut Connection::connect(&settings).unwrap()).unwrap();
    let (mut session, start) = BackupSession::start(&settings, &info, "x", true, &never).unwrap();
    let refusal: serde_json::Value = serde_json::from_str(&start.slot_refusal.unwrap()).unwrap();
    assert_eq!(refusal["sqlstate"], "42501");
    session.stop(&never).unwrap();
}

#[test]
fn minimal_wal_is_refused() {
    on_each_version(|server| {
        server.configure("wal_level = minimal\nmax_wal_senders = 0\n");
        server.down("fast");
        server.up();
        let outcome = BackupSession::start(&server.settings(), &info(server), "x", true, &never);
        assert_key(outcome.map(drop), "cluster-wal-level");
        wait_until_no_session(server);
    });
}

#[test]
fn another_cluster_at_the_same_address_is_refused() {
    let Some(server) = TestServer::start(15) else { return };
    let mut info = info(&server);
    info.system_identifier.0 += 1;
    let outcome = BackupSession::start(&server.settings(), &info, "x", true, &never);
    assert_key(outcome.map(drop), "cluster-changed");
}

#[test]
fn a_killed_session_is_noticed_by_check_and_stop() {
    on_each_version(|server| {
        for stop in [false, true] {
            let (mut session, start) =
                BackupSession::start(&server.settings(), &info(server), "x", true, &never).unwrap();
            let slot = start.slot.unwrap();
            let pid = slot.split('_').nth(2).unwrap().to_owned();
            server.value(&format!("SELECT pg_terminate_backend({pid}, 10000)"));
            if stop {
                assert_key(session.stop(&never), "cluster-connection-lost");
            } else {
                assert_key(session.check(), "cluster-connection-lost");
            }
            wait_until_no_session(server);
        }
    });
}

#[test]
fn the_wait_for_a_spread_checkpoint_can_be_cancelled() {
    on_each_version(|server| {
        server.configure("checkpoint_timeout = 1h\ncheckpoint_completion_target = 0.9\n");
        server.down("fast");
        server.up();
        // Enough dirty pages that the checkpoint is spread over most of the hour.
        server.sql(&["CREATE TABLE public.t AS SELECT i, repeat('x', 500) FROM generate_series(1, 30000) AS i"]);
        let info = info(server);
        let began = Instant::now();
        let cancelled = || began.elapsed() > Duration::from_secs(1);
        let outcome = BackupSession::start(&server.settings(), &info, "x", false, &cancelled);
        assert_key(outcome.map(drop), "cancelled");
        let took = began.elapsed();
        assert!(took > Duration::from_secs(1) && took < Duration::from_secs(6), "{took:?}");
        wait_until_no_session(server);

        // A fast one does not wait, and a later session is not hindered.
        let (mut session, _) = BackupSession::start(&server.settings(), &info, "x", true, &never).unwrap();
        assert_key(session.stop(&|| true), "cancelled");
        session.stop(&never).unwrap();
    });
}

#[test]
fn a_session_on_a_standby_works() {
    on_each_version(|server| {
        let standby = server.standby();
        server.sql(&["CREATE TABLE public.t AS SELECT generate_series(1, 100000) AS i", "CHECKPOINT"]);
        let replayed = server.value("SELECT pg_current_wal_flush_lsn()::text");
        standby.wait_until(&format!("SELECT pg_last_wal_replay_lsn() >= '{replayed}'"));
        let (mut session, start) =
            BackupSession::start(&standby.settings(), &info(&standby), "standby", true, &never).unwrap();
        assert!(start.slot.is_some(), "{:?}", start.slot_refusal);
        server.sql(&["INSERT INTO public.t SELECT generate_series(1, 100000)"]);
        let replayed = server.value("SELECT pg_current_wal_flush_lsn()::text");
        standby.wait_until(&format!("SELECT pg_last_wal_replay_lsn() >= '{replayed}'"));
        let stop = session.stop(&never).unwrap();
        assert_eq!(stop.label.backup_from, "standby");
        assert!(stop.stop_lsn >= start.start_lsn);
        assert_eq!((stop.timeline.0, stop.stop_timeline.0), (1, 1));
    });
}

#[test]
fn a_promotion_meanwhile_is_named_in_every_language() {
    for version in cluster_support::VERSIONS {
        let Some(server) = TestServer::init(version, &[]) else { continue };
        let server = server.with_environment("LANGUAGE", "es").with_environment("LC_ALL", "C.UTF-8");
        server.configure("lc_messages = 'C.UTF-8'\n");
        server.up();
        let standby = server.standby();
        let (mut session, _) = BackupSession::start(&standby.settings(), &info(&standby), "x", true, &never).unwrap();
        standby.value("SELECT pg_promote(true, 60)::text");
        session.check().unwrap();
        assert_key(session.stop(&never), "cluster-promoted");
    }
}

#[test]
fn a_standby_that_follows_its_promoted_upstream_reports_both_timelines() {
    on_each_version(|server| {
        // server → standby → cascade; the standby in the middle is promoted while the last one is backed up.
        let standby = server.standby();
        let cascade = standby.standby();
        let (mut session, start) =
            BackupSession::start(&cascade.settings(), &info(&cascade), "x", true, &never).unwrap();
        standby.value("SELECT pg_promote(true, 60)::text");
        standby.sql(&["CREATE TABLE public.after_promotion AS SELECT 1 AS i", "CHECKPOINT"]);
        let written = standby.value("SELECT pg_current_wal_flush_lsn()::text");
        cascade.wait_until(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"));
        // The stop point is the minimum recovery point, which moves when a page of the new timeline is written out.
        cascade.sql(&["CHECKPOINT"]);
        let now = probe(&mut cascade.connect()).unwrap();
        assert!(now.in_recovery);
        assert_eq!(now.timeline.0, 2);
        let stop = session.stop(&never).unwrap();
        assert_eq!((stop.timeline.0, stop.stop_timeline.0), (1, 2));
        assert!(stop.stop_lsn > start.start_lsn);
    });
}

#[test]
fn full_page_writes_off_on_the_primary_is_the_servers_own_refusal() {
    let Some(server) = TestServer::init(15, &[]) else { return };
    server.configure("full_page_writes = off\n");
    server.up();
    let standby = server.standby();
    server.sql(&[
        "CREATE TABLE public.t AS SELECT 1 AS i",
        "CHECKPOINT",
        "INSERT INTO public.t VALUES (1)",
        "CHECKPOINT",
    ]);
    let written = server.value("SELECT pg_current_wal_flush_lsn()::text");
    standby.wait_until(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"));
    let outcome = BackupSession::start(&standby.settings(), &info(&standby), "x", true, &never);
    assert_eq!(assert_key(outcome.map(drop), "cluster-sql").sqlstate(), Some("55000"));
}

#[test]
fn a_session_may_move_to_another_thread() {
    let Some(server) = TestServer::start(15) else { return };
    let info = info(&server);
    let (mut session, _) = BackupSession::start(&server.settings(), &info, "x", true, &never).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            session.stop(&never).unwrap();
            done.store(true, Ordering::Release);
        });
    });
    wait_until("the stop", || done.load(Ordering::Acquire));
}
