//! What a dialogue begins with: the settings of the session, the envelope and the message.
//!
//! ```text
//! ! tls none | required | opportunistic | implicit
//! ! login alice/secret PLAIN LOGIN clear-text     mechanisms (all, if none is named), and whether without TLS
//! ! nonce rOprNGfwEbeRWgbNEkqO                    of SCRAM; this is the usual one
//! ! binding exporter | end-point                  what names the TLS connection, 32 octets of zero; nothing, if none is named
//! ! then-secret fresh                              what is fetched the second time; the third time it is the first again
//! ! from alice@example.org                        <> is the null reverse-path
//! ! to bob@example.net, carol@example.net
//! ! recipients 250                                r1@example.net to r250@example.net
//! ! hello client.example
//! ! subject text                                  instead of the usual one
//! ! line .a line of the body                      instead of the usual body; it may have `\r`, `\n` and `\x00`
//! ! no newline at the end                         of the message
//! ! size 12345                                    the body is padded until the message has so many octets
//! ! eight-bit                                     an octet above 127 is in the body
//! ! field Content-Type: text/plain                of the header, at its end
//! ! without-8bitmime encode | send | refuse
//! ! max-recipients 100
//! ! partial deliver | all-or-none
//! ! chunking never | needed | after-recipients | same-flight
//! ! long-line                                     a line of 1500 octets is in the body
//! ! caution none | helo | clear-text | data | login | serial
//! ! xclient NAME=spike.example                  what the server shall take for its client; not through the binary
//! ! offer PIPELINING | AUTH PLAIN                the lines of EHLO, without the first, of which something is known
//! ! known login=proven mail=refused bdat=taken   what is; also starttls and recipients=50; not through the binary
//! ! early-mail                                   a probe sees what the server says to MAIL before the login
//! ! lmtp                                          what is spoken is LMTP
//! ! dsn notify failure,delay                      what the sender wishes of notifications; also return and envid
//! ! wish deliver-by 2h                             and hold-for, hold-until, priority, require-tls; not through the binary
//! ! ask VRFY bob                                  a question instead of a message; not through the binary
//! ! next carol@example.net                        another message on the same connection, to these; only in the engine
//! ! probe                                         there is no message
//! ! in one piece                                  the server's turn arrives whole: cut, it would mean something else
//! ! only engine reason                            not through the binary
//! ```

#[path = "known.rs"]
pub mod known;

use posthaste::address::Address;
use posthaste::envelope::{Envelope, Hold, NoSuchWish, ReversePath, Way, Wishes};
use posthaste::message::{Facts, HeaderText};
use posthaste::smtp::memory::{Memory, Offer};
use posthaste::smtp::question::{Question, Verb};
use posthaste::smtp::sasl::{BY_STRENGTH, ChannelBinding, Mechanism, Nonce};
use posthaste::smtp::session::{
    Caution, Chunking, ClearText, EarlyProbe, EightBit, LoginMode, Namesake, Partial, Protocol, Purpose, Settings,
    TlsMode,
};

#[derive(Clone, Debug)]
pub struct Setup {
    pub settings: Settings,
    pub secret: String,
    /// What is fetched the second time, where that is another.
    pub then_secret: Option<String>,
    pub nonce: Nonce,
    pub binding: Option<ChannelBinding>,
    pub from: String,
    pub to: Vec<String>,
    /// Recipients of the messages that follow.
    pub following: Vec<Vec<String>>,
    pub wishes: Wishes,
    pub questions: Vec<Question>,
    pub aim: Aim,
    pub pieces: Pieces,
    pub early: EarlyProbe,
    /// What the server offers of which something is known.
    offer: Offer,
    /// Why the binary cannot play it.
    pub only_engine: Option<String>,
    subject: String,
    fields: String,
    lines: Vec<String>,
    size: Option<usize>,
    end: End,
}

/// Whether the last line of the message has an end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Line,
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    Submit,
    Probe,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pieces {
    Any,
    One,
}

/// The header of all messages, but for the subject. With that and `BODY` it has 200 octets on the wire.
const HEADER: &str = "From: alice@example.org\nTo: bob@example.net\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\
                      Message-ID: <1@example.org>\n";
const BODY: &str = "A message of two hundred octets precisely, give or take none at all.";

impl Default for Setup {
    fn default() -> Self {
        Setup {
            settings: Settings {
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
            },
            secret: String::new(),
            then_secret: None,
            nonce: Nonce::parse("rOprNGfwEbeRWgbNEkqO").unwrap(),
            binding: None,
            from: "alice@example.org".to_owned(),
            to: vec!["bob@example.net".to_owned()],
            following: Vec::new(),
            wishes: Wishes::default(),
            questions: Vec::new(),
            aim: Aim::Submit,
            pieces: Pieces::Any,
            early: EarlyProbe::Left,
            offer: Offer::of([]),
            only_engine: None,
            subject: "test".to_owned(),
            fields: String::new(),
            lines: vec![BODY.to_owned()],
            size: None,
            end: End::Line,
        }
    }
}

impl Setup {
    pub fn take(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once(' ').unwrap_or((text, ""));
        let number = || value.parse::<usize>().map_err(|_| format!("`{value}` is no number"));
        let word = |words: &[&str]| words.iter().position(|word| *word == value).ok_or(format!("`{value}` for {key}"));
        match key {
            "tls" => {
                let modes = [TlsMode::None, TlsMode::Required, TlsMode::Opportunistic, TlsMode::Implicit];
                self.settings.tls = modes[word(&["none", "required", "opportunistic", "implicit"])?];
            }
            "login" => self.login(value)?,
            "then-secret" => self.then_secret = Some(value.to_owned()),
            "nonce" => self.nonce = Nonce::parse(value).ok_or("`! nonce` stands before `! login`")?,
            "binding" => {
                let all = [ChannelBinding::Exporter([0; 32]), ChannelBinding::ServerEndPoint(vec![0; 32])];
                self.binding = Some(all[word(&["exporter", "end-point"])?].clone());
            }
            "from" => self.from = value.to_owned(),
            "to" => self.to = value.split(", ").map(str::to_owned).collect(),
            "recipients" => self.to = (1..=number()?).map(|number| format!("r{number}@example.net")).collect(),
            "hello" => self.settings.hello = value.to_owned(),
            "subject" => self.subject = value.to_owned(),
            "line" => {
                if self.lines == [BODY] {
                    self.lines.clear();
                }
                let octets = [("\\r", "\r"), ("\\n", "\n"), ("\\x00", "\0")];
                self.lines.push(octets.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)));
            }
            "field" => self.fields.push_str(&format!("{value}\n")),
            "no" if value == "newline at the end" => self.end = End::Open,
            "size" => self.size = Some(number()?),
            "eight-bit" => self.lines = vec!["Gr\u{fc}\u{df}e".to_owned()],
            "without-8bitmime" => {
                self.settings.eight_bit =
                    [EightBit::Encode, EightBit::Send, EightBit::Refuse][word(&["encode", "send", "refuse"])?];
            }
            "max-recipients" => self.settings.max_recipients = number()?,
            "partial" => {
                self.settings.partial = [Partial::Deliver, Partial::AllOrNone][word(&["deliver", "all-or-none"])?];
            }
            "chunking" => {
                let all = [Chunking::Never, Chunking::Needed, Chunking::AfterRecipients, Chunking::SameFlight];
                self.settings.chunking = all[word(&["never", "needed", "after-recipients", "same-flight"])?];
            }
            "long-line" => self.lines = vec!["long ".repeat(300)],
            "caution" => {
                let all =
                    [Caution::None, Caution::Helo, Caution::ClearText, Caution::Data, Caution::Login, Caution::Serial];
                self.settings.caution = all[word(&["none", "helo", "clear-text", "data", "login", "serial"])?];
            }
            "xclient" => {
                let wrong = |error: NoSuchWish| error.to_string();
                self.settings.xclient.push(value.parse().map_err(wrong)?);
                self.only_engine = Some("sendmail has no option for it".to_owned());
            }
            "lmtp" => self.settings.protocol = Protocol::Lmtp,
            "dsn" => self.dsn(value)?,
            "wish" => self.wish(value)?,
            "next" => {
                self.following.push(value.split(", ").map(str::to_owned).collect());
                self.only_engine = Some("the program sends several messages from files".to_owned());
            }
            "probe" => self.aim = Aim::Probe,
            "early-mail" => {
                self.early = EarlyProbe::Asked;
                self.only_engine = Some("sendmail checks nothing".to_owned());
            }
            "offer" => self.offer = Offer::of(value.split(" | ")),
            "known" => {
                self.settings.memory = known::parse(value, self.offer)?;
                self.only_engine = Some("what is known stands in a file".to_owned());
            }
            "ask" => self.ask(value)?,
            "in" if value == "one piece" => self.pieces = Pieces::One,
            "only" => match value.strip_prefix("engine ") {
                Some(reason) => self.only_engine = Some(reason.to_owned()),
                None => return Err("`! only engine` needs a reason".to_owned()),
            },
            _ => return Err(format!("there is no setting `{text}`")),
        }
        Ok(())
    }

    fn dsn(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once(' ').unwrap_or((text, ""));
        let wrong = |error: NoSuchWish| error.to_string();
        let dsn = &mut self.wishes.dsn;
        match key {
            "notify" => dsn.notify = Some(value.parse().map_err(wrong)?),
            "return" => dsn.returned = Some(value.parse().map_err(wrong)?),
            "envid" => dsn.envelope_id = Some(value.parse().map_err(wrong)?),
            _ => return Err(format!("there is no `! dsn {key}`")),
        }
        Ok(())
    }

    fn ask(&mut self, text: &str) -> Result<(), String> {
        let (verb, about) = text.split_once(' ').unwrap_or((text, ""));
        let verbs = [Verb::Verify, Verb::Expand, Verb::StartQueue, Verb::Help];
        let verb = verbs.into_iter().find(|known| known.word() == verb).ok_or(format!("nobody asks {verb}"))?;
        self.questions.push(Question::new(verb, about).map_err(|error| error.to_string())?);
        self.only_engine = Some("sendmail asks nothing".to_owned());
        Ok(())
    }

    fn wish(&mut self, text: &str) -> Result<(), String> {
        let (key, value) = text.split_once(' ').unwrap_or((text, ""));
        let wrong = |error: NoSuchWish| error.to_string();
        match key {
            "deliver-by" => self.wishes.deliver_by = Some(value.parse().map_err(wrong)?),
            "hold-for" => self.wishes.hold = Some(Hold::for_time(value).map_err(wrong)?),
            "hold-until" => self.wishes.hold = Some(Hold::until(value).map_err(wrong)?),
            "priority" => self.wishes.priority = Some(value.parse().map_err(wrong)?),
            "require-tls" => self.wishes.way = Way::Tls,
            _ => return Err(format!("there is no `! wish {key}`")),
        }
        self.only_engine = Some("sendmail has no option for it".to_owned());
        Ok(())
    }

    fn login(&mut self, text: &str) -> Result<(), String> {
        let mut words = text.split(' ');
        let pair = words.next().and_then(|word| word.split_once('/'));
        let (user, secret) = pair.ok_or("`! login user/secret`")?;
        let mut mechanisms = Vec::new();
        let mut clear_text = ClearText::Never;
        for word in words {
            match Mechanism::named(word) {
                _ if word == "clear-text" => clear_text = ClearText::Allowed,
                Some(mechanism) => mechanisms.push(mechanism),
                None => return Err(format!("there is no mechanism `{word}`")),
            }
        }
        if mechanisms.is_empty() {
            mechanisms = BY_STRENGTH.to_vec();
        }
        self.secret = secret.to_owned();
        self.settings.login = LoginMode::As {
            user: user.to_owned(),
            mechanisms,
            clear_text,
            nonce: Some(self.nonce.clone()),
            server: Some(("mx.example.net".to_owned(), 587)),
        };
        Ok(())
    }

    /// The message as a caller gives it: lines end in LF, where no other end was asked for.
    pub fn message(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}Subject: {}\n{}\n{}\n", self.subject, self.fields, self.lines.join("\n"));
        let size = text.len() + text.matches('\n').count();
        let mut missing = self.size.map_or(0, |wanted| wanted.saturating_sub(size));
        while missing > 0 {
            // A line costs two octets for its end; the last two share what is left over.
            let line = if missing > 80 { 70 } else { missing.saturating_sub(2) };
            text.push_str(&"x".repeat(line));
            text.push('\n');
            missing = missing.saturating_sub(line + 2);
        }
        if self.end == End::Open {
            text.pop();
        }
        text.into_bytes()
    }

    /// The message as it must appear on the wire after DATA, without its end: written down anew, on purpose, and not
    /// by the code under test.
    pub fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        for line in self.canonical().strip_suffix("\n").unwrap_or_default().split('\n') {
            let dot = if line.starts_with('.') { "." } else { "" };
            wire.extend_from_slice(format!("{dot}{line}\r\n").as_bytes());
        }
        wire
    }

    /// The same of the usual 8-bit message when it was re-encoded, or of one whose subject alone had to be.
    pub fn reencoded_wire(&self) -> Vec<u8> {
        if self.subject == "Gr\u{fc}\u{df}e" {
            let subject = "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=";
            return Setup { subject: subject.to_owned(), ..self.clone() }.wire();
        }
        let labels = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
                      Content-Transfer-Encoding: quoted-printable\n";
        format!("{HEADER}Subject: test\n{labels}\nGr=C3=BC=C3=9Fe\n").replace('\n', "\r\n").into_bytes()
    }

    /// A part of the message as it must appear on the wire after BDAT.
    pub fn chunk(&self, from: u64, size: u64) -> Vec<u8> {
        let wire = self.canonical().replace('\n', "\r\n").into_bytes();
        wire.into_iter().skip(from as usize).take(size as usize).collect()
    }

    pub fn facts(&self) -> Facts {
        let message = self.canonical();
        let size = message.len() + message.matches('\n').count();
        Facts {
            size: size as u64,
            eight_bit: !message.is_ascii(),
            header: HeaderText::of(self.subject.as_bytes()),
            part_headers: HeaderText::Ascii,
            longest_line: message.lines().map(str::len).max().unwrap_or_default() as u64,
        }
    }

    /// The message without NUL, and with LF for every line end.
    fn canonical(&self) -> String {
        let mut text = String::from_utf8(self.message()).unwrap().replace('\0', "");
        while text.contains("\r\n") {
            text = text.replace("\r\n", "\n");
        }
        let mut text = text.replace('\r', "\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    pub fn purpose(&self) -> Result<Purpose, String> {
        if !self.questions.is_empty() {
            return Ok(Purpose::Ask(self.questions.clone()));
        }
        if self.aim == Aim::Probe {
            return Ok(Purpose::Probe(self.early));
        }
        let envelope = self.envelope(&self.to)?;
        Ok(Purpose::Submit(envelope, self.facts()))
    }

    pub fn envelope(&self, to: &[String]) -> Result<Envelope, String> {
        let from = ReversePath::parse(&self.from, "example.org").map_err(|error| error.to_string())?;
        let to: Result<Vec<_>, _> = to.iter().map(|address| Address::parse(address)).collect();
        let envelope =
            Envelope::new(from, to.map_err(|error| error.to_string())?).map_err(|error| error.to_string())?;
        Ok(envelope.wishing(self.wishes.clone()))
    }
}
