//! Lists of capabilities that lie, and that never end.

use std::io;

use crate::case::Account::{Clear, StartTls};
use crate::case::{Case, case, play_all};
use crate::certificates::certificates;
use crate::foe::Foe;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("a list of mechanisms of megabytes, in one line", StartTls, |foe| {
            let mut server = foe.start_tls(&certificates().trusted)?;
            server.line()?;
            server.flood(b"250-x\r\n250-AUTH", b" PLAIN")
        })
        .deferred("without end"),
        case("a list of mechanisms of megabytes, in many lines", StartTls, |foe| {
            let mut server = foe.start_tls(&certificates().trusted)?;
            server.line()?;
            server.flood(b"250-x\r\n", b"250-AUTH PLAIN LOGIN X-OTHER\r\n")
        })
        .deferred("without end"),
        case("thousands of capabilities before TLS", StartTls, |foe| {
            foe.answer(&["220 x"])?;
            foe.line()?;
            foe.flood(b"250-STARTTLS\r\n", b"250-SIZE 1\r\n")
        })
        .deferred("without end"),
        lists("the same a hundred times", &["SIZE 0", "8BITMIME"].repeat(50), good),
        lists("names with escapes", &["\x1b[2J\x07", "\u{9b}31m \u{202e}txt", "\0\0\0", "X\tY=\u{fc}"], good),
        lists("nothing but blanks", &["", " ", "   ", "=", "\t"], good),
        lists("a size of one", &["SIZE 1"], |_, _| Ok(())).ends(65, "no more than 1 (5.3.4)"),
        // The list belongs to the server as a whole, and those who find it in the text are misled.
        case("a list in the text of one line", Clear, |foe| {
            foe.answer(&["220 x", "250 x PIPELINING 8BITMIME SIZE 1"])?;
            foe.line()?;
            foe.good_from(2)
        }),
        lists("it answers the first of a flight only", &["PIPELINING"], |foe, _| {
            foe.say("250 ok\r\n")?;
            foe.be_deaf()
        })
        .impatient()
        .deferred("did not"),
        lists("it answers a flight with one reply too many", &["PIPELINING"], |foe, _| {
            foe.say("250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n")?;
            foe.be_silent()
        })
        .deferred(""),
        lists("it closes in the middle of a flight", &["PIPELINING"], |foe, _| foe.say("250 ok\r\n")).deferred(""),
        lists("it resets in the middle of a flight", &["PIPELINING"], |foe, _| {
            foe.say("250 ok\r\n")?;
            foe.reset()
        })
        .deferred(""),
        lists("it answers before it is asked", &["PIPELINING"], |foe, _| {
            foe.say("250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n221 bye\r\n")?;
            foe.be_silent()
        })
        .deferred(""),
        lists("it refuses all and wants the message", &["PIPELINING"], |foe, _| {
            foe.line()?;
            foe.line()?;
            foe.say("250 ok\r\n550 5.1.1 who?\r\n354 go\r\n")?;
            foe.message()?;
            foe.say("250 taken\r\n")
        })
        .ends(67, "550 5.1.1 who?"),
        case("EHLO is answered with 354", Clear, |foe| answered(foe, "354 go")).deferred("354 go"),
        case("EHLO is answered with 220", Clear, |foe| {
            foe.answer(&["220 x", "220 x"])?;
            foe.line()?;
            foe.good_from(2)
        }),
        case("EHLO and HELO are refused for ever", Clear, |foe| answered(foe, "502 what?")).ends(69, "502 what?"),
    ];
    for size in ["1000000000000000000000000000000", "-5", "0", "", "1e9", "0x10", "\u{661}"] {
        cases.push(lists(format!("a size of {size:?}"), &[&format!("SIZE {size}")], good));
    }
    cases
}

/// The script begins where the first command behind EHLO has been read.
fn lists<S: AsRef<str>>(
    name: impl Into<String>,
    capabilities: &[S],
    mut script: impl FnMut(&mut Foe<'_>, String) -> io::Result<()> + Send + 'static,
) -> Case {
    let list: Vec<String> = capabilities.iter().map(|line| line.as_ref().to_owned()).collect();
    case(name, Clear, move |foe| {
        let lines: Vec<&str> = list.iter().map(String::as_str).collect();
        let command = foe.hello(&lines)?;
        script(foe, command)
    })
}

fn good(foe: &mut Foe<'_>, _command: String) -> io::Result<()> {
    foe.good_from(2)
}

fn answered(foe: &mut Foe<'_>, reply: &str) -> io::Result<()> {
    foe.say("220 x\r\n")?;
    loop {
        foe.line()?;
        foe.say(format!("{reply}\r\n"))?;
    }
}

/// P-038 P-226
#[test]
fn capabilities() {
    play_all(cases());
}
