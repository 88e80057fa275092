//! What a connection can be instead of a greeting.

use crate::case::Account::Clear;
use crate::case::{Case, case, play_all};
use crate::foe::Foe;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        // The proof that the scripts could please a client.
        case("a good server", Clear, |foe| foe.good_until(0).and_then(|()| foe.good_from(0))),
        case("nothing comes", Clear, |foe| foe.be_silent()).impatient().deferred("did not"),
        case("nothing comes, and nothing is read", Clear, |foe| foe.be_deaf()).impatient().deferred("did not"),
        case("it closes at once", Clear, |_| Ok(())).deferred("closed the connection"),
        case("it resets at once", Clear, |foe| foe.reset()).deferred("reset by peer"),
        case("half a greeting, then the end", Clear, |foe| foe.say("220 mx")).deferred("closed the connection"),
        case("half a greeting, then a reset", Clear, |foe| foe.say("220 mx").and_then(|()| foe.reset()))
            .deferred("reset by peer"),
        case("the greeting drips", Clear, |foe| foe.drip(b"220-x ")).impatient().deferred("did not"),
        case("greetings drip line by line", Clear, |foe| foe.drip(b"220-x\r\n")).impatient().deferred("did not"),
        case("a line of NULs without end", Clear, |foe| foe.flood(b"220 ", b"\0")).deferred("without end"),
        case("a line of CRs without end", Clear, |foe| foe.flood(b"220 x", b"\r")).deferred("without end"),
        case("nothing but blank lines", Clear, |foe| foe.flood(b"", b"\r\n")).deferred("no SMTP reply"),
        case("nothing but line feeds", Clear, |foe| foe.flood(b"", b"\n")).deferred("no SMTP reply"),
        case("a greeting of lines without end", Clear, |foe| foe.flood(b"", b"220-welcome\r\n"))
            .deferred("without end"),
        case("greetings without end", Clear, |foe| foe.flood(b"", b"220 welcome\r\n")).deferred(""),
        case("a POP3 server", Clear, |foe| talk(foe, "+OK ready\r\n")).deferred("no SMTP reply"),
        case("an IMAP server", Clear, |foe| talk(foe, "* OK ready\r\n")).deferred("no SMTP reply"),
        case("a telnet server", Clear, |foe| foe.say(b"\xff\xfd\x18\xff\xfd\x20login: ")).deferred("no SMTP reply"),
        case("an HTTP server", Clear, |foe| talk(foe, "HTTP/1.1 400 Bad Request\r\n\r\n")).deferred("HTTP"),
        case("an SSH server", Clear, |foe| talk(foe, "SSH-2.0-x\r\n")).deferred("SSH"),
        case("a TLS alert", Clear, |foe| foe.say(b"\x15\x03\x01\x00\x02\x02\x46")).deferred("TLS"),
        case("a byte order mark", Clear, |foe| talk(foe, "\u{feff}220 x\r\n")).deferred("no SMTP reply"),
        case("UTF-16", Clear, |foe| foe.say(b"2\x002\x000\x00 \x00x\x00\r\x00\n\x00")).deferred("no SMTP reply"),
        case("Latin-1, and yet a greeting", Clear, |foe| {
            foe.say(b"220 caf\xe9 \x1b]0;pwn\x07\x00\r\n")?;
            foe.line()?;
            foe.good_from(1)
        }),
    ];
    for code in ["000", "120", "199", "600", "999"] {
        let talks = move |foe: &mut Foe<'_>| talk(foe, &format!("{code} x\r\n"));
        cases.push(case(format!("a greeting of {code}"), Clear, talks).deferred("which SMTP does not have"));
    }
    for line in ["-220 x", "2200 x", "22 x", "22O x", " 220 x", "\t220 x", "220_x", "２２０ x", "0x220 x", "2.2 x"] {
        let talks = move |foe: &mut Foe<'_>| talk(foe, &format!("{line}\r\n"));
        cases.push(case(format!("a greeting of {line:?}"), Clear, talks).deferred("no SMTP reply"));
    }
    cases
}

fn talk(foe: &mut Foe<'_>, text: &str) -> std::io::Result<()> {
    foe.say(text)?;
    foe.be_silent()
}

/// P-020 P-022
#[test]
fn greetings() {
    play_all(cases());
}
