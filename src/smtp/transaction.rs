//! The mail transaction (RFC 5321 section 3.3): MAIL, RCPT and DATA in as few flights as the server allows
//! (RFC 2920), the end of data with QUIT, and as many transactions as there are too many recipients for one.

use super::ahead::{self, Ahead};
use super::capabilities::Size;
use super::chunks::{self, Progress, Way};
use super::core::{Awaited, Core};
use super::data::on_data;
use super::lessons::lesson;
use super::limits::{MANY, leave_to_another, may_begin, take_members};
use super::lmtp;
use super::memory;
use super::outcome::{Cause, Trouble, Verdict};
use super::parameters::{
    Parameters, mail, mail_hindrance, may_be_about_parameters, rcpt, rcpt_hindrance, rcpt_parameters,
};
use super::reencode;
use super::reply::{Class, Reply};
use super::sasl::Exchange;
use super::session::{Caution, Closing, EightBit, Partial, Protocol, Purpose, Series, State};
use super::stage::Stage;
use super::wishes::{do_with_less, name_without_parameters, tell_of_unserved};

/// Most RCPTs in one flight. The replies to so many fit in any receive buffer, so that neither side can block the
/// other (RFC 2920 section 3.1), and a server that has enough of them is noticed soon.
const WINDOW: usize = 100;

/// One transaction.
pub(super) struct Transaction {
    /// All its recipients.
    members: Vec<usize>,
    /// How many of them were named to the server.
    named: usize,
    /// Those that it took.
    pub(super) accepted: Vec<usize>,
    /// How many of those have a reply to the message of their own (LMTP).
    pub(super) answered: usize,
    pub(super) refused_mail: Option<Reply>,
    data: Option<Reply>,
    pub(super) way: Way,
    pub(super) progress: Progress,
    room: Room,
    again: Again,
    /// The login that is in the same flight.
    pub(super) ahead: Ahead,
    /// Whether a recipient was refused for good or for now.
    some_refused: bool,
}

/// Whether the server takes more recipients in this transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Left,
    Full,
}

/// Whether a transaction is to be begun again, without parameters that the server does not take after all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    No,
    /// With all its recipients: nobody may get the message unless all do.
    All,
}

/// What was in the session before a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing that must be undone.
    Nothing,
    /// A transaction that was begun and not brought to its end: RSET (RFC 5321 section 4.1.4).
    Unfinished,
}

impl Transaction {
    /// Whether all that the server has said so far was a yes.
    pub(super) fn nothing_refused(&self) -> bool {
        self.refused_mail.is_none() && !self.some_refused && !matches!(self.ahead, Ahead::Refused(..))
    }

    /// The same transaction, whose commands go behind this login.
    pub(super) fn behind(self, exchange: Exchange) -> Self {
        Transaction { ahead: Ahead::Asked(Box::new(exchange)), ..self }
    }

    /// Whether the server waits for the message.
    pub(super) fn wants_message(&self) -> bool {
        self.data.as_ref().is_some_and(|reply| reply.class() == Class::Intermediate)
    }

    /// All its recipients.
    pub(super) fn into_members(self) -> Vec<usize> {
        self.members
    }

    /// Whether each recipient has its reply to the message (LMTP).
    pub(super) fn is_answered(&self) -> bool {
        self.answered >= self.accepted.len()
    }

    /// Whether all of it goes out in one flight.
    pub(super) fn is_same_flight(&self) -> bool {
        self.way == Way::SameFlight
    }

    /// Whether the server took so many recipients that it may have had enough of them.
    pub(super) fn many_accepted(&self) -> bool {
        self.accepted.len() >= MANY
    }
}

/// The first transaction of a message.
pub(super) fn first(before: Before, core: &mut Core) -> State {
    settle_hindered(core);
    enter(before, core)
}

/// Whether nothing is known that keeps the message, as it is, from any of its recipients.
pub(super) fn is_unhindered(core: &Core) -> bool {
    !core.pending.is_empty()
        && may_begin(core)
        && hindrance(core).is_none()
        && (core.settings.eight_bit == EightBit::Send || reencode::goal(core).is_none())
        && core.pending.iter().all(|recipient| rcpt_hindrance(*recipient, core).is_none())
}

/// What keeps the message from this server.
fn hindrance(core: &Core) -> Option<Cause> {
    let Purpose::Submit(envelope, facts) = &core.purpose else { return None };
    mail_hindrance(envelope, core).or(match core.capabilities.size {
        Size::Limit(limit) if facts.size > limit => Some(Cause::TooLarge { size: facts.size, limit }),
        _ if core.settings.eight_bit == EightBit::Refuse && reencode::goal(core).is_some() => Some(Cause::EightBit),
        _ => None,
    })
}

/// A transaction, if the server can take the message at all.
pub(super) fn enter(before: Before, core: &mut Core) -> State {
    match hindrance(core) {
        // Each has a reason of its own already.
        _ if core.pending.is_empty() => message_over(before, core),
        Some(cause) => {
            core.fail_message(Trouble { stage: Stage::Mail, cause });
            message_over(before, core)
        }
        None => {
            if core.settings.eight_bit == EightBit::Encode
                && let Some(goal) = reencode::goal(core)
            {
                return State::Reencoding(before, goal);
            }
            tell_of_unserved(core);
            next(before, core)
        }
    }
}

/// Every recipient of the message has its verdict. The session ends, unless another message may follow and this one
/// has taught nothing that is of use on another connection.
pub(super) fn message_over(before: Before, core: &mut Core) -> State {
    if may_go_on(core) { State::Idle(before) } else { core.quit() }
}

/// Whether another message may be sent on this connection, if there is one.
pub(super) fn may_go_on(core: &Core) -> bool {
    core.series == Series::Open && core.retry == Caution::None && may_begin(core)
}

/// Settles those whose address this server cannot be told.
fn settle_hindered(core: &mut Core) {
    for _ in 0..core.pending.len() {
        let Some(recipient) = core.pending.pop_front() else { break };
        match rcpt_hindrance(recipient, core) {
            None => core.pending.push_back(recipient),
            Some(cause) => core.settle(recipient, Trouble { stage: Stage::Rcpt, cause }.verdict()),
        }
    }
}

/// The next transaction for recipients that are left, or the end of the message.
pub(super) fn next(before: Before, core: &mut Core) -> State {
    let members = take_members(core);
    if members.is_empty() {
        return if core.pending.is_empty() { message_over(before, core) } else { leave_to_another(core) };
    }
    if core.settings.partial == Partial::AllOrNone && core.own_verdicts().iter().any(Option::is_some) {
        settle_others(core);
        return message_over(before, core);
    }
    begin(members, before, core)
}

fn begin(members: Vec<usize>, before: Before, core: &mut Core) -> State {
    let transaction = Transaction {
        members,
        named: 0,
        accepted: Vec::new(),
        answered: 0,
        refused_mail: None,
        data: None,
        way: chunks::way(before, core),
        progress: Progress::default(),
        room: Room::Left,
        again: Again::No,
        ahead: Ahead::Done,
        some_refused: false,
    };
    if before == Before::Unfinished {
        core.send("RSET", Awaited::Reset);
        if !core.pipelining() {
            return State::Envelope(transaction);
        }
    }
    open(transaction, core)
}

/// MAIL, and with pipelining all that may follow it.
fn open(transaction: Transaction, core: &mut Core) -> State {
    let Purpose::Submit(envelope, facts) = &core.purpose else { return core.quit() };
    let line = mail(envelope, facts, core.parameters, core);
    core.spent.mails += 1;
    core.send(&line, Awaited::Mail);
    if core.pipelining() { name_recipients(transaction, core) } else { State::Envelope(transaction) }
}

/// The next recipients, and DATA behind the last of them where nothing has to be known before.
fn name_recipients(mut transaction: Transaction, core: &mut Core) -> State {
    let window = if core.pipelining() { WINDOW } else { 1 };
    let end = transaction.members.len().min(transaction.named + window);
    for at in transaction.named..end {
        let recipient = transaction.members[at];
        if let Some(line) = rcpt(recipient, core) {
            core.send(&line, Awaited::Rcpt(recipient, rcpt_parameters(recipient, core)));
        }
    }
    transaction.named = end;
    let all_named = end == transaction.members.len();
    if all_named && core.pipelining() && core.settings.partial == Partial::Deliver {
        match transaction.way {
            Way::Data => core.send("DATA", Awaited::Data),
            Way::Chunks => {}
            Way::SameFlight => return chunks::begin(transaction, core),
        }
    }
    State::Envelope(transaction)
}

pub(super) fn on_reply(mut transaction: Transaction, awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    match awaited {
        Awaited::Auth => {
            ahead::on_auth(&mut transaction, reply);
            if let Ahead::Challenged(reply) = transaction.ahead {
                return ahead::challenged(reply, core);
            }
        }
        Awaited::Reset if reply.class() != Class::Success => {
            // The next connection begins with a clean slate, and needs no RSET.
            core.set_retry(Caution::Serial);
            core.fail_all(Trouble { stage: Stage::Reset, cause: Cause::Replied(reply) });
            return State::Closed(Closing::Abruptly);
        }
        // Without pipelining the reply to RSET is awaited before MAIL.
        Awaited::Reset if core.in_flight.is_empty() => return open(transaction, core),
        Awaited::Mail if reply.class() != Class::Success => transaction.refused_mail = Some(reply),
        Awaited::Rcpt(recipient, parameters) if transaction.refused_mail.is_none() => {
            on_recipient(&mut transaction, recipient, parameters, reply, core);
        }
        Awaited::Data => transaction.data = Some(reply),
        _ => {}
    }
    if core.in_flight.is_empty() { group_answered(transaction, core) } else { State::Envelope(transaction) }
}

pub(super) fn on_recipient(
    transaction: &mut Transaction,
    recipient: usize,
    parameters: Parameters,
    reply: Reply,
    core: &mut Core,
) {
    // What is said to somebody without a login is not about the recipient.
    let is_stranger = !matches!(transaction.ahead, Ahead::Done);
    if is_stranger && reply.class() != Class::Success {
        return;
    }
    if reply.class() == Class::Success {
        transaction.accepted.push(recipient);
        return;
    }
    if parameters == Parameters::All && may_be_about_parameters(&reply) {
        name_without_parameters(core);
        match core.settings.partial {
            Partial::Deliver => core.pending.push_back(recipient),
            Partial::AllOrNone => transaction.again = Again::All,
        }
        return;
    }
    if (is_full(&reply) || wants_one_domain(&reply)) && !transaction.accepted.is_empty() {
        transaction.room = Room::Full;
        if is_limit(&reply) && transaction.many_accepted() {
            memory::learn_of_limit(transaction.accepted.len(), core);
        }
        core.pending.push_back(recipient);
        return;
    }
    transaction.some_refused = true;
    let lesson = lesson(&reply, core).filter(|_| core.pipelining());
    let trouble = Trouble { stage: Stage::Rcpt, cause: Cause::Replied(core.keep(reply)) };
    if let Some(caution) = lesson {
        core.set_retry(caution);
        core.settle(recipient, Verdict::Deferred(trouble));
    } else {
        core.settle(recipient, trouble.verdict());
    }
}

/// Whether a reply to RCPT means "enough recipients for one transaction" (RFC 5321 section 4.5.3.1.10). Old servers
/// say 552 for that. One that means this recipient's mailbox or the size of the message has an enhanced status code
/// which says so.
fn is_full(reply: &Reply) -> bool {
    let enhanced = reply.enhanced().map(|code| (code.subject, code.detail));
    matches!(reply.code(), 452 | 552) && !matches!(enhanced, Some((3, 4) | (2, _)))
}

/// Whether it says that the limit is one of recipients, and not of something that is different another time.
fn is_limit(reply: &Reply) -> bool {
    reply.enhanced().is_some_and(|code| (code.subject, code.detail) == (5, 3))
}

/// Google takes recipients of one domain in a transaction, and says so with a code that means "later" to all others.
fn wants_one_domain(reply: &Reply) -> bool {
    let says = |line: &String| line.to_ascii_lowercase().contains("multiple destination domains");
    reply.code() == 451 && reply.lines().iter().any(says)
}

/// All replies to a group are there.
fn group_answered(mut transaction: Transaction, core: &mut Core) -> State {
    if !matches!(transaction.ahead, Ahead::Done) {
        return ahead::refused(transaction, core);
    }
    let is_odd = |reply: &Reply| lesson(reply, core).is_some() && !transaction.accepted.is_empty();
    let is_odd = transaction.data.as_ref().is_some_and(is_odd) || core.retry != Caution::None;
    if transaction.refused_mail.is_none() && !is_odd {
        core.fast.login_went_well();
        memory::learn_of_group(core);
    }
    if let Some(data) = transaction.data.take() {
        return on_data(transaction, data, core);
    }
    if let Some(reply) = transaction.refused_mail.take() {
        return mail_refused(transaction, reply, core);
    }
    let incomplete = transaction.some_refused || transaction.room == Room::Full;
    if core.settings.partial == Partial::AllOrNone && incomplete {
        return leave_out_all(core);
    }
    if transaction.again == Again::All {
        return begin(transaction.members, Before::Unfinished, core);
    }
    if transaction.named < transaction.members.len() && transaction.room == Room::Left {
        return name_recipients(transaction, core);
    }
    // Those behind a 452 that were not named yet have their turn in the next transaction.
    let rest = transaction.members.split_off(transaction.named);
    core.pending.extend(rest);
    if transaction.accepted.is_empty() {
        return next(Before::Unfinished, core);
    }
    if transaction.way != Way::Data {
        return chunks::begin(transaction, core);
    }
    core.send("DATA", Awaited::Data);
    State::Envelope(transaction)
}

/// Nobody gets the message, because somebody cannot: the transaction is taken back.
fn leave_out_all(core: &mut Core) -> State {
    settle_others(core);
    take_back(core)
}

/// RSET, and what follows it.
pub(super) fn take_back(core: &mut Core) -> State {
    if may_go_on(core) {
        return State::Idle(Before::Unfinished);
    }
    core.send("RSET", Awaited::Reset);
    if core.pipelining() { core.quit() } else { State::Leaving }
}

/// Those who were not refused share the fate of those who were. A refusal for now leaves hope for all.
fn settle_others(core: &mut Core) {
    let trouble = Trouble { stage: Stage::Rcpt, cause: Cause::OthersRefused };
    let hopeless = core.own_verdicts().iter().flatten().any(|verdict| matches!(verdict, Verdict::Failed(_)));
    let verdict = if hopeless { Verdict::Failed(trouble.clone()) } else { Verdict::Deferred(trouble.clone()) };
    core.settle_message(&verdict);
    core.trouble.get_or_insert(trouble);
}

/// MAIL was refused: for its parameters, in which case it is tried once without those that are not needed, or for
/// good, in which case its reply is the verdict of all recipients.
pub(super) fn mail_refused(transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    if may_be_about_parameters(&reply) {
        if may_do_with_less(core) {
            do_with_less(core);
            return begin(transaction.members, Before::Unfinished, core);
        }
        if let Some(state) = reencode::instead_of_body(transaction, core) {
            return state;
        }
    }
    settle_refused_mail(reply, core);
    message_over(Before::Unfinished, core)
}

/// Whether the last MAIL had a parameter that the message can do without.
fn may_do_with_less(core: &Core) -> bool {
    let Purpose::Submit(envelope, facts) = &core.purpose else { return false };
    mail(envelope, facts, core.parameters, core) != mail(envelope, facts, Parameters::Needed, core)
}

/// The reply to MAIL is the verdict of all, unless it comes from a server that does not bear a group of commands.
pub(super) fn settle_refused_mail(reply: Reply, core: &mut Core) {
    let lesson = lesson(&reply, core).filter(|_| core.group > 1);
    if lesson.is_none() {
        core.fast.login_went_well();
    }
    let trouble = Trouble { stage: Stage::Mail, cause: Cause::Replied(reply) };
    if let Some(caution) = lesson {
        core.set_retry(caution);
        core.settle_all(&Verdict::Deferred(trouble.clone()));
    }
    core.fail_all(trouble);
}

/// The session ends here, and not by a reply to what the state waits for.
pub(super) fn shut_down(
    state: State,
    trouble: Trouble,
    core: &mut Core,
    close: impl FnOnce(&mut Core) -> State,
) -> State {
    match state {
        // A refusal that was read already explains more than the loss does, and that of the login more than what followed it.
        State::Envelope(Transaction { ahead: Ahead::Refused(_, reply), .. })
        | State::SameFlight(Transaction { ahead: Ahead::Refused(_, reply), refused_mail: Some(_), .. }) => {
            core.fail_all(ahead::refusal(reply));
        }
        State::Envelope(Transaction { refused_mail: Some(reply), .. }) => settle_refused_mail(reply, core),
        // Only those in the transaction may have got the message, and a refusal is about them.
        State::Body(transaction)
        | State::Chunk(transaction)
        | State::Chunked(transaction)
        | State::Interrupted(transaction)
        | State::BeforeFlush(transaction)
        | State::Flushed(transaction)
        | State::BeforeEnd(transaction)
        | State::Overlap(transaction, _)
        | State::EndOfData(transaction) => {
            if core.settings.protocol == Protocol::Lmtp {
                lmtp::on_shutdown(&transaction, &trouble, core);
            }
            settle_accepted(&transaction, &trouble, core);
            core.settle_all(&Verdict::Deferred(Trouble { stage: Stage::Mail, cause: trouble.cause.clone() }));
            core.trouble.get_or_insert(trouble);
        }
        // Any of them may have got it, whom the server has not refused.
        State::SameFlight(transaction) => {
            for recipient in &transaction.members {
                core.settle(*recipient, trouble.clone().verdict());
            }
            core.settle_all(&Verdict::Deferred(Trouble { stage: Stage::Mail, cause: trouble.cause.clone() }));
            core.trouble.get_or_insert(trouble);
        }
        _ => core.fail_all(trouble),
    }
    close(core)
}

pub(super) fn settle_accepted(transaction: &Transaction, trouble: &Trouble, core: &mut Core) {
    for recipient in &transaction.accepted {
        core.settle(*recipient, trouble.clone().verdict());
    }
}
