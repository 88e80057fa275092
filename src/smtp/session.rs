//! One session: from the first octet of a connection to a verdict for each recipient.
//!
//! The caller asks [`Session::next_action`] what to do, does it, and tells the result. A state is entered once (it
//! sends) and left by one reply; the transition consumes the state and returns the next one. Pipelining is a queue
//! of commands in flight, and replies are told apart by counting alone (RFC 2920 section 3.1).

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::capabilities::Capabilities;
use super::login;
use super::opening::{self, Opening};
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Reader, Reply};
use super::sasl::{Exchange, Mechanism};
use super::stage::Stage;
use super::transaction::{self, Transaction};
use crate::envelope::Envelope;
use crate::message::Facts;

/// What a session needs to know of the account and the host.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The argument of EHLO: a domain or an address literal (RFC 5321 section 4.1.1.1).
    pub hello: String,
    /// When TLS begins, and whether it must.
    pub tls: TlsMode,
    /// Whether and how to log in.
    pub login: LoginMode,
    /// Most recipients in one transaction.
    pub max_recipients: usize,
    /// What happens when the server refuses some of the recipients.
    pub partial: Partial,
    /// What happens to 8-bit content when the server does not list 8BITMIME.
    pub eight_bit: EightBit,
    /// What an earlier connection to this host has taught.
    pub caution: Caution,
}

/// When TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    /// Before the first octet of SMTP (RFC 8314 section 3.3).
    Implicit,
    /// By STARTTLS, and nothing is said before (RFC 3207).
    Required,
    /// By STARTTLS where the server offers it.
    Opportunistic,
    /// Never.
    None,
}

/// Whether to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginMode {
    /// Nobody logs in.
    None,
    /// This user does.
    As {
        /// The user name.
        user: String,
        /// Mechanisms that may be used, in this order.
        mechanisms: Vec<Mechanism>,
        /// Whether a mechanism that reveals the password may be used without verified TLS.
        clear_text: ClearText,
    },
}

/// Whether a password may go over a connection that is not protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearText {
    /// Never. The default.
    Never,
    /// The account says so in writing, and the server is this machine.
    Allowed,
}

/// What happens when the server refuses some of the recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The others get the message.
    Deliver,
    /// Nobody gets it.
    AllOrNone,
}

/// What happens to 8-bit content when the server does not list 8BITMIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EightBit {
    /// It is sent as it is, against RFC 6152 section 3.
    Send,
    /// The message is refused.
    Refuse,
}

/// A fault of the host that an earlier connection has shown, and that this one avoids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// None known.
    None,
    /// It closes the connection at EHLO: say HELO.
    Helo,
    /// Its TLS does not work, and clear text is allowed.
    ClearText,
    /// It loses commands that come together: send one at a time.
    Serial,
}

/// What a session is for.
#[derive(Clone, Debug)]
pub enum Purpose {
    /// To send a message.
    Submit(Envelope, Facts),
    /// To see how far one would come: everything up to the login.
    Probe,
}

/// What the caller has to do next.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a session goes on only when its actions are carried out"]
pub enum Action {
    /// Put these octets into the present flight. They go out together with all others when the next action is
    /// [`Action::Read`], [`Action::StartTls`] or [`Action::Close`]: one flight, one write.
    Write(Vec<u8>),
    /// Write out the flight, wait for octets and give them to [`Session::received`]; or tell
    /// [`Session::timed_out`] or [`Session::lost`]. The deadline is that of the stage, and begins anew when
    /// [`Session::replies`] has grown.
    Read(Stage),
    /// Put the message into the flight, framed for DATA; then tell [`Session::body_sent`]. What arrives meanwhile
    /// goes to [`Session::received`], and if the next action is another then, the message is given up.
    SendBody,
    /// Do the TLS handshake, then tell [`Session::tls_started`] or [`Session::tls_failed`].
    StartTls,
    /// Fetch the password, then tell [`Session::password`] or [`Session::no_password`].
    NeedPassword,
    /// Write out the flight and close the connection. There is nothing more to do.
    Close(Closing),
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// With close_notify under TLS.
    Politely,
    /// At once: the message was cut short, or the peer is not to be trusted.
    Abruptly,
}

/// What happened, for transcript and log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// We said a line (secrets masked).
    Client(String),
    /// The server said a line (controls escaped).
    Server(String),
    /// The message went out, with so many octets.
    Message(u64),
    /// A recipient, by the number in the envelope, has its verdict.
    Verdict(usize, Verdict),
}

/// Whether TLS is on, and what it is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Clear text.
    None,
    /// TLS with a certificate that nobody checked.
    Unverified,
    /// TLS with a checked certificate.
    Verified,
}

/// A command whose reply has not come yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    Reset,
    Mail,
    Rcpt(usize),
    Data,
    EndOfData,
    Quit,
}

impl Awaited {
    fn stage(self) -> Stage {
        match self {
            Awaited::Greeting => Stage::Greeting,
            Awaited::Ehlo | Awaited::Helo => Stage::Hello,
            Awaited::StartTls => Stage::StartTls,
            Awaited::Auth => Stage::Auth,
            Awaited::Reset => Stage::Reset,
            Awaited::Mail => Stage::Mail,
            Awaited::Rcpt(_) => Stage::Rcpt,
            Awaited::Data => Stage::Data,
            Awaited::EndOfData => Stage::EndOfData,
            Awaited::Quit => Stage::Quit,
        }
    }
}

/// The states. Each is left by the reply to the oldest command in flight, or by what the caller tells.
pub(super) enum State {
    /// Greeting, EHLO, HELO, STARTTLS.
    Opening(Opening),
    /// The caller does the handshake.
    Handshake,
    /// The caller fetches the password for this mechanism.
    Password(Mechanism),
    /// AUTH.
    Login(Exchange),
    /// AUTH was cancelled because of this; the reply to `*` is due.
    CancelledLogin(Trouble),
    /// MAIL, RCPT and DATA.
    Envelope(Transaction),
    /// The caller sends the message.
    Body(Transaction),
    /// The end of data was sent.
    EndOfData(Transaction),
    /// A server without a recipient asked for the message and got an empty one.
    Discarded,
    /// Over.
    Closed(Closing),
}

/// What all states share.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) purpose: Purpose,
    pub(super) capabilities: Capabilities,
    pub(super) protection: Protection,
    /// Recipients without a verdict that are in no transaction at present.
    pub(super) pending: VecDeque<usize>,
    pub(super) in_flight: VecDeque<Awaited>,
    /// Mechanisms that the server refused as such.
    pub(super) refused: Vec<Mechanism>,
    outgoing: Vec<u8>,
    events: VecDeque<Event>,
    verdicts: Vec<Option<Verdict>>,
    trouble: Option<Trouble>,
    retry: Caution,
}

/// A session; see the module.
pub struct Session {
    state: State,
    core: Core,
    reader: Reader,
    replies: u64,
    /// Since when nothing was in flight: what comes unasked is in the reader then.
    stage: Stage,
}

impl Session {
    /// A session at the beginning of a connection.
    pub fn new(settings: Settings, purpose: Purpose) -> Self {
        let count = match &purpose {
            Purpose::Submit(envelope, _) => envelope.recipients().len(),
            Purpose::Probe => 0,
        };
        let mut core = Core {
            settings,
            purpose,
            capabilities: Capabilities::default(),
            protection: Protection::None,
            pending: (0..count).collect(),
            in_flight: VecDeque::new(),
            refused: Vec::new(),
            outgoing: Vec::new(),
            events: VecDeque::new(),
            verdicts: vec![None; count],
            trouble: None,
            retry: Caution::None,
        };
        let state = match core.settings.tls {
            TlsMode::Implicit => State::Handshake,
            _ => opening::await_greeting(&mut core),
        };
        Session { state, core, reader: Reader::default(), replies: 0, stage: Stage::Greeting }
    }

    /// What to do next. Calling it twice without doing the action gives the same action, but for
    /// [`Action::Write`], whose octets are given out once.
    pub fn next_action(&mut self) -> Action {
        loop {
            if !matches!(self.state, State::Closed(_)) && self.take_reply() {
                continue;
            }
            if !self.core.outgoing.is_empty() {
                return Action::Write(std::mem::take(&mut self.core.outgoing));
            }
            return match &self.state {
                State::Handshake => Action::StartTls,
                State::Password(_) => Action::NeedPassword,
                State::Body(_) => Action::SendBody,
                State::Closed(closing) => Action::Close(*closing),
                _ => Action::Read(self.stage()),
            };
        }
    }

    /// Octets have arrived.
    pub fn received(&mut self, octets: &[u8]) {
        self.reader.push(octets);
    }

    /// TLS is on. Everything learnt before is forgotten (RFC 3207 section 4.2).
    pub fn tls_started(&mut self, protection: Protection) {
        self.step(|_, core| {
            core.protection = protection;
            core.capabilities = Capabilities::default();
            match core.settings.tls {
                TlsMode::Implicit => opening::await_greeting(core),
                _ => opening::hello(core),
            }
        });
    }

    /// The handshake failed. Nothing more may be written on this connection.
    pub fn tls_failed(&mut self, reason: String) {
        if self.core.settings.tls == TlsMode::Opportunistic {
            self.core.retry = Caution::ClearText;
        }
        self.end(Trouble { stage: Stage::Handshake, cause: Cause::Tls(reason) });
    }

    /// Here is the password.
    pub fn password(&mut self, password: Zeroizing<String>) {
        self.step(|state, core| match state {
            State::Password(mechanism) => login::begin(mechanism, password, core),
            other => other,
        });
    }

    /// The password cannot be had.
    pub fn no_password(&mut self, reason: String) {
        let trouble = Trouble { stage: Stage::Auth, cause: Cause::NoPassword(reason) };
        self.step(|_, core| core.give_up(trouble));
    }

    /// The whole message is in the flight.
    pub fn body_sent(&mut self) {
        self.step(|state, core| match state {
            State::Body(transaction) => transaction::end_of_data(transaction, core),
            other => other,
        });
    }

    /// The message could not be read to its end: the connection is closed without the end of data, so that no
    /// server takes the part for the whole.
    pub fn body_failed(&mut self, reason: String) {
        self.end(Trouble { stage: Stage::Body, cause: Cause::Unreadable(reason) });
    }

    /// No answer came in time.
    pub fn timed_out(&mut self) {
        self.broken(Cause::TimedOut);
    }

    /// The connection is gone; the reason in the system's words.
    pub fn lost(&mut self, reason: String) {
        self.broken(Cause::Lost(reason));
    }

    /// What happened since the last call, in order.
    pub fn next_event(&mut self) -> Option<Event> {
        self.core.events.pop_front()
    }

    /// How many replies were taken so far.
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// The stage of the session: what is being waited for.
    pub fn stage(&self) -> Stage {
        match (&self.state, self.core.in_flight.front()) {
            (State::Handshake, _) => Stage::Handshake,
            (State::Password(_), _) => Stage::Auth,
            (State::Body(_), _) => Stage::Body,
            (State::Closed(_), _) => Stage::Quit,
            (_, Some(awaited)) => awaited.stage(),
            (_, None) => self.stage,
        }
    }

    /// Capabilities by the last EHLO.
    pub fn capabilities(&self) -> &Capabilities {
        &self.core.capabilities
    }

    /// The trouble that ended the session before its purpose was reached.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.core.trouble.as_ref()
    }

    /// Whether another connection to the same host may do better, and with what caution. The end of data was not
    /// sent for a recipient without a final verdict, so nothing can be doubled by it.
    pub fn retry(&self) -> Caution {
        self.core.retry
    }

    /// The verdicts, one for each recipient of the envelope; complete when the action is [`Action::Close`].
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.core.verdicts
    }

    fn step(&mut self, transition: impl FnOnce(State, &mut Core) -> State) {
        let idle = self.core.in_flight.is_empty();
        let state = std::mem::replace(&mut self.state, State::Closed(Closing::Abruptly));
        self.state = transition(state, &mut self.core);
        if idle {
            self.refuse_unasked();
        }
        if matches!(self.state, State::Closed(_)) {
            self.core.sweep();
        }
    }

    /// Takes one reply, if a complete one is there.
    fn take_reply(&mut self) -> bool {
        let stage = self.stage();
        let reply = match self.reader.next_reply() {
            Ok(Some(reply)) => reply,
            Ok(None) => return false,
            Err(malformed) => {
                let in_step = malformed.in_step() && !matches!(self.state, State::Body(_) | State::EndOfData(_));
                let trouble = Trouble { stage, cause: Cause::Malformed(malformed) };
                if in_step {
                    self.step(|_, core| core.give_up(trouble));
                } else {
                    self.end(trouble);
                }
                return true;
            }
        };
        self.replies += 1;
        self.stage = stage;
        self.core.record_reply(&reply);
        if let State::Body(_) = self.state {
            self.early_reply(reply);
            return true;
        }
        let Some(awaited) = self.core.in_flight.pop_front() else {
            let cause = if reply.code() == 421 { Cause::Replied(reply) } else { Cause::Unsolicited(reply) };
            self.end(Trouble { stage, cause });
            return true;
        };
        // 421 may come in place of any reply: the server is closing, and says nothing more (RFC 5321 section 3.8).
        if reply.code() == 421 {
            self.step(|state, core| {
                transaction::shut_down(state, Trouble { stage, cause: Cause::Replied(reply) }, core)
            });
            return true;
        }
        self.step(|state, core| on_reply(state, awaited, reply, core));
        true
    }

    /// A reply while the message is being sent: a refusal counts, a yes cannot mean this message.
    fn early_reply(&mut self, reply: Reply) {
        use super::reply::Class;
        let cause = match reply.class() {
            Class::Temporary | Class::Permanent => Cause::Replied(reply),
            Class::Success | Class::Intermediate => Cause::TooEarly(reply),
        };
        self.end(Trouble { stage: Stage::Body, cause });
    }

    /// A new flight begins, and there are octets already that nobody has asked for.
    fn refuse_unasked(&mut self) {
        if self.reader.is_empty() || matches!(self.state, State::Body(_) | State::Closed(_)) {
            return;
        }
        let stage = self.stage();
        if let State::Handshake = self.state {
            // Injected replies would be read as if they had come under TLS (CVE-2011-0411 and its kin).
            self.core.outgoing.clear();
            return self.end(Trouble { stage: Stage::StartTls, cause: Cause::Injected });
        }
        let cause = match self.reader.next_reply() {
            Ok(Some(reply)) => {
                self.core.record_reply(&reply);
                if reply.code() == 421 { Cause::Replied(reply) } else { Cause::Unsolicited(reply) }
            }
            // The beginning of a reply: it came before the command that it would be counted for.
            Ok(None) => return,
            Err(malformed) => Cause::Malformed(malformed),
        };
        self.core.outgoing.clear();
        self.end(Trouble { stage, cause });
    }

    fn broken(&mut self, cause: Cause) {
        let trouble = Trouble { stage: self.stage(), cause };
        if let Some(retry) = self.lesson(&trouble) {
            self.core.retry = retry;
        }
        self.step(|state, core| transaction::shut_down(state, trouble, core));
    }

    /// What a broken connection teaches about the host.
    fn lesson(&self, trouble: &Trouble) -> Option<Caution> {
        if self.core.settings.caution != Caution::None {
            return None;
        }
        let clear = matches!(self.core.settings.tls, TlsMode::None | TlsMode::Opportunistic)
            && self.core.settings.login == LoginMode::None;
        match &self.state {
            State::Opening(Opening::Ehlo) if clear && matches!(trouble.cause, Cause::Lost(_)) => Some(Caution::Helo),
            State::Envelope(transaction) if self.core.in_flight.len() > 1 && transaction.nothing_refused() => {
                Some(Caution::Serial)
            }
            _ => None,
        }
    }

    /// Ends the session without another word.
    fn end(&mut self, trouble: Trouble) {
        self.step(|state, core| transaction::shut_down(state, trouble, core));
        self.state = State::Closed(Closing::Abruptly);
    }
}

fn on_reply(state: State, awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    match state {
        State::Opening(opening) => opening::on_reply(opening, reply, core),
        State::Login(exchange) => login::on_reply(exchange, reply, core),
        State::CancelledLogin(trouble) => core.give_up(trouble),
        State::Envelope(transaction) => transaction::on_reply(transaction, awaited, reply, core),
        State::EndOfData(transaction) => transaction::on_end_of_data(transaction, reply, core),
        State::Discarded => transaction::next(transaction::Before::Nothing, core),
        // These wait for the caller and not for a reply; a reply that comes all the same was not asked for.
        State::Handshake | State::Password(_) | State::Body(_) | State::Closed(_) => {
            core.fail_all(Trouble { stage: awaited.stage(), cause: Cause::Unsolicited(reply) });
            State::Closed(Closing::Abruptly)
        }
    }
}

impl Core {
    /// Puts a command line (without CRLF) into the flight.
    pub(super) fn send(&mut self, line: &str, awaited: Awaited) {
        self.send_masked(line, line.to_owned(), awaited);
    }

    /// The same for a line with a secret: `shown` is what the transcript gets.
    pub(super) fn send_masked(&mut self, line: &str, shown: String, awaited: Awaited) {
        self.outgoing.extend_from_slice(line.as_bytes());
        self.outgoing.extend_from_slice(b"\r\n");
        self.events.push_back(Event::Client(shown));
        self.in_flight.push_back(awaited);
    }

    /// Waits for a reply that no command asked for: the greeting.
    pub(super) fn expect(&mut self, awaited: Awaited) {
        self.in_flight.push_back(awaited);
    }

    pub(super) fn event(&mut self, event: Event) {
        self.events.push_back(event);
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

    /// Settles all recipients that have no verdict yet, and notes why the session came to nothing.
    pub(super) fn fail_all(&mut self, trouble: Trouble) {
        for recipient in 0..self.verdicts.len() {
            self.settle(recipient, trouble.clone().verdict());
        }
        self.pending.clear();
        self.trouble.get_or_insert(trouble);
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

    pub(super) fn set_retry(&mut self, caution: Caution) {
        if self.settings.caution == Caution::None {
            self.retry = caution;
        }
    }

    /// A recipient must not be lost, whatever went wrong above: the second, redundant half of the book-keeping.
    fn sweep(&mut self) {
        let trouble = self.trouble.clone().unwrap_or(Trouble {
            stage: Stage::Quit,
            cause: Cause::Lost("the session ended before this recipient's turn".to_owned()),
        });
        for recipient in 0..self.verdicts.len() {
            self.settle(recipient, Verdict::Deferred(trouble.clone()));
        }
    }

    fn record_reply(&mut self, reply: &Reply) {
        let last = reply.lines().len().saturating_sub(1);
        for (number, line) in reply.lines().iter().enumerate() {
            let separator = if number < last { "-" } else { " " };
            self.events.push_back(Event::Server(format!("{}{separator}{line}", reply.code()).trim_end().to_owned()));
        }
    }
}
