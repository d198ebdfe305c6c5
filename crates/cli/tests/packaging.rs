//! What is handed to systemd: units that it accepts, and that call a command which exists.

#![cfg(unix)]

mod common;

use common::Cadena;
use std::path::Path;
use std::process::Command;

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd/cadena.service");
    std::fs::read_to_string(path).expect("the unit")
}

#[test]
fn the_unit_starts_a_command_that_is_one() {
    let unit = unit();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/cadena ")).expect("ExecStart");
    let arguments: Vec<&str> = start.split(' ').collect();
    // Without a repository it is refused; a wrong command line would end with 2.
    let answer = Cadena::new().variable("DB_HOST", "/nowhere").run(&arguments);
    assert_eq!(answer.code, 6, "{answer:?}");
    assert!(unit.contains("Type=notify") && unit.contains("WatchdogSec="), "{unit}");
}

#[test]
fn systemd_accepts_the_unit() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("systemd-analyze is not here: the unit was not verified");
        return;
    };
    assert!(version.status.success());
    // It looks whether the program is there.
    let cadena = Cadena::new();
    let text = unit().replace("/usr/bin/cadena", env!("CARGO_BIN_EXE_cadena"));
    let path = cadena.write("cadena.service", &text);
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().expect("a run");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("cadena")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}
