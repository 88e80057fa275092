//! Each key of the schema, from the file and from the environment.

use std::time::Duration;

use posthaste::config::account::{
    Account, AliasesIn, Chunking, DnsTrust, Domain, EightBit, Endpoint, Family, Host, KeepOriginal, Log, LongLines,
    Mechanisms, MtaSts, NamedFile, Partial, Relay, Scheme, Secret, TlsPolicy, TlsReports, TlsRoots, TlsVersion,
    Unsigned, Via, Who,
};
use posthaste::config::{Form, Key, SCHEMA, secret};
use posthaste::envelope::{Notify, Occasion, Returned};

use super::place::Place;

/// A key, its value in the file and in the environment, what else must stand in the file, and what comes of it.
type Row = (&'static str, &'static str, &'static str, &'static str, fn(&Account) -> bool);

const SERVER: &str = "server = \"submissions://smtp.example.org\"\n";
const PIN: &str = "\"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"";

const DKIM: &str = "dkim-selector = \"s\"\ndkim-key = \"/k.pem\"";

const TABLE: [Row; 57] = [
    (
        "server",
        "[\"smtp://a.example\", \"submission://b.example:26\"]",
        "smtp://a.example, submission://b.example:26",
        "",
        |a| {
            let server = |relay: &Relay| match relay {
                Relay::Server(server) => (server.scheme, server.endpoint.clone()),
                other => panic!("{other}"),
            };
            let servers: Vec<_> = a.servers.iter().map(server).collect();
            let at = |name: &str, port| Endpoint::Tcp { host: Host::Name(name.to_owned()), port };
            servers == [(Scheme::Smtp, at("a.example", 25)), (Scheme::Submission, at("b.example", 26))]
        },
    ),
    ("user", "\"alice@example.org\"", "alice@example.org", "password-command = \"true\"", |a| {
        a.login.as_ref().is_some_and(|login| login.user == "alice@example.org")
    }),
    ("password", "\"two words\"", "two words", "user = \"alice\"", |a| {
        secret::read(a.login.as_ref().unwrap().secret.as_ref().unwrap()).unwrap().as_str() == "two words"
    }),
    (
        "password-file",
        "\"/run/password\"",
        "/run/password",
        "user = \"alice\"",
        |a| matches!(a.login.as_ref().unwrap().secret.as_ref().unwrap(), Secret::File(path) if path.as_os_str() == "/run/password"),
    ),
    (
        "password-command",
        "\"pass show x\"",
        "pass show x",
        "user = \"alice\"",
        |a| matches!(a.login.as_ref().unwrap().secret.as_ref().unwrap(), Secret::Command(line) if line == "pass show x"),
    ),
    ("auth", "[\"login\", \"PLAIN\"]", "login PLAIN", "user = \"alice\"\npassword-command = \"true\"", |a| {
        a.login.as_ref().unwrap().mechanisms == Mechanisms::Named(vec!["LOGIN".to_owned(), "PLAIN".to_owned()])
    }),
    ("tls", "\"none\"", "none", "server = \"smtp://smtp.example.org\"", |a| a.tls.policy == TlsPolicy::None),
    ("tls-roots", "\"system\"", "system", "", |a| a.tls.roots == TlsRoots::System),
    (
        "tls-ca-file",
        "\"/etc/ca.pem\"",
        "/etc/ca.pem",
        "",
        |a| matches!(&a.tls.roots, TlsRoots::File(file) if is_at(Some(file), "/etc/ca.pem")),
    ),
    ("tls-crl-file", "\"/etc/ca.crl\"", "/etc/ca.crl", "", |a| is_at(a.tls.revoked.as_ref(), "/etc/ca.crl")),
    ("tls-pin", PIN, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "", |a| {
        a.tls.pins.len() == 1 && a.tls.pins[0].starts_with(b"\xe3\xb0\xc4\x42")
    }),
    ("tls-server-name", "\"Mail.example.org\"", "mail.example.org", "", |a| {
        a.tls.server_name.as_deref() == Some("mail.example.org")
    }),
    ("tls-cert", "\"/etc/c.pem\"", "/etc/c.pem", "tls-key = \"/etc/k.pem\"", |a| {
        is_at(a.tls.cert.as_ref(), "/etc/c.pem")
    }),
    ("tls-key", "\"/etc/k.pem\"", "/etc/k.pem", "tls-cert = \"/etc/c.pem\"", |a| {
        is_at(a.tls.key.as_ref(), "/etc/k.pem")
    }),
    ("tls-min", "\"1.3\"", "1.3", "", |a| a.tls.min == TlsVersion::Tls13),
    (
        "proxy",
        "\"socks5://al:pw@localhost\"",
        "socks5://al:pw@localhost",
        "",
        |a| matches!(&a.reach.via, Via::Proxy(proxy) if proxy.to_string() == "socks5://localhost:1080"),
    ),
    (
        "proxy-command",
        "\"ssh -W %h:%p relay\"",
        "ssh -W %h:%p relay",
        "",
        |a| matches!(&a.reach.via, Via::Command(line) if line == "ssh -W %h:%p relay"),
    ),
    ("source-address", "[\"192.0.2.7\", \"2001:db8::7\"]", "192.0.2.7 [2001:db8::7]", "", |a| {
        a.reach.sources.len() == 2 && a.reach.source([192, 0, 2, 9].into()) == Some([192, 0, 2, 7].into())
    }),
    ("ip", "\"6\"", "6", "", |a| a.reach.family == Family::V6),
    (
        "dns",
        "[\"127.0.0.1\", \"tls://[2620:fe::fe]#dns.quad9.net\"]",
        "127.0.0.1 tls://[2620:fe::fe]#dns.quad9.net",
        "",
        |a| {
            let servers: Vec<_> = a.dns.servers.iter().map(ToString::to_string).collect();
            servers == ["127.0.0.1:53", "tls://[2620:fe::fe]:853#dns.quad9.net"]
        },
    ),
    ("mx-port", "2525", "2525", "", |a| a.mx_port == 2525),
    ("mta-sts", "\"never\"", "never", "", |a| a.mta_sts == MtaSts::Never),
    ("mta-sts-port", "8443", "8443", "", |a| a.mta_sts_port == 8443),
    ("dns-trust", "\"always\"", "always", "", |a| a.dns.trust == DnsTrust::Always),
    ("dns-timeout", "\"5s\"", "5s", "", |a| a.dns.timeout == Duration::from_secs(5)),
    ("from", "[\"alice@example.org\", \"*@example.net\"]", "alice@example.org *@example.net", "", |a| {
        a.default_sender() == Some("alice@example.org") && a.from[1].matches("bob@example.net")
    }),
    ("hostname", "\"laptop.example.org\"", "laptop.example.org", "", |a| {
        a.hostname.as_deref() == Some("laptop.example.org")
    }),
    ("mail-domain", "\"example.org\"", "example.org", "", |a| a.mail_domain == "example.org"),
    ("aliases", "\"/etc/mail/names\"", "/etc/mail/names", "", |a| {
        a.aliases.as_deref() == Some("/etc/mail/names".as_ref())
    }),
    ("aliases-in", "\"envelope-and-header\"", "envelope-and-header", "", |a| {
        a.identity.aliases_in == AliasesIn::EnvelopeAndHeader
    }),
    ("sender-map", "[\"root: a@x.test\", \"@h.lan b@x.test\"]", "root:a@x.test,@h.lan:b@x.test", "", |a| {
        let map = &a.identity.sender_map;
        map.len() == 2 && map[0].who == Who::User("root".to_owned()) && map[1].address.as_str() == "b@x.test"
    }),
    ("sender-map-file", "\"DIR/senders\"", "DIR/senders", "", |a| {
        a.identity.sender_map.iter().any(|entry| entry.address.as_str() == "web@x.test")
    }),
    ("masquerade", "[\"Nas1.lan\", \"*.home.test\"]", "nas1.lan *.home.test", "", |a| {
        a.identity.masquerade == [Domain::Is("nas1.lan".to_owned()), Domain::Below(".home.test".to_owned())]
    }),
    ("masquerade-except", "[\"Root\"]", "root", "", |a| a.identity.masquerade_except == [Who::User("root".to_owned())]),
    ("rewrite-from", "\"reply-to\"", "reply-to", "from = \"a@x.test\"", |a| {
        let rule = a.identity.rewrite_from.as_ref();
        rule.is_some_and(|(keep, to)| (*keep, to.as_str()) == (KeepOriginal::InReplyTo, "a@x.test"))
    }),
    ("envelope-from", "\"bounces\"", "bounces", "", |a| {
        a.identity.envelope_from.as_ref().is_some_and(|address| address.as_str() == "bounces@machine.example.net")
    }),
    ("timeout", "\"2m\"", "2m", "", |a| a.timeouts.command == Some(Duration::from_secs(120))),
    ("connect-timeout", "\"500ms\"", "500ms", "", |a| a.timeouts.connect == Duration::from_millis(500)),
    ("min-rate", "\"4K\"", "4096", "", |a| a.timeouts.min_rate == 4096),
    ("max-recipients", "7", "7", "", |a| a.max_recipients == 7),
    ("max-sessions", "1", "1", "", |a| a.max_sessions == 1),
    ("max-size", "26214400", "25M", "", |a| a.max_size == Some(25 << 20)),
    ("partial", "\"all-or-none\"", "all-or-none", "", |a| a.partial == Partial::AllOrNone),
    ("eight-bit", "\"refuse\"", "refuse", "", |a| a.eight_bit == EightBit::Refuse),
    ("long-lines", "\"pass\"", "pass", "", |a| a.long_lines == LongLines::Pass),
    ("charset", "\"KOI8-R\"", "koi8-r", "", |a| a.charset == "koi8-r"),
    ("dsn-notify", "\"Delay,failure\"", "delay,failure", "", |a| {
        a.dsn.notify == Some(Notify::On(vec![Occasion::Delay, Occasion::Failure]))
    }),
    ("dsn-return", "\"hdrs\"", "hdrs", "", |a| a.dsn.returned == Some(Returned::Headers)),
    ("chunking", "\"same-flight\"", "same-flight", "", |a| a.chunking == Chunking::SameFlight),
    ("state-file", "\"/var/lib/mail/servers\"", "/var/lib/mail/servers", "", |a| {
        a.state_file.as_deref() == Some(std::path::Path::new("/var/lib/mail/servers"))
    }),
    ("tlsrpt", "\"socket:/run/tlsrpt\"", "socket:/run/tlsrpt", "", |a| {
        a.tls_reports == TlsReports::Collector("/run/tlsrpt".into())
    }),
    ("dkim-selector", "[\"2026a\", \"mail._b\"]", "2026a mail._b", "dkim-key = [\"/a.pem\", \"/b.pem\"]", |a| {
        a.dkim.as_ref().is_some_and(|dkim| dkim.keys[1].selector == "mail._b" && dkim.domains.is_empty())
    }),
    ("dkim-key", "\"/etc/k.pem\"", "/etc/k.pem", "dkim-selector = \"s\"", |a| {
        a.dkim.as_ref().is_some_and(|dkim| dkim.keys.len() == 1 && dkim.keys[0].file.as_os_str() == "/etc/k.pem")
    }),
    ("dkim-domain", "[\"Example.org\", \"b\u{fc}cher.example\"]", "example.org b\u{fc}cher.example", DKIM, |a| {
        a.dkim.as_ref().is_some_and(|dkim| dkim.domains == ["example.org", "xn--bcher-kva.example"])
    }),
    ("dkim-unsigned", "\"refuse\"", "refuse", DKIM, |a| {
        a.dkim.as_ref().is_some_and(|dkim| dkim.unsigned == Unsigned::Refuse)
    }),
    ("log", "\"journal\"", "journal", "", |a| a.log == Log::Journal),
    ("log-file", "\"/var/log/posthaste\"", "/var/log/posthaste", "", |a| {
        a.log == Log::File("/var/log/posthaste".into())
    }),
];

fn is_at(file: Option<&NamedFile>, path: &str) -> bool {
    file.is_some_and(|file| file.path.as_os_str() == path)
}

/// A place with the file that a value names.
fn place() -> Place {
    let place = Place::new();
    place.write("senders", "# of the web\nwww-data: web@x.test\n", 0o644);
    place
}

/// A value with the directory in it.
fn placed(place: &Place, value: &str) -> String {
    value.replace("DIR", place.path("").to_str().unwrap().trim_end_matches('/'))
}

fn beside(key: &str, others: &str) -> String {
    let server = if key == "server" || others.starts_with("server") { "" } else { SERVER };
    format!("{server}{others}\n")
}

#[test]
fn each_key_works_in_the_file() {
    let place = place();
    for (key, value, _, others, holds) in TABLE {
        let value = placed(&place, value);
        let account = place.account(&format!("{}{key} = {value}\n", beside(key, others)), &[]).unwrap();
        assert!(holds(&account), "{key}: {account:?}");
        let mut lines: Vec<String> = others.lines().map(str::to_owned).collect();
        lines.push(format!("{key} = {value}"));
        // In the account's table it beats a value of the top.
        let text = format!("{}\n[account.work]\n{}\n", beside(key, ""), lines.join("\n"));
        let account = place.account(&text, &[("POSTHASTE_ACCOUNT", "work")]).unwrap();
        assert!(holds(&account), "{key}: {account:?}");
    }
}

#[test]
fn each_key_works_in_the_environment() {
    let place = place();
    for (key, _, value, others, holds) in TABLE {
        let value = placed(&place, value);
        let variable = SCHEMA.iter().find(|known| known.name == key).unwrap().variable();
        let account = place.account(&beside(key, others), &[(&variable, &value)]).unwrap();
        assert!(holds(&account), "{key}: {account:?}");
    }
}

#[test]
fn each_key_has_a_default_that_is_something_else() {
    let account = Place::new().account("server = \"submissions://smtp.example.org\"", &[]).unwrap();
    for (key, _, _, _, holds) in TABLE {
        // Without a login there is nothing to look into.
        let login = ["user", "password", "password-file", "password-command", "auth"].contains(&key);
        assert!(if login { account.login.is_none() } else { !holds(&account) }, "{key}");
    }
    assert_eq!(account.mail_domain, "machine.example.net");
    assert_eq!((account.max_recipients, account.timeouts.connect), (100, Duration::from_secs(30)));
    assert_eq!((account.name.as_str(), account.tls.policy, account.log), ("default", TlsPolicy::Required, Log::None));
}

#[test]
fn aliases_can_be_done_without() {
    let account = |line: &str| Place::new().account(&format!("{SERVER}{line}"), &[]).unwrap();
    assert_eq!(account("aliases = \"none\"\n").aliases, None);
    assert_eq!(account("").aliases.as_deref(), Some("/etc/aliases".as_ref()));
}

#[test]
fn keys_for_dkim_are_told_apart_and_can_be_turned_off() {
    let place = Place::new();
    let resolve = |lines: &str| place.account(&format!("{SERVER}{lines}"), &[]);
    for (lines, words) in [
        ("dkim-key = \"k\"\n", "there is a key for DKIM, and no selector for it"),
        ("dkim-selector = \"s\"\n", "there is a selector for DKIM, and no key for it"),
        ("dkim-selector = [\"s\", \"t\"]\ndkim-key = \"k\"\n", "selectors and keys for DKIM are not as many: 2 and 1"),
        ("dkim-selector = \"s;t\"\ndkim-key = \"k\"\n", "is not a selector such as"),
        ("dkim-selector = \"s.\"\ndkim-key = \"k\"\n", "is not a selector such as"),
    ] {
        let error = resolve(lines).unwrap_err().to_string();
        assert!(error.contains(words), "{lines}: {error}");
    }
    let account = resolve("dkim-selector = \"s\"\ndkim-key = \"k.pem\"\n").unwrap();
    assert_eq!(account.dkim.unwrap().keys[0].file, place.path("k.pem"));
    assert_eq!(resolve("dkim-selector = \"s\"\ndkim-key = \"none\"\n").unwrap().dkim, None);
    assert_eq!(resolve("dkim-domain = \"example.org\"\ndkim-unsigned = \"refuse\"\n").unwrap().dkim, None);
}

#[test]
fn table_has_each_key_of_the_schema() {
    let keys: Vec<&str> = SCHEMA.iter().map(|key| key.name).collect();
    assert_eq!(TABLE.map(|row| row.0).to_vec(), keys);
}

#[test]
fn examples_and_words_of_the_schema_are_taken() {
    let place = Place::new();
    let taken = |key: &Key, value: &str| {
        let loaded = place.load(&format!("{} = {value}\n", key.name), &[]);
        assert!(loaded.is_ok(), "{} = {value}: {:?}", key.name, loaded.err());
    };
    for key in SCHEMA {
        taken(key, key.example);
        let Form::Word(words) = key.form else { continue };
        words.iter().for_each(|word| taken(key, &format!("\"{word}\"")));
    }
}

#[test]
fn environment_beats_the_account_and_the_account_the_top() {
    let place = Place::new();
    let text = "server = \"smtp://top.example\"\nmax-recipients = 1\nmail-domain = \"top.example\"\n\
                [account.work]\nserver = \"smtp://work.example\"\nmax-recipients = 2\n";
    let config = place.load(text, &[("POSTHASTE_MAX_RECIPIENTS", "3")]).unwrap();
    let account = config.account(super::place::named("work")).unwrap();
    assert_eq!((account.max_recipients, account.mail_domain.as_str()), (3, "top.example"));
    assert_eq!(account.servers[0].to_string(), "work.example:25");
    let account = place.load(text, &[]).unwrap().account(super::place::named("work")).unwrap();
    assert_eq!(account.max_recipients, 2);
    assert_eq!(place.account(text, &[]).unwrap().max_recipients, 1);
}

#[test]
fn password_of_the_environment_replaces_any_of_the_file() {
    let place = Place::new();
    let text = "server = \"submissions://alice@smtp.example.org\"\npassword-command = \"false\"\n";
    let account = place.account(text, &[("POSTHASTE_PASSWORD", "hunter2")]).unwrap();
    assert_eq!(secret::read(&account.login.unwrap().secret.unwrap()).unwrap().as_str(), "hunter2");
}

#[test]
fn paths_begin_at_the_home_directory_or_at_the_file() {
    let place = Place::new();
    let text = "server = \"smtp://a.example\"\nlog-file = \"VALUE\"\n";
    let log = |value: &str| {
        let variables = [("HOME", "/home/alice")];
        match place.account(&text.replace("VALUE", value), &variables).unwrap().log {
            Log::File(path) => path,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(log("~/log"), std::path::Path::new("/home/alice/log"));
    assert_eq!(log("log"), place.path("log"));
    assert_eq!(log("/var/log/x"), std::path::Path::new("/var/log/x"));
}
