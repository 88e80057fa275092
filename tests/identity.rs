//! The rules of identity, one by one and together: what stands in the configuration, what a message says, and what comes of
//! both. No process and no server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::cell::LazyCell;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;

use chrono::{DateTime, FixedOffset};
use posthaste::config::account::{Account, Log};
use posthaste::config::{Choice, Environment, load};
use posthaste::envelope::ReversePath;
use posthaste::identity::{Rewritten, Rules, Scope};
use posthaste::message::incoming::{self, LoneDot};
use posthaste::message::prepare::{self, Caller, FixUps, Identity, LongLines, Recipients, Sender, UNKNOWN_CHARSET};
use posthaste::message::{Message, More, Source as _};
use proptest::prelude::*;

fn account(settings: &str) -> Account {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let common = "server = \"smtp://relay.example.org\"\nmail-domain = \"example.org\"\n";
    std::fs::write(&path, format!("{common}{settings}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let environment = Environment::new([("HOME", "/nonexistent")], posthaste::system::Identity::Plain);
    let config = load(&environment, Some(&path)).unwrap_or_else(|error| panic!("{}", error.report()));
    let choice = Choice { name: None, sender: None, log: Log::None };
    config.account(choice).unwrap_or_else(|error| panic!("{}", error.report()))
}

fn machine() -> Identity {
    Identity {
        caller: LazyCell::new(|| Caller { login: "root".to_owned(), full_name: None }),
        mail_domain: "example.org".to_owned(),
        host: LazyCell::new(|| "nas1.lan".to_owned()),
    }
}

fn clock() -> DateTime<FixedOffset> {
    DateTime::parse_from_rfc2822("Tue, 01 Sep 2026 12:00:00 +0200").unwrap()
}

/// A message as it is before the rules of identity.
fn message(octets: &[u8], fix_ups: FixUps) -> Message {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let rules = prepare::Rules {
        identity: &machine(),
        sender: Sender::Caller,
        name: None,
        recipients: Recipients::Arguments,
        fix_ups,
        long_lines: LongLines::Pass,
        charset: UNKNOWN_CHARSET,
        clock,
    };
    prepare::prepare(incoming::read(file, LoneDot::IsText).unwrap(), &rules).unwrap().message
}

fn rewritten(account: &Account, sender: &str, octets: &[u8]) -> Rewritten {
    let sender = ReversePath::parse(sender, "example.org").unwrap();
    Rules::of(account, &machine()).rewrite(sender, message(octets, FixUps::All), Scope::All)
}

fn octets(message: &mut Message) -> Vec<u8> {
    message.rewind().unwrap();
    let mut octets = Vec::new();
    while message.read_block(&mut octets).unwrap() == More::Yes {}
    octets
}

/// Settings, the reverse-path and fields of a message; and what both are afterwards. Fields that are not named stay.
struct Case {
    settings: &'static str,
    sender: (&'static str, &'static str),
    fields: (&'static str, &'static str),
    /// The rules that did something.
    rules: &'static [&'static str],
}

const MAP: &str =
    "sender-map = [\"root: alerts@example.net\", \"@nas1.lan: nas1@example.net\", \"bob@x.test bob@example.net\"]";
const MASK: &str = "masquerade = [\"nas1.lan\", \"*.home.test\"]\nmasquerade-except = [\"root\", \"@db.home.test\"]";
const NAME: &str = "from = [\"alice@gmail.test\", \"*@alice.test\"]\nrewrite-from = \"name\"";
const REPLY: &str = "from = [\"alice@gmail.test\", \"*@alice.test\"]\nrewrite-from = \"reply-to\"";
const FORCED: &str = "envelope-from = \"bounces@example.net\"";

const CASES: &[Case] = &[
    // A user is one of this machine; an address is that address; a whole address comes before a pattern.
    Case {
        settings: MAP,
        sender: ("root", "alerts@example.net"),
        fields: (
            "From: root (Cron Daemon)\nReply-To: Bob <bob@x.test>\nTo: root\n",
            "From: alerts@example.net (Cron Daemon)\nReply-To: Bob <bob@example.net>\nTo: root@example.org\n",
        ),
        rules: &["sender-map"],
    },
    Case {
        settings: MAP,
        sender: ("root@nas1.lan", "alerts@example.net"),
        fields: (
            "From: \"www, data\" <www-data@nas1.lan>, c@y.test\nSender: root@nas1\n",
            "From: \"www, data\" <nas1@example.net>, c@y.test\nSender: alerts@example.net\n",
        ),
        rules: &["sender-map"],
    },
    Case {
        settings: MAP,
        sender: ("root@other.test", "root@other.test"),
        fields: ("From: <root@other.test>\nTo: x@nas1.lan\n", "From: <root@other.test>\nTo: x@nas1.lan\n"),
        rules: &[],
    },
    Case {
        settings: "sender-map = [\"*: all@example.net\", \"root: alerts@example.net\"]",
        sender: ("bob@x.test", "all@example.net"),
        fields: ("From: ROOT\n", "From: alerts@example.net\n"),
        rules: &["sender-map"],
    },
    // Sender and recipients of the header, and never the recipients of the envelope.
    Case {
        settings: MASK,
        sender: ("bob@nas1.lan", "bob@example.org"),
        fields: (
            "From: Bob <bob@a.b.home.test>\nTo: root@nas1.lan, carol@NAS1.lan,\n\t\"d e\"@x.home.test (D)\n\
                  Cc: x@db.home.test, y@home.test\nSubject: bob@nas1.lan\n",
            "From: Bob <bob@example.org>\nTo: root@nas1.lan, carol@example.org,\n\t\"d e\"@example.org (D)\n\
                  Cc: x@db.home.test, y@home.test\nSubject: bob@nas1.lan\n",
        ),
        rules: &["masquerade"],
    },
    Case {
        settings: MASK,
        sender: ("root@nas1.lan", "root@nas1.lan"),
        fields: ("From: Root@nas1.lan\n", "From: Root@nas1.lan\n"),
        rules: &[],
    },
    // Who is not the account's becomes the account's, and is told in the name.
    Case {
        settings: NAME,
        sender: ("root", "alice@gmail.test"),
        fields: (
            "From: root (Cron Daemon)\nTo: root\n",
            "From: Cron Daemon on nas1 <alice@gmail.test>\nTo: root@example.org\n",
        ),
        rules: &["rewrite-from"],
    },
    Case {
        settings: NAME,
        sender: ("root@nas1.lan", "alice@gmail.test"),
        fields: (
            "From: cron\nSender: root@nas1.lan\n",
            "From: cron on nas1 <alice@gmail.test>\nSender: alice@gmail.test\n",
        ),
        rules: &["rewrite-from"],
    },
    Case {
        settings: NAME,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: ("From: Bob Q <bob@x.test>\n", "From: \"Bob Q (bob@x.test)\" <alice@gmail.test>\n"),
        rules: &["rewrite-from"],
    },
    Case {
        settings: NAME,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: ("From: bob@x.test, root\n", "From: \"bob@x.test, root on nas1\" <alice@gmail.test>\n"),
        rules: &["rewrite-from"],
    },
    // Encoded words stay readable.
    Case {
        settings: NAME,
        sender: ("alice@gmail.test", "alice@gmail.test"),
        fields: ("From: =?utf-8?Q?J=C3=B6s?= <root>\n", "From: =?utf-8?Q?J=C3=B6s?= on nas1 <alice@gmail.test>\n"),
        rules: &["rewrite-from"],
    },
    Case {
        settings: NAME,
        sender: ("alice@gmail.test", "alice@gmail.test"),
        fields: (
            "From: =?utf-8?Q?J=C3=B6s?= <j@x.test>\n",
            "From: =?utf-8?Q?J=C3=B6s?= \"(j@x.test)\" <alice@gmail.test>\n",
        ),
        rules: &["rewrite-from"],
    },
    // What the account may use stays, and so does nobody.
    Case {
        settings: NAME,
        sender: ("list@alice.test", "list@alice.test"),
        fields: (
            "From: Alice <alice@GMAIL.test>\nSender: x@alice.test\n",
            "From: Alice <alice@GMAIL.test>\nSender: x@alice.test\n",
        ),
        rules: &[],
    },
    Case {
        settings: NAME,
        sender: ("<>", ""),
        fields: ("From: alice@gmail.test\n", "From: alice@gmail.test\n"),
        rules: &[],
    },
    // What cannot be read is a name.
    Case {
        settings: NAME,
        sender: ("root", "alice@gmail.test"),
        fields: ("From: Cron <<root>\n", "From: \"Cron <<root> on nas1\" <alice@gmail.test>\n"),
        rules: &["rewrite-from"],
    },
    Case {
        settings: NAME,
        sender: ("root", "alice@gmail.test"),
        fields: (
            "From: \"a\\\" <x@y.test>, \\\"b\" <root>\n",
            "From: \"a\\\" <x@y.test>, \\\"b on nas1\" <alice@gmail.test>\n",
        ),
        rules: &["rewrite-from"],
    },
    // Answers go to the author.
    Case {
        settings: REPLY,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: (
            "From: Bob Q <bob@x.test>\nTo: a@x.test\n",
            "From: Bob Q <alice@gmail.test>\nReply-To: Bob Q <bob@x.test>\nTo: a@x.test\n",
        ),
        rules: &["rewrite-from"],
    },
    Case {
        settings: REPLY,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: (
            "From: bob@x.test, c@y.test\n",
            "From: \"bob@x.test, c@y.test\" <alice@gmail.test>\nReply-To: bob@x.test, c@y.test\n",
        ),
        rules: &["rewrite-from"],
    },
    Case {
        settings: REPLY,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: ("From: bob@x.test\nReply-To: d@x.test\n", "From: alice@gmail.test\nReply-To: d@x.test\n"),
        rules: &["rewrite-from"],
    },
    // A script whose variable was empty.
    Case {
        settings: REPLY,
        sender: ("bob@x.test", "alice@gmail.test"),
        fields: (
            "Reply-To:\nFrom: Bob <bob@x.test>\nTo: a@x.test\n",
            "Reply-To: Bob <bob@x.test>\nFrom: Bob <alice@gmail.test>\nTo: a@x.test\n",
        ),
        rules: &["rewrite-from"],
    },
    // Whoever sends a message on is not who wrote it.
    Case {
        settings: REPLY,
        sender: ("root", "alice@gmail.test"),
        fields: (
            "Resent-From: root\nResent-To: a@x.test\nResent-Date: d\nResent-Message-ID: <i@x>\nFrom: bob@x.test\nSender: b@x.test\n",
            "Resent-From: root on nas1 <alice@gmail.test>\nResent-To: a@x.test\nResent-Date: d\nResent-Message-ID: <i@x>\nFrom: bob@x.test\nSender: b@x.test\n",
        ),
        rules: &["rewrite-from"],
    },
    // Only the envelope, and of nobody too.
    Case {
        settings: FORCED,
        sender: ("bob@x.test", "bounces@example.net"),
        fields: ("From: bob@x.test\n", "From: bob@x.test\n"),
        rules: &["envelope-from"],
    },
    Case {
        settings: FORCED,
        sender: ("", "bounces@example.net"),
        fields: ("From: bob@x.test\n", "From: bob@x.test\n"),
        rules: &["envelope-from"],
    },
    // One after the other: the map, then hosts, then the account, then the envelope.
    Case {
        settings: "from = \"alice@gmail.test\"\nrewrite-from = \"name\"\nmasquerade = \"nas1.lan\"\n\
                   sender-map = [\"root: alerts@nas1.lan\", \"www-data: alice@gmail.test\"]\nenvelope-from = \"b@gmail.test\"",
        sender: ("root", "b@gmail.test"),
        fields: (
            "From: root\nReply-To: www-data\n",
            "From: alerts on nas1 <alice@gmail.test>\nReply-To: alice@gmail.test\n",
        ),
        rules: &["sender-map", "masquerade", "rewrite-from", "envelope-from"],
    },
    // A signature stays whole; the envelope is not in it.
    Case {
        settings: NAME,
        sender: ("root", "alice@gmail.test"),
        fields: (
            "DKIM-Signature: v=1; h=from; b=x\nFrom: root@x.test\n",
            "DKIM-Signature: v=1; h=from; b=x\nFrom: root@x.test\n",
        ),
        rules: &["rewrite-from"],
    },
];

#[test]
fn each_rule_changes_what_it_is_about_and_nothing_else() {
    const REST: &str = "Date: d\nMessage-ID: <i@x.test>\nX-Odd :  root@nas1.lan \n\tbob@x.test\nSubject: =?x?=\n";
    for case in CASES {
        let (before, after) = case.fields;
        let mut done =
            rewritten(&account(case.settings), case.sender.0, format!("{before}{REST}\nroot@nas1.lan\n").as_bytes());
        assert_eq!(done.sender.as_str(), case.sender.1, "{before}");
        let found = String::from_utf8(octets(&mut done.message)).unwrap().replace("\r\n", "\n");
        assert_eq!(
            found,
            format!("{after}{}\nroot@nas1.lan\n", REST.replace("X-Odd :", "X-Odd:")),
            "{}",
            case.settings
        );
        let mut rules: Vec<&str> = done.changes.iter().map(|change| change.rule.name()).collect();
        rules.dedup();
        assert_eq!(rules, case.rules, "{before}");
        let on_wire =
            |octets: &[u8]| octets.iter().map(|c| u64::from(*c != b'\r') + u64::from(*c == b'\n')).sum::<u64>();
        let size = done.message.facts().size;
        assert_eq!(size, on_wire(&octets(&mut done.message)), "SIZE is that of what is sent");
    }
}

/// Once is enough: what a rule has made needs no rule any more.
#[test]
fn a_second_time_changes_nothing() {
    for case in CASES.iter().filter(|case| !case.settings.contains("masquerade = \"")) {
        let account = account(case.settings);
        let mut once = rewritten(&account, case.sender.0, case.fields.0.as_bytes());
        let text = octets(&mut once.message);
        let mut twice = rewritten(&account, once.sender.as_str(), &text);
        assert_eq!(octets(&mut twice.message), text, "{}", case.settings);
        assert!(twice.changes.is_empty(), "{:?}", twice.changes);
    }
}

#[test]
fn a_header_of_somebody_else_is_left_alone() {
    let account = account(NAME);
    let sender = ReversePath::parse("root", "example.org").unwrap();
    let mut done = Rules::of(&account, &machine()).rewrite(
        sender,
        message(b"From: root\n\nb\n", FixUps::OnlyBcc),
        Scope::Envelope,
    );
    assert_eq!(done.sender.as_str(), "alice@gmail.test");
    assert_eq!(octets(&mut done.message), b"From: root\n\r\nb\n");
}

#[test]
fn the_map_comes_before_the_default_sender() {
    let knows = |settings: &str| Rules::of(&account(settings), &machine()).knows(|| machine().address().ok());
    assert!(knows("from = \"alice@x.test\"\nsender-map = \"root: alerts@x.test\""));
    assert!(!knows("from = \"alice@x.test\"\nsender-map = \"bob: alerts@x.test\""));
    assert!(!knows("from = \"alice@x.test\""));
}

/// The settings in which each rule is set.
fn all_rules() -> Account {
    account(&format!("{}\n{}\n{}\n{}", REPLY, MASK, MAP, FORCED))
}

fn header() -> impl Strategy<Value = Vec<u8>> {
    const NAMES: [&str; 9] = ["From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Subject", "X-A", "Received"];
    let line = (
        prop::sample::select(&NAMES),
        "[ -~\u{e9}\t]{0,40}|.{0,20}|(\"[a-z @]*\" )?<?[a-z]{1,4}(@nas1.lan|@x.test)?>?(, root)?",
    )
        .prop_map(|(name, value)| format!("{name}: {}\n", value.replace(['\n', '\r'], "\n ")));
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_a_rule_every_octet_stays(header in header(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let octets_in = [b"Message-ID: <i@x.test>\n", &header[..], b"\n", &body].concat();
        let mut before = message(&octets_in, FixUps::All);
        let expected = octets(&mut before);
        let account = account("from = \"alice@gmail.test\"");
        let mut done = rewritten(&account, "bob@nas1.lan", &octets_in);
        prop_assert_eq!(octets(&mut done.message), expected);
        prop_assert_eq!(done.sender.as_str(), "bob@nas1.lan");
        prop_assert!(done.changes.is_empty());
    }

    /// Whatever stands in a header: all rules together touch fields with addresses alone, add Reply-To at most, keep the body,
    /// and leave no From that the server would refuse.
    #[test]
    fn all_rules_touch_addresses_alone(header in header(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        let octets_in = [b"Message-ID: <i@x.test>\n", &header[..], b"\n", &body].concat();
        let account = all_rules();
        let mut before = message(&octets_in, FixUps::All);
        let mut done = rewritten(&account, "bob@nas1.lan", &octets_in);
        let fields = |head: &[u8]| {
            let head = &head[..head.len() - 2];
            let fields = posthaste::message::header::fields(head);
            let text = |field: &posthaste::message::header::Field| head[field.whole()].to_vec();
            fields.iter().map(|field| (head[field.name.clone()].to_vec(), text(field))).collect::<Vec<_>>()
        };
        let (old, new) = (fields(before.head()), fields(done.message.head()));
        let rest = |fields: &[(Vec<u8>, Vec<u8>)]| {
            let kept = fields.iter().filter(|(name, _)| !["From", "Sender", "Reply-To", "To", "Cc", "Resent-From"].iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes())));
            kept.map(|(_, text)| text.clone()).collect::<Vec<_>>()
        };
        prop_assert_eq!(rest(&old), rest(&new));
        prop_assert!(new.len() == old.len() || new.len() == old.len() + 1);
        let split = |octets: Vec<u8>, head: usize| octets[head..].to_vec();
        let heads = (before.head().len(), done.message.head().len());
        prop_assert_eq!(split(octets(&mut before), heads.0), split(octets(&mut done.message), heads.1));
        let is_resent = new.iter().any(|(name, _)| name == b"Resent-From");
        let author: &[u8] = if is_resent { b"Resent-From" } else { b"From" };
        for (_, text) in new.iter().filter(|(name, _)| name.eq_ignore_ascii_case(author)) {
            let text = String::from_utf8_lossy(text);
            prop_assert!(text.contains("@gmail.test") || text.contains("@alice.test"), "{}", text);
        }
    }
}
