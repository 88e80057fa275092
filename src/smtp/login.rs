//! AUTH (RFC 4954): the choice of a mechanism, its exchange, and what the replies mean.

use zeroize::Zeroizing;

use super::opening::may_reveal;
use super::outcome::{Cause, Trouble};
use super::reply::{Class, Reply};
use super::sasl::{Exchange, Mechanism};
use super::session::{Awaited, Core, LoginMode, Purpose, State};
use super::stage::Stage;
use super::transaction;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4); AUTH has no longer one (RFC 4954 section 4).
const LINE_LIMIT: usize = 512;

/// After the last EHLO: logs in if the account does, and goes on if not.
pub(super) fn enter(core: &mut Core) -> State {
    let LoginMode::As { mechanisms, .. } = &core.settings.login else { return logged_in(core) };
    let offered = |mechanism: &Mechanism| core.capabilities.auth.iter().any(|name| name == mechanism.name());
    let left: Vec<Mechanism> = mechanisms.iter().copied().filter(|m| offered(m) && !core.refused.contains(m)).collect();
    match left.iter().find(|mechanism| !mechanism.reveals_password() || may_reveal(core)) {
        Some(mechanism) => State::Password(*mechanism),
        None if left.is_empty() => {
            let offered = core.capabilities.auth.clone();
            core.give_up(Trouble { stage: Stage::Auth, cause: Cause::NoMechanism(offered) })
        }
        None => core.give_up(Trouble { stage: Stage::Auth, cause: Cause::ClearTextLogin }),
    }
}

/// The password is there: AUTH, with an initial response where there is one and it fits in the line.
pub(super) fn begin(mechanism: Mechanism, password: Zeroizing<String>, core: &mut Core) -> State {
    let LoginMode::As { user, .. } = &core.settings.login else { return logged_in(core) };
    let (mut exchange, initial) = Exchange::begin(mechanism, user.clone(), password);
    let command = format!("AUTH {}", mechanism.name());
    match initial {
        Some(initial) if command.len() + 1 + initial.len() + 2 <= LINE_LIMIT => {
            let line = Zeroizing::new(format!("{command} {}", initial.as_str()));
            core.send_masked(&line, format!("{command} {}", masked(&initial)), Awaited::Auth);
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
                core.send_masked(&response, masked(&response), Awaited::Auth);
                State::Login(exchange)
            }
            Err(unanswerable) => {
                core.send("*", Awaited::Auth);
                State::CancelledLogin(Trouble { stage: Stage::Auth, cause: Cause::Challenge(unanswerable.0) })
            }
        },
        // The mechanism was at fault and not the password: another one may do. After a 535 none is tried, because
        // each attempt counts towards a lock-out.
        Class::Permanent if is_about_mechanism(&reply) => {
            core.refused.push(exchange.mechanism());
            match enter(core) {
                State::Closed(closing) => State::Closed(closing),
                next => next,
            }
        }
        Class::Temporary | Class::Permanent => {
            core.give_up(Trouble { stage: Stage::Auth, cause: Cause::Replied(reply) })
        }
    }
}

fn is_about_mechanism(reply: &Reply) -> bool {
    let enhanced = reply.enhanced().map(|code| (code.subject, code.detail));
    match reply.code() {
        504 => true,
        // Gmail says 534 5.7.9 for "application-specific password required": that is about the password.
        534 => !reply.lines().iter().any(|line| line.to_ascii_lowercase().contains("password")),
        501 => enhanced == Some((5, 4)),
        _ => false,
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

fn masked(secret: &str) -> String {
    format!("[{} octets]", secret.len())
}
