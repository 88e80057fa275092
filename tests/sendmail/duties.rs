//! Duties of the protocol list that only the whole program can show.

use super::program::{Program, WAYS, run};
use super::relay::{Relay, plain};
use super::wire::Wire;

const S: &[u8] = b"Subject: s\n\nb\n";

/// P-037: who does not want to tell the name of the machine names another, or the address alone.
#[test]
fn the_name_in_ehlo_is_the_configured_one() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for name in ["mail.example.net", "[192.0.2.7]", "[IPv6:2001:db8::7]"] {
        let mut command = program.named("sendmail");
        run(command.env("POSTHASTE_HOSTNAME", name).arg("bob@x.test"), S).assert_silent_success();
        let seen = relay.take();
        assert!(seen.wire.octets.starts_with(format!("EHLO {name}\r\n").as_bytes()), "{name}");
        assert!(!seen.wire.has(b"box.example.org\r\nMAIL"));
    }
}

/// P-107: greylisting is a temporary failure like any other. Nobody waits for it, and the next call gets through.
#[test]
fn who_is_greylisted_comes_again() {
    let mut calls = 0;
    let wire = Wire::open(move |peer| {
        calls += 1;
        let refused = "451 4.7.1 greylisted, try again in 300 seconds";
        peer.answer(&["220 mx", "250 mx", "250 ok", if calls == 1 { refused } else { "250 ok" }, "354 go"])?;
        peer.message()?;
        peer.say("250 2.0.0 taken\r\n")
    });
    let program = Program::to(wire.address);
    program.sendmail(&["bob@x.test"], S).assert_failure(75, &["bob@x.test", "greylisted, try again in 300 seconds"]);
    assert_eq!(wire.take().connections, 1);
    program.sendmail(&["bob@x.test"], S).assert_silent_success();
    assert!(wire.take().has(b"\r\n.\r\n"));
}

/// P-228: what comes in a pipe is counted before MAIL, so that the size is never a guess.
#[test]
fn the_size_that_is_declared_is_the_size_that_is_sent() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for lines in [1, 100_000] {
        let input = [S, &b".a line with a dot\n".repeat(lines), b"no newline at the end"].concat();
        for way in WAYS {
            program.run(way, &["bob@x.test"], &input).assert_silent_success();
            let seen = relay.take();
            let line = String::from_utf8_lossy(&seen.wire.octets);
            let size = line.split("SIZE=").nth(1).unwrap().split(['\r', ' ']).next().unwrap().to_owned();
            let received = match lines {
                1 => seen.mail().octets.len(),
                // The relay keeps no long message in memory: what went over the wire, without the dots that were doubled.
                _ => {
                    let octets = &seen.wire.octets;
                    let begin = memchr::memmem::find(octets, b"DATA\r\n").unwrap() + 6;
                    let end = memchr::memmem::rfind(octets, b"\r\n.\r\n").unwrap() + 2;
                    end - begin - lines
                }
            };
            assert_eq!(size, received.to_string(), "{lines} lines by {way:?}");
        }
    }
}

/// P-083: a text with the colours of a terminal in it arrives as it is, and no control character is on the wire.
#[test]
fn control_characters_in_a_text_are_encoded() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let short = "a\tb \u{1b}[31mred\u{1b}[0m\u{7}\n\u{c}\u{7f}\n".to_owned();
    let long = "a line of text\n".repeat(100_000) + &short;
    for text in [short, long] {
        let path = program.file("text", &text);
        let args = ["send", "--to", "bob@x.test", "--body-file", path.to_str().unwrap()];
        run(&mut program.posthaste(&args), b"").assert_silent_success();
        let octets = relay.take().wire.octets;
        let is_one = |octet: &u8| octet.is_ascii_control() && !matches!(octet, b'\t' | b'\r' | b'\n');
        assert!(!octets.iter().any(is_one));
        let begin = memchr::memmem::find(&octets, b"DATA\r\n").unwrap() + 6;
        let message = String::from_utf8(octets[begin..].to_vec()).unwrap().replace("\r\n..", "\r\n.");
        let end = message.rfind("\r\n.\r\n").unwrap();
        let parsed = mail_parser::MessageParser::default().parse(&message[..end]).unwrap();
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
    }
}
