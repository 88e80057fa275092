//! DKIM signatures, before anything is opened: they are in the size that the server is told, and a key that is missing is
//! known at once.

use super::{Transcript, fail};
use crate::cli::{Global, Verbosity};
use crate::config::account::{self, Account, EightBit};
use crate::deliver::Witness as _;
use crate::failure::{Exit, Failure};
use crate::message::dkim::{Signer, Unsigned};
use crate::message::downgrade::{DowngradeError, Goal, Reencoded, Reencoder};
use crate::message::header::fields;
use crate::message::{Message, More};
use crate::net::Notice;
use crate::net::dkim::{Signing, read_key, signer};
use crate::report::{self, Style};
use crate::system::words;

/// What an account does about signatures.
pub(super) struct Signatures<'a> {
    account: &'a Account,
    signer: Option<Signer>,
    verbosity: Verbosity,
    style: Style,
}

impl<'a> Signatures<'a> {
    /// Reads the keys, where the account has any.
    pub(super) fn of(account: &'a Account, global: &Global, style: Style) -> Result<Self, Vec<Failure>> {
        let signer = account.dkim.as_ref().map(signer).transpose();
        let signer = signer.map_err(|error| fail(Exit::Config, error.to_string()))?;
        Ok(Signatures { account, signer, verbosity: global.verbosity, style })
    }

    /// Whoever signs a message anew that a server wants to be another one.
    pub(super) fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
    }

    /// Signs a message as it is, but without 8-bit content, which some server on the way may not take (RFC 6376 section
    /// 5.3).
    pub(super) fn sign(&self, message: &mut Message) -> Result<(), Vec<Failure>> {
        let Some(signer) = &self.signer else { return Ok(()) };
        if message.facts().eight_bit && self.account.eight_bit == EightBit::Encode && !has_signature(message) {
            encode(message)?;
        }
        let cannot =
            |error: std::io::Error| fail(Exit::Io, format!("cannot read the message again: {}", words(&error)));
        let mut signing = Signing::new(message).map_err(cannot)?;
        while signing.step().map_err(cannot)? == More::Yes {}
        match signing.finish(signer) {
            Ok(domain) => {
                self.note(format!("signed for {domain} by {}", signer.describe()));
                Ok(())
            }
            Err(error @ Unsigned::Failed(_)) => {
                Err(fail(Exit::Software, format!("the message is not signed: {error}")))
            }
            Err(reason) => self.unsigned(&reason),
        }
    }

    fn unsigned(&self, reason: &Unsigned) -> Result<(), Vec<Failure>> {
        match self.account.dkim.as_ref().map(|dkim| dkim.unsigned) {
            Some(account::Unsigned::Refuse) => {
                let failure = Failure::new(Exit::Data, format!("the message has no DKIM signature: {reason}"));
                Err(vec![failure.hint("dkim-unsigned = \"send\" lets it pass without.")])
            }
            Some(account::Unsigned::Send) | None => {
                let note = format!("sent without a DKIM signature: {reason}");
                // A caller of sendmail takes any output for a failure.
                match (self.verbosity, self.style) {
                    (Verbosity::Errors, Style::Person | Style::Json) => report::note(&note),
                    _ => self.note(note),
                }
                Ok(())
            }
        }
    }

    fn note(&self, text: String) {
        Transcript { verbosity: self.verbosity, show: report::error_text, server: None }.notice(Notice::Note(text));
    }
}

/// Whether each key of an account can be used: else nothing is sent.
pub(super) fn usable_keys(account: &Account) -> Result<(), Vec<Failure>> {
    let keys = account.dkim.iter().flat_map(|dkim| &dkim.keys);
    let errors = keys.filter_map(|key| read_key(&key.file).err());
    let failures: Vec<Failure> = errors.map(|error| Failure::new(Exit::Config, error.to_string())).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Somebody else's signature would break.
fn has_signature(message: &Message) -> bool {
    fields(message.head()).iter().any(|field| field.is(message.head(), "DKIM-Signature"))
}

/// What cannot be re-encoded stays as it is.
fn encode(message: &mut Message) -> Result<(), Vec<Failure>> {
    let reencoded = Reencoder::new(message, Goal::SevenBit).map_err(DowngradeError::Io).and_then(Reencoder::run);
    match reencoded {
        Ok(Reencoded { message: encoded, .. }) => *message = encoded,
        Err(DowngradeError::Refused(_)) => {}
        Err(error @ DowngradeError::Io(_)) => return Err(fail(Exit::Io, error.to_string())),
    }
    Ok(())
}
