use crate::smtp_server::{Manners, SmtpServer};
use crate::support::{PlainWords, TOKEN, channel, problem, start};
use service::notify::{
    ChannelKind, ChannelSettings, MailSettings, MailTls, NotifyError, Secret, check_channel, send_test,
};
use std::time::Duration;

fn mail(server: &SmtpServer, login: bool) -> MailSettings {
    MailSettings {
        host: server.address.ip().to_string(),
        port: server.address.port(),
        tls: MailTls::None,
        user: login.then(|| "respaldo".to_owned()),
        password: login.then(|| Secret::new(TOKEN)),
        from: "Cadena <cadena@example.com>".to_owned(),
        to: vec!["dba@example.com".to_owned(), "Guardia <guardia@example.com>".to_owned()],
        ca_file: None,
    }
}

fn of(mail: MailSettings) -> ChannelSettings {
    channel("mail", ChannelKind::Mail(mail))
}

/// What people and programs may see of an error.
fn shown(error: &NotifyError) -> String {
    format!("{error} {error:?} {}", serde_json::to_string(error).unwrap())
}

#[test]
fn a_mail_is_sent_with_login_to_everybody_and_the_answer_is_told() {
    let server = SmtpServer::start(Manners::Takes);
    let answer = send_test(&of(mail(&server, true)), "prod", "db1", &PlainWords).unwrap();
    assert_eq!((answer.code, answer.host), (250, format!("smtp://{}", server.address)));
    assert!(answer.text.contains("queued as 4711"), "{}", answer.text);
    let said = server.next();
    // "\0respaldo\0s3cr3t-t0ken-of-the-hook" in base64.
    assert!(said.iter().any(|line| line == "AUTH PLAIN AHJlc3BhbGRvAHMzY3IzdC10MGtlbi1vZi10aGUtaG9vaw=="), "{said:?}");
    for line in ["MAIL FROM:<cadena@example.com>", "RCPT TO:<dba@example.com>", "RCPT TO:<guardia@example.com>"] {
        assert!(said.iter().any(|found| found == line), "{line} in {said:#?}");
    }
    let header = |name: &str| said.iter().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned);
    assert_eq!(header("Subject").as_deref(), Some("test: notify-test"));
    assert_eq!(header("From").as_deref(), Some("Cadena <cadena@example.com>"));
    assert_eq!(header("Auto-Submitted").as_deref(), Some("auto-generated"));
    assert_eq!(header("X-Cadena-Key").as_deref(), Some("notify-test"));
    assert!(header("Date").is_some() && header("Message-ID").is_some());
    assert!(header("Content-Type").is_some_and(|kind| kind.starts_with("text/plain")));
    assert!(said.iter().any(|line| line == "Kind: FULL"), "{said:#?}");
}

#[test]
fn a_mail_server_that_is_full_is_asked_again_and_one_that_refuses_is_not() {
    let send = |manners, login| {
        let server = SmtpServer::start(manners);
        send_test(&of(mail(&server, login)), "prod", "db1", &PlainWords).unwrap_err()
    };
    let full = send(Manners::IsFull, false);
    assert!(full.may_pass() && full.to_string().contains("mailbox full"), "{full}");
    let nobody = send(Manners::KnowsNobody, false);
    assert!(!nobody.may_pass() && nobody.to_string().contains("no such user"), "{nobody}");
}

#[test]
fn a_refused_login_shows_no_password_even_when_the_server_repeats_it() {
    let server = SmtpServer::start(Manners::RefusesLogin);
    let (notifier, seen) = start(vec![of(mail(&server, true))]);
    notifier.problems(&[problem("problem-x")]);
    server.next();
    assert!(!notifier.settle(Duration::from_secs(10)) || !seen.0.lock().unwrap().is_empty());
    notifier.stop();
    let log = seen.text();
    assert!(log.contains("notify-failing") && log.contains("535"), "{log}");
    for secret in [TOKEN, "AHJlc3BhbGRvAHMzY3IzdC10MGtlbi1vZi10aGUtaG9vaw"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_password_goes_over_no_wire_in_the_clear() {
    let server = SmtpServer::start(Manners::Takes);
    let refused = |change: fn(&mut MailSettings)| {
        let mut settings = mail(&server, true);
        change(&mut settings);
        check_channel(&of(settings)).unwrap_err().to_string()
    };
    assert!(refused(|mail| mail.host = "mail.example.com".to_owned()).contains("in the clear"));
    assert!(refused(|mail| mail.password = None).contains("go together"));
    assert!(refused(|mail| mail.to.clear()).contains("nobody"));
    assert!(refused(|mail| mail.from = "nobody at all".to_owned()).contains("no mail address"));
    let with_tls = |tls| {
        let mut settings = mail(&server, true);
        (settings.host, settings.tls) = ("mail.example.com".to_owned(), tls);
        check_channel(&of(settings)).is_ok()
    };
    assert!(with_tls(MailTls::StartTls) && with_tls(MailTls::Tls));
}

#[test]
fn without_starttls_on_the_other_side_nothing_is_sent() {
    let server = SmtpServer::start(Manners::IsPlain);
    let mut settings = mail(&server, true);
    settings.tls = MailTls::StartTls;
    let error = send_test(&of(settings), "prod", "db1", &PlainWords).unwrap_err();
    assert!(!shown(&error).contains(TOKEN), "{}", shown(&error));
    let said = server.next();
    assert!(said.iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{said:?}");
}
