//! Tricks while somebody logs in, under TLS: what the server says is never worth more than its words.

use std::io;

use crate::case::Account::StartTls;
use crate::case::{Case, case, play_all};
use crate::certificates::certificates;
use crate::foe::{Foe, Secure};
use crate::secrets::{USER, secrets};

pub fn cases() -> Vec<Case> {
    let mebibyte = "QUFB".repeat(1 << 18);
    let mut cases = vec![
        login("a good server with a login", "PLAIN", good),
        login("1 MiB of challenge to PLAIN", "PLAIN", {
            let challenge = format!("334 {mebibyte}\r\n");
            move |server| server.say(&challenge)
        })
        .deferred("without end"),
        login("1 MiB of challenge to CRAM-MD5", "CRAM-MD5", {
            let challenge = format!("334 {mebibyte}\r\n");
            move |server| server.say(&challenge)
        })
        .deferred("without end"),
        login("challenges without end to LOGIN", "LOGIN", |server| server.flood(b"", b"334 VXNlcm5hbWU6\r\n"))
            .deferred(""),
        login("challenges without end to CRAM-MD5", "CRAM-MD5", |server| server.flood(b"", b"334 PDE4PmFAYj4=\r\n"))
            .deferred(""),
        login("421", "PLAIN", |server| server.say("421 4.7.0 too many logins\r\n")).deferred("421 4.7.0 too many"),
        login("454", "PLAIN", |server| refuse(server, "454 4.7.0 not now")).deferred("454 4.7.0 not now"),
        login("235 and more", "PLAIN", |server| {
            server.say("235 welcome\r\n250 unasked\r\n")?;
            server.answer(&["250 ok", "250 ok", "354 go"])
        })
        .deferred(""),
        login("the end", "PLAIN", |_| Ok(())).deferred(""),
        login("an empty mechanism", "", good).ends(77, "offers no login"),
        login("mechanisms with escapes", "\x1b[31m \0 PLAIN\x07 \u{9b}31m", good).ends(77, ""),
        login("a mechanism of 300 letters", &"A".repeat(300), good).ends(77, ""),
    ];
    for code in ["150", "250", "354", "650", "999"] {
        let script = move |server: &mut Secure| {
            server.say(format!("{code} x\r\n"))?;
            server.answer(&["250 ok", "250 ok", "354 go"])
        };
        cases.push(login(format!("{code} to PLAIN"), "PLAIN", script).deferred(""));
    }
    for challenge in ["!!!", "=", "QQ", "\u{fc}", "\x1b]0;pwn\x07", "QUFB QUFB", "*"] {
        for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
            let script = move |server: &mut Secure| {
                server.say(format!("334 {challenge}\r\n"))?;
                loop {
                    server.line()?;
                    server.say("501 5.5.2 no\r\n")?;
                }
            };
            // LOGIN answers to any prompt, since servers ask in many words.
            let code = if mechanism == "LOGIN" { 77 } else { 75 };
            cases.push(login(format!("a challenge of {challenge:?} to {mechanism}"), mechanism, script).ends(code, ""));
        }
    }
    // What a server knows it can say again. Of the forms that it could give it, these are the ones that happen.
    for mechanism in ["PLAIN", "LOGIN", "CRAM-MD5"] {
        let [password, in_base64, message, decoded, _] = secrets();
        let is_plain = mechanism == "PLAIN";
        for secret in [password, in_base64, decoded].iter().chain(is_plain.then_some(&message)) {
            let secret = String::from_utf8_lossy(secret).into_owned();
            for words in [format!("wrong password {secret} of {USER}"), format!("[{secret}]"), format!("x{secret}x")] {
                let reply = format!("535 5.7.8 {words}");
                let script = move |server: &mut Secure| {
                    if mechanism == "LOGIN" {
                        server.say("334 VXNlcm5hbWU6\r\n")?;
                        server.answer(&["334 UGFzc3dvcmQ6"])?;
                        server.line()?;
                    }
                    refuse(server, &reply)
                };
                cases.push(login(format!("{words:?} to {mechanism}"), mechanism, script).ends(77, "535 5.7.8"));
            }
        }
    }
    cases
}

/// The script begins where AUTH has been read.
pub fn login(
    name: impl Into<String>,
    mechanisms: &str,
    mut script: impl FnMut(&mut Secure) -> io::Result<()> + Send + 'static,
) -> Case {
    let hello = format!("250-x\r\n250 AUTH {mechanisms}");
    case(name, StartTls, move |foe: &mut Foe<'_>| {
        let mut server = foe.start_tls(&certificates().trusted)?;
        server.answer(&[&hello])?;
        server.line()?;
        script(&mut server)
    })
}

pub fn good(server: &mut Secure) -> io::Result<()> {
    server.say("235 welcome\r\n")?;
    server.answer(&["250 ok", "250 ok", "354 go"])?;
    while server.line()? != "." {}
    server.say("250 taken\r\n")?;
    server.answer(&["221 bye"])
}

fn refuse(server: &mut Secure, reply: &str) -> io::Result<()> {
    server.say(format!("{reply}\r\n"))?;
    server.answer(&["221 bye"])
}

/// P-196 P-197 P-199
#[test]
fn logins() {
    play_all(cases());
}
