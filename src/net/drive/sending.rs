//! The message on its way into the flight and out of it, while what the server says is heard.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use super::body::Body;
use super::{Driver, Interruption};
use crate::message::Source;
use crate::net::stream::Stream;
use crate::smtp::framing::Dots;
use crate::smtp::session::{Action, Chunk, Part, Position};

/// One block of the message must leave in this time (RFC 5321 section 4.5.3.2.5), or in that of a command if it is
/// longer.
const BLOCK: Duration = Duration::from_secs(3 * 60);
/// The body as a whole has this much time, and more for its size.
const BODY: Duration = Duration::from_secs(10 * 60);
/// How long to wait for what the server had said before it closed a connection under our hands.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// A flight grows to so many octets before it is written while a message goes out; commands never reach it.
const FLIGHT: usize = 64 * 1024;

/// A message that is being sent.
pub(super) struct Sending {
    body: Body,
    /// When all of it must have left.
    end: Instant,
}

/// How much of the message is to go out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it, framed for DATA.
    All,
    /// A chunk.
    Part(Part),
}

impl Extent {
    fn dots(self) -> Dots {
        match self {
            Extent::All => Dots::Stuff,
            Extent::Part(_) => Dots::Keep,
        }
    }

    /// In octets.
    fn size(self) -> u64 {
        match self {
            Extent::All => u64::MAX,
            Extent::Part(part) => part.size,
        }
    }

    fn is_inner(self) -> bool {
        matches!(self, Extent::Part(Part { position: Position::Inner, .. }))
    }
}

/// What became of octets that were to be put into the flight.
enum Copied {
    /// They are there.
    Whole,
    /// They are not wanted any more.
    GivenUp,
}

impl Driver<'_, '_> {
    /// The message, block by block. Its last octets stay in the flight: the end of data goes with them.
    pub(super) async fn send_body(&mut self) {
        match self.send(Extent::All, &Action::SendBody).await {
            Ok(Copied::Whole) => self.session.body_sent(),
            // An early reply has changed the session's mind.
            Ok(Copied::GivenUp) => self.flight.clear(),
            Err(reason) => self.session.body_failed(reason),
        }
    }

    /// A chunk of the message. Its last octets stay in the flight: the next chunk may go with them.
    pub(super) async fn send_chunk(&mut self, part: Part) {
        match self.send(Extent::Part(part), &Action::SendChunk(part)).await {
            Ok(Copied::Whole) => match self.session.chunk_sent() {
                Chunk::Leaves if part.position == Position::Last => {
                    self.end_of_data = Some(self.flight.len().saturating_sub(1));
                }
                Chunk::Leaves => {}
                Chunk::HeldBack => drop(self.flight.pop()),
            },
            Ok(Copied::GivenUp) => self.flight.clear(),
            Err(reason) => self.session.body_failed(reason),
        }
    }

    /// So many octets of the message, or all of it.
    async fn send(&mut self, extent: Extent, action: &Action) -> Result<Copied, String> {
        let begun = Instant::now();
        let copied = if let Some(mut message) = self.reencoded.take() {
            let copied = self.copy(&mut message, extent, action).await;
            self.reencoded = Some(message);
            copied
        } else if let Some(more) = self.means.more.take() {
            let copied = self.copy(more.source(), extent, action).await;
            self.means.more = Some(more);
            copied
        } else if let Some(source) = self.means.source.take() {
            let copied = self.copy(&mut *source, extent, action).await;
            self.means.source = Some(source);
            copied
        } else {
            Err("there is no message".to_owned())
        };
        self.end += begun.elapsed();
        copied
    }

    async fn copy(&mut self, source: &mut dyn Source, extent: Extent, action: &Action) -> Result<Copied, String> {
        let Sending { mut body, end } = match (self.chunks.take(), extent) {
            (Some(sending), Extent::Part(Part { from: 1.., .. })) => sending,
            _ => {
                let seconds = self.means.size / self.means.timeouts.min_rate.max(1);
                let end = Instant::now() + BODY + Duration::from_secs(seconds.min(u64::from(u32::MAX)));
                Sending { body: Body::begin(source, extent.dots())?, end }
            }
        };
        let block = BLOCK.max(self.means.timeouts.command.unwrap_or_default());
        let mut left = extent.size();
        loop {
            left -= body.fill(source, &mut self.flight, left)?;
            if left == 0 && extent.is_inner() {
                self.chunks = Some(Sending { body, end });
                return Ok(Copied::Whole);
            }
            if left == 0 || (body.is_at_end() && extent == Extent::All) {
                body.check_end(source)?;
                // What has come by now came before the end of the message, and is no answer to it.
                let changed = self.take_arrived().await && self.session.next_action() != *action;
                return Ok(if changed { Copied::GivenUp } else { Copied::Whole });
            }
            if body.is_at_end() {
                return Err("the message is shorter than it was".to_owned());
            }
            if self.flight.len() < FLIGHT {
                continue;
            }
            if let Some(stream) = &self.stream {
                let_arrive(stream).await;
            }
            match self.flush(end.min(Instant::now() + block)).await {
                Ok(0) => {}
                Ok(_) => {
                    if self.session.next_action() != *action {
                        return Ok(Copied::GivenUp);
                    }
                }
                Err(Interruption::TimedOut) => {
                    self.session.timed_out();
                    return Ok(Copied::GivenUp);
                }
                Err(Interruption::Lost(reason)) => {
                    self.last_words(reason, action).await;
                    return Ok(Copied::GivenUp);
                }
            }
        }
    }

    /// Takes what has arrived already, without waiting for more.
    async fn take_arrived(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let_arrive(stream).await;
        self.arrivals.clear();
        let (session, arrivals) = (&mut *self.session, self.arrivals.spare_capacity_mut());
        poll_fn(|cx| {
            let mut buffer = ReadBuf::uninit(arrivals);
            let is_there = matches!(Pin::new(&mut *stream).poll_read(cx, &mut buffer), Poll::Ready(Ok(())));
            session.received(buffer.filled());
            Poll::Ready(is_there && !buffer.filled().is_empty())
        })
        .await
    }

    /// The connection broke while the message went out. A server that refuses early says why and closes; what it
    /// said is the reason, if it is there to be read.
    async fn last_words(&mut self, reason: String, action: &Action) {
        let deadline = Instant::now() + LAST_WORDS;
        while let Some(stream) = &mut self.stream {
            self.arrivals.clear();
            match timeout_at(deadline, stream.read_buf(&mut self.arrivals)).await {
                Ok(Ok(count)) if count > 0 => self.session.received(&self.arrivals),
                _ => break,
            }
            if self.session.next_action() != *action {
                return;
            }
        }
        self.lost_by(reason).await;
    }
}

/// Lets the runtime see what has arrived, if something has. That asks the system only when there is
/// nothing else to do, and while writes never have to wait, a reply would go unseen: one that came too early would pass
/// for the one to the message.
async fn let_arrive(stream: &Stream) {
    if stream.has_arrivals() {
        tokio::task::yield_now().await;
    }
}
