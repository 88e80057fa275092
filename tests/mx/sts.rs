use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::ServerConfig;

use super::certificates::{certificates, server, with_chain};
use super::host::{Host, Manner, Tls};
use super::ports::free_port;
use super::program::{Ended, Program, run};
use super::stub::Stub;
use super::web::{Says, Web, answer, text};
use super::{SHORT_WAIT, direct, send};

/// A server with a certificate for this name by the authority of the tests.
pub fn named(name: &str) -> Arc<ServerConfig> {
    with(name, |_| {})
}

pub fn with(name: &str, change: fn(&mut CertificateParams)) -> Arc<ServerConfig> {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    Arc::new(server(&certificates().authority, params))
}

pub fn self_signed(name: &str) -> Arc<ServerConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "stranger");
    let certificate = params.self_signed(&key).unwrap();
    Arc::new(with_chain(vec![certificate.der().clone()], &key))
}

pub fn expired(params: &mut CertificateParams) {
    params.not_after = date_time_ymd(2001, 1, 1);
}

pub fn secured(last: u8, port: u16, config: &Arc<ServerConfig>) -> Host {
    Host::start(last, port, Manner { tls: Tls::Upgraded(config.clone()), ..Manner::default() })
}

pub fn policy(mode: &str, hosts: &[&str]) -> String {
    let hosts: String = hosts.iter().map(|host| format!("mx: {host}\n")).collect();
    format!("version: STSv1\nmode: {mode}\n{hosts}max_age: 604800\n")
}

/// What DNS says of a.test, whose only host is at 127.0.0.2.
pub const ZONE: &str =
    "a.test MX 10 mx1.a.test\nmx1.a.test A 127.0.0.2\nmta-sts.a.test A 127.0.0.1\n_mta-sts.a.test TXT v=STSv1; id=1";

/// A world with a domain, its host and its web server.
pub struct World {
    pub port: u16,
    pub web: Web,
    pub program: Program,
}

impl World {
    fn new(zone: &str, says: Says) -> World {
        World::with(zone, named("mta-sts.a.test"), says, "")
    }

    pub fn with(zone: &str, config: Arc<ServerConfig>, says: Says, settings: &str) -> World {
        let (port, web) = (free_port(), Web::start(config, says));
        let dns = Stub::start(zone);
        let settings = format!("tls-ca-file = \"ca.pem\"\nmta-sts-port = {}\n{settings}", web.address.port());
        let program = direct(&dns, port, &settings);
        program.file("ca.pem", &certificates().authority_pem);
        World { port, web, program }
    }

    /// DNS says something else from now on.
    fn zone(&self, zone: &str) -> Stub {
        let dns = Stub::start(zone);
        let config = fs::read_to_string(self.program.config()).unwrap();
        let wait = if zone.contains("!silent") { SHORT_WAIT } else { "" };
        let lines = config.lines().filter(|line| *line != SHORT_WAIT.trim_end()).map(|line| match line {
            _ if line.starts_with("dns = ") => format!("dns = \"{}\"\n{wait}", dns.address),
            _ => format!("{line}\n"),
        });
        fs::write(self.program.config(), lines.collect::<String>()).unwrap();
        dns
    }

    pub fn send(&self) -> Ended {
        send(&self.program, &["-v"], &["bob@a.test"])
    }

    fn kept(&self) -> String {
        fs::read_to_string(self.program.path(".local/state/posthaste/servers.mta-sts")).unwrap_or_default()
    }

    /// What is kept becomes so many seconds older.
    pub fn age(&self, seconds: u64) {
        let older = self.kept().lines().fold(String::new(), |mut text, line| {
            let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            if line.starts_with("policy ") || line.starts_with("failed ") {
                words[3] = (words[3].parse::<u64>().unwrap() - seconds).to_string();
            }
            writeln!(text, "{}", words.join(" ")).unwrap();
            text
        });
        fs::write(self.program.path(".local/state/posthaste/servers.mta-sts"), older).unwrap();
    }
}

/// P-323, P-324, P-327: the record leads to the policy, the policy to TLS with a certificate for the host; and all of it is told.
#[test]
fn a_policy_is_fetched_and_kept_to() {
    let world = World::new(ZONE, text(&policy("enforce", &["*.a.test"])));
    let mx = secured(2, world.port, &named("mx1.a.test"));
    let ended = world.send();
    assert_eq!((ended.code(), mx.take().mails), (0, vec![(vec!["bob@a.test".to_owned()], true)]), "{}", ended.stderr);
    for words in [
        "a.test: MTA-STS policy 1: enforce, hosts *.a.test, max_age 604800 s, fetched",
        "mx1.a.test: 127.0.0.2; TLS with a checked certificate (MTA-STS asks for it)",
        ", verified\n",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    let port = world.web.address.port();
    let [asked] = &world.web.asked()[..] else { panic!() };
    let head = format!("mta-sts.a.test\nGET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.a.test:{port}\r\n");
    assert!(asked.starts_with(&head) && asked.contains("\r\nAccept: text/plain\r\n"), "{asked}");
    let shown = run(&mut world.program.posthaste(&["route", "--json", "bob@a.test"]), b"");
    assert!(shown.stdout.contains("max_age 604800 s, kept") || shown.stdout.contains(", fetched"), "{}", shown.stdout);
    assert!(shown.stdout.contains("\"tls\":\"required\""), "{}", shown.stdout);
    let mut report: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    let policy = report["mta-sts"][0].as_object_mut().unwrap();
    assert!(policy.remove("age").unwrap().as_u64().unwrap() < 600);
    let expected = serde_json::json!({
        "domain": "a.test", "id": "1", "mode": "enforce", "hosts": ["*.a.test"], "max-age": 604_800
    });
    assert_eq!(report["mta-sts"][0], expected);
    let shown = run(&mut world.program.posthaste(&["route", "--json", "bob@[127.0.0.2]"]), b"");
    assert!(!shown.stdout.contains("mta-sts"), "{}", shown.stdout);
    assert!(world.web.asked().is_empty());
}

/// P-327: a host without TLS, or whose certificate is by a stranger, for another name, or expired, gets nothing; nor one that
/// the policy does not name, to which nobody connects. The next host is tried, and where there is none, it is "not now".
#[test]
fn enforced_hosts_must_prove_themselves() {
    let says = text(&policy("enforce", &["mx1.a.test", "mx3.a.test"]));
    for (config, why) in [
        (None, "does not offer STARTTLS"),
        (Some(self_signed("mx1.a.test")), "unknown issuer"),
        (Some(named("a.test")), "is not for mx1.a.test"),
        (Some(with("mx1.a.test", expired)), "has expired"),
    ] {
        let world = World::new(ZONE, says.clone());
        let tls = config.map_or(Tls::None, Tls::Upgraded);
        let mx = Host::start(2, world.port, Manner { tls, ..Manner::default() });
        let ended = world.send();
        assert_eq!((ended.code(), mx.mails().len()), (75, 0), "{why}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
        assert!(ended.stderr.contains("Its owners must mend it"), "{}", ended.stderr);
        // Another host does better; one that is not named is not spoken to.
        world.zone(&format!(
            "{ZONE}\na.test MX 20 mx2.a.test\na.test MX 30 mx3.a.test\nmx2.a.test A 127.0.0.3\nmx3.a.test A 127.0.0.4"
        ));
        let unnamed = Host::start(3, world.port, Manner::default());
        let good = secured(4, world.port, &named("mx3.a.test"));
        let ended = world.send();
        assert_eq!((ended.code(), mx.mails().len(), good.mails().len()), (0, 0, 1), "{why}: {}", ended.stderr);
        assert_eq!(unnamed.take().connections, 0);
        assert!(
            ended.stderr.contains("mx2.a.test is passed over: mx2.a.test is not among the hosts"),
            "{}",
            ended.stderr
        );
    }
    let world = World::new(ZONE, text(&policy("enforce", &["*.mx1.a.test", "a.test"])));
    let mx = Host::start(2, world.port, Manner::default());
    let ended = send(&world.program, &["--json"], &["bob@a.test"]);
    assert_eq!((ended.code(), mx.take().connections), (75, 0), "{}", ended.stderr);
    for words in ["mx1.a.test is not among the hosts of the MTA-STS policy of a.test", "4.7.5"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
}

/// P-328: a domain that only tests gets its mail, and what is amiss is told; one whose policy asks for nothing is like one
/// without a policy.
#[test]
fn a_test_delivers_and_tells() {
    let complaint = "MTA-STS: the policy only tests; if it did not: ";
    let strange = self_signed("mx1.a.test");
    for (mode, host, config, words) in [
        (
            "testing",
            "mx1.a.test",
            Some(strange.clone()),
            Some(format!("{complaint}the server's certificate is from an unknown issuer")),
        ),
        (
            "testing",
            "mx1.a.test",
            Some(named("mx2.a.test")),
            Some(format!("{complaint}the server's certificate is not for mx1.a.test")),
        ),
        ("testing", "mx1.a.test", None, Some(format!("{complaint}nothing would be sent without TLS"))),
        ("testing", "mx1.a.test", Some(named("mx1.a.test")), None),
        (
            "testing",
            "mx2.a.test",
            Some(named("mx1.a.test")),
            Some("MTA-STS tests, and would not send to this host".to_owned()),
        ),
        ("none", "mx2.a.test", Some(strange), None),
        ("none", "mx2.a.test", None, None),
    ] {
        let world = World::new(ZONE, text(&policy(mode, &[host])));
        let is_secure = config.is_some();
        let tls = config.map_or(Tls::None, Tls::Upgraded);
        let mx = Host::start(2, world.port, Manner { tls, ..Manner::default() });
        let ended = world.send();
        let mails = vec![(vec!["bob@a.test".to_owned()], is_secure)];
        assert_eq!((ended.code(), mx.take().mails), (0, mails), "{mode}: {}", ended.stderr);
        assert!(ended.stderr.contains(&format!("MTA-STS policy 1: {mode}, hosts {host}")), "{}", ended.stderr);
        match words {
            Some(words) => assert!(ended.stderr.contains(&words), "{words}: {}", ended.stderr),
            None => {
                assert!(!ended.stderr.contains("would not") && !ended.stderr.contains(complaint), "{}", ended.stderr)
            }
        }
    }
}

/// P-324, P-325, P-329: what is no policy is none, and a message goes as without one; the reason is told.
#[test]
fn what_cannot_be_fetched_is_no_policy() {
    let good = policy("enforce", &["mx9.a.test"]);
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n{good}");
    let raw = |text: &str| Says::Octets(text.as_bytes().to_vec());
    let own = named("mta-sts.a.test");
    for (config, says, why) in [
        (own.clone(), answer("301 Moved Permanently", "text/plain", &good), "it answers 301 Moved Permanently"),
        (own.clone(), answer("404 Not Found", "text/plain", &good), "it answers 404 Not Found"),
        (own.clone(), text(&format!("{good}{}", "x: y\n".repeat(14_000))), "more than 65536 octets"),
        (own.clone(), answer("200 OK", "text/html", &good), "is not text/plain but text/html"),
        (own.clone(), text("<html>"), "a line of it is no field"),
        (own.clone(), text(&good.replace("STSv1", "STSv2")), "its version is not STSv1"),
        (own.clone(), raw(&format!("{chunked}ffffffffffffffff\r\nx")), "more than 65536 octets"),
        (own.clone(), raw(&format!("{chunked}{}", "1\r\nx\r\n".repeat(70_000))), "no HTTP that can be read"),
        (own.clone(), raw(&format!("{chunked}\r\n\r\n")), "no HTTP that can be read"),
        (own.clone(), raw("220 mail.example.org ESMTP\r\n"), "no HTTP that can be read"),
        (own.clone(), Says::CutOff(cut.into_bytes()), "its answer is cut short"),
        (own.clone(), Says::Nothing, "no answer in time"),
        (named("a.test"), text(&good), "is not for mta-sts.a.test"),
        (with("mta-sts.a.test", expired), text(&good), "has expired"),
        (self_signed("mta-sts.a.test"), text(&good), "unknown issuer"),
    ] {
        // Whoever answers is waited for, on a busy machine too.
        let settings = if matches!(says, Says::Nothing) { "timeout = \"1s\"\n" } else { "" };
        let world = World::with(ZONE, config, says, settings);
        let mx = Host::start(2, world.port, Manner::default());
        let ended = world.send();
        assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{why}: {}", ended.stderr);
        let line =
            ended.stderr.lines().find(|line| line.contains("the MTA-STS policy 1 cannot be had from mta-sts.a.test: "));
        assert!(
            line.is_some_and(|line| line.contains(why) && line.ends_with("; none is in force")),
            "{why}: {}",
            ended.stderr
        );
    }
    for zone in [
        ZONE.replace("mta-sts.a.test A", "x.test A"),
        ZONE.replace("mta-sts.a.test A 127.0.0.1", "mta-sts.a.test A !servfail"),
    ] {
        let world = World::new(&zone, text(&good));
        let mx = Host::start(2, world.port, Manner::default());
        assert_eq!((world.send().code(), mx.mails().len()), (0, 1), "{zone}");
    }
    // The look-up of the web server's addresses is a part of the time.
    let silent = ZONE.replace("mta-sts.a.test A 127.0.0.1", "mta-sts.a.test !silent");
    let ended = World::with(&silent, named("mta-sts.a.test"), text(&good), "timeout = \"100ms\"\n").send();
    assert!(ended.stderr.contains("its addresses could not be looked up in time"), "{}", ended.stderr);
}

/// P-323, P-330: one record, which may stand behind an alias, leads to the policy; none, several and broken ones do not, nor
/// does that of the domain above. Nobody is asked where policies do not count.
#[test]
fn one_record_of_the_domain_itself_counts() {
    let says = text(&policy("enforce", &["mx9.a.test"]));
    let record = "_mta-sts.a.test TXT v=STSv1; id=1";
    for (records, code) in [
        (record.to_owned(), 75),
        (format!("{record}\n_mta-sts.a.test TXT v=spf1 -all"), 75),
        ("_mta-sts.a.test CNAME x.test\nx.test TXT v=STSv1; id=1".to_owned(), 75),
        (format!("{record}\n_mta-sts.a.test TXT v=STSv1; id=2"), 0),
        ("_mta-sts.a.test TXT v=STSv1; id=?".to_owned(), 0),
        ("_mta-sts.a.test TXT v=STSv2; id=1".to_owned(), 0),
        ("_mta-sts.test TXT v=STSv1; id=1\n_mta-sts.mx1.a.test TXT v=STSv1; id=1".to_owned(), 0),
        ("_mta-sts.a.test TXT !servfail".to_owned(), 0),
        (String::new(), 0),
    ] {
        let world = World::new(&ZONE.replace(record, &records), says.clone());
        let mx = Host::start(2, world.port, Manner::default());
        let ended = world.send();
        assert_eq!((ended.code(), mx.mails().len()), (code, usize::from(code == 0)), "{records}: {}", ended.stderr);
        assert_eq!(world.web.asked().len(), usize::from(code == 75), "{records}");
    }
    let asks =
        |dns: &Stub| dns.asked().iter().filter(|question| question.contains("mta-sts")).cloned().collect::<Vec<_>>();
    for settings in ["mta-sts = \"never\"\n", "tls = \"none\"\n"] {
        let world = World::with(ZONE, named("mta-sts.a.test"), says.clone(), settings);
        let dns = world.zone(ZONE);
        let mx = Host::start(2, world.port, Manner::default());
        assert_eq!((world.send().code(), mx.mails().len()), (0, 1), "{settings}");
        assert!(asks(&dns).is_empty(), "{settings}");
    }
    let world = World::new(ZONE, says.clone());
    let dns = world.zone(&format!("{ZONE}\nsub.a.test MX 10 mx1.a.test"));
    let mx = Host::start(2, world.port, Manner::default());
    let ended = send(&world.program, &[], &["bob@sub.a.test", "carol@[127.0.0.2]"]);
    assert_eq!((ended.code(), mx.mails().len()), (0, 2), "{}", ended.stderr);
    assert_eq!(asks(&dns), ["_mta-sts.sub.a.test TXT"]);
}

/// P-330: of a smarthost, and of those who get mail by it, nothing is asked.
#[test]
fn a_smarthost_needs_no_policy() {
    let dns = Stub::start(ZONE);
    let port = free_port();
    let relay = Host::start(2, port, Manner::default());
    let program =
        Program::with(&format!("server = \"smtp://127.0.0.2:{port}\"\ntls = \"none\"\ndns = \"{}\"\n", dns.address));
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!((relay.mails().len(), dns.questions()), (1, 0));
}

/// P-322, P-327: what DANE forbids MTA-STS does not allow, and where DANE decides, MTA-STS is not asked.
#[test]
fn dane_comes_first() {
    let world = World::new(ZONE, text(&policy("enforce", &["mx1.a.test"])));
    let mx = secured(2, world.port, &named("mx1.a.test"));
    let service = format!("_{}._tcp.mx1.a.test", world.port);
    let signed = format!("{ZONE}\na.test MX !ad\nmx1.a.test A !ad\nmx1.a.test AAAA !ad\n{service} TLSA !ad");
    for record in [format!("3 1 1 {}", "00".repeat(32)), "!servfail".to_owned()] {
        world.zone(&format!("{signed}\n{service} TLSA {record}"));
        let ended = world.send();
        assert_eq!((ended.code(), mx.mails().len()), (75, 0), "{}", ended.stderr);
        assert!(world.web.asked().is_empty());
    }
    world.zone(ZONE);
    assert_eq!((world.send().code(), mx.mails().len()), (0, 1));
}

/// P-329: a policy is kept until another id is named or a day has gone, and stays in force while it lives, whatever becomes of
/// the web server and, P-327, of the record.
#[test]
fn a_policy_is_kept() {
    let other = ZONE.replace("id=1", "id=2");
    let world = World::new(ZONE, text(&policy("enforce", &["mx1.a.test"])));
    let mx = Host::start(2, world.port, Manner::default());
    let asked = |code: i32, words: &str| {
        let ended = world.send();
        assert_eq!(ended.code(), code, "{words}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
        assert!(mx.mails().len() == usize::from(code == 0));
        world.web.asked().len()
    };
    assert_eq!(asked(75, "MTA-STS policy 1: enforce, hosts mx1.a.test, max_age 604800 s, fetched"), 1);
    assert_eq!(world.kept().lines().count(), 2, "{}", world.kept());
    // Within the day nobody is asked again.
    world.age(3600 * 3);
    assert_eq!(asked(75, "max_age 604800 s, kept, 3 hours old"), 0);
    // Neither a lost record nor a forged one, nor silence takes it away.
    for gone in [
        ZONE.replace("_mta-sts.a.test TXT v=STSv1; id=1", ""),
        ZONE.replace("v=STSv1; id=1", "v=STSv1; id=?"),
        ZONE.replace("v=STSv1; id=1", "!servfail"),
        ZONE.replace("v=STSv1; id=1", "!silent"),
        format!("{ZONE}\n_mta-sts.a.test TXT v=STSv1; id=2"),
    ] {
        world.zone(&gone);
        assert_eq!(asked(75, "max_age 604800 s, kept, 3 hours old"), 0, "{gone}");
    }
    // Another id that cannot be had: the old one stays, and for five minutes nobody asks again.
    world.zone(&other);
    world.web.say(answer("404 Not Found", "text/plain", ""));
    assert_eq!(asked(75, "it answers 404 Not Found; the one that is kept stays in force"), 1);
    assert_eq!(asked(75, "was in vain, and the next is not due; the one that is kept stays in force"), 0);
    world.age(240);
    assert_eq!(asked(75, "was in vain"), 0);
    world.age(60);
    assert_eq!(asked(75, "it answers 404 Not Found"), 1);
    // It can be had, and asks for nothing.
    world.age(300);
    world.web.say(text(&policy("none", &[])));
    assert_eq!(asked(0, "MTA-STS policy 2: none, max_age 604800 s, fetched"), 1);
    assert_eq!(world.kept().lines().count(), 2, "{}", world.kept());
    // A day later it is fetched once more; where that fails, whoever asks for nothing is not told of.
    world.age(24 * 3600);
    world.web.say(Says::CutOff(Vec::new()));
    assert_eq!(asked(0, "MTA-STS policy 2: none, max_age 604800 s, kept, 24 hours old"), 1);
    // At last it is too old.
    world.age(7 * 24 * 3600);
    assert_eq!(asked(0, "none is in force"), 1);
}

/// Without a place to keep it, a policy holds for the run.
#[test]
fn nothing_is_kept_without_a_place() {
    let says = text(&policy("enforce", &["mx1.a.test"]));
    let world = World::with(ZONE, named("mta-sts.a.test"), says, "state-file = \"none\"\n");
    let mx = Host::start(2, world.port, Manner::default());
    for _ in 0..2 {
        assert_eq!((world.send().code(), mx.mails().len(), world.web.asked().len()), (75, 0, 1));
    }
    assert!(!world.program.path(".local").exists());
}

/// Domains of one host whose policies ask for the same share a session, and each policy is asked for once.
#[test]
fn domains_of_one_host_share_a_session() {
    let zone = format!(
        "{ZONE}\nb.test MX 10 mx1.a.test\nc.test MX 10 mx1.a.test\n_mta-sts.b.test TXT v=STSv1; id=7\nmta-sts.b.test A 127.0.0.1"
    );
    let names = with("mta-sts.a.test", |params| {
        params.subject_alt_names.push(rcgen::SanType::DnsName("mta-sts.b.test".try_into().unwrap()));
    });
    let world = World::with(&zone, names, text(&policy("enforce", &["mx1.a.test"])), "");
    let mx = secured(2, world.port, &named("mx1.a.test"));
    let ended = send(&world.program, &["-v"], &["bob@a.test", "bob@b.test", "bob@c.test"]);
    let seen = mx.take();
    assert_eq!((ended.code(), seen.connections, seen.mails.len()), (0, 2, 3), "{}", ended.stderr);
    assert_eq!(world.web.asked().len(), 2);
    for words in
        ["a.test, b.test have the same hosts", "a.test: MTA-STS policy 1: enforce", "b.test: MTA-STS policy 7: enforce"]
    {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

/// P-298: a message whose header waives TLS goes where policies would keep it back, by MTA-STS and DANE alike; but not where the
/// account or REQUIRETLS insists, nor where the field says something else.
#[test]
fn a_message_may_waive_policies() {
    let world = World::new(ZONE, text(&policy("enforce", &["mx9.a.test"])));
    let mx = Host::start(2, world.port, Manner::default());
    let sent = |flags: &[&str]| {
        let ended = send(&world.program, flags, &["bob@a.test"]);
        (ended.code(), mx.mails().len())
    };
    let waived = "TLS-Required: No";
    assert_eq!(sent(&["--header", waived]), (0, 1));
    assert!(world.web.asked().is_empty());
    assert_eq!(sent(&[]), (75, 0));
    assert_eq!(sent(&["--header", "TLS-Required: Never"]), (75, 0));
    assert_eq!(sent(&["--header", waived, "--header", waived]), (75, 0));
    assert_eq!(sent(&["--header", waived, "--require-tls"]), (75, 0));
    let ended = send(&world.program, &["-v", "--header", waived], &["bob@a.test"]);
    assert!(ended.stderr.contains("; the message waives policies (TLS-Required)\n"), "{}", ended.stderr);
    assert_eq!(mx.mails().len(), 1);
    let service = format!("_{}._tcp.mx1.a.test", world.port);
    world.zone(&format!(
        "{ZONE}\na.test MX !ad\nmx1.a.test A !ad\nmx1.a.test AAAA !ad\n{service} TLSA 3 1 1 {}\n{service} TLSA !ad",
        "00".repeat(32)
    ));
    assert_eq!(sent(&[]), (75, 0));
    assert_eq!(sent(&["--header", waived]), (0, 1));
    let strict = World::with(ZONE, named("mta-sts.a.test"), Says::Nothing, "tls = \"required\"\n");
    let clear = Host::start(2, strict.port, Manner::default());
    let ended = send(&strict.program, &["--header", waived], &["bob@a.test"]);
    assert_eq!((ended.code(), clear.mails().len()), (75, 0), "{}", ended.stderr);
}
