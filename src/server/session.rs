//! The server's side of SMTP, pure: octets in, actions out. No I/O and no clock, so that it serves sockets, pipes
//! and tests alike.
//!
//! Give octets to [`Session::feed`], then obey [`Session::next`] until it says [`Action::NeedMore`]. Replies are
//! gathered while commands are at hand, so that a pipelined flight is answered in one write (RFC 2920 section 3.2).
//! Memory is bounded by one block of input, one command line and the envelope, whatever the peer sends.

mod chunks;
mod data;
mod lmtp;

use std::borrow::Cow;
use std::sync::Arc;

use self::chunks::{Begun, Chunk};
pub use super::action::{Action, Ending, GiveUp, Security, Verdict, Words};
use super::answer::{Answer, Enhanced};
use super::command::Command;
use super::data::Unstuffer;
use super::faults::{self, What, When};
use super::lines::{Input, Line};
use super::login::{self, Turn, Waiting};
use super::options::{Extension, Faults, Login, Options, Protocol, Tls};
use super::transaction::{Parameters, Transaction};
use crate::smtp::sasl::Mechanism;

/// One connection as seen by the server.
#[derive(Debug)]
pub struct Session {
    options: Arc<Options>,
    security: Security,
    /// Makes challenges differ from those of all other sessions.
    nonce: String,
    challenges: u32,
    hello: Option<Hello>,
    user: Option<String>,
    transaction: Option<Box<Transaction>>,
    /// A message in chunks of which not all have come.
    begun: Option<Begun>,
    /// What [`Options::faults`] keeps for the end of data.
    fault: Option<What>,
    /// The same for single recipients, by their numbers in the transaction (LMTP).
    own_faults: Vec<(usize, What)>,
    input: Input,
    out: Vec<u8>,
    state: State,
    errors: u32,
    /// Why the last message was not taken. alpine shows its person the reply to the RSET that follows, and no other.
    complaint: Option<Cow<'static, str>>,
}

#[derive(Debug)]
struct Hello {
    name: String,
    parameters: Parameters,
}

#[derive(Debug)]
enum State {
    Greeting,
    Command,
    /// In a command line that is too long, and is thrown away up to its end.
    Overlong,
    Login(Waiting),
    Data {
        unstuffer: Unstuffer,
        size: u64,
        fate: Fate,
    },
    Chunk(Chunk),
    /// The message is whole, the verdict is not in.
    Concluding,
    Handshake,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Wanted,
    TooBig,
}

impl Session {
    /// Begins a session. `nonce` goes into the challenges of CRAM-MD5: a text that no other session has had, of
    /// letters and digits, best random.
    pub fn new(options: Arc<Options>, security: Security, nonce: String) -> Self {
        Session {
            options,
            security,
            nonce,
            challenges: 0,
            hello: None,
            user: None,
            transaction: None,
            begun: None,
            fault: None,
            own_faults: Vec::new(),
            input: Input::default(),
            out: Vec::new(),
            state: State::Greeting,
            errors: 0,
            complaint: None,
        }
    }

    /// Takes what the peer sent, at best in blocks of some ten thousand octets. Everything is ignored once the
    /// session is closed, or waits for TLS.
    pub fn feed(&mut self, octets: &[u8]) {
        if matches!(self.state, State::Handshake | State::Closed) {
            return;
        }
        self.input.feed(octets);
    }

    /// Says what to do next. [`Action::StartTls`], [`Action::End`] and [`Action::Close`] come again and again
    /// until they are obeyed.
    #[allow(clippy::should_implement_trait, reason = "an iterator ends; this waits for more input")]
    pub fn next(&mut self) -> Action {
        loop {
            if self.out.len() >= FLUSH {
                return Action::Write(std::mem::take(&mut self.out));
            }
            let Some(action) = self.step() else { continue };
            // Replies go out before anything that waits. The action follows from the state, so it comes again.
            let waits = matches!(action, Action::NeedMore | Action::End | Action::StartTls | Action::Close);
            if waits && !self.out.is_empty() {
                return Action::Write(std::mem::take(&mut self.out));
            }
            return action;
        }
    }

    /// The TLS handshake is done. All that was said in the clear is forgotten (RFC 3207 section 4.2).
    pub fn tls_started(&mut self) {
        self.security = Security::Tls;
        self.hello = None;
        self.user = None;
        self.reset();
        self.state = State::Command;
    }

    /// Answers the message that [`Action::End`] was about; without one, does nothing.
    pub fn conclude(&mut self, verdict: Verdict) {
        if !matches!(self.state, State::Concluding) {
            return;
        }
        self.state = State::Command;
        let answer = verdict.answer();
        self.complaint = (answer.code >= 400).then(|| answer.text.clone());
        self.answer_message(answer);
    }

    /// Ends the session from this side, with 421 unless it is closed or waits for TLS. A message that has begun is
    /// lost; the driver must forget it.
    pub fn give_up(&mut self, reason: GiveUp) {
        if !matches!(self.state, State::Handshake | State::Closed) {
            self.close(reason.answer());
        }
    }

    /// Whether something is lost when the input ends here.
    pub fn ending(&self) -> Ending {
        match self.state {
            State::Data { .. } | State::Chunk(_) | State::Concluding => Ending::InsideMessage,
            _ if self.begun.is_some() => Ending::InsideMessage,
            _ => Ending::BetweenCommands,
        }
    }

    /// The name that the peer gave in EHLO or HELO.
    pub fn hello(&self) -> Option<&str> {
        self.hello.as_ref().map(|hello| hello.name.as_str())
    }

    /// Who has logged in.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// How many octets of input and of replies are held.
    pub fn held(&self) -> usize {
        self.input.rest().len() + self.out.len()
    }

    /// One command, one line of a login or one block of data; `None` when the next one may be at hand.
    fn step(&mut self) -> Option<Action> {
        match std::mem::replace(&mut self.state, State::Command) {
            State::Greeting => {
                let protocol = match self.options.protocol {
                    Protocol::Smtp => "ESMTP",
                    Protocol::Lmtp => "LMTP",
                };
                let greeting = format!("{} {protocol} posthaste", self.options.hostname);
                self.answer(Answer::plain(220, greeting));
                None
            }
            State::Command => match self.input.line() {
                Line::Whole(line) => self.command(&line),
                Line::Incomplete => Some(Action::NeedMore),
                Line::TooLong => {
                    self.state = State::Overlong;
                    None
                }
            },
            State::Overlong => {
                if !self.input.skip_line() {
                    self.state = State::Overlong;
                    return Some(Action::NeedMore);
                }
                self.mistake(Answer::new(500, 5, 2, "the line is too long"))
            }
            State::Login(waiting) => match self.input.line() {
                Line::Whole(line) => self.response(waiting, &line),
                Line::Incomplete => {
                    self.state = State::Login(waiting);
                    Some(Action::NeedMore)
                }
                Line::TooLong => {
                    self.state = State::Overlong;
                    None
                }
            },
            State::Chunk(chunk) => self.chunk(chunk),
            State::Data { unstuffer, size, fate } => self.data(unstuffer, size, fate),
            State::Concluding => {
                self.state = State::Concluding;
                Some(Action::End)
            }
            State::Handshake => {
                self.state = State::Handshake;
                Some(Action::StartTls)
            }
            State::Closed => {
                self.state = State::Closed;
                Some(Action::Close)
            }
        }
    }

    fn command(&mut self, line: &[u8]) -> Option<Action> {
        let line = match std::str::from_utf8(line) {
            Ok(line) if !line.chars().any(char::is_control) => line,
            _ => return self.mistake(Answer::new(500, 5, 2, "the line has octets that a command cannot have")),
        };
        let command = Command::parse(line);
        if line.len() > self.options.max_line && !matches!(command, Command::Auth { .. }) {
            return self.mistake(Answer::new(500, 5, 2, "the line is too long"));
        }
        match command {
            Command::Helo(_) | Command::Ehlo(_) if self.options.protocol == Protocol::Lmtp => {
                self.mistake(Answer::new(500, 5, 1, "this is LMTP; say LHLO"))
            }
            Command::Lhlo(_) if self.options.protocol == Protocol::Smtp => {
                self.mistake(Answer::new(500, 5, 1, "this is SMTP; say EHLO"))
            }
            Command::Helo(name) => self.greet(name, Parameters::None),
            Command::Ehlo(name) | Command::Lhlo(name) => self.greet(name, Parameters::Offered),
            Command::Mail(argument) => self.mail(argument),
            Command::Rcpt(argument) => self.rcpt(argument),
            Command::Data => self.begin_data(),
            Command::Bdat { size, position } => self.begin_chunk(size, position),
            Command::Rset => {
                self.reset();
                let words = match self.complaint.take() {
                    Some(complaint) => format!("not sent: {complaint}"),
                    None => "forgotten".to_owned(),
                };
                self.answer(Answer::new(250, 0, 0, words))
            }
            Command::Noop => self.answer(Answer::new(250, 0, 0, "nothing done")),
            Command::Quit => self.close(Answer::new(221, 0, 0, "closing the connection")),
            Command::Help => self.answer(Answer::new(214, 0, 0, self.options.commands())),
            Command::Vrfy => self.answer(Answer::new(252, 0, 0, "nobody is looked up; try to send")),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Unserved => self.mistake(Answer::new(502, 5, 1, "this command is not served here")),
            Command::Alien => self.close(Answer::new(421, 7, 0, "this was not offered; closing the connection")),
            Command::Malformed(text) => self.mistake(Answer::new(501, 5, 4, text)),
            Command::Unknown => self.mistake(Answer::new(500, 5, 1, "this command is not known")),
        }
    }

    fn greet(&mut self, name: &str, parameters: Parameters) -> Option<Action> {
        self.reset();
        self.hello = Some(Hello { name: name.to_owned(), parameters });
        let mut lines = vec![self.options.hostname.clone()];
        if parameters == Parameters::Offered {
            lines.extend(self.options.capabilities(self.security));
        }
        for (index, line) in lines.iter().enumerate() {
            let dash = if index + 1 < lines.len() { '-' } else { ' ' };
            self.out.extend_from_slice(format!("250{dash}{line}\r\n").as_bytes());
        }
        None
    }

    fn mail(&mut self, argument: &str) -> Option<Action> {
        let Some(hello) = &self.hello else { return self.out_of_order("say EHLO first") };
        if self.transaction.is_some() {
            return self.out_of_order("a transaction is open already");
        }
        if self.options.wants_tls(self.security) {
            return self.answer(Answer::new(530, 7, 0, "say STARTTLS first"));
        }
        if matches!(self.options.login, Login::Required { .. }) && self.user.is_none() {
            return self.answer(Answer::new(530, 7, 0, "log in first"));
        }
        let transaction = match Transaction::mail(argument, hello.parameters, &self.options, self.security) {
            Ok(transaction) => transaction,
            Err(answer) => return self.mistake(answer),
        };
        if let Some(action) = self.fault_of(transaction.sender.local_part()) {
            return action;
        }
        self.transaction = Some(Box::new(transaction));
        self.answer(Answer::new(250, 1, 0, "sender taken"))
    }

    fn rcpt(&mut self, argument: &str) -> Option<Action> {
        let (Some(hello), Some(transaction)) = (&self.hello, &self.transaction) else {
            return self.out_of_order("say MAIL first");
        };
        let recipient = match transaction.rcpt(argument, hello.parameters, &self.options) {
            Ok(recipient) => recipient,
            Err(answer) => return self.mistake(answer),
        };
        if transaction.recipients.len() >= self.options.max_recipients {
            return self.answer(Answer::new(452, 5, 3, "too many recipients; send the message to these first"));
        }
        let at = transaction.recipients.len();
        if let Some(action) = self.fault_of_recipient(at, recipient.address.local_part()) {
            return action;
        }
        if let Some(transaction) = &mut self.transaction {
            transaction.recipients.push(recipient);
        }
        self.answer(Answer::new(250, 1, 5, "recipient taken"))
    }

    /// What a local part asks for now, done; what it asks for at the end of data is kept.
    #[allow(clippy::option_option, reason = "the outer one says whether there is a fault, the inner one is a step's")]
    fn fault_of(&mut self, local_part: &str) -> Option<Option<Action>> {
        if self.options.faults == Faults::Off {
            return None;
        }
        let fault = faults::asked_for(local_part)?;
        match fault.when {
            When::AtOnce => Some(self.suffer(fault.what)),
            When::AtEndOfData => {
                self.fault.get_or_insert(fault.what);
                None
            }
        }
    }

    fn suffer(&mut self, what: What) -> Option<Action> {
        match what {
            What::Reply(answer) if answer.code == 421 => self.close(answer),
            What::Reply(answer) => self.answer(answer),
            What::Drop => {
                self.shut();
                None
            }
        }
    }

    fn start_tls(&mut self) -> Option<Action> {
        if self.options.tls == Tls::Absent {
            return self.mistake(Answer::new(502, 5, 1, "there is no TLS here"));
        }
        if self.security == Security::Tls {
            return self.out_of_order("TLS is on already");
        }
        // What came in the same flight was said before TLS and must not be read as if it came after.
        if !self.input.rest().is_empty() {
            return self.close(Answer::new(554, 7, 0, "octets came behind STARTTLS; closing the connection"));
        }
        self.answer(Answer::new(220, 0, 0, "begin TLS"));
        self.state = State::Handshake;
        None
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Option<Action> {
        if !matches!(&self.hello, Some(hello) if hello.parameters == Parameters::Offered) {
            return self.out_of_order("say EHLO first");
        }
        if self.options.wants_tls(self.security) {
            return self.answer(Answer::new(530, 7, 0, "say STARTTLS first"));
        }
        if self.user.is_some() {
            return self.out_of_order("you are logged in already");
        }
        if self.transaction.is_some() {
            return self.out_of_order("a transaction is open");
        }
        let options = Arc::clone(&self.options);
        let Some(credential) = options.login.credential() else {
            return self.mistake(Answer::new(502, 5, 1, "there is no login here"));
        };
        let offered = options.login.mechanisms();
        let Some(mechanism) = Mechanism::named(mechanism).filter(|mechanism| offered.contains(mechanism)) else {
            return self.mistake(Answer::new(504, 5, 4, "this mechanism is not offered"));
        };
        self.challenges += 1;
        let challenge = format!("<{}.{}@{}>", self.nonce, self.challenges, options.hostname);
        let turn = login::begin(mechanism, initial, challenge, credential);
        self.turn(turn)
    }

    fn response(&mut self, waiting: Waiting, line: &[u8]) -> Option<Action> {
        if line == b"*" {
            return self.answer(Answer::new(501, 7, 0, "login cancelled"));
        }
        let options = Arc::clone(&self.options);
        let turn = match (std::str::from_utf8(line), options.login.credential()) {
            (Ok(line), Some(credential)) => waiting.respond(line, credential),
            _ => Turn::Malformed("the response is not base64"),
        };
        self.turn(turn)
    }

    fn turn(&mut self, turn: Turn) -> Option<Action> {
        match turn {
            Turn::Challenge(text, waiting) => {
                self.state = State::Login(waiting);
                self.answer(Answer::plain(334, text))
            }
            Turn::Welcome(user) => {
                self.user = Some(user);
                self.answer(Answer::new(235, 7, 0, "welcome"))
            }
            Turn::Wrong => self.mistake(Answer::new(535, 7, 8, "user or password is wrong")),
            Turn::Malformed(text) => self.mistake(Answer::new(501, 5, 2, text)),
        }
    }

    fn answer(&mut self, answer: Answer) -> Option<Action> {
        let offered = self.options.offers(Extension::EnhancedStatusCodes);
        answer.write(if offered { Enhanced::Yes } else { Enhanced::No }, &mut self.out);
        None
    }

    /// Answers what a client should not have said; who says too much of it is shown out.
    fn mistake(&mut self, answer: Answer) -> Option<Action> {
        self.errors += 1;
        self.answer(answer);
        if self.errors < MOST_ERRORS { None } else { self.close(Answer::new(421, 7, 0, "too many mistakes")) }
    }

    fn out_of_order(&mut self, text: &'static str) -> Option<Action> {
        self.mistake(Answer::new(503, 5, 1, text))
    }

    fn close(&mut self, answer: Answer) -> Option<Action> {
        self.answer(answer);
        self.shut();
        None
    }

    fn shut(&mut self) {
        self.reset();
        self.input = Input::default();
        self.state = State::Closed;
    }

    fn reset(&mut self) {
        self.transaction = None;
        self.begun = None;
        self.fault = None;
        self.own_faults.clear();
    }
}

/// Octets of replies that are gathered before they are written.
const FLUSH: usize = 4096;

/// So many mistakes end a session.
const MOST_ERRORS: u32 = 100;
