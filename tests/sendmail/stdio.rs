//! `-bs`: SMTP on standard input and output. The numbers are those of the list of conformance cases.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::process::Stdio;

use posthaste::server::options::{Extension, Options};

use super::program::{Program, run};
use super::relay::{Relay, guarded, plain};

/// The client of case 54.
pub const DIALOGUE: &[(&str, u16)] = &[
    ("HELO [127.0.0.1]", 250),
    ("MAIL FROM:<a@o.test>", 250),
    ("RCPT TO:<b@x.test>", 250),
    ("DATA", 354),
    ("Bcc: c@x.test\r\nSubject: s\r\n\r\n..dot\r\n.", 250),
    ("NOOP", 250),
    ("QUIT", 221),
];

/// The codes of the replies, the first line of each.
pub fn codes(replies: &str) -> Vec<u16> {
    let last = |line: &&str| line.as_bytes().get(3) == Some(&b' ');
    replies.lines().filter(last).map(|line| line[..3].parse().unwrap()).collect()
}

pub fn all(dialogue: &[(&str, u16)], ends: &str) -> String {
    let lines = dialogue.iter().map(|(line, _)| format!("{}{ends}", line.replace("\r\n", ends)));
    lines.collect()
}

/// Names in the header get the domain of the account that the sender has chosen, as with every other call.
#[test]
fn names_in_the_header_are_of_the_account() {
    let relay = Relay::start(plain());
    let server = format!("server = \"smtp://{}\"\ntls = \"none\"\n", relay.wire.address);
    let other = "aliases = \"none\"\n[account.other]\nfrom = \"al@other.test\"\nmail-domain = \"other.test\"\n";
    let program = Program::with(&format!("{server}{other}{server}"));
    let message = "From: al\r\nTo: root, b@x.test\r\n\r\nx\r\n.\r\n";
    let one = |from: &str| format!("MAIL FROM:<{from}>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n{message}");
    let dialogue = format!("HELO x\r\n{}{}QUIT\r\n", one("al@other.test"), one("al@example.org"));
    let ended = run(program.named("sendmail").arg("-bs"), dialogue.as_bytes());
    assert_eq!(ended.code(), 0, "{}{}", ended.stdout, ended.stderr);
    let fields: Vec<_> = relay.take().mails.iter().map(|mail| (mail.field("From"), mail.field("To"))).collect();
    assert_eq!(
        fields,
        [("al@other.test", "root@other.test, b@x.test"), ("al@example.org", "root@example.org, b@x.test")]
            .map(|(from, to)| (from.to_owned(), to.to_owned()))
    );
}

/// Case 54.
#[test]
fn a_client_that_waits_for_each_reply() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let mut command = program.named("sendmail");
    command.arg("-bs").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut replies = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let mut reply = || {
        let mut line = String::new();
        replies.read_line(&mut line).unwrap();
        assert!(line.ends_with("\r\n"), "{line:?}");
        line
    };
    assert!(reply().starts_with("220 "));
    for (line, code) in DIALOGUE {
        input.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let said = reply();
        assert!(said.starts_with(&format!("{code} ")), "{line}: {said}");
    }
    drop(input);
    let mut rest = String::new();
    replies.read_to_string(&mut rest).unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str(), errors.as_str()), (Some(0), "", ""));
    let mail = relay.take().mail();
    assert_eq!((mail.sender.as_str(), mail.recipients.as_slice()), ("a@o.test", &["b@x.test".to_owned()][..]));
    assert!(mail.fields("Bcc").is_empty());
    assert_eq!((mail.field("Subject").as_str(), mail.text()), ("s", ".dot\r\n"));
    assert_eq!(mail.fields("Message-ID").len(), 1);
}

/// Case 55, with both line ends.
#[test]
fn a_client_that_says_everything_at_once() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for ends in ["\n", "\r\n"] {
        let ended = run(program.named("sendmail").args(["-bs", "-odb", "-oem"]), all(DIALOGUE, ends).as_bytes());
        let wanted: Vec<u16> = [220].into_iter().chain(DIALOGUE.iter().map(|(_, code)| *code)).collect();
        assert_eq!((codes(&ended.stdout), ended.code(), ended.stderr.as_str()), (wanted, 0, ""));
        assert_eq!(relay.take().mail().text(), ".dot\r\n");
    }
}

/// Case 55, the variant.
#[test]
fn an_end_of_input_inside_a_message_sends_nothing() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let cut = all(&DIALOGUE[..4], "\r\n") + "Subject: s\r\n\r\nhalf a line";
    let ended = run(program.named("sendmail").arg("-bs"), cut.as_bytes());
    assert_eq!((codes(&ended.stdout), ended.code()), (vec![220, 250, 250, 250, 354], 65));
    assert!(ended.stderr.contains("nothing of that message was sent"), "{}", ended.stderr);
    relay.take().assert_nothing();
}

#[test]
fn an_end_of_input_between_commands_is_a_farewell() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for input in ["", "NOOP\r\n", "EHLO x.test\r\nMAIL FROM:<a@o.test>\r\n"] {
        let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
        assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""), "{input}");
    }
    relay.take().assert_nothing();
}

/// What a pipe cannot have is not offered.
#[test]
fn ehlo_offers_no_tls_and_no_login() {
    let program = Program::to((Ipv4Addr::LOCALHOST, 1).into());
    let ended =
        run(program.named("sendmail").arg("-bs"), b"EHLO x.test\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\nQUIT\r\n");
    for keyword in ["PIPELINING", "8BITMIME", "SIZE", "DSN", "SMTPUTF8", "ENHANCEDSTATUSCODES"] {
        assert!(ended.stdout.contains(&format!("250-{keyword}")) || ended.stdout.contains(&format!("250 {keyword}")));
    }
    assert!(!ended.stdout.contains("250-STARTTLS") && !ended.stdout.contains("250-AUTH"), "{}", ended.stdout);
    assert_eq!(codes(&ended.stdout), [220, 250, 502, 502, 221]);
}

/// 250 means that a server has it; everything else says what the server said.
#[test]
fn the_reply_to_the_message_is_the_servers_verdict() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let table: &[(&[&str], u16, &[&str])] = &[
        (&["defer-451@x.test"], 451, &["451 4.0.0 defer-451@x.test: ", "451 4.0.0 not now"]),
        (&["refuse-550@x.test"], 554, &["554 5.1.1 refuse-550@x.test: ", "550 5.1.1 refused"]),
        (&["data-refuse-554@x.test"], 554, &["554 5.0.0 data-refuse-554@x.test: ", "554 5.0.0 refused"]),
        (&["a@x.test", "refuse-550@x.test"], 554, &["1 of 2 recipients got it", "refuse-550@x.test"]),
        (&["a@x.test", "defer-451@x.test"], 554, &["1 of 2 recipients got it", "defer-451@x.test"]),
        (&["refuse-550@x.test", "refuse-552@x.test"], 554, &["554 5.0.0 "]),
        (&["a@x.test", "b"], 250, &["250 2.0.0 "]),
    ];
    for (recipients, code, words) in table {
        let rcpt: String = recipients.iter().map(|to| format!("RCPT TO:<{to}>\r\n")).collect();
        let input = format!("HELO x\r\nMAIL FROM:<>\r\n{rcpt}DATA\r\nSubject: s\r\n\r\nb\r\n.\r\nNOOP\r\nQUIT\r\n");
        let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
        let said: Vec<&str> = ended.stdout.lines().skip(4 + recipients.len()).collect();
        assert!(said[0].starts_with(&code.to_string()), "{recipients:?}: {said:?}");
        assert!(words.iter().all(|word| said[0].contains(word)), "{recipients:?}: {said:?}");
        assert!(!said[0].starts_with("250 2.0.0 2."), "{said:?}");
        assert_eq!((codes(&said[1..].join("\n")), ended.code()), (vec![250, 221], 0));
        assert!(relay.take().mails.iter().all(|mail| mail.sender.is_empty()));
    }
}

/// A client is told of what is no address while it can still send to the others.
#[test]
fn what_is_no_address_is_refused_at_its_command() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let input = "EHLO x\r\nMAIL FROM:<a b@o.test>\r\nMAIL FROM:<a@o.test>\r\nRCPT TO:<a@@x.test>\r\nRCPT TO:<|cmd>\r\n\
        RCPT TO:<a@x.test, b@x.test>\r\nRCPT TO:<b@x.test>\r\nRCPT TO:<root>\r\nDATA\r\n\r\nb\r\n.\r\nQUIT\r\n";
    let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
    let wanted = vec![220, 250, 501, 250, 501, 501, 501, 250, 250, 354, 250, 221];
    assert_eq!((codes(&ended.stdout), ended.code()), (wanted, 0), "{}", ended.stdout);
    assert!(ended.stdout.contains("501 5.1.3 'a@@x.test': more than one @\r\n"), "{}", ended.stdout);
    assert_eq!(relay.take().mail().recipients, ["b@x.test", "root@example.org"]);
}

/// P-272 P-274: what the client wishes of notifications is told the server, for each recipient by itself.
#[test]
fn wishes_of_the_client_reach_the_server() {
    let relay = Relay::start(plain());
    let program =
        Program::with(&format!("server = \"smtp://{}\"\ntls = \"none\"\naliases = \"aliases\"\n", relay.wire.address));
    program.file("aliases", "crew: c@x.test, d@x.test\n");
    let input = "EHLO x\r\nMAIL FROM:<a@o.test> RET=HDRS ENVID=a+2Bb SMTPUTF8 BODY=8BITMIME\r\n\
        RCPT TO:<\u{f6}@x.test> NOTIFY=SUCCESS,DELAY\r\nRCPT TO:<b@x.test> ORCPT=rfc822;o+2Bx@o.test\r\n\
        RCPT TO:<crew> NOTIFY=NEVER\r\nRCPT TO:<e@x.test>\r\nDATA\r\nSubject: \u{f6}\r\n\r\n\u{f6}\r\n.\r\nQUIT\r\n";
    let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
    assert_eq!(codes(&ended.stdout), [220, 250, 250, 250, 250, 250, 250, 354, 250, 221], "{}", ended.stdout);
    let seen = relay.take();
    let said = String::from_utf8(seen.wire.octets.clone()).unwrap();
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("MAIL") || line.starts_with("RCPT")).collect();
    assert!(lines[0].ends_with(" BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb"), "{lines:?}");
    let mut recipients = lines[1..].to_vec();
    recipients.sort_unstable();
    let crew = |to: &str| format!("RCPT TO:<{to}@x.test> NOTIFY=NEVER ORCPT=rfc822;crew@");
    assert_eq!(recipients[0], "RCPT TO:<b@x.test> ORCPT=rfc822;o+2Bx@o.test");
    assert!(recipients[1].starts_with(&crew("c")) && recipients[2].starts_with(&crew("d")), "{recipients:?}");
    assert_eq!(recipients[3], "RCPT TO:<e@x.test>");
    assert_eq!(recipients[4], "RCPT TO:<\u{f6}@x.test> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\u{f6}@x.test");
}

/// P-284: an address for which the server lacks SMTPUTF8 is refused with the code for that.
#[test]
fn an_address_that_the_server_cannot_have_is_refused_with_its_code() {
    let relay = Relay::start(Options { extensions: vec![Extension::Size], ..plain() });
    let program = Program::to(relay.wire.address);
    let input = "EHLO x\r\nMAIL FROM:<a@o.test> SMTPUTF8\r\nRCPT TO:<\u{f6}@x.test>\r\nDATA\r\n\r\nb\r\n.\r\nQUIT\r\n";
    let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
    assert!(ended.stdout.contains("\r\n554 5.6.7 "), "{}", ended.stdout);
}

/// One process serves many messages, some of which fail.
#[test]
fn many_messages_in_one_session() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let mut input = "EHLO x.test\n".to_owned();
    for number in 0..120 {
        let to = if number % 10 == 9 { "refuse-550" } else { "bob" };
        input += &format!("MAIL FROM:<a@o.test>\nRCPT TO:<{to}@x.test>\nDATA\nSubject: {number}\n\nb\n.\n");
    }
    input += "QUIT\n";
    let mut command = program.in_shell("ulimit -n 64; exec \"$@\"", &["-bs"]);
    let ended = run(&mut command, input.as_bytes());
    let count = |code: u16| codes(&ended.stdout).into_iter().filter(|it| *it == code).count();
    assert_eq!((ended.code(), count(354), count(554), count(221)), (0, 120, 12, 1), "{}", ended.stdout);
    let subjects: Vec<String> = relay.take().mails.iter().map(|mail| mail.field("Subject")).collect();
    let wanted: Vec<String> = (0..120).filter(|number| number % 10 != 9).map(|number| number.to_string()).collect();
    assert_eq!(subjects, wanted);
}

#[test]
fn trouble_with_the_account_is_told_in_smtp() {
    let relay = Relay::start(guarded("alice", "right"));
    let program = Program::with(&relay.login("alice", "wrong"));
    program.file("ca.pem", &relay.pem);
    let ended = run(program.named("sendmail").arg("-bs"), all(DIALOGUE, "\r\n").as_bytes());
    assert_eq!((codes(&ended.stdout), ended.code()), (vec![220, 250, 250, 250, 354, 451, 250, 221], 0));
    assert!(ended.stdout.contains("535 "), "{}", ended.stdout);
    let ended = run(Program::with("serve = \"x\"\n").named("sendmail").arg("-bs"), b"QUIT\r\n");
    assert!(ended.stdout.starts_with("421 4.3.5 ") && ended.stdout.lines().count() == 1, "{}", ended.stdout);
    assert_eq!(ended.code(), 78);
}

/// The log tells of a message that no server was asked about.
#[test]
fn a_message_that_cannot_be_sent_is_logged() {
    let program = Program::with("");
    let settings = "server = \"smtp://127.0.0.1:1\"\ntls = \"none\"\naliases = \"aliases\"\nlog-file = \"log\"\n";
    std::fs::write(program.config(), settings).unwrap();
    program.file("aliases", "prog: |/bin/true\n");
    let input = "HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<prog>\r\nDATA\r\n\r\nb\r\n.\r\nQUIT\r\n";
    let ended = run(program.named("sendmail").arg("-bs"), input.as_bytes());
    assert_eq!((codes(&ended.stdout), ended.code()), (vec![220, 250, 250, 250, 354, 554, 221], 0));
    let log = std::fs::read_to_string(program.path("log")).unwrap();
    assert!(log.contains(" result=failed exit=67 reason=\"the alias prog in "), "{log}");
}
