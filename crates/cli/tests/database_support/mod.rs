//! A cluster of several databases, one of them with a bit of everything, and its repository.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::{Answer, Cadena};
use crate::stream_support::{Daemon, ok, streamed_options, wait_for};
use pgformat::MajorVersion;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use testkit::{TestCluster, TestFolder};

/// A cluster of several databases that is streamed into a repository.
pub struct Site {
    pub cluster: Arc<TestCluster>,
    pub cadena: Cadena,
    pub daemon: Option<Daemon>,
    /// Where throw-away clusters are made.
    pub work: TestFolder,
}

impl Site {
    pub fn new(version: MajorVersion) -> Self {
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

    pub fn init(&mut self) {
        ok(&self.cadena, &["init"]);
        self.daemon = Some(Daemon::start(&self.cadena));
        wait_for("the stream", || {
            let answer = self.cadena.run(&["status", "--json"]);
            answer.code != 1 && answer.json()["wal"]["receiver"]["streaming_since"].is_string()
        });
    }

    /// Runs a restore of one database, as a user of this machine who may be root would.
    pub fn restore(&self, arguments: &[&str]) -> Answer {
        self.cadena.run(&self.restore_arguments(arguments))
    }

    pub fn restore_arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let mut all = vec!["restore", "--json", "--jobs", "2", "--owner", &self.cluster.owner().name];
        all.extend(arguments);
        all
    }

    /// Marks a point, and waits until the repository has it.
    pub fn mark(&self, name: &str) {
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
    pub fn dump(&self, database: &str) -> String {
        let mut command = Command::new(testkit::client_program("pg_dump"));
        command.args(["--create", "--no-sync", "--restrict-key=test", "-d", &self.cluster.conninfo(database)]);
        let output = command.env("LC_ALL", "C").output().unwrap_or_else(|error| panic!("{error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The dump of `database` as if it were called `name`: nothing else in it contains the name.
    pub fn dump_as(&self, database: &str, name: &str) -> String {
        self.dump(database).replace(database, name)
    }

    /// Makes sure that no throw-away cluster is left, nor its server.
    pub fn assert_nothing_left(&self) {
        assert_eq!(left_in(self.work.path()), Vec::<PathBuf>::new());
        assert_eq!(self.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ '^cadena_restoring'"), "0");
    }
}

pub fn left_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.to_string_lossy().contains("cadena-throw-away-")).collect()
}

/// A database with a bit of everything that is easily lost.
pub fn make_shop(cluster: &TestCluster) {
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

/// The newest version here whose package has all programs.
pub fn one_version() -> MajorVersion {
    let versions = testkit::available_versions();
    let has_all = |version: &MajorVersion| testkit::own_program(*version, "pg_dump").is_some();
    versions.into_iter().rev().find(has_all).unwrap_or_else(|| panic!("run scripts/setup-servers"))
}

/// Compares dumps line by line, so that a failure shows where they part.
#[track_caller]
pub fn assert_same_text(found: &str, expected: &str) {
    let (found, expected): (Vec<&str>, Vec<&str>) = (found.trim().lines().collect(), expected.trim().lines().collect());
    if let Some(place) = (0..found.len().max(expected.len())).find(|place| found.get(*place) != expected.get(*place)) {
        let around = |lines: &[&str]| {
            lines.iter().skip(place.saturating_sub(4)).take(12).copied().collect::<Vec<_>>().join("\n")
        };
        panic!("line {place}:\n{}\ninstead of\n{}", around(&found), around(&expected));
    }
}
