//! The mail transaction (RFC 5321 section 3.3): MAIL, RCPT and DATA in as few flights as the server allows
//! (RFC 2920), the end of data with QUIT, and as many transactions as there are too many recipients for one.

use super::capabilities::Size;
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Class, Reply};
use super::session::{Awaited, Caution, Closing, Core, EightBit, Event, Partial, Purpose, State};
use super::stage::Stage;
use crate::envelope::Envelope;
use crate::message::Facts;

/// Most RCPTs in one flight. The replies to so many fit in any receive buffer, so that neither side can block the
/// other (RFC 2920 section 3.1), and a server that has enough of them is noticed soon.
const WINDOW: usize = 100;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4). SIZE and BODY add to it.
const LINE_LIMIT: usize = 512;

/// One transaction.
pub(super) struct Transaction {
    /// All its recipients.
    members: Vec<usize>,
    /// How many of them were named to the server.
    named: usize,
    /// Those that it took.
    accepted: Vec<usize>,
    refused_mail: Option<Reply>,
    data: Option<Reply>,
    parameters: Parameters,
    room: Room,
    /// Whether a recipient was refused for good or for now.
    some_refused: bool,
}

/// Which parameters go with MAIL.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parameters {
    /// All that the capabilities allow.
    All,
    /// Without SIZE, because the server refused the command as it was.
    Needed,
}

/// Whether the server takes more recipients in this transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Left,
    Full,
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
        self.refused_mail.is_none() && !self.some_refused
    }
}

/// The first transaction of a session, if the server can take the message at all.
pub(super) fn first(core: &mut Core) -> State {
    let Purpose::Submit(envelope, facts) = &core.purpose else { return core.quit() };
    let hindrance = match core.capabilities.size {
        Size::Limit(limit) if facts.size > limit => Some(Cause::TooLarge { size: facts.size, limit }),
        _ if facts.eight_bit && !core.capabilities.eight_bit_mime && core.settings.eight_bit == EightBit::Refuse => {
            Some(Cause::EightBit)
        }
        _ if mail(envelope, facts, Parameters::Needed, core).len() + 2 > LINE_LIMIT => Some(Cause::LineTooLong),
        _ => None,
    };
    match hindrance {
        Some(cause) => core.give_up(Trouble { stage: Stage::Mail, cause }),
        None => next(Before::Nothing, core),
    }
}

/// The next transaction for recipients that are left, or the end of the session.
pub(super) fn next(before: Before, core: &mut Core) -> State {
    let mut members = Vec::new();
    while members.len() < core.settings.max_recipients.max(1) {
        let Some(recipient) = core.pending.pop_front() else { break };
        if rcpt(recipient, core).is_some_and(|line| line.len() + 2 <= LINE_LIMIT) {
            members.push(recipient);
        } else {
            core.settle(recipient, Trouble { stage: Stage::Rcpt, cause: Cause::LineTooLong }.verdict());
        }
    }
    if members.is_empty() { core.quit() } else { begin(members, Parameters::All, before, core) }
}

fn begin(members: Vec<usize>, parameters: Parameters, before: Before, core: &mut Core) -> State {
    let transaction = Transaction {
        members,
        named: 0,
        accepted: Vec::new(),
        refused_mail: None,
        data: None,
        parameters,
        room: Room::Left,
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
    let line = mail(envelope, facts, transaction.parameters, core);
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
            core.send(&line, Awaited::Rcpt(recipient));
        }
    }
    transaction.named = end;
    let all_named = end == transaction.members.len();
    if all_named && core.pipelining() && core.settings.partial == Partial::Deliver {
        core.send("DATA", Awaited::Data);
    }
    State::Envelope(transaction)
}

pub(super) fn on_reply(mut transaction: Transaction, awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    match awaited {
        Awaited::Reset if reply.class() != Class::Success => {
            return give_up_members(transaction, Trouble { stage: Stage::Reset, cause: Cause::Replied(reply) }, core);
        }
        // Without pipelining the reply to RSET is awaited before MAIL.
        Awaited::Reset if core.in_flight.is_empty() => return open(transaction, core),
        Awaited::Mail if reply.class() != Class::Success => transaction.refused_mail = Some(reply),
        Awaited::Rcpt(recipient) if transaction.refused_mail.is_none() => {
            on_recipient(&mut transaction, recipient, reply, core);
        }
        Awaited::Data => transaction.data = Some(reply),
        _ => {}
    }
    if core.in_flight.is_empty() { group_answered(transaction, core) } else { State::Envelope(transaction) }
}

fn on_recipient(transaction: &mut Transaction, recipient: usize, reply: Reply, core: &mut Core) {
    if reply.class() == Class::Success {
        transaction.accepted.push(recipient);
        return;
    }
    if is_full(&reply) && !transaction.accepted.is_empty() {
        transaction.room = Room::Full;
        core.pending.push_back(recipient);
        return;
    }
    transaction.some_refused = true;
    core.settle(recipient, Trouble { stage: Stage::Rcpt, cause: Cause::Replied(reply) }.verdict());
}

/// Whether a reply to RCPT means "enough recipients for one transaction" (RFC 5321 section 4.5.3.1.10). Old servers
/// say 552 for that; one that means the size of the message has an enhanced status code which says so.
fn is_full(reply: &Reply) -> bool {
    let enhanced = reply.enhanced().map(|code| (code.subject, code.detail));
    match reply.code() {
        452 => true,
        552 => !matches!(enhanced, Some((3, 4) | (2, _))),
        _ => false,
    }
}

/// All replies to a group are there.
fn group_answered(mut transaction: Transaction, core: &mut Core) -> State {
    if let Some(data) = transaction.data.take() {
        return on_data(transaction, data, core);
    }
    if transaction.refused_mail.is_some() {
        return mail_refused(transaction, Before::Nothing, core);
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
    if core.settings.partial == Partial::AllOrNone && (transaction.some_refused || !core.pending.is_empty()) {
        return core.give_up(Trouble { stage: Stage::Rcpt, cause: Cause::OthersRefused });
    }
    core.send("DATA", Awaited::Data);
    State::Envelope(transaction)
}

fn on_data(transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    match reply.class() {
        Class::Intermediate if transaction.refused_mail.is_none() && !transaction.accepted.is_empty() => {
            State::Body(transaction)
        }
        // It wants a message although there is nobody to get it: an empty one, whose fate nobody asks for
        // (RFC 2920 section 3.1). The recipients have their verdicts already.
        Class::Intermediate => {
            if transaction.refused_mail.is_some() {
                let discarded = mail_refused_verdicts(&transaction);
                core.fail_all(discarded);
            }
            core.send(".", Awaited::EndOfData);
            State::Discarded
        }
        _ if transaction.refused_mail.is_some() => mail_refused(transaction, Before::Unfinished, core),
        _ if transaction.accepted.is_empty() => next(Before::Unfinished, core),
        // A yes to DATA is against the protocol: nothing that follows could be told apart.
        Class::Success => {
            core.fail_all(Trouble { stage: Stage::Data, cause: Cause::Replied(reply) });
            State::Closed(Closing::Abruptly)
        }
        Class::Temporary | Class::Permanent => {
            if is_about_pipelining(&reply) && transaction.nothing_refused() {
                core.set_retry(Caution::Serial);
            }
            settle_accepted(&transaction, Trouble { stage: Stage::Data, cause: Cause::Replied(reply) }, core);
            next(Before::Unfinished, core)
        }
    }
}

/// MAIL was refused: for its parameters, in which case it is tried once without those that are not needed, or for
/// good, in which case its reply is the verdict of all recipients.
fn mail_refused(transaction: Transaction, before: Before, core: &mut Core) -> State {
    let trouble = mail_refused_verdicts(&transaction);
    let code = trouble.reply().map_or(0, Reply::code);
    let had_size = transaction.parameters == Parameters::All && core.capabilities.size != Size::NotListed;
    if had_size && matches!(code, 455 | 500 | 501 | 504 | 555) {
        return begin(transaction.members, Parameters::Needed, Before::Unfinished, core);
    }
    let _ = before;
    if trouble.reply().is_some_and(is_about_pipelining) && core.pipelining() {
        core.set_retry(Caution::Serial);
    }
    core.give_up(trouble)
}

fn mail_refused_verdicts(transaction: &Transaction) -> Trouble {
    let cause = match &transaction.refused_mail {
        Some(reply) => Cause::Replied(reply.clone()),
        None => Cause::Lost("MAIL was not answered".to_owned()),
    };
    Trouble { stage: Stage::Mail, cause }
}

/// "Improper use of SMTP command pipelining", "synchronization error": from servers that list it and do not bear it.
fn is_about_pipelining(reply: &Reply) -> bool {
    matches!(reply.code(), 500 | 503 | 554)
        && reply.lines().iter().any(|line| {
            let line = line.to_ascii_lowercase();
            line.contains("pipelin") || line.contains("synchroni")
        })
}

/// The message is in the flight: the end of data follows, and QUIT with it where nothing else is to be done.
pub(super) fn end_of_data(transaction: Transaction, core: &mut Core) -> State {
    if let Purpose::Submit(_, facts) = &core.purpose {
        let size = facts.size;
        core.event(Event::Message(size));
    }
    core.send(".", Awaited::EndOfData);
    if core.pending.is_empty() && core.pipelining() {
        core.send("QUIT", Awaited::Quit);
    }
    State::EndOfData(transaction)
}

/// The first reply after the end of data decides, and only this one: a 221 behind it means nothing.
pub(super) fn on_end_of_data(transaction: Transaction, reply: Reply, core: &mut Core) -> State {
    if reply.class() == Class::Success {
        for recipient in &transaction.accepted {
            core.settle(*recipient, Verdict::Accepted(reply.clone()));
        }
    } else {
        settle_accepted(&transaction, Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) }, core);
    }
    if core.in_flight.contains(&Awaited::Quit) {
        return State::Closed(Closing::Politely);
    }
    next(Before::Nothing, core)
}

/// The connection ends here. A refusal of MAIL that was read already explains more than the loss does.
pub(super) fn shut_down(state: State, trouble: Trouble, core: &mut Core) -> State {
    let trouble = match state {
        State::Envelope(transaction) if transaction.refused_mail.is_some() => mail_refused_verdicts(&transaction),
        State::EndOfData(transaction) => {
            // Only those in the transaction may have got the message.
            settle_accepted(&transaction, trouble.clone(), core);
            Trouble { stage: Stage::Mail, cause: trouble.cause }
        }
        _ => trouble,
    };
    core.fail_all(trouble);
    State::Closed(Closing::Abruptly)
}

fn settle_accepted(transaction: &Transaction, trouble: Trouble, core: &mut Core) {
    for recipient in &transaction.accepted {
        core.settle(*recipient, trouble.clone().verdict());
    }
}

fn give_up_members(_transaction: Transaction, trouble: Trouble, core: &mut Core) -> State {
    core.fail_all(trouble);
    State::Closed(Closing::Abruptly)
}

fn mail(envelope: &Envelope, facts: &Facts, parameters: Parameters, core: &Core) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.sender().as_str());
    if parameters == Parameters::All && core.capabilities.size != Size::NotListed {
        line.push_str(&format!(" SIZE={}", facts.size));
    }
    if facts.eight_bit && core.capabilities.eight_bit_mime {
        line.push_str(" BODY=8BITMIME");
    }
    line
}

fn rcpt(recipient: usize, core: &Core) -> Option<String> {
    let Purpose::Submit(envelope, _) = &core.purpose else { return None };
    envelope.recipients().get(recipient).map(|address| format!("RCPT TO:<{}>", address.as_str()))
}
