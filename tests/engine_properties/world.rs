//! A session in a world that is made up: a server of some kind, and everything that is checked on the way.

pub mod servers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use posthaste::address::Address;
use posthaste::envelope::{Envelope, ReversePath};
use posthaste::message::downgrade::Goal;
use posthaste::message::{Facts, HeaderText};
use posthaste::smtp::outcome::Verdict;
use posthaste::smtp::reply::{Class, Reader, Reply};
use posthaste::smtp::session::{
    Action, Chunk, EightBit, Event, Position, Protection, Protocol, Purpose, Session, Settings, TlsMode,
};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use zeroize::Zeroizing;

use servers::Server;

pub const USER: &str = "alice";
const PASSWORD: &str = "Tr0ub4dor&3";
const MESSAGE: &[u8] = b"Subject: x\r\n\r\n..\r\nx\r\n";
const LINES: usize = 4;

/// What happens besides the server's words.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    pub tls_works: bool,
    pub password_known: bool,
    pub ending: Ending,
    pub recipients: usize,
    pub content: Content,
    /// Octets of the message as far as it is counted; what is sent are always the same few.
    pub size: u64,
    /// Messages that follow on the same connection, to as many recipients.
    pub following: usize,
}

/// What the message is like, and whether it can be re-encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content {
    Ascii,
    Encodable,
    /// It is 8-bit and must stay so.
    Fixed,
    /// It is 8-bit, and cannot be read again.
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    Lost,
    TimedOut,
}

/// Whether the server may get octets above 127 as they are, in the body and in the header (P-250, P-253).
fn is_taken(facts: &Facts, world: &World, settings: &Settings) -> bool {
    let listed = world.session.capabilities();
    let allowed = if listed.smtp_utf8 { HeaderText::Utf8 } else { HeaderText::Ascii };
    let is_header_taken = facts.header.max(facts.part_headers) <= allowed;
    !facts.eight_bit || settings.eight_bit == EightBit::Send || (listed.eight_bit_mime && is_header_taken)
}

/// Runs a session to its end, and checks it all the way. Gives the number of recipients that were accepted.
pub fn play(settings: Settings, fate: Fate, server: &mut dyn Server) -> Result<usize, TestCaseError> {
    let recipients: Vec<Address> =
        (0..fate.recipients).map(|number| Address::parse(&format!("r{number}@example.net")).unwrap()).collect();
    let sender = ReversePath::parse("alice@example.org", "example.org").unwrap();
    let envelope = Envelope::new(sender, recipients).unwrap();
    let mut following = fate.following;
    let eight_bit = fate.content != Content::Ascii;
    // Any octet above 127 may be in a header, in UTF-8 or not: the size decides.
    let text = |number: u64| match number % 4 {
        1 if eight_bit => HeaderText::Other,
        3 if eight_bit => HeaderText::Utf8,
        _ => HeaderText::Ascii,
    };
    let (header, part_headers) = (text(fate.size), text(fate.size / 4));
    let facts = Facts { size: fate.size, eight_bit, header, part_headers, ..Facts::default() };
    let mut present = facts;
    let mut world = World {
        session: Session::new(settings.clone(), Purpose::Submit(envelope.clone(), facts)),
        first: 0,
        mail: false,
        secure: false,
        clear: Vec::new(),
        answer: Vec::new(),
        flight: Vec::new(),
        body: None,
        verdicts: vec![0; fate.recipients],
        accepted: 0,
        protocol: settings.protocol,
    };
    if following > 0 {
        world.session.expect_more();
    }
    let mut heard = 0;
    for actions in 0.. {
        // Each octet may end a reply, and each reply may begin a flight of a few actions.
        prop_assert!(actions < 100 + 10 * (heard + fate.recipients * (1 + fate.following)), "the session does not end");
        let action = world.session.next_action();
        world.take_events()?;
        match action {
            Action::Write(octets) => {
                prop_assert!(!octets.is_empty());
                world.flight.extend(octets);
            }
            Action::Flush => {}
            Action::NextMessage if following == 0 => world.session.no_more_messages(),
            Action::NextMessage => {
                following -= 1;
                present = facts;
                world.first = world.verdicts.len();
                world.verdicts.resize(world.first + fate.recipients, 0);
                world.session.next_message(envelope.clone(), facts);
            }
            Action::Read(_) => {
                let flight = world.leave(&settings)?;
                match server.speak(&flight) {
                    Some(octets) => {
                        heard += octets.len();
                        world.receive(&octets);
                    }
                    None if fate.ending == Ending::Lost => world.session.lost("gone".to_owned()),
                    None => world.session.timed_out(),
                }
            }
            Action::SendBody => match server.interrupt() {
                Some(octets) => {
                    heard += octets.len();
                    world.receive(&octets);
                }
                None => {
                    prop_assert!(
                        is_taken(&present, &world, &settings),
                        "8-bit content to a server that does not take it"
                    );
                    world.flight.extend_from_slice(MESSAGE);
                    world.body = Some(Body {
                        received: Vec::new(),
                        sent: MESSAGE.to_vec(),
                        before: None,
                        answers: 0,
                        first: world.first,
                    });
                    world.session.body_sent();
                }
            },
            Action::Reencode(goal) => {
                prop_assert!(present.eight_bit && settings.eight_bit == EightBit::Encode);
                // The end of an empty message for nobody may wait, of the message before.
                prop_assert!(world.flight.is_empty() || world.flight == b".\r\n");
                match fate.content {
                    Content::Ascii | Content::Encodable => {
                        // The body of some has octets above 127 as well.
                        let eight_bit = matches!(goal, Goal::Header(..)) && fate.size.is_multiple_of(3);
                        present = Facts { size: 30, eight_bit, ..Facts::default() };
                        world.session.reencoded(present);
                    }
                    Content::Fixed => world.session.cannot_reencode("it is signed".to_owned()),
                    Content::Lost => world.session.reencoding_failed("no space".to_owned()),
                }
            }
            Action::SendChunk(part) => match server.interrupt() {
                Some(octets) => {
                    heard += octets.len();
                    world.receive(&octets);
                }
                None => {
                    prop_assert!(
                        is_taken(&present, &world, &settings),
                        "8-bit content to a server that does not take it"
                    );
                    let commands = world.flight.windows(2).filter(|pair| pair == b"\r\n").count();
                    world.flight.extend_from_slice(MESSAGE);
                    world.body = None;
                    match world.session.chunk_sent() {
                        Chunk::HeldBack => drop(world.flight.pop()),
                        Chunk::Leaves if part.position == Position::Last => {
                            let before = Some(commands - 1);
                            world.body = Some(Body {
                                received: Vec::new(),
                                sent: Vec::new(),
                                before,
                                answers: 0,
                                first: world.first,
                            });
                        }
                        Chunk::Leaves => {}
                    }
                }
            },
            Action::StartTls => {
                world.leave(&settings)?;
                world.check_nothing_injected(&settings)?;
                if fate.tls_works {
                    world.secure = true;
                    let protection = match settings.tls {
                        TlsMode::Opportunistic => Protection::Unverified,
                        _ => Protection::Verified,
                    };
                    world.session.tls_started(protection, None);
                } else {
                    world.session.tls_failed("no".to_owned());
                }
            }
            Action::NeedPassword if fate.password_known => {
                world.session.password(Zeroizing::new(PASSWORD.to_owned()));
            }
            Action::NeedPassword => world.session.no_password("forgotten".to_owned()),
            Action::Close(closing) => {
                world.leave(&settings)?;
                prop_assert_eq!(world.session.next_action(), Action::Close(closing));
                break;
            }
        }
    }
    for (verdict, count) in world.session.verdicts().iter().zip(&world.verdicts) {
        prop_assert!(verdict.is_some(), "a recipient has no verdict");
        prop_assert_eq!(*count, 1, "a recipient was told more than one verdict");
    }
    Ok(world.accepted)
}

struct World {
    /// The number of the first recipient of the present message.
    first: usize,
    session: Session,
    /// Whether a transaction was begun.
    mail: bool,
    secure: bool,
    /// What went over the wire in the clear.
    clear: Vec<u8>,
    /// What the server has said since the last flight.
    answer: Vec<u8>,
    flight: Vec<u8>,
    /// The last message that was sent.
    body: Option<Body>,
    verdicts: Vec<usize>,
    accepted: usize,
    protocol: Protocol,
}

struct Body {
    /// The number of the first recipient of the message.
    first: usize,
    /// What the server has said since.
    received: Vec<u8>,
    /// What the client has said since, and the message.
    sent: Vec<u8>,
    /// How many verdicts there were since.
    answers: usize,
    /// How many commands went out with the last chunk before it; `None` after DATA.
    before: Option<usize>,
}

impl World {
    fn receive(&mut self, octets: &[u8]) {
        if let Some(body) = &mut self.body {
            body.received.extend_from_slice(octets);
        }
        self.answer.extend_from_slice(octets);
        self.session.received(octets);
    }

    /// TLS begins only if the reply to STARTTLS is all that has come.
    fn check_nothing_injected(&self, settings: &Settings) -> Result<(), TestCaseError> {
        if settings.tls == TlsMode::Implicit {
            return Ok(());
        }
        let mut reader = Reader::default();
        reader.push(&self.answer);
        let reply = reader.next_reply();
        prop_assert!(matches!(&reply, Ok(Some(reply)) if reply.class() == Class::Success), "{:?}", reply);
        prop_assert!(reader.is_empty(), "octets in the clear behind the reply to STARTTLS");
        Ok(())
    }

    /// A flight leaves.
    fn leave(&mut self, settings: &Settings) -> Result<Vec<u8>, TestCaseError> {
        let flight = std::mem::take(&mut self.flight);
        let text = flight.escape_ascii().to_string();
        // All but the last octet of a chunk that is held back.
        let flight_or_part = [&flight[..], b"\n"].concat();
        let whole = if flight.ends_with(b"\r") { flight_or_part } else { flight.clone() };
        prop_assert!(flight.is_empty() || whole.ends_with(b"\r\n"), "{}", text);
        prop_assert!(!whole.windows(2).any(|pair| (pair[0] == b'\r') != (pair[1] == b'\n')), "{}", text);
        if let Some(body) = &mut self.body {
            body.sent.extend_from_slice(flight.strip_prefix(MESSAGE).unwrap_or(&flight));
        }
        if !flight.is_empty() {
            self.answer.clear();
        }
        for line in flight.split(|octet| *octet == b'\n') {
            self.mail |= line.starts_with(b"MAIL");
            let hello = line.starts_with(b"EHLO") || line.starts_with(b"HELO");
            prop_assert!(!(hello && self.mail), "a greeting would end the transaction: {}", text);
        }
        if self.secure {
            return Ok(flight);
        }
        self.clear.extend_from_slice(&flight);
        let plain = BASE64.encode(format!("\0{USER}\0{PASSWORD}"));
        for secret in [PASSWORD, &BASE64.encode(PASSWORD), &plain] {
            prop_assert!(!contains(&self.clear, secret), "a password in the clear: {}", text);
        }
        if matches!(settings.tls, TlsMode::Required | TlsMode::Implicit) {
            for command in ["AUTH", "MAIL", "RCPT", "DATA", "Subject"] {
                prop_assert!(!contains(&self.clear, command), "{} in the clear: {}", command, text);
            }
        }
        Ok(flight)
    }

    fn take_events(&mut self) -> Result<(), TestCaseError> {
        while let Some(event) = self.session.next_event() {
            match event {
                Event::Client(line) => prop_assert!(!line.contains(PASSWORD)),
                Event::Verdict(recipient, Verdict::Accepted(reply)) => {
                    self.verdicts[recipient] += 1;
                    self.accepted += 1;
                    let Some(body) = &mut self.body else {
                        return Err(TestCaseError::fail("accepted without a message"));
                    };
                    prop_assert!(recipient >= body.first, "accepted by the reply to another message");
                    let mut reader = Reader::default();
                    reader.push(&body.received);
                    match body.before {
                        Some(commands) => (0..commands).for_each(|_| drop(reader.next_reply())),
                        None => prop_assert!(body.sent[MESSAGE.len()..].starts_with(b".\r\n"), "no end of data"),
                    }
                    // In LMTP each recipient has a reply of its own.
                    for _ in 0..if self.protocol == Protocol::Lmtp { body.answers } else { 0 } {
                        prop_assert!(matches!(reader.next_reply(), Ok(Some(_))));
                    }
                    body.answers += 1;
                    let own = reader.next_reply();
                    prop_assert!(
                        matches!(&own, Ok(Some(own)) if own.class() == Class::Success && is_shown_as(own, &reply)),
                        "accepted by {}, and the reply to the end of data is {:?}",
                        reply,
                        own
                    );
                }
                Event::Verdict(recipient, _) => {
                    self.verdicts[recipient] += 1;
                    if let Some(body) = &mut self.body {
                        body.answers += 1;
                    }
                }
                Event::Server(_) | Event::Message(_) | Event::Unserved(_) | Event::Note(_) | Event::Warning(_) => {}
            }
        }
        Ok(())
    }
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether a reply is shown so: as it came, or with marks for what it repeats of the secrets.
fn is_shown_as(reply: &Reply, shown: &Reply) -> bool {
    let is_masked = shown.lines().iter().any(|line| line.contains(" octets]"));
    reply == shown || (is_masked && (reply.code(), reply.lines().len()) == (shown.code(), shown.lines().len()))
}
