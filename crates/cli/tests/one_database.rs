//! One database out of a cluster of several comes back as it was at an instant, into the live server, under a new name or in place of
//! the damaged one. The other databases and those who use them notice nothing.
//!
//! The oracle is a dump taken at that very point, by PostgreSQL's newest pg_dump.

#![cfg(unix)]

mod common;
mod stream_support;

use cadena::repository::{BackupId, Repository};
use cadena::storage::LocalFolder;
use common::{Answer, Cadena};
use pgformat::MajorVersion;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use stream_support::{Clock, Daemon, make_clock, ok, streamed_options, wait_for};
use testkit::{TestCluster, TestFolder};

/// A cluster of several databases that is streamed into a repository.
struct Site {
    cluster: Arc<TestCluster>,
    cadena: Cadena,
    daemon: Option<Daemon>,
    /// Where throw-away clusters are made.
    work: TestFolder,
}

impl Site {
    fn new(version: MajorVersion) -> Self {
        let cluster = Arc::new(TestCluster::new(version, &streamed_options()));
        let work = TestFolder::new();
        // Those of 14 and 16 have no pg_dump; the newest is found in PATH.
        let clients = testkit::client_program("pg_dump");
        let path = std::env::join_paths([
            clients.parent().unwrap_or(Path::new("/")).to_owned(),
            "/usr/bin".into(),
            "/bin".into(),
        ]);
        let cadena = Cadena::new()
            .variable("DATABASE_URL", &cluster.conninfo("postgres"))
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
            .variable("PATH", path.unwrap_or_default().to_str().unwrap_or_default())
            .variable("CADENA_WORK_DIR", &work.path().display().to_string());
        Site { cluster, cadena, daemon: None, work }
    }

    fn init(&mut self) {
        ok(&self.cadena, &["init"]);
        self.daemon = Some(Daemon::start(&self.cadena));
        wait_for("the stream", || {
            let answer = self.cadena.run(&["status", "--json"]);
            answer.code != 1 && answer.json()["wal"]["receiver"]["streaming_since"].is_string()
        });
    }

    /// Runs a restore of one database, as a user of this machine who may be root would.
    fn restore(&self, arguments: &[&str]) -> Answer {
        self.cadena.run(&self.restore_arguments(arguments))
    }

    fn restore_arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["restore", "--json", "--jobs", "2", "--owner", &self.cluster.owner().name];
        all.extend(arguments);
        all
    }

    /// Marks a point, and waits until the repository has it.
    fn mark(&self, name: &str) {
        self.cluster.sql(&format!("SELECT pg_create_restore_point('{name}')"));
        let end = self.cluster.current_lsn();
        self.cluster.sql("SELECT pg_switch_wal(); CREATE TABLE IF NOT EXISTS after_mark(); DROP TABLE after_mark");
        wait_for("the archive", || {
            // While a segment is being sealed it may fail: then it is asked again.
            let windows = self.cadena.run(&["windows", "--json"]).json();
            let ends = windows["windows"].as_array().into_iter().flatten();
            ends.filter_map(|window| window["last_lsn"].as_str()?.parse::<pgformat::Lsn>().ok()).any(|lsn| lsn >= end)
        });
    }

    /// Dumps a database, its properties included, by the newest pg_dump.
    fn dump(&self, database: &str) -> String {
        let mut command = Command::new(testkit::client_program("pg_dump"));
        command.args(["--create", "--no-sync", "--restrict-key=test", "-d", &self.cluster.conninfo(database)]);
        let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The dump of `database` as if it were called `name`: nothing else in it contains the name.
    fn dump_as(&self, database: &str, name: &str) -> String {
        self.dump(database).replace(database, name)
    }

    /// Makes sure that no throw-away cluster is left, nor its server.
    fn assert_nothing_left(&self) {
        assert_eq!(left_in(self.work.path()), Vec::<PathBuf>::new());
        assert_eq!(self.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ '^cadena_restoring'"), "0");
    }
}

fn left_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains("cadena-throw-away-")).collect()
}

/// A database with a bit of everything that is easily lost.
fn make_shop(cluster: &TestCluster) {
    let version = cluster.version();
    cluster.sql(
        "CREATE ROLE gerente; CREATE ROLE \"ventas señor\"; CREATE ROLE auditor; \
         CREATE DATABASE shop OWNER gerente CONNECTION LIMIT 30",
    );
    cluster.sql(
        "COMMENT ON DATABASE shop IS 'it''s the place'; ALTER DATABASE shop SET work_mem TO '5MB'; \
         ALTER DATABASE shop SET search_path TO ventas, \"$user\", public; ALTER ROLE auditor IN DATABASE shop SET statement_timeout TO '1h'; \
         REVOKE CONNECT ON DATABASE shop FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE shop TO \"ventas señor\" WITH GRANT OPTION",
    );
    cluster.sql_in(
        "shop",
        "CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm; \
         CREATE SCHEMA ventas AUTHORIZATION gerente; GRANT USAGE ON SCHEMA ventas TO \"ventas señor\"; \
         SET ROLE gerente; \
         CREATE TYPE ventas.estado AS ENUM ('nuevo', 'pagado'); CREATE DOMAIN ventas.importe AS numeric CHECK (VALUE >= 0); \
         CREATE TABLE ventas.clientes (id serial PRIMARY KEY, nombre text NOT NULL, datos public.hstore); \
         CREATE TABLE ventas.pedidos (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
           cliente int REFERENCES ventas.clientes, total ventas.importe, estado ventas.estado DEFAULT 'nuevo', foto oid, \
           doble numeric GENERATED ALWAYS AS (total * 2) STORED); \
         CREATE TABLE ventas.diario (dia date, texto text) PARTITION BY RANGE (dia); \
         CREATE TABLE ventas.diario_2026 PARTITION OF ventas.diario FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); \
         CREATE VIEW ventas.resumen AS SELECT estado, sum(total) FROM ventas.pedidos GROUP BY 1; \
         CREATE MATERIALIZED VIEW ventas.cuenta AS SELECT count(*) FROM ventas.clientes; \
         CREATE FUNCTION ventas.sube() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.nombre := upper(NEW.nombre); RETURN NEW; END'; \
         CREATE TRIGGER sube BEFORE INSERT ON ventas.clientes FOR EACH ROW EXECUTE FUNCTION ventas.sube(); \
         GRANT SELECT ON ventas.pedidos TO \"ventas señor\"; GRANT UPDATE (total) ON ventas.pedidos TO auditor; \
         ALTER TABLE ventas.clientes ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY solo ON ventas.clientes FOR SELECT TO auditor USING (id > 10); \
         COMMENT ON TABLE ventas.clientes IS 'quién compra'; \
         INSERT INTO ventas.clientes (nombre, datos) SELECT 'c' || n, public.hstore('n', n::text) FROM generate_series(1, 500) n; \
         INSERT INTO ventas.pedidos (cliente, total) SELECT n % 500 + 1, n FROM generate_series(1, 5000) n; \
         INSERT INTO ventas.diario SELECT '2026-01-01'::date + n, repeat('x', n) FROM generate_series(0, 100) n; \
         REFRESH MATERIALIZED VIEW ventas.cuenta; \
         CREATE INDEX ON ventas.clientes USING gin (nombre public.gin_trgm_ops); \
         RESET ROLE; SELECT lo_from_bytea(424242, '\\x0102ff'::bytea); COMMENT ON LARGE OBJECT 424242 IS 'foto'; \
         GRANT SELECT ON LARGE OBJECT 424242 TO auditor; UPDATE ventas.pedidos SET foto = 424242 WHERE id = 1; \
         CREATE FUNCTION avisa() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
         CREATE EVENT TRIGGER avisa ON ddl_command_end EXECUTE FUNCTION avisa(); \
         SELECT setval('ventas.clientes_id_seq', 700)",
    );
    if version >= MajorVersion::V15 {
        cluster.sql_in("shop", "CREATE PUBLICATION todo FOR TABLES IN SCHEMA ventas");
    } else {
        cluster.sql_in("shop", "CREATE PUBLICATION todo FOR ALL TABLES");
    }
}

testkit::on_each_version!(a_database_comes_back_from_the_second_before_and_the_others_notice_nothing, |version| {
    let mut site = Site::new(version);
    let cluster = site.cluster.clone();
    make_clock(&cluster, 50);
    make_shop(&cluster);
    // Each way to sort that the versions' packages have.
    cluster.sql(match version {
        MajorVersion::V14 => "CREATE DATABASE other ENCODING 'SQL_ASCII' TEMPLATE template0",
        MajorVersion::V15 => "CREATE DATABASE other LOCALE_PROVIDER icu ICU_LOCALE 'es' TEMPLATE template0",
        MajorVersion::V16 => {
            "CREATE DATABASE other LOCALE_PROVIDER icu ICU_LOCALE 'es' ICU_RULES '&n < ñ' TEMPLATE template0"
        }
        _ => "CREATE DATABASE other LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' TEMPLATE template0",
    });
    cluster.sql_in("other", "CREATE TABLE t AS SELECT generate_series(1, 1000) n");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    let clock = Clock::start(cluster.clone(), Duration::from_millis(20));
    clock.wait_for_rows(2);

    // The second before: what the dump says then is what must come back.
    let expected = site.dump_as("shop", "shop_back");
    let other_then = site.dump_as("other", "other_back");
    site.mark("before_the_mistake");
    cluster.sql_in("shop", "UPDATE ventas.pedidos SET total = 0; DROP TABLE ventas.clientes CASCADE");
    cluster.sql("DROP DATABASE other");
    let damaged = site.dump("shop");

    let point = ["--name", "before_the_mistake"];
    let answer = site.restore(&[&point[..], &["--database", "shop", "--as", "shop_back"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    let outcome = &answer.json()["outcome"];
    assert_eq!(outcome["tables"], 4, "{outcome}");
    assert_same_text(&site.dump("shop_back"), &expected);
    assert_same_text(&site.dump("shop"), &damaged);
    site.assert_nothing_left();

    // A dropped one, under a name of its own.
    let answer = site.restore(&[&point[..], &["--database", "other", "--as", "other_back"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_same_text(&site.dump("other_back"), &other_then);

    // In place of the damaged one, whose users are sent away and come back to the right one.
    let mut user = cluster.session("shop");
    user.run("SELECT 1").unwrap_or_else(|failure| panic!("{failure}"));
    let answer = site.restore(&[&point[..], &["--database", "shop", "--replace"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    let outcome = answer.json()["outcome"].clone();
    let kept = outcome["kept"].as_str().unwrap_or_else(|| panic!("{outcome}"));
    assert!(outcome["ended_sessions"].as_u64() >= Some(1), "{outcome}");
    assert!(user.run("SELECT 1").is_err(), "it was connected to the old one");
    assert_same_text(&site.dump_as("shop", "shop_back"), &expected);
    assert_same_text(&site.dump_as(kept, "shop"), &damaged);
    assert!(kept.starts_with("shop_before_20"), "{kept}");

    // Those who used another database all the while lost nothing.
    clock.wait_for_rows(2);
    let rows = clock.rows();
    clock.stop();
    // One session that never had to connect again: every number was acknowledged, and is there.
    assert!(rows.iter().copied().eq(1..=rows.len() as u64), "{rows:?}");
    assert!(cluster.sql_scalar::<u64>("SELECT count(*) FROM clock") >= rows.len() as u64);
    assert_eq!(cluster.sql("SELECT count(*) = max(n) FROM clock"), "t");
    site.assert_nothing_left();
});

/// Clients that keep databases busy with whatever leaves records in the log. Ends when dropped; an error of theirs is a failure.
struct Crowd {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Crowd {
    fn start(cluster: &Arc<TestCluster>, databases: &[String]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |database: &String| {
            let (cluster, stop, database) = (cluster.clone(), stop.clone(), database.clone());
            std::thread::spawn(move || {
                let mut session = cluster.session(&database);
                let mut rounds = 0;
                while !stop.load(Ordering::Relaxed) {
                    rounds += 1;
                    for statement in [
                        "UPDATE bulk SET body = md5(body) WHERE id % 97 = (random() * 96)::int",
                        "INSERT INTO bulk SELECT n, md5(n::text) FROM generate_series(1, 300) n",
                        "DELETE FROM bulk WHERE ctid IN (SELECT ctid FROM bulk LIMIT 300)",
                        "CREATE TABLE gone AS SELECT * FROM bulk LIMIT 500; CREATE INDEX ON gone (id); DROP TABLE gone",
                        "TRUNCATE small; INSERT INTO small SELECT generate_series(1, 200)",
                        "VACUUM bulk",
                    ] {
                        session.run(statement).unwrap_or_else(|failure| panic!("{database}: {failure}"));
                        std::thread::sleep(Duration::from_millis(60));
                    }
                }
                rounds
            })
        };
        Crowd { threads: databases.iter().map(client).collect(), stop }
    }

    /// Ends it, and makes sure that each of them came through.
    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            assert!(thread.join().expect("no client saw an error") > 0);
        }
    }
}

testkit::on_each_version!(
    rows_of_other_databases_are_not_restored_and_nothing_of_the_wanted_one_is_missing,
    |version| {
        let mut site = Site::new(version);
        let cluster = site.cluster.clone();
        make_shop(&cluster);
        let crowd: Vec<String> = (1..=4).map(|number| format!("crowd_{number}")).collect();
        for database in &crowd {
            cluster.sql(&format!("CREATE DATABASE {database}"));
            cluster.sql_in(
            database,
            "CREATE TABLE bulk AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 20000) n; \
             CREATE INDEX ON bulk (id); CREATE INDEX ON bulk USING gin (string_to_array(body, 'a')); CREATE TABLE small (n int)",
        );
        }
        for (name, text) in [("first", "one"), ("second", "two")] {
            cluster.sql(&format!("CREATE DATABASE {name}"));
            cluster.sql_in(name, &format!("CREATE TABLE t AS SELECT '{text}' AS is FROM generate_series(1, 3000)"));
        }
        site.init();
        ok(&site.cadena, &["full", "--json"]);
        let busy = Crowd::start(&cluster, &crowd);
        cluster.sql_in("shop", "INSERT INTO ventas.clientes (nombre) SELECT 'n' || n FROM generate_series(1, 3000) n");
        ok(&site.cadena, &["incremental", "--json"]);
        cluster.sql_in("shop", "UPDATE ventas.pedidos SET total = total + 1; VACUUM FULL ventas.clientes");
        // After the backup: one is born, and two change names.
        cluster.sql("CREATE DATABASE born");
        cluster.sql_in("born", "CREATE TABLE t AS SELECT generate_series(1, 500) n");
        cluster.sql("ALTER DATABASE first RENAME TO third; ALTER DATABASE second RENAME TO first");
        let expected = site.dump_as("shop", "shop_back");
        site.mark("here");
        cluster.sql_in("shop", "TRUNCATE ventas.pedidos");
        let restore = |database: &str| {
            let name = format!("{database}_back");
            let answer = site.restore(&["--name", "here", "--database", database, "--as", &name]);
            assert_eq!(answer.code, 0, "{answer:?}");
            answer.json()["outcome"].clone()
        };
        let outcome = restore("shop");
        busy.stop();
        assert_same_text(&site.dump("shop_back"), &expected);
        assert!(outcome["left_out_bytes"].as_u64() > Some(4 * 2_000_000), "{outcome}");
        // Of those that the backup does not know by their name, or knows by another's, all is restored. One version will do.
        if version == one_version() {
            for (database, count) in [("born", "500"), ("first", "3000")] {
                let outcome = restore(database);
                assert_eq!(outcome["left_out_bytes"], 0, "{outcome}");
                assert_eq!(cluster.sql_in(&format!("{database}_back"), "SELECT count(*) FROM t"), count);
            }
            assert_eq!(cluster.sql_in("first_back", "SELECT DISTINCT \"is\" FROM t"), "two");
        }
        site.assert_nothing_left();
    }
);

#[test]
fn damage_is_found_in_what_is_read_and_what_is_not_needed_is_not_read() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    for database in ["wanted", "other"] {
        cluster.sql(&format!("CREATE DATABASE {database}"));
        cluster.sql_in(
            database,
            "CREATE TABLE bulk AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, 30000) n; VACUUM (FREEZE) bulk",
        );
    }
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    let (wanted, other) =
        ["wanted", "other"].map(|name| cluster.sql_in(name, "SELECT pg_relation_filepath('bulk')")).into();
    cluster.sql_in("wanted", "UPDATE bulk SET body = 'x' WHERE id = 7");
    ok(&site.cadena, &["incremental", "--json"]);
    let expected = site.dump_as("wanted", "wanted_back");
    site.mark("here");
    let restore = |name: &str| site.restore(&["--name", "here", "--database", "wanted", "--as", name]);

    damage_in_full(&site, &other);
    let answer = restore("wanted_back");
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.json()["outcome"]["left_out_bytes"].as_u64() > Some(2_000_000), "{answer:?}");
    assert_same_text(&site.dump("wanted_back"), &expected);
    // The other one can't be had, nor the whole cluster: its frame is damaged.
    let answer = site.restore(&["--name", "here", "--database", "other", "--as", "other_back"]);
    assert_eq!(
        (answer.code, answer.json()["error"]["key"].as_str()),
        (5, Some("repository-archive-digest")),
        "{answer:?}"
    );

    damage_in_full(&site, &wanted);
    let answer = restore("wanted_again");
    assert_eq!(
        (answer.code, answer.json()["error"]["key"].as_str()),
        (5, Some("repository-archive-digest")),
        "{answer:?}"
    );
    assert_eq!(
        cluster.sql("SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database WHERE datname ~ '_'"),
        "wanted_back"
    );
    site.assert_nothing_left();
}

/// Flips a bit in the middle of a file of the FULL's archive, where that is compressed.
fn damage_in_full(site: &Site, path: &str) {
    let storage = LocalFolder::new(&site.cadena.path("backups_incrementales"));
    let repository = Repository::open(Arc::new(storage)).unwrap_or_else(|error| panic!("{error}"));
    let record = repository.record(BackupId(1)).unwrap_or_else(|error| panic!("{error}"));
    let archive = repository.open_archive(&record).unwrap_or_else(|error| panic!("{error}"));
    let member = archive.find_member(path.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let table = archive.seek_table();
    let frame = table.frame_at(member.content_offset + member.size_bytes / 2).expect("a frame");
    let place = table.compressed_range(frame);
    let file = site.cadena.path("backups_incrementales").join("full").join(&record.archive_name);
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let (mut byte, at) = ([0], (place.start + place.end) / 2);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

/// The newest version here whose package has all programs.
fn one_version() -> MajorVersion {
    let versions = testkit::available_versions();
    let has_all = |version: &MajorVersion| testkit::own_program(*version, "pg_dump").is_some();
    versions.into_iter().rev().find(has_all).unwrap_or_else(|| panic!("run scripts/setup-servers"))
}

#[test]
fn refusals_come_before_the_live_server_is_changed_and_say_what_is_missing() {
    let (version, newest) = (MajorVersion::V15, one_version());
    if !testkit::is_available(version) {
        return;
    }
    let mut site = Site::new(version);
    let cluster = site.cluster.clone();
    make_shop(&cluster);
    cluster.sql("CREATE DATABASE held");
    cluster.sql_in("held", "CREATE TABLE t AS SELECT 1 AS n");
    cluster.sql_in("held", "BEGIN; LOCK TABLE t; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s open'");
    cluster.sql_in(
        "held",
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = 'precious')",
    );
    // A dump of it can't be loaded: its check looks for another table where a dump does not.
    cluster.sql("CREATE DATABASE odd OWNER gerente");
    cluster.sql_in(
        "odd",
        "CREATE TABLE later AS SELECT 1 AS n; \
         CREATE FUNCTION known(int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN EXISTS (SELECT FROM later WHERE n = $1); END'; \
         CREATE TABLE first (n int CHECK (known(n))); INSERT INTO first VALUES (1)",
    );
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    site.mark("here");
    let point = ["--name", "here"];
    let refused = |arguments: &[&str], key: &str| {
        let before = cluster.sql("SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database");
        let answer = site.restore(&[&point[..], arguments].concat());
        let error = answer.json()["error"].clone();
        assert_eq!((answer.code, error["key"].as_str()), (6, Some(key)), "{answer:?}");
        assert_eq!(cluster.sql("SELECT string_agg(datname, ',' ORDER BY 1) FROM pg_database"), before);
        site.assert_nothing_left();
        error
    };
    refused(&["--database", "shop", "--as", "held"], "database-exists");
    refused(&["--database", "shop", "--as", "template1"], "database-name");
    let error = refused(&["--database", "shpo", "--as", "x"], "database-unknown");
    assert_eq!(error["known"], "held, odd, postgres, shop, template1");
    let error = refused(&["--database", "shop", "--as", "x", "--table", "ventas.pedido"], "database-unknown-object");
    assert!(error["known"].as_str().is_some_and(|known| known.contains("ventas.pedidos")), "{error}");

    // A newer server that lacks the roles; then with them, and without any.
    let other = TestCluster::new(newest, &testkit::ClusterOptions::default());
    let into = other.conninfo("postgres");
    let shop = ["--database", "shop", "--as", "shop", "--into", &into];
    let error = refused(&shop, "database-missing-roles");
    assert_eq!(error["roles"], "auditor, gerente, ventas señor");
    assert_eq!(other.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'gerente'"), "0");
    // A load that fails takes back what it had begun, the roles as well.
    let odd = ["--database", "odd", "--as", "odd", "--into", &into, "--create-roles"];
    let answer = site.restore(&[&point[..], &odd].concat());
    assert_eq!((answer.code, answer.json()["error"]["program"].as_str()), (1, Some("pg_restore")), "{answer:?}");
    let left = "SELECT count(*) FROM (SELECT rolname FROM pg_roles UNION ALL SELECT datname FROM pg_database) x(name) \
                WHERE name ~ 'odd|gerente|cadena'";
    assert_eq!(other.sql(left), "0");
    site.assert_nothing_left();

    let answer = site.restore(&[&point[..], &shop, &["--create-roles"]].concat());
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(other.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'gerente'"), "f");
    let sum = "SELECT sum(total), max(doble) FROM ventas.pedidos";
    assert_eq!(other.sql_in("shop", sum), cluster.sql_in("shop", sum));
    assert_eq!(other.sql_in("shop", "SELECT encode(lo_get(424242), 'hex')"), "0102ff");

    // No room: found out before the cluster is written.
    let tight = TestFolder::new();
    if testkit::server_owner().uid != rustix::process::geteuid().as_raw() {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs"]).arg(tight.path()).status();
        assert!(mount.unwrap_or_else(|error| panic!("{error}")).success(), "mounting a tmpfs");
        let work = tight.path().display().to_string();
        let answer = site.restore(&[&point[..], &["--database", "shop", "--as", "x", "--work-dir", &work]].concat());
        let unmounted = Command::new("umount").arg(tight.path()).status();
        assert_eq!((answer.code, answer.json()["error"]["key"].as_str()), (6, Some("restore-no-space")), "{answer:?}");
        assert!(unmounted.unwrap_or_else(|error| panic!("{error}")).success(), "unmounting it");
    }

    // A transaction that was prepared and not decided holds up nothing, is not in the copy, and is told.
    let answer = site.restore(&[&point[..], &["--database", "held", "--as", "held_back"]].concat());
    assert_eq!(answer.code, 3, "{answer:?}");
    let warnings = answer.json()["outcome"]["warnings"].clone();
    assert_eq!(warnings[0]["key"], "warning-database-prepared", "{warnings}");
    assert_eq!(warnings[1]["key"], "warning-database-subscriptions", "{warnings}");
    // It can't take its original's slot away, be it enabled or dropped.
    let subscription = "SELECT subname, subenabled, subslotname IS NULL FROM pg_subscription s \
                        JOIN pg_database d ON d.oid = s.subdbid WHERE datname = 'held_back'";
    assert_eq!(cluster.sql(subscription), "s|f|t");
    assert_eq!(cluster.sql_in("held_back", "SELECT n FROM t"), "1");
    site.assert_nothing_left();
    cluster.sql_in("held", "ROLLBACK PREPARED 'it''s open'");
}

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

/// The server of the one throw-away cluster in a folder.
fn postmaster_in(folder: &Path) -> Option<rustix::process::Pid> {
    let pid_file = left_in(folder).first()?.join("data/postmaster.pid");
    let content = std::fs::read_to_string(pid_file).ok()?;
    rustix::process::Pid::from_raw(content.lines().next()?.trim().parse().ok()?)
}

/// One that has ended and was not yet waited for by who inherited it does not live.
fn is_alive(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().next());
    state.is_some_and(|state| state != "Z")
}

#[test]
fn killed_at_any_point_nothing_is_left_after_the_next_command() {
    let mut site = Site::new(one_version());
    let cluster = site.cluster.clone();
    cluster.sql("CREATE DATABASE big");
    cluster.sql_in("big", "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 4) AS x FROM generate_series(1, 150000) n");
    site.init();
    ok(&site.cadena, &["full", "--json"]);
    site.mark("here");
    let arguments = site.restore_arguments(&["--name", "here", "--database", "big", "--as", "big_back"]);
    let start = || {
        let mut command = site.cadena.command(&arguments);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        command.spawn().unwrap_or_else(|error| panic!("{error}"))
    };

    // With the server of the throw-away cluster just started.
    let mut child = start();
    wait_for("the throw-away cluster's server", || postmaster_in(site.work.path()).is_some());
    let server = postmaster_in(site.work.path()).expect("a server");
    child.kill().and_then(|()| child.wait().map(drop)).unwrap_or_else(|error| panic!("{error}"));
    assert!(is_alive(server) && left_in(site.work.path()).len() == 1);
    let answer = site.cadena.run(&["list", "--json"]);
    assert!(answer.stderr.contains("cadena-throw-away-"), "{answer:?}");
    assert!(!is_alive(server));
    site.assert_nothing_left();

    // While the live server is being loaded: what was begun there goes, too, once somebody restores again.
    let mut child = start();
    let begun = "SELECT count(*) > 0 FROM pg_database WHERE datname ~ '^cadena_restoring'";
    wait_for("the load", || cluster.sql(begun) == "t");
    child.kill().and_then(|()| child.wait().map(drop)).unwrap_or_else(|error| panic!("{error}"));
    wait_for("its programs to end with it", || {
        cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE datname ~ '^cadena_restoring'") == "0"
    });
    assert_eq!(cluster.sql(begun), "t");
    let answer = site.restore(&["--name", "here", "--database", "big", "--as", "big_back"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert_eq!(answer.json()["outcome"]["warnings"][0]["key"], "warning-database-swept");
    assert_eq!(cluster.sql_in("big_back", "SELECT count(*) FROM t"), "150000");
    site.assert_nothing_left();

    // Asked to end, it leaves nothing by itself.
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        cluster.sql("DROP DATABASE IF EXISTS big_back");
        let mut child = start();
        wait_for("the load", || cluster.sql(begun) == "t");
        let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
        rustix::process::kill_process(pid, signal).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(child.wait().unwrap_or_else(|error| panic!("{error}")).code(), Some(130), "{signal:?}");
        site.assert_nothing_left();
        assert!(!cluster.sql("SELECT string_agg(datname, ',') FROM pg_database").contains("big_back"));
    }
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

/// Compares dumps line by line, so that a failure shows where they part.
#[track_caller]
fn assert_same_text(found: &str, expected: &str) {
    let (found, expected): (Vec<&str>, Vec<&str>) = (found.trim().lines().collect(), expected.trim().lines().collect());
    if let Some(place) = (0..found.len().max(expected.len())).find(|place| found.get(*place) != expected.get(*place)) {
        let around = |lines: &[&str]| {
            lines.iter().skip(place.saturating_sub(4)).take(12).copied().collect::<Vec<_>>().join("\n")
        };
        panic!("line {place}:\n{}\ninstead of\n{}", around(&found), around(&expected));
    }
}
