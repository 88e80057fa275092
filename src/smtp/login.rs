//! AUTH (RFC 4954): the choice of a mechanism, its exchange, and what the replies mean.

use zeroize::Zeroizing;

use super::core::{Awaited, Core};
use super::outcome::{Cause, Trouble};
use super::reply::{Class, Reply};
use super::sasl::{Exchange, Mechanism};
use super::session::{ClearText, LoginMode, Protection, Purpose, State};
use super::stage::Stage;
use super::transaction;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4); AUTH has no longer one (RFC 4954 section 4).
const LINE_LIMIT: usize = 512;

/// So many names of mechanisms are quoted when none of them will do.
const QUOTED: usize = 12;

/// After the last EHLO: logs in if the account does, and goes on if not.
pub(super) fn enter(core: &mut Core) -> State {
    if core.settings.login == LoginMode::None {
        return logged_in(core);
    }
    if let Some(mechanism) = usable(core).find(|mechanism| !mechanism.reveals_password() || may_reveal(core)) {
        return State::Password(mechanism);
    }
    let cause = match usable(core).next() {
        Some(_) => Cause::ClearTextLogin,
        None => Cause::NoMechanism(core.capabilities.auth.iter().take(QUOTED).cloned().collect()),
    };
    core.give_up(Trouble { stage: Stage::Auth, cause })
}

/// Mechanisms that both sides want, in our order.
fn usable(core: &Core) -> impl Iterator<Item = Mechanism> {
    let wanted: &[Mechanism] = match &core.settings.login {
        LoginMode::None => &[],
        LoginMode::As { mechanisms, .. } => mechanisms,
    };
    wanted.iter().copied().filter(|mechanism| {
        core.capabilities.auth.iter().any(|name| name == mechanism.name()) && !core.refused.contains(mechanism)
    })
}

/// Whether a mechanism may be used that shows the password to whoever reads along.
fn may_reveal(core: &Core) -> bool {
    let allowed = matches!(core.settings.login, LoginMode::As { clear_text: ClearText::Allowed, .. });
    core.protection == Protection::Verified || allowed
}

/// The password is there: AUTH, with an initial response where there is one and it fits in the line.
pub(super) fn begin(mechanism: Mechanism, password: Zeroizing<String>, core: &mut Core) -> State {
    let LoginMode::As { user, .. } = &core.settings.login else { return logged_in(core) };
    let (mut exchange, initial) = Exchange::begin(mechanism, user.clone(), password);
    let command = format!("AUTH {}", mechanism.name());
    match initial {
        Some(initial) if command.len() + 1 + initial.len() + 2 <= LINE_LIMIT => {
            core.send_secret(&format!("{command} "), initial, Awaited::Auth);
        }
        Some(_) => {
            exchange.defer_initial_response();
            core.send(&command, Awaited::Auth);
        }
        None => core.send(&command, Awaited::Auth),
    }
    State::Login(exchange)
}

pub(super) fn on_reply(mut exchange: Exchange, reply: Reply, core: &mut Core) -> State {
    match reply.class() {
        Class::Success => logged_in(core),
        Class::Intermediate => match exchange.answer(reply.text()) {
            Ok(response) => {
                core.send_secret("", response, Awaited::Auth);
                State::Login(exchange)
            }
            Err(unanswerable) => {
                core.fail_all(Trouble { stage: Stage::Auth, cause: Cause::Challenge(unanswerable.0) });
                core.send("*", Awaited::Auth);
                State::Leaving
            }
        },
        Class::Temporary | Class::Permanent => {
            forget_mechanisms(exchange.mechanism(), &reply, core);
            let another = usable(core).find(|mechanism| !mechanism.reveals_password() || may_reveal(core));
            match another {
                Some(mechanism) if core.refused.contains(&exchange.mechanism()) => State::Password(mechanism),
                _ => core.give_up(Trouble { stage: Stage::Auth, cause: Cause::Replied(reply) }),
            }
        }
    }
}

/// Strikes out the mechanism where it was at fault and not the password: another one may do. After a 535 none is
/// tried, because each attempt counts towards a lock-out.
fn forget_mechanisms(tried: Mechanism, reply: &Reply, core: &mut Core) {
    let says_password = reply.lines().iter().any(|line| line.to_ascii_lowercase().contains("password"));
    match reply.code() {
        501 | 504 => core.refused.push(tried),
        // Gmail says 534 5.7.9 for "application-specific password required": that is about the password.
        534 if !says_password => core.refused.push(tried),
        // "A password transition is needed": PLAIN once, and the server knows what it lacks (RFC 4954 section 6).
        432 if reply.enhanced().is_some_and(|code| (code.subject, code.detail) == (7, 12)) => {
            core.refused.extend([Mechanism::CramMd5, Mechanism::Login]);
        }
        _ => {}
    }
}

/// Nothing stands between the session and its purpose any more. No EHLO is sent again: nothing has changed, and
/// some servers forget the login over it.
fn logged_in(core: &mut Core) -> State {
    match core.purpose {
        Purpose::Submit(..) => transaction::first(core),
        Purpose::Probe => core.quit(),
    }
}
