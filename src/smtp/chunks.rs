//! BDAT (RFC 3030 section 2): the message in chunks that are counted, the last of them marked, and a reply to each.
//!
//! With pipelining a chunk does not wait for the reply to the one before it. The last one does: a server that has
//! lost a chunk cannot take the others for the whole, and a yes to the last chunk can be nothing else.

use super::action::Event;
use super::ahead::{self, Ahead};
use super::core::{Awaited, Core, Firewall};
use super::data::on_end_of_data;
use super::lmtp;
use super::memory;
use super::outcome::{Cause, Trouble, Verdict};
use super::parameters::{Parameters, is_binary};
use super::reply::{Class, Reply};
use super::session::{Caution, Chunking, Closing, Partial, Protocol, Purpose, State};
use super::stage::Stage;
use super::transaction::{
    Before, Transaction, mail_refused, message_over, next, on_recipient, settle_accepted, settle_refused_mail,
    shut_down, take_back,
};

/// Octets of a chunk where the next one follows at once: a refusal is heard after so many.
///
/// Measured with 32 MiB to Postfix over TLS, from 64 KiB to 4 MiB: 43 to 85 MB/s on loopback, 51 to 66 with a round trip of
/// 20 ms, 18 to 26 with 100 ms, without a trend in any of them, and 6.8 to 7.0 MiB resident. So it is a matter of manners alone.
const CHUNK: u64 = 256 * 1024;
/// Octets of a chunk where each costs a round trip: the most that is usual (64 KiB to 1 MiB).
///
/// Measured likewise without pipelining, in MB/s, for 64 KiB, 256 KiB, 1 MiB and 4 MiB: 2.8, 9.2, 22 and 44 with 20 ms, 0.6,
/// 2.4, 7.6 and 17 with 100 ms.
const SERIAL_CHUNK: u64 = 1024 * 1024;
/// A message of up to so many octets leaves with its commands in the first window of a connection (RFC 6928), so that
/// a refusal of the envelope would not have come any sooner.
const SMALL: u64 = 14_000;

/// How the message of a transaction is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By DATA.
    Data,
    /// In chunks, when the replies to MAIL and RCPT are there.
    Chunks,
    /// In one chunk, in one flight with MAIL and RCPT (RFC 4468 section 3.2).
    SameFlight,
}

/// Where a message in chunks is.
#[derive(Default)]
pub(super) struct Progress {
    /// Octets before the chunk that was announced last.
    from: u64,
    /// Octets that no BDAT has announced yet.
    left: u64,
    /// Octets of the chunk that was announced last.
    chunk: u64,
    /// The first reply that was no yes.
    refused: Option<Reply>,
}

/// How the message is best sent on this connection.
pub(super) fn way(before: Before, core: &Core) -> Way {
    let Purpose::Submit(_, facts) = &core.purpose else { return Way::Data };
    if !may_chunk(core) {
        return Way::Data;
    }
    match core.settings.chunking {
        Chunking::SameFlight | Chunking::AfterRecipients
            if core.pipelining()
                && core.settings.protocol == Protocol::Smtp
                && before == Before::Nothing
                && ahead::may_send_early(core)
                && core.settings.partial == Partial::Deliver
                && facts.size <= SMALL =>
        {
            Way::SameFlight
        }
        Chunking::SameFlight | Chunking::AfterRecipients => Way::Chunks,
        Chunking::Needed if is_binary(facts, core.parameters, core) => Way::Chunks,
        Chunking::Needed | Chunking::Never => Way::Data,
    }
}

/// Whether BDAT can be used at all.
pub(super) fn may_chunk(core: &Core) -> bool {
    core.capabilities.chunking
        && core.settings.chunking != Chunking::Never
        && core.settings.caution != Caution::Data
        && core.firewall == Firewall::Unseen
}

/// The first chunk.
pub(super) fn begin(mut transaction: Transaction, core: &mut Core) -> State {
    let Purpose::Submit(_, facts) = &core.purpose else { return core.quit() };
    transaction.progress = Progress { left: facts.size, ..Progress::default() };
    next_chunk(transaction, core)
}

/// The next chunk, if it may be sent already.
fn next_chunk(mut transaction: Transaction, core: &mut Core) -> State {
    let progress = &mut transaction.progress;
    let pipelining = core.pipelining();
    let size = progress.left.min(if pipelining { CHUNK } else { SERIAL_CHUNK });
    let is_last = size == progress.left;
    let alone = core.in_flight.is_empty() || transaction.way == Way::SameFlight;
    if !alone && (is_last || !pipelining) {
        return State::Chunked(transaction);
    }
    progress.left -= size;
    progress.from += progress.chunk;
    progress.chunk = size;
    // Its reply is expected when all of it is in the flight: one that comes before is none.
    core.send_unanswered(&format!("BDAT {size}{}", if is_last { " LAST" } else { "" }));
    State::Chunk(transaction)
}

/// What the caller has to put into the flight.
pub(super) fn announced(transaction: &Transaction) -> Part {
    let Progress { from, left, chunk, .. } = transaction.progress;
    Part { from, size: chunk, position: if left == 0 { Position::Last } else { Position::Inner } }
}

/// A part of the message that goes out as one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many octets of the message stand before it. From 0, the message begins anew.
    pub from: u64,
    /// Its octets.
    pub size: u64,
    /// Whether others follow.
    pub position: Position,
}

/// Where in the message a chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// Others follow.
    Inner,
    /// It ends the message: when it has left, the message may be delivered.
    Last,
}

/// The chunk that was announced is in the flight.
pub(super) fn sent(transaction: Transaction, core: &mut Core) -> State {
    let Part { size, position, .. } = announced(&transaction);
    core.events.push_back(Event::Message(size));
    match (position, transaction.way) {
        (Position::Last, Way::SameFlight) => {
            core.expect(Awaited::EndOfData);
            core.fast.early_message();
            State::SameFlight(transaction)
        }
        (Position::Last, _) => {
            core.expect(Awaited::EndOfData);
            if core.settings.protocol == Protocol::Lmtp {
                lmtp::expect_answers(&transaction, core);
            }
            State::EndOfData(transaction)
        }
        (Position::Inner, _) => {
            core.expect(Awaited::Chunk);
            match transaction.progress.refused {
                Some(_) => State::Chunked(transaction),
                None => next_chunk(transaction, core),
            }
        }
    }
}

/// A reply while a chunk is being sent: to an earlier one, or to nothing at all.
pub(super) fn on_reply_while_sending(mut transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    match (transaction.way, reply.class()) {
        // Nothing of the flight has left yet.
        (Way::SameFlight, _) => {
            core.fail_all(Trouble { stage: Stage::Mail, cause: Cause::Unsolicited(reply) });
            State::Closed(Closing::Abruptly)
        }
        (_, Class::Success) => State::Chunk(transaction),
        (_, Class::Intermediate) => give_up(State::Chunk(transaction), reply, core),
        (_, Class::Temporary | Class::Permanent) => {
            transaction.progress.refused.get_or_insert(reply);
            State::Chunk(transaction)
        }
    }
}

/// A reply to a chunk that is not the last one.
pub(super) fn on_reply(mut transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    match reply.class() {
        Class::Success => {}
        Class::Intermediate => return give_up(State::Chunked(transaction), reply, core),
        Class::Temporary | Class::Permanent => {
            transaction.progress.refused.get_or_insert(reply);
        }
    }
    if !core.in_flight.is_empty() {
        return State::Chunked(transaction);
    }
    match transaction.progress.refused.take() {
        Some(reply) => refused(transaction, Stage::Chunk, reply, core),
        None => next_chunk(transaction, core),
    }
}

/// Neither yes nor no: it cannot be known what the server waits for.
fn give_up(state: State, reply: Reply, core: &mut Core) -> State {
    let trouble = Trouble { stage: Stage::Chunk, cause: Cause::Replied(reply) };
    shut_down(state, trouble, core, |_| State::Closed(Closing::Abruptly))
}

/// The message was refused, at the last chunk or before. No chunk follows, and nothing else but RSET (RFC 3030
/// section 2).
pub(super) fn refused(transaction: Transaction, stage: Stage, reply: Reply, core: &mut Core) -> State {
    let is_unknown = matches!(reply.code(), 500..=504) && core.settings.caution == Caution::None;
    // A refusal of the command is none of the message, which may be tried by DATA.
    let stage = if is_unknown { Stage::Chunk } else { stage };
    let trouble = Trouble { stage, cause: Cause::Replied(core.keep(reply)) };
    if is_unknown {
        // It lists CHUNKING and does not know BDAT, so that it may be reading the message as commands.
        core.set_retry(Caution::Data);
        core.settle_all(&Verdict::Deferred(trouble.clone()));
        core.trouble.get_or_insert(trouble);
        return State::Closed(Closing::Abruptly);
    }
    settle_accepted(&transaction, &trouble, core);
    if !core.pending.is_empty() || stage == Stage::EndOfData {
        return next(Before::Unfinished, core);
    }
    take_back(core)
}

/// A reply to a flight that has all of the transaction in it. Only the last one settles those who were named: the
/// message has gone, whatever the others say.
pub(super) fn on_same_flight(mut transaction: Transaction, awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    let yes = reply.class() == Class::Success;
    match awaited {
        Awaited::Auth => ahead::on_auth(&mut transaction, reply),
        Awaited::Mail if !yes => transaction.refused_mail = Some(reply),
        Awaited::Rcpt(recipient, _) if yes => transaction.accepted.push(recipient),
        Awaited::Rcpt(recipient, parameters) if transaction.refused_mail.is_none() => {
            on_recipient(&mut transaction, recipient, parameters, reply, core);
        }
        Awaited::EndOfData => return same_flight_ended(transaction, reply, core),
        _ => {}
    }
    State::SameFlight(transaction)
}

fn same_flight_ended(mut transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    if !matches!(transaction.ahead, Ahead::Done) {
        return ahead::refused_with_message(transaction, reply, core);
    }
    core.fast.login_went_well();
    let refused_mail = transaction.refused_mail.take();
    let before = match reply.class() {
        Class::Success => {
            core.fast.early_message_went_well();
            memory::learn_of_group(core);
            Before::Nothing
        }
        Class::Intermediate => return on_end_of_data(transaction, reply, core),
        Class::Temporary | Class::Permanent => {
            // A refusal of the message is as good as any; one of the command is not, unless there was nobody to get it.
            let is_odd = matches!(reply.code(), 500..=504) && !transaction.accepted.is_empty();
            if !is_odd && !matches!(reply.code(), 500..=502) {
                core.fast.early_message_went_well();
            }
            // What is refused so late is not sent so early again on this connection.
            core.settings.chunking = Chunking::AfterRecipients;
            Before::Unfinished
        }
    };
    match refused_mail {
        Some(refusal) if before == Before::Unfinished => mail_refused(transaction, refusal, core),
        // A yes to the message counts for those who got a yes themselves, whatever was said to MAIL.
        Some(refusal) => {
            for recipient in std::mem::take(&mut transaction.accepted) {
                core.settle(recipient, Verdict::Accepted(reply.clone()));
            }
            settle_refused_mail(refusal, core);
            message_over(Before::Unfinished, core)
        }
        None if transaction.accepted.is_empty() => next(before, core),
        None => on_end_of_data(transaction, reply, core),
    }
}

/// The parameters that MAIL needs on this connection, where the message is binary.
pub(super) fn binary_allowed(parameters: Parameters, core: &Core) -> bool {
    parameters == Parameters::All && core.capabilities.binary_mime && may_chunk(core)
}
