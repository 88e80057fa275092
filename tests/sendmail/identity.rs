//! Under which address mail goes out: the rules of identity by the doors of the program, and a smarthost that takes one
//! sender alone.

use posthaste::system::User;

use super::program::{Program, run};
use super::relay::{Relay, plain};
use super::strict::{OWN, Strict};

const CRON: &[u8] = b"From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@nas1> backup\n\nfailed\n";
const README: &str = include_str!("../../README.md");

/// What the README tells an administrator to write beside the server and the mail domain, and the aliases.
fn three() -> String {
    let section = README.split("## A smarthost that takes one sender\n").nth(1).unwrap();
    let block = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let beside = |line: &&str| !["server = ", "password-", "mail-domain = "].iter().any(|key| line.starts_with(key));
    let lines: String = block.lines().filter(beside).map(|line| format!("{line}\n")).collect();
    assert_eq!(lines, "from = \"alice@example.org\"\nrewrite-from = \"name\"\n");
    lines + "aliases = \"aliases\"\n"
}

fn strict(server: &Strict, settings: &str) -> Program {
    let program = Program::with(&format!("server = \"smtp://{}\"\ntls = \"none\"\n{settings}", server.address));
    program.file("aliases", "root: alice@example.org\n");
    program
}

fn header(octets: &[u8], name: &str) -> String {
    let parsed = mail_parser::MessageParser::default().parse(octets).unwrap();
    let raw = parsed.header_raw(name).unwrap_or_default();
    raw.trim().to_owned()
}

fn host() -> String {
    let node = posthaste::system::Machine::default().host_name();
    node.split('.').next().unwrap().to_owned()
}

#[test]
fn mail_of_cron_and_root_passes_a_strict_smarthost() {
    let server = Strict::start();
    let program = strict(&server, &three());
    let host = host();
    // As cron of Debian, cronie, at, a shell, PHP and somebody without a sender call it.
    for (args, input, author) in [
        (&["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"][..], CRON, format!("Cron Daemon on {host} <{OWN}>")),
        (
            &["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "root"],
            b"From: \"(Cron Daemon)\" <root>\nTo: root\n\nb\n",
            format!("\"(Cron Daemon) on {host}\" <{OWN}>"),
        ),
        (&["-i", "root"], b"Subject: Output from your job 1\nTo: root\n\nb\n", OWN.to_owned()),
        (&["root"], b"b\n", OWN.to_owned()),
        (
            &["-t", "-i", "-fwww-data"],
            b"To: root\r\nSubject: s\r\nFrom: Shop <shop@other.test>\r\n\r\nb\n",
            format!("\"Shop (shop@other.test)\" <{OWN}>"),
        ),
    ] {
        program.sendmail(args, input).assert_silent_success();
        let taken = server.take();
        assert_eq!((taken.len(), taken[0].recipients.join(" ").as_str()), (1, OWN), "{args:?}");
        assert_eq!(header(&taken[0].octets, "From"), author);
    }
    // The other doors.
    let ended = run(&mut program.posthaste(&["send", "--from", "root", "--to", "root", "-s", "s", "-b", "b"]), b"");
    ended.assert_silent_success();
    assert_eq!(header(&server.take()[0].octets, "From"), format!("root on {host} <{OWN}>"));
    let file = program.file("batch.eml", CRON);
    run(&mut program.posthaste(&["send", "--batch", file.to_str().unwrap()]), b"").assert_silent_success();
    assert_eq!(header(&server.take()[0].octets, "From"), format!("Cron Daemon on {host} <{OWN}>"));
    let dialogue = "HELO x\nMAIL FROM:<root@nas1.lan>\nRCPT TO:<root>\nDATA\nFrom: root\n\nb\n.\nQUIT\n";
    let ended = run(program.named("sendmail").arg("-bs"), dialogue.as_bytes());
    assert!(ended.stdout.contains("250 2.0.0 taken"), "{}", ended.stdout);
    assert_eq!(header(&server.take()[0].octets, "From"), format!("root on {host} <{OWN}>"));
}

#[test]
fn without_the_rule_a_strict_smarthost_refuses_and_the_hint_names_the_cure() {
    let server = Strict::start();
    let program = strict(&server, "aliases = \"aliases\"\n");
    program.sendmail(&["root"], CRON).assert_failure(69, &["not owned by user", "rewrite-from"]);
    // The envelope is not enough.
    let program = strict(&server, "from = \"alice@example.org\"\naliases = \"aliases\"\n");
    program.sendmail(&["root"], CRON).assert_failure(69, &["5.7.60", "rewrite-from"]);
    // Nobody is refused too, unless the envelope is forced.
    let program = strict(&server, &three());
    program.sendmail(&["-f", "", "root"], CRON).assert_failure(69, &["not owned by user"]);
    assert!(server.take().is_empty());
    let program = strict(&server, &format!("{}envelope-from = \"alice@example.org\"\n", three()));
    program.sendmail(&["-f", "", "root"], CRON).assert_silent_success();
    assert_eq!(server.take().len(), 1);
}

#[test]
fn patterns_are_filled_in_with_the_caller_and_the_machine() {
    let relay = Relay::start(plain());
    let settings = |rules: &str| format!("server = \"smtp://{}\"\ntls = \"none\"\n{rules}", relay.wire.address);
    let login = User::current().login;
    Program::with(&settings("from = \"%u.%h@%d\"\n")).sendmail(&["bob@x.test"], CRON).assert_silent_success();
    let mail = relay.take().mail();
    assert_eq!(mail.sender, format!("{login}.{}@example.org", host()));
    assert_eq!(mail.field("From"), "root@example.org (Cron Daemon)", "no rule is about From");
    Program::with(&settings("envelope-from = \"%u+bounces\"\n"))
        .sendmail(&["-f", "bob@x.test", "bob@x.test"], CRON)
        .assert_silent_success();
    assert_eq!(relay.take().mail().sender, format!("{login}+bounces@example.org"));
    // A pattern with names in it chooses an account as any other does.
    let accounts = "[account.a]\nserver = \"smtp://127.0.0.1:1\"\n[account.b]\nfrom = \"%u-jobs@example.org\"\n";
    let program = Program::with(&format!("{accounts}server = \"smtp://{}\"\ntls = \"none\"\n", relay.wire.address));
    program.sendmail(&["-f", &format!("{login}-jobs"), "bob@x.test"], CRON).assert_silent_success();
    assert_eq!(relay.take().mail().sender, format!("{login}-jobs@example.org"));
}

#[test]
fn a_map_says_under_which_address_each_user_sends() {
    let relay = Relay::start(plain());
    let login = User::current().login;
    let settings = format!(
        "server = \"smtp://{}\"\ntls = \"none\"\nfrom = \"alice@example.org\"\nsender-map = \"{login}: alerts@example.org\"\n\
         sender-map-file = \"senders\"\n",
        relay.wire.address
    );
    let program = Program::with(&settings);
    let file = program.file("senders", "# who: under which address\n\nwww-data web@example.org\n@nas1.lan:\tnas1@%d\n");
    // The caller, before the default of the account; the name of the caller remains.
    program.sendmail(&["-F", "Nightly", "bob@x.test"], "Subject: s\n\nb\n").assert_silent_success();
    let mail = relay.take().mail();
    assert_eq!(
        (mail.sender.as_str(), mail.field("From").as_str()),
        ("alerts@example.org", "Nightly <alerts@example.org>")
    );
    program.sendmail(&["-fwww-data", "bob@x.test"], "From: x@nas1.lan\n\nb\n").assert_silent_success();
    let mail = relay.take().mail();
    assert_eq!((mail.sender.as_str(), mail.field("From").as_str()), ("web@example.org", "nas1@example.org"));
    // A line that says nothing stops all mail, with its place.
    std::fs::write(&file, "www-data: web@example.org\nroot: a@@b\n").unwrap();
    program.sendmail(&["bob@x.test"], "b\n").assert_failure(78, &["senders:2:1: ", "makes no address"]);
    std::fs::remove_file(&file).unwrap();
    program.sendmail(&["bob@x.test"], "b\n").assert_failure(78, &["config.toml:", "senders"]);
    relay.take().assert_nothing();
}

#[test]
fn aliases_are_written_into_to_and_cc_where_that_is_asked_for() {
    let relay = Relay::start(plain());
    let server = format!("server = \"smtp://{}\"\ntls = \"none\"\naliases = \"aliases\"\n", relay.wire.address);
    let file = "root: alice@x.test\nteam: bob@x.test, root\nnobody: /dev/null\n";
    let message =
        "To: root (Admin), Team <team>, team\nCc: nobody, \\root, root@example.org\nReply-To: root\nBcc: root\n\nb\n";
    for (word, to, cc) in [
        (
            "envelope",
            "root@example.org (Admin), Team <team@example.org>, team@example.org",
            "nobody@example.org, root@example.org, root@example.org",
        ),
        (
            "envelope-and-header",
            "alice@x.test (Admin), Team <team@example.org>, bob@x.test, alice@x.test",
            "nobody@example.org, root@example.org, root@example.org",
        ),
    ] {
        let program = Program::with(&format!("{server}aliases-in = \"{word}\"\n"));
        program.file("aliases", file);
        program.sendmail(&["-t"], message).assert_silent_success();
        let mail = relay.take().mail();
        assert_eq!((mail.field("To").as_str(), mail.field("Cc").as_str()), (to, cc), "{word}");
        assert_eq!(mail.field("Reply-To"), "root@example.org");
        let mut recipients = mail.recipients.clone();
        recipients.sort();
        // The group in brackets is in the envelope in any case.
        assert_eq!(recipients, ["alice@x.test", "bob@x.test", "root@example.org"], "{word}");
        program.sendmail(&["-n", "-t"], message).assert_silent_success();
        assert!(relay.take().mail().field("To").starts_with("root@example.org"), "-n");
    }
}

#[test]
fn text_that_is_not_utf8_is_called_what_the_configuration_says() {
    let relay = Relay::start(plain());
    let server = format!("server = \"smtp://{}\"\ntls = \"none\"\n", relay.wire.address);
    for (settings, body, charset) in [
        ("", &b"\xfcber\n"[..], "unknown-8bit"),
        ("charset = \"ISO-8859-15\"\n", b"\xfcber\n", "iso-8859-15"),
        ("charset = \"ISO-8859-15\"\n", b"\xc3\xbcber\n", "utf-8"),
    ] {
        let program = Program::with(&format!("{server}{settings}"));
        program.sendmail(&["bob@x.test"], [b"Subject: s\n\n", body].concat()).assert_silent_success();
        let mail = relay.take().mail();
        assert_eq!(mail.field("Content-Type"), format!("text/plain; charset={charset}"));
        assert_eq!(mail.body(), [body.trim_ascii_end(), b"\r\n"].concat());
    }
    // What says what it is stays.
    let program = Program::with(&format!("{server}charset = \"iso-8859-15\"\n"));
    let labelled = b"MIME-Version: 1.0\nContent-Type: text/plain; charset=koi8-r\n\n\xfc\n";
    program.sendmail(&["bob@x.test"], labelled).assert_silent_success();
    assert_eq!(relay.take().mail().field("Content-Type"), "text/plain; charset=koi8-r");
    // And where the body is encoded, for its lines are too long, the name is the same.
    program
        .sendmail(&["bob@x.test"], [b"Subject: s\n\n", &b"\xfc".repeat(1200)[..], b"\n"].concat())
        .assert_silent_success();
    let mail = relay.take().mail();
    assert_eq!(mail.field("Content-Type"), "text/plain; charset=iso-8859-15");
    assert_eq!(mail.decoded(), format!("{}\n", "\u{fc}".repeat(1200)));
}

#[test]
fn rewrite_prints_the_message_or_what_was_changed() {
    let program = Program::with(&format!("server = \"smtp://127.0.0.1:1\"\n{}masquerade = \"nas1.lan\"\n", three()));
    program.file("aliases", "root: alice@example.org\n");
    let host = host();
    let explain = |args: &[&str], input: &[u8]| {
        let mut command = program.posthaste(&["rewrite", "--explain"]);
        let ended = run(command.args(args), input);
        assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""));
        ended.stdout
    };
    let input = b"Date: d\nMessage-ID: <i@x>\nFrom: root@nas1.lan\nTo: root,\n\tb@nas1.lan\nBcc: c@x.test\n\nb\n";
    let expected = format!(
        "@@ aliases @@\n-RCPT TO:<root@example.org>\n+RCPT TO:<alice@example.org>\n\
         @@ header @@\n-To: root,\n-\tb@nas1.lan\n+To: root@example.org,\n+\tb@nas1.lan\n-Bcc: c@x.test\n\
         @@ masquerade @@\n-MAIL FROM:<root@nas1.lan>\n+MAIL FROM:<root@example.org>\n\
         -From: root@nas1.lan\n+From: root@example.org\n\
         -To: root@example.org,\n-\tb@nas1.lan\n+To: root@example.org,\n+\tb@example.org\n\
         @@ rewrite-from @@\n-MAIL FROM:<root@example.org>\n+MAIL FROM:<alice@example.org>\n\
         -From: root@example.org\n+From: root on {host} <alice@example.org>\n"
    );
    assert_eq!(explain(&["-t", "-i", "-f", "root@nas1.lan"], input), expected);
    assert_eq!(explain(&["-f", "root@nas1.lan"], input), expected, "without recipients the header has them");
    let plain = b"Date: d\nMessage-ID: <i@x>\nFrom: alice@example.org\nTo: b@x.test\n\nb\n";
    assert_eq!(explain(&["-f", "alice@example.org"], plain), "# nothing is changed\n");
    let signed = [b"DKIM-Signature: v=1\n", &plain[..]].concat();
    assert!(explain(&["-f", "alice@example.org"], &signed).ends_with("for it bears a DKIM signature\n"));
    // A terminal is safe from what stands in a message.
    let hostile = [b"Return-Path: \x1b[2J\xff\n", &plain[..]].concat();
    let shown = explain(&["-f", "alice@example.org"], &hostile);
    assert_eq!(shown, "@@ header @@\n-Return-Path: \\x1b[2J\\xff\n");
    // Without --explain it is the message, to the octet.
    let ended = run(program.posthaste(&["rewrite"]).arg("-falice@example.org"), plain);
    assert_eq!(ended.stdout.as_bytes(), [&plain[..plain.len() - 3], b"\r\nb\n"].concat());
    let ended = run(&mut program.posthaste(&["rewrite", "-bp"]), b"");
    assert_eq!(ended.code(), 64);
    let ended = run(&mut program.posthaste(&["rewrite", "--bogus"]), b"");
    assert_eq!(ended.code(), 64, "{}", ended.stderr);
}

#[test]
fn names_of_the_caller_cannot_break_a_header() {
    let server = Strict::start();
    let program = strict(&server, &three());
    for name in
        ["a\" <x@evil.test>, \"b", "a\nBcc: evil@x.test", "J\u{f6}rg, \"Q\"", "\u{202e}x", "=?utf-8?Q?a?=\"", "(c"]
    {
        let ended = run(
            program.named("sendmail").env("NAME", name).args(["-f", "root", "-F", name, "root"]),
            b"Subject: s\n\nb\n",
        );
        ended.assert_silent_success();
        let taken = server.take();
        assert_eq!(taken.len(), 1, "{name:?}");
        assert_eq!(header(&taken[0].octets, "Bcc"), "");
    }
}
