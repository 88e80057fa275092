//! Plays a dialogue with the engine: the server's octets go in as they stand or cut to pieces, and what comes out is
//! compared flight by flight.

#[path = "end.rs"]
mod end;

use posthaste::envelope::Envelope;
use posthaste::message::Facts;
use posthaste::smtp::framing::{Dots, Framer};
use posthaste::smtp::outcome::Verdict;
use posthaste::smtp::session::{
    Action, Caution, Chunk, Closing, Event as Told, LoginMode, Part, Protection, Purpose, Session, Settings, TlsMode,
};
use zeroize::Zeroizing;

use crate::dialogue::{Dialogue, Event, Item, Step, Wrong};
use crate::words::{diff, shown};

/// How the octets of the server's turns arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cut {
    Whole,
    Octets,
    /// Each turn in two, behind so many octets.
    At(usize),
}

/// Plays it once.
pub fn play(dialogue: &Dialogue, cut: Cut) -> Result<(), Wrong> {
    let purpose = dialogue.setup.purpose().map_err(|what| dialogue.wrong(1, what))?;
    let mut recipients = match &purpose {
        Purpose::Submit(envelope, _) => envelope.recipients().to_vec(),
        Purpose::Probe(_) | Purpose::Ask(_) => Vec::new(),
    };
    for to in &dialogue.setup.following {
        let envelope = dialogue.setup.envelope(to).map_err(|what| dialogue.wrong(1, what))?;
        recipients.extend_from_slice(envelope.recipients());
    }
    let mut player = Player {
        dialogue,
        cut,
        session: Session::new(dialogue.setup.settings.clone(), purpose),
        at: 0,
        turn: Vec::new(),
        given: 0,
        flight: Vec::new(),
        said: Vec::new(),
        heard: Vec::new(),
        told: vec![0; recipients.len()],
        open: (0..recipients.len()).collect(),
        verdicts: vec![None; recipients.len()],
        unserved: Vec::new(),
        warnings: Vec::new(),
        reencoded: None,
        connection: 0,
        messages: 0,
        // SYN.
        flights: 1,
        fetched: 0,
        fresh: true,
    };
    if !dialogue.setup.following.is_empty() {
        player.session.expect_more();
    }
    player.run()?;
    player.check_end(&recipients)
}

/// The longest turn of the server, in octets: behind so many there is nothing left to cut.
pub fn longest_turn(dialogue: &Dialogue) -> usize {
    let turns = dialogue.items.chunk_by(|a, b| is_server(a) && is_server(b));
    let size = |turn: &[Item]| turn.iter().map(|item| octets(item).len()).sum();
    turns.map(size).max().unwrap_or_default()
}

/// All that goes over the wire but commands, in octets.
pub fn size(dialogue: &Dialogue) -> usize {
    let replies: usize = dialogue.items.iter().map(|item| octets(item).len()).sum();
    replies + dialogue.setup.message().len()
}

fn is_server(item: &Item) -> bool {
    matches!(item.step, Step::Server { .. })
}

fn octets(item: &Item) -> &[u8] {
    if let Step::Server { octets, .. } = &item.step { octets } else { &[] }
}

struct Player<'a> {
    dialogue: &'a Dialogue,
    cut: Cut,
    session: Session,
    /// The next item.
    at: usize,
    /// The server's present turn, and how much of it was given.
    turn: Vec<u8>,
    given: usize,
    /// What has been written and not compared yet: on the wire, and in the transcript.
    flight: Vec<u8>,
    said: Vec<Step>,
    heard: Vec<String>,
    /// How many verdicts each recipient of this session got.
    told: Vec<usize>,
    /// Who they are: numbers in the first envelope.
    open: Vec<usize>,
    /// What became of all recipients.
    verdicts: Vec<Option<Verdict>>,
    /// Keywords of wishes that the message went without.
    unserved: Vec<String>,
    warnings: Vec<String>,
    /// The message of this session, where it was re-encoded.
    reencoded: Option<Vec<u8>>,
    /// How many messages are over.
    messages: usize,
    /// The number of the connection, from 0.
    connection: usize,
    flights: usize,
    /// How often a password was given.
    fetched: usize,
    /// Nothing was awaited yet since the connection or TLS began.
    fresh: bool,
}

impl Player<'_> {
    fn run(&mut self) -> Result<(), Wrong> {
        // Each octet makes a few actions at most.
        let octets: usize = self.dialogue.items.iter().map(|item| octets(item).len() + 1).sum();
        for _ in 0..100 + 4 * octets {
            let action = self.session.next_action();
            self.take_events();
            match action {
                Action::Write(octets) => self.flight.extend(octets),
                Action::Read(_) => self.read()?,
                Action::SendBody => self.send_body(None)?,
                Action::SendChunk(part) => self.send_body(Some(part))?,
                Action::NextMessage => self.next_message()?,
                Action::Flush => {
                    self.compare_flight()?;
                    self.event(&Event::Flush)?;
                }
                Action::StartTls => self.start_tls()?,
                Action::NeedPassword => self.password()?,
                Action::Reencode(_) => self.reencode()?,
                Action::Close(closing) => {
                    self.close(closing)?;
                    if self.next() != Some(Step::Event(Event::ConnectAgain)) {
                        return self.check_nothing_left();
                    }
                    self.connect_again()?;
                }
            }
        }
        Err(self.wrong("the session does not end"))
    }

    fn read(&mut self) -> Result<(), Wrong> {
        if !self.flight.is_empty() || self.fresh {
            self.compare_flight()?;
            self.flights += 1;
            self.fresh = false;
        }
        if self.give() {
            return Ok(());
        }
        match self.next() {
            Some(Step::Server { .. }) => self.begin_turn(),
            Some(Step::Event(Event::Lost(reason))) => self.session.lost(reason),
            Some(Step::Event(Event::TimeOut)) => self.session.timed_out(),
            Some(Step::Event(Event::Pause)) => {}
            other => return Err(self.wrong(format!("the client waits for a reply, not for {}", shown(other.as_ref())))),
        }
        self.at += 1;
        Ok(())
    }

    fn send_body(&mut self, part: Option<Part>) -> Result<(), Wrong> {
        if self.give() {
            return Ok(());
        }
        let next = self.dialogue.items.get(self.at + self.said.len()).map(|item| item.step.clone());
        if !matches!(next, Some(Step::Message { .. })) && !self.said.is_empty() {
            // The rest of the flight does not leave any more.
            self.compare_flight()?;
        }
        match next {
            Some(Step::Message { .. }) => {
                self.put_message(part);
                return Ok(());
            }
            Some(Step::Server { .. }) => self.begin_turn(),
            Some(Step::Event(Event::Lost(reason))) => self.session.lost(reason),
            Some(Step::Event(Event::TimeOut)) => self.session.timed_out(),
            Some(Step::Event(Event::MessageBreaks(reason))) => self.session.body_failed(reason),
            other => return Err(self.wrong(format!("the client sends the message, not {}", shown(other.as_ref())))),
        }
        self.at += 1;
        Ok(())
    }

    fn put_message(&mut self, part: Option<Part>) {
        let mut framer = Framer::new(if part.is_some() { Dots::Keep } else { Dots::Stuff });
        let mut wire = Vec::new();
        let given = self.reencoded.clone().unwrap_or_else(|| self.dialogue.setup.message());
        framer.push(&given, &mut wire);
        framer.finish(&mut wire);
        let Some(part) = part else {
            self.flight.extend(wire);
            return self.session.body_sent();
        };
        self.flight.extend(wire.iter().skip(part.from as usize).take(part.size as usize));
        if self.session.chunk_sent() == Chunk::HeldBack {
            self.flight.pop();
        }
    }

    /// The same message, to others.
    fn next_message(&mut self) -> Result<(), Wrong> {
        self.messages += 1;
        let setup = &self.dialogue.setup;
        match setup.following.get(self.messages - 1) {
            None => self.session.no_more_messages(),
            Some(to) => {
                let envelope = setup.envelope(to).map_err(|what| self.wrong(what))?;
                self.session.next_message(envelope, setup.facts());
            }
        }
        Ok(())
    }

    fn start_tls(&mut self) -> Result<(), Wrong> {
        self.compare_flight()?;
        if self.give() {
            return Ok(());
        }
        match self.next() {
            Some(Step::Server { .. }) => self.begin_turn(),
            Some(Step::Event(Event::Tls)) => {
                let protection = match self.dialogue.setup.settings.tls {
                    TlsMode::Opportunistic => Protection::Unverified,
                    _ => Protection::Verified,
                };
                self.session.tls_started(protection, self.dialogue.setup.binding.clone());
                self.flights += 1;
                self.fresh = true;
            }
            Some(Step::Event(Event::TlsFails(reason))) => self.session.tls_failed(reason),
            other => return Err(self.wrong(format!("the client begins TLS, not {}", shown(other.as_ref())))),
        }
        self.at += 1;
        Ok(())
    }

    fn password(&mut self) -> Result<(), Wrong> {
        if self.give() {
            return Ok(());
        }
        if let Some(Step::Event(Event::NoPassword(reason))) = self.next() {
            self.session.no_password(reason);
            self.at += 1;
        } else if self.dialogue.setup.settings.login == LoginMode::None {
            return Err(self.wrong("the client wants a password, and nobody logs in"));
        } else {
            let setup = &self.dialogue.setup;
            let secret = setup.then_secret.as_ref().filter(|_| self.fetched % 2 == 1).unwrap_or(&setup.secret);
            self.session.password(Zeroizing::new(secret.clone()));
            self.fetched += 1;
        }
        Ok(())
    }

    fn reencode(&mut self) -> Result<(), Wrong> {
        if self.give() {
            return Ok(());
        }
        match self.next() {
            Some(Step::Server { .. }) => self.begin_turn(),
            Some(Step::Event(Event::Reencoded)) => {
                let wire = self.dialogue.setup.reencoded_wire();
                self.session.reencoded(Facts {
                    size: wire.len() as u64,
                    eight_bit: !wire.is_ascii(),
                    ..Facts::default()
                });
                self.reencoded = Some(wire);
            }
            Some(Step::Event(Event::CannotReencode(reason))) => self.session.cannot_reencode(reason),
            Some(Step::Event(Event::MessageBreaks(reason))) => self.session.reencoding_failed(reason),
            other => return Err(self.wrong(format!("the client re-encodes, not {}", shown(other.as_ref())))),
        }
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, closing: Closing) -> Result<(), Wrong> {
        if closing == Closing::Abruptly {
            // What has not left yet never does.
            self.flight.clear();
            self.said.clear();
        }
        self.compare_flight()?;
        if let Some(Step::Event(event @ (Event::Closed | Event::CutOff))) = self.next() {
            let expected = if event == Event::Closed { Closing::Politely } else { Closing::Abruptly };
            if closing != expected {
                return Err(self.wrong(format!("the client closes the connection, but {closing:?}")));
            }
            self.at += 1;
        }
        self.settle()
    }

    /// The verdicts of this session.
    fn settle(&mut self) -> Result<(), Wrong> {
        self.dialogue.check_heard(self.connection, &self.heard)?;
        let replies = self.heard.iter().filter(|line| line.as_bytes().get(3) != Some(&b'-')).count();
        if self.session.replies() != replies as u64 {
            return Err(self.wrong(format!("{} replies, and {replies} in the transcript", self.session.replies())));
        }
        // Messages that were never begun have none.
        for (at, recipient) in self.open.iter().enumerate().take(self.session.verdicts().len()) {
            let Some(Some(verdict)) = self.session.verdicts().get(at) else {
                return Err(self.wrong(format!("recipient {recipient} has no verdict")));
            };
            if self.told[at] != 1 {
                return Err(self.wrong(format!("recipient {recipient} was told {} verdicts", self.told[at])));
            }
            self.verdicts[*recipient] = Some(verdict.clone());
        }
        Ok(())
    }

    fn check_nothing_left(&self) -> Result<(), Wrong> {
        match self.next() {
            // Nobody is left to notice.
            Some(Step::Event(Event::Lost(_))) | None => Ok(()),
            other => Err(self.wrong(format!("the client has closed the connection before {}", shown(other.as_ref())))),
        }
    }

    /// What the deliverer does: another connection for those who are deferred, with what the first one has taught.
    fn connect_again(&mut self) -> Result<(), Wrong> {
        let caution = self.session.retry();
        let again = self.messages > 0 || (self.connection > 0 && caution != Caution::Rest);
        if caution == Caution::None || again {
            return Err(self.wrong("there is no reason to connect again"));
        }
        let purpose = self.dialogue.setup.purpose().map_err(|what| self.wrong(what))?;
        let Purpose::Submit(envelope, facts) = purpose else { return Err(self.wrong("a probe is made once")) };
        self.open.retain(|at| matches!(self.verdicts[*at], Some(Verdict::Deferred(_))));
        let open = self.open.iter().map(|at| envelope.recipients()[*at].clone()).collect();
        let wishes = envelope.wishes().clone();
        let envelope = Envelope::new(envelope.sender().clone(), open).map_err(|error| self.wrong(error.to_string()))?;
        let envelope = envelope.wishing(wishes);
        let memory = self.session.memory();
        let settings = Settings { caution, memory, ..self.dialogue.setup.settings.clone() };
        self.session = Session::new(settings, Purpose::Submit(envelope, facts));
        self.told = vec![0; self.open.len()];
        self.reencoded = None;
        self.heard.clear();
        self.turn.clear();
        self.given = 0;
        self.at += 1;
        self.connection += 1;
        self.flights += 1;
        self.fresh = true;
        Ok(())
    }

    fn next(&self) -> Option<Step> {
        self.dialogue.items.get(self.at).map(|item| item.step.clone())
    }

    fn event(&mut self, event: &Event) -> Result<(), Wrong> {
        let next = self.next();
        if next != Some(Step::Event(event.clone())) {
            return Err(self.wrong(format!("{event:?} happens, not {}", shown(next.as_ref()))));
        }
        self.at += 1;
        Ok(())
    }

    /// Collects the server's turn, whose first line is the present item, and gives the beginning of it.
    fn begin_turn(&mut self) {
        let rest = &self.dialogue.items[self.at..];
        let lines = rest.iter().take_while(|item| is_server(item)).count();
        self.turn = rest[..lines].iter().flat_map(octets).copied().collect();
        self.given = 0;
        self.at += lines - 1;
        self.give();
    }

    /// Gives the next piece of the server's turn, if there is one left.
    fn give(&mut self) -> bool {
        let rest = &self.turn[self.given..];
        let count = match self.cut {
            Cut::Whole => rest.len(),
            Cut::Octets => rest.len().min(1),
            Cut::At(at) => rest.len().min(at.checked_sub(self.given).filter(|n| *n > 0).unwrap_or(usize::MAX)),
        };
        self.session.received(&rest[..count]);
        self.given += count;
        count > 0
    }

    fn take_events(&mut self) {
        while let Some(told) = self.session.next_event() {
            match told {
                Told::Client(shown) => self.said.push(Step::Client { shown, wire: Vec::new() }),
                Told::Note(_) => {}
                Told::Warning(text) => self.warnings.push(text),
                Told::Message(size) => self.said.push(Step::Message { size, chunk: None }),
                Told::Server(line) => self.heard.push(line),
                Told::Verdict(recipient, _) => self.told[recipient] += 1,
                Told::Unserved(extension) => self.unserved.push(extension.keyword().to_owned()),
            }
        }
    }

    /// What was written must be the client's lines that stand next, all of them, in one piece.
    fn compare_flight(&mut self) -> Result<(), Wrong> {
        let rest = &self.dialogue.items[self.at..];
        let ours = |item: &&Item| matches!(item.step, Step::Client { .. } | Step::Message { .. });
        let expected: Vec<&Item> = rest.iter().take_while(ours).collect();
        let lines = |steps: &[&Step]| steps.iter().map(|step| shown(Some(step))).collect::<Vec<_>>();
        let said = lines(&self.said.iter().collect::<Vec<_>>());
        let wanted = lines(&expected.iter().map(|item| &item.step).collect::<Vec<_>>());
        if said != wanted {
            return Err(self.wrong(format!("the client's flight is another\n{}", diff(&wanted, &said))));
        }
        if !self.said.is_empty() && self.given < self.turn.len() {
            return Err(self.wrong("the client speaks before the server's turn is over"));
        }
        let mut wire = Vec::new();
        for item in &expected {
            wire.extend(match (&item.step, &self.reencoded) {
                (Step::Message { chunk: None, .. }, Some(message)) => message.clone(),
                (step, _) => self.dialogue.wire(step),
            });
        }
        if wire != self.flight {
            let [wanted, said] = [&wire, &self.flight].map(|octets| {
                octets.split_inclusive(|b| *b == b'\n').map(|l| l.escape_ascii().to_string()).collect::<Vec<_>>()
            });
            return Err(self.wrong(format!("other octets go over the wire\n{}", diff(&wanted, &said))));
        }
        self.at += expected.len();
        self.flight.clear();
        self.said.clear();
        Ok(())
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        let line = self.dialogue.items.get(self.at).or(self.dialogue.items.last()).map_or(1, |item| item.line);
        self.dialogue.wrong(line, format!("{} ({:?})", what.into(), self.cut))
    }
}
