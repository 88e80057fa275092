//! The fast plan: the first transaction in one flight with AUTH, on a server that is known to bear it.
//!
//! RFC 4954 does not say what a server does with commands behind AUTH, so the first session with a server never tries it.
//! A message is sent behind them only where MAIL without a login is refused for certain.

use super::action::{Closing, Event};
use super::core::{Awaited, Core, Firewall};
use super::lessons::is_about_pipelining;
use super::login;
use super::memory::{Bdat, EarlyMail, Grouping, Habits};
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Class, Reply};
use super::sasl::{Exchange, Mechanism};
use super::session::{Caution, Chunking, State};
use super::settings::{Protocol, Purpose};
use super::stage::Stage;
use super::transaction::{self, Before, Transaction};

/// Where the login is that goes before a transaction in the same flight.
pub(super) enum Ahead {
    /// There is none, or the server is content with it.
    Done,
    /// Its reply is awaited.
    Asked(Box<Exchange>),
    /// It was refused.
    Refused(Box<Exchange>, Reply),
    /// The server wants to hear more, and has taken the next command for it; or it says
    /// something that is no answer to the login.
    Challenged(Reply),
}

/// AUTH is in the flight with all that the mechanism has to say: the transaction follows it, or its reply is awaited.
pub(super) fn begin_or_wait(exchange: Exchange, core: &mut Core) -> State {
    core.fast.one_step();
    if !may_begin(&exchange, core) {
        return State::Login(exchange);
    }
    core.fast.behind_login();
    match transaction::first(Before::Nothing, core) {
        State::Envelope(transaction) => State::Envelope(transaction.behind(exchange)),
        State::Chunk(transaction) => State::Chunk(transaction.behind(exchange)),
        // Nothing else comes of a message that nothing hinders.
        other => other,
    }
}

/// Whether the server has nothing to say before it is content.
pub(super) fn takes_one_step(mechanism: Mechanism) -> bool {
    matches!(mechanism, Mechanism::Plain | Mechanism::External)
}

fn may_begin(exchange: &Exchange, core: &Core) -> bool {
    let is_known = |habits: Habits| matches!(habits.login, Grouping::Likely | Grouping::Proven);
    takes_one_step(exchange.mechanism())
        && matches!(core.settings.caution, Caution::None | Caution::Rest)
        && core.settings.protocol == Protocol::Smtp
        && core.memory.habits.is_some_and(is_known)
        && core.refused.is_empty()
        && core.pipelining()
        && core.firewall == Firewall::Unseen
        && transaction::is_unhindered(core)
}

/// Whether a small message may go in one flight with what is before it.
pub(super) fn may_send_early(core: &Core) -> bool {
    let Some(habits) = core.memory.habits else {
        return core.settings.chunking == Chunking::SameFlight && core.in_flight.is_empty();
    };
    if habits.bdat == Bdat::AfterRecipients {
        return false;
    }
    if core.in_flight.is_empty() {
        return core.settings.chunking == Chunking::SameFlight || habits.bdat == Bdat::Taken;
    }
    let is_behind_login = core.in_flight.iter().eq([&Awaited::Auth]);
    let is_refused_without = habits.login == Grouping::Proven && habits.early_mail == EarlyMail::Refused;
    is_behind_login && is_refused_without && habits.bdat == Bdat::Taken
}

/// The login took one step, or several.
pub(super) fn learn_of_login(core: &mut Core) {
    core.fast.logged_in();
}

/// The reply to AUTH. What it means is known when all of the group is answered.
pub(super) fn on_auth(transaction: &mut Transaction, reply: Reply) {
    let Ahead::Asked(exchange) = std::mem::replace(&mut transaction.ahead, Ahead::Done) else { return };
    transaction.ahead = match reply.class() {
        // Another yes is that to MAIL, from a server that has lost AUTH or looks at it later.
        Class::Success if reply.code() == 235 => Ahead::Done,
        Class::Success => Ahead::Challenged(reply),
        Class::Intermediate => Ahead::Challenged(reply),
        // Postfix from 3.9 on answers so to what it takes for improper pipelining.
        Class::Permanent if is_about_pipelining(&reply) => Ahead::Challenged(reply),
        Class::Temporary | Class::Permanent => Ahead::Refused(exchange, reply),
    };
}

/// The server waits for more, and has lost its place in the group: AUTH goes alone on the next connection.
pub(super) fn challenged(reply: Reply, core: &mut Core) -> State {
    core.set_retry(Caution::Login);
    core.fail_all(refusal(reply));
    State::Closed(Closing::Abruptly)
}

/// The login was refused, and all of the group is answered. The message has not been sent, and is not: a server that takes
/// MAIL all the same would send it on as that of a stranger.
pub(super) fn refused(mut transaction: Transaction, core: &mut Core) -> State {
    let wants_message = transaction.wants_message();
    match std::mem::replace(&mut transaction.ahead, Ahead::Done) {
        Ahead::Refused(exchange, reply) if transaction.refused_mail.is_some() && !wants_message => {
            core.fast.login_went_well();
            again(*exchange, reply, transaction, core)
        }
        Ahead::Refused(_, reply) => {
            learn_of_early_mail(core);
            core.fail_all(refusal(reply));
            State::Closed(Closing::Abruptly)
        }
        Ahead::Challenged(reply) => challenged(reply, core),
        Ahead::Done | Ahead::Asked(_) => core.quit(),
    }
}

/// The same where the message has gone with the commands, and this is the reply to it.
pub(super) fn refused_with_message(mut transaction: Transaction, end: Reply, core: &mut Core) -> State {
    let trouble = match std::mem::replace(&mut transaction.ahead, Ahead::Done) {
        Ahead::Refused(exchange, reply) if end.class() != Class::Success && transaction.refused_mail.is_some() => {
            core.fast.login_went_well();
            core.fast.early_message_went_well();
            core.settings.chunking = Chunking::AfterRecipients;
            return again(*exchange, reply, transaction, core);
        }
        // Who says yes to AUTH in other words has answered MAIL, and the answer to the message may be one before this:
        // whether it was taken cannot be told, and it is not sent again.
        Ahead::Challenged(reply) if reply.class() == Class::Success => {
            core.set_retry(Caution::None);
            core.fail_all(Trouble { stage: Stage::EndOfData, cause: Cause::Unsolicited(reply) });
            return State::Closed(Closing::Abruptly);
        }
        Ahead::Challenged(reply) if end.class() != Class::Success => return challenged(reply, core),
        Ahead::Refused(_, reply) | Ahead::Challenged(reply) => refusal(reply),
        Ahead::Done | Ahead::Asked(_) => return core.quit(),
    };
    if transaction.refused_mail.is_none() {
        learn_of_early_mail(core);
    }
    if end.class() == Class::Success {
        let words =
            "the server refused the login, and took the message all the same: it was sent without authentication";
        core.events.push_back(Event::Warning(words.to_owned()));
        for recipient in &transaction.accepted {
            core.settle(*recipient, Verdict::Accepted(end.clone()));
        }
    }
    core.fail_all(trouble);
    State::Closed(Closing::Abruptly)
}

/// The refusal of a login as it should be: another mechanism may do, with AUTH alone.
fn again(exchange: Exchange, reply: Reply, transaction: Transaction, core: &mut Core) -> State {
    for recipient in transaction.into_members().into_iter().rev() {
        core.pending.push_front(recipient);
    }
    login::on_reply(exchange, reply, core)
}

fn learn_of_early_mail(core: &mut Core) {
    if let (Some(habits), Purpose::Submit(..)) = (&mut core.memory.habits, &core.purpose) {
        habits.early_mail = EarlyMail::Taken;
    }
}

pub(super) fn refusal(reply: Reply) -> Trouble {
    Trouble { stage: Stage::Auth, cause: Cause::Replied(reply) }
}
