//! MAIL and RCPT with their parameters: each extension adds its own here, where the capabilities allow it.

use super::capabilities::Size;
use super::chunks::binary_allowed;
use super::core::Core;
use super::outcome::Cause;
use super::reply::Reply;
use super::session::{EightBit, Purpose};
use super::wishes;
use crate::address::Address;
use crate::envelope::{Envelope, ReversePath, Utf8};
use crate::message::{Facts, HeaderText};

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4). Each extension adds the length of its own
/// parameters, so that only the bare command is measured.
const LINE_LIMIT: usize = 512;

/// Which parameters go with MAIL and RCPT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    /// All that the capabilities allow.
    All,
    /// Only what the message cannot do without, because the server refused the command as it was.
    Needed,
}

/// The MAIL command (RFC 5321 section 4.1.1.2) with the parameters that are asked for.
pub(super) fn mail(envelope: &Envelope, facts: &Facts, parameters: Parameters, core: &Core) -> String {
    let mut line = bare_mail(envelope);
    if parameters == Parameters::All && core.capabilities.size != Size::NotListed {
        line.push_str(&format!(" SIZE={}", facts.size));
    }
    // Sending 8-bit content without it is against RFC 6152, and only for those who said so.
    let declared = match parameters {
        Parameters::All => true,
        Parameters::Needed => core.settings.eight_bit != EightBit::Send,
    };
    if is_binary(facts, parameters, core) {
        line.push_str(" BODY=BINARYMIME");
    } else if facts.eight_bit && core.capabilities.eight_bit_mime && declared {
        line.push_str(" BODY=8BITMIME");
    }
    // Nobody passes such a message on who was not told, so it is said only of those that need it (RFC 6531 section 3.4).
    if core.capabilities.smtp_utf8 && (facts.header.max(facts.part_headers) == HeaderText::Utf8 || !is_ascii(envelope))
    {
        line.push_str(" SMTPUTF8");
    }
    wishes::push_parameters(&mut line, envelope, parameters, core);
    line
}

/// Octets in a line without its CRLF: more need BINARYMIME (RFC 3030 section 3).
const LONGEST_LINE: u64 = 998;

/// Whether the message is declared binary, because it has lines that DATA does not allow.
pub(super) fn is_binary(facts: &Facts, parameters: Parameters, core: &Core) -> bool {
    facts.longest_line > LONGEST_LINE && binary_allowed(parameters, core)
}

/// The RCPT command for a recipient by its number (RFC 5321 section 4.1.1.3) with its parameters.
pub(super) fn rcpt(recipient: usize, core: &Core) -> Option<String> {
    let Purpose::Submit(envelope, _) = &core.purpose else { return None };
    let address = envelope.recipients().get(recipient.checked_sub(core.first)?)?;
    let mut line = format!("RCPT TO:<{}>", address.as_str());
    if rcpt_parameters(recipient, core) == Parameters::All {
        if let Some(notify) = envelope.notify(recipient - core.first) {
            line.push_str(&format!(" NOTIFY={}", notify.value()));
        }
        let utf8 = if core.capabilities.smtp_utf8 { Utf8::Native } else { Utf8::Escaped };
        if let Some(original) = envelope.original(recipient - core.first) {
            line.push_str(&format!(" ORCPT={}", original.value(utf8)));
        }
    }
    Some(line)
}

/// Whether the RCPT of a recipient has any.
pub(super) fn rcpt_parameters(recipient: usize, core: &Core) -> Parameters {
    let Purpose::Submit(envelope, _) = &core.purpose else { return Parameters::Needed };
    let is_refused = core.parameters == Parameters::Needed || core.rcpt_parameters == Parameters::Needed;
    let at = recipient.saturating_sub(core.first);
    let is_wished = envelope.notify(at).is_some() || envelope.original(at).is_some();
    match core.capabilities.dsn && is_wished {
        true if !is_refused => Parameters::All,
        _ => Parameters::Needed,
    }
}

/// Whether a reply to a command may be about its parameters (RFC 5321 section 4.1.1.11).
pub(super) fn may_be_about_parameters(reply: &Reply) -> bool {
    matches!(reply.code(), 455 | 500 | 501 | 504 | 555)
}

/// Why MAIL cannot be sent to this server.
pub(super) fn mail_hindrance(envelope: &Envelope, core: &Core) -> Option<Cause> {
    match envelope.sender() {
        _ if bare_mail(envelope).len() + 2 > LINE_LIMIT => Some(Cause::LineTooLong),
        ReversePath::Address(address) => utf8_hindrance(address, core).or_else(|| wishes::hindrance(envelope, core)),
        ReversePath::Null => wishes::hindrance(envelope, core),
    }
}

/// The same of RCPT.
pub(super) fn rcpt_hindrance(recipient: usize, core: &Core) -> Option<Cause> {
    let Purpose::Submit(envelope, _) = &core.purpose else { return None };
    let address = envelope.recipients().get(recipient.checked_sub(core.first)?)?;
    let too_long = "RCPT TO:<>\r\n".len() + address.as_str().len() > LINE_LIMIT;
    if too_long { Some(Cause::LineTooLong) } else { utf8_hindrance(address, core) }
}

fn utf8_hindrance(address: &Address, core: &Core) -> Option<Cause> {
    (!core.capabilities.smtp_utf8 && !address.is_ascii()).then_some(Cause::Utf8Address)
}

/// Whether all addresses are ASCII.
fn is_ascii(envelope: &Envelope) -> bool {
    envelope.sender().as_str().is_ascii() && envelope.recipients().iter().all(Address::is_ascii)
}

fn bare_mail(envelope: &Envelope) -> String {
    format!("MAIL FROM:<{}>", envelope.sender().as_str())
}
