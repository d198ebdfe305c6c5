//! The users' description, walked from top to bottom as a new user would: every command and every query, in its order, on a real
//! server. Headings are the description's own. Its Python snippets are Rust ones in crates/cadena/examples/daily_life.rs.

#![cfg(unix)]

mod catalog_support;
mod common;
mod stream_support;

use catalog_support::{DATABASE, Scene};
use pgformat::MajorVersion;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use stream_support::{Daemon, wait_for};
use testkit::{TestCluster, is_available};

/// The description's queries, word for word, by the comment above each.
fn queries() -> BTreeMap<&'static str, &'static str> {
    let text = include_str!("fixtures/seed_queries.sql");
    let parts = text.split("\n-- ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(name, query)| (name, query.trim())).collect()
}

/// Every file of a folder with its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                found.insert(path, bytes);
            }
        }
    }
    found
}

fn walk(version: MajorVersion) {
    if !is_available(version) {
        return;
    }
    let scene = Scene::new(version);
    let query = queries();
    let ask = |name: &str| scene.sql(query.get(name).unwrap_or_else(|| panic!("no query {name}")));
    let rows = |name: &str| ask(name).lines().map(str::to_owned).collect::<Vec<String>>();

    // «Sistema Antiguo NO Modificado»: what lies there stays as it is.
    for name in ["diario/nexoryn_20250101.backup", "semanal/x.sql", "manual/full_20250106_000000.backup"] {
        scene.cadena.write(&format!("backups/{name}"), "of the old system");
    }
    let old = snapshot(&scene.cadena.path("backups"));

    // «Instalación» 1: the migration, under plain psql, twice without harm.
    for _ in 0..2 {
        let migrated = scene.psql(DATABASE, &["-f", &catalog_support::migration().display().to_string()]);
        let told = String::from_utf8_lossy(&migrated.stderr);
        assert!(migrated.status.success() && !told.contains("ERROR"), "{told}");
    }
    scene.ok(&["init"]);
    // «Instalación» 2: status.
    let status = scene.run(&["status", "--lang", "es"]);
    assert!(status.code == 3 && status.stdout.contains("No hay ningún backup completado"), "{status:?}");

    // «Horarios por defecto».
    let jobs = scene.ok(&["schedule", "show", "--json"]).json();
    let zone = jiff::tz::TimeZone::UTC;
    let next = |job: &str| {
        let job =
            jobs["jobs"].as_array().unwrap().iter().find(|one| one["job"] == job).unwrap_or_else(|| panic!("{jobs}"));
        let at: jiff::Timestamp = job["next"][0].as_str().unwrap().parse().unwrap();
        at.to_zoned(zone.clone())
    };
    let time = |job: &str| (next(job).hour(), next(job).minute());
    assert_eq!((next("FULL").day(), time("FULL")), (1, (0, 0)));
    assert_eq!((next("DIFERENCIAL").weekday(), time("DIFERENCIAL")), (jiff::civil::Weekday::Sunday, (23, 30)));
    assert_eq!((time("INCREMENTAL"), time("VALIDATE")), ((23, 0), (1, 0)));
    assert_eq!((next("CLEANUP").weekday(), time("CLEANUP")), (jiff::civil::Weekday::Monday, (2, 0)));

    // «Scheduler Automatizado»: it takes the first FULL by itself, and streams.
    let mut daemon = Daemon::start_with(&scene.cadena, &[]);
    wait_for("the first FULL", || {
        let listed = scene.ok(&["list", "--json"]).json();
        listed["backups"].as_array().is_some_and(|all| all.iter().any(|one| one["state"] == "COMPLETADO"))
            && listed["running"].is_null()
    });
    assert!(daemon.is_running());

    // «Ejecuciones Manuales».
    let back_up = |command: &str| scene.back_up(command);
    assert_eq!(back_up("full")["kind"], "FULL");
    let differential = back_up("diferencial");
    assert_eq!((differential["kind"].as_str(), differential["base_id"].as_u64()), (Some("DIFERENCIAL"), Some(2)));
    let incremental = back_up("incremental");
    assert_eq!((incremental["kind"].as_str(), incremental["base_id"].as_u64()), (Some("INCREMENTAL"), Some(3)));
    // Directories: full/, differential/, incremental/.
    for (folder, record) in [("differential", &differential), ("incremental", &incremental)] {
        assert!(scene.repository().join(folder).join(record["archive_name"].as_str().unwrap()).exists());
    }
    assert_eq!(rows("Backups sin validar recientes").len(), 4);
    scene.ok(&["validate"]);
    assert_eq!(rows("Backups sin validar recientes").len(), 0);
    scene.ok(&["cleanup"]);
    let status = scene.ok(&["status", "--lang", "es"]).stdout;
    for word in ["FULL", "DIFERENCIAL", "INCREMENTAL", "Cadenas", "Restaurable", "Próximo", "4 válidos"] {
        assert!(status.contains(word), "{word} is missing in\n{status}");
    }

    // «Restaurar a una fecha específica», as the command has it: what was there at that instant, and nothing after it.
    let before = scene.sql("SELECT sum(length(body)) FROM item");
    let instant = scene.sql("SELECT to_char(clock_timestamp(), 'YYYY-MM-DD\"T\"HH24:MI:SS.USOF')");
    scene.sql("DELETE FROM item");
    wait_for("the deletion to be archived", || {
        scene.sql(
            "SELECT pg_current_wal_flush_lsn() <= (SELECT coalesce(max(flush_lsn), '0/0') FROM pg_stat_replication)",
        ) == "t"
    });
    let preview = scene.ok(&["preview", "--at", &instant, "--json"]).json();
    assert_eq!(preview["backups"].as_array().map(Vec::len), Some(3), "{preview}");
    let copy = TestCluster::adopt(version, &scene.cadena.path("restored"));
    let port = copy.port().to_string();
    let socket = copy.socket_folder().display().to_string();
    let to = copy.data_directory().display().to_string();
    scene.ok(&["restore", "--at", &instant, "--to", &to, "--start", "--port", &port, "--socket-dir", &socket]);
    assert_eq!(copy.sql_in(DATABASE, "SELECT sum(length(body)) FROM item"), before);
    copy.stop();

    // «Consultas SQL Útiles».
    let summary = rows("Resumen de backups");
    assert!(summary.len() == 4 && summary[0].starts_with("4|INCREMENTAL|COMPLETADO|"), "{summary:#?}");
    let chains = rows("Cadenas de backup concatenables");
    assert!(chains.iter().any(|chain| chain.contains(differential["archive_name"].as_str().unwrap())), "{chains:#?}");
    let space = rows("Espacio utilizado por tipo");
    assert_eq!(
        space.iter().filter_map(|row| row.split('|').next()).collect::<Vec<_>>(),
        ["DIFERENCIAL", "FULL", "INCREMENTAL"]
    );
    let latest = rows("Últimos backups de cada tipo");
    let ids: Vec<_> = latest.iter().filter_map(|row| row.split('|').next()).collect();
    assert_eq!(ids, ["3", "2", "4"]);
    assert_eq!(rows("Backups que no están en la nube").len(), 4);
    assert_eq!(rows("Validaciones recientes").len(), 4);

    // «Personalizar Política», verbatim; it counts from then on.
    ask("Personalizar Política");
    let planned = scene.ok(&["cleanup", "--dry-run", "--json"]).json();
    assert_eq!(
        (planned["policy"]["name"].as_str(), planned["policy"]["full_months"].as_u64()),
        (Some("PERSONALIZADA"), Some(24))
    );

    // «Verificar Checksum SHA-256»: what sha256sum prints is what the catalog says.
    let archive = scene.repository().join("incremental").join(incremental["archive_name"].as_str().unwrap());
    let printed = Command::new("sha256sum").arg(&archive).output().unwrap();
    let printed = String::from_utf8_lossy(&printed.stdout).split(' ').next().unwrap_or_default().to_owned();
    let asked = query["Verificar Checksum SHA-256"].replace("123", "4");
    assert_eq!(scene.sql(&asked), format!("{}|{printed}", incremental["archive_name"].as_str().unwrap()));

    // «Modificar Horarios»: the running daemon takes it up.
    for (job, time) in [
        ("FULL", vec!["--day", "1", "--hour", "0", "--minute", "0"]),
        ("DIFERENCIAL", vec!["--weekday", "6", "--hour", "23", "--minute", "30"]),
        ("INCREMENTAL", vec!["--hour", "22", "--minute", "15"]),
    ] {
        scene.ok(&[&["schedule", "set", job], time.as_slice()].concat());
    }
    let log = || std::fs::read_to_string(scene.repository().join("backup_scheduler.log")).unwrap();
    wait_for("the new time to be taken up", || log().contains("15 22 * * *"));

    // «Soporte»: the logs. A failed backup is an ERROR there, an event and a FALLIDO row with its reason.
    assert_eq!(log().lines().filter(|line| line.contains(" ERROR ")).count(), 0, "{}", log());
    let interrupted = scene.begin_slow_full();
    catalog_support::interrupt(interrupted);
    let failed = rows("Backups fallidos recientes");
    assert!(failed.len() == 1 && failed[0].starts_with("5|FULL|"), "{failed:#?}");
    assert_eq!(rows("Cadenas rotas (backups sin base)").len(), 0);
    scene.ok(&["catalog", "sync"]);
    let events = rows("Ver últimos 50 eventos en DB");
    assert!(events.iter().any(|event| event.contains("|ERROR|") && event.contains("|5|")), "{events:#?}");

    // «Restaurar desde backup ID específico».
    let restored = "nexoryn_tech_restaurado";
    scene.ok(&["restore", "--backup", "4", "--database", DATABASE, "--as", restored]);
    assert_eq!(scene.cluster.sql_in(restored, "SELECT sum(length(body)) FROM item"), before);
    assert_eq!(scene.sql("SELECT count(*) FROM item"), "0", "the live one is as it was");

    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(log().lines().filter(|line| line.contains(" ERROR ")).count(), 0, "{}", log());
    // «Coexistencia».
    assert_eq!(snapshot(&scene.cadena.path("backups")), old);
    let value: Value = scene.ok(&["list", "--json"]).json();
    assert_eq!(value["orphan_archives"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_new_user_walks_the_description_on_postgresql_15() {
    walk(MajorVersion::V15);
}

#[test]
fn a_new_user_walks_the_description_on_postgresql_18() {
    walk(MajorVersion::V18);
}
