//! AUTH (RFC 4954): the choice of a mechanism, its exchange, and what the replies mean.

use zeroize::Zeroizing;

use super::action::{Closing, Event, Protection};
use super::ahead;
use super::core::{Awaited, Core};
use super::outcome::{Cause, Trouble};
use super::question;
use super::reply::{Class, Reply};
use super::sasl::{BY_STRENGTH, Bond, Client, Exchange, Gs2, Mechanism, Scram, Shelter, Stop, Unpreparable, Wants};
use super::session::State;
use super::settings::{ClearText, LoginMode, Purpose};
use super::stage::Stage;
use super::transaction;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4); AUTH has no longer one (RFC 4954 section 4).
const LINE_LIMIT: usize = 512;

/// A response with its CRLF, in octets (RFC 4954 section 4).
const RESPONSE_LIMIT: usize = 12_288;

/// So many names of mechanisms are quoted when none of them will do.
const QUOTED: usize = 12;

/// Where a login with an access token is. Tokens last an hour or so, and whoever fetches one may have an old one.
#[derive(Clone, Debug)]
pub(super) enum Token {
    /// None was refused.
    First,
    /// This one was, with this trouble; a fresh one may be tried, once.
    Refused(Zeroizing<String>, Trouble),
    /// The fresh one is tried.
    Second,
}

/// After the last EHLO: logs in if the account does, and goes on if not.
pub(super) fn enter(core: &mut Core) -> State {
    super::memory::recognise(core);
    if core.settings.login == LoginMode::None {
        return logged_in(core);
    }
    if let Some(mechanism) = next(core) {
        return super::early::ask(mechanism, core).unwrap_or_else(|| ask(mechanism, core));
    }
    let cause = match listed(core).any(|mechanism| has_what_it_needs(mechanism, core)) {
        true => Cause::ClearTextLogin,
        false => Cause::NoMechanism(core.capabilities.auth.iter().take(QUOTED).cloned().collect()),
    };
    core.give_up(Trouble { stage: Stage::Auth, cause })
}

/// Fetches what the mechanism wants.
fn ask(mechanism: Mechanism, core: &mut Core) -> State {
    match mechanism.wants() {
        Wants::Certificate => begin(mechanism, Zeroizing::default(), core),
        Wants::Password | Wants::Token => State::Password(mechanism),
    }
}

/// The mechanism to try next: the first that both sides want and that may be used on this connection.
fn next(core: &Core) -> Option<Mechanism> {
    listed(core).find(|mechanism| has_what_it_needs(*mechanism, core) && is_sheltered(*mechanism, core))
}

/// Mechanisms that both sides want, in our order.
fn listed(core: &Core) -> impl Iterator<Item = Mechanism> {
    wanted(core).iter().copied().filter(|mechanism| {
        core.capabilities.auth.iter().any(|name| name == mechanism.name()) && !core.refused.contains(mechanism)
    })
}

fn wanted(core: &Core) -> &[Mechanism] {
    match &core.settings.login {
        LoginMode::None => &[],
        LoginMode::As { mechanisms, .. } => mechanisms,
    }
}

/// Whether a mechanism is not shown to somebody who could use what he sees.
fn is_sheltered(mechanism: Mechanism, core: &Core) -> bool {
    let allowed = matches!(core.settings.login, LoginMode::As { clear_text: ClearText::Allowed, .. });
    match mechanism.shelter() {
        Shelter::None => true,
        Shelter::Secrecy => core.protection == Protection::Verified || allowed,
        Shelter::VerifiedTls => core.protection == Protection::Verified,
    }
}

fn has_what_it_needs(mechanism: Mechanism, core: &Core) -> bool {
    let has_nonce = matches!(core.settings.login, LoginMode::As { nonce: Some(_), .. });
    match mechanism.scram() {
        None => true,
        Some((_, Bond::Free)) => has_nonce,
        Some((_, Bond::Bound)) => has_nonce && core.binding.is_some(),
    }
}

/// The password is there: AUTH, with an initial response where there is one and it fits in the line.
pub(super) fn begin(mechanism: Mechanism, password: Zeroizing<String>, core: &mut Core) -> State {
    if let Token::Refused(refused, trouble) = &core.token {
        if *refused == password {
            let trouble = trouble.clone();
            return core.give_up(trouble);
        }
        core.token = Token::Second;
    }
    let scram = scram(mechanism, core);
    let LoginMode::As { user, mechanisms, server, .. } = &core.settings.login else { return logged_in(core) };
    // The name for the password is no one to act for.
    let user = if mechanism == Mechanism::External && mechanisms.len() > 1 { "" } else { user.as_str() };
    let server = server.as_ref().map(|(host, port)| (host.as_str(), *port));
    let client = Client { user, password: password.clone(), server, scram };
    let (exchange, initial) = match Exchange::begin(mechanism, client) {
        Ok(begun) => begun,
        // Nothing was said yet, so the next one does no harm.
        Err(Unpreparable) => {
            core.refused.push(mechanism);
            return match next(core) {
                Some(another) => begin(another, password, core),
                None if mechanism.wants() == Wants::Token => core.give_up(no_token()),
                None => core.give_up(Trouble { stage: Stage::Auth, cause: Cause::Unpreparable }),
            };
        }
    };
    if mechanism.wants() == Wants::Token {
        core.used_token = Some(password);
    }
    send(exchange, initial, core)
}

/// The password cannot be had.
pub(super) fn no_password(reason: String, core: &mut Core) -> State {
    let trouble = match std::mem::replace(&mut core.token, Token::First) {
        Token::Refused(_, trouble) => trouble,
        Token::First | Token::Second => Trouble { stage: Stage::Auth, cause: Cause::NoPassword(reason) },
    };
    core.give_up(trouble)
}

fn no_token() -> Trouble {
    let reason = "what should be an access token is none: it has blanks or other characters that no token has";
    Trouble { stage: Stage::Auth, cause: Cause::NoPassword(reason.to_owned()) }
}

fn send(mut exchange: Exchange, initial: Option<Zeroizing<String>>, core: &mut Core) -> State {
    let command = format!("AUTH {}", exchange.mechanism().name());
    match initial {
        Some(initial) if initial.is_empty() => {
            core.send(&format!("{command} ="), Awaited::Auth);
            return ahead::begin_or_wait(exchange, core);
        }
        Some(initial) if command.len() + 1 + initial.len() + 2 <= LINE_LIMIT => {
            core.send_secret(&format!("{command} "), initial, Awaited::Auth);
            return ahead::begin_or_wait(exchange, core);
        }
        Some(initial) => {
            exchange.defer(initial);
            core.send(&command, Awaited::Auth);
        }
        None => core.send(&command, Awaited::Auth),
    }
    State::Login(exchange)
}

/// What SCRAM mixes in. A binding serves one exchange (RFC 9266 section 3), and a nonce too.
fn scram(mechanism: Mechanism, core: &mut Core) -> Option<Scram> {
    let (_, bond) = mechanism.scram()?;
    let gs2 = match bond {
        Bond::Bound => Gs2::Bound(core.binding.take()?),
        Bond::Free if would_bind(core) => Gs2::NotOffered,
        Bond::Free => Gs2::Unbound,
    };
    let LoginMode::As { nonce: Some(nonce), .. } = &core.settings.login else { return None };
    let nonce = nonce.number(core.nonces);
    core.nonces += 1;
    Some(Scram { nonce, gs2 })
}

/// Whether we would bind, and only the server cannot, by its list.
fn would_bind(core: &Core) -> bool {
    let is_bound = |mechanism: Mechanism| matches!(mechanism.scram(), Some((_, Bond::Bound)));
    let listed = |name: &String| Mechanism::named(name).is_some_and(is_bound);
    core.binding.is_some() && wanted(core).iter().copied().any(is_bound) && !core.capabilities.auth.iter().any(listed)
}

pub(super) fn on_reply(exchange: Exchange, reply: Reply, core: &mut Core) -> State {
    match reply.class() {
        Class::Success => match exchange.succeed(reply.text()) {
            Ok(()) => {
                ahead::learn_of_login(core);
                logged_in(core)
            }
            Err(stop) => stopped(stop, core),
        },
        Class::Intermediate => {
            core.fast.challenged();
            respond(exchange, &reply, core)
        }
        Class::Temporary | Class::Permanent => {
            let tried = exchange.mechanism();
            strike_out(tried, &reply, core);
            match next(core).filter(|_| core.refused.contains(&tried)) {
                Some(mechanism) => ask(mechanism, core),
                None if tried.wants() == Wants::Token && reply.class() == Class::Permanent => {
                    token_refused(&exchange, reply, core)
                }
                None => core.give_up(Trouble { stage: Stage::Auth, cause: Cause::Replied(reply) }),
            }
        }
    }
}

/// A fresh token is fetched once (RFC 7628 section 3.2.2); where there is none, the refusal stands.
fn token_refused(exchange: &Exchange, reply: Reply, core: &mut Core) -> State {
    let complaint = exchange.complaint().map(|words| core.masked_complaint(words)).unwrap_or_default();
    let trouble = Trouble { stage: Stage::Auth, cause: Cause::TokenRefused { reply, complaint } };
    let token = core.used_token.take().filter(|_| matches!(core.token, Token::First));
    match token {
        Some(token) => {
            core.token = Token::Refused(token, trouble);
            State::Password(exchange.mechanism())
        }
        None => core.give_up(trouble),
    }
}

fn respond(mut exchange: Exchange, reply: &Reply, core: &mut Core) -> State {
    let response = exchange.answer(reply.text()).and_then(|response| match response.len() + 2 <= RESPONSE_LIMIT {
        true => Ok(response),
        false => Err(Stop::Unanswerable("the answer would be longer than the protocol allows (12288 octets)")),
    });
    let warning = exchange.warning();
    if let Some(warning) = warning {
        core.events.push_back(Event::Note(warning.to_owned()));
    }
    match response {
        // Somebody in between could try all passwords on what he gets.
        Ok(_) if warning.is_some() && core.protection != Protection::Verified => {
            stopped(Stop::Unanswerable("it asks for too few rounds, on a connection that is not protected"), core)
        }
        Ok(response) => {
            core.send_secret("", response, Awaited::Auth);
            State::Login(exchange)
        }
        Err(stop) => stopped(stop, core),
    }
}

/// The exchange cannot go on. It is cancelled in good manners, but not with somebody who only pretends to be the
/// server: he gets nothing more.
fn stopped(stop: Stop, core: &mut Core) -> State {
    let (cause, polite) = match stop {
        Stop::Unanswerable(why) => (Cause::Challenge(why), true),
        Stop::Refused(word) => (Cause::LoginRefused(word), true),
        Stop::FalseServer => (Cause::FalseServer, false),
    };
    core.fail_all(Trouble { stage: Stage::Auth, cause });
    if !polite {
        return State::Closed(Closing::Abruptly);
    }
    core.send("*", Awaited::Auth);
    State::Leaving
}

/// Strikes out the mechanism where it was at fault and not the password: another one may do. After a 535 none is
/// tried, because each attempt counts towards a lock-out.
fn strike_out(tried: Mechanism, reply: &Reply, core: &mut Core) {
    let says_password = reply.lines().iter().any(|line| line.to_ascii_lowercase().contains("password"));
    match reply.code() {
        // It has no password that could be locked.
        500..=599 if tried == Mechanism::External => core.refused.push(tried),
        501 | 504 => core.refused.push(tried),
        // Gmail says 534 5.7.9 for "application-specific password required": that is about the password.
        534 if !says_password => core.refused.push(tried),
        // "A password transition is needed": PLAIN once, and the server knows what it lacks (RFC 4954 section 6).
        432 if reply.enhanced().is_some_and(|code| (code.subject, code.detail) == (7, 12)) => {
            core.refused.extend(BY_STRENGTH.iter().copied().filter(|mechanism| *mechanism != Mechanism::Plain));
        }
        _ => {}
    }
    // Who stands in between, with a certificate that nobody has checked, must not get a login without its bond by
    // refusing the one with it.
    if matches!(tried.scram(), Some((_, Bond::Bound))) && core.protection != Protection::Verified {
        core.refused.extend(BY_STRENGTH);
    }
}

/// Nothing stands between the session and its purpose any more. No EHLO is sent again: nothing has changed, and
/// some servers forget the login over it.
fn logged_in(core: &mut Core) -> State {
    match core.purpose {
        Purpose::Submit(..) => transaction::first(transaction::Before::Nothing, core),
        Purpose::Probe(_) => core.quit(),
        Purpose::Ask(_) => question::next(core),
    }
}
