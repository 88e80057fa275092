//! Replies that are none, at each stage of a transaction, and floods of them.

use std::io;

use crate::case::Account::Clear;
use crate::case::{Case, case, play_all};
use crate::foe::{Foe, GOOD};

/// The stages: what awaits its reply, from EHLO to the end of the message.
const STAGES: [(usize, &str); 5] = [(1, "EHLO"), (2, "MAIL"), (3, "RCPT"), (4, "DATA"), (5, "the message")];
/// Where anything that is not a reply leaves open whether the message was taken.
const END: usize = 5;
const OPEN: &str = "may have been delivered";

/// Octets at a stage, and the words that they end with; the connection stays open behind them.
const NO_REPLY: [(&str, &[u8], &str); 13] = [
    ("1yz", b"150 wait\r\n", "which SMTP does not have"),
    ("6yz", b"650 what\r\n", "which SMTP does not have"),
    ("000", b"000 \r\n", "which SMTP does not have"),
    ("a negative code", b"-250 ok\r\n", "no SMTP reply"),
    ("four digits", b"2500 ok\r\n", "no SMTP reply"),
    ("two digits", b"25 ok\r\n", "no SMTP reply"),
    ("letters", b"OK 250\r\n", "no SMTP reply"),
    ("a blank line", b"\r\n", "no SMTP reply"),
    ("terminal escapes", b"\x1b]0;pwn\x07\x1b[2J250 ok\r\n", "no SMTP reply"),
    ("octets that are no text", b"\xff\xfe\x00\x00\x80\r\n", "no SMTP reply"),
    ("two codes in one reply", b"250-ok\r\n550 no\r\n", "different codes"),
    ("a reply that turns", b"250-ok\r\n250-ok\r\n354 go\r\n", "different codes"),
    ("a NUL in the code", b"25\x000 ok\r\n", "no SMTP reply"),
];

/// What never ends: what comes once, and what comes for ever.
const FLOODS: [(&str, &[u8], &[u8]); 6] = [
    ("a line without end", b"250 ", b"x"),
    ("a line of NULs without end", b"250-", b"\0"),
    ("lines without end", b"", b"250-x\r\n"),
    ("bare lines without end", b"", b"250-\n"),
    ("replies without end", b"", b"451 x\r\n"),
    ("garbage without end", b"", b"\x80\x81\r\n"),
];

/// How a connection ends.
type End = fn(&mut Foe<'_>) -> io::Result<()>;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (stage, name) in STAGES {
        let words = |words| if stage == END { OPEN } else { words };
        for (what, octets, says) in NO_REPLY {
            let script = move |foe: &mut Foe<'_>| {
                foe.good_until(stage)?;
                foe.say(octets)?;
                foe.be_silent()
            };
            cases.push(case(format!("{what} to {name}"), Clear, script).deferred(words(says)));
        }
        for (what, begin, with) in FLOODS {
            let script = move |foe: &mut Foe<'_>| {
                foe.good_until(stage)?;
                foe.flood(begin, with)
            };
            // A flood of replies begins with a whole one.
            let says = if stage == END && what != "replies without end" { OPEN } else { "" };
            cases.push(case(format!("{what} to {name}"), Clear, script).deferred(says));
        }
        let ends: [(&str, End); 4] = [
            ("the end", |_| Ok(())),
            ("half a line and the end", |foe| foe.say("250 o")),
            ("half a reply and the end", |foe| foe.say("250-ok\r\n250-and\r\n")),
            ("a reset", |foe| foe.reset()),
        ];
        for (what, end) in ends {
            let script = move |foe: &mut Foe<'_>| {
                foe.good_until(stage)?;
                end(foe)
            };
            cases.push(case(format!("{what} to {name}"), Clear, script).deferred(words("")));
        }
        let closes = move |foe: &mut Foe<'_>| {
            foe.good_until(stage)?;
            foe.say("421 4.3.2 shutting down\r\n")
        };
        cases.push(case(format!("421 to {name}"), Clear, closes).deferred("421 4.3.2 shutting down"));
        // A second reply on the heels of the first is for a command that was never sent.
        let unasked = move |foe: &mut Foe<'_>| {
            foe.good_until(stage)?;
            foe.say(format!("{}\r\n{}\r\n", GOOD[stage], "250 2.0.0 unasked"))?;
            foe.be_silent()
        };
        let unasked = case(format!("a reply to {name}, and an unasked one"), Clear, unasked);
        // The first reply to the message counts; what comes behind it comes too late.
        cases.push(if stage == END { unasked } else { unasked.deferred("") });
    }
    // Silence at the end of the message lasts ten minutes; `drive.rs` plays it on a clock of its own.
    for (stage, name) in &STAGES[..4] {
        let (stage, slow) = (*stage, *stage);
        let silent = move |foe: &mut Foe<'_>| {
            foe.good_until(stage)?;
            foe.be_silent()
        };
        cases.push(case(format!("silence to {name}"), Clear, silent).impatient().deferred("did not"));
        let drips = move |foe: &mut Foe<'_>| {
            foe.good_until(slow)?;
            foe.drip(b"250-x\r\n")
        };
        cases.push(case(format!("drips to {name}"), Clear, drips).impatient().deferred("did not"));
    }
    cases
}

/// P-020 P-022 P-104
#[test]
fn replies() {
    play_all(cases());
}
