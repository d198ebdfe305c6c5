use pgformat::MajorVersion;
use pgformat::relation_file::{
    ForkNumber, PgVersionDirectory, RelFileLocator, RelationFile, carries_page_checksums, is_temporary_relation,
};
use proptest::prelude::*;

const V17: PgVersionDirectory = PgVersionDirectory { major: 17, catalog_version: 202_406_281 };

#[test]
fn reads_the_three_kinds_of_place() {
    for (path, place, fork, segment) in [
        ("base/5/1259_vm", (1663, 5, 1259), ForkNumber::Vm, 0),
        ("base/16384/2619", (1663, 16384, 2619), ForkNumber::Main, 0),
        ("base/1/2619_fsm.12", (1663, 1, 2619), ForkNumber::Fsm, 12),
        ("global/1262", (1664, 0, 1262), ForkNumber::Main, 0),
        ("pg_tblspc/16400/PG_17_202406281/5/16401.1", (16400, 5, 16401), ForkNumber::Main, 1),
        ("pg_tblspc/16400/PG_17_202406281/5/4294967295_init", (16400, 5, u32::MAX), ForkNumber::Init, 0),
    ] {
        let (spc_oid, db_oid, rel_number) = place;
        let locator = RelFileLocator { spc_oid, db_oid, rel_number };
        let relation = RelationFile { locator, fork, segment };
        assert_eq!(RelationFile::parse(path), Some(relation));
        assert_eq!(relation.path(V17), path);
        assert!(carries_page_checksums(path.as_bytes()));
    }
}

#[test]
fn nothing_else_is_a_relation_and_carries_checksums() {
    for path in [
        "",
        "1259",
        "/1259",
        "base/1259",
        "base/5/",
        "base//1259",
        "base/5/0",
        "base/5/01259",
        "base/0/1259",
        "base/05/1259",
        "base/5/1259.0",
        "base/5/1259.01",
        "base/5/1259.",
        "base/5/1259.1.1",
        "base/5/1259_main",
        "base/5/1259_",
        "base/5/_vm",
        "base/5/1259_vm_vm",
        "base/5/4294967296",
        "base/5/+1259",
        "base/5/t3_1259",
        "base/5/PG_VERSION",
        "base/5/pg_filenode.map",
        "base/5/pg_internal.init",
        "base/pgsql_tmp/1259",
        "./base/5/1259",
        "base/5/x/1259",
        "base/5/1259 ",
        "global/pg_control",
        "global/pg_filenode.map",
        "global/5/1259",
        "pg_xact/0000",
        "pg_tblspc/16400/5/16401",
        "pg_tblspc/16400/PG_17/5/16401",
        "pg_tblspc/1663/PG_17_202406281/5/16401",
        "pg_tblspc/1664/PG_17_202406281/5/16401",
        "pg_tblspc/16400/PG_17_202406281/16401",
        "pg_tblspc/16400/PG_17_202406281/5/6/16401",
        "mine/pg_tblspc/16400/PG_17_202406281/5/16401",
    ] {
        assert_eq!(RelationFile::parse(path), None, "{path}");
        assert!(!carries_page_checksums(path.as_bytes()), "{path}");
    }
    assert!(!carries_page_checksums(b"base/5/1259\xff"));
}

#[test]
fn a_block_is_counted_across_segments() {
    let relation = |path| RelationFile::parse(path).unwrap();
    assert_eq!(relation("base/5/1259").first_block(131_072), Some(0));
    assert_eq!(relation("base/5/1259.3").first_block(131_072), Some(393_216));
    assert_eq!(relation("base/5/1259.32767").first_block(131_072), Some(u32::MAX - 131_071));
    assert_eq!(relation("base/5/1259.32768").first_block(131_072), None);
}

#[test]
fn tells_temporary_relations() {
    for name in ["t3_16384", "t0_1", "t123_16384_fsm", "t3_16384_vm.1", "t3_16384_init", "t3_16384.12"] {
        assert!(is_temporary_relation(name), "{name}");
    }
    for name in [
        "",
        "t",
        "t3",
        "t3_",
        "t_16384",
        "t3_x",
        "tx_16384",
        "16384",
        "t3_16384_",
        "t3_16384_main",
        "t3_16384.",
        "t3_16384.x",
        "T3_16384",
        "t3_16384_vm_vm",
    ] {
        assert!(!is_temporary_relation(name), "{name}");
    }
}

#[test]
fn reads_a_version_directory() {
    assert_eq!("PG_17_202406281".parse(), Ok(V17));
    assert_eq!(PgVersionDirectory::new(MajorVersion::V17, 202_406_281), V17);
    assert_eq!(V17.to_string(), "PG_17_202406281");
    // Another server's, which may share the tablespace's place.
    assert_eq!("PG_9_5".parse(), Ok(PgVersionDirectory { major: 9, catalog_version: 5 }));
    for name in [
        "",
        "PG_",
        "PG_17",
        "PG_17_",
        "PG__202406281",
        "PG_9.6_201608131",
        "pg_17_202406281",
        "PG_17_202406281x",
        "PG_017_202406281",
        "PG_17_202406281_1",
        "PG_17_-1",
    ] {
        assert!(name.parse::<PgVersionDirectory>().is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn every_relation_reads_back(
        spc_oid in 1_u32.., db_oid in 1_u32.., rel_number in 1_u32.., fork in 0..4_usize, segment: u32
    ) {
        let fork = [ForkNumber::Main, ForkNumber::Fsm, ForkNumber::Vm, ForkNumber::Init][fork];
        let db_oid = if spc_oid == 1664 { 0 } else { db_oid };
        let relation = RelationFile { locator: RelFileLocator { spc_oid, db_oid, rel_number }, fork, segment };
        prop_assert_eq!(RelationFile::parse(&relation.path(V17)), Some(relation));
    }
}
