//! Re-encoding between the last EHLO and MAIL, so that SIZE is that of what is sent (RFC 6152 section 3).

use super::core::Core;
use super::outcome::{Cause, Trouble};
use super::parameters::is_binary;
use super::session::{EightBit, Purpose, State};
use super::stage::Stage;
use super::transaction::{Before, Transaction, enter, message_over};
use crate::message::Facts;

/// Whether the server does not take the message as it is, and may get it otherwise.
pub(super) fn is_needed(core: &Core) -> bool {
    let Purpose::Submit(_, facts) = &core.purpose else { return false };
    is_possible(core) && !core.capabilities.eight_bit_mime && !is_binary(facts, core.parameters, core)
}

/// The server lists 8BITMIME, and refuses MAIL for its parameters; `None` where that one was not among them.
pub(super) fn instead_of_body(transaction: Transaction, core: &mut Core) -> Option<State> {
    if !is_possible(core) || !core.capabilities.eight_bit_mime {
        return None;
    }
    core.capabilities.eight_bit_mime = false;
    for recipient in transaction.into_members().into_iter().rev() {
        core.pending.push_front(recipient);
    }
    Some(State::Reencoding(Before::Unfinished))
}

fn is_possible(core: &Core) -> bool {
    let Purpose::Submit(_, facts) = &core.purpose else { return false };
    facts.eight_bit && core.settings.eight_bit == EightBit::Encode
}

/// The message is another one from here on.
pub(super) fn done(before: Before, new: Facts, core: &mut Core) -> State {
    if let Purpose::Submit(_, facts) = &mut core.purpose {
        *facts = new;
    }
    if new.eight_bit {
        return failed(Cause::EightBit, before, core);
    }
    enter(before, core)
}

/// Nothing of the message has been sent, and nothing will be.
pub(super) fn failed(cause: Cause, before: Before, core: &mut Core) -> State {
    core.fail_message(Trouble { stage: Stage::Mail, cause });
    message_over(before, core)
}
