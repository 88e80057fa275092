use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use posthaste::tlsrpt::{Day, Event, FailureType, PolicyType};
use rcgen::CertificateParams;
use rustix::fs::{CWD, Mode, mkfifoat};
use rustls::ServerConfig;

use super::certificates::{certificates, server};
use super::dane::{Sends, Shown, host, sha256, shown, signed};
use super::host::{Host, Manner, Tls};
use super::ports::free_port;
use super::program::{Program, run};
use super::sts::{World, ZONE, named, policy, secured, self_signed};
use super::stub::Stub;
use super::web::{answer, text};
use super::{direct, send};

const RECORD: &str = "tlsrpt = \"record\"\n";

/// The file of today, and of tomorrow if that has begun meanwhile.
fn files(program: &Program) -> Vec<PathBuf> {
    let place = program.path(".local/state/posthaste");
    let Ok(entries) = fs::read_dir(place) else { return Vec::new() };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.file_name().unwrap().to_str().unwrap().starts_with("tlsrpt-"));
    files.sort();
    files
}

/// What was recorded so far.
fn events(program: &Program) -> Vec<Event> {
    let lines = files(program).into_iter().map(|file| fs::read_to_string(file).unwrap()).collect::<String>();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn failure(event: &Event) -> Option<FailureType> {
    event.failure.as_ref().map(|failure| failure.result_type)
}

/// A host with a certificate for this name, by an authority that the account may know.
fn by_authority(last: u8, port: u16, name: &str, change: fn(&mut CertificateParams)) -> Host {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    change(&mut params);
    let config: Arc<ServerConfig> = Arc::new(server(&certificates().authority, params));
    Host::start(last, port, Manner { tls: Tls::Upgraded(config), ..Manner::default() })
}

/// One message to a.test, whose host has these TLSA records; the exit code and what was recorded.
fn by_records(shown: &Shown, records: &[String]) -> (i32, Vec<Event>) {
    let port = free_port();
    let _mx = host(2, port, &shown.config);
    let dns = Stub::start(&signed(port, records));
    let program = direct(&dns, port, RECORD);
    let ended = send(&program, &[], &["bob@a.test"]);
    (ended.code(), events(&program))
}

/// P-332: a session of which all is well, with each of its facts, in a file that nobody else can read.
#[test]
fn a_success_is_recorded_with_its_policy() {
    let port = free_port();
    let good = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    let _mx = Host::start(
        2,
        port,
        Manner { greeting: "220 relay7.a.test ESMTP", tls: Tls::Upgraded(good.config.clone()), ..Manner::default() },
    );
    let record = format!("3 1 1 {}", sha256(&good.key));
    let dns = Stub::start(&signed(port, std::slice::from_ref(&record)));
    let program = direct(&dns, port, RECORD);
    send(&program, &[], &["bob@a.test", "eve@A.TEST"]).assert_silent_success();
    let [event] = &events(&program)[..] else { panic!("{:?}", events(&program)) };
    assert_eq!(event.domain, "a.test");
    assert_eq!((event.policy_type, event.policy_domain.as_str()), (PolicyType::Tlsa, "mx1.a.test"));
    assert_eq!((&event.policy_string[..], &event.mx_host[..]), (&[record][..], &[][..]));
    assert_eq!(event.failure, None);
    let session = &event.session;
    assert_eq!(session.receiving_mx_hostname.as_deref(), Some("mx1.a.test"));
    assert_eq!(session.receiving_mx_helo.as_deref(), Some("relay7.a.test"));
    assert_eq!(session.receiving_ip, Some("127.0.0.2".parse().unwrap()));
    assert_eq!(session.sending_mta_ip, Some("127.0.0.1".parse().unwrap()));
    let file = &files(&program)[0];
    assert!(file.ends_with(format!("tlsrpt-{}", Day::of(event.time))), "{}", file.display());
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(file.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
}

/// P-332, P-333: sessions that are no success, and hosts with which there is none, have their reason.
#[test]
fn failures_are_recorded_by_their_type() {
    let good = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    let wrong = format!("3 1 1 {}", sha256(b"another"));
    let (code, events) = by_records(&good, &[wrong]);
    assert_eq!((code, events.len(), failure(&events[0])), (75, 1, Some(FailureType::ValidationFailure)));
    let reason = &events[0].failure.as_ref().unwrap().reason;
    assert_eq!(reason, "the server's certificate matches none of the TLSA records of mx1.a.test (DANE)");

    let old = shown("mx1.a.test", Sends::Chain, |params| params.not_after = rcgen::date_time_ymd(2002, 1, 1));
    let (code, events) = by_records(&old, &[format!("2 1 1 {}", sha256(&old.authority_key))]);
    assert_eq!((code, events.len(), failure(&events[0])), (75, 1, Some(FailureType::CertificateExpired)));

    let (code, events) = by_records(&good, &["1 1 1 00".to_owned()]);
    assert_eq!((code, events.len(), failure(&events[0])), (0, 1, Some(FailureType::TlsaInvalid)));

    let (code, events) = by_records(&good, &["!servfail".to_owned()]);
    assert_eq!((code, events.len(), failure(&events[0])), (75, 1, Some(FailureType::DnssecInvalid)));
    assert_eq!(events[0].session.receiving_mx_hostname.as_deref(), Some("mx1.a.test"));
    assert!(events[0].session.receiving_ip.is_none(), "nobody connected");
}

/// P-333: the certificates that an account wants checked.
#[test]
fn what_is_wrong_with_a_certificate_is_told() {
    for (name, change, trusted, expected) in [
        ("mx1.test", (|_| {}) as fn(&mut CertificateParams), true, None),
        ("other.test", |_| {}, true, Some(FailureType::CertificateHostMismatch)),
        ("mx1.test", |_| {}, false, Some(FailureType::CertificateNotTrusted)),
        (
            "mx1.test",
            |params| params.not_after = rcgen::date_time_ymd(2002, 1, 1),
            true,
            Some(FailureType::CertificateExpired),
        ),
    ] {
        let port = free_port();
        let _mx = by_authority(2, port, name, change);
        let dns = Stub::start("a.test MX 10 mx1.test\nmx1.test A 127.0.0.2");
        let roots = if trusted { "tls-ca-file = \"ca.pem\"\n" } else { "tls-roots = \"built-in\"\n" };
        let program = direct(&dns, port, &format!("{RECORD}tls = \"required\"\n{roots}"));
        program.file("ca.pem", &certificates().authority_pem);
        let ended = send(&program, &[], &["bob@a.test"]);
        assert_eq!(ended.code(), if expected.is_none() { 0 } else { 75 }, "{}", ended.stderr);
        let events = events(&program);
        assert_eq!((events.len(), failure(&events[0])), (1, expected), "{events:?}");
        assert_eq!((events[0].policy_type, events[0].policy_domain.as_str()), (PolicyType::NoPolicyFound, "a.test"));
    }
}

/// P-328, P-332, P-333: MTA-STS policies, those that only test, and those that cannot be had.
#[test]
fn policies_of_mta_sts_are_recorded() {
    let own = named("mta-sts.a.test");
    let good = || Some(named("mx1.a.test"));
    let sts = PolicyType::Sts;
    for (web, says, mx, code, kind, expected) in [
        (&own, policy("enforce", &["*.a.test"]), good(), 0, sts, None),
        (&own, policy("enforce", &["mx9.a.test"]), good(), 75, sts, Some(FailureType::ValidationFailure)),
        (&own, policy("enforce", &["*.a.test"]), None, 75, sts, Some(FailureType::StarttlsNotSupported)),
        (
            &own,
            policy("enforce", &["*.a.test"]),
            Some(self_signed("mx1.a.test")),
            75,
            sts,
            Some(FailureType::CertificateNotTrusted),
        ),
        (&own, policy("testing", &["*.a.test"]), good(), 0, sts, None),
        (
            &own,
            policy("testing", &["*.a.test"]),
            Some(named("x.test")),
            0,
            sts,
            Some(FailureType::CertificateHostMismatch),
        ),
        (&own, policy("testing", &["mx9.a.test"]), good(), 0, sts, Some(FailureType::ValidationFailure)),
        (&own, policy("testing", &["*.a.test"]), None, 0, sts, Some(FailureType::StarttlsNotSupported)),
        (&own, "no policy".to_owned(), good(), 0, PolicyType::NoPolicyFound, Some(FailureType::StsPolicyInvalid)),
        (
            &self_signed("mta-sts.a.test"),
            policy("enforce", &["*.a.test"]),
            good(),
            0,
            PolicyType::NoPolicyFound,
            Some(FailureType::StsWebpkiInvalid),
        ),
    ] {
        let world = World::with(ZONE, web.clone(), text(&says), RECORD);
        let tls = mx.map_or(Tls::None, Tls::Upgraded);
        let _mx = Host::start(2, world.port, Manner { tls, ..Manner::default() });
        let ended = world.send();
        assert_eq!(ended.code(), code, "{says}: {}", ended.stderr);
        let events = events(&world.program);
        assert_eq!((events.len(), failure(&events[0])), (1, expected), "{says}: {events:?}");
        let event = &events[0];
        assert_eq!((event.policy_type, event.policy_domain.as_str()), (kind, "a.test"), "{says}");
        if kind == sts {
            assert_eq!(event.policy_string.join("\n") + "\n", says);
            assert!(says.contains(&format!("mx: {}\n", event.mx_host.join("\nmx: "))), "{says}");
        }
    }
}

/// P-332, P-333: what was wrong with a policy is told as long as it is not asked for again; a policy that is kept is told of by
/// what became of the session, though it cannot be fetched anew; and it is told whole, but for hosts beyond the fortieth.
#[test]
fn policies_that_are_not_fetched_are_recorded_too() {
    let own = named("mta-sts.a.test");
    for (web, says, expected) in [
        (&own, text("no policy"), FailureType::StsPolicyInvalid),
        (&self_signed("mta-sts.a.test"), text(""), FailureType::StsWebpkiInvalid),
        (&own, answer("404 Not Found", "text/plain", ""), FailureType::StsPolicyFetchError),
    ] {
        let world = World::with(ZONE, web.clone(), says, RECORD);
        let _mx = secured(2, world.port, &named("mx1.a.test"));
        world.send();
        let ended = world.send();
        assert!(ended.stderr.contains("and the next is not due; none is in force"), "{}", ended.stderr);
        let told: Vec<_> = events(&world.program).iter().map(failure).collect();
        assert_eq!(told, [Some(expected); 2]);
    }
    let hosts: Vec<String> = (1..=60).map(|n| format!("mx{n}.a.test")).collect();
    let says = policy("enforce", &hosts.iter().map(String::as_str).collect::<Vec<_>>());
    let world = World::with(ZONE, own.clone(), text(&says), RECORD);
    let _mx = secured(2, world.port, &self_signed("mx1.a.test"));
    world.send();
    world.age(24 * 3600);
    world.web.say(answer("404 Not Found", "text/plain", ""));
    let ended = world.send();
    assert!(ended.stderr.contains("it answers 404 Not Found; the one that is kept stays in force"), "{}", ended.stderr);
    for event in events(&world.program) {
        assert_eq!(failure(&event), Some(FailureType::CertificateNotTrusted));
        let told = event.policy_string.join("\n");
        assert!(told.starts_with("version: STSv1\nmode: enforce\nmx: mx1.a.test\n"), "{told}");
        assert!(told.ends_with("\nmx: mx40.a.test\nmax_age: 604800"), "{told}");
        assert_eq!(event.mx_host, hosts[..40]);
    }
}

/// P-332, P-333: where STARTTLS is not offered, or leads nowhere, the message goes in clear text, and that counts once;
/// domains that share a session count one by one.
#[test]
fn clear_text_is_a_failure_of_each_domain() {
    let port = free_port();
    let _clear = Host::start(2, port, Manner::default());
    // It speaks TLS from the first octet, which is none behind STARTTLS.
    let refuses = Host::start(3, port, Manner { hello: Some("250-mx\r\n250 STARTTLS"), ..Manner::default() });
    let dns = Stub::start(
        "a.test MX 10 mx1.test\nb.test MX 10 mx1.test\nc.test MX 10 mx2.test\nmx1.test A 127.0.0.2\nmx2.test A 127.0.0.3",
    );
    let program = direct(&dns, port, RECORD);
    send(&program, &[], &["bob@a.test", "bob@b.test"]).assert_silent_success();
    let events = events(&program);
    let domains: Vec<_> = events.iter().map(|event| (event.domain.as_str(), failure(event))).collect();
    let expected = Some(FailureType::StarttlsNotSupported);
    assert_eq!(domains, [("a.test", expected), ("b.test", expected)]);
    // Broken: the server says yes to STARTTLS and does not speak TLS.
    send(&program, &[], &["bob@c.test"]).assert_silent_success();
    assert_eq!(refuses.mails().len(), 1);
    let events = self::events(&program);
    let last: Vec<_> = events[2..].iter().map(|event| (event.domain.as_str(), failure(event))).collect();
    assert_eq!(last, [("c.test", Some(FailureType::ValidationFailure))]);
}

/// Nothing is recorded unless somebody asks for it, of a smarthost, in clear text by choice, of an address, or where there
/// was no session.
#[test]
fn what_is_no_business_of_a_domain_is_not_recorded() {
    let port = free_port();
    let mx = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx1.test\nmx1.test A 127.0.0.2\nb.test MX 10 mx2.test\nmx2.test A 127.0.0.3");
    for (settings, to, code) in [
        ("", "bob@a.test", 0),
        ("tlsrpt = \"off\"\n", "bob@a.test", 0),
        ("tlsrpt = \"record\"\ntls = \"none\"\n", "bob@a.test", 0),
        ("tlsrpt = \"record\"\n", "bob@[127.0.0.2]", 0),
        ("tlsrpt = \"record\"\n", "bob@b.test", 75),
    ] {
        let program = direct(&dns, port, settings);
        let ended = send(&program, &[], &[to]);
        assert_eq!((ended.code(), files(&program).len()), (code, 0), "{settings}{to}: {}", ended.stderr);
    }
    mx.take();
    dns.asked();
    let program = Program::with(&format!(
        "server = \"smtp://{}\"\ntls = \"opportunistic\"\ndns = \"{}\"\ntlsrpt = \"record\"\n",
        mx.address, dns.address
    ));
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!((mx.mails().len(), files(&program).len(), dns.asked().len()), (1, 0, 0));
}

/// P-336: a collector gets a datagram for each session, in the form of libtlsrpt, with the record that asks for reports;
/// nothing of domains that want none. A collector that is not there holds up no mail.
#[test]
fn a_collector_gets_one_datagram_for_each_session() {
    let port = free_port();
    let good = shown("mx1.a.test", Sends::LeafAlone, |_| {});
    let mx = host(2, port, &good.config);
    let _clear = Host::start(3, port, Manner::default());
    let own = sha256(&good.key);
    let table = signed(port, &[format!("3 1 1 {own}")])
        + "_smtp._tls.a.test TXT v=TLSRPTv1; rua=mailto:tls@a.test\n\
           b.test MX 10 mx2.test\nmx2.test A 127.0.0.3\n_smtp._tls.b.test TXT v=TLSRPTv1;rua=https://b.test/\n\
           c.test MX 10 mx2.test\nc.test TXT v=TLSRPTv1; rua=mailto:tls@c.test\n";
    let dns = Stub::start(&table);
    let program = direct(&dns, port, "tlsrpt = \"socket:collector\"\n");
    let collector = UnixDatagram::bind(program.path("collector")).unwrap();
    collector.set_nonblocking(true).unwrap();
    let received = || {
        let mut octets = [0; 4096];
        collector.recv(&mut octets).ok().map(|size| String::from_utf8(octets[..size].to_vec()).unwrap())
    };
    for to in ["bob@a.test", "bob@b.test", "bob@c.test"] {
        send(&program, &[], &[to]).assert_silent_success();
    }
    let expected = "{\"d\":\"a.test\",\"pr\":\"v=TLSRPTv1; rua=mailto:tls@a.test\",\"policies\":[{\"policy-type\":1,\
                    \"policy-domain\":\"mx1.a.test\",\"policy-string\":[\"3 1 1 OWN\"],\"t\":0,\"f\":0}]}";
    assert_eq!(received(), Some(expected.replace("OWN", &own)));
    let expected = "{\"d\":\"b.test\",\"pr\":\"v=TLSRPTv1;rua=https://b.test/\",\"policies\":[{\"policy-type\":9,\
                    \"policy-domain\":\"b.test\",\"failure-details\":[{\"c\":201,\"s\":\"127.0.0.1\",\"n\":\"mx2.test\",\
                    \"h\":\"mx\",\"r\":\"127.0.0.3\",\"f\":\"STARTTLS is not offered\"}],\"t\":1,\"f\":1}]}";
    assert_eq!(received().as_deref(), Some(expected));
    assert_eq!(received(), None, "c.test has no record where it belongs");
    assert!(files(&program).is_empty());
    fs::remove_file(program.path("collector")).unwrap();
    mx.take();
    let ended = send(&program, &["-v"], &["bob@a.test"]);
    assert_eq!((ended.code(), mx.mails().len()), (0, 1));
    assert!(ended.stderr.contains("-- what became of TLS is not recorded: "), "{}", ended.stderr);
}

/// What somebody has put in the place of the file is left alone, and the mail goes.
#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let port = free_port();
    let mx = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx1.test\nmx1.test A 127.0.0.2");
    let program = direct(&dns, port, RECORD);
    let place = program.path(".local/state/posthaste");
    // It may be midnight in between.
    let today = Day::today();
    let days = [today, Day::of(today.end() + 1)].map(|day| place.join(format!("tlsrpt-{day}")));
    let sent = |why: &str| {
        let ended = send(&program, &["-v"], &["bob@a.test"]);
        assert_eq!((ended.code(), mx.mails().len()), (0, 1), "{}", ended.stderr);
        assert!(ended.stderr.contains("-- what became of TLS is not recorded: "), "{why}: {}", ended.stderr);
        assert!(ended.stderr.contains(why), "{why}: {}", ended.stderr);
    };
    let each = |put: &dyn Fn(&Path)| days.iter().for_each(|file| put(file));
    let none = || each(&|file| fs::remove_file(file).unwrap());
    fs::create_dir_all(&place).unwrap();
    let victim = program.file("victim", "mine\n");
    each(&|file| symlink(&victim, file).unwrap());
    sent("cannot be opened");
    none();
    each(&|file| mkfifoat(CWD, file, Mode::RUSR).unwrap());
    sent("cannot be opened");
    none();
    each(&|file| fs::write(file, "").unwrap());
    each(&|file| fs::set_permissions(file, fs::Permissions::from_mode(0o622)).unwrap());
    sent("is not ours");
    each(&|file| fs::write(file, vec![b'\n'; 1 << 20]).unwrap());
    each(&|file| fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap());
    sent("is full");
    each(&|file| assert_eq!(file.metadata().unwrap().len(), 1 << 20));
    none();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o777)).unwrap();
    sent("others can write it");
    assert_eq!(fs::read_to_string(victim).unwrap(), "mine\n");
    // Where there is no home, none is made.
    let mut command = program.posthaste(&["send", "--from", "a@sender.test", "--body", "x", "--to", "bob@a.test"]);
    assert_eq!(run(command.env("HOME", program.path("none/such")), b"").code(), 0);
    assert!(!program.path("none").exists());
}

/// Several processes record at the same time, and nothing is lost or mixed; files of more than a week go with a new day.
#[test]
fn many_processes_record_at_the_same_time() {
    let port = free_port();
    let _mx = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx1.test\nmx1.test A 127.0.0.2");
    let program = direct(&dns, port, RECORD);
    let place = program.path(".local/state/posthaste");
    fs::create_dir_all(&place).unwrap();
    let today = Day::today();
    let [old, recent] = [8, 6].map(|days| place.join(format!("tlsrpt-{}", today.before(days))));
    for file in [&old, &recent, &place.join("tlsrpt-notes"), &place.join("servers")] {
        fs::write(file, "x").unwrap();
    }
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| send(&program, &[], &["bob@a.test"]).assert_silent_success());
        }
    });
    assert!(!old.exists() && recent.exists());
    for file in ["tlsrpt-notes", "servers"] {
        fs::remove_file(place.join(file)).unwrap();
    }
    fs::remove_file(recent).unwrap();
    assert_eq!(events(&program).len(), 12);
}
