//! What must not stand in the pieces of a message.

use super::{ComposeError, Draft};
use crate::address::{AddressError, Fault, Mailbox};

pub(super) fn draft(draft: &Draft) -> Result<(), ComposeError> {
    let mut mailboxes = draft.from.iter().chain(&draft.to).chain(&draft.cc).chain(&draft.reply_to);
    mailboxes.try_for_each(mailbox)?;
    if let Some(subject) = &draft.subject {
        value("Subject", subject)?;
    }
    for (name, text) in &draft.headers {
        header_name(name)?;
        value(name, text)?;
    }
    draft.inline.iter().try_for_each(|inline| content_id(&inline.cid))
}

fn mailbox(mailbox: &Mailbox) -> Result<(), ComposeError> {
    match &mailbox.name {
        Some(name) if name.chars().any(char::is_control) => {
            Err(ComposeError::Address(AddressError::new(name.as_bytes(), Fault::Control)))
        }
        _ => Ok(()),
    }
}

/// The name of a field that somebody adds by hand.
fn header_name(name: &str) -> Result<(), ComposeError> {
    let is_name =
        (1..=100).contains(&name.len()) && name.bytes().all(|octet| matches!(octet, b'!'..=b'9' | b';'..=b'~'));
    if !is_name || name.starts_with("--") {
        return Err(ComposeError::HeaderName(printable(name)));
    }
    let is_reserved = RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
        || name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("Content-"));
    if is_reserved { Err(ComposeError::HeaderReserved(name.to_owned())) } else { Ok(()) }
}

/// A value without anything that could end its line.
pub(super) fn value(name: &str, value: &str) -> Result<(), ComposeError> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ComposeError::Control(name.to_owned()));
    }
    Ok(())
}

/// A media type with its parameters, as somebody gives it for a file.
pub(super) fn content_type(text: &str) -> Result<(), ComposeError> {
    let (essence, parameters) = text.split_once(';').unwrap_or((text, ""));
    let is_token = |word: &str| {
        (1..=100).contains(&word.len())
            && word.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&octet))
    };
    let is_good =
        essence.trim().split_once('/').is_some_and(|(kind, subtype)| {
            is_token(kind) && is_token(subtype) && !kind.eq_ignore_ascii_case("multipart")
        }) && parameters.len() < 500
            && parameters.bytes().all(|octet| matches!(octet, b' '..=b'~'));
    if is_good { Ok(()) } else { Err(ComposeError::ContentType(printable(text))) }
}

fn content_id(cid: &str) -> Result<(), ComposeError> {
    let is_good = (1..=200).contains(&cid.len())
        && cid.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-+@".contains(&octet));
    if is_good { Ok(()) } else { Err(ComposeError::ContentId(printable(cid))) }
}

/// Text in quotes that is safe to show.
fn printable(text: &str) -> String {
    let text: String = text.chars().take(100).collect();
    format!("'{}'", text.escape_default())
}

/// Fields that are made from other pieces, or never sent.
const RESERVED: [&str; 9] =
    ["Bcc", "Resent-Bcc", "MIME-Version", "From", "To", "Cc", "Reply-To", "Subject", "Return-Path"];
