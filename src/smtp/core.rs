//! What all states of a session share: the flight, the commands that await replies, and the book of verdicts.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::action::{Closing, Event, Protection};
use super::capabilities::Capabilities;
use super::login::Token;
use super::mask::{self, Secrets};
use super::memory::{Fast, Memory, Offer};
use super::outcome::{Cause, Trouble, Verdict};
use super::parameters::Parameters;
use super::question::Question;
use super::reply::{Class, Reply};
use super::sasl::{ChannelBinding, Mechanism};
use super::session::State;
use super::settings::{Caution, LoginMode, Purpose, Series, Settings};
use super::stage::{Hello, Stage};
use super::wishes::Unserved;
use crate::envelope::Envelope;
use crate::message::Facts;

/// A command whose reply has not come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Greeting,
    Hello(Hello),
    StartTls,
    Xclient,
    Auth,
    Reset,
    /// A question of [`Purpose::Ask`].
    Answer,
    Mail,
    /// A recipient, and whether its command had parameters.
    Rcpt(usize, Parameters),
    Data,
    /// A chunk that is not the last one.
    Chunk,
    /// The end of an empty message that nobody is to get.
    Nothing,
    EndOfData,
    Quit,
}

/// See the module.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) purpose: Purpose,
    /// The number of the first recipient of the present message.
    pub(super) first: usize,
    pub(super) series: Series,
    pub(super) capabilities: Capabilities,
    /// The last reply to EHLO, as the memory knows it.
    pub(super) offer: Option<Offer>,
    /// What is known of the server.
    pub(super) memory: Memory,
    /// What was tried because of it.
    pub(super) fast: Fast,
    pub(super) protection: Protection,
    /// Whether a firewall stands between that reads along and loses a dot which is not alone in its segment.
    pub(super) firewall: Firewall,
    /// What counts against the limits of the server.
    pub(super) spent: super::limits::Spent,
    /// What goes with MAIL on this connection.
    pub(super) parameters: Parameters,
    /// The same of RCPT alone.
    pub(super) rcpt_parameters: Parameters,
    /// Whether the wishes of this message that go unserved were told.
    pub(super) unserved: Unserved,
    /// Recipients without a verdict that are in no transaction at present.
    pub(super) pending: VecDeque<usize>,
    /// What is still to be asked, and what was answered.
    pub(super) questions: VecDeque<Question>,
    pub(super) answers: Vec<Reply>,
    pub(super) in_flight: VecDeque<Awaited>,
    /// How many commands went out together, at most, since the last flight was answered whole.
    pub(super) group: usize,
    /// Mechanisms that the server refused as such.
    pub(super) refused: Vec<Mechanism>,
    /// What names the TLS connection, until a login is bound to it.
    pub(super) binding: Option<ChannelBinding>,
    /// Where a login with an access token is.
    pub(super) token: Token,
    /// How many nonces were used.
    pub(super) nonces: usize,
    pub(super) outgoing: Vec<u8>,
    pub(super) retry: Caution,
    pub(super) events: VecDeque<Event>,
    pub(super) verdicts: Vec<Option<Verdict>>,
    pub(super) trouble: Option<Trouble>,
    /// Octets of replies that the verdicts hold.
    kept: usize,
    /// The access token that was used last.
    pub(super) used_token: Option<Zeroizing<String>>,
    /// What went out masked: a server may repeat it.
    secrets: Secrets,
}

/// What the greeting has shown of a firewall (Cisco PIX "fixup").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Firewall {
    Unseen,
    Seen,
}

/// The verdicts may hold so many octets of replies; of those that come later only the beginning is kept. An honest
/// server needs 50,000 recipients to get there, a hostile one 64.
const KEPT_LIMIT: usize = 4 * 1024 * 1024;

impl Awaited {
    pub(super) fn stage(self) -> Stage {
        match self {
            Awaited::Greeting => Stage::Greeting,
            Awaited::Hello(hello) => Stage::Hello(hello),
            Awaited::StartTls => Stage::StartTls,
            Awaited::Xclient => Stage::Xclient,
            Awaited::Auth => Stage::Auth,
            Awaited::Reset => Stage::Reset,
            Awaited::Answer => Stage::Question,
            Awaited::Mail => Stage::Mail,
            Awaited::Rcpt(..) => Stage::Rcpt,
            // Not the end of data: no recipient's message hangs on it.
            Awaited::Data | Awaited::Nothing => Stage::Data,
            Awaited::Chunk => Stage::Chunk,
            Awaited::EndOfData => Stage::EndOfData,
            Awaited::Quit => Stage::Quit,
        }
    }
}

impl Core {
    pub(super) fn new(mut settings: Settings, purpose: Purpose) -> Self {
        // The account allows no other octets; should one come all the same, it shall not begin a command of its own.
        settings.hello.retain(|c| c.is_ascii_graphic());
        let count = match &purpose {
            Purpose::Submit(envelope, _) => envelope.recipients().len(),
            Purpose::Probe(_) | Purpose::Ask(_) => 0,
        };
        let questions = match &purpose {
            Purpose::Ask(questions) => questions.iter().cloned().collect(),
            Purpose::Submit(..) | Purpose::Probe(_) => VecDeque::new(),
        };
        Core {
            offer: None,
            memory: settings.memory,
            fast: Fast::default(),
            settings,
            purpose,
            first: 0,
            series: Series::Over,
            capabilities: Capabilities::default(),
            protection: Protection::None,
            firewall: Firewall::Unseen,
            spent: super::limits::Spent::default(),
            parameters: Parameters::All,
            rcpt_parameters: Parameters::All,
            unserved: Unserved::Untold,
            pending: (0..count).collect(),
            questions,
            answers: Vec::new(),
            in_flight: VecDeque::new(),
            group: 0,
            refused: Vec::new(),
            binding: None,
            token: Token::First,
            nonces: 0,
            outgoing: Vec::new(),
            retry: Caution::None,
            events: VecDeque::new(),
            verdicts: vec![None; count],
            trouble: None,
            kept: 0,
            used_token: None,
            secrets: Secrets::default(),
        }
    }

    /// Puts a command line (without CRLF) into the flight.
    pub(super) fn send(&mut self, line: &str, awaited: Awaited) {
        self.send_masked(line, line.to_owned(), awaited);
    }

    /// The same for a line that has no reply.
    pub(super) fn send_unanswered(&mut self, line: &str) {
        self.outgoing.extend_from_slice(line.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
        self.events.push_back(Event::Client(line.to_owned()));
    }

    /// The same for a line that ends with a secret, which no transcript and no error shows.
    pub(super) fn send_secret(&mut self, before: &str, secret: Zeroizing<String>, awaited: Awaited) {
        let line = Zeroizing::new(format!("{before}{}", secret.as_str()));
        self.send_masked(&line, format!("{before}{}", mask::instead_of(secret.len())), awaited);
        let user = match &self.settings.login {
            LoginMode::As { user, .. } => user.as_str(),
            LoginMode::None => "",
        };
        self.secrets.sent(secret, user);
    }

    /// The password is known, and hidden from now on.
    pub(super) fn know_password(&mut self, password: &str) {
        self.secrets.password(password);
    }

    /// The reply without what the server repeats of our secrets ("500 unrecognized command: AUTH PLAIN AGFs…").
    pub(super) fn masked(&self, reply: &Reply, stage: Stage) -> Reply {
        if self.secrets.are_none() {
            return reply.clone();
        }
        let refused = stage == Stage::Auth && matches!(reply.class(), Class::Temporary | Class::Permanent);
        let line = if refused { mask::Line::Refusal } else { mask::Line::Other };
        reply.map_lines(|text| self.secrets.hide(text, line))
    }

    /// The same for what is no reply.
    pub(super) fn masked_line(&self, line: &str) -> String {
        self.secrets.hide(line, mask::Line::Other)
    }

    /// The same for what a server says of a login that it refuses.
    pub(super) fn masked_complaint(&self, words: &str) -> String {
        self.secrets.hide(words, mask::Line::Refusal)
    }

    fn send_masked(&mut self, line: &str, shown: String, awaited: Awaited) {
        // A secret must not stay behind in octets that grew out of their place.
        self.outgoing.reserve(line.len() + 2);
        self.outgoing.extend_from_slice(line.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
        self.events.push_back(Event::Client(shown));
        self.expect(awaited);
        self.group = self.in_flight.len();
    }

    /// Waits for a reply that no command asked for: the greeting.
    pub(super) fn expect(&mut self, awaited: Awaited) {
        self.in_flight.push_back(awaited);
    }

    /// Takes back a flight that has not gone out, with its events from number `since` on.
    pub(super) fn withdraw(&mut self, since: usize) {
        self.outgoing.clear();
        self.in_flight.clear();
        let later = self.events.split_off(since.min(self.events.len()));
        let said = |event: &Event| matches!(event, Event::Client(_) | Event::Message(_));
        self.events.extend(later.into_iter().filter(|event| !said(event)));
    }

    /// Whether groups of commands may be sent: listed by the last EHLO, and not found to be a lie.
    pub(super) fn pipelining(&self) -> bool {
        self.capabilities.pipelining && self.settings.caution != Caution::Serial
    }

    /// Settles a recipient.
    pub(super) fn settle(&mut self, recipient: usize, verdict: Verdict) {
        if let Some(place @ None) = self.verdicts.get_mut(recipient) {
            *place = Some(verdict.clone());
            self.events.push_back(Event::Verdict(recipient, verdict));
        }
    }

    /// The next message, whose recipients get the next numbers.
    pub(super) fn take_message(&mut self, envelope: Envelope, facts: Facts) {
        self.first = self.verdicts.len();
        self.verdicts.resize(self.first + envelope.recipients().len(), None);
        self.pending = (self.first..self.verdicts.len()).collect();
        self.purpose = Purpose::Submit(envelope, facts);
        self.trouble = None;
        self.unserved = Unserved::Untold;
    }

    /// The verdicts of the present message.
    pub(super) fn own_verdicts(&self) -> &[Option<Verdict>] {
        self.verdicts.get(self.first..).unwrap_or_default()
    }

    /// Settles all recipients of the present message that have no verdict yet, and notes why it came to nothing.
    pub(super) fn fail_message(&mut self, trouble: Trouble) {
        self.settle_message(&trouble.clone().verdict());
        self.trouble.get_or_insert(trouble);
    }

    /// Settles all recipients of the present message that have no verdict yet.
    pub(super) fn settle_message(&mut self, verdict: &Verdict) {
        for recipient in self.first..self.verdicts.len() {
            self.settle(recipient, verdict.clone());
        }
        self.pending.clear();
    }

    /// Settles all recipients that have no verdict yet.
    pub(super) fn settle_all(&mut self, verdict: &Verdict) {
        for recipient in 0..self.verdicts.len() {
            self.settle(recipient, verdict.clone());
        }
        self.pending.clear();
    }

    /// Settles all recipients that have no verdict yet, and notes why the session came to nothing.
    pub(super) fn fail_all(&mut self, trouble: Trouble) {
        self.settle_all(&trouble.clone().verdict());
        self.trouble.get_or_insert(trouble);
    }

    /// Makes a reply ready to be kept in a verdict.
    pub(super) fn keep(&mut self, reply: Reply) -> Reply {
        let size = reply.size();
        if self.kept + size > KEPT_LIMIT {
            return reply.abridged();
        }
        self.kept += size;
        reply
    }

    /// Ends the session in good manners, because of trouble.
    pub(super) fn give_up(&mut self, trouble: Trouble) -> State {
        self.fail_all(trouble);
        self.quit()
    }

    /// Says QUIT. Its reply cannot change anything, so nobody waits for it.
    pub(super) fn quit(&mut self) -> State {
        self.send("QUIT", Awaited::Quit);
        State::Closed(Closing::Politely)
    }

    /// Another connection may do better with this caution; of two lessons the first is kept, and one that was
    /// learnt on a connection which is cautious already is none.
    pub(super) fn set_retry(&mut self, caution: Caution) {
        let is_first = matches!(self.settings.caution, Caution::None | Caution::Rest);
        if is_first && self.retry == Caution::None {
            self.retry = caution;
        }
    }

    /// A recipient must not be lost, whatever went wrong above: the second, redundant half of the book-keeping.
    pub(super) fn sweep(&mut self) {
        let trouble = self.trouble.clone().unwrap_or(Trouble {
            stage: Stage::Quit,
            cause: Cause::Lost("the session ended before this recipient's turn".to_owned()),
        });
        self.settle_all(&Verdict::Deferred(trouble));
    }

    pub(super) fn record_reply(&mut self, reply: &Reply) {
        let last = reply.lines().len().saturating_sub(1);
        for (number, line) in reply.lines().iter().enumerate() {
            let separator = if number < last { "-" } else { " " };
            self.events.push_back(Event::Server(format!("{}{separator}{line}", reply.code()).trim_end().to_owned()));
        }
    }
}
