//! `posthaste send --batch`: many messages, and few sessions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use posthaste::server::options::{Faults, Options};

use super::ports::Closed;
use super::program::{BINARY, Ended, Program, run};
use super::relay::{Relay, Seen, plain};

fn batch(program: &Program, files: &[&Path]) -> Ended {
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    run(&mut program.posthaste(&[&["send", "--batch"], &files[..]].concat()), b"")
}

fn message(to: &str) -> String {
    format!("To: {to}\nSubject: for {to}\n\nhello {to}\n")
}

fn subjects(seen: &Seen) -> Vec<String> {
    seen.mails.iter().map(|mail| mail.field("Subject")).collect()
}

fn sessions(seen: &Seen) -> usize {
    String::from_utf8_lossy(&seen.wire.octets).matches("EHLO ").count()
}

/// P-418: a message in a file, an mbox and a Maildir, with one login and one flight for each message.
#[test]
fn all_messages_go_in_one_session() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let single = program.file("1.eml", "To: a@x.test\nBcc: z@x.test\nSubject: for a@x.test\n\nhello\n");
    let mbox = program.file(
        "mbox",
        format!(
            "From alice Mon Jan  1 00:00:00 2026\n{}\nFrom here on\n>From me\n>>From you\n\nFrom bob Thu Jan  1 00:00:00 1970\n{}\n",
            message("b@x.test"),
            message("c@x.test")
        ),
    );
    let maildir = program.path("Maildir");
    for folder in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(folder)).unwrap();
    }
    fs::write(maildir.join("tmp/0"), message("unfinished@x.test")).unwrap();
    fs::write(maildir.join("new/2"), message("e@x.test")).unwrap();
    fs::write(maildir.join("new/.hidden"), message("hidden@x.test")).unwrap();
    fs::write(maildir.join("cur/1:2,S"), message("d@x.test")).unwrap();
    batch(&program, &[&single, &mbox, &maildir]).assert_silent_success();
    let seen = relay.take();
    assert_eq!(sessions(&seen), 1);
    let to = |name: &str| format!("for {name}@x.test");
    assert_eq!(subjects(&seen), ["a", "b", "c", "d", "e"].map(to));
    assert_eq!(seen.mails[0].recipients, ["a@x.test", "z@x.test"]);
    assert!(seen.mails[0].fields("Bcc").is_empty());
    assert_eq!(seen.mails[2].text(), "hello c@x.test\r\n");
    seen.mails.iter().for_each(super::relay::Mail::assert_clean);
}

/// A line `From ` begins a message behind a blank line alone, and one that is quoted loses one mark.
#[test]
fn an_mbox_is_cut_where_it_should_be() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let head = "To: a@x.test\nSubject: s\n\n";
    let long = "x".repeat(9000);
    let body = format!("one\nFrom here on\n\n\n>From me\n>>From you\n> From\n\n{long}From it\n");
    let mbox = program.file("mbox", format!("From a\n{head}{body}\n\nFrom b 2 Jan 1970 00:00:00 +0000\n{head}two\n"));
    let ended = batch(&program, &[&mbox]);
    ended.assert_silent_success();
    let seen = relay.take();
    assert_eq!(seen.mails.len(), 2);
    let expected = body.replace(">From me", "From me").replace(">>From you", ">From you");
    assert_eq!(seen.mails[0].decoded(), format!("{expected}\n"));
    assert_eq!(seen.mails[1].text(), "two\r\n");
}

/// Each failure has a line with the name of its file, and all others get their messages.
#[test]
fn what_fails_is_told_and_the_rest_is_sent() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let good = program.file("good.eml", message("a@x.test"));
    let half = program.file("half.eml", message("b@x.test, refuse-550@x.test, defer-451@x.test"));
    let nobody = program.file("nobody.eml", "Subject: nobody\n\nx\n");
    let bad = program.file("bad.eml", message("a@@x.test"));
    let last = program.file("last.eml", message("c@x.test"));
    let missing = program.path("missing.eml");
    let home = program.path("home");
    fs::create_dir(&home).unwrap();
    let ended = batch(&program, &[&good, &half, &nobody, &bad, &missing, &home, &last]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    for (file, words) in [
        ("half.eml", "refuse-550@x.test: refused by "),
        ("half.eml", "defer-451@x.test: deferred by "),
        ("nobody.eml", "no recipients"),
        ("bad.eml", "bad address in To: 'a@@x.test'"),
        ("missing.eml", "cannot read it: no such file or directory"),
        ("home", "it is a directory and no Maildir"),
    ] {
        let begin = format!("posthaste: {}: {words}", program.path(file).display());
        assert_eq!(
            ended.stderr.lines().filter(|line| line.starts_with(&begin)).count(),
            1,
            "{begin}\n{}",
            ended.stderr
        );
    }
    let seen = relay.take();
    assert_eq!(sessions(&seen), 1);
    let recipients: Vec<&[String]> = seen.mails.iter().map(|mail| &mail.recipients[..]).collect();
    assert_eq!(recipients, [["a@x.test"], ["b@x.test"], ["c@x.test"]]);
}

/// P-089 P-412: the session breaks in the middle. Messages that were not begun go in another one, and none goes twice.
#[test]
fn a_broken_session_is_followed_by_another() {
    for breaking in ["drop@x.test", "data-drop@x.test"] {
        let relay = Relay::start(plain());
        let program = Program::to(relay.wire.address);
        let files: Vec<_> = ["a@x.test", "b@x.test", breaking, "c@x.test", "d@x.test"]
            .iter()
            .enumerate()
            .map(|(number, to)| program.file(&format!("{number}.eml"), message(to)))
            .collect();
        let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
        let ended = batch(&program, &files);
        assert_eq!(ended.code(), 75, "{}", ended.stderr);
        let told: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("posthaste: ")).collect();
        assert_eq!(told.len(), 1, "{}", ended.stderr);
        assert!(told[0].contains("2.eml: ") && told[0].contains(breaking), "{}", ended.stderr);
        let seen = relay.take();
        assert!(sessions(&seen) > 1);
        let wire = String::from_utf8_lossy(&seen.wire.octets).into_owned();
        for to in ["a@x.test", "b@x.test", breaking, "c@x.test", "d@x.test"] {
            assert!(wire.matches(&format!("Subject: for {to}\r\n")).count() <= 1, "{to} twice: {wire}");
        }
        let mut sent = subjects(&seen);
        sent.sort();
        assert_eq!(sent, ["a", "b", "c", "d"].map(|name| format!("for {name}@x.test")), "{breaking}");
    }
}

/// What one server defers, the next one may take: each message as if it were alone.
#[test]
fn what_one_server_defers_goes_to_the_next() {
    let relay = Relay::start(plain());
    let other = Relay::start(Options { faults: Faults::Off, ..plain() });
    let program = Program::with(&format!(
        "server = [\"smtp://{}\", \"smtp://{}\"]\ntls = \"none\"\n",
        relay.wire.address, other.wire.address
    ));
    let to = ["a@x.test", "defer-451@x.test, b@x.test", "c@x.test", "d@x.test", "defer-452@x.test"];
    let files: Vec<_> = (1..).zip(to).map(|(number, to)| program.file(&format!("{number}.eml"), message(to))).collect();
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    batch(&program, &files).assert_silent_success();
    let recipients = |seen: &Seen| seen.mails.iter().map(|mail| mail.recipients.join(", ")).collect::<Vec<_>>();
    assert_eq!(recipients(&relay.take()), ["a@x.test", "b@x.test", "c@x.test", "d@x.test"]);
    assert_eq!(recipients(&other.take()), ["defer-451@x.test", "defer-452@x.test"]);
}

/// Where there is no server, or no login, that is found out once.
#[test]
fn without_a_server_nothing_else_is_tried() {
    let relay = Relay::start(super::relay::guarded("alice", "right"));
    let program = Program::with(&relay.login("alice", "wrong"));
    fs::write(program.path("ca.pem"), &relay.pem).unwrap();
    let files = ["a", "b", "c"].map(|name| program.file(name, message(&format!("{name}@x.test"))));
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    let ended = batch(&program, &files);
    assert_eq!(ended.code(), 77, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("not tried, for the same reason").count(), 2, "{}", ended.stderr);
    let seen = relay.take();
    assert_eq!(seen.mails.len(), 0);
}

/// A program with an account for alice, one for bob, and a default one, on these servers.
fn three_accounts(servers: [std::net::SocketAddr; 3]) -> Program {
    let [home, work, club] = servers;
    Program::with(&format!(
        "server = \"smtp://{home}\"\ntls = \"none\"\n\n[account.work]\nserver = \"smtp://{work}\"\n\
         from = [\"alice@work.test\", \"*@work.test\"]\n\n[account.club]\nserver = \"smtp://{club}\"\nfrom = \"bob@club.test\"\n"
    ))
}

fn by(author: &str, number: usize) -> String {
    format!("From: {author}\nTo: {number}@x.test\nSubject: {number}\n\nx\n")
}

/// The author of each message chooses its account, and those of one account go in one session.
#[test]
fn each_message_goes_by_the_account_of_its_author() {
    let relays = [(); 3].map(|()| Relay::start(plain()));
    let program = three_accounts([0, 1, 2].map(|at: usize| relays[at].wire.address));
    let authors = [
        "Alice <alice@work.test>",
        "bob@club.test",
        "carol@x.test",
        "bob@CLUB.TEST (Bob), x@work.test",
        "me@work.test",
    ];
    let files: Vec<_> =
        (0..15).map(|number| program.file(&number.to_string(), by(authors[number % authors.len()], number))).collect();
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    batch(&program, &files).assert_silent_success();
    for (relay, (senders, numbers)) in relays.iter().zip([
        (None, vec![2, 7, 12]),
        (Some("alice@work.test"), vec![0, 4, 5, 9, 10, 14]),
        (Some("bob@club.test"), vec![1, 3, 6, 8, 11, 13]),
    ]) {
        let seen = relay.take();
        let mut sent: Vec<usize> = subjects(&seen).iter().map(|subject| subject.parse().unwrap()).collect();
        sent.sort_unstable();
        assert_eq!(sent, numbers);
        assert_eq!(sessions(&seen), 1);
        assert!(seen.mails.iter().all(|mail| senders.is_none_or(|sender| mail.sender == sender)));
    }
    // Whoever names an account or a sender has chosen for all of them.
    for option in [["--account", "club"], ["--envelope-from", "bob@club.test"]] {
        let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
        let arguments = [&["send"], &option[..], &["--batch"], &names[..]].concat();
        run(&mut program.posthaste(&arguments), b"").assert_silent_success();
        assert_eq!(relays[2].take().mails.len(), 15);
    }
}

/// Many messages of other accounts do not pile up, and none is lost for that.
#[test]
fn a_session_ends_for_many_messages_of_another_account() {
    let relays = [(); 3].map(|()| Relay::start(plain()));
    let program = three_accounts([0, 1, 2].map(|at: usize| relays[at].wire.address));
    let author = |number: usize| if number.is_multiple_of(20) { "alice@work.test" } else { "bob@club.test" };
    let files: Vec<_> = (0..45).map(|number| program.file(&number.to_string(), by(author(number), number))).collect();
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    batch(&program, &files).assert_silent_success();
    let (work, club) = (relays[1].take(), relays[2].take());
    assert_eq!((work.mails.len(), club.mails.len()), (3, 42));
    assert!(sessions(&work) > 1 && sessions(&work) + sessions(&club) < 8);
}

/// The servers of one account are out of reach, and that keeps nothing of another account back.
#[test]
fn an_account_without_a_server_does_not_stop_the_others() {
    let relay = Relay::start(plain());
    let gone = Closed::tcp();
    let program = three_accounts([relay.wire.address, gone.address, relay.wire.address]);
    let authors = ["alice@work.test", "bob@club.test"];
    let files: Vec<_> =
        (0..6).map(|number| program.file(&number.to_string(), by(authors[number % 2], number))).collect();
    let files: Vec<&Path> = files.iter().map(|file| &**file).collect();
    let ended = batch(&program, &files);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("not tried, for the same reason").count(), 2, "{}", ended.stderr);
    let mut sent = subjects(&relay.take());
    sent.sort();
    assert_eq!(sent, ["1", "3", "5"]);
}

#[test]
fn options_that_write_a_message_do_not_go_with_it() {
    let program = Program::with("server = \"smtp://127.0.0.1:9\"\ntls = \"none\"\n");
    for option in [&["--to", "a@x.test"][..], &["--dry-run"], &["--json"], &["--subject", "x"]] {
        let ended = run(&mut program.posthaste(&[&["send", "--batch", "x.eml"], option].concat()), b"");
        assert_eq!(ended.code(), 64, "{}", ended.stderr);
    }
}

/// A person sees how far it is, and how much that is of all; whoever reads standard error by a pipe does not.
#[test]
fn a_terminal_shows_how_many_are_done() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let files = ["a@x.test", "refuse-550@x.test", "b@x.test"].map(|to| program.file(to, message(to)));
    let Some(said) = at_a_terminal(&program, &files) else { return };
    assert!(said.contains("\r\x1b[K1 of 3 messages done"), "{said:?}");
    // It makes room for what is told, and is gone in the end.
    assert!(said.contains("\r\x1b[Kposthaste: ") && said.ends_with("\r\x1b[K"), "{said:?}");
    assert_eq!(relay.take().mails.len(), 2);
    // How many messages are in an mbox is known at its end, and how long it is before.
    let [first, second] =
        ["a", "b"].map(|name| format!("From {name} Mon Jan  1 00:00:00 2026\n{}\n", message("a@x.test")));
    let mbox = program.file("mbox", format!("{first}{second}"));
    let single = program.file("single", "x".repeat(first.len() + second.len()));
    let Some(said) = at_a_terminal(&program, &[mbox, single]) else { return };
    // All of the mbox has been read by then, and nothing of what stands behind.
    let read = 50;
    assert!(said.contains(&format!("\r\x1b[K1 message done, {read} %")), "{read}: {said:?}");
}

/// What the program says there; nothing where there is no terminal to be had: tests/run installs bsdutils.
fn at_a_terminal(program: &Program, files: &[PathBuf]) -> Option<String> {
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let command = format!("'{BINARY}' send --batch {}", names.join(" "));
    let spawned = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("POSTHASTE_CONFIG", program.config())
        .stdin(Stdio::null())
        .output();
    Some(String::from_utf8(spawned.ok()?.stdout).unwrap())
}
