//! Recipients as they were given, to recipients as they are sent to: through the alias file. And the two modes of
//! sendmail that do nothing else, `-bv` and `-bi`.

use std::path::{Path, PathBuf};

use super::submit::{prepared, read_failure, stdin, who};
use super::{Done, account, configuration, fail};
use crate::address::{Address, parse_list};
use crate::aliases::{AliasError, Aliases, Failing, Here};
use crate::cli::Global;
use crate::cli::submission::{self, RecipientsFrom};
use crate::config::account::{ALIASES, Account, Log, Mailboxes};
use crate::config::{ConfigError, Environment, Kind, load};
use crate::envelope::ReversePath;
use crate::failure::{Exit, Failure};
use crate::message::incoming::{LoneDot, read};
use crate::message::prepare::{FixUps, LongLines, Recipients, Rules, Sender, UNKNOWN_CHARSET, local_time};
use crate::report::{self, Style};
use crate::system::Machine;

/// The recipients in the end. Empty when all of them are aliases for nobody.
pub(super) fn expanded(
    recipients: Vec<Address>,
    account: &Account,
    wanted: submission::Aliases,
) -> Result<Vec<Address>, Vec<Failure>> {
    let here = here(account);
    let aliases = match (&account.aliases, wanted) {
        // The file is opened for those only whom it may be about.
        (Some(path), submission::Aliases::Expand) if recipients.iter().any(|one| here.has(one)) => loaded(path)?,
        _ => None,
    };
    match aliases {
        None => Ok(recipients),
        Some(aliases) => aliases.expand(recipients, &here).map_err(|error| alias_failure(&error)),
    }
}

/// Whose aliases these are.
pub(super) fn here(account: &Account) -> Here<'_> {
    Here {
        mail_domain: &account.mail_domain,
        elsewhere: (account.mailboxes == Mailboxes::Elsewhere).then_some(account.mail_domain.as_str()),
        hostname: account.hostname.as_deref(),
        machine: Machine::default(),
    }
}

/// The aliases of the account, if it has any.
pub(super) fn aliases(account: &Account) -> Result<Option<Aliases>, Vec<Failure>> {
    account.aliases.as_deref().map_or(Ok(None), loaded)
}

/// The alias file, if there is one. The usual one need not be there; one that somebody named must.
fn loaded(path: &Path) -> Result<Option<Aliases>, Vec<Failure>> {
    match Aliases::load(path) {
        Ok(None) if path != Path::new(ALIASES) => {
            Err(fail(Exit::Config, format!("the alias file {} is not there", path.display())))
        }
        Ok(aliases) => Ok(aliases),
        Err(error) => Err(alias_failure(&error)),
    }
}

/// Whether the alias file of an account can be used: without it, mail to `root` goes nowhere.
pub(super) fn usable_aliases(account: &Account) -> Result<(), Vec<Failure>> {
    let Some(path) = &account.aliases else { return Ok(()) };
    let mistakes = loaded(path)?.map(|aliases| aliases.mistakes()).unwrap_or_default();
    match mistakes.is_empty() {
        true => Ok(()),
        false => Err(mistakes.iter().map(|mistake| Failure::new(Exit::Config, mistake.to_string())).collect()),
    }
}

fn alias_failure(error: &AliasError) -> Vec<Failure> {
    let exit = match error {
        AliasError::File { failing: Failing::Now, .. } => Exit::TemporaryFailure,
        AliasError::File { .. } | AliasError::Line { .. } => Exit::Config,
        AliasError::Name { .. } => Exit::NoUser,
    };
    let hint = "\"posthaste newaliases\" checks the file; aliases = \"none\" does without it.";
    vec![Failure::new(exit, error.to_string()).hint(hint)]
}

/// `-bv`: who would get the message; nothing is sent, and nobody is asked.
pub(super) fn verify(global: &Global, arguments: &[String], from: RecipientsFrom) -> Done {
    let config = configuration(global, Style::OneLine)?;
    let account = account(&config, global, None, Log::None, Style::OneLine)?;
    let mut worst = Exit::Success;
    let mut text = String::new();
    let mut line = |shown: &str, found: Result<Vec<Address>, Vec<Failure>>| match found {
        Ok(found) if found.len() == 1 && found[0].as_str() == shown => text += &format!("{shown}... deliverable\n"),
        Ok(found) if found.is_empty() => text += &format!("{shown}... deliverable: to nobody\n"),
        Ok(found) => {
            let found: Vec<&str> = found.iter().map(Address::as_str).collect();
            text += &format!("{shown}... deliverable: {}\n", found.join(", "));
        }
        Err(failures) => {
            if let Some(failure) = failures.first() {
                text += &format!("{shown}... {}\n", failure.message);
                worst = failure.exit;
            }
        }
    };
    for argument in arguments {
        match parse_list(argument, &account.mail_domain) {
            Err(error) => line(argument, Err(fail(Exit::Data, error.to_string()))),
            Ok(list) => list.into_iter().for_each(|mailbox| {
                let shown = as_written(&mailbox.address).to_owned();
                line(&shown, expanded(vec![mailbox.address], &account, submission::Aliases::Expand));
            }),
        }
    }
    if from == RecipientsFrom::ArgumentsAndHeader {
        for address in in_header(&account)? {
            let shown = as_written(&address).to_owned();
            line(&shown, expanded(vec![address], &account, submission::Aliases::Expand));
        }
    }
    report::output(&text).map_err(super::unwritable)?;
    Ok(worst)
}

fn as_written(address: &Address) -> &str {
    if address.is_local() { address.local() } else { address.as_str() }
}

fn in_header(account: &Account) -> Result<Vec<Address>, Vec<Failure>> {
    let incoming = read(stdin()?, LoneDot::IsText).map_err(read_failure)?;
    let rules = Rules {
        identity: &who(&account.mail_domain),
        sender: Sender::Given(&ReversePath::Null),
        name: None,
        recipients: Recipients::Header,
        fix_ups: FixUps::OnlyBcc,
        long_lines: LongLines::Pass,
        charset: UNKNOWN_CHARSET,
        clock: local_time,
    };
    Ok(prepared(incoming, &rules)?.recipients)
}

/// `-bi`, newaliases: reads the alias file and tells its mistakes. There is nothing to be built.
pub(super) fn check_aliases(global: &Global, file: Option<&Path>) -> Done {
    let path = match file {
        Some(file) => Some(file.to_owned()),
        None => alias_file(global)?,
    };
    let Some(path) = path else { return Ok(Exit::Success) };
    let mistakes = match Aliases::load(&path) {
        Ok(aliases) => {
            let aliases = aliases.unwrap_or_default();
            [aliases.mistakes(), aliases.dead_ends()].concat()
        }
        Err(error) => vec![error],
    };
    if mistakes.is_empty() {
        return Ok(Exit::Success);
    }
    Err(mistakes.iter().map(|mistake| Failure::new(Exit::Data, mistake.to_string())).collect())
}

/// The alias file that counts. Packages have it checked while they are installed, and perhaps nobody has configured anything
/// yet: it is the usual one then.
fn alias_file(global: &Global) -> Result<Option<PathBuf>, Vec<Failure>> {
    let is_missing = |error: ConfigError| error.kind() == Kind::Missing;
    if global.config.is_none() && load(&Environment::of_process(), None).err().is_some_and(is_missing) {
        return Ok(Some(ALIASES.into()));
    }
    let config = configuration(global, Style::OneLine)?;
    Ok(account(&config, global, None, Log::None, Style::OneLine)?.aliases)
}
