//! Lessons: refusals that are about how commands were sent, and not about what was asked.

use super::core::Core;
use super::reply::Reply;
use super::session::Caution;

/// What the refusal of a command in a group teaches, where it is one of the group and not of what was asked. Behind AUTH,
/// the server may have looked at it before it had looked at the login.
pub(super) fn lesson(reply: &Reply, core: &Core) -> Option<Caution> {
    match reply.code() {
        503 | 530 if core.fast.is_behind_login() => Some(Caution::Login),
        _ => is_about_pipelining(reply).then_some(Caution::Serial),
    }
}

/// "Improper use of SMTP command pipelining", "synchronization error": from servers that list it and do not bear it. Some
/// lose their place in the group instead, and find commands out of sequence that are not; a 503 may ask for a login too.
pub(super) fn is_about_pipelining(reply: &Reply) -> bool {
    let says = |words: &[&str]| {
        let lines = reply.lines().iter().map(|line| line.to_ascii_lowercase());
        lines.into_iter().any(|line| words.iter().any(|word| line.contains(word)))
    };
    match reply.code() {
        503 => !says(&["auth", "log in", "login"]),
        500 | 554 => says(&["pipelin", "synchroni"]),
        _ => false,
    }
}

/// What the loss of the connection teaches when a group of commands is in the flight.
pub(super) fn of_a_loss(core: &Core) -> Caution {
    if core.fast.is_behind_login() { Caution::Login } else { Caution::Serial }
}
