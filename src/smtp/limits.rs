//! Who is in the next transaction, by the limits of the account and of the server (RFC 9422).

use std::collections::{BTreeSet, VecDeque};

use super::core::Core;
use super::outcome::{Cause, Trouble, Verdict};
use super::session::{Caution, Partial, Purpose, State};
use super::stage::Stage;

/// From so many recipients on, a server may be thought to have had enough of them.
pub(super) const MANY: usize = 10;

/// What counts against the server's limits in this session.
#[derive(Default)]
pub(super) struct Spent {
    /// MAIL commands.
    pub(super) mails: usize,
    /// Domains of recipients, in lower case.
    domains: BTreeSet<String>,
}

/// Takes those who are in the next transaction from those who wait. Nobody is, where nobody waits or where the server
/// takes no more in this session.
pub(super) fn take_members(core: &mut Core) -> Vec<usize> {
    let mut members = Vec::new();
    if !may_begin(core) {
        return members;
    }
    let limit = recipient_limit(core);
    let mut others = VecDeque::new();
    while members.len() < limit {
        let Some(recipient) = core.pending.pop_front() else { break };
        if has_room_for_domain(recipient, core) { members.push(recipient) } else { others.push_back(recipient) }
    }
    others.append(&mut core.pending);
    core.pending = others;
    members
}

/// Whether the server takes one more transaction in this session.
pub(super) fn may_begin(core: &Core) -> bool {
    core.capabilities.limits.mail_max.is_none_or(|most| core.spent.mails < most)
}

/// Leaves those who still wait to another session.
pub(super) fn leave_to_another(core: &mut Core) -> State {
    if core.retry == Caution::None {
        let again = core.settings.caution;
        core.retry = if again == Caution::None { Caution::Rest } else { again };
    }
    // Not those of the message before, whose end may be in the same flight.
    core.settle_message(&Verdict::Deferred(Trouble { stage: Stage::Mail, cause: Cause::SessionFull }));
    core.quit()
}

/// Most recipients in the next transaction. Where nobody may get the message unless all do, all must be in it.
fn recipient_limit(core: &Core) -> usize {
    // What the server says itself counts; what it did in an earlier session is no more than a plan (RFC 9422 section 3.8).
    let remembered = core.memory.habits.and_then(|habits| habits.most_recipients);
    let most = core.capabilities.limits.rcpt_max.or(remembered).unwrap_or(usize::MAX);
    let limit = match core.settings.partial {
        Partial::AllOrNone => usize::MAX,
        Partial::Deliver => core.settings.max_recipients.min(most).max(1),
    };
    match core.settings.caution {
        Caution::Serial => limit.min((core.own_verdicts().len() / 2).max(MANY)),
        _ => limit,
    }
}

fn has_room_for_domain(recipient: usize, core: &mut Core) -> bool {
    let (Some(most), Partial::Deliver) = (core.capabilities.limits.rcpt_domain_max, core.settings.partial) else {
        return true;
    };
    let Purpose::Submit(envelope, _) = &core.purpose else { return true };
    let domain = recipient.checked_sub(core.first).and_then(|at| envelope.recipients().get(at)?.domain());
    let domain = domain.unwrap_or_default().to_ascii_lowercase();
    let has_room = core.spent.domains.contains(&domain) || core.spent.domains.len() < most;
    if has_room {
        core.spent.domains.insert(domain);
    }
    has_room
}
