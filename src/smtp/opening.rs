//! The opening of a session: greeting, EHLO with HELO as the way back, STARTTLS (RFC 5321 section 3.1 and 3.2,
//! RFC 3207), and XCLIENT behind it.

use super::action::Event;
use super::capabilities::{Capabilities, Extension};
use super::core::{Awaited, Core, Firewall};
use super::login;
use super::memory::{Offer, StartTls};
use super::outcome::{Cause, NoRoute, NoRouteKind, Trouble};
use super::reply::{Class, Reply};
use super::session::{Caution, LoginMode, Namesake, Protection, Protocol, State, TlsMode};
use super::stage::{Hello, Stage};
use crate::envelope::ClientAttribute;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4).
const LINE_LIMIT: usize = 512;

/// What is said where somebody may have taken STARTTLS out of the reply (RFC 3207 section 6).
const LOST_TLS: &str =
    "the server offered STARTTLS in an earlier session and does not now: the message goes in clear text";

/// What the opening waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    Greeting,
    Hello(Hello),
    StartTls,
    Xclient,
}

/// Nothing is said before the greeting is complete: many filters drop whoever talks first (RFC 5321 section 4.3.1).
pub(super) fn await_greeting(core: &mut Core) -> State {
    core.expect(Awaited::Greeting);
    State::Opening(Opening::Greeting)
}

/// EHLO, or HELO to a host that is known to hang up on EHLO; in LMTP nothing but LHLO (RFC 2033 section 4.1).
pub(super) fn hello(core: &mut Core) -> State {
    let hello = match core.settings.protocol {
        Protocol::Smtp if core.settings.caution == Caution::Helo => Hello::Helo,
        Protocol::Smtp => Hello::Ehlo,
        Protocol::Lmtp => Hello::Lhlo,
    };
    say(hello, core)
}

fn say(hello: Hello, core: &mut Core) -> State {
    let line = format!("{} {}", hello.verb(), core.settings.hello);
    core.send(&line, Awaited::Hello(hello));
    State::Opening(Opening::Hello(hello))
}

pub(super) fn on_reply(opening: Opening, reply: Reply, core: &mut Core) -> State {
    match (opening, reply.class()) {
        (Opening::Greeting | Opening::Hello(_), Class::Success) if is_namesake(&reply, core) => {
            let stage = match opening {
                Opening::Hello(hello) => Stage::Hello(hello),
                Opening::Greeting | Opening::StartTls | Opening::Xclient => Stage::Greeting,
            };
            let words = format!("the mail loops: the server calls itself {}, which is this host", core.settings.hello);
            core.give_up(Trouble { stage, cause: Cause::NoRoute(NoRoute { kind: NoRouteKind::Loop, words }) })
        }
        (Opening::Greeting, Class::Success) => {
            core.firewall = firewall(&reply);
            hello(core)
        }
        (Opening::Greeting, _) => core.give_up(Trouble { stage: Stage::Greeting, cause: Cause::Replied(reply) }),
        (Opening::Hello(hello), Class::Success) => {
            core.offer = (hello == Hello::Ehlo).then(|| Offer::of(reply.lines().iter().skip(1).map(String::as_str)));
            core.capabilities = match hello {
                Hello::Ehlo | Hello::Lhlo => Capabilities::parse(&reply),
                Hello::Helo => Capabilities::default(),
            };
            secure(hello, core)
        }
        // Whatever the server has against EHLO, HELO may do; 421 never comes here.
        (Opening::Hello(Hello::Ehlo), Class::Temporary | Class::Permanent) => say(Hello::Helo, core),
        (Opening::Hello(hello), _) => {
            core.give_up(Trouble { stage: Stage::Hello(hello), cause: Cause::Replied(reply) })
        }
        (Opening::StartTls, Class::Success) => State::Handshake,
        (Opening::StartTls, Class::Temporary | Class::Permanent) if core.settings.tls == TlsMode::Opportunistic => {
            introduce(core)
        }
        (Opening::StartTls, _) => core.give_up(Trouble { stage: Stage::StartTls, cause: Cause::Replied(reply) }),
        // The session begins anew, but for its TLS; the greeting is this reply.
        (Opening::Xclient, Class::Success) => {
            core.capabilities = Capabilities::default();
            hello(core)
        }
        (Opening::Xclient, _) => core.give_up(Trouble { stage: Stage::Xclient, cause: Cause::Replied(reply) }),
    }
}

/// Says once for whom the server shall take us, where the account wants another than us.
fn introduce(core: &mut Core) -> State {
    let attributes = std::mem::take(&mut core.settings.xclient);
    if attributes.is_empty() {
        return login::enter(core);
    }
    let offered = &core.capabilities.xclient;
    let lacking = attributes.iter().map(ClientAttribute::name).find(|name| !offered.iter().any(|other| other == name));
    let line = attributes.iter().fold("XCLIENT".to_owned(), |line, attribute| line + " " + &attribute.argument());
    let cause = match lacking {
        Some(_) if offered.is_empty() => Cause::NotOffered(Extension::Xclient),
        Some(name) => Cause::NoAttribute(name),
        None if line.len() + 2 > LINE_LIMIT => Cause::LongXclient,
        None => {
            core.send(&line, Awaited::Xclient);
            return State::Opening(Opening::Xclient);
        }
    };
    core.give_up(Trouble { stage: Stage::Xclient, cause })
}

/// Whether the server calls itself as we do where that means a loop. Addresses are no names: behind a gateway both may have
/// the same.
fn is_namesake(reply: &Reply, core: &Core) -> bool {
    let own = &core.settings.hello;
    let name = reply.lines().first().and_then(|line| line.split(' ').next()).unwrap_or_default();
    core.settings.namesake == Namesake::Loop && !own.starts_with('[') && name.eq_ignore_ascii_case(own)
}

/// The server is known; now TLS, if it is not there yet.
fn secure(hello: Hello, core: &mut Core) -> State {
    if core.protection != Protection::None {
        return introduce(core);
    }
    let offered = core.capabilities.starttls;
    match core.settings.tls {
        TlsMode::None => introduce(core),
        TlsMode::Opportunistic if !offered || core.settings.caution == Caution::ClearText => {
            if !offered && core.memory.starttls == StartTls::Seen {
                core.events.push_back(Event::Warning(LOST_TLS.to_owned()));
            }
            introduce(core)
        }
        TlsMode::Required | TlsMode::Opportunistic if offered => {
            core.send("STARTTLS", Awaited::StartTls);
            State::Opening(Opening::StartTls)
        }
        _ => {
            let masked = core.capabilities.masked || core.firewall == Firewall::Seen;
            core.give_up(Trouble { stage: Stage::Hello(hello), cause: Cause::TlsNotOffered { masked } })
        }
    }
}

/// A Cisco PIX overwrites the greeting with asterisks, all but its digits 2 and 0 (Postfix looks for the same).
fn firewall(greeting: &Reply) -> Firewall {
    let text = greeting.text();
    let overwritten = text.contains('*') && text.bytes().all(|b| matches!(b, b'*' | b'2' | b'0' | b' ' | b'\t'));
    if overwritten && greeting.lines().len() == 1 { Firewall::Seen } else { Firewall::Unseen }
}

/// A server that hangs up on EHLO may know HELO, but that is of use only where nothing needs an extension.
pub(super) fn learn_of_ehlo(core: &mut Core) {
    let clear = matches!(core.settings.tls, TlsMode::None | TlsMode::Opportunistic)
        && core.protection == Protection::None
        && core.settings.login == LoginMode::None
        && core.settings.protocol == Protocol::Smtp;
    if clear {
        core.set_retry(Caution::Helo);
    }
}

/// TLS does not work. Clear text will do only where that was the user's word, and no password is at stake.
pub(super) fn learn_of_tls(core: &mut Core) {
    if core.settings.tls == TlsMode::Opportunistic && core.settings.login == LoginMode::None {
        core.set_retry(Caution::ClearText);
    }
}
