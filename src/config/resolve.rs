//! Layers into an [`Account`]: the environment beats the account, the account beats the top of the file. What
//! belongs together (three ways to a password, two to trusted roots) is taken from one layer as a whole.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::account::{
    ALIASES, Chunking, Dns, DnsTrust, EightBit, Family, LongLines, Mailboxes, MtaSts, Partial, Pattern, Reach, Via,
};
use super::account::{
    Account, Log, Login, Mechanisms, NamedFile, Proof, Relay, Scheme, Secret, Server, Service, Timeouts, Tls,
    TlsPolicy, TlsRoots, TlsVersion,
};
use super::error::{ConfigError, Kind};
use super::schema::PREFIX;
use super::settings::{LogTo, Place, Roots, Set, Settings};
use super::url::{Url, scheme_name};
use super::value::{Auth, quoted};
use super::{Config, Layers, dkim};
use crate::envelope::Dsn;

/// Resolves the settings of one account. `log` is where the log goes when no layer says it.
pub(super) fn account(config: &Config, layers: Layers<'_>, log: Log) -> Result<Account, ConfigError> {
    let resolver = Resolver { config, layers };
    let (rank, servers) = resolver.servers()?;
    let login = resolver.login(rank, servers)?;
    let reach = resolver.reach()?;
    let tls = resolver.tls(servers, login.is_some(), &reach)?;
    let (mail_domain, mailboxes) = match resolver.pick(|s| s.mail_domain.as_ref()) {
        Some(domain) => (domain.clone(), Mailboxes::Elsewhere),
        None => (config.mail_domain().to_owned(), Mailboxes::Unknown),
    };
    let from = resolver.from(&mail_domain)?;
    Ok(Account {
        name: resolver.layers.name.to_owned(),
        servers: resolver.with_users(rank, servers),
        login,
        tls,
        reach,
        mx_port: resolver.pick(|s| s.mx_port.as_ref()).copied().unwrap_or(MX_PORT),
        mta_sts: resolver.pick(|s| s.mta_sts.as_ref()).copied().unwrap_or(MtaSts::Auto),
        mta_sts_port: resolver.pick(|s| s.mta_sts_port.as_ref()).copied().unwrap_or(HTTPS_PORT),
        dns: Dns {
            servers: resolver.pick(|s| s.dns.as_ref()).cloned().unwrap_or_default(),
            trust: resolver.pick(|s| s.dns_trust.as_ref()).copied().unwrap_or(DnsTrust::Auto),
            timeout: resolver.pick(|s| s.dns_timeout.as_ref()).copied().unwrap_or(LOOK_UP),
        },
        identity: config.with_names(Some(&mail_domain), |names| resolver.identity(&from, names))?,
        from,
        hostname: resolver.pick(|s| s.hostname.as_ref()).cloned(),
        mail_domain,
        mailboxes,
        aliases: match resolver.pick_set(|s| s.aliases.as_ref()) {
            None => Some(PathBuf::from(ALIASES)),
            Some(set) if set.value == "none" => None,
            Some(set) => Some(resolver.path(set)),
        },
        timeouts: Timeouts {
            connect: resolver.pick(|s| s.connect_timeout.as_ref()).copied().unwrap_or(CONNECT),
            command: resolver.pick(|s| s.timeout.as_ref()).copied(),
            greeting: None,
            min_rate: resolver.pick(|s| s.min_rate.as_ref()).copied().unwrap_or(MIN_RATE),
        },
        max_recipients: resolver.pick(|s| s.max_recipients.as_ref()).copied().unwrap_or(MAX_RECIPIENTS),
        max_sessions: resolver.pick(|s| s.max_sessions.as_ref()).copied().unwrap_or(MAX_SESSIONS),
        max_size: resolver.pick(|s| s.max_size.as_ref()).copied(),
        partial: resolver.pick(|s| s.partial.as_ref()).copied().unwrap_or(Partial::Deliver),
        eight_bit: resolver.pick(|s| s.eight_bit.as_ref()).copied().unwrap_or(EightBit::Encode),
        long_lines: resolver.pick(|s| s.long_lines.as_ref()).copied().unwrap_or(LongLines::Encode),
        charset: resolver.pick(|s| s.charset.as_ref()).map_or(UNKNOWN_CHARSET, String::as_str).to_owned(),
        dsn: Dsn {
            notify: resolver.pick(|s| s.dsn_notify.as_ref()).cloned(),
            returned: resolver.pick(|s| s.dsn_return.as_ref()).copied(),
            envelope_id: None,
        },
        chunking: resolver.pick(|s| s.chunking.as_ref()).copied().unwrap_or(Chunking::Auto),
        state_file: resolver.state_file(),
        tls_reports: resolver.tls_reports(),
        dkim: dkim::dkim(&resolver)?,
        log: resolver.log(log)?,
        xclient: Vec::new(),
    })
}

pub(super) struct Resolver<'a> {
    config: &'a Config,
    layers: Layers<'a>,
}

impl<'a> Resolver<'a> {
    /// A setting of the highest layer that has it.
    fn find<T>(&self, get: impl Fn(&'a Settings) -> Option<&'a Set<T>>) -> Option<(usize, &'a Set<T>)> {
        self.layers.stack.iter().enumerate().find_map(|(rank, layer)| Some((rank, get(layer)?)))
    }

    pub(super) fn pick<T>(&self, get: impl Fn(&'a Settings) -> Option<&'a Set<T>>) -> Option<&'a T> {
        self.find(get).map(|(_, set)| &set.value)
    }

    pub(super) fn pick_set<T>(&self, get: impl Fn(&'a Settings) -> Option<&'a Set<T>>) -> Option<&'a Set<T>> {
        self.find(get).map(|(_, set)| set)
    }

    pub(super) fn error(&self, message: impl Into<String>, place: Place) -> ConfigError {
        self.config.error(message, place)
    }

    /// The user whose files are trusted.
    pub(super) fn owner(&self) -> u32 {
        self.config.environment.user()
    }

    /// Where things are kept between runs; nowhere without a home.
    pub(super) fn state_directory(&self) -> Option<PathBuf> {
        Some(self.config.environment.state_file()?.parent()?.to_owned())
    }

    fn from(&self, mail_domain: &str) -> Result<Vec<Pattern>, ConfigError> {
        let Some(set) = self.pick_set(|s| s.from.as_ref()) else { return Ok(Vec::new()) };
        let patterns = self.config.patterns(&set.value, Some(mail_domain));
        patterns.collect::<Result<_, _>>().map_err(|fault| self.error(format!("`from`: {}", fault.message), set.place))
    }

    fn servers(&self) -> Result<(usize, &'a Set<Vec<Url>>), ConfigError> {
        self.find(|s| s.server.as_ref()).ok_or_else(|| {
            let message = match self.layers.place {
                Some(_) => format!("the account {} has no server", quoted(self.layers.name)),
                None => "there is no server".to_owned(),
            };
            let error = match self.layers.place {
                Some(place) => self.error(message, place),
                None => self.config.error_in_file(message),
            };
            error.help("Add one: server = \"submissions://alice@smtp.example.org\"")
        })
    }

    fn login(&self, rank: usize, servers: &'a Set<Vec<Url>>) -> Result<Option<Login>, ConfigError> {
        if servers.value.iter().all(|url| url.relay == Relay::Exchangers) {
            return self.no_login();
        }
        let mechanisms = match self.pick(|s| s.auth.as_ref()) {
            Some(Auth::None) => return Ok(None),
            Some(Auth::With(mechanisms)) => mechanisms.clone(),
            None => Mechanisms::Auto,
        };
        self.check_mechanisms(&mechanisms)?;
        let user = self.user(rank, servers)?;
        if mechanisms == Mechanisms::Named(vec![EXTERNAL.to_owned()]) {
            let user = user.map(|(user, _)| user.to_owned()).unwrap_or_default();
            return Ok(Some(Login { user, secret: None, mechanisms }));
        }
        match (user, self.secret()?) {
            (None, None) => Ok(None),
            (Some((user, _)), Some((secret, _))) => {
                Ok(Some(Login { user: user.to_owned(), secret: Some(secret), mechanisms }))
            }
            (Some((user, place)), None) => {
                let error = self.error(format!("there is no password for the user {}", quoted(user)), place);
                Err(error.help("Set `password-command`, `password-file` or `password`; or auth = \"none\" to send without a login."))
            }
            (None, Some((_, place))) => {
                let error = self.error("there is a password, and no user for it", place);
                Err(error.help("Name the user: server = \"submissions://USER@HOST\", or user = \"USER\"."))
            }
        }
    }

    /// Nobody logs in to mail exchangers. A login beside them, and not above for other accounts, is a mistake.
    fn no_login(&self) -> Result<Option<Login>, ConfigError> {
        match self.find(|s| s.user.as_ref()) {
            Some((_, set)) if !matches!(self.pick(|s| s.auth.as_ref()), Some(Auth::None)) => Err(self
                .error("`user` is set, and nobody logs in to the exchangers of `mx:`", set.place)
                .help("Remove it, or write auth = \"none\" in this account.")),
            _ => Ok(None),
        }
    }

    /// EXTERNAL is nothing without a certificate, and what is a token for one mechanism is no password for another.
    fn check_mechanisms(&self, mechanisms: &Mechanisms) -> Result<(), ConfigError> {
        let (Mechanisms::Named(names), Some((_, set))) = (mechanisms, self.find(|s| s.auth.as_ref())) else {
            return Ok(());
        };
        if names.iter().any(|name| name == EXTERNAL) && self.find(|s| s.tls_cert.as_ref()).is_none() {
            let error = self.error("`auth` is `EXTERNAL`, and there is no certificate to log in with", set.place);
            return Err(error.help("Set `tls-cert` and `tls-key`."));
        }
        let (tokens, others): (Vec<&String>, Vec<&String>) =
            names.iter().filter(|name| *name != EXTERNAL).partition(|name| TOKENS.contains(&name.as_str()));
        match (tokens.first(), others.first()) {
            (Some(token), Some(other)) => {
                let message =
                    format!("`auth` names {token}, which takes an access token, and {other}, which takes a password");
                Err(self.error(message, set.place).help("Keep one kind: an account has one secret."))
            }
            _ => Ok(()),
        }
    }

    fn user(&self, rank: usize, servers: &'a Set<Vec<Url>>) -> Result<Option<(&'a str, Place)>, ConfigError> {
        let mut in_urls = servers.value.iter().filter_map(|url| url.user.as_deref());
        let key = self.find(|s| s.user.as_ref());
        if let Some((other, key)) = key
            && rank == other
            && let Some(in_url) = in_urls.clone().find(|user| *user != key.value)
        {
            let message = format!("the URL names the user {}, and `user` is {}", quoted(in_url), quoted(&key.value));
            return Err(self.error(message, key.place).help("Remove one of them."));
        }
        Ok(match (in_urls.next(), key) {
            (Some(in_url), Some((other, _))) if rank <= other => Some((in_url, servers.place)),
            (_, Some((_, key))) => Some((key.value.as_str(), key.place)),
            (Some(in_url), None) => Some((in_url, servers.place)),
            (None, None) => None,
        })
    }

    /// The servers, each with the user of its URL unless the key `user` stands above them.
    fn with_users(&self, rank: usize, servers: &Set<Vec<Url>>) -> Vec<Relay> {
        let above = self.find(|s| s.user.as_ref()).is_some_and(|(other, _)| other < rank);
        let of = |url: &Url| {
            let user = url.user.clone().filter(|_| !above);
            match url.relay.clone() {
                Relay::Server(server) => Relay::Server(Server { user, ..server }),
                Relay::Service(service) => Relay::Service(Service { user, ..service }),
                Relay::Exchangers => Relay::Exchangers,
            }
        };
        servers.value.iter().map(of).collect()
    }

    fn secret(&self) -> Result<Option<(Secret, Place)>, ConfigError> {
        for layer in &self.layers.stack {
            let password =
                layer.password.as_ref().map(|set| ("password", Secret::Literal(set.value.clone()), set.place));
            let file = layer.password_file.as_ref();
            let file = file.map(|set| ("password-file", Secret::File(self.credential(set)), set.place));
            let command = layer.password_command.as_ref();
            let command = command.map(|set| ("password-command", Secret::Command(set.value.clone()), set.place));
            let mut found = [password, file, command].into_iter().flatten();
            if let Some((first, secret, place)) = found.next() {
                return match found.next() {
                    None => Ok(Some((secret, place))),
                    Some((second, _, place)) => Err(self.both(first, second, place)),
                };
            }
        }
        Ok(None)
    }

    fn both(&self, first: &str, second: &str, place: Place) -> ConfigError {
        let name = |key: &str| match place {
            Place::File(..) => format!("`{key}`"),
            Place::Environment => key_variable(key),
        };
        self.error(format!("both {} and {} are set", name(first), name(second)), place).help("Keep one of them.")
    }

    fn tls(&self, servers: &Set<Vec<Url>>, login: bool, reach: &Reach) -> Result<Tls, ConfigError> {
        let mut policy = TlsPolicy::Required;
        // A socket of this machine is as good as TLS, and mostly has none.
        let on_sockets = self.pick(|s| s.tls.as_ref()).copied().unwrap_or(TlsPolicy::None);
        if let Some((_, set)) = self.find(|s| s.tls.as_ref())
            && set.value != TlsPolicy::Required
        {
            policy = set.value;
            let word = if policy == TlsPolicy::None { "none" } else { "opportunistic" };
            if servers.value.iter().any(|url| matches!(url.relay, Relay::Service(_))) {
                let message = format!("`tls` is `{word}`, and servers that are found by SRV must have TLS (RFC 6186)");
                return Err(self.error(message, set.place).help("Remove `tls`, or name a server."));
            }
            let is_implicit = |relay: &Relay| matches!(relay, Relay::Server(s) if s.scheme == Scheme::Submissions);
            if servers.value.iter().any(|url| is_implicit(&url.relay)) {
                let scheme = scheme_name(Scheme::Submissions);
                let message = format!("`tls` is `{word}`, and {scheme}:// is TLS from the first octet");
                return Err(self
                    .error(message, set.place)
                    .help("Write submission:// or smtp:// if the server has no TLS."));
            }
            // Nobody logs in to an exchanger.
            let is_safe = |relay: &Relay| match relay {
                Relay::Server(server) => server.is_here(&reach.via),
                Relay::Service(_) => false,
                Relay::Exchangers => true,
            };
            if login && !servers.value.iter().all(|url| is_safe(&url.relay)) {
                let message = format!("`tls` is `{word}`, and there is a password, which others could read on the way");
                return Err(self
                    .error(message, set.place)
                    .help("Remove `tls`, or set auth = \"none\" to send without a login."));
            }
        }
        if policy == TlsPolicy::Opportunistic
            && let Some((_, pins)) = self.find(|s| s.tls_pin.as_ref())
        {
            let message = "`tls-pin` is set, and `tls` is `opportunistic`: with another key, clear text would be sent";
            return Err(self.error(message, pins.place).help("Remove one of them."));
        }
        let cert = self.find(|s| s.tls_cert.as_ref()).map(|(_, set)| set);
        let key = self.find(|s| s.tls_key.as_ref()).map(|(_, set)| set);
        let alone = match (cert, key) {
            (Some(cert), None) => Some(("tls-cert", "tls-key", cert.place)),
            (None, Some(key)) => Some(("tls-key", "tls-cert", key.place)),
            _ => None,
        };
        if let Some((one, other, place)) = alone {
            return Err(self
                .error(format!("`{one}` is set and `{other}` is not"), place)
                .help("Set both, or neither."));
        }
        if on_sockets == TlsPolicy::Required
            && servers.value.iter().any(|url| matches!(&url.relay, Relay::Server(server) if server.host().is_none()))
            && self.pick(|s| s.tls_server_name.as_ref()).is_none()
        {
            let message = "`tls` is `required`, and a socket has no name that a certificate could bear";
            return Err(self
                .error(message, servers.place)
                .help("Set `tls-server-name` to the name in the certificate, or tls = \"none\"."));
        }
        Ok(Tls {
            policy,
            on_sockets,
            on_exchangers: self.pick(|s| s.tls.as_ref()).copied().unwrap_or(TlsPolicy::Opportunistic),
            proof: Proof::AsAccount,
            roots: self.roots()?,
            pins: self.pick(|s| s.tls_pin.as_ref()).cloned().unwrap_or_default(),
            server_name: self.pick(|s| s.tls_server_name.as_ref()).cloned(),
            revoked: self.find(|s| s.tls_crl_file.as_ref()).map(|(_, set)| self.named_file("tls-crl-file", set)),
            cert: cert.map(|set| self.named_file("tls-cert", set)),
            key: key.map(|set| self.named_file("tls-key", set)),
            min: self.pick(|s| s.tls_min.as_ref()).copied().unwrap_or(TlsVersion::Tls12),
        })
    }

    fn reach(&self) -> Result<Reach, ConfigError> {
        let sources = match self.find(|s| s.source_address.as_ref()) {
            None => Vec::new(),
            Some((_, set)) => {
                let of = |four: bool| set.value.iter().filter(|address| address.is_ipv4() == four).count();
                if of(true) > 1 || of(false) > 1 {
                    let error = self.error("`source-address` has two addresses of one family", set.place);
                    return Err(error.help("Write one address, or one of IPv4 and one of IPv6."));
                }
                set.value.clone()
            }
        };
        let family = self.pick(|s| s.ip.as_ref()).copied().unwrap_or(Family::Any);
        Ok(Reach { via: self.via()?, family, sources })
    }

    fn via(&self) -> Result<Via, ConfigError> {
        for layer in &self.layers.stack {
            match (&layer.proxy, &layer.proxy_command) {
                (None, None) => {}
                (Some(_), Some(command)) => return Err(self.both("proxy", "proxy-command", command.place)),
                (Some(proxy), None) => return Ok(Via::Proxy(proxy.value.clone())),
                (None, Some(command)) => return Ok(Via::Command(command.value.clone())),
            }
        }
        Ok(Via::Directly)
    }

    fn roots(&self) -> Result<TlsRoots, ConfigError> {
        for layer in &self.layers.stack {
            return match (&layer.tls_roots, &layer.tls_ca_file) {
                (None, None) => continue,
                (Some(_), Some(file)) => Err(self.both("tls-roots", "tls-ca-file", file.place)),
                (None, Some(file)) => Ok(TlsRoots::File(self.named_file("tls-ca-file", file))),
                (Some(Set { value: Roots::Both, .. }), None) => Ok(TlsRoots::Both),
                (Some(Set { value: Roots::System, .. }), None) => Ok(TlsRoots::System),
                (Some(Set { value: Roots::BuiltIn, .. }), None) => Ok(TlsRoots::BuiltIn),
            };
        }
        Ok(TlsRoots::Both)
    }

    /// The file with what is remembered of servers; none where there is no home.
    fn state_file(&self) -> Option<PathBuf> {
        match self.pick(|s| s.state_file.as_ref()) {
            Some(word) if word == "none" => None,
            Some(_) => self.find(|s| s.state_file.as_ref()).map(|(_, set)| self.path(set)),
            None => self.config.environment.state_file(),
        }
    }

    fn log(&self, unset: Log) -> Result<Log, ConfigError> {
        for layer in &self.layers.stack {
            let (to, place) = match (&layer.log, &layer.log_file) {
                (None, None) => continue,
                (None, Some(file)) => (LogTo::File, file.place),
                (Some(to), None) => (to.value, to.place),
                (Some(Set { value: LogTo::File, place }), Some(_)) => (LogTo::File, *place),
                (Some(_), Some(file)) => {
                    let error = self.error("`log-file` is set, and `log` is not `file`", file.place);
                    return Err(error.help("Remove one of them."));
                }
            };
            return match (to, self.find(|s| s.log_file.as_ref())) {
                (LogTo::None, _) => Ok(Log::None),
                (LogTo::Syslog, _) => Ok(Log::Syslog),
                (LogTo::Journal, _) => Ok(Log::Journal),
                (LogTo::File, Some((_, file))) => Ok(Log::File(self.path(file))),
                (LogTo::File, None) => {
                    let error = self.error("`log` is `file`, and `log-file` is not set", place);
                    Err(error.help("Add it: log-file = \"~/.local/state/posthaste.log\""))
                }
            };
        }
        Ok(unset)
    }

    pub(super) fn named_file(&self, key: &str, set: &Set<String>) -> NamedFile {
        let place = match (self.error("", set.place).position(), &self.config.path) {
            (Some((line, column)), Some(path)) => format!("{}:{line}:{column}", path.display()),
            _ => key_variable(key),
        };
        NamedFile { path: self.path(set), place }
    }

    /// A path as written: `~/` is the home directory, and a relative one in a file begins at that file.
    pub(super) fn path(&self, set: &Set<String>) -> PathBuf {
        let home = || self.config.environment.home();
        if let Some(rest) = set.value.strip_prefix("~/")
            && let Some(home) = home()
        {
            return home.join(rest);
        }
        match (set.place, self.config.path.as_deref().and_then(Path::parent)) {
            (Place::File(..), Some(directory)) => directory.join(&set.value),
            _ => PathBuf::from(&set.value),
        }
    }

    /// A path as [`Resolver::path`] has it; but a bare name that systemd has put into the directory of credentials
    /// is found there.
    pub(super) fn credential(&self, set: &Set<String>) -> PathBuf {
        let directory = self.config.environment.absolute("CREDENTIALS_DIRECTORY").filter(|_| !set.value.contains('/'));
        match directory.map(|directory| directory.join(&set.value)).filter(|path| path.exists()) {
            Some(path) => path,
            None => self.path(set),
        }
    }
}

/// The variable that sets a key.
fn key_variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('-', "_"))
}

impl Config {
    fn error(&self, message: impl Into<String>, place: Place) -> ConfigError {
        let error = ConfigError::new(Kind::Invalid, message);
        match (place, &self.path) {
            (Place::File(from, to), Some(path)) => error.at(path, &self.text, from..to),
            _ => error,
        }
    }

    fn error_in_file(&self, message: impl Into<String>) -> ConfigError {
        let error = ConfigError::new(Kind::Invalid, message);
        match &self.path {
            Some(path) => error.in_file(path),
            None => error,
        }
    }
}

/// The mechanism that takes a certificate.
const EXTERNAL: &str = "EXTERNAL";
/// Those that take an access token.
const TOKENS: [&str; 2] = ["OAUTHBEARER", "XOAUTH2"];
/// The race of all addresses of a server.
const CONNECT: Duration = Duration::from_secs(30);
/// One look-up over all servers: two rounds over two silent ones, and a rest for the third.
const LOOK_UP: Duration = Duration::from_secs(15);
/// 8-bit text of which nobody knows what it is (RFC 1428).
const UNKNOWN_CHARSET: &str = "unknown-8bit";
/// RFC 5321 section 4.5.4.2.
const MX_PORT: u16 = 25;
/// RFC 9110 section 4.2.2.
const HTTPS_PORT: u16 = 443;
/// Octets a second.
const MIN_RATE: u64 = 1024;
/// A server must take a hundred (RFC 5321 section 4.5.3.1.8), and many take no more.
const MAX_RECIPIENTS: usize = 100;
/// One that is slow must not hold up the others, and hardly any message has more servers than this.
const MAX_SESSIONS: usize = 4;
