//! DATA and what comes of it (RFC 5321 section 4.1.1.4): the message, its end, and the one reply that decides.

use super::action::Event;
use super::chunks::{self, Way};
use super::core::{Awaited, Core, Firewall};
use super::lessons::lesson;
use super::lmtp;
use super::memory;
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Class, Reply};
use super::session::{Closing, Protocol, Purpose, Series, State};
use super::stage::Stage;
use super::transaction::{
    Before, Transaction, enter, first, mail_refused, may_go_on, next, settle_accepted, settle_refused_mail, shut_down,
};

pub(super) fn on_data(mut transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    let refused_mail = transaction.refused_mail.take();
    match reply.class() {
        // A yes to DATA is against the protocol: nothing that follows could be told apart.
        Class::Success => {
            match refused_mail {
                Some(reply) => settle_refused_mail(reply, core),
                None => core.fail_all(Trouble { stage: Stage::Data, cause: Cause::Replied(reply) }),
            }
            State::Closed(Closing::Abruptly)
        }
        // It waits for the rest of a message of which it has the beginning (RFC 1845 section 4.4). Whose that is cannot be
        // known: no transaction of ours bears a name by which it could go on.
        Class::Intermediate if reply.code() == 355 && refused_mail.is_none() => {
            core.fail_all(Trouble { stage: Stage::Data, cause: Cause::Replied(reply) });
            State::Closed(Closing::Abruptly)
        }
        Class::Intermediate if refused_mail.is_none() && !transaction.accepted.is_empty() => State::Body(transaction),
        // It wants a message although there is nobody to get it: an empty one, whose fate nobody asks for
        // (RFC 2920 section 3.1).
        Class::Intermediate => {
            if let Some(reply) = refused_mail {
                settle_refused_mail(reply, core);
            }
            match core.settings.protocol {
                Protocol::Smtp => {
                    core.send(".", Awaited::Nothing);
                    State::Discarded
                }
                // There is a reply for each recipient, and so none here (RFC 2033 section 4.2).
                Protocol::Lmtp => {
                    core.send_unanswered(".");
                    next(Before::Unfinished, core)
                }
            }
        }
        Class::Temporary | Class::Permanent => match refused_mail {
            Some(reply) => mail_refused(transaction, reply, core),
            None => data_refused(transaction, reply, core),
        },
    }
}

fn data_refused(transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    if transaction.accepted.is_empty() {
        return next(Before::Unfinished, core);
    }
    let lesson = lesson(&reply, core).filter(|_| core.group > 1);
    let trouble = Trouble { stage: Stage::Data, cause: Cause::Replied(core.keep(reply)) };
    if let Some(caution) = lesson {
        core.set_retry(caution);
        core.settle_all(&Verdict::Deferred(trouble));
        return core.quit();
    }
    settle_accepted(&transaction, &trouble, core);
    next(Before::Unfinished, core)
}

/// The message is in the flight: its end follows, behind some firewalls in a flight of its own.
pub(super) fn sent(transaction: Transaction, core: &mut Core) -> State {
    record_message(core);
    match core.firewall {
        Firewall::Seen => State::BeforeFlush(transaction),
        Firewall::Unseen => ask_or_end(transaction, core),
    }
}

/// The end of data waits for the next message, if there is one whose commands may go with it (RFC 2920 section 3.1).
fn ask_or_end(transaction: Transaction, core: &mut Core) -> State {
    if !may_go_on(core) {
        core.series = Series::Over;
    }
    let may_overlap = core.series == Series::Open && core.pipelining() && core.pending.is_empty();
    if may_overlap { State::BeforeEnd(transaction) } else { end_of_data(transaction, core) }
}

/// The next message is known before the end of data of this one has left: they go in one flight.
pub(super) fn overlap(ended: Transaction, core: &mut Core) -> State {
    core.send(".", Awaited::EndOfData);
    if core.settings.protocol == Protocol::Lmtp {
        lmtp::expect_answers(&ended, core);
    }
    match first(Before::Nothing, core) {
        State::Envelope(next) => State::Overlap(ended, Box::new(next)),
        // It waits, because it must be re-encoded, or it cannot be sent to this server at all.
        _ => State::EndOfData(ended),
    }
}

/// A reply to the end of a message behind which the next one has begun.
pub(super) fn on_overlap(ended: Transaction, next: Transaction, reply: Reply, core: &mut Core) -> State {
    match settle(ended, reply, core) {
        Settled::All => State::Envelope(next),
        Settled::Some(ended) => State::Overlap(ended, Box::new(next)),
        Settled::Refused(ended, reply) => {
            settle_accepted(&ended, &Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) }, core);
            State::Envelope(next)
        }
        Settled::Unclear(ended, reply) => {
            let trouble = Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) };
            shut_down(State::Overlap(ended, Box::new(next)), trouble, core, |_| State::Closed(Closing::Abruptly))
        }
    }
}

/// The transcript shows that the message leaves.
pub(super) fn record_message(core: &mut Core) {
    if let Purpose::Submit(_, facts) = &core.purpose {
        let size = facts.size;
        core.events.push_back(Event::Message(size));
    }
}

/// The end of data, and QUIT with it where nothing else is to be done.
pub(super) fn end_of_data(transaction: Transaction, core: &mut Core) -> State {
    core.send(".", Awaited::EndOfData);
    if core.settings.protocol == Protocol::Lmtp {
        lmtp::expect_answers(&transaction, core);
    }
    let is_last = core.pending.is_empty() && core.series == Series::Over;
    if is_last && core.pipelining() && core.firewall == Firewall::Unseen {
        core.send("QUIT", Awaited::Quit);
    }
    State::EndOfData(transaction)
}

/// What a reply to the end of data means for the recipients.
enum Settled {
    /// All who were accepted have a verdict.
    All,
    /// Others wait for a reply of their own (LMTP).
    Some(Transaction),
    Refused(Transaction, Reply),
    /// Neither yes nor no: nothing is sure any more.
    Unclear(Transaction, Reply),
}

/// The first reply after the end of data decides, and only this one: a 221 behind it means nothing. In LMTP each
/// recipient has one of its own.
fn settle(mut transaction: Transaction, reply: Reply, core: &mut Core) -> Settled {
    let reply = core.keep(reply);
    if core.settings.protocol == Protocol::Lmtp && reply.class() != Class::Intermediate {
        lmtp::on_answer(&mut transaction, reply, core);
        return if transaction.is_answered() { Settled::All } else { Settled::Some(transaction) };
    }
    match reply.class() {
        Class::Success => {
            if transaction.way != Way::Data {
                memory::learn_of_chunks(core);
            }
            for recipient in &transaction.accepted {
                core.settle(*recipient, Verdict::Accepted(reply.clone()));
            }
            Settled::All
        }
        Class::Intermediate => Settled::Unclear(transaction, reply),
        Class::Temporary | Class::Permanent => Settled::Refused(transaction, reply),
    }
}

pub(super) fn on_end_of_data(transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    match settle(transaction, reply, core) {
        Settled::All => after_data(core),
        Settled::Some(transaction) => State::EndOfData(transaction),
        Settled::Unclear(transaction, reply) => {
            let trouble = Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) };
            shut_down(State::EndOfData(transaction), trouble, core, |_| State::Closed(Closing::Abruptly))
        }
        Settled::Refused(transaction, reply) if transaction.way != Way::Data => {
            chunks::refused(transaction, Stage::EndOfData, reply, core)
        }
        Settled::Refused(transaction, reply) => {
            settle_accepted(&transaction, &Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) }, core);
            after_data(core)
        }
    }
}

fn after_data(core: &mut Core) -> State {
    if core.in_flight.contains(&Awaited::Quit) {
        return State::Closed(Closing::Politely);
    }
    // Another message may wait already, of which nothing has been looked at.
    enter(Before::Nothing, core)
}
