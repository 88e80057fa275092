//! MAIL before the login: `posthaste check` looks what the server says to it.
//!
//! A server for submission refuses it (RFC 6409 section 4.3). Only to one that does may a message be sent in one flight
//! with AUTH: another might take it although the login fails (P-194).

use super::ahead::takes_one_step;
use super::core::{Awaited, Core};
use super::login;
use super::memory::EarlyMail;
use super::reply::{Class, Reply};
use super::sasl::Mechanism;
use super::session::State;
use super::settings::{EarlyProbe, Protocol, Purpose};

/// Asks, where that was wanted and was not done yet, and where it matters: before a login behind which commands may go.
pub(super) fn ask(mechanism: Mechanism, core: &mut Core) -> Option<State> {
    let Purpose::Probe(probe @ EarlyProbe::Asked) = &mut core.purpose else { return None };
    *probe = EarlyProbe::Left;
    if core.settings.protocol != Protocol::Smtp || !takes_one_step(mechanism) {
        return None;
    }
    core.send("MAIL FROM:<>", Awaited::Mail);
    Some(State::EarlyMail)
}

/// The reply to MAIL, or to RSET behind it.
pub(super) fn on_reply(awaited: Awaited, reply: Reply, core: &mut Core) -> State {
    let early_mail = match (awaited, reply.class()) {
        (Awaited::Mail, Class::Success) => Some(EarlyMail::Taken),
        (Awaited::Mail, _) if reply.code() == 530 => Some(EarlyMail::Refused),
        _ => None,
    };
    if let (Some(early_mail), Some(habits)) = (early_mail, &mut core.memory.habits) {
        habits.early_mail = early_mail;
    }
    if early_mail == Some(EarlyMail::Taken) {
        core.send("RSET", Awaited::Reset);
        return State::EarlyMail;
    }
    login::enter(core)
}
