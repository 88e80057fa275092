//! The accounts of a batch: a message goes by the one whose `from` its author matches, unless the caller has chosen one.

use std::cell::OnceCell;

use super::super::send::whose;
use super::super::sign::Signatures;
use super::super::submit::{dsn, reverse_path, who};
use super::super::{account, config_failure, identity};
use crate::address::parse_list;
use crate::cli::Global;
use crate::cli::values::Batch;
use crate::config::Config;
use crate::config::account::{Account, Log};
use crate::envelope::{ReversePath, Wishes};
use crate::failure::Failure;
use crate::identity::Rules;
use crate::message::header::fields;
use crate::message::incoming::Incoming;
use crate::message::prepare::Identity;
use crate::report::Style;

/// What chooses accounts, and those that were chosen.
pub(super) struct Accounts<'a> {
    config: &'a Config,
    global: &'a Global,
    call: &'a Batch,
    origins: Vec<(String, OnceCell<Origin>)>,
}

/// An account, and who sends by it.
pub(super) struct Origin {
    pub(super) account: Account,
    pub(super) identity: Identity,
    /// The sender that the caller or the account has named.
    pub(super) named: Option<ReversePath>,
    /// The reverse-path before any rule, and as it is logged.
    pub(super) sender: ReversePath,
    pub(super) logged: ReversePath,
}

/// How messages go by one account.
pub(super) struct Way<'a> {
    pub(super) origin: &'a Origin,
    pub(super) signatures: Signatures<'a>,
    pub(super) wishes: Wishes,
}

/// The ways by all accounts, each made ready when a message needs it.
pub(super) struct Ways<'a> {
    accounts: &'a Accounts<'a>,
    ready: Vec<OnceCell<Way<'a>>>,
}

impl<'a> Accounts<'a> {
    pub(super) fn new(config: &'a Config, global: &'a Global, call: &'a Batch) -> Self {
        let mut names: Vec<&str> = config.names().collect();
        // What is made of the environment or of the top of the file has a name that stands nowhere.
        if let Ok(name) = config.account_name(global.account.as_deref(), None)
            && !names.contains(&name)
        {
            names.push(name);
        }
        let origins = names.into_iter().map(|name| (name.to_owned(), OnceCell::new())).collect();
        Accounts { config, global, call, origins }
    }

    /// The number of the account for a message, and the author who chose it.
    fn choose(&self, author: Option<String>) -> Result<(usize, Option<String>), Vec<Failure>> {
        let name = self.config.account_name(self.global.account.as_deref(), author.as_deref());
        let name = name.map_err(|error| config_failure(&error, Style::Person))?;
        let found = self.origins.iter().position(|(known, _)| known == name);
        Ok((found.unwrap_or_default(), author))
    }

    /// The sender that the caller has named.
    fn named(&self) -> Result<Option<ReversePath>, Vec<Failure>> {
        let domain = self.config.mail_domain();
        self.call.envelope_from.as_deref().map(|text| reverse_path(text, domain)).transpose()
    }

    fn origin(&self, at: usize, author: Option<&str>) -> Result<&Origin, Vec<Failure>> {
        let cell = &self.origins[at].1;
        if let Some(origin) = cell.get() {
            return Ok(origin);
        }
        let domain = self.config.mail_domain();
        let mut caller = who(domain);
        let named = self.named()?;
        let account = account(self.config, self.global, author, Log::None, Style::Person)?;
        let account = whose(self.call.servers, account);
        caller.mail_domain.clone_from(&account.mail_domain);
        let named = identity::named(named, &account, &caller)?;
        let sender = identity::first(named.as_ref(), &caller)?;
        let logged = Rules::of(&account, &caller).reverse_path(sender.clone());
        Ok(cell.get_or_init(|| Origin { account, identity: caller, named, sender, logged }))
    }
}

impl<'a> Ways<'a> {
    /// Where there is no choice, the account is made ready at once: what is wrong with it is no matter of a message.
    pub(super) fn new(accounts: &'a Accounts<'a>) -> Result<Self, Vec<Failure>> {
        let ways = Ways { accounts, ready: accounts.origins.iter().map(|_| OnceCell::new()).collect() };
        if accounts.origins.len() < 2 || accounts.global.account.is_some() || accounts.call.envelope_from.is_some() {
            ways.choose(None)?;
        }
        Ok(ways)
    }

    /// The number of the way by which a message goes. It is ready then.
    pub(super) fn of(&self, message: &Incoming) -> Result<usize, Vec<Failure>> {
        let domain = self.accounts.config.mail_domain();
        let author = || author(message.header(), domain);
        self.choose(if self.accounts.origins.len() < 2 { None } else { author() })
    }

    /// A way that was chosen before.
    pub(super) fn get(&self, at: usize) -> Option<&Way<'a>> {
        self.ready.get(at)?.get()
    }

    fn choose(&self, author: Option<String>) -> Result<usize, Vec<Failure>> {
        let named = self.accounts.named()?.map(|path| path.as_str().to_owned());
        let author = named.or(author);
        let (at, author) = self.accounts.choose(author)?;
        if self.ready[at].get().is_none() {
            let Accounts { global, call, .. } = self.accounts;
            let origin = self.accounts.origin(at, author.as_deref())?;
            let signatures = Signatures::of(&origin.account, global, Style::Person)?;
            let wishes = Wishes { dsn: dsn(&call.dsn, &origin.account), way: call.way, ..Wishes::default() };
            let _ = self.ready[at].set(Way { origin, signatures, wishes });
        }
        Ok(at)
    }
}

/// Who has sent a message on, or else written it; the first of several. Nobody where it cannot be read.
fn author(header: &[u8], mail_domain: &str) -> Option<String> {
    let fields = fields(header);
    let named = |name: &str| fields.iter().find(|field| field.is(header, name));
    let field = named("Resent-From").or_else(|| named("From"))?;
    let value = String::from_utf8_lossy(&header[field.value.clone()]);
    let mailboxes = parse_list(value.trim(), mail_domain).ok()?;
    mailboxes.first().map(|mailbox| mailbox.address.as_str().to_owned())
}
