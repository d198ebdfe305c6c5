use pgformat::exclusion::{Treatment, is_unlogged_data, treatment, unlogged_relations};

fn judge(paths: &[&str], is_directory: bool, expected: Treatment) {
    for path in paths {
        assert_eq!(treatment(path.as_bytes(), is_directory), expected, "{path}");
    }
}

#[test]
fn keeps_directories_that_the_server_fills_anew_but_nothing_in_them() {
    let emptied = [
        "pg_wal",
        "pg_replslot",
        "pg_stat_tmp",
        "pg_dynshmem",
        "pg_notify",
        "pg_serial",
        "pg_snapshots",
        "pg_subtrans",
    ];
    judge(&emptied, true, Treatment::EmptyDirectory);
    // A symbolic link in such a place stands for a directory.
    judge(&emptied, false, Treatment::EmptyDirectory);
    for directory in emptied {
        let (file, below) = (format!("{directory}/0000"), format!("{directory}/a/b"));
        judge(&[&file, &below], false, Treatment::Exclude);
        judge(&[&file, &below], true, Treatment::Exclude);
    }
    judge(&["pg_wal/000000010000000000000001", "pg_wal/archive_status", "pg_wal/summaries"], true, Treatment::Exclude);
    judge(&["mine/pg_notify"], true, Treatment::EmptyDirectory);
    judge(&["mine/pg_notify", "mine/pg_wal", "pg_wal2", "my_pg_notify"], false, Treatment::Include);
}

#[test]
fn leaves_out_what_belongs_to_the_running_server_or_to_another_backup() {
    judge(
        &[
            "postmaster.pid",
            "postmaster.opts",
            "backup_label",
            "tablespace_map",
            "backup_manifest",
            "postgresql.auto.conf.tmp",
            "current_logfiles.tmp",
            ".DS_Store",
            "base/.DS_Store",
            "global/pg_internal.init",
            "base/5/pg_internal.init",
            "base/5/pg_internal.init.1234",
            "pgsql_tmp",
            "base/pgsql_tmp/pgsql_tmp1234.5",
            "base/pgsql_tmp",
            "pg_tblspc/16400/PG_17_202406281/pgsql_tmp",
            "pg_tblspc/16400/PG_17_202406281/pgsql_tmp/pgsql_tmp7.fileset/0",
            "base/5/t3_16384",
            "base/5/t3_16384_fsm.1",
            "pg_tblspc/16400/PG_17_202406281/5/t3_16384",
        ],
        false,
        Treatment::Exclude,
    );
}

#[test]
fn copies_everything_else() {
    judge(
        &[
            "PG_VERSION",
            "postgresql.conf",
            "postgresql.auto.conf",
            "backup_label.old",
            "tablespace_map.old",
            "backup_label2",
            "recovery.signal",
            "standby.signal",
            "current_logfiles",
            "global/pg_control",
            "global/pg_filenode.map",
            "global/t3_16384",
            "base/5/1259",
            "base/5/16384_init",
            "base/5/t_16384",
            "base/t3_16384",
            "t3_16384",
            "pg_xact/0000",
            "pg_stat/pgstat.stat",
            "pg_logical/replorigin_checkpoint",
            "pg_tblspc/16400",
            "log/postgresql.log",
            "x_postmaster.pid",
            "",
        ],
        false,
        Treatment::Include,
    );
    judge(&["base", "base/5", "pg_tblspc", "pg_tblspc/16400/PG_17_202406281", "pg_stat"], true, Treatment::Include);
    assert_eq!(treatment(b"mine/latin1-\xf1", false), Treatment::Include);
    assert_eq!(treatment(b"base/5/t3_16384\xf1", false), Treatment::Include);
    assert_eq!(treatment(b"mine\xf1/postmaster.pid", false), Treatment::Exclude);
}

#[test]
fn of_an_unlogged_relation_only_the_init_fork_is_copied() {
    let names: [&[u8]; 9] =
        [b"100", b"100_fsm", b"100_vm", b"100.1", b"100_init", b"101", b"102_init.1", b"x_init", b"\xff_init"];
    let unlogged = unlogged_relations(names.into_iter());
    assert_eq!(unlogged, [100].into());
    for name in &names[..4] {
        assert!(is_unlogged_data(name, &unlogged));
    }
    for name in &names[4..] {
        assert!(!is_unlogged_data(name, &unlogged));
    }
    assert!(!is_unlogged_data(b"1000", &unlogged) && !is_unlogged_data(b"t3_100", &unlogged));
}
