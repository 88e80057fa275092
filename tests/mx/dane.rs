use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData as _};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificates::with_chain;
use super::host::{Host, Manner, Tls};
use super::ports::free_port;
use super::stub::Stub;
use super::{direct, send};

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::digest;
#[cfg(not(feature = "aws-lc-rs"))]
use ring::digest;

/// A server's certificate, and what TLSA records may say of it.
pub struct Shown {
    pub config: Arc<ServerConfig>,
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    /// The same of its authority, which is sent along.
    pub authority: Vec<u8>,
    pub authority_key: Vec<u8>,
}

pub enum Sends {
    Chain,
    LeafAlone,
}

/// A certificate for this name by an authority of its own.
pub fn shown(name: &str, sends: Sends, change: fn(&mut CertificateParams)) -> Shown {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &authority).unwrap().der().clone();
    let mut chain = vec![leaf.clone()];
    if matches!(sends, Sends::Chain) {
        chain.push(authority.der().clone());
    }
    Shown {
        config: Arc::new(with_chain(chain, &key)),
        certificate: leaf.to_vec(),
        key: key.subject_public_key_info(),
        authority: authority.der().to_vec(),
        authority_key: authority.key().subject_public_key_info(),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").unwrap();
        text
    })
}

pub fn sha256(octets: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, octets).as_ref())
}

fn sha512(octets: &[u8]) -> String {
    hex(digest::digest(&digest::SHA512, octets).as_ref())
}

pub fn host(last: u8, port: u16, config: &Arc<ServerConfig>) -> Host {
    Host::start(last, port, Manner { tls: Tls::Upgraded(config.clone()), ..Manner::default() })
}

/// Everything about a.test and its host mx1.a.test at 127.0.0.2 is validated; with these records.
pub fn signed(port: u16, records: &[String]) -> String {
    let service = format!("_{port}._tcp.mx1.a.test");
    let mut table =
        "a.test MX 10 mx1.a.test\na.test MX !ad\nmx1.a.test A 127.0.0.2\nmx1.a.test A !ad\nmx1.a.test AAAA !ad\n"
            .to_owned();
    for record in records {
        writeln!(table, "{service} TLSA {record}").unwrap();
    }
    writeln!(table, "{service} TLSA !ad").unwrap();
    table
}

/// What the certificate is worth by these records: whether the mail got through, and the transcript.
fn sent_by(shown: &Shown, records: &[String]) -> (bool, String) {
    let port = free_port();
    let mx = host(2, port, &shown.config);
    let dns = Stub::start(&signed(port, records));
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
    let mails = mx.take().mails;
    match mails.is_empty() {
        false => assert_eq!((mails, ended.code()), (vec![(vec!["bob@a.test".to_owned()], true)], 0)),
        true => assert_eq!(ended.code(), 75, "{}", ended.stderr),
    }
    (ended.code() == 0, ended.stderr)
}

/// P-317: a record of the server's own certificate or key is enough, in each form; its name and its date are nothing.
/// P-322: where none matches, the message is deferred, and nothing is sent.
#[test]
fn the_servers_own_certificate_must_match() {
    let odd = shown("other.test", Sends::LeafAlone, |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    for record in [
        format!("3 1 1 {}", sha256(&odd.key)),
        format!("3 1 2 {}", sha512(&odd.key)),
        format!("3 0 1 {}", sha256(&odd.certificate)),
        format!("3 0 2 {}", sha512(&odd.certificate)),
        format!("3 0 0 {}", hex(&odd.certificate)),
        format!("3 1 0 {}", hex(&odd.key)),
    ] {
        let (sent, transcript) = sent_by(&odd, std::slice::from_ref(&record));
        assert!(sent, "{record}: {transcript}");
        assert!(transcript.contains(", verified by DANE\n"), "{transcript}");
        assert!(transcript.contains("(DANE: 1 record of mx1.a.test, 1 usable)"), "{transcript}");
    }
    for record in [
        format!("3 1 1 {}", sha256(b"another")),
        format!("3 1 1 {}", sha256(&odd.certificate)),
        format!("3 1 2 {}", sha512(b"another")),
        "3 0 0 00".to_owned(),
    ] {
        let (sent, transcript) = sent_by(&odd, std::slice::from_ref(&record));
        assert!(!sent, "{record}: {transcript}");
        let why = "the server's certificate matches none of the TLSA records of mx1.a.test (DANE)";
        assert!(transcript.contains(why), "{transcript}");
    }
}

/// P-317: keys are changed by a record for the next one beside that of the present one; others that cannot be used do
/// not stand in the way. Hundreds of records are nothing special.
#[test]
fn one_of_several_records_is_enough() {
    let good = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    let own = format!("3 1 1 {}", sha256(&good.key));
    let next = format!("3 1 1 {}", sha256(b"next"));
    let (sent, transcript) = sent_by(&good, &[next, "1 0 1 00".to_owned(), own.clone()]);
    assert!(sent && transcript.contains("(DANE: 3 records of mx1.a.test, 2 usable)"), "{transcript}");
    let mut many: Vec<String> = (0..600_u32).map(|n| format!("3 1 1 {}", sha256(&n.to_be_bytes()))).collect();
    assert!(!sent_by(&good, &many).0);
    many.push(own);
    assert!(sent_by(&good, &many).0);
}

/// P-318: a record of an authority needs the chain up to it, a name and a date.
#[test]
fn an_authority_may_match() {
    let mx = shown("mx1.a.test", Sends::Chain, |_| {});
    let domain = shown("a.test", Sends::Chain, |_| {});
    let wild = shown("*.a.test", Sends::Chain, |_| {});
    for good in [&mx, &domain, &wild] {
        let record = format!("2 1 1 {}", sha256(&good.authority_key));
        let (sent, transcript) = sent_by(good, &[record]);
        assert!(sent && transcript.contains(", verified by DANE\n"), "{transcript}");
        assert!(sent_by(good, &[format!("2 0 2 {}", sha512(&good.authority))]).0);
    }
    let (sent, transcript) = sent_by(&mx, &[format!("2 1 1 {}", sha256(b"another"))]);
    assert!(!sent && transcript.contains("matches none of the TLSA records"), "{transcript}");
    let alone = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    assert!(sent_by(&alone, &[format!("2 0 0 {}", hex(&alone.authority))]).0, "it stands in the record");
    assert!(!sent_by(&alone, &[format!("2 0 1 {}", sha256(&alone.authority))]).0, "nobody has sent it");
    let other = shown("other.test", Sends::Chain, |_| {});
    let (sent, transcript) = sent_by(&other, &[format!("2 1 1 {}", sha256(&other.authority_key))]);
    assert!(!sent && transcript.contains("neither the name mx1.a.test nor"), "{transcript}");
    let old = shown("mx1.a.test", Sends::Chain, |params| params.not_after = rcgen::date_time_ymd(2002, 1, 1));
    let (sent, transcript) = sent_by(&old, &[format!("2 1 1 {}", sha256(&old.authority_key))]);
    assert!(!sent && transcript.contains("has expired"), "{transcript}");
    // The authority of somebody else does not vouch, though it is sent along.
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["mx1.a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let chain = vec![leaf.der().clone(), CertificateDer::from(mx.authority.clone())];
    let forged = Shown { config: Arc::new(with_chain(chain, &key)), ..mx };
    assert!(!sent_by(&forged, &[format!("2 1 1 {}", sha256(&forged.authority_key))]).0);
}

/// P-316, P-319: with records of which none can be used, there must be TLS, whatever the certificate.
#[test]
fn records_that_cannot_be_used_ask_for_tls() {
    let any = shown("other.test", Sends::LeafAlone, |_| {});
    let own = sha256(&any.key);
    let records = [
        format!("0 1 1 {own}"),
        format!("1 1 1 {own}"),
        format!("3 2 1 {own}"),
        format!("3 1 3 {own}"),
        format!("3 1 1 {own}00"),
        "3 1 2 00".to_owned(),
    ];
    let (sent, transcript) = sent_by(&any, &records);
    assert!(sent && transcript.contains("(DANE: 6 records of mx1.a.test, none usable)"), "{transcript}");
    assert!(transcript.contains(", not verified\n"), "{transcript}");
    let port = free_port();
    let clear = Host::start(2, port, Manner::default());
    let dns = Stub::start(&signed(port, &records));
    let ended = send(&direct(&dns, port, ""), &[], &["bob@a.test"]);
    assert_eq!((ended.code(), clear.mails().len()), (75, 0), "{}", ended.stderr);
    // The account may ask for more, and a record that matches is as good.
    let port = free_port();
    let mx = host(2, port, &any.config);
    for (records, code) in [(&records[..], 75), (&[format!("3 1 1 {own}")], 0)] {
        let dns = Stub::start(&signed(port, records));
        let ended = send(&direct(&dns, port, "tls = \"required\"\n"), &[], &["bob@a.test"]);
        assert_eq!((ended.code(), mx.mails().len()), (code, usize::from(code == 0)), "{}", ended.stderr);
    }
}

/// P-321: records change nothing in the order of hosts, and nothing is asked about an address.
#[test]
fn the_order_of_hosts_stays() {
    let port = free_port();
    let good = shown("x.test", Sends::LeafAlone, |_| {});
    let (first, second) = (Host::start(3, port, Manner::default()), host(2, port, &good.config));
    let table = signed(port, &[format!("3 1 1 {}", sha256(&good.key))]);
    let dns = Stub::start(&format!("{table}a.test MX 5 mx2.test\nmx2.test A 127.0.0.3\nmx2.test A !ad"));
    let ended = send(&direct(&dns, port, ""), &[], &["bob@a.test", "bob@[127.0.0.3]"]);
    assert_eq!((ended.code(), first.mails().len(), second.mails().len()), (0, 2, 0), "{}", ended.stderr);
    assert!(!dns.asked().iter().any(|question| question.contains("127.0.0.3")));
}

/// P-316, P-321, P-322: without STARTTLS, with a wrong certificate and with records that cannot be looked up, the host is passed over,
/// in the order of preference; the last one that must not be used means "not now".
#[test]
fn nothing_goes_in_clear_text_and_the_next_host_is_tried() {
    let port = free_port();
    let good = shown("mx4.test", Sends::LeafAlone, |_| {});
    let hosts =
        [Host::start(2, port, Manner::default()), host(3, port, &good.config), Host::start(4, port, Manner::default())];
    let last = host(5, port, &good.config);
    let own = sha256(&good.key);
    let mut table = "a.test MX !ad\nb.test MX !ad\n".to_owned();
    for (n, record) in
        [(1, format!("3 1 1 {own}")), (2, format!("3 1 1 {}", sha256(b"x"))), (3, "!servfail".to_owned())]
    {
        writeln!(table, "a.test MX {n} mx{n}.test\nb.test MX {n} mx{n}.test\nmx{n}.test A 127.0.0.{}", n + 1).unwrap();
        writeln!(table, "mx{n}.test A !ad\n_{port}._tcp.mx{n}.test TLSA {record}").unwrap();
        writeln!(table, "_{port}._tcp.mx{n}.test TLSA !ad").unwrap();
    }
    // The last one has no records, and takes what it gets.
    table += "a.test MX 4 mx4.test\nmx4.test A 127.0.0.5\nmx4.test A !ad\n";
    let dns = Stub::start(&table);
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("mx3.test is passed over: the TLSA records of _"), "{}", ended.stderr);
    assert_eq!(last.take().mails, [(vec!["bob@a.test".to_owned()], true)]);
    let [one, two, three] = hosts.map(|host| host.take());
    assert_eq!((one.connections, two.connections, three.connections), (1, 1, 0));
    assert!(one.mails.is_empty() && two.mails.is_empty());
    let ended = send(&direct(&dns, port, ""), &[], &["bob@b.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(last.take().mails.is_empty());
}

/// P-316: where the records of the only host cannot be looked up, the message is deferred, and nobody is connected to.
#[test]
fn a_failed_look_up_is_not_the_same_as_no_record() {
    let port = free_port();
    let mx = Host::start(2, port, Manner::default());
    let dns = Stub::start(&signed(port, &["!servfail".to_owned()]));
    let ended = send(&direct(&dns, port, ""), &["--json"], &["bob@a.test"]);
    assert_eq!((ended.code(), mx.take().connections), (75, 0), "{}", ended.stderr);
    assert!(ended.stdout.contains("server failure (SERVFAIL)"), "{}", ended.stdout);
    assert!(ended.stdout.contains("4.7.5"), "{}", ended.stdout);
}

/// P-313, P-314, P-315: without the word of DNSSEC on the MX record, on the addresses and on the records, or from a resolver that is
/// not trusted, records count for nothing, and those of an unvouched host are not asked for. Why is told where it is the
/// resolver.
#[test]
fn only_what_is_validated_counts() {
    let port = free_port();
    let mx = Host::start(2, port, Manner::default());
    let table = signed(port, &[format!("3 1 1 {}", sha256(b"x"))]);
    let service = format!("_{port}._tcp.mx1.a.test TLSA");
    for (missing, settings, asks) in [
        ("a.test MX !ad\n", "", false),
        ("mx1.a.test A !ad\n", "", false),
        (&*format!("{service} !ad\n"), "", true),
        ("", "dns-trust = \"never\"\n", false),
        ("", "tls = \"none\"\n", false),
    ] {
        let dns = Stub::start(&table.replace(missing, ""));
        let dns = if missing.is_empty() { Stub::start(&table) } else { dns };
        let ended = send(&direct(&dns, port, settings), &["-v"], &["bob@a.test"]);
        assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{missing}{settings}: {}", ended.stderr);
        let note = format!("-- DANE is not used: nothing that {} says of DNSSEC is believed", dns.address);
        assert_eq!(ended.stderr.contains("DANE"), settings.starts_with("dns-trust"), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains(&note), settings.starts_with("dns-trust"), "{}", ended.stderr);
        assert_eq!(dns.asked().contains(&service), asks, "{missing}{settings}");
    }
    let dns = Stub::start(&table);
    assert_eq!(send(&direct(&dns, port, ""), &[], &["bob@a.test"]).code(), 75);
    assert!(mx.mails().is_empty());
    // An alias of the domain must be validated, too.
    let dns = Stub::start(&format!(
        "b.test CNAME mx1.a.test\nmx1.a.test A 127.0.0.2\nmx1.a.test A !ad\n{service} 3 1 1 {}\n{service} !ad",
        sha256(b"x")
    ));
    assert_eq!(send(&direct(&dns, port, ""), &[], &["bob@b.test"]).code(), 0);
    assert_eq!((mx.mails().len(), dns.asked().contains(&service)), (1, false));
    // Bogus MX records are no reason to go elsewhere.
    let dns = Stub::start(&table.replace("a.test MX !ad", "a.test MX !servfail"));
    assert_eq!((send(&direct(&dns, port, ""), &[], &["bob@a.test"]).code(), mx.take().connections), (75, 0));
}

/// P-314: that there is no MX record must be vouched for, too, and so must the alias of a domain; else the domain itself is only
/// where somebody may have led us.
#[test]
fn that_there_is_no_exchanger_must_be_validated() {
    let port = free_port();
    let own = shown("c.test", Sends::LeafAlone, |_| {});
    let mx = host(2, port, &own.config);
    let table = format!(
        "c.test A 127.0.0.2\nc.test A !ad\nd.test CNAME c.test\n_{port}._tcp.c.test TLSA 3 1 1 {}\n\
         _{port}._tcp.c.test TLSA !ad\n",
        sha256(&own.key)
    );
    for (to, validated, verified) in [
        ("bob@c.test", "c.test MX !ad", true),
        ("bob@d.test", "d.test MX !ad\nc.test MX !ad", true),
        ("bob@c.test", "", false),
        ("bob@d.test", "c.test MX !ad", false),
        ("bob@d.test", "d.test MX !ad", false),
    ] {
        let dns = Stub::start(&format!("{table}{validated}"));
        let ended = send(&direct(&dns, port, ""), &["-v"], &[to]);
        assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{}", ended.stderr);
        assert_eq!(ended.stderr.contains(", verified by DANE\n"), verified, "{to} {validated}: {}", ended.stderr);
    }
}

/// P-318: domains of one host share a session where records are about the server's own certificate. With an authority,
/// each has its own: a certificate in the name of one domain is not one in the name of the other.
#[test]
fn the_name_of_one_domain_does_not_do_for_another() {
    let port = free_port();
    let good = shown("a.test", Sends::Chain, |_| {});
    let mx = host(2, port, &good.config);
    for (record, connections, to) in [
        (format!("3 1 1 {}", sha256(&good.key)), 1, vec!["bob@a.test", "bob@b.test"]),
        (format!("2 1 1 {}", sha256(&good.authority_key)), 2, vec!["bob@a.test"]),
    ] {
        let table = signed(port, &[record]) + "b.test MX 10 mx1.a.test\nb.test MX !ad\n";
        let dns = Stub::start(&table);
        let ended = send(&direct(&dns, port, ""), &[], &["bob@a.test", "bob@b.test"]);
        let seen = mx.take();
        let mails: Vec<_> = seen.mails.iter().flat_map(|(to, _)| to).map(String::as_str).collect();
        assert_eq!((seen.connections, mails), (connections, to), "{}", ended.stderr);
    }
}

/// P-318: with an authority, the certificate may be for the name behind the alias of the domain, too.
#[test]
fn the_name_behind_an_alias_does_for_the_domain() {
    let port = free_port();
    let good = shown("a.test", Sends::Chain, |_| {});
    let mx = host(2, port, &good.config);
    let table = signed(port, &[format!("2 1 1 {}", sha256(&good.authority_key))]);
    let dns = Stub::start(&format!("{table}b.test CNAME a.test\nb.test MX !ad\n"));
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@b.test"]);
    assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{}", ended.stderr);
    assert!(ended.stderr.contains(", verified by DANE\n"), "{}", ended.stderr);
}

/// Remembers the name for which a certificate is asked.
#[derive(Debug)]
struct Asked {
    key: Arc<CertifiedKey>,
    name: Mutex<Option<String>>,
}

impl ResolvesServerCert for Asked {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        *self.name.lock().unwrap() = hello.server_name().map(str::to_owned);
        Some(self.key.clone())
    }
}

/// P-315, P-320: the name behind an alias is asked for first, then the alias; the server hears the one that had records.
#[test]
fn the_name_with_the_records_is_the_one_that_the_server_hears() {
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["x.test".to_owned()]).unwrap().self_signed(&key).unwrap();
    let private = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = posthaste::net::tls::provider();
    let certified = CertifiedKey::from_der(vec![leaf.der().clone()], private, &provider).unwrap();
    let asked = Arc::new(Asked { key: Arc::new(certified), name: Mutex::default() });
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(asked.clone());
    let port = free_port();
    let mx = host(2, port, &Arc::new(config));
    let own = sha256(&key.subject_public_key_info());
    for (base, questions) in [("real.test", vec!["real"]), ("mx1.a.test", vec!["real", "mx1.a"])] {
        let dns = Stub::start(&format!(
            "a.test MX 10 mx1.a.test\na.test MX !ad\nmx1.a.test CNAME real.test\nmx1.a.test A !ad\nmx1.a.test AAAA !ad\nreal.test A 127.0.0.2\n\
             _{port}._tcp.{base} TLSA 3 1 1 {own}\n_{port}._tcp.{base} TLSA !ad"
        ));
        let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
        assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{}", ended.stderr);
        assert!(ended.stderr.contains(", verified by DANE\n"), "{}", ended.stderr);
        assert_eq!(asked.name.lock().unwrap().take().as_deref(), Some(base));
        let tlsa: Vec<_> = dns.asked().into_iter().filter(|question| question.ends_with("TLSA")).collect();
        assert_eq!(tlsa, questions.iter().map(|name| format!("_{port}._tcp.{name}.test TLSA")).collect::<Vec<_>>());
    }
}

/// P-316: `posthaste route` says what is found.
#[test]
fn route_shows_the_records() {
    let port = free_port();
    let _mx = Host::start(2, port, Manner::default());
    let dns = Stub::start(&signed(port, &[format!("3 1 1 {}", sha256(b"x"))]));
    let program = direct(&dns, port, "");
    let ended = super::run(&mut program.posthaste(&["route", "--json", "bob@a.test"]), b"");
    assert!(ended.stdout.contains("(DANE: 1 record of mx1.a.test, 1 usable)"), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("\"tls\":\"required\""), "{}", ended.stdout);
}

/// The TLSA records of several hosts are looked up side by side: those of the first come when those of the last were asked for.
#[test]
fn records_of_all_hosts_are_looked_up_at_the_same_time() {
    let port = free_port();
    let good = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    let mx = host(2, port, &good.config);
    let of = |n: u8| format!("_{port}._tcp.mx{n}.a.test");
    let mut table = signed(port, &[format!("3 1 1 {}", sha256(&good.key))]);
    table += &format!("\n{} TLSA !until {}\n", of(1), of(3));
    for n in 2..=3 {
        table += &format!(
            "a.test MX {n}0 mx{n}.a.test\nmx{n}.a.test A 127.0.0.3\nmx{n}.a.test A !ad\nmx{n}.a.test AAAA !ad\n\
             {} TLSA 3 1 1 {}\n{0} TLSA !ad\n",
            of(n),
            "00".repeat(32)
        );
    }
    let dns = Stub::start(&table);
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
    assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{}", ended.stderr);
}
