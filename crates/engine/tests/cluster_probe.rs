//! The probe and the privileges, on every version.

mod cluster_support;

use cluster_support::{TestServer, assert_key, on_each_version};
use engine::cluster::{
    BackupSession, Connection, FileRange, SqlParameter, list_directory, probe, read_file, read_ranges, required_grants,
};
use pgformat::MajorVersion;
use pgformat::control_file::WalLevel;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn tells_what_the_server_is() {
    for version in cluster_support::VERSIONS {
        let checksums = version % 2 == 0;
        let mut options = vec!["--wal-segsize=4"];
        // From 18 on checksums are the default.
        options.push(if checksums { "--data-checksums" } else { "--no-locale" });
        if !checksums && version >= 18 {
            options.push("--no-data-checksums");
        }
        let Some(server) = TestServer::init(version, &options) else { continue };
        let hba = server.make_folder("etc").join("pg_hba.conf");
        std::fs::copy(server.data().join("pg_hba.conf"), &hba).unwrap();
        std::fs::set_permissions(&hba, std::fs::Permissions::from_mode(0o644)).unwrap();
        server.configure(&format!(
            "wal_level = logical\nmax_replication_slots = 7\nhba_file = '{}'\nallow_in_place_tablespaces = on\n",
            hba.display()
        ));
        server.up();
        let place = server.make_folder("table space ñ");
        server.sql(&[
            &format!("CREATE TABLESPACE \"Espacio\" LOCATION '{}'", place.display()),
            "CREATE TABLESPACE inplace LOCATION ''",
            "CREATE DATABASE tienda",
            "SELECT pg_create_physical_replication_slot('one')",
        ]);
        let info = probe(&mut server.connect()).unwrap();

        assert_eq!(info.version.number(), version);
        let reported = server.run("postgres", &["--version"]);
        assert!(reported.contains(&info.server_version), "{reported} {}", info.server_version);
        assert_eq!(info.system_identifier.0.to_string(), system_identifier(&server));
        assert_eq!(info.timeline.0, 1);
        assert_eq!(info.data_directory, server.data().display().to_string());
        assert_eq!((info.block_size_bytes, info.relation_segment_blocks), (8192, 131_072));
        assert_eq!(info.wal_segment_size.bytes(), 4 << 20);
        assert_eq!(info.wal_level, WalLevel::Logical);
        assert_eq!(info.data_checksums, checksums);
        assert!(!info.in_recovery && info.is_local && info.role_is_superuser && info.role_has_replication);
        assert_eq!((info.max_replication_slots, info.free_replication_slots), (7, 6));
        assert_eq!(info.databases, 4);
        assert!(info.size_bytes.unwrap() > 20_000_000, "{:?}", info.size_bytes);
        assert_eq!(info.role, "postgres");
        assert_eq!(info.missing_privileges, []);
        let tablespaces: Vec<_> = info.tablespaces.iter().map(|t| (t.name.as_str(), t.is_in_place())).collect();
        assert_eq!(tablespaces, [("Espacio", false), ("inplace", true)]);
        assert_eq!(info.tablespaces[0].location, place.display().to_string());
        assert_eq!(info.tablespaces[1].location, format!("pg_tblspc/{}", info.tablespaces[1].oid));
        let external: Vec<_> =
            info.external_config_files.iter().map(|f| (f.setting.as_str(), f.path.clone())).collect();
        assert_eq!(external, [("hba_file", hba.display().to_string())]);
        serde_json::to_string(&info).unwrap();
    }
}

/// Reads the identifier where PostgreSQL stores it: the first eight bytes of pg_control.
fn system_identifier(server: &TestServer) -> String {
    let bytes = std::fs::read(server.data().join("global/pg_control")).unwrap();
    u64::from_ne_bytes(bytes[..8].try_into().unwrap()).to_string()
}

#[test]
fn a_role_without_rights_is_told_every_grant_that_it_lacks() {
    on_each_version(|server| {
        let role = "co\"pía; x";
        server.sql(&[&format!("CREATE ROLE {} LOGIN", quoted(role))]);
        let mut connection = Connection::connect(&server.settings_as(role)).unwrap();
        let info = probe(&mut connection).unwrap();
        assert_eq!(info.role, role);
        assert_eq!(info.data_directory, "");
        assert!(!info.role_is_superuser && !info.role_has_replication);
        assert_eq!(info.external_config_files, []);
        let mut purposes: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &info.missing_privileges {
            *purposes.entry(finding.purpose.as_str()).or_default() += 1;
            assert_eq!(finding.required, finding.purpose == "privilege-backup-control");
        }
        // What PUBLIC may do on a fresh server is not missing.
        let expected = [
            ("privilege-backup-control", 2),
            ("privilege-read-files", 3),
            ("privilege-restore-point", 1),
            ("privilege-settings", 1),
            ("privilege-slot", 1),
            ("privilege-switch-wal", 1),
        ];
        assert_eq!(purposes.into_iter().collect::<Vec<_>>(), expected);

        let start = || BackupSession::start(&server.settings_as(role), &info, "x", true, &|| false);
        let error = assert_key(start().map(drop), "cluster-privilege");
        // The grant in the error mends it: the next refusal, if any, is about another one.
        assert!(info.missing_privileges.iter().any(|f| error.to_string().contains(&f.grant)), "{error}");
        let error = assert_key(read_file(&mut connection, "PG_VERSION", 100), "cluster-privilege");
        assert!(error.to_string().contains("pg_read_binary_file"), "{error}");

        // Exactly the grants found are enough.
        let grants: Vec<&str> = info.missing_privileges.iter().map(|finding| finding.grant.as_str()).collect();
        server.sql(&grants);
        let info = probe(&mut Connection::connect(&server.settings_as(role)).unwrap()).unwrap();
        assert_eq!(info.missing_privileges, []);
        assert_eq!(info.data_directory, server.data().display().to_string());
    });
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[test]
fn the_printed_grants_suffice_for_a_backup_over_sql() {
    on_each_version(|server| {
        server.sql(&["CREATE ROLE copia LOGIN PASSWORD 'clave'"]);
        // Someone careful took away what PUBLIC has by default.
        server.sql(&[
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC",
            "REVOKE EXECUTE ON FUNCTION pg_control_init() FROM PUBLIC",
            "REVOKE EXECUTE ON FUNCTION pg_create_physical_replication_slot(name, boolean, boolean) FROM PUBLIC",
        ]);
        let settings = server.tcp_settings("copia", "clave");
        let error = probe(&mut Connection::connect(&settings).unwrap());
        assert!(assert_key(error, "cluster-privilege").to_string().contains("pg_control_system() TO \"copia\""));

        let grants = required_grants(MajorVersion::try_from(server.version).unwrap(), "copia");
        let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
        server.sql(&grants);
        server.sql(&grants); // Twice does no harm.
        let place = server.make_folder("elsewhere");
        let location = place.display();
        server.sql(&[
            &format!("CREATE TABLESPACE elsewhere LOCATION '{location}'"),
            "CREATE TABLE public.t TABLESPACE elsewhere AS SELECT generate_series(1, 10000) AS i",
            "CHECKPOINT",
        ]);

        let mut connection = Connection::connect(&settings).unwrap();
        let info = probe(&mut connection).unwrap();
        assert_eq!(info.missing_privileges, []);
        assert!(info.size_bytes.is_some());
        let superuser: String = server.value("SELECT rolsuper::text FROM pg_roles WHERE rolname = 'copia'");
        assert_eq!(superuser, "false");
        let (mut session, start) = BackupSession::start(&settings, &info, "grants", true, &|| false).unwrap();
        assert_eq!(start.slot_refusal, None);

        // Every file of the cluster and the tablespace can be listed and read, WAL and control file included.
        let mut folders = vec![".".to_owned()];
        let (mut files, mut bytes) = (0u32, 0u64);
        while let Some(folder) = folders.pop() {
            let mut here = Vec::new();
            let mut each = |name: &[u8], stat: engine::cluster::FileStat| {
                here.push((format!("{folder}/{}", std::str::from_utf8(name).unwrap()), stat));
                Ok::<(), engine::cluster::ClusterError>(())
            };
            list_directory(&mut connection, &folder, &mut each).unwrap();
            for (path, stat) in here {
                if stat.is_dir {
                    folders.push(path);
                } else {
                    let mut content = Vec::new();
                    let range = FileRange { path: &path, offset_bytes: 0, length_bytes: stat.size_bytes.max(1) };
                    let found = read_ranges(&mut connection, &[range], &mut content).unwrap();
                    files += u32::from(found[0].is_some());
                    bytes += content.len() as u64;
                }
            }
        }
        assert!(files > 900 && bytes > 20_000_000, "{files} files, {bytes} bytes");
        assert_eq!(read_file(&mut connection, "global/pg_control", 8192).unwrap().unwrap().len(), 8192);
        let oid = info.tablespaces[0].oid;
        let path = server.value("SELECT pg_relation_filepath('public.t')");
        assert!(path.starts_with(&format!("pg_tblspc/{oid}/")));
        let relation = read_file(&mut connection, &path, 16 << 20).unwrap().unwrap();
        assert_eq!(relation.len() % 8192, 0);
        assert!(relation.len() >= 40 * 8192);

        let stop = session.stop(&|| false).unwrap();
        assert!(stop.tablespace_map.contains(&format!("{oid} {location}")), "{:?}", stop.tablespace_map);
        assert!(stop.stop_lsn > start.start_lsn);
    });
}

#[test]
fn rights_inherited_from_a_group_count() {
    let Some(server) = TestServer::start(15) else { return };
    server.sql(&["CREATE ROLE equipo", "CREATE ROLE ana LOGIN IN ROLE equipo"]);
    let grants = required_grants(MajorVersion::V15, "equipo");
    server.sql(&grants.iter().map(String::as_str).collect::<Vec<_>>());
    let info = probe(&mut Connection::connect(&server.settings_as("ana")).unwrap()).unwrap();
    // Attributes such as REPLICATION are not inherited.
    let missing: Vec<_> = info.missing_privileges.iter().map(|finding| finding.grant.as_str()).collect();
    assert_eq!(missing, ["ALTER ROLE \"ana\" REPLICATION;"]);
}

#[test]
fn databases_that_may_not_be_seen_have_no_size() {
    let Some(server) = TestServer::start(15) else { return };
    server.sql(&["CREATE ROLE ana LOGIN", "CREATE DATABASE secreta", "REVOKE CONNECT ON DATABASE secreta FROM PUBLIC"]);
    let mut connection = Connection::connect(&server.settings_as("ana")).unwrap();
    assert_eq!(probe(&mut connection).unwrap().size_bytes, None);
    server.sql(&["GRANT pg_read_all_stats TO ana"]);
    assert!(probe(&mut connection).unwrap().size_bytes.is_some());
}

#[test]
fn a_standby_is_told_from_a_primary_and_the_timeline_is_right_after_a_promotion() {
    on_each_version(|server| {
        let standby = server.standby();
        let info = probe(&mut standby.connect()).unwrap();
        assert!(info.in_recovery);
        assert_eq!(info.timeline.0, 1);
        let first = probe(&mut server.connect()).unwrap().system_identifier;
        assert_eq!(info.system_identifier, first);

        let mut connection = standby.connect();
        let ask = "SELECT pg_promote(true, 60)";
        assert!(connection.query("promote", ask, &[]).unwrap().boolean(0, 0).unwrap());
        // A connection of before the promotion learns it too.
        for info in [probe(&mut connection).unwrap(), probe(&mut standby.connect()).unwrap()] {
            assert!(!info.in_recovery);
            assert_eq!(info.timeline.0, 2);
        }
    });
}

#[test]
fn a_data_directory_behind_a_link_hides_nothing() {
    let Some(server) = TestServer::init(15, &[]) else { return };
    let moved = server.folder().join("moved");
    std::fs::rename(server.data(), &moved).unwrap();
    symlink(&moved, server.data()).unwrap();
    server.up();
    let info = probe(&mut server.connect()).unwrap();
    assert_eq!(info.external_config_files, []);
    assert_eq!(std::fs::canonicalize(&info.data_directory).unwrap(), std::fs::canonicalize(&moved).unwrap());
}

#[test]
fn other_encodings_are_probed_too() {
    let Some(server) = TestServer::start(15) else { return };
    server
        .sql(&["CREATE DATABASE latina ENCODING 'LATIN1' TEMPLATE template0", "CREATE ROLE \"peña\" SUPERUSER LOGIN"]);
    let mut settings = server.settings();
    settings.keywords.push(("dbname".into(), "latina".into()));
    let mut connection = Connection::connect(&settings).unwrap();
    assert_eq!(connection.server_encoding(), "LATIN1");
    let info = probe(&mut connection).unwrap();
    let (mut session, _) = BackupSession::start(&settings, &info, "copia de mañana → hoy", true, &|| false).unwrap();
    let stop = session.stop(&|| false).unwrap();
    assert_eq!(stop.label.label, "copia de ma?ana ? hoy");
    let echo = connection.query("echo", "SELECT $1::text", &[SqlParameter::Text("ñ")]).unwrap();
    assert_eq!(echo.text(0, 0).unwrap(), "ñ");
}
