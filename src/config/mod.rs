//! Settings: layers of file and environment, resolved once into an [`Account`].
//!
//! ```text
//! POSTHASTE_… ─┐
//! [account.X] ─┼→ Config (checked, every value typed) → Choice → Account (complete)
//! top of file ─┘
//! ```
//!
//! One table, [`SCHEMA`], says what settings there are. Values are read once, when the file is; what fits together is
//! looked at for the account that is used, so that a mistake in one account does not stop another.

use std::cell::OnceCell;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub mod account;
mod dane;
mod dkim;
mod dns;
mod environment;
mod error;
mod excerpt;
mod file;
mod identity;
mod key;
mod parse;
mod proxy;
mod reach;
mod relay;
mod resolve;
mod schema;
pub mod secret;
mod settings;
mod suggest;
mod tlsrpt;
mod url;
mod value;
mod words;

pub use account::Account;
pub use dkim::dkim_name;
pub use environment::Environment;
pub use error::{ConfigError, Kind};
pub use schema::{Form, Key, SCHEMA};

use account::{Log, Pattern};
use identity::{Names, Template};
use parse::Parsed;
use settings::{Place, Settings};

/// All that is configured, before an account is chosen.
pub struct Config {
    path: Option<PathBuf>,
    text: Zeroizing<String>,
    parsed: Parsed,
    variables: Settings,
    environment: Environment,
    mail_domain: OnceCell<String>,
}

/// What chooses an account.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// A name, as after `-a`; it decides alone.
    pub name: Option<&'a str>,
    /// The envelope sender, which the `from` patterns are compared with.
    pub sender: Option<&'a str>,
    /// Where the log goes when no setting says it.
    pub log: Log,
}

/// Reads the configuration: the file at `explicit` or `$POSTHASTE_CONFIG`, else the personal file, else the system's,
/// and the environment.
///
/// # Errors
/// [`ConfigError`]; of [`Kind::Missing`] when there is no file and no `POSTHASTE_SERVER` either.
pub fn load(environment: &Environment, explicit: Option<&Path>) -> Result<Config, ConfigError> {
    let variables = environment.settings()?;
    let (path, text, parsed) = match find(environment, explicit)? {
        Some((path, octets, access)) => {
            let text = match std::str::from_utf8(&octets) {
                Ok(text) => Zeroizing::new(text.to_owned()),
                Err(error) => {
                    let valid = String::from_utf8_lossy(&octets[..error.valid_up_to()]);
                    let error = ConfigError::new(Kind::Invalid, "this line is not UTF-8");
                    return Err(error.at(&path, &valid, valid.len()..valid.len()));
                }
            };
            let unsafe_file = |exposure: file::Exposure| {
                ConfigError::new(Kind::Exposed, format!("this file is not used: {}", exposure.message))
                    .in_file(&path)
                    .help(exposure.help)
            };
            let parsed = parse::parse(&path, &text);
            let secret = parsed.as_ref().is_ok_and(Parsed::holds_secret);
            if secret {
                access.private(&path, "a password").map_err(unsafe_file)?;
            }
            access.trusted(&path, environment.user()).map_err(unsafe_file)?;
            (Some(path), text, parsed?)
        }
        None if variables.server.is_some() => (None, Zeroizing::default(), Parsed::default()),
        None => return Err(missing(environment)),
    };
    let environment = environment.clone();
    Ok(Config { path, text, parsed, variables, environment, mail_domain: OnceCell::new() })
}

impl Config {
    /// What addresses without a domain get before an account is chosen: the `mail-domain` of the environment or of
    /// the top of the file, else the machine's ([`crate::system::Machine::mail_domain`]).
    pub fn mail_domain(&self) -> &str {
        let configured = self.variables.mail_domain.as_ref().or(self.parsed.top.mail_domain.as_ref());
        match configured {
            Some(set) => &set.value,
            None => self.mail_domain.get_or_init(|| self.environment.machine().mail_domain().name),
        }
    }

    /// Chooses an account: by name (or `$POSTHASTE_ACCOUNT`), else by the sender, else the default; and resolves it.
    ///
    /// The default is the account that `default` names, else one that is called so, else what the top of the file
    /// makes, else the only one.
    ///
    /// # Errors
    /// [`Kind::NoAccount`] when there is none, [`Kind::Invalid`] when its settings do not fit together.
    pub fn account(&self, choice: Choice<'_>) -> Result<Account, ConfigError> {
        let layers = self.chosen(choice.name, choice.sender)?;
        resolve::account(self, layers, choice.log)
    }

    /// The name of the account that [`Config::account`] chooses, which is not looked at.
    ///
    /// # Errors
    /// [`Kind::NoAccount`] when there is none.
    pub fn account_name(&self, name: Option<&str>, sender: Option<&str>) -> Result<&str, ConfigError> {
        self.chosen(name, sender).map(|layers| layers.name)
    }

    fn chosen(&self, name: Option<&str>, sender: Option<&str>) -> Result<Layers<'_>, ConfigError> {
        let named = self.environment.variable("POSTHASTE_ACCOUNT").map(|name| name.to_string_lossy());
        match (name.or(named.as_deref()), sender) {
            (Some(name), _) => self.by_name(name),
            (None, Some(sender)) => self.by_sender(sender).map_or_else(|| self.by_default(), Ok),
            (None, None) => self.by_default(),
        }
    }

    /// The names of all accounts, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let top = Some(DEFAULT).filter(|_| self.has_top() && !self.parsed.accounts.iter().any(|a| a.name == DEFAULT));
        top.into_iter().chain(self.parsed.accounts.iter().map(|account| account.name.as_str()))
    }

    /// The file that was read; `None` when the environment alone sufficed.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    fn by_name(&self, name: &str) -> Result<Layers<'_>, ConfigError> {
        if let Some(account) = self.parsed.accounts.iter().find(|account| account.name == name) {
            return Ok(self.layers(account));
        }
        if name == DEFAULT {
            return self.by_default();
        }
        let names: Vec<&str> = self.names().collect();
        let message = format!("there is no account {}", value::quoted(name));
        let error = ConfigError::new(Kind::NoAccount, message).help(parse::which(name, names.into_iter()));
        Err(match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        })
    }

    /// A whole address before any pattern, and what stands first in the file before the rest.
    fn by_sender(&self, sender: &str) -> Option<Layers<'_>> {
        let top = Some((None, &self.parsed.top)).filter(|_| self.has_top());
        let own = self.parsed.accounts.iter().map(|account| (Some(account), &account.settings)).chain(top);
        let matching: Vec<_> = own
            .filter_map(|(account, settings)| {
                let domain = self.variables.mail_domain.as_ref().or(settings.mail_domain.as_ref());
                let domain = domain.map(|set| set.value.as_str());
                // What cannot be filled in fits nobody; it is told where the account is chosen all the same.
                let from: Vec<_> = self.patterns(&settings.from.as_ref()?.value, domain).flatten().collect();
                let exact = from.iter().any(|pattern| pattern.is_address() && pattern.matches(sender));
                from.iter().any(|pattern| pattern.matches(sender)).then_some((!exact, account))
            })
            .collect();
        let (_, account) = matching.into_iter().min_by_key(|(loose, _)| *loose)?;
        Some(account.map_or_else(|| self.top(), |account| self.layers(account)))
    }

    /// The patterns with names filled in, as far as that can be.
    fn patterns<'a>(
        &'a self,
        from: &'a [Template],
        mail_domain: Option<&'a str>,
    ) -> impl Iterator<Item = Result<Pattern, value::Fault>> + 'a {
        from.iter().map(move |template| self.with_names(mail_domain, |names| template.to_pattern(names)))
    }

    /// Calls `work` with the names of this machine and its user. Without a mail domain it is that of [`Config::mail_domain`].
    fn with_names<T>(&self, mail_domain: Option<&str>, work: impl FnOnce(&Names<'_>) -> T) -> T {
        let machine = self.environment.machine();
        let host = || machine.full_name().unwrap_or_else(|| machine.host_name());
        let names = Names {
            login: &|| crate::system::User::current().login,
            node: &|| machine.host_name(),
            host: &host,
            mail_domain: &|| mail_domain.map_or_else(|| self.mail_domain().to_owned(), str::to_owned),
        };
        work(&names)
    }

    fn by_default(&self) -> Result<Layers<'_>, ConfigError> {
        let accounts = &self.parsed.accounts;
        let name = self.parsed.default.as_ref().map_or(DEFAULT, |default| default.value.as_str());
        if let Some(account) = accounts.iter().find(|account| account.name == name) {
            return Ok(self.layers(account));
        }
        match accounts.as_slice() {
            _ if self.has_top() => Ok(self.top()),
            [only] => Ok(self.layers(only)),
            _ if self.variables.server.is_some() => Ok(self.top()),
            many => {
                let names = value::list(many.iter().map(|account| account.name.as_str()));
                let error = ConfigError::new(Kind::NoAccount, format!("none of the accounts is the default: {names}"));
                let first = many.first().map_or(DEFAULT, |account| account.name.as_str());
                let help = format!("Choose one with -a NAME, or write default = \"{first}\" at the top of the file.");
                Err(self.path.iter().fold(error, |error, path| error.in_file(path)).help(help))
            }
        }
    }

    /// Whether the top of the file is an account of its own, and not only what the accounts have in common.
    fn has_top(&self) -> bool {
        self.parsed.accounts.is_empty() || self.parsed.top.server.is_some()
    }

    fn top(&self) -> Layers<'_> {
        Layers { name: DEFAULT, place: None, stack: vec![&self.variables, &self.parsed.top] }
    }

    fn layers<'a>(&'a self, account: &'a parse::Entry) -> Layers<'a> {
        let stack = vec![&self.variables, &account.settings, &self.parsed.top];
        Layers { name: &account.name, place: Some(account.place), stack }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("path", &self.path).field("names", &self.names().collect::<Vec<_>>()).finish()
    }
}

impl Parsed {
    fn holds_secret(&self) -> bool {
        let holds = |settings: &Settings| {
            let proxy = settings.proxy.as_ref().is_some_and(|set| set.value.login.is_some());
            settings.password.is_some() || proxy
        };
        holds(&self.top) || self.accounts.iter().any(|account| holds(&account.settings))
    }
}

/// Where the settings of one account are looked for, the strongest first.
struct Layers<'a> {
    name: &'a str,
    /// Where the account's name stands.
    place: Option<Place>,
    stack: Vec<&'a Settings>,
}

type Opened = (PathBuf, Zeroizing<Vec<u8>>, file::Access);

fn find(environment: &Environment, explicit: Option<&Path>) -> Result<Option<Opened>, ConfigError> {
    let variable = environment.variable("POSTHASTE_CONFIG").map(PathBuf::from);
    if let Some(path) = explicit.map(Path::to_owned).or(variable) {
        return match file::read(&path) {
            Ok((octets, access)) => Ok(Some((path, octets, access))),
            Err(error) => Err(unreadable(&path, &error, Kind::Missing)),
        };
    }
    for path in environment.personal_file().iter().chain([environment.system_file()]) {
        match file::read(path) {
            Ok((octets, access)) => return Ok(Some((path.clone(), octets, access))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            // Where not even the directory can be searched, nobody knows whether there is a file: a `HOME` that is
            // somebody else's, as after `sudo -u`.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.symlink_metadata().is_err() => {}
            Err(error) => return Err(unreadable(path, &error, Kind::Invalid)),
        }
    }
    Ok(None)
}

fn unreadable(path: &Path, error: &io::Error, otherwise: Kind) -> ConfigError {
    use std::os::unix::fs::MetadataExt as _;
    if error.kind() != io::ErrorKind::PermissionDenied {
        return ConfigError::new(otherwise, format!("this file cannot be used: {}", crate::system::words(error)))
            .in_file(path);
    }
    let help = match path.metadata() {
        // To be in root's group is too high a price.
        Ok(facts) if facts.mode() & 0o040 != 0 && facts.gid() != 0 => {
            let (group, user) = (crate::system::group_name(facts.gid()), crate::system::User::current().login);
            format!("Only members of the group {group} may read it. To make {user} one: usermod -a -G {group} {user}")
        }
        Ok(facts) if facts.uid() == 0 => {
            "Only root may read it. Let a group of those who send read it, too (chgrp, chmod 640).".to_owned()
        }
        Ok(facts) => format!("Only {} may read it.", crate::system::User::of(facts.uid()).login),
        Err(_) => "A directory on the way to it may not be entered.".to_owned(),
    };
    ConfigError::new(Kind::Unreadable, "this file cannot be read: permission denied").in_file(path).help(help)
}

fn missing(environment: &Environment) -> ConfigError {
    let personal = environment.personal_file();
    let places: Vec<String> =
        personal.iter().chain([environment.system_file()]).map(|path| path.display().to_string()).collect();
    let write = personal.as_ref().unwrap_or(environment.system_file()).display().to_string();
    // A home may be that of a web server, where such a file has no business.
    let or_for_all = match personal {
        Some(_) => format!(", or for all users to {}", environment.system_file().display()),
        None => String::new(),
    };
    ConfigError::new(
        Kind::Missing,
        format!("no account is configured: there is neither {} nor POSTHASTE_SERVER", places.join(" nor ")),
    )
    .help(format!("Write these lines to {write}{or_for_all}, with your own names:\n{EXAMPLE}"))
}

/// The account that the top of a file makes.
const DEFAULT: &str = "default";
const EXAMPLE: &str = "\
server = \"submissions://alice@smtp.example.org\"
password-command = \"pass show smtp.example.org\"
from = \"alice@example.org\"
mail-domain = \"example.org\"";
