//! One session: from the first octet of a connection to a verdict for each recipient.
//!
//! The caller asks [`Session::next_action`] what to do, does it, and tells the result. A state is entered once (it
//! sends) and left by one reply; the transition consumes the state and returns the next one. Pipelining is a queue
//! of commands in flight, and replies are told apart by counting alone (RFC 2920 section 3.1).

use zeroize::Zeroizing;

pub use super::action::{Action, Chunk, Closing, Event, Part, Position, Protection};
pub use super::settings::{
    Caution, Chunking, ClearText, EarlyProbe, EightBit, LoginMode, Namesake, Partial, Protocol, Purpose, Series,
    Settings, TlsMode,
};

use super::capabilities::Capabilities;
use super::chunks;
use super::core::{Awaited, Core};
use super::data;
use super::lessons;
use super::login;
use super::memory::Memory;
use super::opening::{self, Opening};
use super::outcome::{Cause, Trouble, Verdict};
use super::reencode;
use super::reply::{Class, Reader, Reply};
use super::sasl::{ChannelBinding, Exchange, Mechanism};
use super::stage::{Hello, Stage};
use super::transaction::{self, Before, Transaction};
use crate::message::Facts;
use crate::message::downgrade::Goal;

/// A session; see the module.
pub struct Session {
    state: State,
    pub(super) core: Core,
    reader: Reader,
    replies: u64,
    /// The stage of the last reply, for when nothing is in flight.
    stage: Stage,
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
    /// MAIL before the login, to see what the server says to it.
    EarlyMail,
    /// The caller re-encodes the message, before the first transaction or another.
    Reencoding(Before, Goal),
    /// MAIL, RCPT and DATA.
    Envelope(Transaction),
    /// The caller sends the message.
    Body(Transaction),
    /// The caller sends a chunk.
    Chunk(Transaction),
    /// Chunks were sent, and the next one waits for the replies to them.
    Chunked(Transaction),
    /// MAIL, RCPT and all of the message were sent in one flight.
    SameFlight(Transaction),
    /// The message went, but a reply has begun that cannot be the answer to its end, which is held back.
    Interrupted(Transaction),
    /// The message is to leave before its end does.
    BeforeFlush(Transaction),
    /// It has left.
    Flushed(Transaction),
    /// The end of data was sent.
    EndOfData(Transaction),
    /// All of a message is in the flight but its end; the caller tells whether another one follows.
    BeforeEnd(Transaction),
    /// The end of data was sent, and the next transaction behind it.
    Overlap(Transaction, Box<Transaction>),
    /// All of a message is settled, and another one may follow.
    Idle(Before),
    /// A server without a recipient asked for the message and got an empty one.
    Discarded,
    /// All verdicts are given; one more reply is due before QUIT.
    Leaving,
    /// A question was asked.
    Asking,
    /// A reply has begun that nobody asked for. What it says is known when it is whole; nothing is sent before.
    OutOfTurn(Stage),
    /// Over.
    Closed(Closing),
}

impl Session {
    /// A session at the beginning of a connection.
    pub fn new(settings: Settings, purpose: Purpose) -> Self {
        let mut core = Core::new(settings, purpose);
        let state = match core.settings.tls {
            TlsMode::Implicit => State::Handshake,
            _ => opening::await_greeting(&mut core),
        };
        Session { state, core, reader: Reader::default(), replies: 0, stage: Stage::Greeting }
    }

    /// What to do next. Calling it twice without doing the action gives the same action, but for
    /// [`Action::Write`], whose octets are given out once, and [`Action::Flush`].
    pub fn next_action(&mut self) -> Action {
        while self.take_reply() {}
        if !self.core.outgoing.is_empty() {
            return Action::Write(std::mem::take(&mut self.core.outgoing));
        }
        match &self.state {
            State::Handshake => Action::StartTls,
            State::Password(_) => Action::NeedPassword,
            State::Reencoding(_, goal) => Action::Reencode(*goal),
            State::Body(_) => Action::SendBody,
            State::Chunk(transaction) => Action::SendChunk(chunks::announced(transaction)),
            State::BeforeEnd(_) | State::Idle(_) => Action::NextMessage,
            State::BeforeFlush(_) => {
                self.step(|state, _| match state {
                    State::BeforeFlush(transaction) => State::Flushed(transaction),
                    other => other,
                });
                Action::Flush
            }
            State::Flushed(_) => {
                self.body_sent();
                self.next_action()
            }
            State::Closed(closing) => Action::Close(*closing),
            _ => Action::Read(self.stage()),
        }
    }

    /// Octets have arrived.
    pub fn received(&mut self, octets: &[u8]) {
        match self.state {
            State::Closed(_) => {}
            // In the clear, where TLS was to begin: they would be read as if they had come under TLS (CVE-2011-0411
            // and its kin).
            State::Handshake if !octets.is_empty() => self.injected(),
            _ => self.reader.push(octets),
        }
    }

    /// TLS is on, and what names the connection, where something does. Everything learnt before is forgotten
    /// (RFC 3207 section 4.2).
    pub fn tls_started(&mut self, protection: Protection, binding: Option<ChannelBinding>) {
        self.step(|state, core| {
            let State::Handshake = state else { return state };
            core.protection = protection;
            super::memory::learn_of_starttls(core);
            core.binding = binding;
            core.capabilities = Capabilities::default();
            core.firewall = super::core::Firewall::Unseen;
            match core.settings.tls {
                TlsMode::Implicit => opening::await_greeting(core),
                _ => opening::hello(core),
            }
        });
    }

    /// The handshake failed. Nothing more may be written on this connection.
    pub fn tls_failed(&mut self, reason: String) {
        opening::learn_of_tls(&mut self.core);
        self.end(Trouble { stage: Stage::Handshake, cause: Cause::Tls(reason) });
    }

    /// Here is the password.
    pub fn password(&mut self, password: Zeroizing<String>) {
        self.step(|state, core| match state {
            State::Password(mechanism) => {
                core.know_password(&password);
                login::begin(mechanism, password, core)
            }
            other => other,
        });
    }

    /// The password cannot be had.
    pub fn no_password(&mut self, reason: String) {
        self.step(|state, core| match state {
            State::Password(_) => login::no_password(reason, core),
            other => other,
        });
    }

    /// The message was re-encoded, and this is what the new one is like.
    pub fn reencoded(&mut self, facts: Facts) {
        self.step(|state, core| match state {
            State::Reencoding(before, goal) => reencode::done(before, goal, facts, core),
            other => other,
        });
    }

    /// The message is such that it cannot be re-encoded: the reason. No recipient gets it from this server.
    pub fn cannot_reencode(&mut self, reason: String) {
        self.step(|state, core| match state {
            State::Reencoding(before, _) => reencode::failed(Cause::CannotReencode(reason), before, core),
            other => other,
        });
    }

    /// This machine could not re-encode the message: the reason. Another time it may.
    pub fn reencoding_failed(&mut self, reason: String) {
        self.step(|state, core| match state {
            State::Reencoding(before, _) => reencode::failed(Cause::Unreadable(reason), before, core),
            other => other,
        });
    }

    /// The whole message is in the flight. A reply that has begun by now came before the end of the message, and is
    /// no answer to it.
    pub fn body_sent(&mut self) {
        while self.take_reply() {}
        let interrupted = !self.reader.is_empty();
        self.step(|state, core| match state {
            State::Body(transaction) if interrupted => {
                data::record_message(core);
                State::Interrupted(transaction)
            }
            State::Flushed(transaction) if interrupted => State::Interrupted(transaction),
            State::Body(transaction) => data::sent(transaction, core),
            State::Flushed(transaction) => data::end_of_data(transaction, core),
            other => other,
        });
    }

    /// The chunk is in the flight. A reply that has begun by now can be one to an earlier chunk, but not to this one.
    pub fn chunk_sent(&mut self) -> Chunk {
        while self.take_reply() {}
        let begun = !self.reader.is_empty();
        self.step(|state, core| match state {
            State::Chunk(transaction) if begun && (core.in_flight.is_empty() || transaction.is_same_flight()) => {
                core.in_flight.clear();
                State::Interrupted(transaction)
            }
            State::Chunk(transaction) => chunks::sent(transaction, core),
            other => other,
        });
        if matches!(self.state, State::Interrupted(_)) { Chunk::HeldBack } else { Chunk::Leaves }
    }

    /// The end of data, which was in the last [`Action::Write`] or ended the last chunk, has not left and will not: something came before it.
    /// That is no answer to the message. It has been given to [`Session::received`] already, and nothing else happened
    /// since that write.
    pub fn end_of_data_unsent(&mut self) {
        self.step(|state, core| match state {
            State::EndOfData(transaction) | State::Overlap(transaction, _) => {
                core.in_flight.clear();
                State::Interrupted(transaction)
            }
            State::SameFlight(transaction) => {
                core.in_flight.clear();
                core.set_retry(Caution::Data);
                State::Interrupted(transaction)
            }
            other => other,
        });
    }

    /// The message could not be read to its end: the connection is closed without the end of data, so that no
    /// server takes the part for the whole.
    pub fn body_failed(&mut self, reason: String) {
        if let State::Body(_) | State::Chunk(_) = self.state {
            self.end(Trouble { stage: Stage::Body, cause: Cause::Unreadable(reason) });
        }
    }

    /// No answer came in time.
    pub fn timed_out(&mut self) {
        self.broken(Cause::TimedOut);
    }

    /// The connection is gone; the reason in the system's words. What was received before counts.
    pub fn lost(&mut self, reason: String) {
        self.broken(Cause::Lost(reason));
    }

    /// The program has been asked to end, by the signal of this name: nothing more is waited for, and nothing is learnt of
    /// the server.
    pub fn stopped(&mut self, signal: &'static str) {
        while self.take_reply() {}
        if !matches!(self.state, State::Closed(_)) {
            self.end(Trouble { stage: self.stage(), cause: Cause::Stopped(signal) });
        }
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
            (State::Reencoding(..), _) => Stage::Mail,
            (State::SameFlight(_), _) => Stage::EndOfData,
            (
                State::Body(_)
                | State::BeforeEnd(_)
                | State::Chunk(_)
                | State::Interrupted(_)
                | State::BeforeFlush(_)
                | State::Flushed(_),
                _,
            ) => Stage::Body,
            (State::OutOfTurn(stage), _) => *stage,
            (State::Closed(_), _) => Stage::Quit,
            (_, Some(awaited)) => awaited.stage(),
            (_, None) => self.stage,
        }
    }

    /// Capabilities by the last EHLO.
    pub fn capabilities(&self) -> &Capabilities {
        &self.core.capabilities
    }

    /// The answers to the questions of [`Purpose::Ask`], in their order, as far as they came.
    pub fn answers(&self) -> &[Reply] {
        &self.core.answers
    }

    /// The trouble that ended the session before its purpose was reached.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.core.trouble.as_ref()
    }

    /// Whether another connection to the same host may do better for the recipients that are deferred, and with
    /// what caution. For none of them has the end of data been sent without an answer, so nothing can be doubled.
    pub fn retry(&self) -> Caution {
        self.core.retry
    }

    /// Whether what is awaited has never gone well with this server before, and nothing is lost if it does not.
    pub fn is_on_trial(&self) -> bool {
        self.core.is_on_trial() && matches!(self.state, State::Envelope(_))
    }

    /// What is known of the server now, for the next session with it.
    pub fn memory(&self) -> Memory {
        self.core.learnt()
    }

    /// The verdicts, one for each recipient of the envelope; complete when the action is [`Action::Close`].
    pub fn verdicts(&self) -> &[Option<Verdict>] {
        &self.core.verdicts
    }

    pub(super) fn step(&mut self, transition: impl FnOnce(State, &mut Core) -> State) {
        let answered = self.core.in_flight.is_empty();
        let since = self.core.events.len();
        let state = std::mem::replace(&mut self.state, State::Closed(Closing::Abruptly));
        self.state = transition(state, &mut self.core);
        if answered {
            self.refuse_unasked(since);
        }
        if matches!(self.state, State::Closed(_)) {
            self.core.sweep();
        }
    }

    /// Takes one reply, if a complete one is there.
    fn take_reply(&mut self) -> bool {
        if matches!(self.state, State::Closed(_)) {
            return false;
        }
        let stage = self.stage();
        let reply = match self.reader.next_reply() {
            Ok(Some(reply)) => reply,
            Ok(None) => return false,
            Err(malformed) => {
                let in_step = malformed.in_step() && !matches!(stage, Stage::Body | Stage::EndOfData);
                let malformed = malformed.map_text(|line| self.core.masked_line(line));
                let trouble = Trouble { stage, cause: Cause::Malformed(malformed) };
                if in_step {
                    self.step(|state, core| transaction::shut_down(state, trouble, core, Core::quit));
                } else {
                    self.end(trouble);
                }
                return true;
            }
        };
        self.replies += 1;
        self.stage = stage;
        let masked = self.core.masked(&reply, stage);
        self.core.record_reply(&masked);
        // The mechanism needs the server's own words, and nobody else sees them. All others are kept, and shown.
        let goes_on = matches!(self.state, State::Login(_)) && reply.code() < 400;
        let reply = if goes_on { reply } else { masked };
        match self.core.in_flight.pop_front() {
            // 421 may come in place of any reply: the server is closing, and says nothing more (RFC 5321 section 3.8).
            Some(_) if reply.code() == 421 => {
                self.learn_of_limit(stage);
                self.end(Trouble { stage, cause: Cause::Replied(reply) });
            }
            Some(awaited) => self.step(|state, core| on_reply(state, awaited, reply, core)),
            None => self.end(Trouble { stage, cause: unasked(stage, reply) }),
        }
        true
    }

    /// A new flight is about to begin, and there are octets already that nobody has asked for.
    fn refuse_unasked(&mut self, since: usize) {
        if self.reader.is_empty() {
            return;
        }
        match self.state {
            // A refusal of the message may be among them; a transaction ended by a verdict cannot be harmed any more.
            State::Body(_) | State::Chunk(_) | State::Interrupted(_) | State::OutOfTurn(_) | State::Closed(_) => {}
            State::Handshake => self.injected(),
            _ => {
                let stage = self.stage;
                self.core.withdraw(since);
                self.state = State::OutOfTurn(stage);
            }
        }
    }

    fn injected(&mut self) {
        self.end(Trouble { stage: Stage::StartTls, cause: Cause::Injected });
    }

    fn broken(&mut self, cause: Cause) {
        while self.take_reply() {}
        if matches!(self.state, State::Closed(_)) {
            return;
        }
        let begun = self.reader.begun().map(|other| other.map_text(|line| self.core.masked_line(line)));
        if self.core.outgoing.is_empty() && begun.is_none() {
            self.learn(&cause);
        }
        let cause = begun.map_or(cause, Cause::Malformed);
        self.end(Trouble { stage: self.stage(), cause });
    }

    /// What a broken connection teaches about the host.
    fn learn(&mut self, cause: &Cause) {
        match &self.state {
            State::Opening(Opening::Hello(Hello::Ehlo)) if matches!(cause, Cause::Lost(_)) => {
                opening::learn_of_ehlo(&mut self.core)
            }
            State::Opening(Opening::StartTls) | State::Handshake => opening::learn_of_tls(&mut self.core),
            State::Envelope(transaction) if self.core.group > 1 && transaction.nothing_refused() => {
                self.core.set_retry(lessons::of_a_loss(&self.core));
            }
            // The last chunk is held back until those before it are answered, so it has not been sent.
            State::Chunk(_) | State::Chunked(_) => self.core.set_retry(Caution::Data),
            _ => self.learn_of_limit(self.stage()),
        }
    }

    /// A server that goes away in the middle of many recipients may have a limit of which it does not speak.
    fn learn_of_limit(&mut self, stage: Stage) {
        if let (Stage::Rcpt, State::Envelope(transaction)) = (stage, &self.state)
            && transaction.many_accepted()
        {
            self.core.set_retry(Caution::Serial);
        }
    }

    /// Ends the session without another word.
    fn end(&mut self, trouble: Trouble) {
        self.core.outgoing.clear();
        let close = |_: &mut Core| State::Closed(Closing::Abruptly);
        self.step(|state, core| transaction::shut_down(state, trouble, core, close));
    }
}

fn on_reply(state: State, awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    match state {
        State::Opening(opening) => opening::on_reply(opening, reply, core),
        State::Login(exchange) => login::on_reply(exchange, reply, core),
        State::EarlyMail => super::early::on_reply(awaited, reply, core),
        State::Envelope(transaction) => transaction::on_reply(transaction, awaited, reply, core),
        State::Chunk(transaction) => chunks::on_reply_while_sending(transaction, reply, core),
        State::Chunked(transaction) => chunks::on_reply(transaction, reply, core),
        State::SameFlight(transaction) => chunks::on_same_flight(transaction, awaited, reply, core),
        State::Overlap(ended, next) => data::on_overlap(ended, *next, reply, core),
        State::EndOfData(transaction) => data::on_end_of_data(transaction, reply, core),
        State::Discarded => transaction::next(transaction::Before::Nothing, core),
        State::Leaving => core.quit(),
        State::Asking => super::question::on_reply(reply, core),
        // These have no command in flight, so there is nothing that a reply could be for.
        State::Handshake
        | State::Password(_)
        | State::Reencoding(..)
        | State::Body(_)
        | State::Interrupted(_)
        | State::BeforeFlush(_)
        | State::Flushed(_)
        | State::OutOfTurn(_)
        | State::BeforeEnd(_)
        | State::Idle(_)
        | State::Closed(_) => {
            core.fail_all(Trouble { stage: awaited.stage(), cause: Cause::Unsolicited(reply) });
            State::Closed(Closing::Abruptly)
        }
    }
}

/// What a reply means that no command was in flight for.
fn unasked(stage: Stage, reply: Reply) -> Cause {
    match (stage, reply.class()) {
        // A refusal counts while the message is being sent; a yes cannot mean this message.
        (Stage::Body, Class::Temporary | Class::Permanent) => Cause::Replied(reply),
        (Stage::Body, Class::Success | Class::Intermediate) => Cause::TooEarly(reply),
        _ if reply.code() == 421 => Cause::Replied(reply),
        _ => Cause::Unsolicited(reply),
    }
}
