//! The sixty conformance cases as calls that can be made in any way: of what the server is, what the call is, and what must
//! come of it. Those of a plain call are in `cases`, those that are refused without a server in `refused`.

use std::fs;

use posthaste::server::options::{Extension, Options};

use super::ports::Closed;
use super::program::{Program, me};
use super::relay::{Mail, Relay, Seen, guarded, plain};
use super::stdio::{DIALOGUE, all};
use super::{cases, refused};

/// A call of a program.
pub struct Trial {
    /// That of the list.
    pub number: u32,
    /// The name by which the program is called.
    pub name: &'static str,
    pub args: Vec<String>,
    pub input: Vec<u8>,
    pub server: Server,
    /// A variable of the environment that the case is about.
    pub variable: Option<(&'static str, &'static str)>,
    pub wanted: Wanted,
}

/// What must come of a call.
pub enum Wanted {
    /// One message, and not a word.
    Mail(Box<dyn Fn(&Mail)>),
    /// A line for each recipient that failed, with words in them; the others get the message.
    Failure { code: i32, lines: usize, words: &'static [&'static str], reached: &'static [&'static str] },
    /// Nothing is sent, and this is printed.
    Printed(&'static str),
    /// A dialogue with these codes; the message is that of the case.
    Dialogue { codes: Vec<u16>, code: i32, check: fn(&Seen) },
    /// SIGINT comes before the end of the input; nothing is sent.
    Interrupted,
}

/// Whom the program submits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Plain,
    /// It offers PIPELINING and nothing else.
    Old,
    /// It wants a password, and not the one it gets.
    Guarded,
    /// Nobody listens there.
    Absent,
}

/// All of the servers, and a program for each.
pub struct Servers {
    plain: (Relay, Program),
    old: (Relay, Program),
    guarded: (Relay, Program),
    absent: (Relay, Program),
    _nowhere: Closed,
}

impl Servers {
    pub fn start() -> Servers {
        let open = |options| {
            let relay = Relay::start(options);
            let program = Program::to(relay.wire.address);
            (relay, program)
        };
        let guard = Relay::start(guarded("alice", "right"));
        let locked_out = Program::with(&guard.login("alice", "wrong"));
        locked_out.file("ca.pem", &guard.pem);
        let nowhere = Closed::tcp();
        Servers {
            plain: open(plain()),
            old: open(Options { extensions: vec![Extension::Pipelining], ..plain() }),
            guarded: (guard, locked_out),
            absent: (Relay::start(plain()), Program::to(nowhere.address)),
            _nowhere: nowhere,
        }
    }

    pub fn of(&self, server: Server) -> &(Relay, Program) {
        match server {
            Server::Plain => &self.plain,
            Server::Old => &self.old,
            Server::Guarded => &self.guarded,
            Server::Absent => &self.absent,
        }
    }
}

const S: &[u8] = b"Subject: s\n\nb\n";
// Not in a directory of the sources: others put a database beside them.
const BROKEN: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/aliases.broken");
const VALID: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/aliases.valid");

fn call(number: u32, args: &[&str], input: &[u8], wanted: Wanted) -> Trial {
    let args = args.iter().map(|word| (*word).to_owned()).collect();
    Trial { number, name: "sendmail", args, input: input.to_vec(), server: Server::Plain, variable: None, wanted }
}

fn mail(check: impl Fn(&Mail) + 'static) -> Wanted {
    Wanted::Mail(Box::new(check))
}

/// Every case, by number.
pub fn trials() -> Vec<Trial> {
    fs::write(BROKEN, "root: alice\nno colon\nroot: bob\n").unwrap();
    fs::write(VALID, "# What newaliases has nothing to say of.\nroot: alice@x.test, bob\n").unwrap();
    let mut trials: Vec<Trial> = Vec::new();
    for case in cases::CASES {
        trials.push(call(case.number, case.args, case.input, mail(|mail| case.verify(mail))));
    }
    for (number, args, input, code, words) in refused::CASES {
        let wanted = Wanted::Failure { code: *code, lines: 1, words, reached: &[] };
        trials.push(call(*number, args, input, wanted));
    }
    trials.extend(whole_messages());
    trials.extend(other_modes());
    trials.extend(troubles());
    trials.sort_by_key(|trial| trial.number);
    trials
}

fn whole_messages() -> [Trial; 5] {
    // More than is kept in memory.
    let large = format!("Subject: s\n\n{}.\nlast\n", ".a line\n".repeat(200_000));
    let at_the_end =
        Wanted::Dialogue { codes: vec![], code: 0, check: |seen| assert!(seen.wire.has(b"\r\n..\r\nlast\r\n.\r\n")) };
    let named = mail(|mail| assert_eq!(mail.field("From"), format!("Env Name <{}>", me())));
    let mutt = [
        "-oem",
        "-oi",
        "-B8BITMIME",
        "-f",
        "me@o.test",
        "-N",
        "failure,delay",
        "-R",
        "hdrs",
        "-V",
        "id1",
        "--",
        "a@x.test",
    ];
    let bare = mail(|mail| {
        let envelope = &mail.envelope;
        assert_eq!((mail.sender.as_str(), envelope.recipients[0].notify.as_ref()), ("me@o.test", None));
        assert_eq!((envelope.ret, envelope.envid.as_ref(), mail.body_type), (None, None, None));
    });
    let body = format!("{}=\n", "long ".repeat(600));
    let references: Vec<String> = (0..200).map(|n| format!("<{n:020}@x.test>")).collect();
    let long = format!("Subject: s\nReferences: {}\n\n{body}", references.join(" "));
    let with_all = mail(move |mail| {
        mail.assert_clean();
        assert_eq!(mail.decoded(), body);
        let found = mail.field("References");
        assert!(found.contains("\r\n "));
        assert_eq!(found.split_ascii_whitespace().collect::<Vec<_>>(), references);
    });
    [
        call(2, &["-i", "bob@x.test"], large.as_bytes(), at_the_end),
        Trial { variable: Some(("NAME", "Env Name")), ..call(39, &["bob@x.test"], S, named) },
        Trial { server: Server::Old, ..call(43, &mutt, S, bare) },
        call(51, &["bob@x.test"], long.as_bytes(), with_all),
        call(60, &["-i", "bob@x.test"], &[S, &b"a line of the body\n".repeat(54)].concat(), Wanted::Interrupted),
    ]
}

fn other_modes() -> [Trial; 11] {
    let printed = |number, name, args: &[&str], text| Trial { name, ..call(number, args, b"", Wanted::Printed(text)) };
    let codes = |count: usize| [220].into_iter().chain(DIALOGUE.iter().map(|(_, code)| *code)).take(count).collect();
    let talk = |number, ends| {
        let check = |seen: &Seen| {
            let mail = &seen.mails[0];
            assert_eq!((mail.sender.as_str(), mail.recipients.as_slice()), ("a@o.test", &["b@x.test".to_owned()][..]));
            assert_eq!((mail.field("Subject").as_str(), mail.text(), seen.mails.len()), ("s", ".dot\r\n", 1));
            assert!(mail.fields("Bcc").is_empty());
        };
        let wanted = Wanted::Dialogue { codes: codes(DIALOGUE.len() + 1), code: 0, check };
        call(number, &["-bs"], all(DIALOGUE, ends).as_bytes(), wanted)
    };
    let cut = Wanted::Dialogue { codes: codes(5), code: 65, check: Seen::assert_nothing };
    let wrong =
        Wanted::Failure { code: 65, lines: 2, words: &["aliases.broken:2: ", "aliases.broken:3: "], reached: &[] };
    [
        talk(54, "\r\n"),
        talk(55, "\n"),
        call(55, &["-bs"], (all(&DIALOGUE[..4], "\n") + "Subject: s\n\nhalf").as_bytes(), cut),
        printed(56, "sendmail", &["-bp"], "Mail queue is empty\n"),
        printed(56, "mailq", &[], "Mail queue is empty\n"),
        printed(56, "mailq", &["-v"], "Mail queue is empty\n"),
        printed(56, "mailq", &["-Ac"], "Mail queue is empty\n"),
        printed(57, "newaliases", &[], ""),
        printed(57, "sendmail", &["-bi", &format!("-oA{VALID}")], ""),
        printed(57, "sendmail", &["-I"], ""),
        call(57, &["-bi", &format!("-oA{BROKEN}")], b"", wrong),
    ]
}

fn troubles() -> [Trial; 5] {
    let trouble = |number, args: &[&str], server, code, words, reached| Trial {
        server,
        ..call(number, args, S, Wanted::Failure { code, lines: 1, words, reached })
    };
    [
        trouble(
            58,
            &["a@x.test", "refuse-550@x.test"],
            Server::Plain,
            67,
            &["refuse-550@x.test", "550 5.1.1 refused"],
            &["a@x.test"],
        ),
        trouble(59, &["defer-451@x.test"], Server::Plain, 75, &["defer-451@x.test", "451 "], &[]),
        trouble(59, &["data-refuse-554@x.test"], Server::Plain, 69, &["554 "], &[]),
        trouble(59, &["a@x.test"], Server::Absent, 75, &["a@x.test", "refused"], &[]),
        trouble(59, &["a@x.test"], Server::Guarded, 77, &["a@x.test", "535 "], &[]),
    ]
}
