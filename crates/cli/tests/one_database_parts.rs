//! Less than a whole database into the live server: some of its tables, a dump of it in a file, a look at it.

#![cfg(unix)]

mod common;
mod database_support;
mod stream_support;

use database_support::{Site, make_shop, one_version};
use std::process::Command;
use stream_support::ok;

#[test]
fn some_tables_come_back_with_what_they_stand_on() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    make_shop(&cluster);
    cluster.sql_in("shop", "CREATE SCHEMA \"Otro\"; CREATE TABLE \"Otro\".solo (e ventas.estado); INSERT INTO \"Otro\".solo VALUES ('nuevo')");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    site.mark("here");
    let tables =
        ["--name", "here", "--database", "shop", "--as", "some", "--table", "pedidos", "--table", "ventas.diario"];
    let answer = site.restore(&tables);
    assert_eq!(answer.code, 3, "{answer:?}");
    let warnings = answer.json()["outcome"]["warnings"].clone();
    assert_eq!(warnings[0]["key"], "warning-database-foreign-keys", "{warnings}");
    assert_eq!(warnings[0]["names"], "pedidos_cliente_fkey (ventas.pedidos)");
    let names = "SELECT string_agg(relname, ',' ORDER BY 1) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm') \
                 AND relnamespace = 'ventas'::regnamespace";
    assert_eq!(cluster.sql_in("some", names), "diario,diario_2026,pedidos");
    for question in [
        "SELECT sum(total), count(*) FROM ventas.pedidos",
        "SELECT md5(string_agg(texto, ',' ORDER BY dia)) FROM ventas.diario",
        "SELECT has_schema_privilege('ventas señor', 'ventas', 'USAGE'), has_table_privilege('ventas señor', 'ventas.pedidos', 'SELECT')",
        "INSERT INTO ventas.pedidos (total) VALUES (1) RETURNING estado",
    ] {
        assert_eq!(cluster.sql_in("some", question), cluster.sql_in("shop", question), "{question}");
    }
    assert!(
        cluster.try_sql("some", "INSERT INTO ventas.pedidos (total) VALUES (-1)").is_err(),
        "the domain came along"
    );

    let answer = site.restore(&["--name", "here", "--database", "shop", "--as", "other", "--schema", "\"Otro\""]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(cluster.sql_in("other", "SELECT e FROM \"Otro\".solo"), "nuevo");
    assert_eq!(cluster.sql_in("other", "SELECT count(*) FROM pg_class WHERE relname = 'pedidos'"), "0");
    site.assert_nothing_left();
}

#[test]
fn export_writes_any_instant_or_now_and_explore_shows_it() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    make_shop(&cluster);
    // No name that anyone would guess: the server itself must be asked who its superuser is.
    cluster.sql("CREATE ROLE jefa SUPERUSER LOGIN");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    let as_the_other = |sql: &str| {
        let conninfo = cluster.conninfo("postgres").replace("user='postgres'", "user='jefa'");
        let status =
            Command::new(testkit::client_program("psql")).args(["-X", "-q", "-d", &conninfo, "-c", sql]).status();
        assert!(status.unwrap_or_else(|error| panic!("{error}")).success(), "{sql}");
    };
    as_the_other("ALTER ROLE postgres RENAME TO \"la primera\"");
    as_the_other("SELECT pg_create_restore_point('renamed')");
    as_the_other("ALTER ROLE \"la primera\" RENAME TO postgres");
    cluster.sql_in("shop", "DROP TABLE ventas.diario");
    site.mark("after");

    let owner = cluster.owner().name.clone();
    let file = site.cadena.path("then.dump").display().to_string();
    let export = ["export", "--name", "renamed", "--database", "shop", "-o", &file, "--owner", &owner, "--json"];
    let answer = site.cadena.run(&export);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(listing(&file).contains("TABLE DATA ventas diario_2026"));
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions()) & 0o777,
        0o600
    );
    let again = site.cadena.run(&export);
    assert_eq!(again.json()["error"]["key"], "database-file", "{again:?}");
    let now = site.cadena.path("now.dump").display().to_string();
    ok(&site.cadena, &["export", "--live", "--database", "shop", "-o", &now, "--json"]);
    assert!(!listing(&now).contains("diario") && listing(&now).contains("TABLE DATA ventas pedidos"));
    assert_eq!(site.cadena.files().iter().filter(|path| path.to_string_lossy().contains("partial")).count(), 0);
    site.assert_nothing_left();

    // Without programs that could dump, nothing is begun.
    let bare = site.cadena.path("bin");
    std::fs::create_dir(&bare).unwrap();
    std::os::unix::fs::symlink(cluster.binaries().folder.join("postgres"), bare.join("postgres")).unwrap();
    let other = site.cadena.path("other.dump").display().to_string();
    let mut command = site.cadena.command(&[
        "export",
        "--name",
        "renamed",
        "--database",
        "shop",
        "-o",
        &other,
        "--owner",
        &owner,
        "--json",
    ]);
    let output = command.env("PATH", "/usr/bin:/bin").env("PG_BIN_PATH", &bare).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.code() == Some(6) && said.contains("cluster-binary-missing") && said.contains("pg_dump"),
        "{said}"
    );
    assert!(!std::path::Path::new(&other).exists());
    site.assert_nothing_left();

    let explore = ["explore", "--name", "renamed", "--read-only", "--port", "6543", "--owner", &owner, "--json"];
    let mut child = site.cadena.command(&explore).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let report: serde_json::Value = {
        let stdout = child.stdout.take().unwrap();
        serde_json::Deserializer::from_reader(stdout)
            .into_iter()
            .next()
            .unwrap()
            .unwrap_or_else(|error| panic!("{error}"))
    };
    assert_eq!((report["port"].as_u64(), report["user"].as_str()), (Some(6543), Some("la primera")), "{report}");
    let psql = |sql: &str| {
        let conninfo = format!(
            "host={} port=6543 user='la primera' dbname=shop",
            report["socket_folder"].as_str().unwrap_or_default()
        );
        let output =
            Command::new(testkit::client_program("psql")).args(["-X", "-At", "-d", &conninfo, "-c", sql]).output();
        let output = output.unwrap_or_else(|error| panic!("{error}"));
        (output.status.success(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(psql("SELECT count(*) FROM ventas.diario"), (true, "101".to_owned()));
    assert!(!psql("DELETE FROM ventas.diario").0);
    assert_eq!(
        psql(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type !~ '^(client|checkpointer|background|walwriter)'"
        )
        .1,
        "0"
    );
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(child.wait().unwrap_or_else(|error| panic!("{error}")).code(), Some(0));
    site.assert_nothing_left();
}

fn listing(file: &str) -> String {
    let output = Command::new(testkit::client_program("pg_restore")).args(["--list", file]).output();
    String::from_utf8_lossy(&output.unwrap_or_else(|error| panic!("{error}")).stdout).into_owned()
}
