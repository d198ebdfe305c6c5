//! A cluster whose databases are dumped, its repository, and what is compared.

#![allow(dead_code, reason = "each test binary uses its own part")]

use crate::common::{Answer, Cadena};
use pgformat::MajorVersion;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use testkit::{ClusterOptions, TestCluster, TestFolder};

/// A cluster, a repository, and the command.
pub struct Site {
    pub cluster: TestCluster,
    pub cadena: Cadena,
    /// Where dumps are made files.
    pub work: TestFolder,
}

impl Site {
    pub fn new(version: MajorVersion) -> Self {
        let site = Self::unmade(version);
        site.ok(&["init"]);
        site
    }

    /// Without a repository.
    pub fn unmade(version: MajorVersion) -> Self {
        let cluster = TestCluster::new(version, &ClusterOptions::default());
        let work = TestFolder::new();
        // Those of 14 and 16 have no pg_dump; the newest is found in PATH.
        let clients = testkit::client_program("pg_dump");
        let path = format!("{}:/usr/bin:/bin", clients.parent().unwrap_or(Path::new("/")).display());
        let cadena = Cadena::new()
            .variable("DATABASE_URL", &cluster.conninfo("postgres"))
            .variable("PG_BIN_PATH", &cluster.binaries().folder.display().to_string())
            .variable("PATH", &path)
            .variable("CADENA_WORK_DIR", &work.path().display().to_string());
        Site { cluster, cadena, work }
    }

    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Answer {
        let answer = self.cadena.run(arguments);
        assert_eq!(answer.code, 0, "{arguments:?}: {answer:?}");
        answer
    }

    /// Runs a command that must be refused, and returns its error.
    #[track_caller]
    pub fn refused(&self, code: i32, arguments: &[&str]) -> Value {
        let answer = self.cadena.run(&[arguments, &["--json"]].concat());
        assert_eq!(answer.code, code, "{arguments:?}: {answer:?}");
        let error = answer.json()["error"].clone();
        assert!(error["remedy"].as_str().is_some_and(|remedy| remedy.len() > 20), "{error}");
        error
    }

    /// Takes a logical FULL, and returns its record.
    #[track_caller]
    pub fn logical(&self, arguments: &[&str]) -> Value {
        self.ok(&[&["full", "--json", "--method", "logical", "--jobs", "2"], arguments].concat()).json()["backup"]
            .clone()
    }

    pub fn archive(&self, record: &Value) -> PathBuf {
        self.cadena.path("backups_incrementales/full").join(record["archive_name"].as_str().unwrap_or_default())
    }

    /// Dumps a database, its properties included, by the newest pg_dump.
    pub fn dump(&self, database: &str) -> String {
        let mut command = Command::new(testkit::client_program("pg_dump"));
        command.args(["--create", "--no-sync", "--restrict-key=test", "-d", &self.cluster.conninfo(database)]);
        output_of(command.env("LC_ALL", "C"))
    }

    pub fn restore(&self, id: &Value, arguments: &[&str]) -> Answer {
        self.cadena.run(&[&["restore", "--json", "--jobs", "2", "--backup", &id.to_string()], arguments].concat())
    }

    /// Makes sure that no folder and no unfinished database is left.
    pub fn assert_nothing_left(&self) {
        let left = std::fs::read_dir(self.work.path()).unwrap_or_else(|error| panic!("{error}")).flatten();
        let is_ours = |path: &PathBuf| path.to_string_lossy().contains("cadena-throw-away-");
        assert_eq!(left.map(|entry| entry.path()).filter(is_ours).collect::<Vec<_>>(), Vec::<PathBuf>::new());
        assert_eq!(self.cluster.sql("SELECT count(*) FROM pg_database WHERE datname ~ '^cadena_restoring'"), "0");
    }
}

pub fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a pipeline of public tools writes, as bytes.
pub fn shell(script: &str) -> Vec<u8> {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[track_caller]
pub fn assert_same_text(found: &str, expected: &str) {
    if found != expected {
        let line = found.lines().zip(expected.lines()).position(|(one, other)| one != other).unwrap_or(0);
        let lines = |text: &str| text.lines().skip(line.saturating_sub(2)).take(6).collect::<Vec<_>>().join("\n");
        panic!("they differ from line {line} on:\n{}\n--- expected ---\n{}", lines(found), lines(expected));
    }
}

/// A database with a bit of everything that is easily lost.
pub fn make_shop(cluster: &TestCluster) {
    cluster.sql("CREATE ROLE gerente; CREATE ROLE \"ventas señor\" LOGIN PASSWORD 'hola'; CREATE ROLE auditor");
    cluster.sql("CREATE DATABASE shop OWNER gerente CONNECTION LIMIT 30");
    cluster.sql(
        "COMMENT ON DATABASE shop IS 'it''s the place'; ALTER DATABASE shop SET work_mem TO '5MB'; \
         ALTER DATABASE shop SET search_path TO ventas, \"$user\", public; ALTER ROLE auditor IN DATABASE shop SET statement_timeout TO '1h'; \
         REVOKE CONNECT ON DATABASE shop FROM PUBLIC; GRANT CONNECT, TEMPORARY ON DATABASE shop TO \"ventas señor\" WITH GRANT OPTION",
    );
    cluster.sql_in(
        "shop",
        "CREATE EXTENSION hstore; \
         CREATE SCHEMA ventas AUTHORIZATION gerente; GRANT USAGE ON SCHEMA ventas TO \"ventas señor\"; \
         SET ROLE gerente; \
         CREATE TYPE ventas.estado AS ENUM ('nuevo', 'pagado'); CREATE DOMAIN ventas.importe AS numeric CHECK (VALUE >= 0); \
         CREATE TABLE ventas.clientes (id serial PRIMARY KEY, nombre text NOT NULL, datos public.hstore); \
         CREATE TABLE ventas.pedidos (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
           cliente int REFERENCES ventas.clientes, total ventas.importe, estado ventas.estado DEFAULT 'nuevo', foto oid); \
         CREATE TABLE ventas.diario (dia date, texto text) PARTITION BY RANGE (dia); \
         CREATE TABLE ventas.diario_2026 PARTITION OF ventas.diario FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); \
         CREATE VIEW ventas.resumen AS SELECT estado, sum(total) FROM ventas.pedidos GROUP BY 1; \
         CREATE MATERIALIZED VIEW ventas.cuenta AS SELECT count(*) FROM ventas.clientes; \
         GRANT SELECT ON ventas.pedidos TO \"ventas señor\"; GRANT UPDATE (total) ON ventas.pedidos TO auditor; \
         ALTER TABLE ventas.clientes ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY solo ON ventas.clientes FOR SELECT TO auditor USING (id > 10); \
         COMMENT ON TABLE ventas.clientes IS 'quién compra'; \
         INSERT INTO ventas.clientes (nombre, datos) SELECT 'c' || n, public.hstore('n', n::text) FROM generate_series(1, 500) n; \
         INSERT INTO ventas.pedidos (cliente, total) SELECT n % 500 + 1, n FROM generate_series(1, 5000) n; \
         INSERT INTO ventas.diario SELECT '2026-01-01'::date + n, repeat('x', n) FROM generate_series(0, 100) n; \
         REFRESH MATERIALIZED VIEW ventas.cuenta; \
         RESET ROLE; SELECT lo_from_bytea(424242, decode(repeat('0102ff', 100000), 'hex')); COMMENT ON LARGE OBJECT 424242 IS 'foto'; \
         GRANT SELECT ON LARGE OBJECT 424242 TO auditor; UPDATE ventas.pedidos SET foto = 424242 WHERE id = 1; \
         SELECT setval('ventas.clientes_id_seq', 700)",
    );
}

/// More than two parts of a dump, and nothing that shrinks much.
pub fn make_bulk(cluster: &TestCluster, database: &str) {
    cluster.sql_in(
        database,
        "CREATE TABLE bulk AS SELECT n, md5(n::text) || md5((n * 7)::text) AS body FROM generate_series(1, 300000) n",
    );
}
