//! The kit itself, tried on PostgreSQL's own pg_basebackup: a good copy is found equal, a bad one is found out.

use pgformat::MajorVersion;
use testkit::{ClusterOptions, TestCluster, TestFolder, Workload, WorkloadOptions, client_program, compare, oracle};

/// Backs a cluster up with pg_basebackup of the newest version, tablespaces included.
fn base_backup(source: &TestCluster, folder: &TestFolder) -> std::path::PathBuf {
    let target = folder.path().join("data");
    let mut command = source.owner().command(client_program("pg_basebackup"));
    command
        .args(["-X", "stream", "-c", "fast", "--no-sync", "-d", &source.conninfo("postgres")])
        .arg("-D")
        .arg(&target);
    for (name, location) in source.tablespaces() {
        let ours = folder.make(&name);
        command.arg("-T").arg(format!("{}={}", location.display(), ours.display()));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target
}

testkit::on_each_version!(finds_a_good_copy_equal_after_every_kind_of_write, |version| {
    let source = TestCluster::new(version, &ClusterOptions::default().tablespace("ts_one"));
    let workload = Workload::start(&source, &WorkloadOptions::default());
    workload.wait_for_rounds(2);
    let folder = TestFolder::new();
    let target = base_backup(&source, &folder);
    workload.wait_for_rounds(1);
    let report = workload.stop();
    assert!(report.total_statements() > 100, "{report:?}");
    assert_eq!(report.statements.len(), 4, "{report:?}");

    let expected = compare::Snapshot::at_restore_point(&source, "after the workload");
    assert!(expected.dump_bytes() > 1_000_000, "the dump has only {} bytes", expected.dump_bytes());
    let restored = compare::recover_to_restore_point(&target, version, &source.pg_wal(), "after the workload");
    expected.assert_equals(&restored);
    assert_eq!(restored.system_identifier(), source.system_identifier());
    oracle::pg_amcheck(&restored).unwrap();
    restored.stop();
    assert!(oracle::check_all_pages(&target).unwrap() > 1000);
    let control = oracle::pg_controldata(&target).unwrap();
    assert_eq!(control["Database cluster state"], "shut down");
});

#[test]
fn finds_every_kind_of_difference() {
    let version = MajorVersion::V18;
    if !testkit::is_available(version) {
        return;
    }
    let source = TestCluster::new(version, &ClusterOptions::default());
    source.sql("CREATE TABLE t (id serial PRIMARY KEY, note text); INSERT INTO t (note) VALUES ('one'), ('two')");
    let folder = TestFolder::new();
    let target = base_backup(&source, &folder);
    let expected = compare::Snapshot::at_restore_point(&source, "p");
    let restored = compare::recover_to_restore_point(&target, version, &source.pg_wal(), "p");
    assert_eq!(expected.difference(&restored), None);

    restored.sql("BEGIN; UPDATE t SET note = 'three' WHERE id = 2; PREPARE TRANSACTION 'left open'");
    assert!(expected.difference(&restored).unwrap().contains("left open"));
    restored.sql("ROLLBACK PREPARED 'left open'");
    assert_eq!(expected.difference(&restored), None);

    restored.sql("SELECT setval('t_id_seq', 1000)");
    assert!(expected.difference(&restored).unwrap().contains("t_id_seq"));
    restored.sql("SELECT setval('t_id_seq', 2)");

    // The same rows in another order are another cluster.
    restored.sql("UPDATE t SET note = note WHERE id = 1");
    assert!(expected.difference(&restored).unwrap().contains("one"));
    restored.sql("CREATE ROLE stranger");
    assert!(expected.difference(&restored).unwrap().contains("stranger"));
}

#[test]
#[should_panic(expected = "written to while it was dumped")]
fn refuses_to_compare_while_somebody_writes() {
    let version = MajorVersion::V15;
    if !testkit::is_available(version) {
        panic!("written to while it was dumped (not tried: no server)");
    }
    let source = TestCluster::new(version, &ClusterOptions::default());
    let workload = Workload::start(&source, &WorkloadOptions { databases: false, ..WorkloadOptions::default() });
    workload.wait_for_rounds(1);
    compare::Snapshot::at_restore_point(&source, "p");
}

testkit::on_each_version!(reports_a_damaged_page_and_a_damaged_control_file, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default());
    cluster.sql("CREATE TABLE t AS SELECT n, repeat('x', 100) AS note FROM generate_series(1, 5000) n");
    let file = cluster.data_directory().join(cluster.sql("SELECT pg_relation_filepath('t')"));
    cluster.stop();
    assert!(oracle::check_all_pages(cluster.data_directory()).unwrap() > 100);
    flip_a_byte(&file, 3 * 8192 + 4000);
    assert!(oracle::check_all_pages(cluster.data_directory()).unwrap_err().contains("block 3"));

    oracle::pg_controldata(cluster.data_directory()).unwrap();
    flip_a_byte(&cluster.data_directory().join("global/pg_control"), 40);
    oracle::pg_controldata(cluster.data_directory()).unwrap_err();
});

fn flip_a_byte(path: &std::path::Path, offset: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

testkit::on_each_version!(amcheck_finds_an_index_that_lost_an_entry, |version| {
    let cluster = TestCluster::new(version, &ClusterOptions::default().checksums(false));
    cluster.sql("CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n; CREATE INDEX t_n ON t (n); CHECKPOINT");
    oracle::pg_amcheck(&cluster).unwrap();
    let file = cluster.data_directory().join(cluster.sql("SELECT pg_relation_filepath('t_n')"));
    cluster.stop();
    // The first leaf page (block 1): its last line pointer is made unused, as if an insertion had been lost.
    let mut bytes = std::fs::read(&file).unwrap();
    let page = &mut bytes[8192..16384];
    let lower = u16::from_ne_bytes([page[12], page[13]]) - 4;
    page[12..14].copy_from_slice(&lower.to_ne_bytes());
    std::fs::write(&file, bytes).unwrap();
    cluster.start();
    let complaint = oracle::pg_amcheck(&cluster).unwrap_err();
    assert!(complaint.contains("t_n"), "{complaint}");
});

testkit::on_each_version!(verifybackup_accepts_what_pg_basebackup_made_and_refuses_a_changed_file, |version| {
    let source = TestCluster::new(version, &ClusterOptions::default());
    let folder = TestFolder::new();
    let target = base_backup(&source, &folder);
    oracle::pg_verifybackup(&target).unwrap();
    std::fs::write(target.join("PG_VERSION"), format!("{version}\n\n")).unwrap();
    assert!(oracle::pg_verifybackup(&target).unwrap_err().contains("PG_VERSION"));
});
