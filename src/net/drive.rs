//! The loop that serves the engine: its actions become writes, reads, a handshake, a password, a message.

mod body;
mod sending;

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroize as _;

use self::sending::Sending;
use super::credential::password;
use super::notice::{FaultKind, Notice, TlsFault};
use super::stop::{Stop, unless};
use super::stream::Stream;
use super::tls::Connector;
use super::transport::Transport;
use crate::config::account::{Secret, Timeouts};
use crate::message::dkim::Signer;
use crate::message::{Message, Source};
use crate::smtp::outcome::Verdict;
use crate::smtp::session::{Action, Closing, Event, Purpose, Session};
use crate::smtp::stage::Stage;
use crate::system::words;

/// What a session may need while it runs.
pub struct Means<'a> {
    /// TLS, where the account wants it.
    pub connector: Option<&'a Connector>,
    /// The password, where somebody logs in.
    pub secret: Option<&'a Secret>,
    /// The message, where there is one.
    pub source: Option<&'a mut (dyn Source + 'a)>,
    /// Other messages behind the first, and then the octets of all of them in place of `source`.
    pub more: Option<&'a mut (dyn Messages + 'a)>,
    /// Who signs what was re-encoded, where messages are signed.
    pub signer: Option<&'a Signer>,
    /// Octets of the message on the wire, for the deadline of the body.
    pub size: u64,
    /// Deadlines.
    pub timeouts: &'a Timeouts,
    /// Whether somebody reads what TLS and the certificate are like.
    pub detail: Detail,
    /// What ends the session early, where something may.
    pub stop: Option<&'a Stop>,
}

/// Messages that follow each other on one connection.
pub trait Messages {
    /// The next message, or none. The verdicts are those of all messages so far, in the order of their recipients; a
    /// message that was given before the last one is not asked for again.
    fn next(&mut self, verdicts: &[Option<Verdict>]) -> Option<Purpose>;
    /// The octets of the message that was given last, or of the first one.
    fn source(&mut self) -> &mut dyn Source;
}

/// How much is told in notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// What the log needs.
    Brief,
    /// What a person reads: TLS and its certificate too.
    Full,
}

/// Room for what one read brings.
const READ: usize = 8 * 1024;
/// After so many octets a flight is interrupted for what they say. Otherwise a server that reads nothing and floods
/// would fill our memory for as long as the flight cannot leave.
const HEARD: usize = 64 * 1024;
/// How long a QUIT or close_notify may take to leave this machine. Nobody waits for its answer.
const FAREWELL: Duration = Duration::from_secs(2);

/// A flight with a secret in it has no more octets: the response to a challenge is the longest (RFC 4954 section 4).
const LONGEST_SECRET: usize = 12_288;

/// A session has this much time, and more for each of its recipients; the message's own time does not count. A server
/// that gives each reply just in time could hold us for days otherwise.
const SESSION: Duration = Duration::from_secs(60 * 60);
const RECIPIENT: Duration = Duration::from_secs(10);
/// Where the account gives a command more time, a session has time for so many of them.
const REPLIES: u32 = 12;

/// Runs a session over a connection until it is closed.
pub async fn drive(transport: Transport, session: &mut Session, means: Means<'_>, tell: &mut dyn FnMut(Notice)) {
    let stream = Some(Stream::Plain(transport));
    let end = Instant::now() + time_for(session.verdicts().len(), means.timeouts);
    let mut driver = Driver {
        end,
        stream,
        flight: Vec::with_capacity(1024),
        arrivals: Vec::with_capacity(READ),
        end_of_data: None,
        held: Vec::new(),
        chunks: None,
        broken: None,
        reencoded: None,
        session,
        means,
        tell,
    };
    let stop = driver.means.stop;
    let ended = unless(stop, pin!(driver.run())).await;
    if let Err(stopped) = ended {
        driver.session.stopped(stopped.name());
        driver.notices().into_iter().for_each(&mut *driver.tell);
        // Nobody waits for a farewell, of a command neither.
        return (driver.tell)(Notice::Closed);
    }
    driver.tell_of_clear_text();
    if let Some(stream) = driver.stream.take() {
        stream.finish().await;
    }
    (driver.tell)(Notice::Closed);
}

/// How long a session with a message to so many recipients may last.
fn time_for(recipients: usize, timeouts: &Timeouts) -> Duration {
    let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
    let least = timeouts.command.unwrap_or_default().saturating_mul(REPLIES);
    SESSION.max(least) + RECIPIENT.saturating_mul(recipients)
}

pub(super) struct Driver<'a, 'm> {
    /// Gone after a failed handshake.
    stream: Option<Stream>,
    /// What goes out with the next write.
    flight: Vec<u8>,
    /// What comes in, one read at a time. Here, and not where it is read, it is not filled with zeros for each.
    arrivals: Vec<u8>,
    /// When the session has lasted long enough, whatever its replies are.
    pub(super) end: Instant,
    /// Where in the flight the end of data stands, until it has left: what is sent from there on ends the message.
    end_of_data: Option<usize>,
    /// What is to be told of the flight with the end of data, until it has left.
    held: Vec<Notice>,
    /// The message between two of its chunks.
    chunks: Option<Sending>,
    /// Why nothing can be written any more. What the server said before may still be read.
    broken: Option<String>,
    /// The message as this server can take it, where it cannot take it as it is.
    pub(super) reencoded: Option<Message>,
    pub(super) session: &'a mut Session,
    pub(super) means: Means<'m>,
    pub(super) tell: &'a mut dyn FnMut(Notice),
}

/// Whether the end of data has left, as far as is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Sent,
    HeldBack,
}

/// How a step over the network ended that did not end well.
enum Interruption {
    TimedOut,
    Lost(String),
}

impl Driver<'_, '_> {
    async fn run(&mut self) {
        let mut replies = u64::MAX;
        let mut deadline = Instant::now();
        loop {
            let action = self.session.next_action();
            let notices = self.notices();
            if matches!(action, Action::Write(_)) && self.session.stage() == Stage::EndOfData {
                self.held = notices;
                self.end_of_data = Some(self.flight.len());
            } else {
                notices.into_iter().for_each(&mut *self.tell);
            }
            match action {
                Action::Write(mut octets) => {
                    self.flight.reserve(octets.len());
                    self.flight.extend_from_slice(&octets);
                    octets.zeroize();
                }
                Action::Read(stage) => {
                    let begun = !self.flight.is_empty() || self.session.replies() != replies;
                    if begun {
                        replies = self.session.replies();
                        deadline = self.deadline(stage);
                    }
                    self.read(stage, &mut deadline).await;
                }
                Action::Flush => self.flush_alone().await,
                Action::SendBody => self.send_body().await,
                Action::SendChunk(part) => self.send_chunk(part).await,
                Action::NextMessage => self.next_message(),
                Action::StartTls => self.start_tls().await,
                Action::NeedPassword => self.fetch_password().await,
                Action::Reencode(goal) => self.reencode(goal).await,
                Action::Close(closing) => return self.close(closing).await,
            }
        }
    }

    /// Another message has the time of another session.
    fn next_message(&mut self) {
        let next = self.means.more.as_mut().and_then(|more| more.next(self.session.verdicts()));
        match next {
            Some(Purpose::Submit(envelope, facts)) => {
                let time = time_for(envelope.recipients().len(), self.means.timeouts);
                self.end = self.end.max(Instant::now() + time);
                self.means.size = facts.size;
                self.reencoded = None;
                self.session.next_message(envelope, facts);
            }
            Some(Purpose::Probe(_) | Purpose::Ask(_)) | None => self.session.no_more_messages(),
        }
    }

    /// A flight that nothing is awaited behind.
    async fn flush_alone(&mut self) {
        let deadline = self.deadline(self.session.stage());
        if let Err(interruption) = self.flush(deadline).await {
            self.interrupted(interruption);
        }
    }

    /// When the answer in a stage must be there. The one to the message is awaited even when the session is over.
    fn deadline(&self, stage: Stage) -> Instant {
        let mut limit = limit(stage, self.means.timeouts);
        if self.session.is_on_trial() {
            limit = limit.min(TRIAL);
        }
        let own = Instant::now() + limit;
        if stage == Stage::EndOfData { own } else { own.min(self.end) }
    }

    fn notices(&mut self) -> Vec<Notice> {
        let events = std::iter::from_fn(|| self.session.next_event());
        events
            .map(|event| match event {
                Event::Client(line) => Notice::Client(line),
                Event::Server(line) => Notice::Server(line),
                Event::Note(text) => Notice::Note(text),
                Event::Warning(text) => Notice::Warning(text),
                Event::Message(size) => Notice::Message(size),
                Event::Verdict(recipient, verdict) => Notice::Verdict(recipient, verdict),
                Event::Unserved(extension) => Notice::Unserved(extension),
            })
            .collect()
    }

    /// Tells what the flight with the end of data has, without what stays here of it.
    fn tell_held(&mut self, end: End) {
        let mut is_behind = false;
        for notice in std::mem::take(&mut self.held) {
            is_behind |= matches!(notice, Notice::Message(_));
            if end == End::Sent || !is_behind || !matches!(notice, Notice::Client(_)) {
                (self.tell)(notice);
            }
        }
    }

    /// Writes out the flight, then waits for octets.
    async fn read(&mut self, stage: Stage, deadline: &mut Instant) {
        if !self.flight.is_empty() {
            let received = self.flush(*deadline).await;
            *deadline = self.deadline(stage);
            match received {
                Ok(0) => {}
                Ok(_) => return,
                Err(interruption) => return self.interrupted(interruption),
            }
        }
        let Some(stream) = &mut self.stream else { return self.session.lost("the connection is closed".to_owned()) };
        self.arrivals.clear();
        match timeout_at(*deadline, stream.read_buf(&mut self.arrivals)).await {
            Err(_) if self.broken.is_some() => self.lost().await,
            Err(_) => self.session.timed_out(),
            Ok(Ok(0)) => self.lost().await,
            Ok(Ok(_)) => self.session.received(&self.arrivals),
            Ok(Err(error)) => {
                self.broken.get_or_insert_with(|| words(&error));
                self.lost().await;
            }
        }
    }

    async fn lost(&mut self) {
        let reason = self.broken.take().unwrap_or_else(|| "the server closed the connection".to_owned());
        self.lost_by(reason).await;
    }

    async fn lost_by(&mut self, reason: String) {
        let reason = match &mut self.stream {
            Some(stream) => stream.transport().explain(reason).await,
            None => reason,
        };
        self.session.lost(reason);
    }

    /// After a failed write: what the server said before it closed explains more than our broken pipe.
    fn interrupted(&mut self, interruption: Interruption) {
        self.flight.clear();
        match interruption {
            Interruption::TimedOut => self.session.timed_out(),
            Interruption::Lost(reason) => self.broken = Some(reason),
        }
    }

    /// Writes the flight in as few system calls as the kernel allows, and reads what comes meanwhile, so that
    /// neither side can block the other (RFC 2920 section 3.1). Gives the number of octets that came; what they mean
    /// has to be seen before the rest of the flight goes out, if there is a rest.
    async fn flush(&mut self, deadline: Instant) -> Result<usize, Interruption> {
        let Some(stream) = &mut self.stream else {
            return Err(Interruption::Lost("the connection is closed".to_owned()));
        };
        let session = &mut *self.session;
        let flight = &self.flight;
        let end_of_data = self.end_of_data;
        let mut written = 0;
        let mut received = 0;
        let mut open = true;
        let mut early = false;
        self.arrivals.clear();
        let arrivals = self.arrivals.spare_capacity_mut();
        let work = poll_fn(|cx| {
            loop {
                // Octets that arrive are taken first: a server that is blocked in writing reads nothing.
                if open {
                    let mut buffer = ReadBuf::uninit(arrivals);
                    match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                            received += buffer.filled().len();
                            session.received(buffer.filled());
                            early = end_of_data.is_some_and(|end| written <= end);
                            if early || received > HEARD {
                                return Poll::Ready(Ok(()));
                            }
                            continue;
                        }
                        // The end, or an error: writing will show it too, or the next read does.
                        Poll::Ready(_) => open = false,
                        Poll::Pending => {}
                    }
                }
                if written < flight.len() {
                    match Pin::new(&mut *stream).poll_write(cx, &flight[written..]) {
                        Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero))),
                        Poll::Ready(Ok(count)) => written += count,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => return Poll::Pending,
                    }
                } else {
                    return Pin::new(&mut *stream).poll_flush(cx);
                }
            }
        });
        let done = timeout_at(deadline, work).await;
        // Under TLS, what was written may still be here when the connection breaks.
        let held_back = matches!(stream, Stream::Tls(_)) && !matches!(done, Ok(Ok(())));
        if let Some(end) = self.end_of_data.take() {
            if received > 0 && (early || held_back) {
                self.session.end_of_data_unsent();
                self.flight.truncate(end);
                self.tell_held(End::HeldBack);
            } else {
                self.tell_held(End::Sent);
            }
        }
        match done {
            Ok(Ok(())) => {
                let written = written.min(self.flight.len());
                // Longer ones are of a message.
                if written <= LONGEST_SECRET {
                    self.flight[..written].zeroize();
                }
                self.flight.drain(..written);
                Ok(received)
            }
            Err(_) => {
                self.flight.clear();
                Err(Interruption::TimedOut)
            }
            Ok(Err(error)) => {
                self.flight.clear();
                Err(Interruption::Lost(words(&error)))
            }
        }
    }

    async fn start_tls(&mut self) {
        let (Some(connector), Some(stream)) = (self.means.connector, self.stream.take()) else {
            return self.session.tls_failed("TLS is not set up".to_owned());
        };
        let deadline = self.deadline(Stage::Handshake);
        match timeout_at(deadline, stream.start_tls(connector)).await {
            Ok(Ok(stream)) => {
                if self.means.detail == Detail::Full
                    && let Some(facts) = stream.tls_facts(connector)
                {
                    (self.tell)(Notice::Secured(facts));
                }
                let complaint = connector.complaint();
                if let Some(TlsFault { words, .. }) = &complaint {
                    (self.tell)(Notice::Note(format!("{TESTS}{words}")));
                }
                (self.tell)(Notice::Handshake(complaint.map_or(Ok(()), Err)));
                let binding = self.means.secret.and_then(|_| stream.channel_binding());
                self.stream = Some(stream);
                self.session.tls_started(connector.protection(), binding);
            }
            Ok(Err(error)) => {
                if self.means.detail == Detail::Full
                    && let Some(facts) = connector.refused()
                {
                    (self.tell)(Notice::Refused(facts));
                }
                self.tls_failed(connector.fault(&error));
            }
            Err(_) => {
                let words = "the server did not finish the handshake in time".to_owned();
                self.tls_failed(TlsFault { kind: FaultKind::Other, words });
            }
        }
    }

    /// Where certificates are only watched, one that was not there is amiss, too.
    fn tell_of_clear_text(&mut self) {
        let is_watched = self.means.connector.is_some_and(Connector::is_watching);
        let is_sent = || self.session.verdicts().iter().flatten().any(|one| matches!(one, Verdict::Accepted(_)));
        if is_watched && matches!(self.stream, Some(Stream::Plain(_))) && is_sent() {
            (self.tell)(Notice::Note(format!("{TESTS}nothing would be sent without TLS")));
        }
    }

    fn tls_failed(&mut self, fault: TlsFault) {
        let words = fault.words.clone();
        (self.tell)(Notice::Handshake(Err(fault)));
        self.session.tls_failed(words);
    }

    async fn fetch_password(&mut self) {
        let Some(secret) = self.means.secret else {
            return self.session.no_password("the account has none".to_owned());
        };
        match password(secret).await {
            Ok(password) => self.session.password(password),
            Err(reason) => self.session.no_password(reason),
        }
    }

    async fn close(&mut self, closing: Closing) {
        if closing == Closing::Abruptly || self.broken.is_some() {
            self.flight.clear();
            return;
        }
        let deadline = Instant::now() + FAREWELL;
        if !self.flight.is_empty() && self.flush(deadline).await.is_err() {
            return;
        }
        if let Some(Stream::Tls(stream)) = &mut self.stream {
            // close_notify (RFC 8314 section 3.4); the peer's is not awaited, and the socket is about to be closed.
            stream.get_mut().1.send_close_notify();
            let _ = timeout_at(deadline, stream.flush()).await;
        }
    }
}

/// Before what a policy would have against a host.
const TESTS: &str = "MTA-STS: the policy only tests; if it did not: ";

/// How long an answer may take where commands go behind the login for the first time: a server that has lost them would
/// hold up the next connection, on which they do not.
const TRIAL: Duration = Duration::from_secs(30);

/// How long the answer in a stage may take (RFC 5321 section 4.5.3.2; those without a minimum there as Postfix has
/// them). A `timeout` of the account replaces all but the last, which would make duplicates if it were short.
fn limit(stage: Stage, timeouts: &Timeouts) -> Duration {
    let (own, minutes) = match stage {
        Stage::EndOfData => return Duration::from_secs(10 * 60).max(timeouts.command.unwrap_or_default()),
        Stage::Greeting => (timeouts.greeting, 5),
        Stage::Data => (None, 2),
        _ => (None, 5),
    };
    own.or(timeouts.command).unwrap_or(Duration::from_secs(minutes * 60))
}
