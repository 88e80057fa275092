//! Which hosts of a domain can be tried, and what is waited for.

use std::io::{Read as _, Write as _};

use super::host::{Host, Manner};
use super::ports::free_port;
use super::stub::Stub;
use super::{direct, send};

/// P-114: this machine is known by its name, also where DNS does not know its address, and where it is behind an alias; or where it
/// stands behind more hosts than are tried.
#[test]
fn this_machine_is_known_without_its_address() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let many: String = (10..40).map(|n| format!("many.test MX 5 mx{n}.test\nmx{n}.test A 127.0.0.2\n")).collect();
    let table = "a.test MX 10 box.example.org\na.test MX 20 mx.test\nmx.test A 127.0.0.2\nb.test MX 10 me.test\n\
                 b.test MX 20 mx.test\nme.test CNAME box.example.org\nmany.test MX 5 box.example.org\n";
    for own in ["x.test TXT nothing", "box.example.org !servfail", "box.example.org A 127.0.0.9"] {
        let dns = Stub::start(&format!("{table}{many}{own}"));
        let has_address = own.ends_with("127.0.0.9");
        for to in ["bob@a.test", "bob@many.test", "bob@b.test"].into_iter().take(if has_address { 3 } else { 2 }) {
            let ended = send(&direct(&dns, port, ""), &[], &[to]);
            assert_eq!((ended.code(), host.take().connections), (69, 0), "{own} {to}: {}", ended.stderr);
            assert!(ended.stderr.contains("is this machine (5.4.6)"), "{}", ended.stderr);
        }
    }
}

/// Where the first ten have no address, others are looked up; not all of a thousand, and then nothing is certain.
#[test]
fn hosts_without_an_address_are_not_the_last_ones() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let many =
        |domain: &str, count| -> String { (0..count).map(|n| format!("{domain} MX {n} no{n}.test\n")).collect() };
    let dns = Stub::start(&format!(
        "{}a.test MX 99 mx.test\nmx.test A 127.0.0.2\n{}b.test MX 300 mx.test\n{}",
        many("a.test", 12),
        many("b.test", 200),
        many("c.test", 12)
    ));
    let program = direct(&dns, port, "");
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!(host.mails().len(), 1);
    dns.asked();
    let ended = send(&program, &[], &["bob@b.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let words = "none of the first 50 of its 201 mail exchangers has an address (4.4.3)";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert_eq!(dns.asked().iter().filter(|question| question.ends_with(" A")).count(), 50);
    let ended = send(&program, &[], &["bob@c.test"]);
    assert_eq!(ended.code(), 68, "{}", ended.stderr);
    // A host of the other version of IP is not without an address.
    let dns = Stub::start("v4.test MX 1 mx.test\nmx.test A 127.0.0.2");
    let ended = send(&direct(&dns, port, "ip = \"6\"\n"), &[], &["bob@v4.test"]);
    let words = "none of its mail exchangers has an IPv6 address, and the key ip allows no other (5.1.2)";
    assert!(ended.code() == 68 && ended.stderr.contains(words), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: Set ip = \"any\""), "{}", ended.stderr);
}

/// P-122: a warning holds up no mail.
#[test]
fn a_sender_that_nobody_knows_is_not_waited_for() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = [(); 3].map(|()| Stub::start("a.test MX 10 mx.test\nmx.test A 127.0.0.2\nsender.test !silent"));
    // Five seconds for each of them, twice.
    let program = super::Program::with(&format!(
        "server = \"mx:\"\ndns = {:?}\nmx-port = {port}\ndns-timeout = \"60s\"\n",
        dns.each_ref().map(|dns| dns.address.to_string())
    ));
    let begun = std::time::Instant::now();
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!(host.mails().len(), 1);
    assert!(begun.elapsed() < std::time::Duration::from_secs(25), "{:?}", begun.elapsed());
}

/// `posthaste route` connects to the hosts of a domain at the same time: the time that a dead one takes is not added up.
#[test]
fn a_route_is_tried_at_once() {
    let port = free_port();
    let dns = Stub::start("a.test MX 10 mx1.test\na.test MX 20 mx2.test\nmx1.test A 127.0.0.2\nmx2.test A 127.0.0.3");
    // A proxy that answers when both have asked.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap();
    let both = std::sync::Arc::new(std::sync::Barrier::new(2));
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let both = both.clone();
            std::thread::spawn(move || {
                let mut head = [0; 1024];
                let _ = stream.read(&mut head);
                both.wait();
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            });
        }
    });
    let settings = format!("proxy = \"http://{proxy}\"\nconnect-timeout = \"60s\"\n");
    let program = direct(&dns, port, &settings);
    let ended = super::run(&mut program.posthaste(&["route", "bob@a.test"]), b"");
    assert_eq!(ended.stdout.matches(" listens").count(), 2, "{}{}", ended.stdout, ended.stderr);
    let places = ["1. mx1.test", "2. mx2.test"].map(|host| ended.stdout.find(host).unwrap());
    assert!(places[0] < places[1]);
}

/// Names that no host has take no place from those that are hosts, and are not told of without end.
#[test]
fn names_that_no_host_has_are_bounded() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let many: String = (0..200).map(|n| format!("a.test MX 1 10.0.0.{n}\n")).collect();
    let services: String = (0..20).map(|n| format!("_submission._tcp.a.test SRV 0 1 587 10.0.0.{n}\n")).collect();
    let dns = Stub::start(&format!(
        "{many}{services}a.test MX 9 mx.a.test\nmx.a.test A 127.0.0.2\n_submission._tcp.a.test SRV 1 1 {port} mx.a.test"
    ));
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
    assert_eq!((ended.code(), host.mails().len()), (0, 1), "{}", ended.stderr);
    assert_eq!(ended.stderr.matches(" is no host name").count(), 10);
    assert!(ended.stderr.contains("-- 190 more are no host names"), "{}", ended.stderr);
    let program = super::Program::with(&format!("server = \"submission://a.test?srv\"\ndns = \"{}\"\n", dns.address));
    let ended = super::run(&mut program.posthaste(&["route", "bob@a.test"]), b"");
    assert!(ended.stdout.contains(&format!("1. mx.a.test:{port}: 127.0.0.2:{port} listens")), "{}", ended.stdout);
}

/// What was decided for a domain is there once, and not for each of thousands of recipients.
#[test]
fn decisions_take_memory_once() {
    let many: String =
        (0..50).map(|n| format!("a.test MX 1 host-{n}.{}.test\n", "of-a-name-with-many-letters".repeat(2))).collect();
    let dns = Stub::start(&format!("{many}a.test MX 2 mx.test"));
    let program = direct(&dns, free_port(), "");
    let to: Vec<String> = (0..4000).map(|n| format!("{n}@a.test")).collect();
    let send = ["send", "--from", "alice@sender.test", "--subject", "hi", "--body", "text", "--to", &to.join(", ")];
    let usual = program.posthaste(&send);
    // KiB of memory for data that the system gives; beyond that the program is ended by SIGABRT.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -d 24576; exec \"$@\"", "sh"]).arg(usual.get_program()).args(usual.get_args());
    command.env_clear().envs(usual.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = super::run(&mut command, b"");
    assert_eq!(ended.code(), 75, "{}", ended.stderr.lines().take(9).collect::<String>());
    assert!(ended.stderr.contains("none of the first 50 of its 51 mail exchangers"));
}
