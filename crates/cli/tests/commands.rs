//! The command as its users meet it, as far as it goes without a server. tests/journey.rs goes the rest of the way.

mod common;

use common::{Answer, Cadena};
use serde_json::Value;

#[test]
fn help_speaks_spanish_and_english() {
    let spanish = Cadena::new().run(&["--lang", "es", "help"]);
    assert!(spanish.code == 0 && spanish.stdout.contains("Uso: cadena [OPCIONES] <COMANDO>"), "{spanish:?}");
    let english = Cadena::new().run(&["help", "--lang=en"]);
    assert!(english.code == 0 && english.stdout.contains("Usage: cadena [OPTIONS] <COMMAND>"), "{english:?}");
    let by_variable = Cadena::new().variable("CADENA_LANG", "es_AR.UTF-8").run(&["full", "--help"]);
    assert!(by_variable.stdout.contains("Opciones de todos los comandos"), "{by_variable:?}");
    let by_locale = Cadena::new().variable("LANG", "es_ES.UTF-8").run(&["help", "restore"]);
    assert!(by_locale.stdout.contains("--tablespace <VIEJO=NUEVO>"), "{by_locale:?}");
}

#[test]
fn help_lists_every_command_and_the_exit_codes() {
    let help = Cadena::new().run(&["help"]);
    for word in
        ["demo", "init", "check", "full", "list", "status", "validate", "preview", "restore", "completions", "130"]
    {
        assert!(help.stdout.contains(word), "{word} in {help:?}");
    }
}

#[test]
fn no_command_is_answered_with_help_and_code_2() {
    let answer = Cadena::new().run(&[]);
    assert!(answer.code == 2 && answer.stdout.contains("Usage: cadena"), "{answer:?}");
}

#[test]
fn an_unknown_command_is_answered_with_the_nearest() {
    let answer = Cadena::new().run(&["validar", "--lang", "es"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("Comando desconocido: validar"), "{answer:?}");
    assert!(answer.stderr.contains("cadena validate"), "{answer:?}");
}

#[test]
fn commands_of_later_versions_do_not_pretend_to_exist() {
    assert_eq!(Cadena::new().run(&["export"]).code, 2);
}

#[test]
fn a_bad_value_is_answered_with_what_is_allowed() {
    for (arguments, allowed) in [
        (vec!["full", "--jobs", "99"], "1..64"),
        (vec!["full", "--level", "0"], "1..19"),
        (vec!["full", "--level", "-5"], "1..19"),
        (vec!["full", "--max-rate", "fast"], "50MB"),
        (vec!["full", "--reader", "remote"], "auto | local | sql"),
        (vec!["full", "--port", "70000"], "1..65535"),
        (vec!["validate", "--level", "x"], "checksum | deep"),
        (vec!["list", "--lang", "de"], "en | es"),
        (vec!["preview", "--backup", "x"], "1, 2, 3, …"),
    ] {
        let answer = Cadena::new().run(&arguments);
        assert!(answer.code == 2 && answer.stderr.contains(allowed), "{arguments:?}: {answer:?}");
        assert!(answer.stdout.is_empty(), "{answer:?}");
    }
}

#[test]
fn an_error_in_json_has_key_message_remedy_and_arguments() {
    let answer = Cadena::new().run(&["list", "--json", "--lang", "es"]);
    let value = answer.json();
    assert_eq!((answer.code, value["exit_code"].as_u64()), (6, Some(6)));
    assert_eq!(value["error"]["key"], "repository-absent");
    assert!(
        value["error"]["message"].as_str().is_some_and(|text| text.contains("No hay ningún repositorio")),
        "{value}"
    );
    assert!(value["error"]["remedy"].as_str().is_some_and(|text| text.contains("cadena init")), "{value}");
    assert!(value["error"]["storage"].as_str().is_some_and(|path| path.ends_with("backups_incrementales")), "{value}");
    assert!(answer.stderr.is_empty(), "{answer:?}");
    let usage = Cadena::new().run(&["full", "--joobs", "2", "--json"]);
    assert_eq!((usage.code, usage.json()["error"]["key"].as_str()), (2, Some("usage-unknown-argument")));
    assert_eq!(usage.json()["error"]["nearest"], "--jobs");
}

#[test]
fn every_command_on_a_repository_refuses_one_that_is_absent() {
    for arguments in [
        vec!["list"],
        vec!["status"],
        vec!["validate"],
        vec!["validate", "3"],
        vec!["preview", "--latest"],
        vec!["restore", "--latest", "--to", "x"],
        vec!["full"],
    ] {
        let cadena = Cadena::new();
        let answer = cadena.run(&arguments);
        assert!(answer.code == 6 && answer.stderr.contains("cadena init"), "{arguments:?}: {answer:?}");
        assert!(cadena.files().is_empty(), "{arguments:?} left {:?}", cadena.files());
    }
}

#[test]
fn an_unknown_key_in_the_configuration_names_file_line_and_the_nearest() {
    let cadena = Cadena::new();
    cadena.write("cadena.toml", "[backup]\njobs = 2\ncompresion_level = 3\n");
    let answer = cadena.run(&["list"]);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("cadena.toml, line 3"), "{answer:?}");
    assert!(answer.stderr.contains("compression_level"), "{answer:?}");
}

#[test]
fn a_broken_configuration_keeps_nobody_from_reading_help() {
    let cadena = Cadena::new();
    cadena.write("cadena.toml", "[nonsense]\n");
    assert_eq!(cadena.run(&["help"]).code, 0);
    assert_eq!(cadena.run(&["full", "--help"]).code, 0);
    assert_eq!(cadena.run(&["completions", "bash"]).code, 0);
    assert_eq!(cadena.run(&["list"]).code, 2);
}

#[test]
fn the_configuration_sets_the_language_and_the_repository() {
    let cadena = Cadena::new();
    cadena.write("conf/cadena.toml", "[general]\nlang = 'es'\n[repository]\npath = 'lejos'\n");
    let answer = cadena.run(&["list", "--config", "conf/cadena.toml"]);
    assert!(answer.stderr.contains("No hay ningún repositorio") && answer.stderr.contains("conf/lejos"), "{answer:?}");
    let answer = cadena.variable("CADENA_CONFIG", "conf/cadena.toml").run(&["list", "--lang", "en"]);
    assert!(answer.stderr.contains("There is no repository"), "{answer:?}");
}

#[test]
fn a_configuration_that_is_named_must_exist() {
    let answer = Cadena::new().run(&["list", "--config", "nowhere.toml"]);
    assert!(answer.code == 2 && answer.stderr.contains("nowhere.toml"), "{answer:?}");
}

#[cfg(unix)]
#[test]
fn a_password_that_others_may_read_is_refused_with_chmod() {
    use std::os::unix::fs::PermissionsExt;
    let cadena = Cadena::new();
    let path = cadena.write("cadena.toml", "[connection]\npassword = 'hush'\n");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    assert!(mode(0o644).is_ok());
    let answer = cadena.run(&["list"]);
    assert!(answer.code == 2 && answer.stderr.contains("chmod 600") && !answer.stderr.contains("hush"), "{answer:?}");
    assert!(mode(0o600).is_ok());
    assert_eq!(cadena.run(&["list"]).code, 6);
}

#[test]
fn the_variables_of_the_environment_are_checked() {
    let answer = Cadena::new().variable("DB_PORT", "http").run(&["list"]);
    assert!(answer.code == 2 && answer.stderr.contains("DB_PORT") && answer.stderr.contains("1..65535"), "{answer:?}");
    let answer = Cadena::new().variable("CADENA_LANG", "klingon").run(&["list"]);
    assert!(answer.code == 2 && answer.stderr.contains("CADENA_LANG"), "{answer:?}");
}

#[test]
fn a_server_that_is_not_there_is_an_error_with_a_remedy_and_without_the_password() {
    let cadena = Cadena::new();
    let nowhere = cadena.path("no-socket-here").display().to_string();
    let cadena = cadena.variable("DB_PASSWORD", "hush-hush").variable("DB_HOST", &nowhere);
    for arguments in [["init"], ["check"]] {
        let answer = cadena.run(&arguments);
        let text = format!("{}{}", answer.stdout, answer.stderr);
        assert!(text.contains("no-socket-here") && text.contains("DB_HOST"), "{answer:?}");
        assert!(!text.contains("hush-hush"), "{answer:?}");
        assert_ne!(answer.code, 0);
    }
}

#[test]
fn check_goes_on_after_a_failure_and_refuses() {
    let cadena = Cadena::new();
    let nowhere = cadena.path("no-socket-here").display().to_string();
    let answer = cadena.run(&["check", "--json", "--host", &nowhere]);
    let value = answer.json();
    assert_eq!((answer.code, value["state"].as_str()), (6, Some("fail")));
    let state = |key: &str| -> Option<Value> {
        value["checks"].as_array()?.iter().find(|item| item["key"] == key).map(|item| item["state"].clone())
    };
    assert_eq!(state("check-connection"), Some("fail".into()));
    assert_eq!(state("check-repository-absent"), Some("fail".into()));
    assert_eq!(state("check-writable"), Some("ok".into()));
    assert!(cadena.files().is_empty(), "check changed something: {:?}", cadena.files());
}

#[test]
fn start_without_a_port_is_refused_before_anything_else() {
    let answer = Cadena::new().run(&["restore", "--latest", "--to", "x", "--start"]);
    assert!(answer.code == 2 && answer.stderr.contains("--port"), "{answer:?}");
}

#[test]
fn completions_are_scripts_for_each_shell() {
    for (shell, word) in [("bash", "complete -F _cadena"), ("zsh", "#compdef cadena"), ("fish", "complete -c cadena")] {
        let answer = Cadena::new().run(&["completions", shell]);
        assert!(answer.code == 0 && answer.stdout.contains(word), "{shell}: {:?}", answer.stderr);
    }
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap_or_else(|error| panic!("{error}"));
    // The reader is gone before the first byte is written.
    drop(reader);
    let cadena = Cadena::new();
    let output = cadena.command(&["help"]).stdout(writer).output().unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn the_version_is_told() {
    let Answer { code, stdout, .. } = Cadena::new().run(&["--version"]);
    assert_eq!((code, stdout.trim()), (0, concat!("cadena ", env!("CARGO_PKG_VERSION"))));
}
