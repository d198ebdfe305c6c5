//! What the catalog survives: a server that is away, locks, older states, others at work, other people's tables, missing rights.

#![cfg(unix)]

mod catalog_support;
mod common;

use catalog_support::{DATABASE, Scene, TABLES, migration, newest, wait_for};
use std::process::Stdio;
use std::time::{Duration, Instant};
use testkit::TestCluster;

/// Runs `catalog sync` on another database and returns what changed.
#[track_caller]
fn sync_in(scene: &Scene, dbname: &str) -> serde_json::Value {
    scene.ok(&["catalog", "sync", "--dbname", dbname, "--json"]).json()["rows"].clone()
}

#[track_caller]
fn refused(scene: &Scene, arguments: &[&str], key: &str) -> serde_json::Value {
    let answer = scene.run(&[arguments, &["--json"]].concat());
    assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (6, Some(key)), "{arguments:?}: {answer:?}");
    answer.json()["error"].clone()
}

#[test]
fn what_happened_while_the_server_was_away_or_a_table_locked_comes_later() {
    let Some(version) = newest() else { return };
    let scene = Scene::new(version);
    scene.ok(&["init"]);
    scene.back_up("full");

    // The server goes in the middle of a backup.
    let child = scene.begin_slow_full();
    wait_for("the running backup's row", || {
        scene.sql("SELECT count(*) FROM seguridad.backup_manifest WHERE estado = 'EN_PROGRESO'") == "1"
    });
    scene.cluster.crash();
    let ended = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && told.contains("was not brought up to date"), "{ended:?}");

    // Without a server a validation is none of its business, and says nothing.
    let validated = scene.run(&["validate", "1"]);
    assert!(validated.code == 0 && validated.stderr.is_empty(), "{validated:?}");
    assert_eq!(scene.run(&["catalog", "sync"]).code, 1);

    scene.cluster.start();
    let running = "SELECT id FROM seguridad.backup_manifest WHERE estado = 'EN_PROGRESO'";
    assert_eq!(scene.sql(running), "2", "nobody has told the catalog yet");
    scene.ok(&["catalog", "sync"]);
    assert_eq!(scene.sql("SELECT estado FROM seguridad.backup_manifest WHERE id = 2"), "FALLIDO");
    assert_eq!(scene.sql("SELECT resultado FROM seguridad.backup_validation WHERE backup_id = 1"), "EXITOSO");

    // A process that is killed leaves a row, too.
    let mut child = scene.begin_slow_full();
    child.kill().and_then(|()| child.wait()).unwrap_or_else(|error| panic!("{error}"));
    scene.ok(&["catalog", "sync"]);
    let killed = "SELECT estado, error_mensaje LIKE 'El proceso % terminó antes de que el backup estuviera completo.' \
        FROM seguridad.backup_manifest WHERE id = 3";
    assert_eq!(scene.sql(killed), "FALLIDO|t");
    scene.back_up("full");
    assert_eq!(scene.sql(killed), "FALLIDO|t", "the same after it was swept up");

    // A locked table holds no backup up for long.
    let mut holder = scene.cluster.session(DATABASE);
    let lock = holder.run("BEGIN; LOCK TABLE seguridad.backup_event, seguridad.backup_retention_policy");
    assert!(lock.is_ok(), "{lock:?}");
    let begin = Instant::now();
    let answer = scene.ok(&["full", "--lang", "es"]);
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert!(
        answer.stderr.contains("No se actualizó el catálogo") && answer.stderr.contains("pg_stat_activity"),
        "{answer:?}"
    );
    assert_eq!(scene.run(&["catalog", "sync"]).code, 4);
    assert_eq!(scene.run(&["cleanup", "--dry-run"]).code, 4, "nothing goes by a policy that can't be read");
    drop(holder);
    scene.ok(&["catalog", "sync"]);
    assert_eq!(scene.sql("SELECT estado FROM seguridad.backup_manifest WHERE id = 5"), "COMPLETADO");

    // Nor does the catalog wait for a synchronous standby that is not there: that would be our own receiver.
    scene.cluster.reconfigure(&[("synchronous_standby_names", "cadena")]);
    scene.ok(&["catalog", "rebuild"]);
    scene.ok(&["catalog", "install"]);
}

#[test]
fn an_older_state_or_another_repositorys_becomes_the_same_rows() {
    let Some(version) = newest() else { return };
    let scene = Scene::new(version);
    scene.ok(&["init"]);
    scene.back_up("full");
    scene.ok(&["validate"]);
    let copy = |name: &str| {
        wait_for("the last connections to end", || {
            let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'nexoryn_tech'";
            scene.cluster.sql(others) == "0"
        });
        scene.cluster.sql(&format!("CREATE DATABASE {name} TEMPLATE {DATABASE}"));
    };
    copy("older");
    scene.back_up("diferencial");
    scene.ok(&["validate"]);
    scene.back_up("incremental");
    let wanted = scene.rows();

    let rows = sync_in(&scene, "older");
    assert_eq!(scene.rows_in("older"), wanted);
    assert_eq!(
        (rows["manifest"]["inserted"].as_u64(), rows["event"]["deleted"].as_u64()),
        (Some(2), Some(0)),
        "{rows}"
    );
    assert_eq!(
        scene.cluster.sql_in("older", "SELECT count(*) FROM item"),
        "20000",
        "its other tables stay what they were"
    );

    // Rows that were lost, changed, made up, or swapped.
    copy("damaged");
    let damage = "DELETE FROM seguridad.backup_event WHERE id IN (2, 5); \
        DELETE FROM seguridad.backup_validation WHERE id = (SELECT min(id) FROM seguridad.backup_validation); \
        DELETE FROM seguridad.backup_chain WHERE id = 1; \
        UPDATE seguridad.backup_chain SET incremental_ids = '{7}'; \
        UPDATE seguridad.backup_manifest SET archivo_nombre = 'aside' WHERE id = 1; \
        UPDATE seguridad.backup_manifest SET estado = 'EN_PROGRESO', checksum_sha256 = NULL WHERE id = 3; \
        INSERT INTO seguridad.backup_manifest (id, tipo_backup, archivo_nombre, fecha_inicio, estado) \
            VALUES (99, 'MANUAL', 'made_up', now(), 'COMPLETADO'); \
        INSERT INTO seguridad.backup_event (id, fecha_hora, nivel, tipo_evento, mensaje) VALUES (999, now(), 'INFO', 'x', 'x')";
    scene.cluster.sql_in("damaged", damage);
    assert_ne!(scene.rows_in("damaged"), wanted);
    sync_in(&scene, "damaged");
    assert_eq!(scene.rows_in("damaged"), wanted);

    // Names that changed places, so that each new row would meet the name of an old one.
    let swap = "CREATE TEMPORARY TABLE names AS SELECT id, archivo_nombre FROM seguridad.backup_manifest; \
        UPDATE seguridad.backup_manifest SET archivo_nombre = 'x' || id; \
        UPDATE seguridad.backup_manifest AS m SET archivo_nombre = n.archivo_nombre FROM names AS n WHERE n.id = m.id % 3 + 1";
    scene.cluster.sql_in("damaged", swap);
    assert_ne!(scene.rows_in("damaged"), wanted);
    sync_in(&scene, "damaged");
    assert_eq!(scene.rows_in("damaged"), wanted);

    // A catalog that another repository filled.
    let other = scene.cadena.path("other").display().to_string();
    scene.ok(&["init", "--repository", &other, "--dbname", "older"]);
    scene.ok(&["full", "--repository", &other, "--dbname", "older"]);
    assert_ne!(scene.rows_in("older"), wanted);
    let rows = sync_in(&scene, "older");
    assert_eq!(scene.rows_in("older"), wanted, "{rows}");

    several_at_once(&scene, &wanted);

    // What an encoding lacks costs the letter, not the row.
    scene.cluster.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    scene.ok(&["full", "--label", "año € 日本"]);
    scene.ok(&["catalog", "install", "--dbname", "latin"]);
    let label = "SELECT metadata->>'label' FROM seguridad.backup_manifest ORDER BY id DESC LIMIT 1";
    assert_eq!(scene.cluster.sql_in("latin", &format!("SELECT ({label}) = 'ano ? ??'")), "t");
    assert_eq!(scene.sql(label), "año € 日本");
}

/// Several processes at once, each from what another one leaves.
fn several_at_once(scene: &Scene, wanted: &str) {
    for action in ["sync", "rebuild"] {
        scene.sql("TRUNCATE seguridad.backup_manifest, seguridad.backup_chain, seguridad.backup_validation, seguridad.backup_event");
        let children: Vec<_> = ["sync", action, "sync", action]
            .map(|action| {
                let mut command = scene.cadena.command(&["catalog", action]);
                command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{error}"))
            })
            .into_iter()
            .collect();
        for child in children {
            let ended = child.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
            assert!(ended.status.success(), "{ended:?}");
        }
        assert_eq!(scene.rows(), wanted, "{action}");
    }
}

#[test]
fn other_peoples_tables_are_left_alone() {
    let Some(version) = newest() else { return };
    let scene = Scene::new(version);
    // The users' original system: the same names, other columns, other ids; and what else the application keeps there.
    scene.sql(
        "CREATE SCHEMA seguridad; CREATE TABLE seguridad.usuario AS SELECT 1 AS id; \
        CREATE TABLE seguridad.backup_manifest (id serial PRIMARY KEY, archivo text, fecha timestamp); \
        CREATE INDEX backup_manifest_fecha ON seguridad.backup_manifest (fecha); \
        INSERT INTO seguridad.backup_manifest (archivo) VALUES ('viejo.backup'); \
        CREATE VIEW seguridad.v_backup_resumen AS SELECT archivo FROM seguridad.backup_manifest; \
        CREATE FUNCTION seguridad.get_last_full_backup() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    );
    let init = scene.ok(&["init"]);
    assert!(init.stderr.contains("seguridad.backup_manifest") && init.stderr.contains("SET SCHEMA"), "{init:?}");
    refused(&scene, &["catalog", "sync"], "catalog-foreign");
    refused(&scene, &["catalog", "rebuild"], "catalog-foreign");
    refused(&scene, &["catalog", "install"], "catalog-foreign");
    let check = scene.ok(&["check", "--json"]).json();
    assert_eq!(check["state"], "warn", "{check}");
    let full = scene.ok(&["full"]);
    assert!(full.stderr.is_empty(), "nobody asked for a catalog: {full:?}");
    scene.ok(&["cleanup"]);

    let file = migration().display().to_string();
    let output = scene.psql(DATABASE, &["-f", &file]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.matches("ERROR").count(), 1, "{said}");
    assert!(
        said.contains("seguridad.backup_manifest, seguridad.v_backup_resumen, seguridad.get_last_full_backup"),
        "{said}"
    );
    assert_eq!(scene.sql("SELECT archivo FROM seguridad.v_backup_resumen"), "viejo.backup");
    assert_eq!(scene.sql("SELECT to_regclass('seguridad.backup_event') IS NULL"), "t", "all or nothing");

    // The hint is what mends it.
    let hint = said.lines().find_map(|line| line.split_once("ejecutar de nuevo: ")).map(|(_, hint)| hint.to_owned());
    scene.sql(&hint.unwrap_or_default());
    scene.ok(&["catalog", "install"]);
    assert_eq!(scene.sql("SELECT estado FROM seguridad.backup_manifest"), "COMPLETADO");
    let kept = "SELECT (SELECT archivo FROM seguridad_anterior.v_backup_resumen), (SELECT id FROM seguridad.usuario)";
    assert_eq!(scene.sql(kept), "viejo.backup|1");

    // What is no longer whole is told; what was made by a newer version is not touched.
    scene.sql("DROP TABLE seguridad.backup_event");
    let error = refused(&scene, &["catalog", "sync"], "catalog-incomplete");
    assert_eq!(error["missing"], "seguridad.backup_event");
    scene.ok(&["catalog", "install"]);
    let events = scene.sql("SELECT string_agg(tipo_evento, ',' ORDER BY id) FROM seguridad.backup_event");
    assert_eq!(events, "backup-started,backup-completed,cleanup-finished");
    scene.sql("COMMENT ON TABLE seguridad.backup_manifest IS 'Más nueva [cadena 2]'");
    for action in ["sync", "rebuild", "install"] {
        refused(&scene, &["catalog", action], "catalog-newer");
    }
    let output = scene.psql(DATABASE, &["-f", &file]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("más nueva"), "{output:?}");

    // Switched off, nothing is looked at; switched on, a catalog that is not there is told.
    scene.cadena.write("off.toml", "[catalog]\nenabled = 'off'\n");
    scene.cadena.write("on.toml", "[catalog]\nenabled = 'on'\nlang = 'en'\n");
    let off = scene.ok(&["validate", "--config", "off.toml"]);
    let on = scene.ok(&["validate", "--config", "on.toml", "--dbname", "postgres"]);
    assert!(off.stderr.is_empty() && on.stderr.contains("cadena catalog install"), "{off:?} {on:?}");
    let english = scene.ok(&["init", "--config", "on.toml", "--dbname", "postgres"]);
    assert!(english.stdout.contains("catalog"), "{english:?}");
    let message = "SELECT mensaje LIKE 'Backup % has begun.' FROM seguridad.backup_event ORDER BY id LIMIT 1";
    assert_eq!(scene.cluster.sql(message), "t");
}

#[test]
fn a_plain_role_needs_the_printed_grants_and_no_more() {
    let Some(version) = newest() else { return };
    let scene = Scene::new(version);
    scene.sql("CREATE ROLE respaldo LOGIN; CREATE ROLE copia LOGIN");
    // The grants of backups alone: the catalog can't be made, and init goes on.
    let all = scene.ok(&["init", "--print-grants", "--role", "respaldo"]).stdout;
    let (catalog, backups): (Vec<&str>, Vec<&str>) = all.lines().partition(|line| line.contains("ON DATABASE"));
    scene.sql(&backups.join("\n"));
    let init = scene.ok(&["init", "--user", "respaldo", "--json"]).json();
    assert_eq!(
        (init["created"].as_bool(), init["catalog"]["error"]["key"].as_str()),
        (Some(true), Some("catalog-privilege"))
    );
    let remedy = init["catalog"]["error"]["remedy"].as_str().unwrap_or_default().to_owned();
    assert!(catalog.len() == 1 && remedy.contains(catalog[0]), "{catalog:?}: {remedy}");
    scene.sql(catalog[0]);
    scene.ok(&["init", "--user", "respaldo"]);
    assert_eq!(scene.ok(&["check", "--user", "respaldo", "--json"]).json()["state"], "ok");

    // A second role, beside a catalog that is another's.
    refused(&scene, &["catalog", "sync", "--user", "copia"], "catalog-privilege");
    let grants = scene.ok(&["init", "--print-grants", "--role", "copia"]).stdout;
    scene.sql(&grants);
    let full = scene.ok(&["full", "--user", "copia"]);
    assert!(full.stderr.is_empty(), "{full:?}");
    assert_eq!(scene.sql("SELECT estado FROM seguridad.backup_manifest"), "COMPLETADO");
    scene.ok(&["catalog", "rebuild", "--user", "copia"]);
    refused(&scene, &["catalog", "install", "--user", "copia"], "catalog-privilege");
    assert_eq!(scene.ok(&["check", "--user", "copia", "--json"]).json()["state"], "ok");

    // A policy that makes no sense is named.
    scene.sql(
        "ALTER TABLE seguridad.backup_retention_policy DROP CONSTRAINT backup_retention_policy_retencion_full_meses_check; \
        INSERT INTO seguridad.backup_retention_policy (nombre, retencion_full_meses) VALUES ('ROTA', -3)",
    );
    let check = scene.ok(&["check", "--user", "copia"]).stdout;
    assert!(check.contains("(ROTA)") && check.contains("retencion_full_meses = -3"), "{check}");
}

#[test]
fn a_standby_shows_the_catalog_and_is_not_written_to() {
    let Some(version) = newest() else { return };
    let scene = Scene::new(version);
    scene.ok(&["init"]);
    scene.back_up("full");
    let standby = TestCluster::standby_of(&scene.cluster);
    let (host, port) = (standby.socket_folder().display().to_string(), standby.port().to_string());
    let on_standby = |arguments: &[&str]| scene.run(&[arguments, &["--host", &host, "--port", &port]].concat());
    for action in ["sync", "rebuild", "install"] {
        let answer = on_standby(&["catalog", action, "--json"]);
        assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (6, Some("catalog-read-only")), "{answer:?}");
    }
    let check = on_standby(&["check"]);
    assert!(check.code == 0 && check.stdout.contains("it shows the primary's"), "{check:?}");
    let full = on_standby(&["full"]);
    assert!(matches!(full.code, 0 | 3) && full.stderr.contains("is a standby"), "{full:?}");
    let before = scene.sql("SELECT count(*) FROM seguridad.backup_manifest");
    scene.ok(&["catalog", "sync"]);
    assert_eq!((before.as_str(), scene.sql("SELECT count(*) FROM seguridad.backup_manifest").as_str()), ("1", "2"));
    standby.wait_for_replay(scene.cluster.current_lsn());
    for table in TABLES {
        let sql = format!("SELECT count(*) FROM seguridad.{table}");
        assert_eq!(standby.sql_in(DATABASE, &sql), scene.sql(&sql), "{table}");
    }
}
