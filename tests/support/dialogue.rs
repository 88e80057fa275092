//! Dialogues: both sides of a session, read from `tests/dialogues/<area>/<situation>.smtp`.
//!
//! ```text
//! # One sentence that says what it shows
//! # P-001 P-066                            the duties it shows
//! ! to bob@example.net, carol@example.net  settings, see `setup.rs`
//! S: 220 mx.example.net                    consecutive lines of a side are one flight, and one turn
//! C: EHLO client.example
//! C: AUTH PLAIN [20 octets]                as the transcript shows it …
//! C> AUTH PLAIN AGFsaWNlAHNlY3JldA==       … and as it goes over the wire, where that differs; also `S>`
//! C*3: RCPT TO:<r{}@example.net>           the line for 1, 2 and 3; C*101-200 for the numbers between
//! -- tls                                   what else happens, see `Event`; `-- connect again` begins another connection
//! = bob@example.net accepted queued        a verdict, and words of its text; `*` is everybody who is not named
//! = flights 5                              the client's turns, with SYN and ClientHello (protocol list, section AN)
//! = exit 75                                where it does not follow from the verdicts; also `= hint words`,
//! = retry serial                           for a next connection; for a probe `= trouble words` or `= no trouble`
//! = known login=proven                     what is known of the server then, in the words of `! known`; or nothing
//! = warning words                            of which a person is warned; or `= no warning`
//! = unserved DSN                           a wish that the message goes without
//! ```
//!
//! Lines of the server know `\r`, `\n`, `\t`, `\\`, `\xNN`, and `\n` or `\c` (nothing) at the end instead of CRLF.

use std::path::{Path, PathBuf};

use posthaste::failure::Exit;

use super::setup::Setup;

/// One file.
#[derive(Clone, Debug)]
pub struct Dialogue {
    pub file: String,
    pub duties: Vec<String>,
    pub setup: Setup,
    pub items: Vec<Item>,
    pub verdicts: Vec<Expected>,
    pub flights: Option<usize>,
    pub exit: Option<u8>,
    pub retry: Option<String>,
    /// What is known of the server in the end.
    pub known: Option<String>,
    /// What a person is warned of; the outer `None` is for no word about it.
    pub warning: Option<Option<String>>,
    /// Keywords that the server lacks, and of which the sender is told.
    pub unserved: Vec<String>,
    /// Words of the hint that a person gets.
    pub hint: Option<String>,
    /// What ends a probe; the outer `None` is for no word about it.
    pub trouble: Option<Option<String>>,
}

/// One line of the dialogue.
#[derive(Clone, Debug)]
pub struct Item {
    pub line: usize,
    pub step: Step,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// What the client says: in the transcript and on the wire.
    Client {
        shown: String,
        wire: Vec<u8>,
    },
    /// The client sends the message, or the part of it that the BDAT before has announced.
    Message {
        size: u64,
        /// Where the part begins.
        chunk: Option<u64>,
    },
    /// The server says these octets; the text as it stands in the file.
    Server {
        octets: Vec<u8>,
        text: String,
    },
    Event(Event),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `-- tls`: the handshake succeeds. The certificate is checked unless TLS is opportunistic.
    Tls,
    /// `-- tls fails: reason`.
    TlsFails(String),
    /// `-- pause`: what the server says next comes later, although the client says nothing.
    Pause,
    /// `-- lost`: the server is gone.
    Lost(String),
    /// `-- time-out`.
    TimeOut,
    /// `-- password unavailable: reason`.
    NoPassword(String),
    /// `-- re-encoded`: the message goes out without 8-bit content from here on.
    Reencoded,
    /// `-- cannot re-encode: reason`.
    CannotReencode(String),
    /// `-- message breaks: reason`: it cannot be read to its end.
    MessageBreaks(String),
    /// `-- connect again`: the program connects once more, with what it has learnt, for those who are deferred.
    ConnectAgain,
    /// `-- flush`: what stands before is a flight, although nothing is awaited.
    Flush,
    /// `-- closed`: the client closes in good manners.
    Closed,
    /// `-- cut off`: the client closes without a word.
    CutOff,
}

/// `= recipient verdict words`.
#[derive(Clone, Debug)]
pub struct Expected {
    pub line: usize,
    pub recipient: String,
    pub verdict: String,
    pub words: String,
}

/// What is wrong with a file, or with a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Wrong {
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tests/dialogues/{}:{}: {}", self.file, self.line, self.what)
    }
}

/// The reason of `-- lost`: what the driver says when the server closes.
pub const CLOSED: &str = "the server closed the connection";

impl Dialogue {
    pub fn parse(file: &str, text: &str) -> Result<Dialogue, Wrong> {
        let mut dialogue = Dialogue {
            file: file.to_owned(),
            duties: Vec::new(),
            setup: Setup::default(),
            items: Vec::new(),
            verdicts: Vec::new(),
            flights: None,
            exit: None,
            retry: None,
            known: None,
            warning: None,
            unserved: Vec::new(),
            hint: None,
            trouble: None,
        };
        for (number, line) in text.lines().enumerate() {
            dialogue.take(number + 1, line).map_err(|what| Wrong { file: file.to_owned(), line: number + 1, what })?;
        }
        let wrong = |line, what: &str| Err(Wrong { file: file.to_owned(), line, what: what.to_owned() });
        match text.lines().next().and_then(|line| line.strip_prefix("# ")) {
            Some(title) if !title.starts_with("P-") && title.contains(' ') => {}
            _ => return wrong(1, "the first line must be `# what it shows`"),
        }
        if dialogue.duties.is_empty() {
            return wrong(2, "no line `# P-…` with the duties that it shows");
        }
        if dialogue.items.is_empty() || (dialogue.verdicts.is_empty() && dialogue.trouble.is_none()) {
            return wrong(1, "a dialogue needs lines of both sides, and verdicts");
        }
        Ok(dialogue)
    }

    fn take(&mut self, line: usize, text: &str) -> Result<(), String> {
        let (mark, rest) = text.split_once(' ').unwrap_or((text, ""));
        match mark {
            "" => Ok(()),
            "#" => {
                if rest.starts_with("P-") {
                    self.duties.extend(rest.split(' ').map(str::to_owned));
                }
                Ok(())
            }
            "!" if !self.items.is_empty() => Err("a setting stands before the dialogue".to_owned()),
            "!" => self.setup.take(rest),
            "C>" => match self.items.last_mut() {
                Some(Item { step: Step::Client { wire, .. }, .. }) => {
                    *wire = format!("{rest}\r\n").into_bytes();
                    Ok(())
                }
                _ => Err("`C>` stands behind the line that it is the wire form of".to_owned()),
            },
            "S>" => match self.items.last_mut() {
                Some(Item { step: Step::Server { octets, .. }, .. }) => {
                    *octets = unescape(rest)?;
                    Ok(())
                }
                _ => Err("`S>` stands behind the line that it is the wire form of".to_owned()),
            },
            "--" => {
                self.items.push(Item { line, step: Step::Event(event(rest)?) });
                Ok(())
            }
            "C:" | "S:" => self.say(line, mark, rest),
            _ if mark.ends_with(':') && (mark.starts_with("C*") || mark.starts_with("S*")) => {
                for number in numbers(&mark[2..mark.len() - 1])? {
                    self.say(line, &mark[..1], &rest.replace("{}", &number.to_string()))?;
                }
                Ok(())
            }
            _ if mark.starts_with("=*") => {
                for number in numbers(&mark[2..])? {
                    self.verdict(line, &rest.replace("{}", &number.to_string()))?;
                }
                Ok(())
            }
            "=" => self.verdict(line, rest),
            _ => Err(format!("`{mark}` begins no line of a dialogue")),
        }
    }

    fn say(&mut self, line: usize, mark: &str, text: &str) -> Result<(), String> {
        let step = if mark.starts_with('S') {
            Step::Server { octets: unescape(text)?, text: text.to_owned() }
        } else if let Some(size) = text.strip_prefix("[message, ").and_then(|rest| rest.strip_suffix(" octets]")) {
            let size = size.parse().map_err(|_| format!("`{size}` is no number"))?;
            Step::Message { size, chunk: self.chunk() }
        } else {
            Step::Client { shown: text.to_owned(), wire: format!("{text}\r\n").into_bytes() }
        };
        self.items.push(Item { line, step });
        Ok(())
    }

    /// Where in the message the chunk begins that the last line has announced.
    fn chunk(&self) -> Option<u64> {
        let said = |item: &Item, begins: &[&str]| match &item.step {
            Step::Client { shown, .. } => begins.iter().any(|word| shown.starts_with(word)),
            _ => false,
        };
        self.items.last().filter(|item| said(item, &["BDAT "]))?;
        let sent = self.items.iter().rev().take_while(|item| !said(item, &["MAIL ", "RSET"]));
        Some(sent.map(|item| if let Step::Message { size, .. } = item.step { size } else { 0 }).sum())
    }

    fn verdict(&mut self, line: usize, text: &str) -> Result<(), String> {
        let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number = || rest.parse::<usize>().map_err(|_| format!("`{rest}` is no number"));
        match first {
            "flights" => self.flights = Some(number()?),
            "exit" => self.exit = Some(u8::try_from(number()?).map_err(|_| "no exit code".to_owned())?),
            "hint" => self.hint = Some(rest.to_owned()),
            "unserved" => self.unserved.push(rest.to_owned()),
            "retry" => self.retry = Some(rest.to_owned()),
            "known" => self.known = Some(rest.to_owned()),
            "warning" => self.warning = Some(Some(rest.to_owned())),
            "no" if rest == "warning" => self.warning = Some(None),
            "trouble" => self.trouble = Some(Some(rest.to_owned())),
            "no" if rest == "trouble" => self.trouble = Some(None),
            recipient => {
                let (verdict, words) = rest.split_once(' ').unwrap_or((rest, ""));
                if !["accepted", "deferred", "failed", "unsent"].contains(&verdict) {
                    return Err(format!("`{verdict}` is no verdict: accepted, deferred or failed"));
                }
                let [recipient, verdict, words] = [recipient, verdict, words].map(str::to_owned);
                self.verdicts.push(Expected { line, recipient, verdict, words });
            }
        }
        Ok(())
    }

    /// What is expected for a recipient.
    pub fn expected(&self, recipient: &str) -> Option<&Expected> {
        let named = self.verdicts.iter().find(|expected| expected.recipient == recipient);
        named.or_else(|| self.verdicts.iter().find(|expected| expected.recipient == "*"))
    }

    /// The exit codes that may follow from the verdicts, where the dialogue does not name one.
    pub fn exits(&self) -> Option<Vec<u8>> {
        if let Some(exit) = self.exit {
            return Some(vec![exit]);
        }
        let has = |verdict: &str| self.verdicts.iter().any(|expected| expected.verdict == verdict);
        Some(match () {
            () if self.verdicts.is_empty() => return None,
            () if has("deferred") => vec![Exit::TemporaryFailure.code()],
            () if has("failed") => [Exit::Data, Exit::NoUser, Exit::NoHost, Exit::Unavailable].map(Exit::code).to_vec(),
            () => vec![Exit::Success.code()],
        })
    }

    /// The part of the dialogue that is played on a connection.
    pub fn connection(&self, number: usize) -> &[Item] {
        let again = |item: &Item| item.step == Step::Event(Event::ConnectAgain);
        self.items.split(again).nth(number).unwrap_or_default()
    }

    /// What the transcript has of the server must be what it said, as far as it was read.
    pub fn check_heard(&self, connection: usize, heard: &[String]) -> Result<(), Wrong> {
        let said = self.connection(connection).iter().filter_map(|item| match &item.step {
            // Escapes may stand for anything; a blank at the end is not shown.
            Step::Server { text, .. } if text.contains('\\') => Some((item.line, None)),
            Step::Server { text, .. } => Some((item.line, Some(text.trim_ascii_end()))),
            _ => None,
        });
        for ((line, said), heard) in said.zip(heard) {
            if said.is_some_and(|said| said != heard) {
                return Err(self.wrong(line, format!("the transcript has `S: {heard}`")));
            }
        }
        Ok(())
    }

    /// What the client says in a step, as it goes over the wire.
    pub fn wire(&self, step: &Step) -> Vec<u8> {
        match step {
            Step::Client { wire, .. } => wire.clone(),
            Step::Message { chunk: None, .. } => self.setup.wire(),
            Step::Message { size, chunk: Some(from) } => self.setup.chunk(*from, *size),
            Step::Server { .. } | Step::Event(_) => Vec::new(),
        }
    }

    pub fn wrong(&self, line: usize, what: impl Into<String>) -> Wrong {
        Wrong { file: self.file.clone(), line, what: what.into() }
    }
}

fn event(text: &str) -> Result<Event, String> {
    let (name, reason) = text.split_once(": ").unwrap_or((text, ""));
    let or = |other: &str| if reason.is_empty() { other.to_owned() } else { reason.to_owned() };
    Ok(match name {
        "tls" => Event::Tls,
        "tls fails" => Event::TlsFails(or("no reason given")),
        "lost" => Event::Lost(or(CLOSED)),
        "pause" => Event::Pause,
        "time-out" => Event::TimeOut,
        "password unavailable" => Event::NoPassword(or("no reason given")),
        "re-encoded" => Event::Reencoded,
        "cannot re-encode" => Event::CannotReencode(reason.to_owned()),
        "message breaks" => Event::MessageBreaks(or("no reason given")),
        "connect again" => Event::ConnectAgain,
        "flush" => Event::Flush,
        "closed" => Event::Closed,
        "cut off" => Event::CutOff,
        _ => return Err(format!("`-- {name}` is no event")),
    })
}

/// `100` is 1 to 100, `7-9` is 7 to 9.
fn numbers(text: &str) -> Result<std::ops::RangeInclusive<usize>, String> {
    let (from, to) = text.split_once('-').unwrap_or(("1", text));
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) => Ok(from..=to),
        _ => Err(format!("`{text}` is no number of repetitions")),
    }
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    let mut end: &[u8] = b"\r\n";
    while let Some((&octet, behind)) = rest.split_first() {
        rest = behind;
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        let Some((&letter, behind)) = rest.split_first() else { return Err("a backslash at the end".to_owned()) };
        rest = behind;
        match letter {
            b'c' if rest.is_empty() => end = b"",
            b'n' if rest.is_empty() => end = b"\n",
            b'n' => octets.push(b'\n'),
            b'r' => octets.push(b'\r'),
            b't' => octets.push(b'\t'),
            b'\\' => octets.push(b'\\'),
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                octets.push(value.ok_or("`\\x` needs two hexadecimal digits")?);
                rest = &rest[2..];
            }
            _ => return Err(format!("`\\{}` is no escape", char::from(letter))),
        }
    }
    octets.extend_from_slice(end);
    Ok(octets)
}

/// All dialogues, in the order of their names.
pub fn all() -> Vec<(String, Result<Dialogue, Wrong>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let mut files = Vec::new();
    find(&root, &mut files);
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let dialogue = match text {
            Ok(text) => Dialogue::parse(&name, &text),
            Err(what) => Err(Wrong { file: name.clone(), line: 1, what }),
        };
        (name, dialogue)
    };
    files.into_iter().map(read).collect()
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            find(&path, files);
        } else {
            assert_eq!(path.extension().unwrap(), "smtp", "{}", path.display());
            files.push(path);
        }
    }
}
