//! Calls that succeed, as programs make them. The numbers are those of the list of conformance cases.

use posthaste::server::transaction::{Body, Return};
use posthaste::system::User;

use super::program::{Program, WAYS, me};
use super::relay::{Mail, Relay, plain};

/// A call, and what the relay must get of it.
pub struct Case {
    pub number: u32,
    pub args: &'static [&'static str],
    pub input: &'static [u8],
    /// The reverse-path; [`ME`] for the caller's own address.
    sender: &'static str,
    recipients: &'static [&'static str],
    author: Author,
    check: fn(&Mail),
}

/// Who stands in From.
enum Author {
    /// The caller, with name.
    Caller,
    /// The caller's address alone.
    CallersAddress,
    /// Name and address.
    Is(&'static str, &'static str),
    Address(&'static str),
    /// The case looks for itself.
    Other,
}

const ME: &str = "the caller";
const S: &[u8] = b"Subject: s\n\nb\n";
const DOT: &[u8] = b"Subject: s\n\na\n.\nb\n";

const CASE: Case = Case {
    number: 0,
    args: &["bob@x.test"],
    input: S,
    sender: ME,
    recipients: &["bob@x.test"],
    author: Author::Caller,
    check: |mail| assert_eq!((mail.field("Subject").as_str(), mail.text()), ("s", "b\r\n")),
};

/// The same with another body.
const OTHER: Case = Case { check: |_| {}, ..CASE };

pub const CASES: &[Case] = &[
    Case { number: 1, ..CASE },
    Case { number: 2, args: &["-i", "bob@x.test"], input: DOT, check: whole_body, ..CASE },
    Case { number: 3, input: DOT, check: up_to_the_dot, ..CASE },
    Case { number: 4, input: b"Subject: s\r\n\r\na\r\n.\r\nb\r\n", check: up_to_the_dot, ..CASE },
    Case {
        number: 5,
        input: b"Subject: s\n\n..x\n.y\n",
        check: |mail| assert_eq!(mail.text(), "..x\r\n.y\r\n"),
        ..CASE
    },
    Case { number: 6, args: &["-oi", "-oem", "-odb", "bob@x.test"], input: DOT, check: whole_body, ..CASE },
    Case {
        number: 7,
        args: &["-ti"],
        input: b"To: a@x.test\n\na\n.\nb\n",
        recipients: &["a@x.test"],
        check: whole_body,
        ..CASE
    },
    Case {
        number: 8,
        args: &["-it"],
        input: b"To: a@x.test\n\na\n.\nb\n",
        recipients: &["a@x.test"],
        check: whole_body,
        ..CASE
    },
    Case { number: 9, args: &["-oit", "bob@x.test"], input: b"To: a@x.test\n\na\n.\nb\n", check: whole_body, ..CASE },
    Case {
        number: 10,
        args: &["-t"],
        input: b"To: a@x.test, b@x.test\nCc: \"C, c\" <c@x.test>,\n d@x.test (Dee)\nBcc: e@x.test\nSubject: s\n\nb\n",
        recipients: &["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"],
        check: |mail| {
            assert_eq!(mail.field("To"), "a@x.test, b@x.test");
            assert_eq!(mail.field("Cc"), "\"C, c\" <c@x.test>,\r\n d@x.test (Dee)");
            no_bcc(mail);
        },
        ..CASE
    },
    Case {
        number: 11,
        args: &["-t", "f@x.test"],
        input: b"To: a@x.test\n\nb\n",
        recipients: &["f@x.test", "a@x.test"],
        check: |mail| assert_eq!(mail.field("To"), "a@x.test"),
        ..CASE
    },
    Case {
        number: 12,
        args: &["-t", "a@x.test"],
        input: b"To: A@X.TEST, a@x.test\n\nb\n",
        recipients: &["a@x.test", "A@X.TEST"],
        ..OTHER
    },
    Case {
        number: 13,
        args: &["-t"],
        input: b"Bcc: e@x.test\nSubject: s\n\nb\n",
        recipients: &["e@x.test"],
        check: |mail| {
            no_bcc(mail);
            assert!(mail.fields("To").is_empty());
        },
        ..CASE
    },
    Case {
        number: 14,
        args: &["-t"],
        input: b"To: undisclosed-recipients:;\nBcc: e@x.test\n\nb\n",
        recipients: &["e@x.test"],
        check: |mail| {
            no_bcc(mail);
            assert_eq!(mail.field("To"), "undisclosed-recipients:;");
        },
        ..CASE
    },
    Case {
        number: 17,
        args: &["-t"],
        input: b"Resent-To: r@x.test\nResent-Bcc: q@x.test\nTo: a@x.test\nBcc: c@x.test\n\nb\n",
        recipients: &["r@x.test", "q@x.test"],
        check: |mail| {
            no_bcc(mail);
            assert!(mail.field("Resent-From").contains(&me()));
            assert!(mail.field("Resent-Message-ID").starts_with('<'));
            mail.field("Resent-Date");
        },
        ..CASE
    },
    Case {
        number: 18,
        input: b"Bcc: e@x.test,\n f@x.test\nSubject: s\n\nb\n",
        check: |mail| {
            no_bcc(mail);
            assert!(!mail.header().contains("f@x.test"));
        },
        ..CASE
    },
    Case {
        number: 19,
        args: &["-t"],
        input: b"To: G: a@x.test, b@x.test;, c@x.test\n\nb\n",
        recipients: &["a@x.test", "b@x.test", "c@x.test"],
        ..OTHER
    },
    Case { number: 21, args: &["a@x.test, b@x.test"], recipients: &["a@x.test", "b@x.test"], ..CASE },
    Case { number: 22, args: &["a@x.test,", "b@x.test"], recipients: &["a@x.test", "b@x.test"], ..CASE },
    Case {
        number: 23,
        args: &["Joe Q <a@x.test>, \"X, Y\" <b@x.test>"],
        recipients: &["a@x.test", "b@x.test"],
        ..CASE
    },
    Case { number: 24, args: &["a@x.test b@x.test"], recipients: &["a@x.test", "b@x.test"], ..CASE },
    Case { number: 25, args: &["\"a b\"@x.test"], recipients: &["\"a b\"@x.test"], ..CASE },
    Case { number: 26, args: &["a@x.test (Joe)", "<@r.test:b@x.test>"], recipients: &["a@x.test", "b@x.test"], ..CASE },
    Case { number: 27, args: &["--", "-a@x.test"], recipients: &["-a@x.test"], ..CASE },
    Case { number: 29, args: &["root"], recipients: &["root@example.org"], ..CASE },
    Case { number: 31, args: &["-f", "", "bob@x.test"], sender: "", author: Author::CallersAddress, ..CASE },
    Case { number: 32, args: &["-f<>", "bob@x.test"], sender: "", author: Author::CallersAddress, ..CASE },
    Case {
        number: 33,
        args: &["-f", "Joe Q <me@o.test>", "bob@x.test"],
        sender: "me@o.test",
        author: Author::Address("me@o.test"),
        check: |mail| assert_eq!(mail.field("From"), "me@o.test"),
        ..CASE
    },
    Case {
        number: 34,
        args: &["-fme@o.test", "-F", "Full, Name", "bob@x.test"],
        sender: "me@o.test",
        author: Author::Is("Full, Name", "me@o.test"),
        check: |mail| assert_eq!(mail.field("From"), "\"Full, Name\" <me@o.test>"),
        ..CASE
    },
    Case {
        number: 35,
        args: &["-r", "fail2ban", "root"],
        sender: "fail2ban@example.org",
        recipients: &["root@example.org"],
        author: Author::Address("fail2ban@example.org"),
        ..CASE
    },
    Case {
        number: 36,
        args: &["-f", "a@o.test", "-f", "b@o.test", "bob@x.test"],
        sender: "b@o.test",
        author: Author::Address("b@o.test"),
        ..CASE
    },
    Case {
        number: 38,
        args: &["-F", "Jös", "bob@x.test"],
        author: Author::Other,
        check: |mail| {
            assert!(mail.field("From").to_lowercase().starts_with("=?utf-8?"), "{}", mail.field("From"));
            assert_eq!(mail.author(), (Some("Jös".to_owned()), me()));
        },
        ..CASE
    },
    Case {
        number: 40,
        args: &["-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"],
        input: b"From: root (Cron Daemon)\nTo: root\nSubject: Cron\nMIME-Version: 1.0\n\
                 Content-Transfer-Encoding: 8bit\n\nh\xc3\xa9\n.\nx\n",
        recipients: &["root@example.org"],
        author: Author::Other,
        check: |mail| {
            assert_eq!(mail.body_type, Some(Body::EightBitMime));
            assert_eq!(mail.field("From"), "root@example.org (Cron Daemon)");
            assert_eq!(mail.field("To"), "root@example.org");
            assert_eq!(mail.text(), "hé\r\n.\r\nx\r\n");
        },
        ..CASE
    },
    Case {
        number: 41,
        args: &["-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", "-f", "alice"],
        input: b"From: \"(Cron Daemon)\" <alice>\nTo: a@x.test,b@x.test\n\nb\n",
        sender: "alice@example.org",
        recipients: &["a@x.test", "b@x.test"],
        author: Author::Other,
        check: |mail| assert_eq!(mail.field("From"), "\"(Cron Daemon)\" <alice@example.org>"),
    },
    Case {
        number: 42,
        args: &[
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
        ],
        sender: "me@o.test",
        recipients: &["a@x.test"],
        author: Author::Address("me@o.test"),
        check: |mail| {
            let dsn = |mail: &Mail| (mail.envelope.ret, mail.envelope.envid.clone());
            assert_eq!(dsn(mail), (Some(Return::Hdrs), Some("id1".to_owned())));
            let recipient = &mail.envelope.recipients[0];
            assert_eq!(recipient.notify.as_deref(), Some("FAILURE,DELAY"));
            assert_eq!(recipient.orcpt.as_deref(), Some("rfc822;a@x.test"));
        },
        ..CASE
    },
    Case {
        number: 44,
        input: b"From x@y Fri Jan  5 12:55 1997\n>From z\nSubject: s\n\nb\n",
        check: |mail| {
            assert_eq!(mail.field("Subject"), "s");
            assert!(!mail.header().contains("From x@y") && !mail.header().contains("From z"));
            assert_eq!(mail.text(), "b\r\n");
        },
        ..CASE
    },
    Case {
        number: 45,
        args: &["-t", "-i", "-fweb@o.test"],
        input: b"To: a@x.test\r\nSubject: s\r\nBcc: b@x.test\r\n\r\nl1\nl2\r\n",
        sender: "web@o.test",
        recipients: &["a@x.test", "b@x.test"],
        author: Author::Address("web@o.test"),
        check: |mail| {
            no_bcc(mail);
            assert_eq!(mail.text(), "l1\r\nl2\r\n");
        },
    },
    Case {
        number: 46,
        input: b"hello world\nsecond\n",
        check: |mail| assert_eq!(mail.text(), "hello world\r\nsecond\r\n"),
        ..CASE
    },
    Case {
        number: 47,
        input: b"Subject: s\nno colon here\nmore\n",
        check: |mail| {
            assert_eq!((mail.field("Subject").as_str(), mail.text()), ("s", "no colon here\r\nmore\r\n"));
        },
        ..CASE
    },
    Case {
        number: 48,
        input: b"\nSubject: s\n\nb\n",
        check: |mail| {
            assert_eq!((mail.fields("Subject"), mail.text()), (vec![], "Subject: s\r\n\r\nb\r\n"));
        },
        ..CASE
    },
    Case {
        number: 49,
        input: b"Subject: s\0x\n\na\0b\rc\r\r\nlast",
        check: |mail| {
            assert_eq!((mail.field("Subject").as_str(), mail.text()), ("sx", "ab\r\nc\r\nlast\r\n"));
        },
        ..CASE
    },
    Case {
        number: 50,
        input: b"Return-Path: <z@z>\nContent-Length: 3\nSubject : s\n\nb\n",
        check: |mail| {
            assert!(mail.header().contains("\r\nSubject: s\r\n"), "{}", mail.header());
            assert!(mail.fields("Return-Path").is_empty() && mail.fields("Content-Length").is_empty());
        },
        ..CASE
    },
    Case {
        number: 52,
        args: &[
            "-Am",
            "-m",
            "-n",
            "-U",
            "-x",
            "-h5",
            "-pUUCP:h",
            "-Ltag",
            "-om",
            "-oo",
            "-o7",
            "-oT5d",
            "-oQ/tmp",
            "-oeq",
            "-odf",
            "-O",
            "Foo=1",
            "-OTimeout.queuereturn=5d",
            "-X",
            "/dev/null",
            "bob@x.test",
        ],
        ..CASE
    },
];

impl Case {
    pub fn verify(&self, mail: &Mail) {
        mail.assert_clean();
        let sender = if self.sender == ME { me() } else { self.sender.to_owned() };
        assert_eq!(mail.sender, sender);
        assert_eq!(mail.recipients, self.recipients);
        assert!(mail.field("Message-ID").starts_with('<'));
        assert!(chrono::DateTime::parse_from_rfc2822(&mail.field("Date")).is_ok());
        match self.author {
            Author::Caller => assert_eq!(mail.author(), (User::current().full_name, me())),
            Author::CallersAddress => assert_eq!(mail.author(), (None, me())),
            Author::Is(name, address) => assert_eq!(mail.author(), (Some(name.to_owned()), address.to_owned())),
            Author::Address(address) => assert_eq!(mail.author(), (None, address.to_owned())),
            Author::Other => {}
        }
        (self.check)(mail);
    }
}

fn whole_body(mail: &Mail) {
    assert_eq!(mail.text(), "a\r\n.\r\nb\r\n");
}

fn up_to_the_dot(mail: &Mail) {
    assert_eq!(mail.text(), "a\r\n");
}

fn no_bcc(mail: &Mail) {
    assert!(mail.fields("Bcc").is_empty() && mail.fields("Resent-Bcc").is_empty(), "{}", mail.header());
}

/// P-077
/// Case 2: on the wire the dot has another in front of it.
#[test]
fn a_lone_dot_is_stuffed() {
    let relay = Relay::start(plain());
    Program::to(relay.wire.address).sendmail(&["-i", "bob@x.test"], DOT).assert_silent_success();
    let seen = relay.take();
    assert!(seen.wire.has(b"\r\na\r\n..\r\nb\r\n.\r\n"), "{}", seen.wire.octets.escape_ascii());
}

/// Case 3, with more behind the dot than a pipe holds: who writes it must not be killed for it.
#[test]
fn what_follows_the_dot_is_read_and_dropped() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let input = [DOT, &b"lost\n".repeat(100_000)].concat();
    for way in WAYS {
        program.run(way, &["bob@x.test"], &input).assert_silent_success();
        up_to_the_dot(&relay.take().mail());
    }
}
