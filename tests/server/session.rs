//! The pure session, by tables.

use std::sync::Arc;

use posthaste::server::options::{Credential, Extension, Faults, Login, Options, Tls};
use posthaste::server::session::{Action, Ending, Security, Session, Verdict};
use posthaste::server::transaction::{Body, Return, Utf8};
use posthaste::smtp::sasl::Mechanism;

use super::peer::{End, Heard, MAIL, Peer, hear, say};

fn with_login(password: &str) -> Options {
    let mechanisms = vec![Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5];
    let credential = Credential::Only { user: "test".to_owned(), password: password.into() };
    Options { login: Login::Required { mechanisms, credential }, ..Options::default() }
}

#[test]
fn greeting_comes_before_anything_is_said() {
    assert_eq!(say("").replies, "220 localhost ESMTP posthaste\r\n");
}

#[test]
fn ehlo_lists_what_is_offered_and_helo_nothing() {
    assert_eq!(
        say("EHLO me\r\n").replies,
        "220 localhost ESMTP posthaste\r\n250-localhost\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n\
         250-CHUNKING\r\n250-BINARYMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250-DELIVERBY\r\n\
         250-FUTURERELEASE 999999999 9999-12-31T23:59:59Z\r\n250-MT-PRIORITY\r\n250-LIMITS RCPTMAX=1000\r\n\
         250-ENHANCEDSTATUSCODES\r\n250-HELP\r\n250-STARTTLS\r\n\
         250 AUTH PLAIN LOGIN CRAM-MD5 OAUTHBEARER XOAUTH2\r\n"
    );
    assert_eq!(say("HELO me\r\n").replies, "220 localhost ESMTP posthaste\r\n250 localhost\r\n");
    let pipe = Options {
        extensions: vec![Extension::Pipelining],
        tls: Tls::Absent,
        login: Login::Absent,
        ..Options::default()
    };
    let heard = hear(&pipe, Security::Clear, b"EHLO me\r\nRSET\r\n");
    assert_eq!(heard.replies, "220 localhost ESMTP posthaste\r\n250-localhost\r\n250 PIPELINING\r\n250 forgotten\r\n");
    let heard = hear(&Options::default(), Security::Tls, b"EHLO me\r\n");
    assert!(!heard.replies.contains("STARTTLS"));
}

#[test]
fn two_messages_in_one_pipelined_flight() {
    let heard = say(&format!(
        "{MAIL}one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<e@f>\r\nRCPT TO:<g@h>\r\nDATA\r\n..two\r\n.\r\nQUIT\r\n"
    ));
    assert_eq!(heard.end, End::Closed);
    let [(one, first), (two, second)] = heard.messages.as_slice() else { panic!("{heard:?}") };
    assert_eq!((one.sender.as_str(), first.as_slice()), ("a@b", &b"one\r\n"[..]));
    assert_eq!((two.sender.as_str(), second.as_slice()), ("", &b".two\r\n"[..]));
    let to: Vec<&str> = two.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    assert_eq!(to, ["e@f", "g@h"]);
    assert!(heard.codes().ends_with("250 250 354 250 250 250 250 354 250 221"), "{}", heard.codes());
}

#[test]
fn a_message_in_chunks_comes_octet_by_octet_as_it_is() {
    let envelope = "EHLO me\r\nMAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\n";
    let heard = say(&format!("{envelope}BDAT 5\r\n.\r\na\0bdat 3 last\r\nQUIBDAT 0 LAST\r\nQUIT\r\n"));
    let [(transaction, message)] = heard.messages.as_slice() else { panic!("{heard:?}") };
    assert_eq!(message, b".\r\na\0QUI");
    assert_eq!(transaction.body, Some(Body::BinaryMime));
    assert!(heard.codes().ends_with("250 250 250 250 503 221"), "{}", heard.codes());
}

#[test]
fn chunks_that_are_not_wanted_are_taken_all_the_same() {
    let small = Options { max_size: 4, ..Options::default() };
    for (commands, codes) in [
        ("BDAT 6\r\nQUIT\r\nNOOP\r\n", "503 250"),
        ("MAIL FROM:<a@b>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n", "250 554 250"),
        (
            "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nRSET\r\n",
            "250 250 552 503 250",
        ),
        ("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<>\r\n", "250 250 552 250"),
        ("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 2\r\n\r\nDATA\r\n", "250 250 250 503"),
        ("MAIL FROM:<a@b> BODY=BINARYMIME\r\nRCPT TO:<c@d>\r\nDATA\r\n", "250 250 503"),
        ("MAIL FROM:<a@b>\r\nBDAT x\r\n", "250 421"),
    ] {
        let heard = hear(&small, Security::Clear, format!("EHLO me\r\n{commands}").as_bytes());
        let replies = heard.codes();
        assert!(replies.ends_with(&format!(" {codes}")), "{commands:?}: {replies}");
        assert!(heard.messages.is_empty(), "{commands:?}");
    }
}

#[test]
fn a_message_that_lacks_chunks_is_none() {
    let mut session = Session::new(Arc::new(Options::default()), Security::Clear, String::new());
    session.feed(format!("{}BDAT 2\r\nab", MAIL.replace("DATA\r\n", "")).as_bytes());
    while session.next() != Action::NeedMore {}
    assert_eq!(session.ending(), Ending::InsideMessage);
}

/// P-127: NOOP ends a group, and has a reply like any other.
#[test]
fn one_write_answers_a_flight() {
    let mut session = Session::new(Arc::new(Options::default()), Security::Clear, String::new());
    assert!(matches!(session.next(), Action::Write(_)));
    session.feed(b"HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nNOOP\r\n");
    let Action::Write(octets) = session.next() else { panic!() };
    let replies = String::from_utf8(octets).unwrap();
    let codes: Vec<&str> = replies.lines().map(|line| &line[..4]).collect();
    assert_eq!(codes, ["250 "; 4], "{replies}");
    assert_eq!(session.next(), Action::NeedMore);
}

#[test]
fn single_commands_get_their_codes() {
    for (script, codes) in [
        ("NOOP\r\nnoop x\r\nRSET\r\nVRFY a\r\nHELP\r\nHELP MAIL\r\n", "250 250 250 252 214 214"),
        ("FOO\r\n\r\nEXPN x\r\nHELO\r\nDATA x\r\nVRFY\r\n", "500 500 502 501 501 501"),
        ("MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n", "503 503 503"),
        ("HELO me\r\nDATA\r\nRCPT TO:<a@b>\r\n", "250 503 503"),
        ("HELO me\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nDATA\r\n", "250 250 503 554"),
        ("HELO me\r\nMAIL FROM:<a@b>\r\nRSET\r\nRCPT TO:<c@d>\r\n", "250 250 250 503"),
        ("HELO me\r\nMAIL FROM:<a@b>\r\nHELO you\r\nRCPT TO:<c@d>\r\n", "250 250 250 503"),
        ("NO\u{e9}P\r\nNO\tOP\r\nNO\0OP\r\n", "500 500 500"),
        ("GET / HTTP/1.1\r\nMAIL FROM:<a@b>\r\n", "421"),
        ("HELO me\r\nBDAT ten LAST\r\nMAIL FROM:<a@b>\r\n", "250 421"),
        ("QUIT\r\nNOOP\r\n", "221"),
    ] {
        assert_eq!(say(script).codes(), format!("220 {codes}"), "{script:?}");
    }
}

#[test]
fn paths_are_read_and_bad_ones_refused() {
    for (path, result) in [
        ("<a@b>", Ok("a@b")),
        (" <a@b>", Ok("a@b")),
        ("<@x,@y:a@b>", Ok("a@b")),
        ("<\"a>b\"@c>", Ok("\"a>b\"@c")),
        ("<\"a\\\"> b\"@c>", Ok("\"a\\\"> b\"@c")),
        ("<Postmaster>", Ok("Postmaster")),
        ("<a@[127.0.0.1]>", Ok("a@[127.0.0.1]")),
        ("a@b", Err("501 5.1.3")),
        ("<a@b", Err("501 5.1.3")),
        ("<a@b>x", Err("501 5.1.3")),
        ("<>", Err("501 5.1.3")),
        ("<@b>", Err("501 5.1.3")),
        ("<a@>", Err("501 5.1.3")),
        ("<@b:>", Err("501 5.1.3")),
        ("<\u{e9}@b>", Err("553 5.6.7")),
        ("<a@b> FOO=1", Err("555 5.5.4")),
    ] {
        let heard = say(&format!("EHLO me\r\nMAIL FROM:<>\r\nRCPT TO:{path}\r\nDATA\r\n.\r\n"));
        match result {
            Ok(address) => assert_eq!(heard.messages[0].0.recipients[0].address.as_str(), address),
            Err(start) => assert!(heard.replies.contains(&format!("\r\n{start} ")), "{path}: {}", heard.replies),
        }
    }
    let long = format!("EHLO me\r\nMAIL FROM:<{}@b>\r\n", "a".repeat(511));
    assert!(say(&long).last().starts_with("501 5.1.7 "));
}

#[test]
fn parameters_are_kept_as_they_came() {
    let heard = say("EHLO me\r\nmail from:<a@\u{e9}> size=10 body=8bitmime SMTPUTF8 RET=HDRS ENVID=x+2By AUTH=<>\r\n\
         RCPT TO:<c@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+40d\r\nRCPT TO:<e@f> notify=never\r\nDATA\r\n.\r\n");
    let transaction = &heard.messages[0].0;
    assert_eq!(transaction.declared_size, Some(10));
    assert_eq!((transaction.body, transaction.smtputf8), (Some(Body::EightBitMime), Utf8::Yes));
    assert_eq!((transaction.ret, transaction.envid.as_deref()), (Some(Return::Hdrs), Some("x+2By")));
    assert_eq!(transaction.auth.as_deref(), Some("<>"));
    let [one, two] = transaction.recipients.as_slice() else { panic!() };
    assert_eq!(
        (one.notify.as_deref(), one.orcpt.as_deref(), two.notify.as_deref()),
        (Some("SUCCESS,DELAY"), Some("rfc822;c+40d"), Some("never"))
    );
}

#[test]
fn wishes_are_kept_as_they_came() {
    let script =
        "EHLO me\r\nMAIL FROM:<a@b> by=-5;n HOLDFOR=60 MT-PRIORITY=-9 REQUIRETLS\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n";
    let heard = hear(&Options::default(), Security::Tls, script.as_bytes());
    assert!(heard.replies.contains("250-REQUIRETLS\r\n"));
    assert_eq!(heard.messages[0].0.wishes, ["BY=-5;n", "HOLDFOR=60", "MT-PRIORITY=-9", "REQUIRETLS"]);
    for (parameter, start) in [
        ("BY=0;R", "501 5.5.4"),
        ("BY=-1;RT", "501 5.5.4"),
        ("BY=1;X", "501 5.5.4"),
        ("BY=+1;RT", "250 "),
        ("BY", "501 5.5.4"),
        ("HOLDFOR=1000000000", "501 5.5.4"),
        ("HOLDUNTIL=soon", "501 5.5.4"),
        ("MT-PRIORITY=10", "501 5.5.4"),
        ("MT-PRIORITY=+1", "501 5.5.4"),
        // In the clear.
        ("REQUIRETLS", "555 5.5.4"),
    ] {
        let heard = say(&format!("EHLO me\r\nMAIL FROM:<a@b> {parameter}\r\n"));
        assert!(heard.last().starts_with(start), "{parameter}: {}", heard.last());
    }
    let bare = Options { extensions: Vec::new(), ..Options::default() };
    for parameter in ["BY=1;R", "HOLDFOR=1", "MT-PRIORITY=1", "REQUIRETLS"] {
        let script = format!("EHLO me\r\nMAIL FROM:<a@b> {parameter}\r\n");
        assert!(hear(&bare, Security::Tls, script.as_bytes()).last().starts_with("555 "), "{parameter}");
    }
}

#[test]
fn bad_parameters_are_refused() {
    for (parameters, start) in [
        ("SIZE=", "501 5.5.4"),
        ("SIZE=-5", "501 5.5.4"),
        ("SIZE=1000000000000000000000000000000", "501 5.5.4"),
        ("SIZE=99999999999999999999", "552 5.3.4"),
        ("SIZE=104857601", "552 5.3.4"),
        ("SIZE=104857600", "250 2.1.0"),
        ("SIZE=0 SIZE=1", "501 5.5.4"),
        ("BODY=BASE64", "501 5.5.4"),
        ("SMTPUTF8=1", "555 5.5.4"),
        ("RET=HALF", "501 5.5.4"),
        ("ENVID=a+2", "501 5.5.4"),
        ("ENVID", "501 5.5.4"),
        ("AUTH=a=b", "501 5.5.4"),
        ("XYZ=1", "555 5.5.4"),
    ] {
        let heard = say(&format!("EHLO me\r\nMAIL FROM:<a@b> {parameters}\r\n"));
        assert!(heard.last().starts_with(start), "{parameters}: {}", heard.last());
    }
    for parameters in ["NOTIFY=NEVER,DELAY", "NOTIFY=", "ORCPT=rfc822", "ORCPT=;a", "ORCPT=a;b=c", "NOTIFY"] {
        let heard = say(&format!("EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d> {parameters}\r\n"));
        assert!(heard.last().starts_with("501 5.5.4"), "{parameters}: {}", heard.last());
    }
    assert!(say("HELO me\r\nMAIL FROM:<a@b> SIZE=1\r\n").last().starts_with("555 "));
    let bare = Options { extensions: Vec::new(), login: Login::Absent, ..Options::default() };
    for parameter in ["SIZE=1", "BODY=7BIT", "SMTPUTF8", "RET=FULL", "ENVID=a", "AUTH=<>"] {
        let script = format!("EHLO me\r\nMAIL FROM:<a@b> {parameter}\r\n");
        assert!(hear(&bare, Security::Clear, script.as_bytes()).last().starts_with("555 "), "{parameter}");
    }
}

#[test]
fn sizes_and_counts_are_limited() {
    let small = Options { max_size: 5, max_recipients: 2, max_line: 40, ..Options::default() };
    let heard = hear(&small, Security::Clear, format!("{MAIL}abc\r\n.\r\n").as_bytes());
    assert_eq!(heard.messages.len(), 1);
    let heard = hear(&small, Security::Clear, format!("{MAIL}abcd\r\n.\r\nNOOP\r\n").as_bytes());
    assert_eq!((heard.messages.len(), heard.discarded), (0, 1));
    assert!(heard.codes().ends_with("354 552 250"), "{}", heard.replies);
    let script = "HELO me\r\nMAIL FROM:<>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n.\r\n";
    let heard = hear(&small, Security::Clear, script.as_bytes());
    assert_eq!(heard.codes(), "220 250 250 250 250 452 354 250");
    assert_eq!(heard.messages[0].0.recipients.len(), 2);
    let heard = hear(&small, Security::Clear, format!("NOOP {}\r\nNOOP\r\n", "x".repeat(36)).as_bytes());
    assert_eq!(heard.codes(), "220 500 250");
    let heard = say(&format!("NOOP {}\r\nNOOP\r\n", "x".repeat(200_000)));
    assert_eq!(heard.codes(), "220 500 250");
}

#[test]
fn starttls_forgets_what_was_said_before() {
    let mut peer = Peer::new(Options::default(), Security::Clear);
    peer.feed(b"EHLO me\r\nAUTH PLAIN AHRlc3QAMTIzNA==\r\nMAIL FROM:<a@b>\r\nSTARTTLS\r\n");
    assert_eq!(peer.heard.end, End::Tls);
    assert!(peer.heard.last().starts_with("220 2.0.0 "));
    assert_eq!((peer.session.hello(), peer.session.user()), (Some("me"), Some("test")));
    peer.session.feed(b"EHLO injected\r\n");
    assert_eq!(peer.session.next(), Action::StartTls);
    peer.session.tls_started();
    assert_eq!((peer.session.hello(), peer.session.user()), (None, None));
    peer.heard = Heard::default();
    peer.feed(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nEHLO me\r\nSTARTTLS\r\n");
    assert!(peer.heard.replies.starts_with("503 "), "{}", peer.heard.replies);
    assert!(!peer.heard.replies.contains("STARTTLS\r\n") && peer.heard.last().starts_with("503 "));
}

#[test]
fn octets_behind_starttls_close_the_connection() {
    for behind in ["MAIL FROM:<x@y>\r\n", "N", "\r\n", "\x16\x03\x01"] {
        let mut peer = Peer::new(Options::default(), Security::Clear);
        peer.feed(format!("EHLO me\r\nSTARTTLS\r\n{behind}").as_bytes());
        assert_eq!(peer.heard.end, End::Closed, "{behind:?}");
        assert!(peer.heard.last().starts_with("554 5.7.0 "), "{behind:?}");
    }
}

#[test]
fn required_tls_keeps_mail_and_login_away() {
    let options = Options { tls: Tls::Required, ..with_login("1234") };
    let heard =
        hear(&options, Security::Clear, b"EHLO me\r\nAUTH PLAIN AHRlc3QAMTIzNA==\r\nMAIL FROM:<a@b>\r\nNOOP\r\n");
    assert!(!heard.replies.contains("250-AUTH") && !heard.replies.contains("250 AUTH"));
    assert!(heard.codes().ends_with("530 530 250"), "{}", heard.replies);
    let heard = hear(&options, Security::Tls, b"EHLO me\r\nAUTH PLAIN AHRlc3QAMTIzNA==\r\nMAIL FROM:<a@b>\r\n");
    assert!(heard.codes().ends_with("235 250"), "{}", heard.replies);
}

#[test]
fn logins_by_each_mechanism() {
    let options = with_login("1234");
    for (script, codes) in [
        ("AUTH PLAIN AHRlc3QAMTIzNA==\r\nMAIL FROM:<>\r\n", "235 250"),
        ("auth plain\r\nAHRlc3QAMTIzNA==\r\n", "334 235"),
        ("AUTH PLAIN dGVzdAB0ZXN0ADEyMzQ=\r\n", "235"),
        // Another identity than one's own.
        ("AUTH PLAIN cm9vdAB0ZXN0ADEyMzQ=\r\n", "535"),
        ("AUTH PLAIN AHRlc3QAMTIzNQ==\r\nMAIL FROM:<>\r\n", "535 530"),
        ("AUTH PLAIN =\r\n", "501"),
        ("AUTH PLAIN\r\n\r\n", "334 501"),
        ("AUTH PLAIN\r\n*\r\nNOOP\r\n", "334 501 250"),
        ("AUTH PLAIN !!\r\n", "501"),
        ("AUTH LOGIN\r\ndGVzdA==\r\nMTIzNA==\r\n", "334 334 235"),
        ("AUTH LOGIN dGVzdA==\r\nMTIzNA==\r\n", "334 235"),
        ("AUTH LOGIN dGVzdA==\r\nMTIzNQ==\r\n", "334 535"),
        ("AUTH LOGIN\r\n*\r\n", "334 501"),
        ("AUTH CRAM-MD5 dGVzdA==\r\n", "501"),
        ("AUTH CRAM-MD5\r\ndGVzdA==\r\n", "334 501"),
        ("AUTH SCRAM-SHA-256\r\n", "504"),
        ("AUTH\r\n", "501"),
        ("AUTH PLAIN AHRlc3QAMTIzNA==\r\nAUTH PLAIN AHRlc3QAMTIzNA==\r\n", "235 503"),
        ("MAIL FROM:<>\r\n", "530"),
    ] {
        let heard = hear(&options, Security::Clear, format!("EHLO me\r\n{script}").as_bytes());
        assert!(heard.codes().ends_with(&format!("250 {codes}")), "{script:?}: {}", heard.replies);
    }
    let heard = hear(&options, Security::Clear, b"HELO me\r\nAUTH PLAIN AHRlc3QAMTIzNA==\r\n");
    assert!(heard.codes().ends_with("503"));
    let long = format!("EHLO me\r\nAUTH PLAIN\r\n{}\r\nNOOP\r\n", "A".repeat(20_000));
    assert!(hear(&options, Security::Clear, long.as_bytes()).codes().ends_with("334 500 250"));
}

#[test]
fn cram_md5_answers_its_own_challenge_and_no_other() {
    use posthaste::smtp::sasl::{Client, Exchange};
    let mut peer = Peer::new(with_login("1234"), Security::Clear);
    let mut answers = Vec::new();
    for expected in ["535", "235"] {
        peer.feed(if answers.is_empty() { b"EHLO me\r\nAUTH CRAM-MD5\r\n" } else { b"AUTH CRAM-MD5\r\n" });
        let challenge = peer.heard.last().strip_prefix("334 ").unwrap().to_owned();
        let password = if expected == "235" { "1234" } else { "12345" };
        let client = Client { user: "test", password: password.to_owned().into(), server: None, scram: None };
        let (mut exchange, _) = Exchange::begin(Mechanism::CramMd5, client).unwrap();
        let answer = exchange.answer(&challenge).unwrap().to_string();
        peer.feed(format!("{answer}\r\n").as_bytes());
        assert!(peer.heard.last().starts_with(expected), "{}", peer.heard.replies);
        answers.push((challenge, answer));
    }
    assert_ne!(answers[0].0, answers[1].0);
    let mut other = Peer::new(with_login("1234"), Security::Clear);
    other.feed(format!("EHLO me\r\nAUTH CRAM-MD5\r\n{}\r\n", answers[1].1).as_bytes());
    assert!(other.heard.last().starts_with("535 5.7.8"), "an old answer is worth nothing");
}

#[test]
fn faults_are_off_unless_asked_for() {
    let script = "HELO me\r\nMAIL FROM:<defer-451@x>\r\nRCPT TO:<refuse-550@x>\r\nRCPT TO:<drop@x>\r\nDATA\r\n.\r\n";
    assert_eq!(say(script).codes(), "220 250 250 250 250 354 250");
    let options = Options { faults: Faults::ByLocalPart, ..Options::default() };
    for (script, codes, end) in [
        ("MAIL FROM:<defer-451@x>\r\n", "451", End::Waiting),
        (
            "MAIL FROM:<>\r\nRCPT TO:<refuse-550@x>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n",
            "250 550 250 354 250",
            End::Waiting,
        ),
        ("MAIL FROM:<>\r\nRCPT TO:<defer-421@x>\r\nRCPT TO:<a@x>\r\n", "250 421", End::Closed),
        ("MAIL FROM:<>\r\nRCPT TO:<drop@x>\r\nNOOP\r\n", "250", End::Closed),
        (
            "MAIL FROM:<>\r\nRCPT TO:<data-refuse-554@x>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n",
            "250 250 354 554 250",
            End::Waiting,
        ),
        ("MAIL FROM:<>\r\nRCPT TO:<data-drop@x>\r\nDATA\r\nx\r\n.\r\nNOOP\r\n", "250 250 354", End::Closed),
        (
            "MAIL FROM:<data-defer-451@x>\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n",
            "250 250 250 250 354 250",
            End::Waiting,
        ),
    ] {
        let heard = hear(&options, Security::Clear, format!("HELO me\r\n{script}").as_bytes());
        assert_eq!((heard.codes(), heard.end), (format!("220 250 {codes}"), end), "{script:?}");
    }
}

#[test]
fn the_verdict_is_the_reply_and_its_words_are_cleaned() {
    for (verdict, reply) in [
        (Verdict::Accepted("as 1".into()), "250 2.0.0 as 1\r\n"),
        (Verdict::Deferred("disk\r\n250 full".into()), "451 4.3.0 disk??250 full\r\n"),
        (Verdict::Refused("no".into()), "554 5.0.0 no\r\n"),
    ] {
        let mut session = Session::new(Arc::new(Options::default()), Security::Clear, String::new());
        session.feed(format!("{MAIL}.\r\n").as_bytes());
        while session.next() != Action::End {}
        assert_eq!((session.ending(), session.next()), (Ending::InsideMessage, Action::End));
        session.conclude(verdict);
        assert_eq!(session.next(), Action::Write(reply.as_bytes().to_vec()));
        assert_eq!(session.ending(), Ending::BetweenCommands);
    }
}

/// alpine sends RSET behind a message that was refused, and shows the reply to that.
#[test]
fn rset_behind_a_refused_message_says_why_once() {
    let mut session = Session::new(Arc::new(Options::default()), Security::Clear, String::new());
    let mut say = |octets: &str, verdict: Option<Verdict>| {
        session.feed(octets.as_bytes());
        let mut replies = Vec::new();
        loop {
            match session.next() {
                Action::Write(octets) => replies.extend(octets),
                Action::End => session.conclude(verdict.clone().unwrap()),
                Action::NeedMore => break,
                _ => {}
            }
        }
        String::from_utf8(replies).unwrap()
    };
    let refused = say(&format!("{MAIL}.\r\nRSET\r\n"), Some(Verdict::Refused("no such user".into())));
    assert!(refused.ends_with("554 5.0.0 no such user\r\n250 2.0.0 not sent: no such user\r\n"), "{refused}");
    assert_eq!(say("RSET\r\n", None), "250 2.0.0 forgotten\r\n");
    let message = MAIL.split_once("\r\n").unwrap().1;
    let taken = say(&format!("{message}.\r\nRSET\r\n"), Some(Verdict::Accepted("as 1".into())));
    assert!(taken.ends_with("250 2.0.0 as 1\r\n250 2.0.0 forgotten\r\n"), "{taken}");
}

#[test]
fn the_end_of_input_tells_whether_a_message_is_cut_off() {
    let mut peer = Peer::new(Options::default(), Security::Clear);
    assert_eq!(peer.session.ending(), Ending::BetweenCommands);
    peer.feed(format!("{MAIL}abc").as_bytes());
    assert_eq!(peer.session.ending(), Ending::InsideMessage);
    peer.feed(b"\r\n.\r\n");
    assert_eq!(peer.session.ending(), Ending::BetweenCommands);
}
