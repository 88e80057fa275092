//! Servers that mean no good, or are broken.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;

use super::program::{Ended, Program, run};
use super::relay::{Relay, guarded, login};
use super::secrets::{PASSWORD, USER, secrets};
use super::wire::{Peer, Wire, holds};

const S: &[u8] = b"Subject: s\n\nb\n";

/// A server that takes a message, without an extension: its reply to each command, the greeting first.
const GOOD: [&str; 7] = ["220 x", "250 x", "250 ok", "250 ok", "354 go", "250 taken", "221 bye"];

/// Answers as a good server does as far as the reply to DATA, then takes the message.
fn good_to_the_end_of_data(peer: &mut Peer) -> io::Result<()> {
    peer.answer(&GOOD[..5])?;
    peer.message()
}

fn run_against(script: impl FnMut(&mut Peer) -> io::Result<()> + Send + 'static) -> (Ended, Wire) {
    let wire = Wire::open(script);
    let ended = Program::to(wire.address).sendmail(&["bob@x.test"], S);
    (ended, wire)
}

/// Otherwise the other tests could pass because of a script that no client could please.
#[test]
fn the_good_server_gets_the_message() {
    let (ended, wire) = run_against(|peer| {
        good_to_the_end_of_data(peer)?;
        peer.say("250 taken\r\n")
    });
    ended.assert_silent_success();
    let recorded = wire.take();
    assert!(recorded.has(b"\r\nSubject: s\r\n\r\nb\r\n.\r\n"), "{}", recorded.octets.escape_ascii());
}

/// P-091 P-104
#[test]
fn a_server_that_closes_is_a_reason_to_try_again() {
    // The replies that come before the server closes, and what the client says of it.
    let table = [
        (0, "while waiting for the greeting"),
        (1, "the reply to HELO"),
        (2, "the reply to MAIL FROM"),
        (3, "the reply to RCPT TO"),
        (4, "the reply to DATA"),
    ];
    for (replies, words) in table {
        let (ended, wire) = run_against(move |peer| {
            peer.answer(&GOOD[..replies])?;
            // What it closes upon.
            if replies > 0 { peer.line().map(drop) } else { Ok(()) }
        });
        ended.assert_failure(75, &["bob@x.test", words]);
        assert!(!wire.take().has(b"Subject"), "{words}");
    }
}

/// P-089 P-422
#[test]
fn no_answer_to_the_message_may_mean_that_it_was_delivered() {
    let (ended, wire) = run_against(good_to_the_end_of_data);
    ended.assert_failure(75, &["bob@x.test", "may have been delivered"]);
    assert_eq!(wire.take().connections, 1, "not sent twice");
}

/// P-086 P-091
#[test]
fn a_server_that_closes_in_the_middle_of_the_message_has_not_got_it() {
    let wire = Wire::open(|peer| {
        peer.answer(&GOOD[..5])?;
        peer.line().map(drop)
    });
    let input = [S, &b"a line\n".repeat(2_000_000)].concat();
    let ended = Program::to(wire.address).sendmail(&["bob@x.test"], &input);
    ended.assert_failure(75, &["bob@x.test"]);
}

/// P-070 P-071
#[test]
fn a_yes_before_the_end_of_the_message_counts_for_nothing() {
    // With the reply to DATA, and instead of it.
    for early in ["354 go\r\n250 taken\r\n", "250 taken\r\n"] {
        let (ended, wire) = run_against(move |peer| {
            peer.answer(&GOOD[..4])?;
            peer.line()?;
            peer.say(early)
        });
        ended.assert_failure(75, &["bob@x.test"]);
        assert!(!wire.take().has(b"\r\n.\r\n"), "the message was not ended");
    }
    // In the middle of a message that does not fit into any buffer on the way.
    let wire = Wire::open(|peer| {
        peer.answer(&GOOD[..5])?;
        peer.line()?;
        peer.say("250 taken\r\n")
    });
    let input = [S, &b"a line\n".repeat(2_000_000)].concat();
    let ended = Program::to(wire.address).sendmail(&["bob@x.test"], &input);
    ended.assert_failure(75, &["bob@x.test"]);
    assert!(!wire.take().has(b"\r\n.\r\n"), "the message was not ended");
}

/// P-243
#[test]
fn a_later_yes_does_not_undo_a_no() {
    let (ended, _wire) = run_against(|peer| {
        good_to_the_end_of_data(peer)?;
        peer.say("554 5.7.1 no\r\n250 yes\r\n221 bye\r\n")
    });
    ended.assert_failure(69, &["bob@x.test", "554 5.7.1 no"]);
}

/// P-020 P-199
#[test]
fn a_flood_ends_soon_and_does_not_fill_the_memory() {
    // What comes once, and what comes for ever.
    let floods: [(&str, &[u8]); 5] =
        [("250 ", b"x"), ("250-", b"\xff"), ("", b"x"), ("", b"250-x\r\n"), ("", b"250-\r\n")];
    for (begin, flood) in floods {
        for replies in [0, 1, 3, 5] {
            let block = flood.repeat(65536 / flood.len());
            let wire = Wire::open(move |peer| {
                peer.answer(&GOOD[..replies])?;
                if replies == 5 {
                    peer.message()?;
                } else if replies > 0 {
                    peer.line()?;
                }
                peer.say(begin)?;
                loop {
                    peer.say(&block)?;
                }
            });
            // KiB of memory for data that the system gives; beyond that it would be ended by SIGABRT.
            let script = "ulimit -d 16384; exec \"$@\"";
            let ended = run(&mut Program::to(wire.address).in_shell(script, &["bob@x.test"]), S);
            ended.assert_failure(75, &["bob@x.test"]);
            assert!(ended.stderr.len() < 2048, "{}", ended.stderr);
        }
    }
}

/// P-199
#[test]
fn challenges_without_end_are_given_up() {
    for challenge in ["334 \r\n", "334 VXNlcm5hbWU6\r\n", "334 !!!\r\n"] {
        let wire = Wire::open(move |peer| {
            peer.answer(&["220 x", "250-x\r\n250 AUTH LOGIN CRAM-MD5 PLAIN"])?;
            loop {
                peer.line()?;
                peer.say(challenge)?;
            }
        });
        let settings =
            format!("server = \"smtp://{}\"\ntls = \"none\"\nuser = \"u\"\npassword = \"p\"\n", wire.address);
        let ended = Program::with(&settings).sendmail(&["bob@x.test"], S);
        assert!(matches!(ended.code(), 75 | 77), "{ended:?}");
        ended.assert_failure(ended.code(), &["bob@x.test"]);
        wire.take();
    }
}

/// P-022
#[test]
fn controls_in_replies_are_escaped() {
    const NASTY: &[u8] = b" \x1b]0;pwn\x07\x1b[31m\x08\r \x9b\xff\0\x7f \xc2\x9b31m J\xc3\xb6s\r\n";
    for (replies, code) in [(0, "554"), (1, "554"), (2, "550"), (3, "550"), (4, "554"), (5, "554")] {
        for args in [&["bob@x.test"][..], &["-v", "bob@x.test"]] {
            let wire = Wire::open(move |peer| {
                peer.answer(&GOOD[..replies])?;
                match replies {
                    0 => {}
                    5 => peer.message()?,
                    _ => drop(peer.line()?),
                }
                loop {
                    peer.say(code)?;
                    peer.say(NASTY)?;
                    peer.line()?;
                }
            });
            let ended = Program::to(wire.address).sendmail(args, S);
            assert!(ended.code() >= 64);
            assert!(ended.stderr.contains("pwn") && ended.stderr.contains("Jös"), "{:?}", ended.stderr);
            let control = ended.stderr.chars().find(|c| c.is_control() && *c != '\n');
            assert!(control.is_none(), "{:?}", ended.stderr);
        }
    }
}

/// Names of files and arguments that somebody else has thought of.
#[test]
fn controls_in_names_are_escaped() {
    const NASTY: &str = "x\x1b]0;pwn\x07\u{9b}31m\u{202e}\n.toml";
    let program = Program::to(([127, 0, 0, 1], 1).into());
    let path = program.path(NASTY);
    for content in [None, Some("server = "), Some("server = \"x\"")] {
        if let Some(content) = content {
            program.file(NASTY, content);
        }
        let ended = run(program.named("sendmail").env("POSTHASTE_CONFIG", &path).arg("bob@x.test"), S);
        ended.assert_failure(78, &["pwn"]);
    }
    let option = format!("--{NASTY}");
    program.sendmail(&[&option, "bob@x.test"], S).assert_failure(64, &["pwn"]);
    for args in [&["send", "--to", "a@x.test", "--body-file", NASTY][..], &["send", "--to", NASTY], &[NASTY]] {
        let ended = run(&mut program.posthaste(args), S);
        // clap takes out whole sequences.
        assert!(ended.code() >= 64 && ended.stderr.contains("31m"), "{ended:?}");
        let control = ended.stderr.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert!(control.is_none(), "{:?}", ended.stderr);
    }
}

fn assert_no_secret(ended: &Ended, octets: &[u8]) {
    for secret in secrets() {
        for place in [octets, ended.stdout.as_bytes(), ended.stderr.as_bytes()] {
            assert!(!holds(place, &secret), "{} in {}", secret.escape_ascii(), place.escape_ascii());
        }
    }
}

/// Runs a script that plays tricks before TLS, with a login and the transcript on.
fn run_with_login(pem: &str, script: impl FnMut(&mut Peer) -> io::Result<()> + Send + 'static) -> Ended {
    let wire = Wire::open(script);
    let program = Program::with(&login(wire.address, USER, PASSWORD));
    program.file("ca.pem", pem);
    let ended = program.sendmail(&["-v", "bob@x.test"], S);
    let recorded = wire.take();
    assert_no_secret(&ended, &recorded.octets);
    assert!(!recorded.has(b"AUTH") && !recorded.has(b"MAIL"), "{}", recorded.octets.escape_ascii());
    assert!(ended.stdout.is_empty());
    ended
}

fn last_line(ended: &Ended) -> &str {
    ended.stderr.lines().last().unwrap()
}

/// P-138 P-143 P-156 P-196
#[test]
fn no_password_leaves_without_tls() {
    let relay = Relay::start(guarded(USER, PASSWORD));
    let pem = relay.pem.as_str();
    // None is offered.
    let ended = run_with_login(pem, |peer| {
        peer.answer(&["220 x", "250-x\r\n250 AUTH PLAIN LOGIN CRAM-MD5"])?;
        while peer.line()? != "QUIT" {
            peer.say("235 well\r\n")?;
        }
        Ok(())
    });
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(last_line(&ended).contains("STARTTLS"), "{}", ended.stderr);
    // It is refused, or something else than TLS follows.
    for reply in ["454 4.7.0 not now\r\n", "502 what?\r\n", "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n", "220 go\r\n"] {
        let ended = run_with_login(pem, move |peer| {
            peer.answer(&["220 x", "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"])?;
            peer.line()?;
            peer.say(reply)?;
            let mut block = [0; 4096];
            while peer.stream.read(&mut block)? > 0 {
                peer.say("250-x\r\n250 AUTH PLAIN LOGIN\r\n235 well\r\n")?;
            }
            Ok(())
        });
        assert_eq!(ended.code(), 75, "{reply:?}: {}", ended.stderr);
    }
    // The certificate is somebody else's.
    let stranger = Relay::start(guarded(USER, PASSWORD));
    let address = stranger.behind;
    let ended = run_with_login(pem, move |peer| peer.forward(TcpStream::connect(address)?));
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(last_line(&ended).contains("unknown issuer") || last_line(&ended).contains("TLS"), "{}", ended.stderr);
}

/// P-047 P-152 P-177
#[test]
fn what_was_offered_before_tls_is_forgotten() {
    let behind_tls = posthaste::server::options::Options {
        login: posthaste::server::options::Login::Absent,
        ..guarded(USER, PASSWORD)
    };
    let relay = Relay::start(behind_tls);
    let address = relay.behind;
    let ended = run_with_login(&relay.pem, move |peer| {
        let mut upstream = TcpStream::connect(address)?;
        upstream.write_all(b"EHLO x\r\nSTARTTLS\r\n")?;
        // Greeting, EHLO and STARTTLS: the third reply ends with the only line that begins so.
        let mut heard = Vec::new();
        while !(holds(&heard, b"\r\n220 ") && heard.ends_with(b"\r\n")) {
            let mut octet = [0];
            upstream.read_exact(&mut octet)?;
            heard.push(octet[0]);
        }
        peer.answer(&["220 x", "250-x\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN"])?;
        peer.line()?;
        peer.say("220 go\r\n")?;
        peer.forward(upstream)
    });
    assert_eq!(ended.code(), 77, "{}", ended.stderr);
    assert!(last_line(&ended).contains("offers no login"), "{}", ended.stderr);
}

/// P-197
#[test]
fn a_login_shows_in_no_place() {
    let relay = Relay::start(guarded(USER, PASSWORD));
    let program = Program::with(&relay.login(USER, PASSWORD));
    program.file("ca.pem", &relay.pem);
    for mechanism in ["", "PLAIN", "LOGIN", "CRAM-MD5"] {
        let mut command = program.named("sendmail");
        if !mechanism.is_empty() {
            command.env("POSTHASTE_AUTH", mechanism);
        }
        let ended = run(command.args(["-v", "bob@x.test"]), S);
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let seen = relay.take();
        assert!(ended.stderr.contains("C: AUTH "), "{}", ended.stderr);
        assert_no_secret(&ended, &seen.wire.octets);
        assert_eq!(seen.mail().user.as_deref(), Some(USER));
    }
    let wrong = Program::with(&relay.login("bob@example.org", PASSWORD));
    wrong.file("ca.pem", &relay.pem);
    let ended = wrong.sendmail(&["-v", "bob@x.test"], S);
    assert_eq!(ended.code(), 77, "{}", ended.stderr);
    assert_no_secret(&ended, &relay.take().wire.octets);
}
