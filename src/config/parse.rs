//! The text of a file, read into what each of its layers sets.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{ConfigError, Kind};
use super::schema::{Key, SCHEMA, key};
use super::settings::{Found, Input, Mistake, Place, Set, Settings};
use super::suggest::nearest;
use super::value::{list, quoted};

/// What stands in a file.
#[derive(Default)]
pub(super) struct Parsed {
    /// The keys at the top.
    pub top: Settings,
    /// The tables `[account.NAME]`, in their order.
    pub accounts: Vec<Entry>,
    /// The key `default`.
    pub default: Option<Set<String>>,
}

/// One `[account.NAME]`.
pub(super) struct Entry {
    pub name: String,
    /// Where the name stands.
    pub place: Place,
    pub settings: Settings,
}

/// Reads the text of a file. The first mistake in it is the error.
pub(super) fn parse(path: &Path, text: &str) -> Result<Parsed, ConfigError> {
    let file = File { path, text };
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(text.len()..text.len());
        let (message, help) = syntax(error.message(), text.get(span.clone()).unwrap_or_default());
        let error = file.error(message, span);
        match help {
            Some(help) => error.help(help),
            None => error,
        }
    })?;
    let mut parsed = Parsed::default();
    for (name, value) in in_order(table.get_ref()) {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("account", DeValue::Table(accounts)) => {
                for (name, value) in in_order(accounts) {
                    parsed.accounts.push(file.account(name.get_ref(), name.span(), value)?);
                }
            }
            ("account", _) => {
                let error = file.error("`account` is not a table", value.span());
                return Err(error.help("Write [account.NAME] on a line of its own, and the settings below."));
            }
            ("default", DeValue::String(account)) => {
                parsed.default = Some(Set { value: account.as_ref().to_owned(), place: place(value.span()) });
            }
            ("default", _) => {
                let error = file.error("`default` must be the name of an account", value.span());
                return Err(error.help("For example: default = \"work\""));
            }
            (known, value_found) => match key(known) {
                Some(key) => file.store(&mut parsed.top, key, value)?,
                None => return Err(file.unknown(known, name.span(), value_found, &["default", "account"])),
            },
        }
    }
    if let Some(default) = &parsed.default {
        let names = || parsed.accounts.iter().map(|account| account.name.as_str());
        if !names().chain([super::DEFAULT]).any(|name| name == default.value) {
            let error = file.error(format!("there is no account {}", quoted(&default.value)), default.place.span());
            return Err(error.help(which(&default.value, names())));
        }
    }
    Ok(parsed)
}

/// The commonest mistakes in the form of a file, in words that need no knowledge of TOML. `place` is what stands there.
fn syntax<'a>(message: &'a str, place: &str) -> (&'a str, Option<&'static str>) {
    let typographic = place.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}', '\u{ab}', '\u{bb}']);
    match message {
        _ if message.starts_with("string values must be quoted") && typographic => {
            ("these quotes are typographic ones", Some("Write straight quotes: \" at both ends."))
        }
        _ if message.starts_with("string values must be quoted") => {
            ("a text must be in quotes", Some("For example: from = \"alice@example.org\""))
        }
        _ if message.starts_with("key with no value") => {
            ("there is no = behind the key", Some("A setting is a line such as: from = \"alice@example.org\""))
        }
        _ if message.starts_with("invalid basic string, expected `\"`") => ("the closing quote is missing", None),
        _ => (message.trim_end_matches('.'), None),
    }
}

/// Says which account was probably meant, or which there are.
pub(super) fn which<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(name, names.clone()) {
        Some(near) => format!("Did you mean `{near}`?"),
        None if names.clone().next().is_none() => "There is only one account, `default`.".to_owned(),
        None if names.clone().count() == 1 => format!("There is only {}.", list(names)),
        None => format!("There are {}.", list(names)),
    }
}

/// The error for a mistake, to be given its place, which comes second.
pub(super) fn explain(key: &Key, name: &str, mistake: Mistake) -> (ConfigError, Place) {
    let example = format!("For example: {} = {}", key.name, key.example);
    match mistake {
        Mistake::Type(found, place) => {
            let message = format!("{name} must be {}, not {found}", key.form);
            (ConfigError::new(Kind::Invalid, message).help(example), place)
        }
        Mistake::Value(fault, place) => {
            let help = fault.help.unwrap_or(example);
            (ConfigError::new(Kind::Invalid, format!("{name}: {}", fault.message)).help(help), place)
        }
    }
}

impl Place {
    /// The octets of the file; none for the environment.
    pub(super) fn span(self) -> Range<usize> {
        match self {
            Place::File(from, to) => from..to,
            Place::Environment => 0..0,
        }
    }
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn error(&self, message: impl Into<String>, span: Range<usize>) -> ConfigError {
        ConfigError::new(Kind::Invalid, message).at(self.path, self.text, span)
    }

    fn account(&self, name: &str, span: Range<usize>, value: &Spanned<DeValue<'_>>) -> Result<Entry, ConfigError> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.error("an account needs a name of one line", span));
        }
        let DeValue::Table(table) = value.get_ref() else {
            let error = self.error(format!("the account {} is not a table", quoted(name)), span);
            return Err(error.help(format!("Write [account.{name}] on a line of its own, and the settings below.")));
        };
        let mut settings = Settings::default();
        for (name, value) in in_order(table) {
            match (name.get_ref().as_ref(), key(name.get_ref())) {
                (_, Some(key)) => self.store(&mut settings, key, value)?,
                ("default", None) => {
                    let error = self.error("`default` belongs to the file and not to an account", name.span());
                    return Err(error.help("Move it to the top, before the first [account.…]."));
                }
                (unknown, None) => return Err(self.unknown(unknown, name.span(), value.get_ref(), &[])),
            }
        }
        Ok(Entry { name: name.to_owned(), place: place(span), settings })
    }

    fn store(&self, settings: &mut Settings, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<(), ConfigError> {
        key.store(settings, &input(value)).map_err(|mistake| {
            let (error, place) = explain(key, &format!("`{}`", key.name), mistake);
            error.at(self.path, self.text, place.span())
        })
    }

    fn unknown(&self, name: &str, span: Range<usize>, value: &DeValue<'_>, others: &[&str]) -> ConfigError {
        let error = self.error(format!("unknown key {}", quoted(name)), span);
        let known = || SCHEMA.iter().map(|key| key.name).chain(others.iter().copied());
        let plain = name.to_ascii_lowercase().replace('_', "-");
        if let Some((_, cure)) = FOREIGN.iter().find(|(foreign, _)| *foreign == plain) {
            return error.help(*cure);
        }
        match (nearest(name, known()), value) {
            (Some(near), _) => error.help(format!("Did you mean `{near}`?")),
            (None, DeValue::Table(_)) if !others.is_empty() => {
                error.help(format!("If it is an account, write [account.{name}]."))
            }
            _ => error.help("The man page posthaste.toml(5) lists all keys."),
        }
    }
}

fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a Spanned<toml::de::DeString<'i>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_unstable_by_key(|(name, _)| name.span().start);
    entries
}

fn input<'a>(value: &'a Spanned<DeValue<'_>>) -> Input<'a> {
    let found = match value.get_ref() {
        DeValue::String(text) => Found::Text(text),
        DeValue::Integer(number) if number.radix() == 10 => Found::Integer(number.as_str()),
        DeValue::Integer(_) => Found::Other("a number in another notation"),
        DeValue::Array(items) => Found::List(items.iter().map(input).collect()),
        DeValue::Float(_) => Found::Other("a number with a point"),
        DeValue::Boolean(_) => Found::Other("a truth value"),
        DeValue::Datetime(_) => Found::Other("a date"),
        DeValue::Table(_) => Found::Other("a table"),
    };
    Input { found, place: place(value.span()) }
}

fn place(span: Range<usize>) -> Place {
    Place::File(span.start, span.end)
}

/// A certificate that nobody checks protects nothing.
const CHECKED: &str =
    "Certificates are always checked: name the CA with `tls-ca-file`, or the key of the server with `tls-pin`.";

/// Keys of other programs, and what to write here.
const FOREIGN: &[(&str, &str)] = &[
    ("host", "Write the host into the URL: server = \"submissions://USER@HOST\""),
    ("port", "Write the port into the URL: server = \"submissions://USER@HOST:PORT\""),
    ("auto-from", "Set `mail-domain`, or `from` for a fixed address."),
    ("pass", "Did you mean `password`?"),
    ("passwd", "Did you mean `password`?"),
    ("passwordeval", "Did you mean `password-command`?"),
    ("username", "Did you mean `user`?"),
    ("login", "Did you mean `user`?"),
    ("starttls", "The scheme of the URL says it: submission:// is STARTTLS, submissions:// is TLS at once."),
    ("tls-starttls", "The scheme of the URL says it: submission:// is STARTTLS, submissions:// is TLS at once."),
    ("tls-trust-file", "Did you mean `tls-ca-file`?"),
    ("tls-fingerprint", "Did you mean `tls-pin` (of the public key, not of the certificate)?"),
    ("tls-certcheck", CHECKED),
    ("tls-verify", CHECKED),
    ("insecure", CHECKED),
    ("domain", "Set `hostname` for EHLO, or `mail-domain` for addresses."),
];
