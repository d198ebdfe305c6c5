use super::super::FileConfig;
use super::*;
use std::path::Path;

fn parse(text: &str) -> Result<FileConfig, ConfigError> {
    FileConfig::parse(Path::new("/etc/cadena/cadena.toml"), text)
}

fn complaint(text: &str) -> String {
    parse(text).err().map(|error| error.to_string()).unwrap_or_default()
}

fn channels(text: &str) -> Vec<ChannelConfig> {
    parse(text).map(|file| file.notify).unwrap_or_else(|error| panic!("{error}"))
}

const WHOLE: &str = r#"
[[notify]]
type = "webhook"
name = "guardia"
template = "telegram"
url_env = "TELEGRAM_URL"
token_file = "token"
target = "-100123"
on = ["failure", "success", "risk"]
kinds = ["full", "diferencial"]
repeat_hours = 6
timeout_seconds = 5
ca_file = "/etc/ssl/ca.pem"
proxy = "http://proxy:3128"
[[notify]]
type = "mail"
host = "smtp.example.com"
port = 2525
tls = "tls"
user = "u"
password_env = "SMTP_PASSWORD"
from = "cadena@example.com"
to = ["a@example.com", "b@example.com"]
[[notify]]
type = "ping"
url = "https://hc-ping.com/uuid"
on = "start"
[[notify]]
type = "webhook"
template_file = "plantillas/mio.json"
url_file = "/run/secrets/hook"
"#;

#[test]
fn every_kind_of_channel_is_read_with_its_secrets_from_where_they_stand() -> Result<(), ConfigError> {
    let found = channels(WHOLE);
    assert_eq!(found.iter().map(ChannelConfig::name).collect::<Vec<_>>(), ["guardia", "mail-2", "ping-3", "webhook-4"]);
    let environment = Environment::of(&[("TELEGRAM_URL", "https://t/botX"), ("SMTP_PASSWORD", "hush")]);
    let mut first = found[0].clone();
    first.token = Some(SecretPlace::Here(Secret::new("t")));
    let first = first.resolve(&environment)?;
    let ChannelKind::Webhook(webhook) = &first.kind else { panic!("{first:?}") };
    assert_eq!(webhook.url.expose(), "https://t/botX");
    assert_eq!(webhook.template, TemplateChoice::BuiltIn("telegram".to_owned()));
    assert_eq!((webhook.target.as_deref(), webhook.ca_file.clone()), (Some("-100123"), Some("/etc/ssl/ca.pem".into())));
    assert_eq!(first.on, [Occasion::Failure, Occasion::Success, Occasion::Risk]);
    assert_eq!(first.kinds, [BackupKind::Full, BackupKind::Differential]);
    assert_eq!((first.repeat_after.as_secs(), first.timeout.as_secs()), (6 * 3600, 5));
    let second = found[1].resolve(&environment)?;
    let ChannelKind::Mail(mail) = &second.kind else { panic!("{second:?}") };
    assert_eq!((mail.host.as_str(), mail.port, mail.tls), ("smtp.example.com", 2525, MailTls::Tls));
    assert_eq!((mail.password.as_ref().map(Secret::expose), mail.to.len()), (Some("hush"), 2));
    assert_eq!(second.on, [Occasion::Failure, Occasion::Risk]);
    assert_eq!(found[2].resolve(&environment)?.on, [Occasion::Start]);
    // What is not named is not looked for before it is needed.
    assert!(matches!(
        found[3].resolve(&environment),
        Err(ConfigError::ConfigSecretFile { file, .. }) if file == "/run/secrets/hook"
    ));
    let absent = found[0].resolve(&Environment::of(&[]));
    assert!(matches!(absent, Err(ConfigError::ConfigSecretVariable { variable, .. }) if variable == "TELEGRAM_URL"));
    Ok(())
}

#[test]
fn paths_are_meant_from_the_files_folder() {
    let found = channels(WHOLE);
    assert!(matches!(&found[0].token, Some(SecretPlace::File(path)) if path == Path::new("/etc/cadena/token")));
    let ChannelKind::Webhook(webhook) = &found[3].settings.kind else { panic!("{found:?}") };
    assert_eq!(webhook.template, TemplateChoice::File("/etc/cadena/plantillas/mio.json".into()));
}

#[test]
fn pagerduty_needs_no_address() {
    let found = channels("[notify]\ntype = 'webhook'\ntemplate = 'pagerduty'\nrouting_key_env = 'KEY'");
    let settings = found[0].resolve(&Environment::of(&[("KEY", "k")])).unwrap_or_else(|error| panic!("{error}"));
    let ChannelKind::Webhook(webhook) = &settings.kind else { panic!("{settings:?}") };
    assert_eq!(webhook.url.expose(), PAGERDUTY_URL);
}

#[test]
fn complaints_name_line_and_what_would_be_right() {
    for (text, expected) in [
        ("[[notify]]\nname = 'x'", "line 1: type is missing in [notify]"),
        ("[[notify]]\ntype = 'sms'", "line 2: type = 'sms'; allowed: webhook | mail | ping"),
        ("\n[[notify]]\ntype = 'webhook'", "line 2: url is missing in [notify]"),
        ("[[notify]]\ntype = 'ping'\nurl = 'x'\nto = 'a'", "line 4: unknown key to in [notify]; nearest: "),
        (
            "[[notify]]\ntype = 'webhook'\nurl = 'x'\ntemplat = 'slack'",
            "unknown key templat in [notify]; nearest: template",
        ),
        (
            "[[notify]]\ntype = 'webhook'\nurl = 'x'\ntemplate = 'slak'",
            "template = 'slak'; allowed: discord | google-chat | json",
        ),
        ("[[notify]]\ntype = 'webhook'\nurl = 'x'\non = ['faliure']", "allowed: failure | success | risk | start"),
        ("[[notify]]\ntype = 'ping'\nurl = 'x'\nkinds = ['weekly']", "allowed: full | diferencial | incremental"),
        ("[[notify]]\ntype = 'ping'\nurl = 'x'\nrepeat_hours = 0", "allowed: 1..8760"),
        ("[[notify]]\ntype = 'mail'\nhost = 'h'\nfrom = 'a@b'\nto = []", "to is missing"),
        ("[[notify]]\ntype = 'mail'\nfrom = 'a@b'\nto = 'c@d'", "host is missing"),
        (
            "[[notify]]\ntype = 'ping'\nname = 'a'\nurl = 'x'\n[[notify]]\ntype = 'ping'\nname = 'a'\nurl = 'y'",
            "line 5: a second channel of the name a",
        ),
        ("notify = 3", "notify = 3; allowed: [[notify]]"),
        ("[notfy]\ntype = 'ping'", "nearest: [notify]"),
        ("[metrics]\nlisten = '9855'", "listen = '9855'; allowed: 127.0.0.1:9855 | [::1]:9855 | off"),
        ("[metrics]\nallow_remote = 'yes'", "allowed: true | false"),
        ("[metrics]\nport = 1", "unknown key port in [metrics]"),
    ] {
        let found = complaint(text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn a_complaint_repeats_no_secret() {
    for text in [
        "[[notify]]\ntype = 'webhook'\nurl = 'https://x/hush'\nurl_env = 'hush'",
        "[[notify]]\ntype = 'webhook'\nurl = ['hush']",
        "[[notify]]\ntype = 'webhook'\nurl = 'x'\ntoken = ['hush']",
        "[[notify]]\ntype = 'webhook'\nurl = 'x'\nrouting_key = {a = 'hush'}",
        "[[notify]]\ntype = 'mail'\npassword = ['hush']\nhost = 'h'\nfrom = 'a@b'\nto = 'c@d'",
        "[[notify]]\ntype = 'ping'\nurl = 'x'\nproxy = ['http://u:hush@p']",
    ] {
        let found = complaint(text);
        assert!(!found.is_empty() && !found.contains("hush"), "{text}: {found}");
    }
}

#[test]
fn addresses_to_listen_on_are_read() {
    let listen = |text: &str| parse(&format!("[metrics]\nlisten = '{text}'")).ok().and_then(|file| file.metrics.listen);
    assert_eq!(listen("127.0.0.1:9855"), "127.0.0.1:9855".parse().ok());
    assert_eq!(listen("localhost:9855"), "127.0.0.1:9855".parse().ok());
    assert_eq!(listen("[::1]:9855"), "[::1]:9855".parse().ok());
    assert_eq!(listen("off"), None);
}

#[cfg(unix)]
#[test]
fn a_file_with_an_address_or_a_token_must_be_its_owners_alone() -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cadena.toml");
    for (content, is_secret) in [
        ("type = 'webhook'\nurl = 'https://hooks/x'", true),
        ("type = 'ping'\nurl = 'https://hc/x'", true),
        ("type = 'webhook'\nurl_env = 'X'\ntoken = 'x'", true),
        ("type = 'webhook'\nurl_env = 'X'\nproxy = 'http://u:p@proxy'", true),
        ("type = 'mail'\nhost = 'h'\nfrom = 'a@b'\nto = 'c@d'\nuser = 'u'\npassword = 'p'", true),
        ("type = 'mail'\nhost = 'h'\nfrom = 'a@b'\nto = 'c@d'\nuser = 'u'\npassword_file = 'p'", false),
        ("type = 'webhook'\nurl_file = '/run/x'", false),
    ] {
        std::fs::write(&path, format!("[[notify]]\n{content}\n"))?;
        for (mode, allowed) in [(0o600, true), (0o644, !is_secret), (0o640, !is_secret)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
            let refused = matches!(FileConfig::read(&path), Err(ConfigError::ConfigPasswordReadable { .. }));
            assert_eq!(refused, !allowed, "{content} with mode {mode:o}");
        }
    }
    Ok(())
}
