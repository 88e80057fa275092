//! The places that take a text from a caller, and what may come of it on the wire.

use super::flow::{self, Call, Server};
use super::oracle::{self, Dialogue, decode_xtext};

/// A place for a text.
#[derive(Clone, Copy)]
pub struct Place {
    pub name: &'static str,
    pub call: for<'a> fn(&'a [u8]) -> Call<'a>,
    sender: Path,
    recipients: To,
    /// The names of the fields, sorted, but for those that may lack.
    fields: &'static [&'static str],
    /// Names that are there or not, as the text has it.
    may: &'static [&'static str],
    body: Body,
    /// What else must hold.
    also: fn(&Dialogue, &[u8]) -> Result<(), String>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

#[derive(Clone, Copy)]
enum Path {
    /// The caller's address.
    Own,
    /// Nothing that the text does not hold.
    FromText,
}

#[derive(Clone, Copy)]
enum To {
    Bob,
    /// Bob, and others from the text.
    BobAndText,
    Text,
}

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Is,
    Any,
}

const INPUT: &[u8] = b"Subject: s\nX-Last: 1\n\nbody\n";
const USUAL: &[&str] = &["Date", "From", "Message-ID", "Subject", "X-Last"];
const SENT: &[&str] =
    &["Content-Transfer-Encoding", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];
const BOB: &str = "bob@x.test";

const PLACE: Place = Place {
    name: "",
    call: |_| Call::default(),
    sender: Path::Own,
    recipients: To::Bob,
    fields: USUAL,
    may: &[],
    body: Body::Is,
    also: |_, _| Ok(()),
};

fn sendmail<'a>(words: &[&'a [u8]]) -> Call<'a> {
    Call { argv: [&[&b"sendmail"[..]], words].concat(), input: INPUT.to_vec(), ..Call::default() }
}

/// A message with this field, in which the application that wrote it left no line end.
fn with_field<'a>(field: &str, text: &[u8]) -> Call<'a> {
    let text: Vec<u8> = text.iter().copied().filter(|octet| *octet != b'\n').collect();
    let input = [b"Subject: s\n", field.as_bytes(), b": ", &text, b"\nX-Last: 1\n\nbody\n"].concat();
    Call { input, ..sendmail(&[b"-t", b"-i", b"bob@x.test"]) }
}

fn send<'a>(words: &[&'a [u8]]) -> Call<'a> {
    let usual: &[&[u8]] = &[b"posthaste", b"send", b"--to", b"bob@x.test", b"--subject", b"s", b"--body", b"body"];
    Call { argv: [usual, words].concat(), ..Call::default() }
}

pub const PLACES: &[Place] = &[
    Place { name: "-f", call: |text| sendmail(&[b"-f", text, b"bob@x.test"]), sender: Path::FromText, ..PLACE },
    Place { name: "-r", call: |text| sendmail(&[b"-r", text, b"bob@x.test"]), sender: Path::FromText, ..PLACE },
    Place { name: "-F", call: |text| sendmail(&[b"-F", text, b"bob@x.test"]), also: own_from, ..PLACE },
    Place { name: "-V", call: |text| sendmail(&[b"-V", text, b"bob@x.test"]), also: envelope_id, ..PLACE },
    Place { name: "-N", call: |text| sendmail(&[b"-N", text, b"bob@x.test"]), ..PLACE },
    Place { name: "-R", call: |text| sendmail(&[b"-R", text, b"bob@x.test"]), ..PLACE },
    Place { name: "-B", call: |text| sendmail(&[b"-B", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place { name: "-L", call: |text| sendmail(&[b"-L", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place { name: "-O", call: |text| sendmail(&[b"-O", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place { name: "-o", call: |text| sendmail(&[b"-o", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place { name: "-X", call: |text| sendmail(&[b"-X", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place { name: "-h", call: |text| sendmail(&[b"-h", text, b"bob@x.test"]), also: no_wish, ..PLACE },
    Place {
        name: "recipient",
        call: |text| sendmail(&[b"-i", b"--", b"bob@x.test", text]),
        recipients: To::BobAndText,
        ..PLACE
    },
    Place {
        name: "a word among options",
        call: |text| sendmail(&[b"-i", text]),
        sender: Path::FromText,
        recipients: To::Text,
        ..PLACE
    },
    Place { name: "To", call: |text| with_field("To", text), recipients: To::BobAndText, may: &["To"], ..PLACE },
    Place { name: "Cc", call: |text| with_field("Cc", text), recipients: To::BobAndText, may: &["Cc"], ..PLACE },
    Place { name: "Bcc", call: |text| with_field("Bcc", text), recipients: To::BobAndText, ..PLACE },
    Place { name: "Subject", call: |text| with_field("Subject", text), may: &["Subject"], ..PLACE },
    Place { name: "Reply-To", call: |text| with_field("Reply-To", text), may: &["Reply-To"], ..PLACE },
    Place { name: "From", call: |text| with_field("From", text), ..PLACE },
    Place { name: "References", call: |text| with_field("References", text), may: &["References"], ..PLACE },
    Place {
        name: "Resent-To",
        call: |text| with_field("Resent-To", text),
        recipients: To::BobAndText,
        fields: &[
            "Date",
            "From",
            "Message-ID",
            "Resent-Date",
            "Resent-From",
            "Resent-Message-ID",
            "Resent-To",
            "Subject",
            "X-Last",
        ],
        ..PLACE
    },
    Place { name: "Resent-From", call: |text| with_field("Resent-From", text), may: &["Resent-From"], ..PLACE },
    Place {
        name: "the whole message",
        call: |text| Call { input: text.to_vec(), ..sendmail(&[b"-i", b"bob@x.test"]) },
        body: Body::Any,
        also: no_bcc,
        ..PLACE
    },
    Place { name: "--to", call: |text| send(&[b"--to", text]), recipients: To::BobAndText, fields: SENT, ..PLACE },
    Place {
        name: "--cc",
        call: |text| send(&[b"--cc", text]),
        recipients: To::BobAndText,
        fields: SENT,
        may: &["Cc"],
        ..PLACE
    },
    Place { name: "--bcc", call: |text| send(&[b"--bcc", text]), recipients: To::BobAndText, fields: SENT, ..PLACE },
    Place { name: "--from", call: |text| send(&[b"--from", text]), sender: Path::FromText, fields: SENT, ..PLACE },
    Place {
        name: "--envelope-from",
        call: |text| send(&[b"--envelope-from", text]),
        sender: Path::FromText,
        fields: SENT,
        ..PLACE
    },
    Place {
        name: "--subject",
        call: |text| Call {
            argv: vec![b"posthaste", b"send", b"--to", b"bob@x.test", b"--body", b"body", b"--subject", text],
            ..Call::default()
        },
        fields: SENT,
        ..PLACE
    },
    Place { name: "--reply-to", call: |text| send(&[b"--reply-to", text]), fields: SENT, may: &["Reply-To"], ..PLACE },
    Place {
        name: "--attach",
        call: |text| {
            let named = [text, concat!("=", env!("CARGO_MANIFEST_DIR"), "/LICENSE-MIT").as_bytes()].concat();
            send(&[b"--attach", Box::leak(named.into_boxed_slice())])
        },
        // The parts have what stands in the header of a text.
        fields: &["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"],
        may: &["Content-Transfer-Encoding"],
        body: Body::Any,
        also: no_line_of_ours,
        ..PLACE
    },
    Place {
        name: "--header",
        call: |text| send(&[b"--header", text]),
        fields: SENT,
        also: one_more_at_most,
        may: ANY,
        ..PLACE
    },
    Place {
        name: "--header value",
        call: |text| send(&[b"--header", Box::leak([b"X-Mine: ", text].concat().into_boxed_slice())]),
        fields: SENT,
        may: &["X-Mine"],
        ..PLACE
    },
    Place { name: "--dsn-envid", call: |text| send(&[b"--dsn-envid", text]), fields: SENT, also: envelope_id, ..PLACE },
    Place {
        name: "NAME",
        call: |text| Call { name: Some(text), ..sendmail(&[b"bob@x.test"]) },
        also: own_from,
        ..PLACE
    },
    Place { name: "from", call: |text| configured("POSTHASTE_FROM", text), sender: Path::FromText, ..PLACE },
    Place { name: "hostname", call: |text| configured("POSTHASTE_HOSTNAME", text), ..PLACE },
    Place {
        name: "mail-domain",
        call: |text| Call { variables: vec![("POSTHASTE_MAIL_DOMAIN", text)], ..sendmail(&[b"bob@x.test", b"root"]) },
        sender: Path::FromText,
        recipients: To::BobAndText,
        ..PLACE
    },
    Place { name: "dsn-notify", call: |text| configured("POSTHASTE_DSN_NOTIFY", text), ..PLACE },
    Place {
        name: "an alias",
        call: |text| {
            let file = [b"root: bob@x.test, ", text, b"\n"].concat();
            Call { aliases: Box::leak(file.into_boxed_slice()), ..sendmail(&[b"root"]) }
        },
        recipients: To::BobAndText,
        ..PLACE
    },
    Place {
        name: "MAIL of -bs",
        call: |text| dialogue(&[b"MAIL FROM:<", text, b">\r\nRCPT TO:<bob@x.test>\r\nDATA\r\n"]),
        sender: Path::FromText,
        recipients: To::BobAndText,
        body: Body::Any,
        may: ANY,
        ..PLACE
    },
    Place {
        name: "RCPT of -bs",
        call: |text| {
            dialogue(&[b"MAIL FROM:<bob@x.test>\r\nRCPT TO:<bob@x.test>\r\nRCPT TO:<", text, b">\r\nDATA\r\n"])
        },
        sender: Path::FromText,
        recipients: To::BobAndText,
        body: Body::Any,
        may: ANY,
        ..PLACE
    },
    Place {
        name: "a line of -bs",
        call: |text| dialogue(&[text, b"\r\nMAIL FROM:<bob@x.test>\r\nRCPT TO:<bob@x.test>\r\nDATA\r\n"]),
        sender: Path::FromText,
        recipients: To::BobAndText,
        body: Body::Any,
        may: ANY,
        ..PLACE
    },
];

/// The caller of `-bs` may write any field.
const ANY: &[&str] = &["any"];

fn configured<'a>(variable: &'static str, text: &'a [u8]) -> Call<'a> {
    Call { variables: vec![(variable, text)], ..sendmail(&[b"bob@x.test"]) }
}

fn dialogue<'a>(pieces: &[&[u8]]) -> Call<'a> {
    let input = [b"EHLO x.test\r\n", &pieces.concat()[..], b"Subject: s\r\n\r\nbody\r\n.\r\nQUIT\r\n"].concat();
    Call { input, ..sendmail(&[b"-bs"]) }
}

impl Place {
    /// What leaves for the server.
    pub fn play(&self, text: &[u8], server: Server) -> Vec<Vec<u8>> {
        flow::run(&(self.call)(text), server)
    }

    /// Whether what left is what was meant, `own` being the address of the caller.
    pub fn check(&self, wire: &[u8], text: &[u8], own: &str) -> Result<(), String> {
        let said = oracle::read(wire)?;
        let known = ["bob@x.test", own, "box.example.org", "root"];
        let hello_is_right = said.hello == "box.example.org"
            || (self.name == "hostname" && (!text.is_ascii() || is_made_of(&said.hello, text)));
        if !hello_is_right || said.hello.contains(' ') {
            return Err(format!("EHLO {}", said.hello));
        }
        match self.sender {
            Path::Own if said.sender != own => return Err(format!("the sender is {}", said.sender)),
            Path::FromText
                if !(known.contains(&said.sender.as_str())
                    || is_from(&said.sender, text)
                    || self.is_local(&said.sender, own, text)) =>
            {
                return Err(format!("the sender is {}", said.sender));
            }
            _ => {}
        }
        let bobs = said.recipients.iter().filter(|recipient| *recipient == BOB).count();
        let others: Vec<&String> = said.recipients.iter().filter(|recipient| *recipient != BOB).collect();
        let is_right = match self.recipients {
            To::Bob => bobs == 1 && others.is_empty(),
            To::BobAndText => {
                bobs == 1 && others.iter().all(|other| is_from(other, text) || self.is_local(other, own, text))
            }
            To::Text => others.iter().all(|other| is_from(other, text)),
        };
        // Between two addresses there is at least one octet.
        if !is_right || said.recipients.len() > 2 + text.len() / 2 {
            return Err(format!("the recipients are {:?}", said.recipients));
        }
        self.check_message(&said)?;
        (self.also)(&said, text)
    }

    /// Whether it is root or the caller, with a domain from the text.
    fn is_local(&self, path: &str, own: &str, text: &[u8]) -> bool {
        let Some((local, domain)) = path.rsplit_once('@') else { return false };
        let is_known = local == "root" || own.strip_suffix("@example.org") == Some(local);
        self.name == "mail-domain"
            && is_known
            && (["box.example.org", "example.org"].contains(&domain) || !text.is_ascii() || is_made_of(domain, text))
    }

    fn check_message(&self, said: &Dialogue) -> Result<(), String> {
        if self.body == Body::Is && said.body != b"body" {
            return Err(format!("the body is {}", said.body.escape_ascii()));
        }
        if self.may == ANY || self.name == "the whole message" {
            return Ok(());
        }
        let mut names: Vec<&str> = said.header.iter().map(|field| field.name.as_str()).collect();
        for name in self.may {
            // Once at most, beside one that must be there.
            if let Some(at) = names.iter().position(|found| found == name)
                && (names.iter().filter(|found| *found == name).count() > 1 || !self.fields.contains(name))
            {
                names.remove(at);
            }
        }
        names.sort_unstable();
        if names == self.fields { Ok(()) } else { Err(format!("the fields are {names:?}")) }
    }
}

/// Whether the letters stand in the text, in their order.
fn is_made_of(letters: &str, text: &[u8]) -> bool {
    // A CR that ends no line is a blank in a header.
    let mut there = text.iter().map(|octet| if *octet == b'\r' { b' ' } else { octet.to_ascii_lowercase() });
    letters.bytes().all(|letter| there.any(|octet| octet == letter.to_ascii_lowercase()))
}

/// Whether an address is one that the text may have meant: its local part stands there, and so does its domain, unless it is
/// our own or was not in ASCII.
fn is_from(path: &str, text: &[u8]) -> bool {
    let Some((local, domain)) = path.rsplit_once('@') else { return path.is_empty() };
    let local: String = local.chars().filter(|letter| !matches!(letter, '"' | '\\')).collect();
    is_made_of(&local, text) && (domain == "example.org" || !text.is_ascii() || is_made_of(domain, text))
}

/// From has one address, the caller's, whatever is called a name.
fn own_from(said: &Dialogue, _: &[u8]) -> Result<(), String> {
    let from = said.header.iter().find(|field| field.name == "From").ok_or("no From")?;
    let (mut quoted, mut escaped, mut bare) = (false, false, String::new());
    for letter in from.value.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            _ => bare.push(letter),
        }
    }
    let address = bare.rsplit([' ', '<']).next().unwrap_or_default().trim_end_matches('>');
    let is_one = bare.matches('@').count() == 1 && !bare.contains([',', ';', ':', '(']);
    if !quoted && is_one && address == said.sender { Ok(()) } else { Err(format!("From:{}", from.value)) }
}

/// What the notifications call the message is what was given, or nothing.
fn envelope_id(said: &Dialogue, text: &[u8]) -> Result<(), String> {
    for parameter in &said.parameters {
        if let Some(value) = parameter.strip_prefix("ENVID=")
            && decode_xtext(value).as_deref().map(str::as_bytes) != Some(text)
        {
            return Err(parameter.clone());
        }
    }
    Ok(())
}

/// The text has no part in the commands.
fn no_wish(said: &Dialogue, _: &[u8]) -> Result<(), String> {
    let is_usual = |parameter: &String| parameter.starts_with("SIZE=") || parameter.starts_with("BODY=");
    if said.parameters.iter().all(is_usual) { Ok(()) } else { Err(format!("{:?}", said.parameters)) }
}

fn no_bcc(said: &Dialogue, _: &[u8]) -> Result<(), String> {
    let hidden = |name: &str| ["bcc", "resent-bcc"].contains(&&*name.to_ascii_lowercase());
    match said.header.iter().find(|field| hidden(&field.name)) {
        Some(field) => Err(format!("{}:{}", field.name, field.value)),
        None => Ok(()),
    }
}

fn no_line_of_ours(said: &Dialogue, _: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(&said.body);
    let injected = text.split("\r\n").find(|line| line.starts_with("X-Injected") || line.starts_with("Bcc"));
    injected.map_or(Ok(()), |line| Err(line.to_owned()))
}

fn one_more_at_most(said: &Dialogue, _: &[u8]) -> Result<(), String> {
    if said.header.len() <= SENT.len() + 1 { Ok(()) } else { Err(format!("{:?}", said.header)) }
}
