//! `posthaste send`: people read what it says, and programs its JSON.

use posthaste::server::options::{Extension, Options};
use posthaste::server::transaction::Return;

use super::program::{Ended, Program, me, run};
use super::relay::{Relay, guarded, plain};

fn send(program: &Program, args: &[&str]) -> Ended {
    run(&mut program.posthaste(&[&["send"], args].concat()), b"")
}

fn json(ended: &Ended) -> Vec<serde_json::Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_message_from_arguments_arrives() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let args = ["--to", "Bob <bob@x.test>", "--bcc", "c@x.test", "--subject", "Grüße", "--body", "h\n.\ni\n"];
    let ended = send(&program, &args);
    ended.assert_silent_success();
    let mail = relay.take().mail();
    mail.assert_clean();
    assert_eq!((mail.sender.as_str(), mail.decoded().as_str()), (me().as_str(), "h\n.\ni\n"));
    assert_eq!(mail.recipients, ["bob@x.test", "c@x.test"]);
    assert!(mail.fields("Bcc").is_empty());
}

/// P-272: from the flags, else from the configuration, to the relay.
#[test]
fn notifications_are_asked_for() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let asked = |args: &[&str]| {
        let args = [&["--to", "bob@x.test", "--body", "b"], args].concat();
        let variables = [("POSTHASTE_DSN_NOTIFY", "never"), ("POSTHASTE_DSN_RETURN", "full")];
        let mut command = program.posthaste(&[&["send"], &args[..]].concat());
        run(command.envs(variables), b"").assert_silent_success();
        let envelope = relay.take().mail().envelope;
        (envelope.recipients[0].notify.clone(), envelope.ret, envelope.envid)
    };
    let all = ["--dsn-notify", "success,failure", "--dsn-return", "hdrs", "--dsn-envid", "order 4711"];
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(asked(&all), (text("SUCCESS,FAILURE"), Some(Return::Hdrs), text("order+204711")));
    assert_eq!(asked(&[]), (text("NEVER"), Some(Return::Full), None));
    assert_eq!(asked(&["--dsn-notify", "off", "--dsn-return", "OFF"]), (None, None, None));
}

/// P-283 P-284 P-285: an address goes in UTF-8 only where its name needs it, and to nobody who does not take it.
#[test]
fn addresses_outside_ascii_are_sent_where_they_are_taken() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let args = |to: &'static str| ["--from", "j\u{f6}@b\u{fc}cher.test", "--to", to, "--body", "b"];
    send(&program, &args("J\u{f6}s <\u{3b4}@x.test>")).assert_silent_success();
    let seen = relay.take();
    assert!(
        seen.wire.has("SMTPUTF8\r\nRCPT TO:<\u{3b4}@x.test>\r\n".as_bytes()),
        "{}",
        seen.wire.octets.escape_ascii()
    );
    let mail = seen.mail();
    assert_eq!((mail.sender.as_str(), mail.recipients[0].as_str()), ("j\u{f6}@xn--bcher-kva.test", "\u{3b4}@x.test"));
    assert_eq!(mail.field("To"), "=?utf-8?B?SsO2cw==?= <\u{3b4}@x.test>");
    let args = ["--from", "bob@b\u{fc}cher.test", "--to", "\"\u{fc}\" <a@b\u{fc}cher.test>", "--body", "b"];
    send(&program, &args).assert_silent_success();
    let seen = relay.take();
    assert!(seen.wire.octets.is_ascii() && !seen.wire.has(b" SMTPUTF8\r\nRCPT"));

    let relay = Relay::start(Options { extensions: vec![Extension::Pipelining], ..plain() });
    let program = Program::to(relay.wire.address);
    let ended = send(&program, &["--to", "\u{3b4}@x.test", "--body", "b"]);
    assert_eq!(ended.code(), 65);
    assert!(ended.stderr.contains("\u{3b4}@x.test: the recipient's address is not ASCII"), "{}", ended.stderr);
    assert!(ended.stderr.contains("SMTPUTF8 (5.6.7)\n  hint: "), "{}", ended.stderr);
    relay.take().assert_nothing();
}

/// P-294 P-295 P-296 P-297: from the flags to the relay, or refused.
#[test]
fn wishes_reach_a_relay_that_offers_them() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let to = ["--to", "bob@x.test", "--body", "b"];
    let wishes = |args: &[&str]| {
        send(&program, &[&to, args].concat()).assert_silent_success();
        relay.take().mail().envelope.wishes
    };
    assert_eq!(wishes(&["--deliver-by", "-30,notify", "--mt-priority", "-4"]), ["BY=-30;N", "MT-PRIORITY=-4"]);
    assert_eq!(wishes(&["--hold-for", "2h"]), ["HOLDFOR=7200"]);
    assert_eq!(wishes(&["--hold-until", "2030-01-01T00:00:00+01:00"]), ["HOLDUNTIL=2029-12-31T23:00:00Z"]);
    for (args, exit, words) in [
        (&["--require-tls"][..], 69, "(5.7.10)"),
        (&["--deliver-by", "0"], 64, "no time left"),
        (&["--mt-priority", "10"], 64, "from -9 to 9"),
        (&["--hold-for", "1h", "--hold-until", "2030-01-01T00:00:00Z"], 64, "cannot be used with"),
        (&["--hold-for", "1h", "--envelope-from", ""], 64, "cannot be held"),
    ] {
        let ended = send(&program, &[&to, args].concat());
        assert_eq!(ended.code(), exit, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        relay.take().assert_nothing();
    }
}

/// P-297: nothing goes to the server that cannot, and the message to the next one that can.
#[test]
fn another_server_may_offer_what_one_does_not() {
    let without = Relay::start(Options { extensions: vec![Extension::Pipelining], ..plain() });
    let with = Relay::start(plain());
    let servers = format!("smtp://{} smtp://{}", without.wire.address, with.wire.address);
    let program = Program::to(with.wire.address);
    let mut command = program.posthaste(&["send", "--to", "bob@x.test", "--body", "b", "--hold-for", "60"]);
    run(command.env("POSTHASTE_SERVER", servers), b"").assert_silent_success();
    without.take().assert_nothing();
    assert_eq!(with.take().mail().envelope.wishes, ["HOLDFOR=60"]);
}

/// P-299: a server's word on how much it takes.
#[test]
fn a_message_to_many_goes_in_as_many_transactions_as_the_relay_wants() {
    let relay = Relay::start(Options { max_recipients: 2, ..plain() });
    let program = Program::to(relay.wire.address);
    let to: Vec<String> = (1..=5).map(|number| format!("--to=r{number}@x.test")).collect();
    let args: Vec<&str> = to.iter().map(String::as_str).chain(["--body", "b"]).collect();
    send(&program, &args).assert_silent_success();
    let seen = relay.take();
    assert_eq!(seen.mails.iter().map(|mail| mail.recipients.len()).collect::<Vec<_>>(), [2, 2, 1]);
    assert!(!seen.wire.has(b"RSET"));
}

/// P-276
#[test]
fn a_person_is_told_that_nobody_is_asked_for_notifications() {
    let relay = Relay::start(Options { extensions: vec![Extension::Pipelining], ..plain() });
    let program = Program::to(relay.wire.address);
    let ended = send(&program, &["--to", "bob@x.test", "--body", "b", "--dsn-notify", "success"]);
    let told = "posthaste: the server does not offer DSN: nobody asks it for notifications\n";
    assert_eq!((ended.code(), ended.stderr.as_str()), (0, told));
    assert_eq!(relay.take().mail().envelope.recipients[0].notify, None);
}

#[test]
fn json_has_an_object_for_each_recipient() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let to = ["--to", "a@x.test", "--to", "refuse-550@x.test", "--to", "defer-451@x.test", "--body", "b", "--json"];
    let ended = send(&program, &to);
    assert_eq!((ended.code(), ended.stderr.as_str()), (75, ""));
    let objects = json(&ended);
    let told: Vec<_> = objects
        .iter()
        .map(|object| {
            let text = |key: &str| object[key].as_str().unwrap().to_owned();
            (text("recipient"), text("verdict"), object["code"].as_u64().unwrap(), object["exit"].as_u64().unwrap())
        })
        .collect();
    let row = |recipient: &str, verdict: &str, code, exit| (recipient.to_owned(), verdict.to_owned(), code, exit);
    assert_eq!(
        told,
        [
            row("a@x.test", "accepted", 250, 0),
            row("refuse-550@x.test", "failed", 550, 67),
            row("defer-451@x.test", "deferred", 451, 75),
        ]
    );
    assert_eq!(objects[1]["server"].as_str().unwrap(), relay.wire.address.to_string());
    assert_eq!(relay.take().mail().recipients, ["a@x.test"]);
}

#[test]
fn a_dry_run_shows_the_message_and_opens_no_connection() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let ended =
        send(&program, &["--to", "a@x.test", "--bcc", "b@x.test", "--subject", "s", "--body", "b", "--dry-run"]);
    assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""));
    let head = format!("MAIL FROM:<{}>\nRCPT TO:<a@x.test>\nRCPT TO:<b@x.test>\n\n", me());
    let message = ended.stdout.strip_prefix(&head).unwrap();
    assert!(message.contains("Subject: s\r\n") && !message.to_lowercase().contains("bcc:"), "{message}");
    assert_eq!(relay.take().wire.connections, 0);
}

#[test]
fn an_account_is_chosen_by_name() {
    let (first, second) = (Relay::start(plain()), Relay::start(plain()));
    let table = |name: &str, relay: &Relay| {
        format!(
            "[account.{name}]\nserver = \"smtp://{}\"\ntls = \"none\"\nfrom = \"{name}@o.test\"\n",
            relay.wire.address
        )
    };
    let settings = format!("default = \"one\"\n{}{}", table("one", &first), table("two", &second));
    let program = Program::with(&settings);
    run(&mut program.posthaste(&["-a", "two", "send", "--to", "a@x.test", "--body", "b"]), b"").assert_silent_success();
    assert_eq!(second.take().mail().sender, "two@o.test");
    run(&mut program.posthaste(&["send", "--to", "a@x.test", "--body", "b"]), b"").assert_silent_success();
    assert_eq!(first.take().mail().sender, "one@o.test");
    // The drop-in too, by the sender that is given to it.
    program.sendmail(&["-f", "two@o.test", "a@x.test"], "b\n").assert_silent_success();
    assert_eq!(second.take().mail().sender, "two@o.test");
    let ended = run(&mut program.posthaste(&["-a", "three", "send", "--to", "a@x.test", "--body", "b"]), b"");
    assert_eq!(ended.code(), 78);
    assert!(ended.stderr.contains("three") && ended.stderr.contains("two"), "{}", ended.stderr);
}

/// P-421
#[test]
fn exit_codes_and_hints() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for (to, code, words) in [
        ("refuse-550@x.test", 67, "\n  hint: There is no such mailbox."),
        ("refuse-550@x.test, refuse-553@x.test", 67, "refuse-553@x.test"),
        ("refuse-550@x.test, refuse-554@x.test", 69, "refuse-554@x.test"),
        ("defer-451@x.test", 75, "451 4.0.0"),
        ("data-refuse-554@x.test", 69, "554 5.0.0"),
        ("a@@x.test", 65, "a@@x.test"),
    ] {
        let ended = send(&program, &["--to", to, "--body", "b"]);
        assert_eq!((ended.code(), ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert!(relay.take().mails.is_empty());
    }
}

#[test]
fn a_wrong_password_gets_a_hint() {
    let relay = Relay::start(guarded("alice", "right"));
    let program = Program::with(&relay.login("alice", "wrong"));
    program.file("ca.pem", &relay.pem);
    let ended = send(&program, &["--to", "a@x.test", "--body", "b"]);
    assert_eq!((ended.code(), ended.stdout.as_str()), (77, ""), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("535 ") && ended.stderr.contains("\n  hint: Check the user name"),
        "{}",
        ended.stderr
    );
    relay.take().assert_nothing();
    let right = Program::with(&relay.login("alice", "right"));
    right.file("ca.pem", &relay.pem);
    send(&right, &["--to", "a@x.test", "--body", "b"]).assert_silent_success();
    assert_eq!(relay.take().mail().user.as_deref(), Some("alice"));
}

/// A caller who sees a failure sends again, and the message would be there twice.
#[test]
fn a_message_that_was_accepted_is_no_failure_because_nobody_can_be_told() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let mut command = program.posthaste(&["send", "--json", "--to", "bob@x.test", "--body", "hi"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).stdin(std::process::Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("standard output"), "{stderr}");
    relay.take().mail();
}

#[test]
fn a_message_to_nobody_is_no_message() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for args in [["--to", "", "--body", "b"], ["--to", "undisclosed-recipients:;", "--body", "b"]] {
        for more in [&[][..], &["--dry-run"]] {
            let ended = send(&program, &[&args[..], more].concat());
            assert_eq!((ended.code(), ended.stdout.as_str()), (64, ""), "{}", ended.stderr);
            assert!(ended.stderr.contains("no recipients: --to, --cc and --bcc name nobody"), "{}", ended.stderr);
        }
    }
    relay.take().assert_nothing();
}

/// The shell took the quotes away. A user `Doe` here would have got the message too.
#[test]
fn a_comma_in_a_name_makes_no_recipient() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for to in ["Doe, John <john@x.test>", "bob@x.test, doe , john <john@x.test>", "Doe (Mr), John <john@x.test>"] {
        for option in ["--to", "--cc", "--bcc", "--reply-to"] {
            let ended = send(&program, &["--to", "a@x.test", option, to, "--body", "b"]);
            assert_eq!(ended.code(), 65, "{}", ended.stderr);
            assert!(
                ended.stderr.contains("must stand in quotes") && ended.stderr.contains("hint: "),
                "{}",
                ended.stderr
            );
            assert_eq!(relay.take().wire.connections, 0);
        }
    }
    for (to, recipients) in [
        ("\"Doe, John\" <john@x.test>", &["john@x.test"][..]),
        ("Doe, john@x.test", &["Doe@example.org", "john@x.test"]),
        ("doe@x.test, John <john@x.test>", &["doe@x.test", "john@x.test"]),
        ("<doe>, John <john@x.test>", &["doe@example.org", "john@x.test"]),
        ("doe, <john@x.test>", &["doe@example.org", "john@x.test"]),
        ("John <john@x.test>, doe", &["john@x.test", "doe@example.org"]),
    ] {
        send(&program, &["--to", to, "--body", "b"]).assert_silent_success();
        assert_eq!(relay.take().mail().recipients, recipients, "{to}");
    }
}
