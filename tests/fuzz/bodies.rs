//! What holds for any octets, one function for each place where they come in. A body panics when it does not hold;
//! `fuzz/` gives them octets without end, and `tests/fuzz.rs` a kept corpus.

#[path = "signed.rs"]
mod signed;
#[path = "../engine_properties/world.rs"]
#[allow(dead_code)] // The properties use the rest of it.
mod world;

use std::cell::LazyCell;
use std::fs::{File, Permissions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;

use chrono::{DateTime, FixedOffset};
use posthaste::address::{Address, parse_list};
use posthaste::config::account::Log;
use posthaste::config::{self, Choice, Environment};
use posthaste::message::downgrade::{DowngradeError, Extent, Fields, Goal, Reencoder};
use posthaste::message::incoming::{self, LoneDot};
use posthaste::message::prepare::{self, Caller, FixUps, Identity, LongLines, Recipients, Rules, Sender};
use posthaste::message::{HeaderText, Message, More, Source};
use posthaste::net::https::{Answer, LARGEST};
use posthaste::route::sts::file::{Mode, PolicyFile};
use posthaste::route::sts::record;
use posthaste::smtp::capabilities::Capabilities;
use posthaste::smtp::framing::{Dots, Framer};
use posthaste::smtp::memory::Memory;
use posthaste::smtp::reply::{Reader, Reply};
use posthaste::smtp::sasl::{BY_STRENGTH, Mechanism, Nonce};
use posthaste::smtp::session::{
    Caution, Chunking, ClearText, EightBit, LoginMode, Namesake, Partial, Protocol, Settings, TlsMode,
};
use posthaste::tlsrpt::{Destination, Record};
use rustix::fs::{MemfdFlags, memfd_create};

pub use signed::dkim;
use world::servers::Octets;
use world::{Content, Ending, Fate, play};

/// A body.
type Body = fn(&[u8]);

/// All of them.
pub const TARGETS: [(&str, Body); 12] = [
    ("reply", reply),
    ("capabilities", capabilities),
    ("session", session),
    ("sasl", sasl),
    ("header", header),
    ("downgrade", downgrade),
    ("dkim", dkim),
    ("address", address),
    ("config", config),
    ("sts", sts),
    ("https", https),
    ("tlsrpt", tlsrpt),
];

/// Replies are the same in whatever pieces they come, are bounded, and can be shown.
pub fn reply(octets: &[u8]) {
    let whole = replies(octets, octets.len().max(1));
    for size in [1, 7] {
        assert_eq!(replies(octets, size), whole, "in pieces of {size}");
    }
    for reply in whole.0 {
        assert!((200..600).contains(&reply.code()), "{}", reply.code());
        assert!(!reply.lines().is_empty() && reply.lines().len() <= 501);
        // An octet that cannot be shown takes four characters.
        assert!(reply.to_string().len() <= 4 * (64 << 10) + 501 * 5);
        assert!(!reply.to_string().contains(is_dangerous), "{reply:?}");
        if let Some(enhanced) = reply.enhanced() {
            assert!([2, 4, 5].contains(&enhanced.class) && u16::from(enhanced.class) == reply.code() / 100);
        }
    }
}

/// The replies up to the first fault, and its words.
fn replies(octets: &[u8], size: usize) -> (Vec<Reply>, Option<String>) {
    let mut reader = Reader::default();
    let mut replies = Vec::new();
    for piece in octets.chunks(size) {
        reader.push(piece);
        loop {
            match reader.next_reply() {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(fault) => {
                    let words = fault.to_string();
                    assert!(words.len() < 1000 && !words.contains(is_dangerous), "{words:?}");
                    // How much of a line is known when it is given up depends on the pieces.
                    return (replies, Some(words.split(':').next().unwrap_or_default().to_owned()));
                }
            }
        }
    }
    (replies, None)
}

fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The octets are the lines of a reply to EHLO, without their codes.
pub fn capabilities(octets: &[u8]) {
    let mut text = b"250-mx\r\n".to_vec();
    for line in octets.split(|octet| *octet == b'\n') {
        text.extend_from_slice(b"250-");
        text.extend_from_slice(line);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"250 HELP\r\n");
    let (replies, _) = replies(&text, text.len());
    let Some(reply) = replies.first() else { return };
    let found = Capabilities::parse(reply);
    assert!(found.auth.len() <= 64 && found.lines.len() < reply.lines().len());
    for (at, name) in found.auth.iter().enumerate() {
        assert!(name.len() <= 20 && !name.contains(|c: char| c.is_ascii_whitespace() || is_dangerous(c)), "{name:?}");
        assert!(!found.auth[..at].contains(name), "{name} twice");
        assert_eq!(*name, name.to_ascii_uppercase());
    }
}

/// A server says these octets; the first four choose what kind of session it is.
pub fn session(octets: &[u8]) {
    let Some((choice, octets)) = octets.split_first_chunk::<4>() else { return };
    let of = |octet: u8, count: u8| usize::from(octet % count);
    let tls = [TlsMode::Implicit, TlsMode::Required, TlsMode::Opportunistic, TlsMode::None][of(choice[0], 4)];
    let login = match choice[0] & 0x80 {
        0 => LoginMode::None,
        _ => login(),
    };
    let settings = Settings {
        protocol: if choice[0] & 0x40 == 0 { Protocol::Smtp } else { Protocol::Lmtp },
        tls,
        login,
        max_recipients: 1 + of(choice[1], 3),
        partial: if choice[1] & 0x80 == 0 { Partial::Deliver } else { Partial::AllOrNone },
        eight_bit: if choice[0] & 0x20 == 0 { EightBit::Refuse } else { EightBit::Encode },
        xclient: Vec::new(),
        namesake: Namesake::Fine,
        caution: [Caution::None, Caution::Helo, Caution::ClearText, Caution::Serial][of(choice[1] >> 2, 4)],
        chunking: [Chunking::Needed, Chunking::AfterRecipients, Chunking::SameFlight][of(choice[1] >> 4 & 3, 3)],
        ..settings()
    };
    let fate = Fate {
        tls_works: choice[2] & 1 == 0,
        password_known: choice[2] & 2 == 0,
        ending: if choice[2] & 4 == 0 { Ending::Lost } else { Ending::TimedOut },
        recipients: 1 + of(choice[2] >> 3, 6),
        content: [Content::Ascii, Content::Encodable, Content::Fixed, Content::Lost][of(choice[0] >> 2, 4)],
        size: if choice[2] & 0x80 == 0 { 20 } else { 600_000 },
        following: 0,
    };
    converse(settings, fate, octets, usize::from(choice[3]));
}

/// A server that offers the mechanisms in the first line says the other lines from AUTH on.
pub fn sasl(octets: &[u8]) {
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else { return };
    let (list, octets) = (&octets[..end], &octets[end + 1..]);
    let list: String =
        list.iter().map(|octet| char::from(*octet)).filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
    let settings = Settings { tls: TlsMode::Implicit, login: login(), ..settings() };
    let fate = Fate {
        tls_works: true,
        password_known: true,
        ending: Ending::Lost,
        recipients: 1,
        content: Content::Ascii,
        size: 20,
        following: 0,
    };
    let mut said = format!("220 mx\r\n250-mx\r\n250 AUTH {list}\r\n").into_bytes();
    // What comes unasked would end the session before the login.
    let piece = said.len() - "220 mx\r\n".len();
    said.extend_from_slice(octets);
    let pieces = vec!["220 mx\r\n".len(), piece, 1 << 20];
    let server = &mut Lines { octets: said, first: pieces };
    if let Err(fault) = play(settings, fate, server) {
        panic!("{list}: {fault}");
    }
}

/// Says the first pieces, and then a line at a time.
struct Lines {
    octets: Vec<u8>,
    first: Vec<usize>,
}

impl world::servers::Server for Lines {
    fn speak(&mut self, _: &[u8]) -> Option<Vec<u8>> {
        let line = self.octets.iter().position(|octet| *octet == b'\n').map_or(self.octets.len(), |at| at + 1);
        let size = if self.first.len() > 1 { self.first.remove(0) } else { line };
        let rest = self.octets.split_off(size.min(self.octets.len()));
        let piece = std::mem::replace(&mut self.octets, rest);
        (!piece.is_empty()).then_some(piece)
    }

    fn interrupt(&mut self) -> Option<Vec<u8>> {
        None
    }
}

fn settings() -> Settings {
    Settings {
        protocol: Protocol::Smtp,
        hello: "client.example".to_owned(),
        tls: TlsMode::None,
        login: LoginMode::None,
        max_recipients: 100,
        partial: Partial::Deliver,
        eight_bit: EightBit::Refuse,
        chunking: Chunking::Needed,
        xclient: Vec::new(),
        namesake: Namesake::Fine,
        caution: Caution::None,
        memory: Memory::default(),
    }
}

fn login() -> LoginMode {
    LoginMode::As {
        user: world::USER.to_owned(),
        mechanisms: [&[Mechanism::External, Mechanism::OAuthBearer, Mechanism::XOAuth2], BY_STRENGTH].concat(),
        clear_text: ClearText::Never,
        // That of the dialogues, which the seeds were taken from.
        nonce: Nonce::parse("rOprNGfwEbeRWgbNEkqO"),
        server: Some(("mx.example.net".to_owned(), 587)),
    }
}

fn converse(settings: Settings, fate: Fate, octets: &[u8], piece: usize) {
    let pieces = vec![1 + piece, 40, 7];
    let mut server = Octets { octets: octets.to_vec(), pieces, turn: 0 };
    if let Err(fault) = play(settings, fate, &mut server) {
        panic!("{fault}");
    }
}

/// A message is read and made fit; the first octet chooses how. What is sent is clean, and as it was told to be.
pub fn header(octets: &[u8]) {
    let Some((choice, octets)) = octets.split_first() else { return };
    let has = |bit: u8| choice & bit != 0;
    let lone_dot = if has(1) { LoneDot::Ends } else { LoneDot::IsText };
    let incoming = incoming::read(memory(octets), lone_dot).unwrap();
    let identity = Identity {
        caller: LazyCell::new(|| Caller { login: "alice".to_owned(), full_name: None }),
        mail_domain: "example.org".to_owned(),
        host: LazyCell::new(|| "box.example.org".to_owned()),
    };
    let rules = Rules {
        identity: &identity,
        sender: Sender::Caller,
        name: has(8).then_some("Alice \"the\" \u{fc}ber"),
        recipients: if has(2) { Recipients::Header } else { Recipients::Arguments },
        fix_ups: if has(4) { FixUps::OnlyBcc } else { FixUps::All },
        long_lines: if has(16) { LongLines::Pass } else { LongLines::Encode },
        charset: prepare::UNKNOWN_CHARSET,
        clock: || DateTime::<FixedOffset>::default(),
    };
    let Ok(prepared) = prepare::prepare(incoming, &rules) else { return };
    let mut message = prepared.message;
    check_message(&mut message, octets);
    for recipient in &prepared.recipients {
        check_address(recipient);
    }
    // A field for blind copies is never sent.
    for line in message.head().split(|octet| *octet == b'\n') {
        assert!(!line.to_ascii_lowercase().starts_with(b"bcc:"), "{}", message.head().escape_ascii());
    }
}

/// A message is re-encoded; the first octet chooses for what. The result does not depend on how the message was read,
/// is fit for what it was made for, and needs to be re-encoded no more.
pub fn downgrade(octets: &[u8]) {
    let Some((choice, octets)) = octets.split_first() else { return };
    let fields = if choice & 2 == 0 { Fields::Ascii } else { Fields::Utf8 };
    let goal = match (choice & 0x80, choice & 1) {
        (0, 0) if choice & 2 == 2 => Goal::Lines,
        (0, 0) => Goal::SevenBit,
        (0, _) => Goal::ShortLines,
        (_, 0) => Goal::Header(Extent::Message, fields),
        (_, _) => Goal::Header(Extent::Parts, fields),
    };
    let reencoded = |octets: &[u8], piece: usize| {
        let mut source = Pieces { octets: octets.to_vec(), piece, at: 0 };
        match Reencoder::new(&mut source, goal).unwrap().run() {
            Ok(reencoded) => Ok(reencoded.message),
            Err(DowngradeError::Refused(refusal)) => {
                let words = refusal.to_string();
                assert!(words.len() < 1000 && !words.contains(is_dangerous), "{words:?}");
                Err(refusal)
            }
            Err(DowngradeError::Io(error)) => panic!("{error}"),
        }
    };
    let whole = reencoded(octets, octets.len().max(1));
    let in_pieces = reencoded(octets, 7);
    let (mut message, mut again) = match (whole, in_pieces) {
        (Ok(message), Ok(again)) => (message, again),
        (whole, in_pieces) => return assert_eq!(whole.err(), in_pieces.err(), "{}", octets.escape_ascii()),
    };
    let text = check_message(&mut message, octets);
    assert_eq!(check_message(&mut again, octets), text, "{}", octets.escape_ascii());
    if goal == Goal::SevenBit {
        assert!(text.is_ascii(), "{}", text.escape_ascii());
    }
    if let Goal::Header(_, fields) = goal {
        let allowed = if fields == Fields::Ascii { HeaderText::Ascii } else { HeaderText::Utf8 };
        assert!(message.facts().header.max(message.facts().part_headers) <= allowed);
    }
    // Only prepare() promises short lines in a header, and a second pass folds what the first has left long.
    if message.facts().longest_line > 998 {
        return;
    }
    let mut third = reencoded(&text, 1000).unwrap_or_else(|error| panic!("{error}: {}", text.escape_ascii()));
    let third = check_message(&mut third, octets);
    assert_eq!(third, text, "{}\nand\n{}", third.escape_ascii(), text.escape_ascii());
}

/// A message that comes in pieces of this size.
struct Pieces {
    octets: Vec<u8>,
    piece: usize,
    at: usize,
}

impl Source for Pieces {
    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        Ok(())
    }

    fn read_block(&mut self, out: &mut Vec<u8>) -> io::Result<More> {
        let rest = &self.octets[self.at..];
        let piece = &rest[..rest.len().min(self.piece)];
        out.extend_from_slice(piece);
        self.at += piece.len();
        Ok(if piece.len() < rest.len() { More::Yes } else { More::No })
    }
}

/// What is sent is clean, and as its facts say. Gives the message as the server has it.
fn check_message(message: &mut Message, octets: &[u8]) -> Vec<u8> {
    let facts = *message.facts();
    let (mut raw, mut wire, mut framer) = (Vec::new(), Vec::new(), Framer::new(Dots::Stuff));
    message.rewind().unwrap();
    while message.read_block(&mut raw).unwrap() == More::Yes {}
    framer.push(&raw, &mut wire);
    framer.finish(&mut wire);
    wire.extend_from_slice(b".\r\n");
    check_wire(&wire, octets);
    let text = unstuffed(&wire);
    assert_eq!(facts.size, text.len() as u64, "the size of {}", text.escape_ascii());
    assert_eq!(facts.eight_bit, !text.is_ascii());
    let longest =
        text.split(|octet| *octet == b'\n').map(|line| line.len().saturating_sub(1)).max().unwrap_or(0) as u64;
    // It is exact where it matters.
    assert_eq!(facts.longest_line.max(998), longest.max(998));
    text
}

/// Lines end in CRLF and nothing else, and the one lone dot stands at the end.
fn check_wire(wire: &[u8], octets: &[u8]) {
    let shown = || format!("{}\nof {}", wire.escape_ascii(), octets.escape_ascii());
    assert!(wire.ends_with(b"\r\n.\r\n") || wire == b".\r\n", "{}", shown());
    assert!(!wire.contains(&0), "{}", shown());
    for (at, octet) in wire.iter().enumerate() {
        match octet {
            b'\r' => assert_eq!(wire.get(at + 1), Some(&b'\n'), "{}", shown()),
            b'\n' => assert!(at > 0 && wire[at - 1] == b'\r', "{}", shown()),
            _ => {}
        }
    }
    let dots = wire.split(|octet| *octet == b'\n').filter(|line| *line == b".\r").count();
    assert_eq!(dots, 1, "{}", shown());
}

/// The message as the server has it.
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let lines = wire.strip_suffix(b".\r\n").unwrap_or(wire).split_inclusive(|octet| *octet == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}

/// What is read as an address has no octet that could leave its command, and reads as itself again.
pub fn address(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    match Address::parse(&text) {
        Ok(address) => check_address(&address),
        Err(error) => assert!(!error.to_string().contains(is_dangerous), "{error}"),
    }
    for domain in ["example.org", ""] {
        match parse_list(&text, domain) {
            Ok(mailboxes) => mailboxes.iter().for_each(|mailbox| check_address(&mailbox.address)),
            Err(error) => assert!(!error.to_string().contains(is_dangerous), "{error}"),
        }
    }
}

fn check_address(address: &Address) {
    let text = address.as_str();
    assert!(text.len() <= 1000 && !text.is_empty(), "{text:?}");
    assert!(!text.contains(char::is_control), "{text:?}");
    let local = address.local();
    if !(local.starts_with('"') && local.ends_with('"')) {
        assert!(!local.contains([' ', '<', '>', '(', ')', ',', ';', ':', '@', '[', ']', '"', '\\']), "{text:?}");
    }
    match address.domain() {
        None => assert!(local.eq_ignore_ascii_case("postmaster"), "{text:?}"),
        // RFC 5321 section 4.1.3 lets much stand in a literal.
        Some(literal) if literal.starts_with('[') => {
            assert!(
                literal.ends_with(']') && literal.len() > 2 && literal.matches(['[', ']']).count() == 2,
                "{text:?}"
            );
            assert!(!literal.contains([' ', '\\']), "{text:?}");
        }
        Some(name) => {
            assert!(name.chars().all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.".contains(c)), "{text:?}");
        }
    }
    let again = Address::parse(text).unwrap_or_else(|error| panic!("{text:?} does not read again: {error}"));
    assert_eq!(again.as_str(), text);
}

/// A configuration gives an account, or a mistake that can be shown.
pub fn config(octets: &[u8]) {
    let file = memory(octets);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let variables = [("HOME", "/nonexistent")];
    let environment = Environment::new(variables, posthaste::system::Identity::Plain).with_system_file("/nonexistent");
    let loaded = config::load(&environment, Some(path.as_ref()));
    let check = |error: config::ConfigError| {
        let report = error.report();
        assert!(!report.contains(|c| is_dangerous(c) && c != '\n'), "{report:?}");
        assert!(report.len() < 16 << 10, "a report of {} octets", report.len());
        // Words that a log can take.
        assert!(!error.message().contains(is_dangerous), "{error:?}");
    };
    match loaded {
        Err(error) => check(error),
        Ok(loaded) => {
            let names: Vec<String> = loaded.names().map(str::to_owned).collect();
            let choice = |name, sender| Choice { name, sender, log: Log::None };
            let by_name = names.iter().map(|name| choice(Some(name.as_str()), None));
            let by_sender = [choice(None, None), choice(None, Some("alice@example.org"))];
            for choice in by_name.chain(by_sender) {
                if let Err(error) = loaded.account(choice) {
                    check(error);
                }
            }
        }
    }
}

/// A file with these octets, for its owner alone.
fn memory(octets: &[u8]) -> File {
    let mut file = File::from(memfd_create("octets", MemfdFlags::CLOEXEC).unwrap());
    file.set_permissions(Permissions::from_mode(0o600)).unwrap();
    file.write_all(octets).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file
}

/// A policy of MTA-STS is refused in words that can be shown, or is the same when it is written and read again; and texts
/// of a domain name one policy or none.
pub fn sts(octets: &[u8]) {
    match PolicyFile::parse(octets) {
        Ok(policy) => {
            assert_eq!(PolicyFile::parse(policy.to_string().as_bytes()), Ok(policy.clone()));
            assert!(!policy.mx.is_empty() || policy.mode == Mode::None);
            assert!(policy.max_age.as_secs() <= 31_557_600 && policy.mx.len() <= 1000);
            for pattern in &policy.mx {
                let name = pattern.as_str();
                assert!(name.len() <= 253 && !name.contains(|c: char| !c.is_ascii_graphic() || c.is_ascii_uppercase()));
                assert!(pattern.matches(&name.replacen('*', "mx", 1)), "{name}");
                assert!(!pattern.matches(&name.replacen('*', "mx.mx", 1)) || !name.starts_with('*'), "{name}");
            }
        }
        Err(error) => {
            let words = error.to_string();
            assert!(words.len() < 500 && !words.contains(is_dangerous), "{words:?}");
        }
    }
    let texts: Vec<Vec<u8>> = octets.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    if let Ok(id) = record::id(&texts) {
        let id = id.as_str();
        assert!((1..=32).contains(&id.len()) && id.bytes().all(|octet| octet.is_ascii_alphanumeric()), "{id:?}");
        assert_eq!(texts.iter().filter(|text| text.starts_with(b"v=STSv1;")).count(), 1);
    }
}

/// An answer over HTTPS is the same in whatever pieces it comes, and bounded.
pub fn https(octets: &[u8]) {
    let read = |size: usize| {
        let mut answer = Answer::default();
        for piece in octets.chunks(size) {
            if let Some(content) = answer.push(piece).map_err(|error| error.to_string())? {
                return Ok(content);
            }
        }
        answer.end().map_err(|error| error.to_string())
    };
    let whole = read(octets.len().max(1));
    for size in [1, 7] {
        // What is wrong first depends on the pieces, where several things are.
        assert_eq!(read(size).ok(), whole.clone().ok(), "in pieces of {size}");
    }
    match whole {
        Ok(content) => assert!(content.len() <= LARGEST),
        Err(words) => assert!(words.len() < 500 && !words.contains(is_dangerous), "{words:?}"),
    }
}

/// The texts of a domain ask for reports once or not at all; at bounded places, which can be written to and shown.
pub fn tlsrpt(octets: &[u8]) {
    let texts: Vec<Vec<u8>> = octets.split(|octet| *octet == b'\n').map(<[u8]>::to_vec).collect();
    let Some(record) = Record::among(&texts) else { return };
    let own = record.text.clone().into_bytes();
    assert!(own.starts_with(b"v=TLSRPTv1"), "{record:?}");
    assert!(!record.text.contains(|c| is_dangerous(c) && c != '\t'), "{record:?}");
    assert_eq!(texts.iter().filter(|text| **text == own).count(), 1);
    assert!((1..=16).contains(&record.destinations.len()), "{record:?}");
    for destination in &record.destinations {
        match destination {
            Destination::Mail(address) => {
                check_address(address);
                assert!(address.is_ascii() && address.domain().is_some(), "{address:?}");
            }
            Destination::Https(url) => {
                assert!(url.to_ascii_lowercase().starts_with("https://"), "{url:?}");
                assert!(url.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b',' | b';')), "{url:?}");
            }
        }
    }
    assert_eq!(Record::among(&[own]), Some(record));
}
