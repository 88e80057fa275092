//! Names that stand for other recipients, and the modes that look at them. The numbers are those of the list of
//! conformance cases.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use posthaste::system::Machine;

use super::program::{Program, run};
use super::relay::{Relay, plain};

const S: &[u8] = b"Subject: s\n\nb\n";
const FILE: &str =
    "# people\npostmaster: root\nroot: alice@x.test, bob\nnoreply: /dev/null\nprog: \"|/bin/true\"\na: b\nb: a\n";

fn program(relay: &Relay) -> Program {
    let settings = format!("server = \"smtp://{}\"\ntls = \"none\"\naliases = \"aliases\"\n", relay.wire.address);
    let program = Program::with(&settings);
    program.file("aliases", FILE);
    program
}

#[test]
fn mail_to_a_local_name_goes_where_the_alias_says() {
    let relay = Relay::start(plain());
    let program = program(&relay);
    let header = b"To: Postmaster, carol@y.test, root@example.org\nSubject: s\n\nb\n";
    for (args, input, recipients) in [
        (&["root"][..], S, &["alice@x.test", "bob@example.org"][..]),
        (&["-t"], header, &["alice@x.test", "bob@example.org", "carol@y.test", "root@example.org"]),
        (&["root", "bob", "alice@x.test"], S, &["alice@x.test", "bob@example.org"]),
        // A domain or a backslash means what it says, and so does -n.
        (&["root@example.org"], S, &["root@example.org"]),
        (&["\\root"], S, &["root@example.org"]),
        (&["-n", "root"], S, &["root@example.org"]),
        (&["noreply", "bob"], S, &["bob@example.org"]),
    ] {
        program.sendmail(args, input).assert_silent_success();
        assert_eq!(relay.take().mail().recipients, recipients, "{args:?}");
    }
    program.sendmail(&["noreply"], S).assert_silent_success();
    relay.take().assert_nothing();
    // The other two ways in.
    let ended = run(&mut program.posthaste(&["send", "--to", "root", "--subject", "s", "--body", "b"]), b"");
    ended.assert_silent_success();
    assert_eq!(relay.take().mail().recipients, ["alice@x.test", "bob@example.org"]);
    let dialogue = "HELO x\nMAIL FROM:<>\nRCPT TO:<root>\nDATA\nSubject: s\n\nb\n.\n";
    let ended = run(program.named("sendmail").arg("-bs"), format!("{dialogue}QUIT\n").as_bytes());
    assert_eq!(ended.code(), 0);
    assert_eq!(relay.take().mail().recipients, ["alice@x.test", "bob@example.org"]);
    let ended = run(program.named("sendmail").arg("-bs"), dialogue.replace("root", "noreply").as_bytes());
    assert!(ended.stdout.contains("250 2.0.0 every recipient is an alias for nobody"), "{}", ended.stdout);
    relay.take().assert_nothing();
}

/// `root@thishost` is root, by whatever name; and mailboxes that a provider has are theirs.
#[test]
fn names_at_this_machine_are_looked_up_too() {
    let relay = Relay::start(plain());
    let own = program(&relay);
    let node = Machine::default().host_name();
    let aliased = ["alice@x.test", "bob@example.org"];
    for host in ["localhost", "LOCALHOST", "box.example.org", &node] {
        let address = format!("Root@{host}");
        own.sendmail(&[&address], S).assert_silent_success();
        assert_eq!(relay.take().mail().recipients, aliased, "{address}");
        own.sendmail(&["-t"], format!("To: <{address}>\nSubject: s\n\nb\n")).assert_silent_success();
        assert_eq!(relay.take().mail().recipients, aliased, "{address}");
        let shown = own.sendmail(&["-bv", &address], b"").stdout;
        assert_eq!(shown, format!("{address}... deliverable: alice@x.test, bob@example.org\n"));
    }
    for other in ["root@example.org", "carol@localhost", "root@x.box.example.org", "root@[127.0.0.1]"] {
        own.sendmail(&[other], S).assert_silent_success();
        assert_eq!(relay.take().mail().recipients, [other]);
    }
    // The machine may be called as the domain of the mailboxes.
    let text = fs::read_to_string(own.config()).unwrap();
    fs::write(own.config(), text.replace("box.example.org", "example.org") + "aliases-in = \"envelope-and-header\"\n")
        .unwrap();
    let input = "To: root@example.org\nCc: Me <a@localhost>, prog@localhost, carol@localhost\nSubject: s\n\nb\n";
    own.file("aliases", "root: alice@x.test\na: al@y.test\n*: dave@y.test\n");
    own.sendmail(&["root@example.org"], input).assert_silent_success();
    let mail = relay.take().mail();
    assert_eq!(mail.recipients, ["root@example.org"]);
    assert_eq!(mail.field("To"), "root@example.org");
    assert_eq!(mail.field("Cc"), "Me <al@y.test>, prog@localhost, carol@localhost");
}

#[test]
fn an_alias_that_cannot_be_followed_is_refused_with_the_reason() {
    let relay = Relay::start(plain());
    let program = program(&relay);
    program.sendmail(&["prog", "bob"], S).assert_failure(67, &["the alias prog in ", "stands for a command"]);
    program.sendmail(&["a"], S).assert_failure(67, &["leads in a circle: a → b → a"]);
    let mode = |mode| fs::set_permissions(program.path("aliases"), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o666);
    program.sendmail(&["root"], S).assert_failure(78, &["everybody may write it", "chmod o-w"]);
    program.sendmail(&["bob@x.test"], S).assert_silent_success();
    assert_eq!(relay.take().mail().recipients, ["bob@x.test"]);
    fs::remove_file(program.path("aliases")).unwrap();
    program.sendmail(&["root"], S).assert_failure(78, &["aliases is not there"]);
    relay.take().assert_nothing();
}

/// Case 57
#[test]
fn newaliases_tells_the_mistakes_of_the_file() {
    let relay = Relay::start(plain());
    let program = program(&relay);
    let good = program.file("aliases", FILE.split("prog:").next().unwrap());
    let broken = program.file("broken", "root: alice\nno colon\nroot: bob\n");
    for args in
        [vec!["-bi".to_owned()], vec!["-I".to_owned()], vec!["-bi".to_owned(), format!("-oA{}", good.display())]]
    {
        program.sendmail(&args.iter().map(String::as_str).collect::<Vec<_>>(), b"").assert_silent_success();
    }
    run(&mut program.named("newaliases"), b"").assert_silent_success();
    let there = format!("-oA{}", broken.display());
    let ended = program.sendmail(&["-bi", &there], b"");
    ended.assert_failures(65, 2, &["broken:2: there is no colon", "broken:3: root has an entry already"]);
    program.sendmail(&["-bi", "-oA/nowhere/aliases"], b"").assert_silent_success();
}

/// Who mends an alias because mail to it was refused is told the same by the check.
#[test]
fn newaliases_tells_of_names_that_get_no_mail() {
    let relay = Relay::start(plain());
    let program = program(&relay);
    let ended = run(&mut program.named("newaliases"), b"");
    ended.assert_failures(65, 3, &["the alias a in ", "the alias b in ", "the alias prog in ", "stands for a command"]);
}

/// Nothing is said to be well that nobody has looked at.
#[test]
fn newaliases_tells_when_it_does_not_know_the_file() {
    let program = Program::with("aliases = \"aliases\"\nserve = \"x\"\n");
    program.file("aliases", "no colon\n");
    run(&mut program.named("newaliases"), b"").assert_failure(78, &["serve"]);
    let aliases = program.path("aliases").display().to_string();
    let ended = program.sendmail(&["-bi", &format!("-oA{aliases}")], b"");
    ended.assert_failure(65, &["aliases:1: there is no colon"]);
    // A package that has it checked while it is installed must not fail.
    let usual = run(program.named("newaliases").env_remove("POSTHASTE_CONFIG"), b"");
    assert!(matches!(usual.code(), 0 | 65) && !usual.stderr.contains("account"), "{}", usual.stderr);
}

/// Callers log what they read, whatever the mode.
#[test]
fn each_mode_of_sendmail_tells_its_troubles_in_a_line() {
    let program = Program::with("serve = \"x\"\n");
    for args in [&["-bv", "bob"][..], &["-bi"], &["bob"]] {
        program.sendmail(args, S).assert_failure(78, &["serve", "hint: "]);
    }
    let ended = program.sendmail(&["-bs"], b"QUIT\r\n");
    assert_eq!((ended.code(), ended.stderr.lines().count()), (78, 1), "{}", ended.stderr);
    // But for a person who has the configuration checked.
    assert!(program.sendmail(&["-bC"], b"").stderr.contains("\n  |\n"));
}

/// Nothing is sent and nobody is asked.
#[test]
fn verification_says_where_mail_would_go() {
    let relay = Relay::start(plain());
    let program = program(&relay);
    let ended = program.sendmail(&["-bv", "postmaster", "bob", "x@y.test", "noreply"], b"");
    let wanted = "postmaster... deliverable: alice@x.test, bob@example.org\nbob... deliverable: bob@example.org\n\
                  x@y.test... deliverable\nnoreply... deliverable: to nobody\n";
    assert_eq!((ended.code(), ended.stdout.as_str(), ended.stderr.as_str()), (0, wanted, ""));
    let ended = program.sendmail(&["-bv", "a@@b", "prog"], b"");
    assert_eq!((ended.code(), ended.stdout.lines().count()), (67, 2), "{}", ended.stdout);
    assert!(ended.stdout.starts_with("a@@b... "), "{}", ended.stdout);
    let ended = program.sendmail(&["-bv", "-t"], b"To: root, c@x.test\n\nb\n");
    assert_eq!(ended.stdout, "root... deliverable: alice@x.test, bob@example.org\nc@x.test... deliverable\n");
    relay.take().assert_nothing();
}
