//! Look-ups, with a DNS server that answers as it should, and as it should not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "dns/connections.rs"]
mod connections;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/ports.rs"]
mod ports;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/dns.rs"]
mod stub;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ports::Closed;
use posthaste::config::account::{
    Dns, DnsServer, DnsTrust, Family, NamedFile, Proof, Tls, TlsPolicy, TlsRoots, TlsVersion,
};
use posthaste::dns::{Answer, Bare, Found, LookupError, Mx, Resolver, Security, Srv, Target};
use rcgen::CertificateParams;
use stub::Stub;

fn dns(servers: &[SocketAddr]) -> Dns {
    Dns {
        servers: servers.iter().map(|address| DnsServer { address: *address, tls: None }).collect(),
        trust: DnsTrust::Auto,
        timeout: Duration::from_secs(10),
    }
}

fn tls(roots: TlsRoots) -> Tls {
    Tls {
        policy: TlsPolicy::Required,
        on_sockets: TlsPolicy::None,
        on_exchangers: TlsPolicy::Opportunistic,
        proof: Proof::AsAccount,
        roots,
        pins: Vec::new(),
        server_name: None,
        revoked: None,
        cert: None,
        key: None,
        min: TlsVersion::Tls12,
    }
}

fn found<T: std::fmt::Debug>(answer: Result<Answer<T>, LookupError>) -> Found<T> {
    match answer {
        Ok(Answer::Found(found)) => found,
        other => panic!("{other:?}"),
    }
}

/// Each look-up with a resolver of its own, on a runtime of its own.
fn with<T>(dns: &Dns, work: impl AsyncFnOnce(&Resolver<'_>) -> T) -> T {
    let tls = tls(TlsRoots::BuiltIn);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work(&Resolver::new(dns, &tls)))
}

fn mx(dns: &Dns, domain: &str) -> Result<Answer<Mx>, LookupError> {
    with(dns, async |resolver| resolver.mx(domain).await)
}

fn bare<T>(name: &str, security: Security) -> Answer<T> {
    Answer::NoData(Bare { name: name.to_owned(), security })
}

fn host(name: &str) -> Target {
    Target::Host(name.to_owned())
}

#[test]
fn records_of_each_type_are_read() {
    let stub = Stub::start(
        "example.test MX 10 mx1.example.test\nexample.test MX 20 MX2.Example.test\nmx1.example.test A 192.0.2.1\n\
         mx1.example.test AAAA 2001:db8::1\n_submission._tcp.example.test SRV 1 2 587 mail.example.test\n\
         example.test TXT v=STSv1; id=20260101T000000; and more than one hundred octets, so that it has two pieces on \
         the wire, which belong together\n\
         _25._tcp.mx1.example.test TLSA 3 1 1 00ff7f\nv4.test A 192.0.2.9",
    );
    let dns = dns(&[stub.address]);
    with(&dns, async |resolver| {
        let mx = found(resolver.mx("Example.TEST").await);
        assert_eq!(mx.records[0], Mx { preference: 10, exchange: host("mx1.example.test") });
        assert_eq!(mx.records[1], Mx { preference: 20, exchange: host("mx2.example.test") });
        assert_eq!((mx.ttl, mx.name.as_str()), (Duration::from_secs(60), "example.test"));
        let both = found(resolver.addresses("mx1.example.test", Family::Any).await).records;
        assert_eq!(both, ["2001:db8::1".parse::<IpAddr>().unwrap(), "192.0.2.1".parse().unwrap()]);
        let one = found(resolver.addresses("mx1.example.test", Family::V4).await).records;
        assert_eq!(one, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(found(resolver.addresses("v4.test", Family::Any).await).records.len(), 1);
        assert!(matches!(resolver.addresses("v4.test", Family::V6).await, Ok(Answer::NoData(_))));
        let srv = found(resolver.srv("_submission._tcp.example.test").await).records;
        assert_eq!(srv, [Srv { priority: 1, weight: 2, port: 587, target: host("mail.example.test") }]);
        let txt = found(resolver.txt("example.test").await).records;
        assert!(txt[0].starts_with(b"v=STSv1; id=20260101T000000; and") && txt[0].ends_with(b"belong together"));
        let tlsa = found(resolver.tlsa("_25._tcp.mx1.example.test").await).records;
        assert_eq!((tlsa[0].usage, tlsa[0].selector, tlsa[0].matching), (3, 1, 1));
        assert_eq!(tlsa[0].data, [0, 0xff, 0x7f]);
    });
}

/// What is certain is told from what is not: only NXDOMAIN says that there is no such name.
#[test]
fn absence_and_failure_differ() {
    let stub = Stub::start(
        "here.test A 192.0.2.1\nfail.test !servfail\nrefused.test !refused\nnotimp.test !notimp\nlame.test !lame\n\
         silent.test !silent\nwrong-id.test !wrong-id\nwrong-id.test MX 10 evil.test\nwrong-name.test !wrong-name\n\
         wrong-name.test MX 10 evil.test\ngarbage.test !garbage\nshort.test !short\npointer.test !pointer\n\
         pointer.test MX 10 mx.test\nhere-too.test !nodata\ncode.test !code11\nother.test !truncate\nother.test !other\n\
         foreign.test MX 10 evil.test\nforeign.test !foreign",
    );
    let dns = dns(&[stub.address]);
    let impatient = Dns { timeout: Duration::from_millis(500), ..dns.clone() };
    let server = stub.address.to_string();
    assert_eq!(mx(&dns, "gone.test"), Ok(Answer::NoName));
    assert_eq!(mx(&dns, "here.test"), Ok(bare("here.test", Security::Insecure)));
    assert_eq!(mx(&dns, "here-too.test"), Ok(bare("here-too.test", Security::Insecure)));
    for (name, words) in [
        ("fail.test", "server failure (SERVFAIL)"),
        ("refused.test", "refused (REFUSED)"),
        ("notimp.test", "it answers Not Implemented (code 4)"),
        ("code.test", "it answers Unknown response code (code 11)"),
        ("other.test", "an answer to another question"),
        ("foreign.test", "an answer about other names"),
        ("lame.test", "a referral to other servers and no answer; it does not look names up"),
        ("silent.test", "no answer in time"),
        ("wrong-id.test", "no answer in time"),
        ("wrong-name.test", "no answer in time"),
        ("garbage.test", "its answer cannot be read"),
        ("short.test", "its answer cannot be read"),
        ("pointer.test", "its answer cannot be read"),
    ] {
        // Whoever answers is waited for, on a busy machine too.
        let dns = if words == "no answer in time" { &impatient } else { &dns };
        let error = mx(dns, name).unwrap_err().to_string();
        let start = format!("the MX records of {name} cannot be looked up: {server}: {words}");
        assert!(error.starts_with(&start), "{error}");
    }
}

#[test]
fn the_next_server_is_asked_when_one_fails() {
    let good = Stub::start("example.test MX 10 mx.test");
    let closed = Closed::udp();
    for fault in ["!servfail", "!refused", "!lame", "!silent"] {
        let bad = Stub::start(&format!("example.test {fault}"));
        let mut dns = dns(&[bad.address, good.address]);
        // For each of them there is a quarter of it.
        dns.timeout = Duration::from_secs(if fault == "!silent" { 4 } else { 40 });
        assert_eq!(found(mx(&dns, "example.test")).records.len(), 1, "{fault}");
        assert_eq!((bad.asked(), good.asked().len()), (vec!["example.test MX".to_owned()], 1), "{fault}");
    }
    assert_eq!(found(mx(&dns(&[closed.address, good.address]), "example.test")).records.len(), 1);
    // That a name is not there is an answer.
    let other = Stub::start("other.test A 192.0.2.1");
    assert_eq!(mx(&dns(&[other.address, good.address]), "example.test"), Ok(Answer::NoName));
    let bad = [Stub::start("x.test !servfail"), Stub::start("x.test !refused")];
    let error = mx(&dns(&[bad[0].address, bad[1].address]), "x.test").unwrap_err().to_string();
    let expected = format!("{}: server failure (SERVFAIL), {}: refused (REFUSED)", bad[0].address, bad[1].address);
    assert!(error.ends_with(&expected), "{error}");
}

/// Aliases are followed, and the answer says where they end.
#[test]
fn aliases_are_followed_to_a_bound() {
    let stub = Stub::start(
        "a.test CNAME b.test\nb.test CNAME c.test\nc.test MX 10 mx.test\nbare.test CNAME b.test\nbare.test MX !alias\n\
         empty.test CNAME there.test\nthere.test A 192.0.2.1\ndangling.test CNAME gone.test\n\
         one.test CNAME two.test\ntwo.test CNAME one.test\nself.test CNAME self.test\nroot.test CNAME .\n\
         l0.test CNAME l1.test\nl1.test CNAME l2.test\nl2.test CNAME l3.test\nl3.test CNAME l4.test\n\
         l4.test CNAME l5.test\nl5.test CNAME l6.test\nl6.test CNAME l7.test\nl7.test CNAME l8.test\n\
         l8.test CNAME l9.test\nl9.test MX 10 mx.test",
    );
    let dns = dns(&[stub.address]);
    assert_eq!(found(mx(&dns, "a.test")).name, "c.test");
    stub.asked();
    assert_eq!(found(mx(&dns, "bare.test")).name, "c.test");
    assert_eq!(stub.asked(), ["bare.test MX", "b.test MX"]);
    assert_eq!(mx(&dns, "empty.test"), Ok(bare("there.test", Security::Insecure)));
    assert_eq!(mx(&dns, "dangling.test"), Ok(Answer::NoName));
    assert_eq!(found(mx(&dns, "l1.test")).name, "l9.test");
    for name in ["one.test", "self.test", "l0.test"] {
        let error = mx(&dns, name).unwrap_err().to_string();
        assert!(error.contains("aliases in a row") && error.contains(name), "{error}");
    }
    let error = mx(&dns, "root.test").unwrap_err().to_string();
    assert!(error.ends_with("root.test is an alias of the root, which has nothing"), "{error}");
}

#[test]
fn long_answers_come_over_tcp() {
    let many: String = (0..500).map(|number| format!("many.test MX {number} mx{number}.many.test\n")).collect();
    let stub = Stub::start(&format!("{many}cut.test MX !truncate\ncut.test MX 10 mx.test"));
    let dns = dns(&[stub.address]);
    let records = found(mx(&dns, "many.test")).records;
    assert_eq!((records.len(), &records[499].exchange), (500, &host("mx499.many.test")));
    assert_eq!(stub.asked(), ["many.test MX", "many.test MX/tcp"]);
    assert_eq!(found(mx(&dns, "cut.test")).records.len(), 1);
    assert_eq!(stub.asked(), ["cut.test MX", "cut.test MX/tcp"]);
}

/// A target is a host, nothing, or something that no connection can be opened to.
#[test]
fn names_that_no_host_has_are_told_apart() {
    let stub = Stub::start(
        "x.test MX 1 .\nx.test MX 2 192.0.2.1\nx.test MX 3 a\\046b.test\nx.test MX 4 a\\000\\013\\010b.test\n\
         x.test MX 5 m\\252.test\nx.test MX 6 a\\032b.test\nx.test MX 7 _mx-1.test",
    );
    let shown = |target| Target::Unusable(String::from(target));
    let expected = [
        Target::None,
        shown("192.0.2.1"),
        shown("a\\.b.test"),
        shown("a\\x00\\r\\nb.test"),
        shown("m\\xfc.test"),
        shown("a b.test"),
        host("_mx-1.test"),
    ];
    let records = found(mx(&dns(&[stub.address]), "x.test")).records;
    assert_eq!(records.into_iter().map(|mx| mx.exchange).collect::<Vec<_>>(), expected);
    // And what is no name is not asked for.
    stub.asked();
    for name in ["", ".", "a..b", "a b.test", "a\0.test", "m\u{fc}.test", &"a".repeat(64), &"a.".repeat(200)] {
        assert_eq!(mx(&dns(&[stub.address]), name), Ok(Answer::NoName), "{name}");
    }
    assert!(stub.asked().is_empty());
}

/// The AD bit counts where the way to the resolver is safe, and only if each answer on the way has it.
#[test]
fn security_is_what_a_trusted_resolver_vouches_for() {
    let stub = Stub::start(
        "good.test !ad\ngood.test MX 10 mx.test\nplain.test MX 10 mx.test\nalias.test CNAME good.test\nalias.test !alias\n\
         sure.test CNAME good.test\nsure.test !alias\nsure.test !ad\nhalf.test A 192.0.2.1\nhalf.test A !ad\n\
         half.test AAAA 2001:db8::1\nnone.test !ad",
    );
    let mut dns = dns(&[stub.address]);
    for (trust, name, security) in [
        (DnsTrust::Auto, "good.test", Security::Secure),
        (DnsTrust::Always, "good.test", Security::Secure),
        (DnsTrust::Never, "good.test", Security::Insecure),
        (DnsTrust::Auto, "plain.test", Security::Insecure),
        (DnsTrust::Auto, "alias.test", Security::Insecure),
        (DnsTrust::Auto, "sure.test", Security::Secure),
    ] {
        dns.trust = trust;
        assert_eq!(found(mx(&dns, name)).security, security, "{trust:?} {name}");
    }
    // That there is nothing is validated, too.
    for (trust, name, security) in [
        (DnsTrust::Auto, "none.test", Security::Secure),
        (DnsTrust::Never, "none.test", Security::Insecure),
        (DnsTrust::Auto, "half.test", Security::Insecure),
    ] {
        dns.trust = trust;
        assert_eq!(mx(&dns, name), Ok(bare(name, security)), "{trust:?}");
    }
    dns.trust = DnsTrust::Auto;
    let half = with(&dns, async |resolver| resolver.addresses("half.test", Family::Any).await);
    assert_eq!(found(half).security, Security::Insecure);
    let four = with(&dns, async |resolver| resolver.addresses("half.test", Family::V4).await);
    assert_eq!(found(four).security, Security::Secure);
}

/// One question for each name and type in the life of a resolver, whether it brings records or not; and a failure is
/// asked for again.
#[test]
fn answers_are_remembered_and_failures_are_not() {
    let stub = Stub::start("a.test MX 10 mx.test\nfail.test !servfail");
    with(&dns(&[stub.address]), async |resolver| {
        for _ in 0..3 {
            let (first, second) = tokio::join!(resolver.mx("a.test"), resolver.mx("A.test"));
            assert_eq!(first, second);
            assert_eq!(resolver.mx("gone.test").await, Ok(Answer::NoName));
        }
        assert_eq!(stub.questions(), 2);
        stub.asked();
        for _ in 0..2 {
            assert!(resolver.mx("fail.test").await.is_err());
        }
        assert_eq!(stub.questions(), 2);
    });
}

#[test]
fn this_machine_is_known_without_a_question() {
    let stub = Stub::start("x.test A 192.0.2.1");
    with(&dns(&[stub.address]), async |resolver| {
        for name in ["localhost", "LOCALHOST.", "a.localhost"] {
            let records = found(resolver.addresses(name, Family::Any).await).records;
            assert!(records.iter().all(IpAddr::is_loopback), "{name}");
        }
    });
    assert!(stub.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn silence_has_an_end() {
    let stub = Stub::start("x.test !silent");
    let (mut dns, tls) = (dns(&[stub.address]), tls(TlsRoots::BuiltIn));
    dns.timeout = Duration::from_secs(15);
    let begin = tokio::time::Instant::now();
    assert!(Resolver::new(&dns, &tls).mx("x.test").await.is_err());
    assert!(begin.elapsed() <= Duration::from_secs(15), "{:?}", begin.elapsed());
}

/// What becomes of a connection over TLS behind an answer.
#[derive(Clone, Copy, PartialEq)]
enum Behind {
    Kept,
    /// Without a word, as by a machine that is switched off.
    Closed,
}

/// This server over TLS, under the name dns.test, and the authority that vouches for it.
fn over_tls(behind: SocketAddr, manner: Behind) -> (SocketAddr, TlsRoots, tempfile::NamedTempFile) {
    let made = certificates::certificates();
    let server = certificates::server(&made.authority, CertificateParams::new(vec!["dns.test".to_owned()]).unwrap());
    let server = std::sync::Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            let mut session = rustls::ServerConnection::new(server.clone()).unwrap();
            let mut stream = rustls::Stream::new(&mut session, &mut client);
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut packet = vec![0; u16::from_be_bytes(length).into()];
                stream.read_exact(&mut packet).unwrap();
                let mut upstream = TcpStream::connect(behind).unwrap();
                upstream.write_all(&[&length[..], &packet].concat()).unwrap();
                upstream.read_exact(&mut length).unwrap();
                let mut reply = vec![0; u16::from_be_bytes(length).into()];
                upstream.read_exact(&mut reply).unwrap();
                stream.write_all(&[&length[..], &reply].concat()).unwrap();
                if manner == Behind::Closed {
                    break;
                }
            }
        }
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &made.authority_pem).unwrap();
    let roots = TlsRoots::File(NamedFile { path: file.path().to_owned(), place: "test".to_owned() });
    (address, roots, file)
}

/// Over TLS the server must show a certificate that the account trusts, under the name that is configured.
#[test]
fn dns_over_tls_checks_the_name() {
    let stub = Stub::start("example.test !ad\nexample.test MX 10 mx.test");
    let (address, roots, _file) = over_tls(stub.address, Behind::Kept);
    let ask = |name: &str, roots: TlsRoots| {
        let mut dns = dns(&[address]);
        dns.servers[0].tls = Some(name.to_owned());
        let tls = tls(roots);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Resolver::new(&dns, &tls).mx("example.test").await })
    };
    let answer = found(ask("dns.test", roots.clone()));
    assert_eq!((answer.records.len(), answer.security), (1, Security::Secure));
    for (name, roots) in [("other.test", roots), ("dns.test", TlsRoots::BuiltIn)] {
        let error = ask(name, roots).unwrap_err().to_string();
        assert!(error.contains(&format!("tls://{address}#{name}: ")), "{error}");
    }
}

/// A connection over TLS that the server has closed is opened again.
#[test]
fn dns_over_tls_goes_on_when_the_server_hangs_up() {
    let stub = Stub::start("a.test MX 10 mx.test\nb.test MX 10 mx.test\nc.test MX 10 mx.test");
    let (address, roots, _file) = over_tls(stub.address, Behind::Closed);
    let (mut dns, tls) = (dns(&[address]), tls(roots));
    dns.servers[0].tls = Some("dns.test".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let resolver = Resolver::new(&dns, &tls);
        for name in ["a.test", "b.test", "c.test"] {
            assert_eq!(found(resolver.mx(name).await).records.len(), 1, "{name}");
            // Until we have seen the end of the connection, or have not.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(stub.connections(), 3);
}
