//! What one layer (the environment, an account, the top of the file) sets, and how a value found there gets in.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::SecretString;

use super::account::{
    AliasesIn, Chunking, DnsServer, DnsTrust, Domain, EightBit, Family, KeepOriginal, LongLines, Mechanisms, MtaSts,
    Partial, Proxy, TlsPolicy, TlsVersion, Unsigned, Who,
};
use super::identity::{Entry, Template};
use super::tlsrpt::Kept;
use super::url::Url;
use super::value::{self, Auth, Fault};
use crate::envelope::{Notify, Returned};

/// What one layer sets.
#[derive(Default)]
pub(super) struct Settings {
    pub server: Option<Set<Vec<Url>>>,
    pub user: Option<Set<String>>,
    pub password: Option<Set<SecretString>>,
    pub password_file: Option<Set<String>>,
    pub password_command: Option<Set<String>>,
    pub auth: Option<Set<Auth>>,
    pub tls: Option<Set<TlsPolicy>>,
    pub tls_roots: Option<Set<Roots>>,
    pub tls_ca_file: Option<Set<String>>,
    pub tls_crl_file: Option<Set<String>>,
    pub tls_pin: Option<Set<Vec<[u8; 32]>>>,
    pub tls_server_name: Option<Set<String>>,
    pub tls_cert: Option<Set<String>>,
    pub tls_key: Option<Set<String>>,
    pub tls_min: Option<Set<TlsVersion>>,
    pub proxy: Option<Set<Proxy>>,
    pub proxy_command: Option<Set<String>>,
    pub source_address: Option<Set<Vec<IpAddr>>>,
    pub ip: Option<Set<Family>>,
    pub dns: Option<Set<Vec<DnsServer>>>,
    pub dns_trust: Option<Set<DnsTrust>>,
    pub mx_port: Option<Set<u16>>,
    pub mta_sts: Option<Set<MtaSts>>,
    pub mta_sts_port: Option<Set<u16>>,
    pub dns_timeout: Option<Set<Duration>>,
    pub from: Option<Set<Vec<Template>>>,
    pub hostname: Option<Set<String>>,
    pub mail_domain: Option<Set<String>>,
    pub aliases: Option<Set<String>>,
    pub aliases_in: Option<Set<AliasesIn>>,
    pub sender_map: Option<Set<Vec<Entry>>>,
    pub sender_map_file: Option<Set<String>>,
    pub masquerade: Option<Set<Vec<Domain>>>,
    pub masquerade_except: Option<Set<Vec<Who>>>,
    pub rewrite_from: Option<Set<Option<KeepOriginal>>>,
    pub envelope_from: Option<Set<Template>>,
    pub timeout: Option<Set<Duration>>,
    pub connect_timeout: Option<Set<Duration>>,
    pub min_rate: Option<Set<u64>>,
    pub max_recipients: Option<Set<usize>>,
    pub max_sessions: Option<Set<usize>>,
    pub max_size: Option<Set<u64>>,
    pub partial: Option<Set<Partial>>,
    pub eight_bit: Option<Set<EightBit>>,
    pub long_lines: Option<Set<LongLines>>,
    pub charset: Option<Set<String>>,
    pub dsn_notify: Option<Set<Notify>>,
    pub dsn_return: Option<Set<Returned>>,
    pub chunking: Option<Set<Chunking>>,
    pub state_file: Option<Set<String>>,
    pub tlsrpt: Option<Set<Kept>>,
    pub dkim_selector: Option<Set<Vec<String>>>,
    pub dkim_key: Option<Set<Vec<String>>>,
    pub dkim_domain: Option<Set<Vec<String>>>,
    pub dkim_unsigned: Option<Set<Unsigned>>,
    pub log: Option<Set<LogTo>>,
    pub log_file: Option<Set<String>>,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub value: T,
    pub place: Place,
}

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the file, from one octet to another.
    File(usize, usize),
    /// In the environment.
    Environment,
}

/// The `tls-roots` key as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    Both,
    System,
    BuiltIn,
}

/// The `log` key as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogTo {
    None,
    Syslog,
    Journal,
    File,
}

/// A value as found, before anybody looked at what it means.
pub(super) struct Input<'a> {
    pub found: Found<'a>,
    pub place: Place,
}

/// What was found.
pub(super) enum Found<'a> {
    /// A text.
    Text(&'a str),
    /// Digits, perhaps with a sign.
    Integer(&'a str),
    /// A list.
    List(Vec<Input<'a>>),
    /// The value of a variable, which has no type of its own.
    Variable(&'a str),
    /// Something that no setting is: its name.
    Other(&'static str),
}

/// What is wrong with an input.
#[derive(Debug)]
pub(super) enum Mistake {
    /// It is not of the right kind but of this one.
    Type(&'static str, Place),
    /// Its value is wrong.
    Value(Fault, Place),
}

pub(super) fn put<T>(
    slot: &mut Option<Set<T>>,
    input: &Input<'_>,
    read: impl Fn(&str) -> Result<T, Fault>,
) -> Result<(), Mistake> {
    let text = match input.found {
        Found::Text(text) | Found::Variable(text) => text,
        _ => return Err(Mistake::Type(input.found.kind(), input.place)),
    };
    let value = read(text).map_err(|fault| Mistake::Value(fault, input.place))?;
    *slot = Some(Set { value, place: input.place });
    Ok(())
}

pub(super) fn put_number<T>(
    slot: &mut Option<Set<T>>,
    input: &Input<'_>,
    read: fn(&str) -> Result<T, Fault>,
) -> Result<(), Mistake> {
    match input.found {
        Found::Integer(digits) => put(slot, &Input { found: Found::Text(digits), place: input.place }, read),
        Found::Text(_) => Err(Mistake::Type(input.found.kind(), input.place)),
        _ => put(slot, input, read),
    }
}

pub(super) fn put_size(slot: &mut Option<Set<u64>>, input: &Input<'_>) -> Result<(), Mistake> {
    match input.found {
        Found::Text(_) => put(slot, input, value::size),
        _ => put_number(slot, input, value::size),
    }
}

pub(super) fn put_list<T>(
    slot: &mut Option<Set<Vec<T>>>,
    input: &Input<'_>,
    read: fn(&str) -> Result<T, Fault>,
) -> Result<(), Mistake> {
    let one = |input: &Input<'_>| {
        let mut one = None;
        put(&mut one, input, read).map(|()| one.map(|set| set.value))
    };
    let found: Vec<Option<T>> = match &input.found {
        Found::List(items) => items.iter().map(one).collect::<Result<_, _>>()?,
        Found::Variable(text) => text
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|word| !word.is_empty())
            .map(|word| one(&Input { found: Found::Variable(word), place: input.place }))
            .collect::<Result<_, _>>()?,
        _ => vec![one(input)?],
    };
    let value: Vec<T> = found.into_iter().flatten().collect();
    if value.is_empty() {
        return Err(Mistake::Value(Fault::new("is an empty list"), input.place));
    }
    *slot = Some(Set { value, place: input.place });
    Ok(())
}

pub(super) fn put_auth(slot: &mut Option<Set<Auth>>, input: &Input<'_>) -> Result<(), Mistake> {
    let mut list = None;
    put_list(&mut list, input, value::auth)?;
    let Some(Set { value: words, place }) = list else { return Ok(()) };
    let mut named = Vec::new();
    let alone = words.len() == 1;
    for word in words {
        match word {
            Auth::With(Mechanisms::Named(names)) => named.extend(names),
            only if alone => {
                *slot = Some(Set { value: only, place });
                return Ok(());
            }
            _ => return Err(Mistake::Value(Fault::new("has `auto` or `none` among other words"), place)),
        }
    }
    *slot = Some(Set { value: Auth::With(Mechanisms::Named(named)), place });
    Ok(())
}

impl Found<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Found::Text(_) | Found::Variable(_) => "a text",
            Found::Integer(_) => "a number",
            Found::List(_) => "a list",
            Found::Other(name) => name,
        }
    }
}
