//! What LMTP has of its own after the message: a reply for each recipient that was accepted, in the order of the
//! commands RCPT, and final for this recipient alone (RFC 2033 section 4.2).

use super::core::{Awaited, Core};
use super::outcome::{Cause, Trouble, Verdict};
use super::reply::{Class, Reply};
use super::stage::Stage;
use super::transaction::Transaction;

/// The end of data was sent, and one reply to it is expected already: here are the others.
pub(super) fn expect_answers(transaction: &Transaction, core: &mut Core) {
    (1..transaction.accepted.len()).for_each(|_| core.expect(Awaited::EndOfData));
}

/// The next recipient has its answer, a yes or a no.
pub(super) fn on_answer(transaction: &mut Transaction, reply: Reply, core: &mut Core) {
    if let Some(recipient) = transaction.accepted.get(transaction.answered) {
        let verdict = match reply.class() {
            Class::Success => Verdict::Accepted(reply),
            _ => Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) }.verdict(),
        };
        core.settle(*recipient, verdict);
    }
    transaction.answered += 1;
}

/// The session ends before all have their answer. A 421 is the answer for one of them; what has become of the message
/// for those behind is not known.
pub(super) fn on_shutdown(transaction: &Transaction, trouble: &Trouble, core: &mut Core) {
    let Trouble { stage: Stage::EndOfData, cause: Cause::Replied(reply) } = trouble else { return };
    let unanswered = transaction.accepted.get(transaction.answered..).unwrap_or_default();
    let Some((answered, unknown)) = unanswered.split_first().filter(|_| reply.class() == Class::Temporary) else {
        return;
    };
    core.settle(*answered, trouble.clone().verdict());
    let lost = Trouble { stage: Stage::EndOfData, cause: Cause::Lost(format!("the server said {reply}")) };
    for recipient in unknown {
        core.settle(*recipient, lost.clone().verdict());
    }
}
