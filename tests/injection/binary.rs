//! Some of the inputs again, through the program itself: what a process makes of its arguments and its environment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;

use super::flow::NEW_SERVER;
use super::places::{PLACES, Place};
use super::program::{BINARY, Program, me, run};
use super::wire::Wire;
use super::{hostile, tally};

/// Variables that other sendmails read, and this one does not: the text must not be seen.
const STRANGE: [&str; 7] = ["LOGNAME", "USER", "EMAIL", "MAILNAME", "QMAILUSER", "NULLMAILER_USER", "MAIL_CONFIG"];

/// P-055 P-058
#[test]
fn some_octets_through_the_program() {
    let wire = Wire::open(|peer| {
        peer.say("220 mx\r\n")?;
        loop {
            match peer.line()?.as_str() {
                line if line.starts_with("EHLO") => peer.say(NEW_SERVER)?,
                "DATA" => {
                    peer.say("354 go\r\n")?;
                    peer.message()?;
                    peer.say("250 taken\r\n")?;
                }
                "QUIT" => return peer.say("221 bye\r\n"),
                _ => peer.say("250 ok\r\n")?,
            }
        }
    });
    let aliases = "aliases = \"aliases\"\n";
    let program = Program::with(&format!("server = \"smtp://{}\"\ntls = \"none\"\n{aliases}", wire.address));
    let config =
        ProptestConfig { cases: 400, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() };
    let sent: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let outcome =
        TestRunner::new(config).run(&(select(PLACES), select(&STRANGE[..]), hostile()), |(place, strange, text)| {
            let own = me();
            let Some(mut command) = command(&program, &place, strange, &text) else { return Ok(()) };
            let call = (place.call)(&text);
            program.file("aliases", call.aliases);
            let ended = run(&mut command, &call.input);
            let octets = wire.take().octets;
            let is_told = |code| (64..=78).contains(&code) && !ended.stderr.contains("fault");
            prop_assert!(ended.code() == 0 || is_told(ended.code()), "{ended:?}");
            let lines = ended.stderr.lines().all(|line| !line.contains(|it: char| it.is_control()));
            prop_assert!(lines, "controls in {:?}", ended.stderr);
            let mut rest = &octets[..];
            // Nothing but a greeting and a farewell: what was to be sent is not for this server.
            while let Some(behind) = rest.strip_prefix(b"EHLO box.example.org\r\nQUIT\r\n") {
                rest = behind;
            }
            while !rest.is_empty() {
                let quit = memchr::memmem::find(rest, b"\r\n.\r\nQUIT\r\n").map_or(rest.len(), |at| at + 11);
                place
                    .check(&rest[..quit], &text, &own)
                    .map_err(|fault| TestCaseError::fail(format!("{}: {fault}", place.name)))?;
                *sent.borrow_mut().entry(place.name).or_default() += 1;
                rest = &rest[quit..];
            }
            Ok(())
        });
    let messages: u32 = sent.borrow().values().sum();
    let verdict = if outcome.is_ok() { "all as expected" } else { "FAILED" };
    tally::tally(&format!("400 injections through the program, {messages} messages: {verdict}"), &[]);
    outcome.unwrap();
    assert!(messages > 50 && sent.borrow().len() > 20, "{sent:?}");
}

/// None where no caller could pass the text.
fn command(program: &Program, place: &Place, strange: &str, text: &[u8]) -> Option<std::process::Command> {
    let call = (place.call)(text);
    let variables = call.variables.iter().map(|(_, value)| *value).chain(call.name);
    if text.contains(&0) && variables.chain(call.argv.iter().copied()).any(|value| value.contains(&0)) {
        return None;
    }
    let mut command = program.posthaste(&[]);
    if call.argv[0] == b"sendmail" {
        command.arg("sendmail");
    }
    command.args(call.argv[1..].iter().map(|word| OsStr::from_bytes(word)));
    command.envs(call.variables.iter().map(|(name, value)| (name, OsStr::from_bytes(value))));
    command.envs(call.name.map(|name| ("NAME", OsStr::from_bytes(name))));
    if !text.contains(&0) {
        command.env(strange, OsStr::from_bytes(text));
    }
    assert!(command.get_program() == BINARY);
    Some(command)
}
