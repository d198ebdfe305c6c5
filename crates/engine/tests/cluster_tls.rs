//! TLS with verify-full, and a password from .pgpass, against a server that takes nothing less.

use engine::cluster::{Connection, ConnectionSettings};
use pgformat::MajorVersion;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use testkit::{ClusterOptions, TestCluster, TestFolder, is_available, server_owner};

/// Makes a key and a certificate for localhost that vouches for itself.
fn certificate(folder: &Path, name: &str) {
    let (key, certificate) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.crt")));
    let status = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn verify_full_and_a_password_file_are_used_and_less_is_refused() {
    // The wheels' servers are built without TLS; Debian's has it.
    if !is_available(MajorVersion::V15) {
        return;
    }
    let folder = TestFolder::new();
    certificate(folder.path(), "server");
    certificate(folder.path(), "stranger");
    let server = TestCluster::new(MajorVersion::V15, &ClusterOptions::default().set("listen_addresses", "localhost"));
    for name in ["server.key", "server.crt"] {
        let path = server.data_directory().join(name);
        std::fs::copy(folder.path().join(name), &path).unwrap();
        server_owner().take_over(&path).unwrap();
    }
    server.sql("CREATE ROLE remote LOGIN PASSWORD 'from the file'");
    let hba = server.data_directory().join("pg_hba.conf");
    let rules = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("hostssl all remote all scram-sha-256\nhost all remote all reject\n{rules}")).unwrap();
    server.reconfigure(&[("ssl", "on")]);
    server.restart();

    let passwords = folder.path().join("pgpass");
    std::fs::write(&passwords, format!("localhost:{}:*:remote:from the file\n", server.port())).unwrap();
    std::fs::set_permissions(&passwords, std::fs::Permissions::from_mode(0o600)).unwrap();
    let settings = |sslmode: &str, root: &str, passfile: &Path| {
        let words = [
            ("host", "localhost".to_owned()),
            ("port", server.port().to_string()),
            ("user", "remote".to_owned()),
            ("dbname", "postgres".to_owned()),
            ("sslmode", sslmode.to_owned()),
            ("sslrootcert", folder.path().join(root).display().to_string()),
            ("passfile", passfile.display().to_string()),
        ];
        ConnectionSettings { conninfo: None, keywords: words.map(|(word, value)| (word.to_owned(), value)).to_vec() }
    };

    let mut connection = Connection::connect(&settings("verify-full", "server.crt", &passwords)).unwrap();
    let sql = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(connection.query("look", sql, &[]).unwrap().text(0, 0).unwrap(), "true");

    let refused = [
        settings("verify-full", "stranger.crt", &passwords),
        settings("disable", "server.crt", &passwords),
        settings("verify-full", "server.crt", Path::new("/nowhere")),
    ];
    for settings in refused {
        assert!(Connection::connect(&settings).is_err());
    }
}
