//! The rules of identity on their way into a call: where a sender comes from, and what is told of changes.

use super::submit::{caller, reverse_path};
use super::{Transcript, recipients};
use crate::address::Address;
use crate::cli::submission::Aliases;
use crate::config::account::{Account, AliasesIn};
use crate::deliver::Witness as _;
use crate::envelope::ReversePath;
use crate::failure::Failure;
use crate::identity::{Change, Rules, expand_in_header};
use crate::message::incoming::Incoming;
use crate::message::prepare::Identity;
use crate::net::Notice;

/// The sender that somebody has named: the caller, or `from` of the account. `None` where the caller's own address is to
/// be used, as it also is for one whom `sender-map` knows.
pub(super) fn named(
    given: Option<ReversePath>,
    account: &Account,
    identity: &Identity,
) -> Result<Option<ReversePath>, Vec<Failure>> {
    match (given, account.default_sender()) {
        (Some(path), _) => Ok(Some(path)),
        (None, Some(_)) if Rules::of(account, identity).knows(|| identity.address().ok()) => Ok(None),
        (None, Some(own)) => reverse_path(own, &account.mail_domain).map(Some),
        (None, None) => Ok(None),
    }
}

/// The reverse-path before any rule.
pub(super) fn first(named: Option<&ReversePath>, identity: &Identity) -> Result<ReversePath, Vec<Failure>> {
    match named {
        Some(path) => Ok(path.clone()),
        None => caller(identity).map(ReversePath::Address),
    }
}

/// The message with aliases written out in To and Cc, where that is asked for.
pub(super) fn with_aliases(
    incoming: Incoming,
    account: &Account,
    wanted: Aliases,
) -> Result<(Incoming, Vec<Change>), Vec<Failure>> {
    if account.identity.aliases_in == AliasesIn::Envelope || wanted == Aliases::Skip {
        return Ok((incoming, Vec::new()));
    }
    let Some(aliases) = recipients::aliases(account)? else { return Ok((incoming, Vec::new())) };
    // What leads nowhere is told by the envelope, where the same name stands.
    let here = recipients::here(account);
    let expand = |address: Address| {
        let is_bare = address.is_local();
        let found = here.has(&address).then(|| aliases.expand(vec![address.clone()], &here).ok()).flatten();
        // A name without a domain gets one here, and all else that stands for itself is left alone.
        found.filter(|found| is_bare || found[..] != [address])
    };
    Ok(expand_in_header(incoming, &account.mail_domain, &expand))
}

/// Tells whoever follows the dialogue what was changed.
pub(super) fn tell(transcript: &mut Transcript, changes: &[Change]) {
    let line = |text: &Option<Vec<u8>>| text.as_deref().map(|text| String::from_utf8_lossy(text).trim().to_owned());
    for Change { rule, before, after } in changes {
        let texts: Vec<String> = [line(before), line(after)].into_iter().flatten().collect();
        transcript.notice(Notice::Note(format!("{}: {}", rule.name(), texts.join(" becomes "))));
    }
}
