//! Keys for DKIM and their records: `posthaste dkim`.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::{Done, account, configuration, fail, print};
use crate::cli::Global;
use crate::cli::values::{Dkim, KeyName, KeyType};
use crate::config::account::Log;
use crate::config::dkim_name;
use crate::failure::{Exit, Failure};
use crate::message::dkim::{Sign as _, record};
use crate::net::dkim::{Bits, Key, KeyKind, SignerError, read_key};
use crate::report::Style;
use crate::system::words;

/// Makes a key, or prints the record of one.
pub(super) fn dkim(global: &Global, call: &Dkim) -> Done {
    match call {
        Dkim::KeyGen { file, name, kind } => keygen(file, name, *kind),
        Dkim::Record { file, name } => print(&record_of(&read_key(file).map_err(unusable)?, name)?),
        Dkim::AccountRecords => account_records(global),
    }
}

fn keygen(path: &Path, name: &KeyName, kind: KeyType) -> Done {
    let (selector, domain) = checked(name)?;
    let kind = match kind {
        KeyType::Ed25519 => KeyKind::Ed25519,
        KeyType::Rsa { bits: 4096 } => KeyKind::Rsa(Bits::B4096),
        KeyType::Rsa { bits: 3072 } => KeyKind::Rsa(Bits::B3072),
        KeyType::Rsa { .. } => KeyKind::Rsa(Bits::B2048),
    };
    let shown = path.display();
    let pem = Key::generate(kind).map_err(|why| fail(Exit::Unavailable, format!("{shown} was not made: {why}")))?;
    let key = Key::from_pem(pem.as_bytes()).map_err(|error| fail(Exit::Software, error.to_string()))?;
    let record = record_of(&key, name)?;
    let cannot = |error: std::io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            vec![Failure::new(Exit::CannotCreate, format!("{shown} is there already, and no key is ever overwritten"))]
        }
        _ => fail(Exit::CannotCreate, format!("{shown} cannot be written: {}", words(&error))),
    };
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(cannot)?;
    let written = file.write_all(pem.as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Half a key would stand in the way of the next attempt.
        let _ = std::fs::remove_file(path);
        return Err(cannot(error));
    }
    let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    print(&format!(
        "; Put this record into the zone of {domain}:\n{record}\
         ; and these lines into the account, once the record can be seen:\n\
         ;   dkim-selector = \"{selector}\"\n\
         ;   dkim-key = \"{}\"\n\
         ;   dkim-domain = \"{domain}\"\n",
        place.display().to_string().replace('\\', "\\\\").replace('"', "\\\"")
    ))
}

/// Each key of the account for each domain that it signs for.
fn account_records(global: &Global) -> Done {
    let config = configuration(global, Style::Person)?;
    let account = account(&config, global, None, Log::None, Style::Person)?;
    let Some(dkim) = &account.dkim else {
        let failure = Failure::new(Exit::Config, format!("the account {} has no key for DKIM", account.name));
        return Err(vec![failure.hint("`posthaste dkim keygen` makes one.")]);
    };
    let sender = account.default_sender().and_then(|sender| sender.rsplit_once('@'));
    let own = [sender.map_or(account.mail_domain.clone(), |(_, domain)| domain.to_owned())];
    let domains = if dkim.domains.is_empty() { &own[..] } else { &dkim.domains };
    let mut text = String::new();
    for key in &dkim.keys {
        let private = read_key(&key.file).map_err(unusable)?;
        for domain in domains {
            let name = KeyName { selector: key.selector.clone(), domain: domain.clone() };
            text.push_str(&record_of(&private, &name)?);
        }
    }
    print(&text)
}

fn record_of(key: &Key, name: &KeyName) -> Result<String, Vec<Failure>> {
    let (selector, domain) = checked(name)?;
    Ok(record(key.algorithm(), &selector, &domain, &key.public()))
}

fn checked(name: &KeyName) -> Result<(String, String), Vec<Failure>> {
    dkim_name(&name.selector, &name.domain).map_err(|why| fail(Exit::Usage, why))
}

fn unusable(error: SignerError) -> Vec<Failure> {
    fail(Exit::Config, error.to_string())
}
