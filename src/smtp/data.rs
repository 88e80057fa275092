//! DATA and what comes of it (RFC 5321 section 4.1.1.4): the message, its end, and the one reply that decides.

use super::action::Event;
use super::chunks::{self, Way};
use super::core::{Awaited, Core, Firewall};
use super::lmtp;
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Class, Reply};
use super::session::{Caution, Closing, Protocol, Purpose, State};
use super::stage::Stage;
use super::transaction::{
    Before, Transaction, is_about_pipelining, mail_refused, next, settle_accepted, settle_refused_mail, shut_down,
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
    let about_pipelining = is_about_pipelining(&reply) && core.group > 1;
    let trouble = Trouble { stage: Stage::Data, cause: Cause::Replied(core.keep(reply)) };
    if about_pipelining {
        core.set_retry(Caution::Serial);
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
        Firewall::Unseen => end_of_data(transaction, core),
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
    if core.pending.is_empty() && core.pipelining() && core.firewall == Firewall::Unseen {
        core.send("QUIT", Awaited::Quit);
    }
    State::EndOfData(transaction)
}

/// The first reply after the end of data decides, and only this one: a 221 behind it means nothing. In LMTP each
/// recipient has one of its own.
pub(super) fn on_end_of_data(mut transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    let reply = core.keep(reply);
    if core.settings.protocol == Protocol::Lmtp && reply.class() != Class::Intermediate {
        lmtp::on_answer(&mut transaction, reply, core);
        return if transaction.is_answered() { after_data(core) } else { State::EndOfData(transaction) };
    }
    match reply.class() {
        Class::Success => {
            for recipient in &transaction.accepted {
                core.settle(*recipient, Verdict::Accepted(reply.clone()));
            }
        }
        // Neither yes nor no: nothing is sure any more.
        Class::Intermediate => {
            let trouble = Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) };
            return shut_down(State::EndOfData(transaction), trouble, core, |_| State::Closed(Closing::Abruptly));
        }
        Class::Temporary | Class::Permanent if transaction.way != Way::Data => {
            return chunks::refused(transaction, Stage::EndOfData, reply, core);
        }
        Class::Temporary | Class::Permanent => {
            settle_accepted(&transaction, &Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) }, core);
        }
    }
    after_data(core)
}

fn after_data(core: &mut Core) -> State {
    if core.in_flight.contains(&Awaited::Quit) {
        return State::Closed(Closing::Politely);
    }
    next(Before::Nothing, core)
}
