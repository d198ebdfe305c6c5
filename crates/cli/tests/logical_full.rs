//! `cadena full --method logical`: dumps of databases as a FULL, which opens with public tools, restores one database at a time, and is
//! no link of any chain.
//!
//! The oracle is a dump taken while nobody writes, by PostgreSQL's newest pg_dump.

#![cfg(unix)]

mod common;
mod logical_support;

use logical_support::*;
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use testkit::{TestFolder, oracle};

testkit::on_each_version!(databases_come_back_from_dumps_that_public_tools_open, |version| {
    let site = Site::new(version);
    make_shop(&site.cluster);
    // A name that no shell likes, and one that nobody can connect to.
    let odd = "Ñandú \"x\"/..";
    site.cluster.sql(
        "CREATE DATABASE \"Ñandú \"\"x\"\"/..\"; CREATE DATABASE closed; ALTER DATABASE closed ALLOW_CONNECTIONS false",
    );
    make_bulk(&site.cluster, odd);
    let then = ["shop", odd].map(|name| site.dump(name));

    let record = site.logical(&[]);
    assert_eq!(
        (&record["kind"], &record["method"], &record["record_version"]),
        (&"FULL".into(), &"logical".into(), &2.into())
    );
    let logical = &record["logical"];
    let databases = logical["databases"].as_array().unwrap_or_else(|| panic!("{record}"));
    let names: Vec<&str> = databases.iter().filter_map(|database| database["name"].as_str()).collect();
    let mut wanted = vec!["postgres", "shop", odd];
    wanted.sort_unstable();
    assert_eq!(
        {
            let mut names = names.clone();
            names.sort_unstable();
            names
        },
        wanted
    );
    let of =
        |name: &str| databases.iter().find(|database| database["name"] == name).unwrap_or_else(|| panic!("{name}"));
    assert!(of(odd)["parts"].as_u64() > Some(2), "{record}");
    assert_eq!((&of("shop")["folder"], logical["role_passwords"].as_bool()), (&"shop".into(), Some(true)));

    // By hand: the digest, every frame, the list of members, each dump in pg_restore's eyes, the roles.
    let archive = site.archive(&record);
    assert_eq!(oracle::sha256sum(&archive), record["sha256"].as_str().unwrap_or_default());
    let file = archive.display();
    shell(&format!("zstd -qt '{file}'"));
    let members = String::from_utf8(shell(&format!("zstd -qdc '{file}' | tar -t"))).unwrap_or_default();
    assert!(members.starts_with("globals.sql\ndatabases/\n"), "{members}");
    assert!(members.contains("databases/shop/database.json\ndatabases/shop/dump.00000001\n"), "{members}");
    let globals = String::from_utf8(shell(&format!("zstd -qdc '{file}' | tar -xO globals.sql"))).unwrap_or_default();
    assert!(globals.contains("CREATE ROLE gerente") && globals.contains("SCRAM-SHA-256$"), "{globals}");
    let by_hand = TestFolder::new();
    for database in databases {
        let (folder, dump) = (database["folder"].as_str().unwrap_or_default(), by_hand.path().join("x.dump"));
        let pattern = format!("databases/{folder}/dump.*");
        shell(&format!("zstd -qdc '{file}' | tar -xO --wildcards '{pattern}' > '{}'", dump.display()));
        let length = std::fs::metadata(&dump).map(|of| of.len()).unwrap_or_default();
        assert_eq!(Some(length), database["dump_bytes"].as_u64());
        let list = output_of(Command::new(testkit::client_program("pg_restore")).arg("--list").arg(&dump));
        assert!(list.contains("TOC Entries"), "{list}");
        if folder == "shop" {
            // Loaded without us, by several sessions.
            site.cluster.sql("CREATE DATABASE by_hand");
            let mut load = Command::new(testkit::client_program("pg_restore"));
            load.args(["--jobs=2", "--no-owner", "-d", &site.cluster.conninfo("by_hand")])
                .arg(&dump)
                .stderr(Stdio::null());
            // Newer programs name a setting that older servers do not know; what counts is what is there.
            load.status().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                site.cluster.sql_in("by_hand", "SELECT count(*), sum(total) FROM ventas.pedidos"),
                "5000|12502500"
            );
            assert_eq!(site.cluster.sql_in("by_hand", "SELECT length(lo_get(424242))"), "300000");
        }
    }

    // By us, after everything is gone: owners, rights, settings, large objects and all.
    site.cluster.sql("DROP DATABASE shop");
    for (name, then) in ["shop", odd].iter().zip(&then) {
        let answer = site.restore(&record["id"], &["--database", name, "--as", "back"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let report = answer.json();
        assert_eq!((&report["plan"], &report["backup"]["id"]), (&Value::Null, &record["id"]));
        assert_eq!(report["outcome"]["backups"], serde_json::json!([record["id"]]));
        site.cluster.sql(&format!("ALTER DATABASE back RENAME TO \"{}_2\"", name.replace('"', "\"\"")));
        let back = site.dump(&format!("{name}_2"));
        let quoted = |name: &str| name.replace('"', "\"\"");
        let renamed = back.replace(&format!("{}_2", quoted(name)), &quoted(name));
        assert_same_text(&renamed.replace(&format!("{name}_2"), name), then);
    }
    site.assert_nothing_left();
});

#[test]
fn a_dump_between_a_full_and_an_increment_is_no_link_and_each_restores() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        site.cluster.sql("CREATE DATABASE shop");
        site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT 1 AS n");
        // Alone, a dump is nothing that a restore of a cluster could begin with, and no base.
        let first = site.logical(&["--database", "shop"]);
        let error = site.refused(6, &["preview", "--latest"]);
        assert_eq!((&error["key"], &error["id"]), (&"repository-only-logical".into(), &"1".into()));
        site.ok(&["full", "--json"]);
        site.cluster.sql_in("shop", "UPDATE t SET n = 2");
        let second = site.logical(&["--database", "shop"]);
        site.cluster.sql_in("shop", "UPDATE t SET n = 3");
        let increment = site.ok(&["incremental", "--json"]).json()["backup"].clone();
        assert_eq!((&increment["kind"], &increment["base_id"]), (&"INCREMENTAL".into(), &2.into()));
        let differential = site.ok(&["diferencial", "--json"]).json()["backup"].clone();
        assert_eq!((&differential["kind"], &differential["base_id"]), (&"DIFERENCIAL".into(), &2.into()));
        // Newer than everything else, and yet not what a restore of the cluster takes.
        let third = site.logical(&[]);
        assert_eq!(third["id"], 6);

        let target = site.work.path().join("restored");
        let answer = site.cadena.run(&[
            "restore",
            "--json",
            "--latest",
            "--to",
            &target.display().to_string(),
            "--owner",
            &site.cluster.owner().name,
        ]);
        assert_eq!(answer.code, 0, "{answer:?}");
        let backups = answer.json()["plan"]["backups"].as_array().map(Vec::len);
        assert_eq!((backups, &answer.json()["plan"]["backups"][1]["id"]), (Some(2), &5.into()));
        std::fs::remove_dir_all(&target).unwrap_or_else(|error| panic!("{error}"));

        for (record, n) in [(&first, "1"), (&second, "2"), (&third, "3")] {
            let name = format!("back_{n}");
            let answer = site.restore(&record["id"], &["--database", "shop", "--as", &name]);
            assert_eq!(answer.code, 0, "{answer:?}");
            assert_eq!(site.cluster.sql_in(&name, "SELECT n FROM t"), n);
        }
        // In place of the damaged one.
        let answer = site.restore(&second["id"], &["--database", "shop", "--replace", "--drop-old"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert_eq!(site.cluster.sql_in("shop", "SELECT n FROM t"), "2");

        // What stands where.
        let list = site.ok(&["list", "--lang", "es"]).stdout;
        assert_eq!(list.matches("FULL lógico").count(), 3, "{list}");
        let status = site.cadena.run(&["status", "--json"]).json();
        let full = &status["kinds"][0];
        assert_eq!((&full["kind"], &full["last_id"]), (&"FULL".into(), &2.into()), "{status}");
        assert_eq!(status["chains"].as_array().map(Vec::len), Some(6));
        let chains = site.cluster.sql("SELECT string_agg(full_id::text, ',') FROM seguridad.v_backup_cadenas");
        assert_eq!(chains, "2,2");
        assert_eq!(site.cluster.sql("SELECT id FROM seguridad.get_last_full_backup()"), "2");
        let row = site.cluster.sql(
            "SELECT tipo_backup, estado, wal_inicio IS NULL, lsn_fin IS NULL, metadata ->> 'method', \
             checksum_sha256, tamano_bytes FROM seguridad.backup_manifest WHERE id = 3",
        );
        let expected = format!(
            "FULL|COMPLETADO|t|t|logical|{}|{}",
            second["sha256"].as_str().unwrap_or_default(),
            second["archive_bytes"]
        );
        assert_eq!(row, expected);
        let described = "SELECT descripcion FROM seguridad.v_backup_resumen WHERE id = 3";
        assert_eq!(site.cluster.sql(described), "Volcados de bases de datos");
        let before = site.cluster.sql("SELECT string_agg(m::text, '\n' ORDER BY id) FROM seguridad.backup_manifest m");
        site.ok(&["catalog", "rebuild", "--json"]);
        let rebuilt = site.cluster.sql("SELECT string_agg(m::text, '\n' ORDER BY id) FROM seguridad.backup_manifest m");
        assert_same_text(&rebuilt, &before);
        site.assert_nothing_left();
    }
}

#[test]
fn what_a_dump_can_not_do_is_refused_with_what_helps() {
    let site = Site::new(MajorVersion::V15);
    site.cluster.sql("CREATE DATABASE shop");
    site.cluster.sql_in("shop", "CREATE TABLE t AS SELECT generate_series(1, 10) n");
    let before = std::fs::read_dir(site.cadena.path("backups_incrementales/full")).map(Iterator::count).unwrap_or(0);
    // Before anything is begun.
    let error = site.refused(6, &["full", "--method", "logical", "--database", "nada"]);
    assert_eq!(
        (&error["key"], &error["known"]),
        (&"backup-unknown-database".into(), &"postgres, shop, template1".into())
    );
    for kind in ["diferencial", "incremental"] {
        let error = site.refused(2, &[kind, "--method", "logical"]);
        assert_eq!((&error["key"], &error["kind"]), (&"backup-method-kind".into(), &kind.to_uppercase().into()));
    }
    for options in [
        &["--database", "shop"][..],
        &["--method", "logical", "--reader", "sql"],
        &["--method", "logical", "--checkpoint", "fast"],
    ] {
        assert_eq!(site.refused(2, &[&["full"], options].concat())["key"], "usage-conflict");
    }
    let after = std::fs::read_dir(site.cadena.path("backups_incrementales/full")).map(Iterator::count).unwrap_or(0);
    assert_eq!(before, after, "nothing was begun");

    let id = site.logical(&["--database", "shop"])["id"].to_string();
    let backup = ["--backup", id.as_str()];
    let target = site.work.path().join("t").display().to_string();
    for arguments in [
        &["restore", "--to", target.as_str()][..],
        &["preview"],
        &["explore", "--owner", site.cluster.owner().name.as_str()],
    ] {
        let error = site.refused(6, &[arguments, &backup[..]].concat());
        assert_eq!(error["key"], "restore-logical", "{arguments:?}");
        assert!(
            error["remedy"].as_str().is_some_and(|remedy| remedy.contains(&format!("--backup {id} --database"))),
            "{error}"
        );
    }
    let error = site.refused(6, &["validate", &id, "--level", "drill"]);
    assert_eq!(error["key"], "restore-logical");
    let at = ["restore", "--at", "2030-01-01 00:00:00", "--database", "shop", "--as", "x"];
    assert_eq!(site.refused(6, &[&at[..], &backup[..]].concat())["key"], "restore-logical-target");
    let error = site.refused(6, &[&["restore", "--database", "otra", "--as", "x"][..], &backup[..]].concat());
    assert_eq!((&error["key"], &error["known"]), (&"database-unknown".into(), &"shop".into()));
    let error = site.refused(6, &[&["restore", "--database", "shop", "--as", "postgres"][..], &backup[..]].concat());
    assert_eq!(error["key"], "database-exists");
    let merge = site.refused(6, &["merge", &id]);
    assert_eq!(merge["key"], "backup-merge-alone");

    // A dump is exported as it is, or not at all.
    let file = site.work.path().join("shop.dump").display().to_string();
    let export = ["export", "--database", "shop", "-o", file.as_str()];
    assert_eq!(site.refused(6, &[&export[..], &backup[..], &["--schema-only"]].concat())["key"], "database-dump-whole");
    assert!(!Path::new(&file).exists());
    let exported = site.ok(&[&export[..], &backup[..], &["--json"]].concat()).json();
    assert_eq!(exported["backups"], serde_json::json!([id.parse::<u64>().unwrap_or(0)]));
    let list = output_of(Command::new(testkit::client_program("pg_restore")).args(["--list", &file]));
    assert!(list.contains("TABLE DATA public t"), "{list}");
    std::fs::remove_file(&file).unwrap_or_else(|error| panic!("{error}"));
    site.assert_nothing_left();
}

#[test]
fn some_tables_of_a_dump_come_back_with_what_they_stand_on() {
    for version in [MajorVersion::V15, MajorVersion::V18].into_iter().filter(|version| testkit::is_available(*version))
    {
        let site = Site::new(version);
        make_shop(&site.cluster);
        let id = site.logical(&["--database", "shop"])["id"].clone();
        let restore = |arguments: &[&str]| {
            let answer = site.restore(&id, &[&["--database", "shop"], arguments].concat());
            assert!([0, 3].contains(&answer.code), "{arguments:?}: {answer:?}");
            answer.json()["outcome"].clone()
        };
        let relations = |database: &str| {
            site.cluster.sql_in(
                database,
                "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace::regnamespace::text = 'ventas' AND relkind IN ('r', 'p', 'v', 'm')",
            )
        };
        let outcome = restore(&["--as", "part", "--table", "pedidos", "--table", "ventas.diario"]);
        assert_eq!(relations("part"), "diario,diario_2026,pedidos");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM ventas.pedidos"), "5000");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM ventas.diario"), "101");
        let warnings = outcome["warnings"].to_string();
        assert!(warnings.contains("ventas.pedidos pedidos_cliente_fkey"), "{warnings}");
        assert_eq!(site.cluster.sql_in("part", "SELECT count(*) FROM pg_largeobject_metadata"), "0");
        restore(&["--as", "whole_schema", "--schema", "ventas"]);
        assert_eq!(relations("whole_schema"), "clientes,cuenta,diario,diario_2026,pedidos,resumen");
        assert_eq!(site.cluster.sql_in("whole_schema", "SELECT count FROM ventas.cuenta"), "500");
        restore(&["--as", "definitions", "--schema-only"]);
        assert_eq!(site.cluster.sql_in("definitions", "SELECT count(*) FROM ventas.pedidos"), "0");
        let error = site.restore(&id, &["--database", "shop", "--as", "x", "--table", "nada"]);
        assert_eq!((error.code, &error.json()["error"]["key"]), (6, &"database-unknown-object".into()));

        // Roles that are missing are named, and made when that is asked for.
        site.cluster
            .sql("DROP DATABASE part; DROP DATABASE whole_schema; DROP DATABASE definitions; DROP DATABASE shop");
        site.cluster.sql("DROP ROLE gerente; DROP ROLE auditor; DROP ROLE \"ventas señor\"");
        let error = site.restore(&id, &["--database", "shop", "--as", "back"]);
        assert_eq!((error.code, &error.json()["error"]["key"]), (6, &"database-missing-roles".into()));
        let outcome = restore(&["--as", "back", "--create-roles"]);
        assert_eq!(outcome["created_roles"].as_array().map(Vec::len), Some(3), "{outcome}");
        assert_eq!(
            site.cluster.sql_in("back", "SELECT tableowner FROM pg_tables WHERE tablename = 'pedidos'"),
            "gerente"
        );
        restore(&["--as", "mine", "--no-owner", "--no-privileges"]);
        assert_eq!(
            site.cluster.sql_in("mine", "SELECT tableowner FROM pg_tables WHERE tablename = 'pedidos'"),
            site.cluster.user()
        );
        site.assert_nothing_left();
    }
}
