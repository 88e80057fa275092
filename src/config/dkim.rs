//! The keys for DKIM: what their values mean, and what of them belongs together.

use super::account::{Dkim, DkimKey, Unsigned};
use super::error::ConfigError;
use super::resolve::Resolver;
use super::settings::Set;
use super::value::{self, Fault, quoted};

/// Reads a selector: labels with dots between them (RFC 6376 section 3.1).
pub(super) fn selector(text: &str) -> Result<String, Fault> {
    let is_label = |label: &str| {
        let is_plain = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'));
        (1..=63).contains(&label.len()) && is_plain && !label.starts_with('-') && !label.ends_with('-')
    };
    match text.len() <= LONGEST && text.split('.').all(is_label) {
        true => Ok(text.to_owned()),
        false => Err(Fault::new(format!("{} is not a selector such as \"2026a\"", quoted(text)))),
    }
}

/// A selector and a domain as `dkim-selector` and `dkim-domain` take them, the domain in ASCII.
///
/// # Errors
/// In words.
pub fn dkim_name(selector: &str, domain: &str) -> Result<(String, String), String> {
    let name = self::selector(selector).and_then(|selector| Ok((selector, value::domain(domain)?)));
    name.map_err(|fault| fault.message)
}

/// With `._domainkey.` and a domain it must be a name in DNS.
const LONGEST: usize = 200;

/// What turns signatures off, which another layer has on.
const NONE: &str = "none";

/// Selectors and keys, one by one. `dkim-domain` and `dkim-unsigned` may stand alone, for accounts that sign.
pub(super) fn dkim(resolver: &Resolver<'_>) -> Result<Option<Dkim>, ConfigError> {
    let selectors = resolver.pick_set(|s| s.dkim_selector.as_ref());
    let files = resolver.pick_set(|s| s.dkim_key.as_ref());
    let (selectors, files) = match (selectors, files) {
        (_, Some(files)) if files.value == [NONE] => return Ok(None),
        (None, None) => return Ok(None),
        (Some(selectors), Some(files)) => (selectors, files),
        (Some(selectors), None) => {
            let error = resolver.error("there is a selector for DKIM, and no key for it", selectors.place);
            return Err(error.help("Set `dkim-key`; `posthaste dkim keygen` makes one."));
        }
        (None, Some(files)) => {
            let error = resolver.error("there is a key for DKIM, and no selector for it", files.place);
            return Err(error.help("Set `dkim-selector`: the name of its record below _domainkey."));
        }
    };
    if selectors.value.len() != files.value.len() {
        let (selectors, keys) = (selectors.value.len(), files.value.len());
        let error =
            resolver.error(format!("selectors and keys for DKIM are not as many: {selectors} and {keys}"), files.place);
        return Err(error.help("Each key has a selector of its own; they stand in the same order."));
    }
    let place = files.place;
    let keys = selectors.value.iter().zip(&files.value).map(|(selector, file)| DkimKey {
        selector: selector.clone(),
        file: resolver.credential(&Set { value: file.clone(), place }),
    });
    Ok(Some(Dkim {
        domains: resolver.pick(|s| s.dkim_domain.as_ref()).cloned().unwrap_or_default(),
        keys: keys.collect(),
        unsigned: resolver.pick(|s| s.dkim_unsigned.as_ref()).copied().unwrap_or(Unsigned::Send),
    }))
}
