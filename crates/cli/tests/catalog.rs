//! The catalog on every version: the migration, the seed's own queries, and the same rows from an emptied schema.

#![cfg(unix)]

mod catalog_support;
mod common;

use catalog_support::{DATABASE, Scene, interrupt, migration, wait_for};
use std::path::Path;

/// The seed's queries, by the comment that stands before them.
fn seed_query(title: &str) -> String {
    let all = include_str!("fixtures/seed_queries.sql");
    let (_, rest) = all.split_once(&format!("-- {title}")).unwrap_or_else(|| panic!("no query {title}"));
    let (_, query) = rest.split_once('\n').unwrap_or_else(|| panic!("no query {title}"));
    let (query, _) = query.split_once(";\n").unwrap_or((query, ""));
    query.to_owned()
}

/// Runs a query of the seed and returns some of its columns.
#[track_caller]
fn ask(scene: &Scene, title: &str, columns: &str) -> String {
    scene.sql(&format!("SELECT {columns} FROM ({}) AS seed", seed_query(title)))
}

testkit::on_each_version!(the_seeds_queries_answer_truthfully, |version| {
    let scene = Scene::new(version);
    install_in_every_way(&scene);
    let backups = [scene.back_up("full"), scene.back_up("diferencial"), scene.back_up("incremental")];
    let incremental = scene.back_up("incremental");
    a_running_backup_is_seen_and_its_failure_stays(&scene);
    scene.ok(&["validate", "1", "--level", "deep"]);

    let name = |number: usize| backups[number]["archive_name"].as_str().unwrap_or_default().to_owned();
    let (full, dif, inc) = (name(0), name(1), name(2));
    let newest = incremental["archive_name"].as_str().unwrap_or_default();

    // The queries as they stand there, with all their columns.
    for title in [
        "Resumen",
        "Cadenas de",
        "Espacio",
        "Últimos",
        "Backups que no",
        "Validaciones",
        "Backups fallidos",
        "Backups sin",
        "Cadenas rotas",
        "Verificar",
        "Ver últimos",
    ] {
        scene.sql(&seed_query(title));
    }
    let summary = ask(&scene, "Resumen", "string_agg(id || ' ' || estado, ', ' ORDER BY fecha_inicio DESC)");
    assert_eq!(summary, "5 FALLIDO, 4 COMPLETADO, 3 COMPLETADO, 2 COMPLETADO, 1 COMPLETADO");
    let described = ask(&scene, "Resumen", "descripcion, tamano_mb > 0, duracion > interval '0'");
    assert!(described.ends_with("Base completa del clúster|t|t"), "{described}");
    assert!(described.contains(&format!("Cambios desde {full}|t|t")), "{described}");
    assert!(described.starts_with("Falló: Detenido a pedido"), "{described}");

    // The FULL alone, and the FULL with the DIFERENCIAL and its two INCREMENTALES.
    let chains =
        ask(&scene, "Cadenas de", "full_archivo, diferencial_archivo, cantidad_incrementales, chain_id, full_id");
    assert_eq!(chains, format!("{full}||0|1|1\n{full}|{dif}|2|2|1"));
    let bounds = "SELECT inc_inicio = (SELECT fecha_inicio FROM seguridad.backup_manifest WHERE id = 3), \
        inc_fin = (SELECT fecha_fin FROM seguridad.backup_manifest WHERE id = 4), \
        diferencial_fecha = (SELECT fecha_inicio FROM seguridad.backup_manifest WHERE id = 2) \
        FROM seguridad.v_backup_cadenas WHERE chain_id = 2";
    assert_eq!(scene.sql(bounds), "t|t|t");

    let size =
        |path: &Path| std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
    let full_path = scene.repository().join("full").join(&full);
    let increments = scene.repository().join("incremental");
    let space = ask(&scene, "Espacio", "tipo_backup, cantidad, tamano_bytes");
    let of_increments = size(&increments.join(&inc)) + size(&increments.join(newest));
    assert_eq!(
        space,
        format!(
            "DIFERENCIAL|1|{}\nFULL|1|{}\nINCREMENTAL|2|{of_increments}",
            size(&scene.repository().join("differential").join(&dif)),
            size(&full_path),
        )
    );
    let last = ask(&scene, "Últimos", "string_agg(archivo_nombre, ', ' ORDER BY tipo_backup)");
    assert_eq!(last, format!("{dif}, {full}, {newest}"));
    assert_eq!(ask(&scene, "Backups que no", "count(*)"), "4");
    let validations = ask(
        &scene,
        "Validaciones",
        "backup_id, tipo_validacion, resultado, archivo_nombre, \
        checksum_calculado = checksum_esperado, tiempo_segundos > 0, validado_por LIKE 'copia@%'",
    );
    assert_eq!(validations, format!("1|PROFUNDA|EXITOSO|{full}|t|t|t"));
    let failed =
        ask(&scene, "Backups fallidos", "id, tipo_backup, error_mensaje LIKE 'Detenido a pedido%', checksum_sha256");
    assert_eq!(failed, "5|FULL|t|");
    assert_eq!(ask(&scene, "Backups sin", "string_agg(id::text, ',' ORDER BY id)"), "2,3,4");
    assert_eq!(ask(&scene, "Cadenas rotas", "count(*)"), "0");
    let checksum = seed_query("Verificar").replace("id = 123", "id = 1");
    assert_eq!(scene.sql(&checksum), format!("{full}|{}", testkit::oracle::sha256sum(&full_path)));
    let path = scene.sql("SELECT archivo_ruta FROM seguridad.backup_manifest WHERE id = 1");
    assert_eq!(Path::new(&path), full_path, "what sha256sum takes");
    let events = ask(&scene, "Ver últimos", "string_agg(tipo_evento || ' ' || backup_id, ', ' ORDER BY id DESC)");
    assert!(events.starts_with("validation 1, backup-failed 5, backup-started 5, backup-completed 4"), "{events}");
    assert_eq!(scene.sql("SELECT count(*) FROM seguridad.backup_event WHERE mensaje LIKE 'Empezó el backup %'"), "5");

    the_functions_find_the_newest(&scene);
    the_wal_names_are_the_servers_own(&scene);
    a_policy_of_the_users_counts(&scene);
    an_emptied_catalog_gets_the_same_rows(&scene);
    what_is_lost_shows(&scene, &inc);
});

/// With psql as the seed says, with and without ON_ERROR_STOP, and by the command: every time without harm and without a word.
fn install_in_every_way(scene: &Scene) {
    let file = migration().display().to_string();
    for further in [&["-v", "ON_ERROR_STOP=1"][..], &[], &["-1"]] {
        let output = scene.psql(DATABASE, &[further, &["-f", &file]].concat());
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "SET\nDO\nRESET\n");
    }
    let init = scene.ok(&["init", "--json"]).json();
    assert_eq!((init["catalog"]["state"].as_str(), init["catalog"]["version"].as_u64()), (Some("present"), Some(1)));
    scene.ok(&["catalog", "install"]);
    let check = scene.ok(&["check"]).stdout;
    assert!(
        check.contains("Catalog: version 1") && check.contains("Retention policy ESTANDAR: FULL 12 months"),
        "{check}"
    );
    let policy = "SELECT nombre, retencion_full_meses, retencion_diferencial_semanas, retencion_incremental_dias, \
        min_cadenas_activas, activa FROM seguridad.backup_retention_policy";
    assert_eq!(scene.sql(policy), "ESTANDAR|12|8|7|2|t");
    let uncommented = "SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
        WHERE c.relnamespace = 'seguridad'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped \
        AND col_description(c.oid, a.attnum) IS NULL";
    assert_eq!(scene.sql(uncommented), "0", "columns without a comment");
}

fn a_running_backup_is_seen_and_its_failure_stays(scene: &Scene) {
    let mut other_session = scene.cluster.session(DATABASE);
    let child = scene.begin_slow_full();
    let mut running = || {
        let sql = "SELECT id, tipo_backup, estado, fecha_fin, tamano_bytes FROM seguridad.backup_manifest WHERE id = 5";
        other_session.run(sql).unwrap_or_else(|failure| panic!("{failure}"))
    };
    wait_for("the running backup's row", || !running().is_empty());
    assert_eq!(running(), "5|FULL|EN_PROGRESO||");
    let ended = interrupt(child);
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(running().split('|').nth(2), Some("FALLIDO"), "the failed command brought the catalog up to date");
}

fn the_functions_find_the_newest(scene: &Scene) {
    let id = |call: &str| scene.sql(&format!("SELECT id FROM seguridad.{call}"));
    assert_eq!(id("get_last_full_backup()"), "1");
    assert_eq!(id("get_last_differential_backup(1)"), "2");
    assert_eq!(id("get_last_incremental_backup(2)"), "4", "over the increment before it");
    assert_eq!(id("get_last_incremental_backup(3)"), "4");
    assert_eq!(id("get_last_incremental_backup(1)"), "", "none stands on the FULL but over the DIFERENCIAL");
    assert_eq!(id("get_last_differential_backup(2)"), "");
}

fn the_wal_names_are_the_servers_own(scene: &Scene) {
    let sql = "SELECT bool_and(wal_inicio = pg_walfile_name(lsn_inicio + 1)) AND bool_and(wal_fin = pg_walfile_name(lsn_fin)) \
        FROM seguridad.backup_manifest WHERE estado = 'COMPLETADO'";
    assert_eq!(scene.sql(sql), "t");
}

fn a_policy_of_the_users_counts(scene: &Scene) {
    scene.sql(&seed_query("Personalizar"));
    let check = scene.ok(&["check"]).stdout;
    assert!(check.contains("PERSONALIZADA: FULL 24 months, DIFERENCIAL 16 weeks, INCREMENTAL 14 days"), "{check}");
    scene.sql("DELETE FROM seguridad.backup_retention_policy WHERE nombre = 'ESTANDAR'");
    scene.ok(&["catalog", "install"]);
    let names = "SELECT string_agg(nombre, ',') FROM seguridad.backup_retention_policy";
    assert_eq!(scene.sql(names), "PERSONALIZADA", "a standard row put back would win over it");
}

fn an_emptied_catalog_gets_the_same_rows(scene: &Scene) {
    let before = scene.rows();
    assert!(before.lines().count() > 18, "{before}");
    let rows = scene.ok(&["catalog", "rebuild", "--json"]).json()["rows"].clone();
    assert_eq!(
        (rows["manifest"]["inserted"].as_u64(), rows["chain"]["inserted"].as_u64()),
        (Some(5), Some(2)),
        "{rows}"
    );
    assert_eq!(scene.rows(), before);
    let rows = scene.ok(&["catalog", "sync", "--json"]).json()["rows"].clone();
    for table in ["manifest", "chain", "validation", "event"] {
        for change in ["inserted", "updated", "deleted"] {
            assert_eq!(rows[table][change].as_u64(), Some(0), "nothing has changed: {rows}");
        }
    }
    scene.sql("TRUNCATE seguridad.backup_manifest, seguridad.backup_chain, seguridad.backup_validation, seguridad.backup_event");
    scene.ok(&["catalog", "sync", "--lang", "en"]);
    assert_eq!(scene.rows(), before, "whatever the language of the command");
}

/// An archive that is gone is no completed backup, and a record that is gone breaks the chains that stand on it.
fn what_is_lost_shows(scene: &Scene, inc: &str) {
    let archive = scene.repository().join("incremental").join(inc);
    let aside = scene.cadena.path("aside");
    std::fs::rename(&archive, &aside).unwrap_or_else(|error| panic!("{error}"));
    scene.ok(&["catalog", "sync"]);
    let state = "SELECT estado, error_mensaje, tamano_bytes FROM seguridad.backup_manifest WHERE id = 3";
    assert_eq!(
        scene.sql(state),
        format!("FALLIDO|El archivo {inc} ya no está, o tiene otro tamaño que el registrado.|")
    );
    let increments = "SELECT incremental_ids FROM seguridad.backup_chain WHERE id = 2";
    assert_eq!(scene.sql(increments), "{}");
    std::fs::rename(&aside, &archive).unwrap_or_else(|error| panic!("{error}"));
    scene.ok(&["catalog", "sync"]);
    assert_eq!((scene.sql(increments), scene.sql(state).starts_with("COMPLETADO||")), ("{3,4}".to_owned(), true));

    let record = archive.with_extension("json");
    std::fs::write(&record, "{}").unwrap_or_else(|error| panic!("{error}"));
    let answer = scene.run(&["catalog", "sync"]);
    assert!(answer.code == 3 && answer.stdout.contains("can't be read"), "{answer:?}");
    assert_eq!(ask(scene, "Cadenas rotas", "id, backup_base_id"), "4|3");
    assert_eq!(scene.sql(increments), "{}");
}
