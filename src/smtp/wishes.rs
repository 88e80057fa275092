//! What becomes of the sender's wishes at this server: parameters of MAIL, a word that one is not served, or no message
//! at all where the sender insists.

use super::action::{Event, Protection};
use super::capabilities::Extension;
use super::core::Core;
use super::outcome::Cause;
use super::parameters::Parameters;
use super::session::Purpose;
use crate::envelope::{Envelope, Hold, Late, ReversePath, Way};

/// Puts the parameters of MAIL that are for wishes behind it.
pub(super) fn push_parameters(line: &mut String, envelope: &Envelope, parameters: Parameters, core: &Core) {
    let wishes = envelope.wishes();
    let offered = &core.capabilities;
    if parameters == Parameters::All && offered.dsn {
        // A bounce returns nothing (RFC 3461 section 6.1).
        if let Some(returned) = wishes.dsn.returned.filter(|_| *envelope.sender() != ReversePath::Null) {
            line.push_str(&format!(" RET={}", returned.value()));
        }
        if let Some(id) = &wishes.dsn.envelope_id {
            line.push_str(&format!(" ENVID={}", id.value()));
        }
    }
    // Where the sender insists, the server shall rather refuse the message.
    if let Some(by) = wishes.deliver_by.filter(|by| parameters == Parameters::All || by.late() == Late::Return)
        && offered.deliver_by.is_some()
    {
        line.push_str(&format!(" BY={}", by.value()));
    }
    if let Some(hold) = &wishes.hold {
        line.push_str(&format!(" {}", hold.parameter()));
    }
    if let Some(priority) = wishes.priority.filter(|_| parameters == Parameters::All && offered.mt_priority) {
        line.push_str(&format!(" MT-PRIORITY={}", priority.value()));
    }
    if wishes.way == Way::Tls {
        line.push_str(" REQUIRETLS");
    }
}

/// Why this server does not get the message: the sender insists on what it cannot do.
pub(super) fn hindrance(envelope: &Envelope, core: &Core) -> Option<Cause> {
    let wishes = envelope.wishes();
    let offered = &core.capabilities;
    // Nobody else is told what the sender wanted to have protected (RFC 8689 section 4.2.1).
    if wishes.way == Way::Tls {
        if core.protection != Protection::Verified {
            return Some(Cause::TlsOnTheWay);
        }
        if !offered.require_tls {
            return Some(Cause::NotOffered(Extension::RequireTls));
        }
    }
    if let Some(by) = wishes.deliver_by.filter(|by| by.late() == Late::Return) {
        let Some(offer) = &offered.deliver_by else { return Some(Cause::NotOffered(Extension::DeliverBy)) };
        if let Some(least) = offer.least.filter(|least| i64::from(by.seconds()) < i64::from(*least)) {
            return Some(Cause::TooSoon { least });
        }
    }
    let hold = wishes.hold.as_ref()?;
    let Some(offer) = &offered.future_release else { return Some(Cause::NotOffered(Extension::FutureRelease)) };
    match hold {
        Hold::For(seconds) => {
            let most = offer.most_seconds.filter(|most| seconds > most)?;
            Some(Cause::HeldTooLong { most: format!("{most} seconds") })
        }
        Hold::Until(time) => {
            let last = offer.last_time.as_ref().filter(|last| time > *last)?;
            Some(Cause::HeldTooLong { most: last.clone() })
        }
    }
}

/// Whether somebody was told of wishes that a message goes without.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unserved {
    Untold,
    Told,
}

/// Tells of the wishes that this server cannot fulfil, and that the message goes without; once for each message.
pub(super) fn tell_of_unserved(core: &mut Core) {
    if std::mem::replace(&mut core.unserved, Unserved::Told) == Unserved::Told {
        return;
    }
    let offered = &core.capabilities;
    // An earlier message of this session has shown that the server does not take them.
    let all_refused = core.parameters == Parameters::Needed;
    let unserved = [
        (Extension::Dsn, offered.dsn && core.rcpt_parameters == Parameters::All),
        (Extension::DeliverBy, offered.deliver_by.is_some()),
        (Extension::MtPriority, offered.mt_priority),
    ];
    for (extension, _) in unserved.into_iter().filter(|(_, offered)| all_refused || !offered) {
        tell(extension, core);
    }
}

/// The server has refused MAIL as it was, so it goes without what is not needed.
pub(super) fn do_with_less(core: &mut Core) {
    let offered = &core.capabilities;
    let served = [
        (Extension::Dsn, offered.dsn && core.rcpt_parameters == Parameters::All),
        (Extension::DeliverBy, offered.deliver_by.is_some()),
        (Extension::MtPriority, offered.mt_priority),
    ];
    for (extension, _) in served.into_iter().filter(|(_, offered)| *offered) {
        tell(extension, core);
    }
    core.parameters = Parameters::Needed;
}

/// The server has refused RCPT as it was: the recipients are named without what is not needed from now on.
pub(super) fn name_without_parameters(core: &mut Core) {
    if std::mem::replace(&mut core.rcpt_parameters, Parameters::Needed) == Parameters::All {
        tell(Extension::Dsn, core);
    }
}

/// Tells that a wish is not served, if there is one that the message can go without.
fn tell(extension: Extension, core: &mut Core) {
    let Purpose::Submit(envelope, _) = &core.purpose else { return };
    let wishes = envelope.wishes();
    let wished = match extension {
        Extension::Dsn => {
            (0..envelope.recipients().len()).any(|at| envelope.notify(at).is_some())
                || (wishes.dsn.returned.is_some() && *envelope.sender() != ReversePath::Null)
                || wishes.dsn.envelope_id.is_some()
        }
        Extension::DeliverBy => wishes.deliver_by.is_some_and(|by| by.late() == Late::Notify),
        Extension::MtPriority => wishes.priority.is_some(),
        Extension::FutureRelease | Extension::RequireTls | Extension::Xclient => false,
    };
    if wished {
        core.events.push_back(Event::Unserved(extension));
    }
}
