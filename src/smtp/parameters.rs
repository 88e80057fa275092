//! MAIL and RCPT with their parameters: each extension adds its own here, where the capabilities allow it.

use super::capabilities::Size;
use super::core::Core;
use super::session::{EightBit, Purpose};
use crate::envelope::Envelope;
use crate::message::Facts;

/// A command line with its CRLF, in octets (RFC 5321 section 4.5.3.1.4). SIZE and BODY come on top.
pub(super) const LINE_LIMIT: usize = 512;

/// Which parameters go with MAIL.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameters {
    /// All that the capabilities allow.
    All,
    /// Only what the message cannot do without, because the server refused the command as it was.
    Needed,
    /// None at all: the bare command, for its length.
    None,
}

/// The MAIL command (RFC 5321 section 4.1.1.2) with the parameters that are asked for.
pub(super) fn mail(envelope: &Envelope, facts: &Facts, parameters: Parameters, core: &Core) -> String {
    let mut line = format!("MAIL FROM:<{}>", envelope.sender().as_str());
    if parameters == Parameters::All && core.capabilities.size != Size::NotListed {
        line.push_str(&format!(" SIZE={}", facts.size));
    }
    // Sending 8-bit content without it is against RFC 6152, and only for those who said so.
    let declared = match parameters {
        Parameters::All => true,
        Parameters::Needed => core.settings.eight_bit == EightBit::Refuse,
        Parameters::None => false,
    };
    if facts.eight_bit && core.capabilities.eight_bit_mime && declared {
        line.push_str(" BODY=8BITMIME");
    }
    line
}

/// The RCPT command for a recipient by its number (RFC 5321 section 4.1.1.3).
pub(super) fn rcpt(recipient: usize, core: &Core) -> Option<String> {
    let Purpose::Submit(envelope, _) = &core.purpose else { return None };
    envelope.recipients().get(recipient).map(|address| format!("RCPT TO:<{}>", address.as_str()))
}
