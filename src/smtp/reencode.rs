//! Re-encoding between the last EHLO and MAIL, so that SIZE is that of what is sent (RFC 6152 section 3).

use super::core::Core;
use super::outcome::{Cause, Trouble};
use super::parameters::is_binary;
use super::session::{EightBit, Purpose, State};
use super::stage::Stage;
use super::transaction::{Before, Transaction, enter, message_over};
use crate::message::downgrade::{Extent, Fields, Goal};
use crate::message::{Facts, HeaderText};

/// What the message would have to become for this server; `None` where it is taken as it is.
pub(super) fn goal(core: &Core) -> Option<Goal> {
    let Purpose::Submit(_, facts) = &core.purpose else { return None };
    let is_taken = core.capabilities.eight_bit_mime || is_binary(facts, core.parameters, core);
    if facts.eight_bit && !is_taken {
        return Some(Goal::SevenBit);
    }
    // Of headers only SMTPUTF8 speaks, and that of UTF-8 alone (RFC 6532 section 3).
    let (fields, allowed) = match core.capabilities.smtp_utf8 {
        true => (Fields::Utf8, HeaderText::Utf8),
        false => (Fields::Ascii, HeaderText::Ascii),
    };
    let extent = if facts.part_headers == HeaderText::Ascii { Extent::Message } else { Extent::Parts };
    (facts.header.max(facts.part_headers) > allowed).then_some(Goal::Header(extent, fields))
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
    Some(State::Reencoding(Before::Unfinished, Goal::SevenBit))
}

fn is_possible(core: &Core) -> bool {
    let Purpose::Submit(_, facts) = &core.purpose else { return false };
    facts.eight_bit && core.settings.eight_bit == EightBit::Encode
}

/// The message is another one from here on.
pub(super) fn done(before: Before, goal: Goal, new: Facts, core: &mut Core) -> State {
    if let Purpose::Submit(_, facts) = &mut core.purpose {
        *facts = new;
    }
    let is_left = match self::goal(core) {
        Some(Goal::Header(..)) => matches!(goal, Goal::Header(..)),
        _ => goal == Goal::SevenBit && new.eight_bit,
    };
    if is_left {
        return failed(Cause::EightBit, before, core);
    }
    enter(before, core)
}

/// Nothing of the message has been sent, and nothing will be.
pub(super) fn failed(cause: Cause, before: Before, core: &mut Core) -> State {
    core.fail_message(Trouble { stage: Stage::Mail, cause });
    message_over(before, core)
}
