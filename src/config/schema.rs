//! The table of all settings: the one source of parser, environment and manual.

use std::str::FromStr;

use secrecy::SecretString;

use super::account::{
    AliasesIn, Chunking, DnsTrust, EightBit, Family, KeepOriginal, LongLines, MtaSts, Partial, TlsPolicy, TlsVersion,
    Unsigned,
};
use super::identity::{self, Entry, Template};
pub(super) use super::key::PREFIX;
pub use super::key::{Form, Key};
use super::settings::{LogTo, Roots, put, put_auth, put_list, put_number, put_size};
use super::value::{self, Fault};
use crate::envelope::{NoSuchWish, Returned};

/// The key with this name.
pub(super) fn key(name: &str) -> Option<&'static Key> {
    SCHEMA.iter().find(|key| key.name == name)
}

fn tls_min(text: &str) -> Result<TlsVersion, Fault> {
    match text {
        "1.0" | "1.1" => Err(Fault::new(format!("TLS {text} is too weak, and not supported"))),
        _ => value::word(text, &[("1.2", TlsVersion::Tls12), ("1.3", TlsVersion::Tls13)]),
    }
}

fn wish<T: FromStr<Err = NoSuchWish>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error| Fault::new(format!("{} cannot be wished: {error}", value::quoted(text))))
}

fn secret(text: &str) -> Result<SecretString, Fault> {
    match super::secret::check(text) {
        Ok(()) => Ok(SecretString::from(text)),
        Err(error) => Err(Fault::new(error.to_string())),
    }
}

const TLS: &[(&str, TlsPolicy)] =
    &[("required", TlsPolicy::Required), ("opportunistic", TlsPolicy::Opportunistic), ("none", TlsPolicy::None)];
const ROOTS: &[(&str, Roots)] = &[("both", Roots::Both), ("system", Roots::System), ("built-in", Roots::BuiltIn)];
const IP: &[(&str, Family)] = &[("any", Family::Any), ("4", Family::V4), ("6", Family::V6)];
const DNS_TRUST: &[(&str, DnsTrust)] =
    &[("auto", DnsTrust::Auto), ("always", DnsTrust::Always), ("never", DnsTrust::Never)];
const MTA_STS: &[(&str, MtaSts)] = &[("auto", MtaSts::Auto), ("never", MtaSts::Never)];
const PARTIAL: &[(&str, Partial)] = &[("deliver", Partial::Deliver), ("all-or-none", Partial::AllOrNone)];
const EIGHT_BIT: &[(&str, EightBit)] =
    &[("encode", EightBit::Encode), ("send", EightBit::Send), ("refuse", EightBit::Refuse)];
const LONG_LINES: &[(&str, LongLines)] =
    &[("encode", LongLines::Encode), ("pass", LongLines::Pass), ("refuse", LongLines::Refuse)];
const ALIASES_IN: &[(&str, AliasesIn)] =
    &[("envelope", AliasesIn::Envelope), ("envelope-and-header", AliasesIn::EnvelopeAndHeader)];
const REWRITE_FROM: &[(&str, Option<KeepOriginal>)] =
    &[("never", None), ("name", Some(KeepOriginal::InName)), ("reply-to", Some(KeepOriginal::InReplyTo))];
const RETURNED: &[(&str, Returned)] = &[("full", Returned::Full), ("hdrs", Returned::Headers)];
const CHUNKING: &[(&str, Chunking)] = &[
    ("auto", Chunking::Auto),
    ("never", Chunking::Never),
    ("always", Chunking::Always),
    ("same-flight", Chunking::SameFlight),
];
const UNSIGNED: &[(&str, Unsigned)] = &[("send", Unsigned::Send), ("refuse", Unsigned::Refuse)];
const LOG: &[(&str, LogTo)] =
    &[("none", LogTo::None), ("syslog", LogTo::Syslog), ("journal", LogTo::Journal), ("file", LogTo::File)];

/// Every setting of an account, in the order of the manual.
pub const SCHEMA: &[Key] = &[
    Key {
        name: "server",
        form: Form::Texts,
        default: "none: it must be set",
        meaning: "the server that takes the mail, as a URL, or several that are tried in this order",
        example: "\"submissions://alice@smtp.example.org\"",
        store: |s, i| put_list(&mut s.server, i, value::server),
    },
    Key {
        name: "user",
        form: Form::Text,
        default: "the user in the server URL",
        meaning: "the user name for the login",
        example: "\"alice@example.org\"",
        store: |s, i| put(&mut s.user, i, value::text),
    },
    Key {
        name: "password",
        form: Form::Text,
        default: "none",
        meaning: "the password itself; the file must not be readable by others",
        example: "\"correct horse battery staple\"",
        store: |s, i| put(&mut s.password, i, secret),
    },
    Key {
        name: "password-file",
        form: Form::Path,
        default: "none",
        meaning: "a file of which the first line is the password",
        example: "\"~/.config/posthaste/password\"",
        store: |s, i| put(&mut s.password_file, i, value::text),
    },
    Key {
        name: "password-command",
        form: Form::Text,
        default: "none",
        meaning: "a shell command that prints the password as its first line; run only when a login is reached",
        example: "\"pass show smtp.example.org\"",
        store: |s, i| put(&mut s.password_command, i, value::text),
    },
    Key {
        name: "auth",
        form: Form::Texts,
        default: "auto: the first of SCRAM, PLAIN, LOGIN and CRAM-MD5 that the server offers",
        meaning: "the mechanisms for the login: auto, none, or names in the order of preference",
        example: "\"PLAIN\"",
        store: |s, i| put_auth(&mut s.auth, i),
    },
    Key {
        name: "tls",
        form: Form::Word(&["required", "opportunistic", "none"]),
        default: "required; on a Unix socket none; to mail exchangers opportunistic",
        meaning: "whether a message may ever go out in clear text",
        example: "\"required\"",
        store: |s, i| put(&mut s.tls, i, |text| value::word(text, TLS)),
    },
    Key {
        name: "tls-roots",
        form: Form::Word(&["both", "system", "built-in"]),
        default: "both: the built-in ones first, the system's when those do not know the issuer",
        meaning: "which certificate authorities are trusted",
        example: "\"system\"",
        store: |s, i| put(&mut s.tls_roots, i, |text| value::word(text, ROOTS)),
    },
    Key {
        name: "tls-ca-file",
        form: Form::Path,
        default: "none",
        meaning: "a PEM file with the only certificate authorities that are trusted",
        example: "\"/etc/ssl/certs/example-ca.pem\"",
        store: |s, i| put(&mut s.tls_ca_file, i, value::text),
    },
    Key {
        name: "tls-crl-file",
        form: Form::Path,
        default: "none",
        meaning: "a file with lists of revoked certificates, one of them by the issuer of the server's",
        example: "\"/etc/ssl/certs/example-ca.crl\"",
        store: |s, i| put(&mut s.tls_crl_file, i, value::text),
    },
    Key {
        name: "tls-pin",
        form: Form::Texts,
        default: "none",
        meaning: "SHA-256 of the server's public key (hexadecimal or base64); replaces the check of the certificate",
        example: "\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"",
        store: |s, i| put_list(&mut s.tls_pin, i, value::pin),
    },
    Key {
        name: "tls-server-name",
        form: Form::Text,
        default: "the host of the server URL",
        meaning: "the name that the certificate must bear",
        example: "\"mail.example.org\"",
        store: |s, i| put(&mut s.tls_server_name, i, value::server_name),
    },
    Key {
        name: "tls-cert",
        form: Form::Path,
        default: "none",
        meaning: "a PEM file with the client's certificate and its chain",
        example: "\"/etc/posthaste/client.pem\"",
        store: |s, i| put(&mut s.tls_cert, i, value::text),
    },
    Key {
        name: "tls-key",
        form: Form::Path,
        default: "none",
        meaning: "a PEM file with the private key for tls-cert",
        example: "\"/etc/posthaste/client.key\"",
        store: |s, i| put(&mut s.tls_key, i, value::text),
    },
    Key {
        name: "tls-min",
        form: Form::Word(&["1.2", "1.3"]),
        default: "1.2",
        meaning: "the lowest version of TLS that is spoken",
        example: "\"1.3\"",
        store: |s, i| put(&mut s.tls_min, i, tls_min),
    },
    Key {
        name: "proxy",
        form: Form::Text,
        default: "none",
        meaning: "a proxy that connects to the server: SOCKS 5, or HTTP with CONNECT",
        example: "\"socks5://127.0.0.1:9050\"",
        store: |s, i| put(&mut s.proxy, i, super::proxy::proxy),
    },
    Key {
        name: "proxy-command",
        form: Form::Text,
        default: "none",
        meaning: "a shell command that is the connection to the server; %h is the host, %p the port",
        example: "\"ssh -W %h:%p gateway.example.org\"",
        store: |s, i| put(&mut s.proxy_command, i, super::proxy::command),
    },
    Key {
        name: "source-address",
        form: Form::Texts,
        default: "the system's choice",
        meaning: "the address of this machine to connect from, or one of IPv4 and one of IPv6",
        example: "\"192.0.2.7\"",
        store: |s, i| put_list(&mut s.source_address, i, value::address),
    },
    Key {
        name: "ip",
        form: Form::Word(&["any", "4", "6"]),
        default: "any",
        meaning: "which version of IP is used",
        example: "\"4\"",
        store: |s, i| put(&mut s.ip, i, |text| value::word(text, IP)),
    },
    Key {
        name: "dns",
        form: Form::Texts,
        default: "those of /etc/resolv.conf, after /etc/hosts",
        meaning: "the DNS servers that are asked for mail exchangers and services",
        example: "[\"127.0.0.1\", \"tls://9.9.9.9#dns.quad9.net\"]",
        store: |s, i| put_list(&mut s.dns, i, super::dns::server),
    },
    Key {
        name: "mx-port",
        form: Form::Number,
        default: "25",
        meaning: "the port of mail exchangers; another one is for tests",
        example: "2525",
        store: |s, i| put_number(&mut s.mx_port, i, value::port),
    },
    Key {
        name: "mta-sts",
        form: Form::Word(&["auto", "never"]),
        default: "auto",
        meaning: "whether the policies by which domains ask for TLS with their mail exchangers (MTA-STS) are kept to",
        example: "\"never\"",
        store: |s, i| put(&mut s.mta_sts, i, |text| value::word(text, MTA_STS)),
    },
    Key {
        name: "mta-sts-port",
        form: Form::Number,
        default: "443",
        meaning: "the port of the web servers with these policies; another one is for tests",
        example: "8443",
        store: |s, i| put_number(&mut s.mta_sts_port, i, value::port),
    },
    Key {
        name: "dns-trust",
        form: Form::Word(&["auto", "always", "never"]),
        default: "auto: those of this machine, over TLS, or with trust-ad in /etc/resolv.conf",
        meaning: "which DNS servers are believed when they say that an answer was validated by DNSSEC",
        example: "\"always\"",
        store: |s, i| put(&mut s.dns_trust, i, |text| value::word(text, DNS_TRUST)),
    },
    Key {
        name: "dns-timeout",
        form: Form::Duration,
        default: "15s",
        meaning: "how long one look-up may take, over all DNS servers",
        example: "\"5s\"",
        store: |s, i| put(&mut s.dns_timeout, i, value::duration),
    },
    Key {
        name: "from",
        form: Form::Texts,
        default: "none",
        meaning: "sender addresses that choose this account, with * for anything; the first without * is the default sender",
        example: "[\"alice@example.org\", \"*@lists.example.org\"]",
        store: |s, i| put_list(&mut s.from, i, Template::pattern),
    },
    Key {
        name: "hostname",
        form: Form::Text,
        default: "the full name of this machine, else its address in brackets",
        meaning: "the name that is given to the server with EHLO",
        example: "\"laptop.example.org\"",
        store: |s, i| put(&mut s.hostname, i, value::hello),
    },
    Key {
        name: "mail-domain",
        form: Form::Text,
        default: "the first line of /etc/mailname, else the full name of this machine",
        meaning: "what addresses without a domain get behind the @",
        example: "\"example.org\"",
        store: |s, i| put(&mut s.mail_domain, i, value::domain),
    },
    Key {
        name: "aliases",
        form: Form::Path,
        default: "/etc/aliases, if it is there",
        meaning: "the file of names that stand for other recipients, or none",
        example: "\"/etc/posthaste/aliases\"",
        store: |s, i| put(&mut s.aliases, i, value::text),
    },
    Key {
        name: "aliases-in",
        form: Form::Word(&["envelope", "envelope-and-header"]),
        default: "envelope",
        meaning: "whether To and Cc name those whom the aliases stand for, too",
        example: "\"envelope-and-header\"",
        store: |s, i| put(&mut s.aliases_in, i, |text| value::word(text, ALIASES_IN)),
    },
    Key {
        name: "sender-map",
        form: Form::Texts,
        default: "none",
        meaning: "users and addresses, and the sender address that each of them gets",
        example: "[\"root: alerts@example.org\", \"@nas1.lan: nas1@example.org\"]",
        store: |s, i| put_list(&mut s.sender_map, i, Entry::new),
    },
    Key {
        name: "sender-map-file",
        form: Form::Path,
        default: "none",
        meaning: "a file with more of sender-map, one a line",
        example: "\"/etc/posthaste/senders\"",
        store: |s, i| put(&mut s.sender_map_file, i, value::text),
    },
    Key {
        name: "masquerade",
        form: Form::Texts,
        default: "none",
        meaning: "domains of sender addresses that become the mail-domain",
        example: "[\"nas1.lan\", \"*.home.example.org\"]",
        store: |s, i| put_list(&mut s.masquerade, i, identity::domain),
    },
    Key {
        name: "masquerade-except",
        form: Form::Texts,
        default: "none",
        meaning: "users and addresses that masquerade leaves alone",
        example: "[\"root\", \"@lists.home.example.org\"]",
        store: |s, i| put_list(&mut s.masquerade_except, i, identity::who),
    },
    Key {
        name: "rewrite-from",
        form: Form::Word(&["never", "name", "reply-to"]),
        default: "never",
        meaning: "whether a sender that from does not know becomes the default sender, in envelope and From",
        example: "\"name\"",
        store: |s, i| put(&mut s.rewrite_from, i, |text| value::word(text, REWRITE_FROM)),
    },
    Key {
        name: "envelope-from",
        form: Form::Text,
        default: "none",
        meaning: "the envelope sender of all mail, whatever the caller says",
        example: "\"bounces@example.org\"",
        store: |s, i| put(&mut s.envelope_from, i, Template::address),
    },
    Key {
        name: "timeout",
        form: Form::Duration,
        default: "two to ten minutes, by command (RFC 5321 section 4.5.3.2)",
        meaning: "how long the server may take to answer one command; the end of the message keeps its ten minutes",
        example: "\"2m\"",
        store: |s, i| put(&mut s.timeout, i, value::duration),
    },
    Key {
        name: "connect-timeout",
        form: Form::Duration,
        default: "30s",
        meaning: "how long it may take to connect to a server, over all its addresses",
        example: "\"10s\"",
        store: |s, i| put(&mut s.connect_timeout, i, value::duration),
    },
    Key {
        name: "min-rate",
        form: Form::Size,
        default: "1K",
        meaning: "octets a second; the message has ten minutes and its size divided by this",
        example: "\"4K\"",
        store: |s, i| put_size(&mut s.min_rate, i),
    },
    Key {
        name: "max-recipients",
        form: Form::Number,
        default: "100",
        meaning: "most recipients in one transaction",
        example: "50",
        store: |s, i| put_number(&mut s.max_recipients, i, value::count),
    },
    Key {
        name: "max-size",
        form: Form::Size,
        default: "none: what the server says",
        meaning: "largest message in octets",
        example: "\"25M\"",
        store: |s, i| put_size(&mut s.max_size, i),
    },
    Key {
        name: "partial",
        form: Form::Word(&["deliver", "all-or-none"]),
        default: "deliver",
        meaning: "what happens when the server refuses some of the recipients",
        example: "\"all-or-none\"",
        store: |s, i| put(&mut s.partial, i, |text| value::word(text, PARTIAL)),
    },
    Key {
        name: "eight-bit",
        form: Form::Word(&["encode", "send", "refuse"]),
        default: "encode",
        meaning: "what happens to 8-bit content when the server has no 8BITMIME",
        example: "\"refuse\"",
        store: |s, i| put(&mut s.eight_bit, i, |text| value::word(text, EIGHT_BIT)),
    },
    Key {
        name: "long-lines",
        form: Form::Word(&["encode", "pass", "refuse"]),
        default: "encode",
        meaning: "what happens to lines of more than 998 octets",
        example: "\"refuse\"",
        store: |s, i| put(&mut s.long_lines, i, |text| value::word(text, LONG_LINES)),
    },
    Key {
        name: "charset",
        form: Form::Text,
        default: "unknown-8bit",
        meaning: "what 8-bit text is called that says nothing of itself and is not UTF-8",
        example: "\"iso-8859-15\"",
        store: |s, i| put(&mut s.charset, i, identity::charset),
    },
    Key {
        name: "dsn-notify",
        form: Form::Text,
        default: "what the server does: it tells of failures",
        meaning: "when the sender is notified: never, or a list of success, failure and delay",
        example: "\"failure,delay\"",
        store: |s, i| put(&mut s.dsn_notify, i, wish),
    },
    Key {
        name: "dsn-return",
        form: Form::Word(&["full", "hdrs"]),
        default: "what the server does",
        meaning: "what of the message a notification brings back",
        example: "\"hdrs\"",
        store: |s, i| put(&mut s.dsn_return, i, |text| value::word(text, RETURNED)),
    },
    Key {
        name: "chunking",
        form: Form::Word(&["auto", "never", "always", "same-flight"]),
        default: "auto",
        meaning: "whether messages go out by BDAT instead of DATA to a server with CHUNKING; auto: only where they need it",
        example: "\"always\"",
        store: |s, i| put(&mut s.chunking, i, |text| value::word(text, CHUNKING)),
    },
    Key {
        name: "state-file",
        form: Form::Path,
        default: "~/.local/state/posthaste/servers",
        meaning: "the file with what is remembered of servers, to need fewer round trips; none: nothing is",
        example: "\"none\"",
        store: |s, i| put(&mut s.state_file, i, value::text),
    },
    Key {
        name: "tlsrpt",
        form: Form::Text,
        default: "off",
        meaning: "where is recorded how TLS with mail exchangers went: off, record, record:DIRECTORY or socket:PATH",
        example: "\"record\"",
        store: |s, i| put(&mut s.tlsrpt, i, super::tlsrpt::kept),
    },
    Key {
        name: "dkim-selector",
        form: Form::Texts,
        default: "none: messages are not signed",
        meaning: "the selector of the key for DKIM signatures, or one for each key",
        example: "\"2026a\"",
        store: |s, i| put_list(&mut s.dkim_selector, i, super::dkim::selector),
    },
    Key {
        name: "dkim-key",
        form: Form::Paths,
        default: "none: messages are not signed",
        meaning: "a PEM file with the private key for DKIM signatures, RSA or Ed25519, or several; or none",
        example: "\"/etc/posthaste/2026a.pem\"",
        store: |s, i| put_list(&mut s.dkim_key, i, value::text),
    },
    Key {
        name: "dkim-domain",
        form: Form::Texts,
        default: "the domain in From, whichever it is",
        meaning: "the domains that are signed for, with all below them",
        example: "\"example.org\"",
        store: |s, i| put_list(&mut s.dkim_domain, i, value::domain),
    },
    Key {
        name: "dkim-unsigned",
        form: Form::Word(&["send", "refuse"]),
        default: "send",
        meaning: "what happens to a message from a domain that is not signed for",
        example: "\"refuse\"",
        store: |s, i| put(&mut s.dkim_unsigned, i, |text| value::word(text, UNSIGNED)),
    },
    Key {
        name: "log",
        form: Form::Word(&["none", "syslog", "journal", "file"]),
        default: "syslog when called as sendmail, else none",
        meaning: "where one line for each recipient and attempt goes",
        example: "\"syslog\"",
        store: |s, i| put(&mut s.log, i, |text| value::word(text, LOG)),
    },
    Key {
        name: "log-file",
        form: Form::Path,
        default: "none",
        meaning: "the file for the log; implies log = \"file\"",
        example: "\"~/.local/state/posthaste.log\"",
        store: |s, i| put(&mut s.log_file, i, value::text),
    },
];
