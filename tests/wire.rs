//! The dialogues of `tests/dialogues` again, through the program and a socket, with TLS where they have it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/dialogue.rs"]
mod dialogue;
#[path = "wire/server.rs"]
mod server;
#[path = "support/setup.rs"]
mod setup;

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use certificates::certificates;
use dialogue::{Dialogue, Event, Item, Step, Wrong, all};
use posthaste::address::Address;
use posthaste::envelope::Wishes;
use posthaste::smtp::session::{Chunking, EightBit, LoginMode, Partial, Purpose, TlsMode};
use server::{scheme, serve};

/// P-197 P-241
#[test]
fn dialogues_through_the_program() {
    let dialogues: Vec<Dialogue> = all().into_iter().map(|(_, dialogue)| dialogue.unwrap()).collect();
    let (engine, wire): (Vec<_>, Vec<_>) = dialogues.iter().partition(|dialogue| dialogue.setup.only_engine.is_some());
    let next = Mutex::new(wire.iter());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(dialogue) = next.lock().unwrap().next() else { break };
                    let result = play(dialogue);
                    wrong.lock().unwrap().extend(result.err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let text: Vec<String> = wrong.iter().map(Wrong::to_string).collect();
    println!("{} dialogues through the program, {} with the engine only", wire.len(), engine.len());
    assert!(wrong.is_empty(), "{} of {} dialogues went wrong:\n{}", wrong.len(), wire.len(), text.join("\n"));
    assert!(wire.len() >= 150, "only {} go through the program", wire.len());
}

/// The server and the program must both be content.
fn play(dialogue: &Dialogue) -> Result<(), Wrong> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let home = tempfile::tempdir().unwrap();
    let (served, output) = thread::scope(|scope| {
        let server = scope.spawn(|| serve(listener, dialogue));
        let output = submit(dialogue, address.port(), home.path());
        // A program that never came must not be waited for; one that came has left nobody to answer this.
        let _ = std::net::TcpStream::connect(address);
        (server.join().unwrap(), output)
    });
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let add = |wrong: Wrong| Wrong { what: format!("{}\n  the program says\n{told}", wrong.what), ..wrong };
    served.and_then(|()| check(dialogue, &told, output.status.code())).map_err(add)
}

fn submit(dialogue: &Dialogue, port: u16, home: &Path) -> Output {
    let setup = &dialogue.setup;
    let config = home.join("posthaste.toml");
    fs::write(&config, configuration(dialogue, port, home)).unwrap();
    fs::set_permissions(&config, Permissions::from_mode(0o600)).unwrap();
    let message = home.join("message");
    fs::write(&message, setup.message()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .env_clear()
        .env("HOME", home)
        .arg("--config")
        .arg(&config)
        .args(["sendmail", "-v", "-G", "-i", "-f", &setup.from])
        .args(wishes(&setup.wishes))
        .arg("--")
        .args(&setup.to)
        .stdin(File::open(message).unwrap())
        .stdout(Stdio::null())
        .output()
        .unwrap()
}

/// The options that ask for what the sender wishes.
fn wishes(wishes: &Wishes) -> Vec<String> {
    let dsn = &wishes.dsn;
    let notify = dsn.notify.as_ref().map(|notify| format!("-N{}", notify.value()));
    let returned = dsn.returned.map(|returned| format!("-R{}", returned.value()));
    let id = dsn.envelope_id.as_ref().map(|id| format!("-V{}", id.as_str()));
    [notify, returned, id].into_iter().flatten().collect()
}

fn configuration(dialogue: &Dialogue, port: u16, home: &Path) -> String {
    let settings = &dialogue.setup.settings;
    let authority = home.join("authority.pem");
    fs::write(&authority, &certificates().authority_pem).unwrap();
    let mut lines = vec![
        format!("server = \"{}://127.0.0.1:{port}\"", scheme(settings)),
        format!("hostname = \"{}\"", settings.hello),
        "mail-domain = \"example.org\"".to_owned(),
        "log = \"none\"".to_owned(),
        format!("max-recipients = {}", settings.max_recipients),
        format!("tls-ca-file = \"{}\"", authority.display()),
    ];
    lines.push(match settings.tls {
        TlsMode::None => "tls = \"none\"".to_owned(),
        TlsMode::Opportunistic => "tls = \"opportunistic\"".to_owned(),
        TlsMode::Required | TlsMode::Implicit => "tls = \"required\"".to_owned(),
    });
    if settings.partial == Partial::AllOrNone {
        lines.push("partial = \"all-or-none\"".to_owned());
    }
    lines.extend(match settings.eight_bit {
        EightBit::Encode => None,
        EightBit::Send => Some("eight-bit = \"send\"".to_owned()),
        EightBit::Refuse => Some("eight-bit = \"refuse\"".to_owned()),
    });
    match settings.chunking {
        Chunking::Never => lines.push("chunking = \"never\"".to_owned()),
        Chunking::Needed => {}
        Chunking::AfterRecipients => lines.push("chunking = \"always\"".to_owned()),
        Chunking::SameFlight => lines.push("chunking = \"same-flight\"".to_owned()),
    }
    if dialogue.setup.facts().longest_line > 998 {
        lines.push("long-lines = \"pass\"".to_owned());
    }
    if let LoginMode::As { user, mechanisms, .. } = &settings.login {
        let names: Vec<String> = mechanisms.iter().map(|mechanism| format!("\"{}\"", mechanism.name())).collect();
        lines.push(format!("user = \"{user}\""));
        lines.push(format!("auth = [{}]", names.join(", ")));
        let is_missing = |item: &Item| matches!(item.step, Step::Event(Event::NoPassword(_)));
        lines.push(match dialogue.items.iter().any(is_missing) {
            true => "password-command = \"exit 1\"".to_owned(),
            false if let Some(then) = &dialogue.setup.then_secret => {
                let (mark, first) = (home.join("fetched"), &dialogue.setup.secret);
                let mark = mark.display();
                format!("password-command = \"if test -e {mark}; then rm {mark}; echo {then}; else : > {mark}; echo {first}; fi\"")
            }
            false => format!("password = \"{}\"", dialogue.setup.secret),
        });
    }
    lines.join("\n") + "\n"
}

/// Transcript, verdicts and exit code.
fn check(dialogue: &Dialogue, told: &str, exit: Option<i32>) -> Result<(), Wrong> {
    let says = |line: usize, what: String| Err(dialogue.wrong(line, what));
    let shown: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("C: ")).collect();
    let said: Vec<(usize, String)> = dialogue.items.iter().filter_map(client_line).collect();
    for ((line, said), shown) in said.iter().zip(&shown) {
        if said != shown {
            return says(*line, format!("the transcript has `C: {shown}`"));
        }
    }
    if said.len() != shown.len() {
        return says(1, format!("the transcript has {} lines of the client, not {}", shown.len(), said.len()));
    }
    for (connection, told) in told.split("-- connecting to").skip(1).enumerate() {
        let heard: Vec<String> = told.lines().filter_map(|line| line.strip_prefix("S: ")).map(str::to_owned).collect();
        dialogue.check_heard(connection, &heard)?;
    }
    let secret = &dialogue.setup.secret;
    if !secret.is_empty() && (told.contains(secret) || told.contains(&BASE64.encode(secret))) {
        return says(1, "the transcript has the password".to_owned());
    }
    for item in &dialogue.items {
        // Where the wire differs from the transcript, its last word is what must not be seen.
        let Step::Client { shown, wire } = &item.step else { continue };
        let wire = String::from_utf8_lossy(wire);
        if let Some(hidden) =
            wire.split_whitespace().last().filter(|word| wire.trim_end() != shown && told.contains(word))
        {
            return says(item.line, format!("the transcript has {hidden}"));
        }
    }
    let Ok(Purpose::Submit(envelope, _)) = dialogue.setup.purpose() else {
        return says(1, "there is nothing to submit".to_owned());
    };
    for recipient in envelope.recipients().iter().map(Address::as_str) {
        let Some(expected) = dialogue.expected(recipient) else {
            return says(1, format!("no verdict is expected for {recipient}"));
        };
        let verdicts: Vec<&str> =
            told.lines().filter_map(|line| line.strip_prefix(&format!("= {recipient} "))).collect();
        // One for each connection that the recipient was tried on; the last one counts.
        let connections = told.matches("-- connecting to").count();
        match verdicts[..] {
            [.., text]
                if verdicts.len() <= connections
                    && text.starts_with(&expected.verdict)
                    && text.contains(&expected.words) => {}
            _ => return says(expected.line, format!("{recipient} is {verdicts:?}")),
        }
    }
    let reencoded = dialogue.items.iter().filter(|item| item.step == Step::Event(Event::Reencoded)).count();
    // Where 8BITMIME is asked for right behind it, the header alone had to be.
    let header_alone = dialogue.items.windows(2).any(|pair| {
        pair[0].step == Step::Event(Event::Reencoded)
            && matches!(&pair[1].step, Step::Client { shown, .. } if shown.contains(" BODY=8BITMIME"))
    });
    let what = if header_alone { "an 8-bit header" } else { "8-bit content" };
    if told.matches(&format!("-- re-encoded without {what}: ")).count() != reencoded {
        return says(1, format!("the transcript does not tell of {reencoded} re-encodings"));
    }
    let missing = |keyword: &&String| !told.contains(&format!("-- the server does not offer {keyword}: "));
    if let Some(keyword) = dialogue.unserved.iter().find(missing) {
        return says(1, format!("nobody is told that the server does not offer {keyword}"));
    }
    if let Some(hint) = dialogue.hint.as_ref().filter(|hint| !told.contains(*hint)) {
        return says(1, format!("nowhere is the hint `{hint}`"));
    }
    let exits = dialogue.exits().unwrap_or_default();
    match exit.and_then(|code| u8::try_from(code).ok()) {
        Some(code) if exits.contains(&code) => Ok(()),
        other => says(1, format!("the exit code is {other:?}, not one of {exits:?}")),
    }
}

fn client_line(item: &Item) -> Option<(usize, String)> {
    match &item.step {
        Step::Client { shown, .. } => Some((item.line, shown.clone())),
        Step::Message { size, .. } => Some((item.line, format!("[message, {size} octets]"))),
        Step::Server { .. } | Step::Event(_) => None,
    }
}

/// The comparison would be worth nothing if it took everything.
#[test]
fn a_wrong_dialogue_fails() {
    let right = "# A dialogue that is right\n# P-001\nS: 220 hello\nC: EHLO client.example\nS: 554 no\n\
                 C: HELO client.example\nS: 554 5.7.1 no\nC: QUIT\n-- closed\n\
                 = bob@example.net failed 554 5.7.1 no\n= exit 69\n";
    play(&Dialogue::parse("right", right).unwrap()).unwrap();
    for (from, to, complaint) in [
        ("EHLO client", "EHLO other", "the client says"),
        ("C: QUIT\n", "C: QUIT\nC: QUIT\n", "the client says"),
        ("C: QUIT\n", "", "the client goes on: QUIT"),
        ("failed 554 5.7.1", "failed 554 5.7.2", "bob@example.net is"),
        ("= bob@", "= carol@", "no verdict is expected for bob@example.net"),
        ("exit 69", "exit 75", "the exit code is Some(69)"),
        ("exit 69", "hint read the manual", "nowhere is the hint"),
    ] {
        assert!(right.contains(from), "{from}");
        let dialogue = Dialogue::parse("wrong", &right.replacen(from, to, 1)).unwrap();
        let wrong = play(&dialogue).expect_err(to);
        assert!(wrong.what.contains(complaint), "{to:?}: {wrong}");
    }
}
