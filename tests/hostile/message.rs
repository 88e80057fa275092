//! Tricks while a message is on its way, and behind it.

use std::io::{self, Read as _};
use std::net::Shutdown;

use crate::case::Account::{Clear, Implicit};
use crate::case::{Case, case, play_all};
use crate::certificates::certificates;
use crate::foe::{Foe, Secure};

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // The first octets of a message that fits into no buffer have been read.
        begun("a good server", |foe| foe.rest_of_message().and_then(|()| foe.good_from(5))),
        begun("it closes", |_| Ok(())).deferred(""),
        begun("it resets", |foe| foe.reset()).deferred(""),
        begun("421, and the end", |foe| foe.say("421 4.3.2 shutting down\r\n")).deferred("421 4.3.2 shutting down"),
        begun("a yes, and the end", |foe| foe.say("250 taken\r\n")).deferred(""),
        begun("a no, and silence", |foe| foe.say("554 5.6.0 no\r\n").and_then(|()| foe.be_silent()))
            .ends(69, "554 5.6.0 no"),
        begun("a no, and a yes", |foe| foe.say("554 5.6.0 no\r\n250 taken\r\n").and_then(|()| foe.be_silent()))
            .ends(69, "554 5.6.0 no"),
        begun("it is deaf, and floods with lines", |foe| foe.flood(b"", b"250-x\r\n")).deferred(""),
        begun("it is deaf, and floods with replies", |foe| foe.flood(b"", b"250 x\r\n")).deferred(""),
        begun("it is deaf, and floods with garbage", |foe| foe.flood(b"", b"\0\xff")).deferred(""),
        begun("it says nothing more", |foe| {
            foe.stream.shutdown(Shutdown::Write)?;
            foe.be_silent()
        })
        .deferred(""),
        begun("half a reply, and the end", |foe| foe.say("250 tak")).deferred(""),
        small("it says nothing more before the reply", |foe| {
            foe.stream.shutdown(Shutdown::Write)?;
            foe.be_silent()
        })
        .deferred("may have been delivered"),
        small("354 again", |foe| foe.say("354 go\r\n").and_then(|()| foe.be_silent())).deferred(""),
        small("a yes, and a no", |foe| foe.say("250 taken\r\n554 no\r\n").and_then(|()| foe.be_silent())),
        small("a no, and a yes", |foe| foe.say("554 5.7.1 no\r\n250 taken\r\n").and_then(|()| foe.be_silent()))
            .ends(69, "554 5.7.1 no"),
        small("200", |foe| foe.say("200 fine\r\n").and_then(|()| foe.be_silent())),
        small("299", |foe| foe.say("299 fine\r\n").and_then(|()| foe.be_silent())),
        small("a yes in fifty lines of escapes", |foe| {
            foe.say("250-\x1b[31m\x07\u{9b}\u{202e}\r\n".repeat(50) + "250 \x1b]0;pwn\x07\r\n")?;
            foe.be_silent()
        }),
        small("a yes, and a gigabyte of garbage", |foe| foe.flood(b"250 taken\r\n", b"\0\xffgarbage")),
        small("a yes, and a gigabyte behind QUIT", |foe| {
            foe.say("250 taken\r\n")?;
            foe.line()?;
            foe.flood(b"221-", b"bye\r\n")
        }),
        small("a yes, and silence", |foe| foe.say("250 taken\r\n").and_then(|()| foe.be_deaf())),
        small("a yes, and the end", |foe| foe.say("250 taken\r\n")),
        small("a yes, and 421", |foe| foe.say("250 taken\r\n421 bye\r\n")),
        case("a yes, and a reset", Clear, |foe| {
            foe.good_until(5)?;
            foe.say("250 taken\r\n")?;
            foe.line()?;
            foe.reset()
        }),
        case("350 to DATA", Clear, |foe| {
            foe.good_until(4)?;
            foe.say("350 go\r\n")?;
            foe.message()?;
            foe.good_from(5)
        }),
        case("354 in many lines", Clear, |foe| {
            foe.good_until(4)?;
            foe.say("354-go\r\n354-on\r\n354 then\r\n")?;
            foe.message()?;
            foe.good_from(5)
        }),
        case("250 to DATA", Clear, |foe| {
            foe.good_until(4)?;
            foe.say("250 taken\r\n")?;
            foe.be_silent()
        })
        .deferred(""),
        case("354 to MAIL", Clear, |foe| {
            foe.good_until(2)?;
            foe.say("354 go\r\n")?;
            foe.be_silent()
        })
        .impatient()
        .deferred(""),
        case("334 to RCPT", Clear, |foe| {
            foe.good_until(3)?;
            foe.say("334 \r\n")?;
            while foe.line().is_ok() {
                foe.say("250 ok\r\n")?;
            }
            Ok(())
        })
        .deferred("334"),
        under_tls("close_notify is missing behind the yes", |server| server.say("250 taken\r\n")),
        under_tls("the end without close_notify", |_| Ok(())).deferred("may have been delivered"),
        under_tls("half a reply under TLS", |server| server.say("250-taken\r\n")).deferred("may have been delivered"),
        under_tls("clear text under TLS", |server| {
            io::Write::write_all(&mut server.stream.sock, b"250 taken\r\n250 taken\r\n")?;
            server.line().map(drop)
        })
        .deferred("may have been delivered"),
        under_tls("a flood under TLS", |server| server.flood(b"250-", b"x")).deferred("may have been delivered"),
        under_tls("a gigabyte under TLS behind the yes", |server| server.flood(b"250 taken\r\n", b"x")),
    ];
    for reply in ["251 forwarded", "252 perhaps", "250-\r\n250 ", "250", "298 \x1b[31m"] {
        let script = move |foe: &mut Foe<'_>| {
            foe.good_until(3)?;
            foe.say(format!("{reply}\r\n"))?;
            foe.line()?;
            foe.good_from(4)
        };
        cases.push(case(format!("{reply:?} to RCPT"), Clear, script));
    }
    cases
}

/// The script begins with the reply to the message.
fn small(name: &str, mut script: impl FnMut(&mut Foe<'_>) -> io::Result<()> + Send + 'static) -> Case {
    let script = move |foe: &mut Foe<'_>| {
        foe.good_until(5)?;
        script(foe)
    };
    case(format!("{name}, to the message"), Clear, script)
}

/// The script begins in the midst of a long message.
fn begun(name: &str, mut script: impl FnMut(&mut Foe<'_>) -> io::Result<()> + Send + 'static) -> Case {
    let script = move |foe: &mut Foe<'_>| {
        foe.good_until(4)?;
        foe.say("354 go\r\n")?;
        let mut some = [0; 1000];
        foe.stream.read_exact(&mut some)?;
        script(foe)
    };
    case(format!("{name}, in the midst of the message"), Clear, script).large()
}

fn under_tls(name: &str, mut script: impl FnMut(&mut Secure) -> io::Result<()> + Send + 'static) -> Case {
    case(name, Implicit, move |foe| {
        let mut server = foe.secure(&certificates().trusted)?;
        server.say("220 x\r\n")?;
        server.answer(&["250-x\r\n250 AUTH PLAIN", "235 welcome", "250 ok", "250 ok", "354 go"])?;
        while server.line()? != "." {}
        script(&mut server)
    })
}

/// P-070 P-071 P-089 P-243 P-422
#[test]
fn messages() {
    play_all(cases());
}
