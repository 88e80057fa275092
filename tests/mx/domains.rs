use std::net::TcpListener;

use super::host::{Host, Manner};
use super::ports::free_port;
use super::stub::Stub;
use super::{SHORT_WAIT, at, direct, send};

/// Three domains, two servers, one of which is reached when another host is not: each decision is told.
#[test]
fn one_message_goes_to_three_domains() {
    let port = free_port();
    let first = Host::start(2, port, Manner::default());
    let second = Host::start(3, port, Manner::default());
    let dns = Stub::start(
        "a.test MX 10 mx1.a.test\na.test MX 20 mx2.a.test\nb.test MX 10 mx1.a.test\nb.test MX 20 mx2.a.test\n\
         c.test MX 10 dead.c.test\nc.test MX 20 mx2.a.test\nmx1.a.test A 127.0.0.2\nmx2.a.test A 127.0.0.3\n\
         dead.c.test A 127.0.0.4",
    );
    // Called with an account that has a server of its own, and a login.
    let program = super::Program::with(&format!(
        "server = \"submissions://alice@smtp.example.org\"\npassword = \"secret\"\ndns = \"{}\"\nmx-port = {port}\n",
        dns.address
    ));
    let ended = send(&program, &["--direct", "-v"], &["x@a.test", "y@b.test", "z@c.test", "w@a.test"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!(
        first.take().mails,
        [(vec!["x@a.test".to_owned(), "w@a.test".to_owned()], false), (vec!["y@b.test".to_owned()], false)]
    );
    assert_eq!(second.mails(), [["z@c.test"]]);
    for decision in [
        "-- a.test: MX 10 mx1.a.test, 20 mx2.a.test".to_owned(),
        "-- b.test: MX 10 mx1.a.test, 20 mx2.a.test".to_owned(),
        "-- c.test: MX 10 dead.c.test, 20 mx2.a.test".to_owned(),
        "-- a.test, b.test have the same hosts, and share a session".to_owned(),
        "-- mx1.a.test: 127.0.0.2; TLS if it is offered, whatever the certificate (nothing asks for more)".to_owned(),
        format!("-- connecting to mx1.a.test:{port}"),
        format!("-- connected to 127.0.0.2:{port} from "),
        format!("-- connecting to dead.c.test:{port}"),
        format!("= z@c.test deferred dead.c.test:{port} cannot be reached: 127.0.0.4:{port}: connection refused"),
        format!("-- connecting to mx2.a.test:{port}"),
        "= z@c.test accepted 250 2.0.0 taken".to_owned(),
    ] {
        assert!(ended.stderr.contains(&decision), "{decision}\n{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("AUTH PLAIN a") && !ended.stderr.contains("secret"));
    // The same where the other host says "not now", and each recipient's outcome has what was decided for it.
    let busy = Host::start(4, port, Manner { greeting: "421 4.3.2 busy", ..Manner::default() });
    let ended = send(&program, &["--direct", "-v", "--json"], &["x@a.test", "y@b.test", "z@c.test", "w@a.test"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert_eq!((busy.take().connections, first.mails().len(), second.mails().len()), (1, 2, 1));
    let refusal = format!("= z@c.test deferred deferred by dead.c.test:{port}: 421 4.3.2 busy");
    assert!(ended.stderr.contains(&refusal), "{}", ended.stderr);
    let outcomes: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let to: Vec<_> = outcomes.iter().map(|one| one["recipient"].as_str().unwrap()).collect();
    assert_eq!(to, ["x@a.test", "y@b.test", "z@c.test", "w@a.test"]);
    let tls = "TLS if it is offered, whatever the certificate (nothing asks for more)";
    assert_eq!(
        (&outcomes[2]["verdict"], &outcomes[2]["server"]),
        (&"accepted".into(), &format!("mx2.a.test:{port}").into())
    );
    assert_eq!(
        outcomes[2]["route"],
        serde_json::json!([
            "c.test: MX 10 dead.c.test, 20 mx2.a.test",
            format!("dead.c.test: 127.0.0.4; {tls}"),
            format!("mx2.a.test: 127.0.0.3; {tls}"),
            format!("dead.c.test:{port}: 1 deferred"),
            format!("mx2.a.test:{port}: 1 accepted"),
        ])
    );
    let shared = outcomes[1]["route"].as_array().unwrap();
    assert_eq!(shared.last().unwrap(), &serde_json::json!(format!("mx1.a.test:{port}: 3 accepted")));
}

/// P-108 P-109 P-115 P-120 P-121: what DNS says of a domain, and what comes of it; nobody is connected to where it has to
/// be refused.
#[test]
fn each_answer_of_dns_has_its_outcome() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start(
        "implicit.test A 127.0.0.2\nalias.test CNAME real.test\nreal.test MX 10 mx.test\nmx.test A 127.0.0.2\n\
         bare.test CNAME implicit.test\nwww.test CNAME gone.test\nnull.test MX 0 .\nnull.test A 127.0.0.2\n\
         dotted.test MX 0 .\ndotted.test MX 10 mx.test\nnumber.test MX 5 127.0.0.2\nnumber.test MX 10 mx.test\n\
         numbers.test MX 5 127.0.0.2\ncname.test MX 10 other.test\nother.test CNAME mx.test\nfail.test !servfail\n\
         refused.test !refused\nsilent.test !silent\nlame.test !lame\nodd.test MX 10 a\\046b.test\n\
         here.test TXT no address\nunsure.test MX 10 mx.unsure.test\nmx.unsure.test !servfail\n\
         loop.test CNAME pool.test\npool.test CNAME loop.test",
    );
    let program = direct(&dns, port, "");
    let impatient = direct(&dns, port, SHORT_WAIT);
    for (domain, code, words) in [
        ("implicit.test", 0, ""),
        ("alias.test", 0, ""),
        ("bare.test", 0, ""),
        ("dotted.test", 0, ""),
        ("number.test", 0, ""),
        ("cname.test", 0, ""),
        ("gone.test", 68, "there is no domain gone.test (5.1.2)"),
        ("www.test", 68, "there is no domain www.test (5.1.2)"),
        ("null.test", 68, "null.test takes no mail: its MX record says so (5.1.10)"),
        ("numbers.test", 68, "no MX record of numbers.test names a host (5.1.2)"),
        ("odd.test", 68, "no MX record of odd.test names a host (5.1.2)"),
        ("here.test", 68, "none of its mail exchangers has an address (5.1.2)"),
        ("fail.test", 75, "the MX records of fail.test cannot be looked up: 127.0.0.1:"),
        ("refused.test", 75, ": refused (REFUSED) (4.4.3)"),
        ("silent.test", 75, ": no answer in time (4.4.3)"),
        ("lame.test", 75, "(4.4.3)"),
        ("loop.test", 75, "aliases in a row"),
        ("unsure.test", 75, "the A"),
    ] {
        let program = if domain == "silent.test" { &impatient } else { &program };
        let ended = send(program, &["--json"], &[&format!("bob@{domain}")]);
        assert_eq!(ended.code(), code, "{domain}: {}{}", ended.stdout, ended.stderr);
        let seen = host.take();
        assert_eq!(seen.connections, usize::from(code == 0), "{domain}");
        assert_eq!(seen.mails.len(), usize::from(code == 0), "{domain}");
        assert!(ended.stdout.contains(words), "{domain}: {}", ended.stdout);
    }
    let ended = send(&program, &["-v"], &["bob@cname.test", "bob@number.test", "bob@dotted.test", "bob@alias.test"]);
    for decision in [
        "-- alias.test is an alias of real.test\n",
        "-- other.test is an alias of mx.test, which RFC 5321 does not allow",
        "-- number.test: MX 5 127.0.0.2 is no host name, and is passed over",
        "-- dotted.test: MX 0 . among others is no host name, and is passed over",
    ] {
        assert!(ended.stderr.contains(decision), "{decision}\n{}", ended.stderr);
    }
}

/// P-110: where there are MX records, the domain's own address is nothing.
#[test]
fn the_domain_itself_is_no_exchanger_beside_others() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 gone.a.test\na.test A 127.0.0.2\nx.gone.test A 127.0.0.2");
    let ended = send(&direct(&dns, port, ""), &[], &["bob@a.test"]);
    assert_eq!(ended.code(), 68, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("bob@a.test: none of its mail exchangers has an address (5.1.2)"),
        "{}",
        ended.stderr
    );
    assert_eq!(host.take().connections, 0);
}

/// P-116: an address is connected to, and nobody is asked for it.
#[test]
fn address_literal_needs_no_dns() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start("x.test A 192.0.2.1");
    let program = direct(&dns, port, "");
    send(&program, &[], &["bob@[127.0.0.2]"]).assert_silent_success();
    assert_eq!(host.mails(), [["bob@[127.0.0.2]"]]);
    for bad in ["bob@[x:y]", "bob@[IPv6:nonsense]", "bob@[127.0.0.256]"] {
        let ended = send(&program, &[], &[bad]);
        assert_eq!(ended.code(), 68, "{}", ended.stderr);
        assert!(ended.stderr.contains("is nowhere that mail can be sent to (5.1.2)"), "{}", ended.stderr);
    }
    assert!(dns.asked().is_empty());
}

/// P-119
#[test]
fn internationalised_domains_are_looked_up_in_ascii() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start("xn--bcher-kva.test MX 10 mx.test\nmx.test A 127.0.0.2");
    send(&direct(&dns, port, ""), &[], &["bob@b\u{fc}cher.test"]).assert_silent_success();
    assert_eq!(host.mails(), [["bob@xn--bcher-kva.test"]]);
    assert!(dns.asked().contains(&"xn--bcher-kva.test MX".to_owned()));
}

/// P-117 P-118 P-123: the next host is asked where the first one has something against us or the moment, and not where it
/// has judged the recipient or the message.
#[test]
fn the_next_exchanger_is_tried() {
    let usual = Manner::default;
    let table: Vec<(Manner, i32, bool)> = vec![
        (Manner { greeting: "554 5.3.2 no service here", ..usual() }, 0, true),
        (Manner { greeting: "521 5.3.2 no mail here", ..usual() }, 0, true),
        (Manner { greeting: "421 4.3.2 busy", ..usual() }, 0, true),
        (Manner { greeting: "no SMTP at all", ..usual() }, 0, true),
        (Manner { hello: Some("550 5.7.1 who are you"), ..usual() }, 0, true),
        (Manner { hello: None, ..usual() }, 0, true),
        (Manner { rcpt: |_| "451 4.7.1 greylisted", ..usual() }, 0, true),
        (Manner { rcpt: |_| "421 4.3.2 closing", ..usual() }, 0, true),
        (Manner { rcpt: |_| "550 5.1.1 no such user", ..usual() }, 67, false),
        (Manner { rcpt: |_| "556 5.1.10 takes no mail", ..usual() }, 68, false),
        (Manner { data: Some("554 5.7.1 spam"), ..usual() }, 69, false),
        (Manner { data: Some("451 4.7.1 later"), ..usual() }, 75, false),
        (Manner { data: None, ..usual() }, 75, false),
    ];
    let dns = Stub::start(
        "a.test MX 10 mx1.test\na.test MX 20 mx2.test\nmx1.test A 127.0.0.2\nmx2.test A 127.0.0.3\nalone.test MX 1 mx1.test",
    );
    for (number, (manner, code, delivered)) in table.into_iter().enumerate() {
        let port = free_port();
        let refuses = manner.greeting.starts_with("521");
        let first = Host::start(2, port, manner);
        let second = Host::start(3, port, usual());
        let program = direct(&dns, port, "");
        let ended = send(&program, &[], &["bob@a.test"]);
        assert_eq!(ended.code(), code, "{number}: {}", ended.stderr);
        assert!(first.take().connections >= 1);
        assert_eq!(second.mails().len(), usize::from(delivered), "{number}");
        if refuses {
            let ended = send(&program, &[], &["bob@alone.test"]);
            assert_eq!(ended.code(), 69, "{}", ended.stderr);
        }
    }
}

/// P-112: another address of the same host may be another machine.
#[test]
fn a_host_has_more_than_one_address() {
    let port = free_port();
    let busy = Host::start(2, port, Manner { greeting: "421 4.3.2 busy", ..Manner::default() });
    let good = Host::start(3, port, Manner::default());
    let dns = Stub::start(
        "a.test MX 10 mx.test\nmx.test A 127.0.0.2\nmx.test A 127.0.0.3\nb.test MX 10 my.test\nmy.test A 127.0.0.9\nmy.test A 127.0.0.3",
    );
    let program = direct(&dns, port, "");
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!((busy.take().connections, good.mails().len()), (1, 1));
    send(&program, &[], &["bob@b.test"]).assert_silent_success();
    assert_eq!(good.mails().len(), 1);
}

/// P-114: this machine in the list, by its name or its address, ends the list.
#[test]
fn mail_does_not_loop() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    // The program calls itself box.example.org.
    let dns = Stub::start(
        "mine.test MX 10 box.example.org\nmine.test MX 20 mx.test\nbox.example.org A 127.0.0.9\nmx.test A 127.0.0.2\n\
         backup.test MX 10 closed.test\nbackup.test MX 20 box.example.org\nbackup.test MX 20 mx.test\n\
         backup.test MX 30 mx.test\nclosed.test A 127.0.0.8\ngood.test MX 10 mx.test\ngood.test MX 20 Box.Example.org\n\
         own.test MX 10 lo.test\nlo.test A 127.0.0.1\nzero.test MX 10 any.test\nany.test A 0.0.0.0\n\
         local.test MX 10 localhost\nexample.org A 127.0.0.2",
    );
    let program = direct(&dns, port, "");
    send(&program, &[], &["bob@good.test"]).assert_silent_success();
    assert_eq!(host.mails().len(), 1);
    let ended = send(&program, &[], &["bob@mine.test"]);
    assert_eq!(ended.code(), 69, "{}", ended.stderr);
    let words = "the mail loops: the best host for it, box.example.org, is this machine (5.4.6)";
    assert!(ended.stderr.contains(words) && ended.stderr.contains("smtp://localhost"), "{}", ended.stderr);
    let ended = send(&program, &["-v"], &["bob@backup.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert!(ended.stderr.contains("box.example.org is this machine: it, and all that are no better, are passed over"));
    assert_eq!(host.take().connections, 0);
    // Only a server on port 25 is that of this machine; other ports are of tests.
    let program = direct(&dns, 25, "");
    for to in ["bob@own.test", "bob@zero.test", "bob@local.test", "bob@[127.0.0.1]", "bob@[IPv6:::1]"] {
        let ended = send(&program, &[], &[to]);
        assert_eq!(ended.code(), 69, "{to}: {}", ended.stderr);
        assert!(ended.stderr.contains("(5.4.6)"), "{}", ended.stderr);
    }
}

/// P-012: a server that calls itself as we do is where the mail begins. It is the end where it is the best one, and not where
/// a better one may come back.
#[test]
fn a_server_of_our_own_name_is_a_loop() {
    for manner in [
        Manner { greeting: "220 Box.Example.ORG ESMTP", ..Manner::default() },
        Manner { hello: Some("250 box.example.org hello"), ..Manner::default() },
    ] {
        let port = free_port();
        let own = Host::start(2, port, manner);
        let other = Host::start(3, port, Manner::default());
        let dns = Stub::start(
            "a.test MX 10 mx1.test\na.test MX 20 mx2.test\nb.test MX 5 closed.test\nb.test MX 10 mx1.test\n\
             mx1.test A 127.0.0.2\nmx2.test A 127.0.0.3\nclosed.test A 127.0.0.9",
        );
        let program = direct(&dns, port, "");
        let ended = send(&program, &[], &["bob@a.test"]);
        assert_eq!(ended.code(), 69, "{}", ended.stderr);
        let words = "the mail loops: the server calls itself box.example.org, which is this host (5.4.6)";
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        assert_eq!((own.take().connections, other.take().connections), (1, 0));
        let ended = send(&program, &[], &["bob@b.test"]);
        assert_eq!(ended.code(), 75, "{}", ended.stderr);
        // A smarthost may be this machine.
        let program = super::Program::with(&format!("server = \"smtp://127.0.0.2:{port}\"\ntls = \"none\"\n"));
        send(&program, &[], &["bob@a.test"]).assert_silent_success();
    }
}

/// P-421: each recipient has an outcome of its own, and the exit code is that of what may still succeed.
#[test]
fn mixed_outcomes_are_told_each() {
    let port = free_port();
    let host = Host::start(
        2,
        port,
        Manner { rcpt: |to| if to.starts_with("no") { "550 5.1.1 no" } else { "250 ok" }, ..Manner::default() },
    );
    let dns = Stub::start("a.test MX 10 mx.test\nb.test MX 10 mx.test\nmx.test A 127.0.0.2\nfail.test !servfail");
    let program = direct(&dns, port, "");
    let to = ["bob@a.test", "no@b.test", "bob@fail.test", "bob@gone.test"];
    let ended = send(&program, &["--json"], &to);
    assert_eq!(ended.code(), 75);
    let lines: Vec<serde_json::Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> =
        lines.iter().map(|line| (line["verdict"].as_str().unwrap(), line["exit"].as_u64().unwrap())).collect();
    assert_eq!(told, [("accepted", 0), ("failed", 67), ("deferred", 75), ("failed", 68)]);
    let route = lines[0]["route"].as_array().unwrap();
    assert_eq!(route[0], "a.test: MX 10 mx.test");
    assert_eq!(
        route.last().unwrap(),
        &format!("{}: 1 accepted, 1 failed", at(host.address).replace("127.0.0.2", "mx.test"))
    );
    assert_eq!(host.mails(), [["bob@a.test"]]);
    assert_eq!(send(&program, &[], &to[1..2]).code(), 67);
    assert_eq!(send(&program, &[], &["bob@gone.test", "no@b.test"]).code(), 69);
    assert_eq!(send(&program, &[], &["bob@gone.test", "bob@gone2.test"]).code(), 68);
}

/// A host whose name no certificate can have is of no use, and nothing to other hosts and domains: what was sent is told.
#[test]
fn a_host_that_cannot_have_tls_is_passed_over() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start(
        "a.test MX 10 mx.test\nb.test MX 10 mx-.test\nc.test MX 10 mx-.test\nc.test MX 20 mx.test\nmx.test A 127.0.0.2\n\
         mx-.test A 127.0.0.3",
    );
    let program = direct(&dns, port, "");
    for to in [&["1@a.test", "2@b.test", "3@c.test"], &["2@b.test", "1@a.test", "3@c.test"]] {
        let ended = send(&program, &["--json", "-v"], to);
        assert_eq!(ended.code(), 75, "{}", ended.stderr);
        let mut mails = host.mails();
        mails.sort();
        assert_eq!(mails, [["1@a.test"], ["3@c.test"]]);
        let words = "mx-.test is no name that a certificate can have";
        assert!(ended.stderr.contains(&format!("-- mx-.test:{port} is passed over: {words}\n")), "{}", ended.stderr);
        let told = format!("no TLS with mx-.test:{port}: {words}");
        assert_eq!((ended.stdout.lines().count(), ended.stdout.matches(&told).count()), (3, 1), "{}", ended.stdout);
    }
    // Where nothing can be sent at all, it is the configuration.
    let ended = send(&program, &[], &["2@b.test"]);
    assert_eq!(ended.code(), 78, "{}", ended.stderr);
}

/// A domain with hundreds of exchangers does not hold us: ten of them are tried.
#[test]
fn hosts_are_bounded() {
    let port = free_port();
    let many: String = (0..300).map(|n| format!("many.test MX {n} mx{n}.test\nmx{n}.test A 127.0.0.77\n")).collect();
    let dns = Stub::start(&many);
    let _busy = TcpListener::bind(("127.0.0.78", port)).unwrap();
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@many.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("-- connecting to").count(), 10);
    assert_eq!(dns.asked().iter().filter(|question| question.ends_with(" A")).count(), 10);
}

/// P-122
#[test]
fn a_sender_that_takes_no_mail_is_warned() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx.test\nmx.test A 127.0.0.2\nsender.test MX 0 .");
    let ended = send(&direct(&dns, port, ""), &["-v"], &["bob@a.test"]);
    assert_eq!(ended.code(), 0);
    assert!(ended.stderr.contains("-- the sender's domain sender.test takes no mail, and servers may refuse"));
    assert_eq!(host.mails().len(), 1);
}

/// A message for two domains of one host: what becomes of the one is nothing to the other.
#[test]
fn domains_of_one_host_have_a_transaction_each() {
    let port = free_port();
    let host = Host::start(
        2,
        port,
        Manner { rcpt: |to| if to.ends_with("a.test") { "450 4.2.1 later" } else { "250 ok" }, ..Manner::default() },
    );
    let dns = Stub::start("a.test MX 10 mx.test\nb.test MX 10 mx.test\nc.test MX 10 mx.test\nmx.test A 127.0.0.2");
    let ended = send(&direct(&dns, port, ""), &[], &["1@a.test", "2@b.test", "3@c.test", "4@b.test"]);
    assert_eq!(ended.code(), 75, "{}", ended.stderr);
    let seen = host.take();
    let to: Vec<_> = seen.mails.into_iter().map(|(to, _)| to).collect();
    assert_eq!(
        (seen.connections, to),
        (1, vec![vec!["2@b.test".to_owned(), "4@b.test".to_owned()], vec!["3@c.test".to_owned()]])
    );
}

/// Where the exchangers do not take it, the next entry of the key is tried.
#[test]
fn a_smarthost_may_stand_behind() {
    let port = free_port();
    let smarthost = Host::start(3, port, Manner::default());
    let dns = Stub::start("a.test MX 10 closed.test\nclosed.test A 127.0.0.9\nnull.test MX 0 .");
    let program = super::Program::with(&format!(
        "server = [\"mx:\", \"smtp://127.0.0.3:{port}\"]\ndns = \"{}\"\nmx-port = {port}\ntls = \"opportunistic\"\n",
        dns.address
    ));
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!(smarthost.mails(), [["bob@a.test"]]);
    assert_eq!(send(&program, &[], &["bob@null.test"]).code(), 68);
    assert_eq!(smarthost.take().connections, 0);
}

/// Nothing is asked for a smarthost.
#[test]
fn a_smarthost_costs_no_look_up() {
    let port = free_port();
    let smarthost = Host::start(3, port, Manner::default());
    let dns = Stub::start("a.test MX 10 mx.test");
    let program = super::Program::with(&format!(
        "server = \"smtp://127.0.0.3:{port}\"\ndns = \"{}\"\ntls = \"none\"\n",
        dns.address
    ));
    send(&program, &[], &["bob@a.test"]).assert_silent_success();
    assert_eq!((smarthost.mails().len(), dns.questions()), (1, 0));
}

#[test]
fn a_route_is_explained() {
    let port = free_port();
    let host = Host::start(2, port, Manner::default());
    let dns = Stub::start(
        "a.test !ad\na.test MX 10 mx1.test\na.test MX 20 mx2.test\nmx1.test A 127.0.0.9\nmx2.test A 127.0.0.2\n\
         mx2.test !ad\nnull.test MX 0 .",
    );
    let program = direct(&dns, port, "");
    let run = |args: &[&str]| super::run(&mut program.posthaste(&[&["route"], args].concat()), b"");
    let ended = run(&["bob@a.test", "eve@null.test"]);
    assert_eq!(ended.code(), 68, "{}", ended.stderr);
    for line in [
        "bob@a.test\n  a.test: MX 10 mx1.test, 20 mx2.test (DNSSEC)\n",
        "  mx1.test: 127.0.0.9; TLS if it is offered",
        "  mx2.test: 127.0.0.2 (DNSSEC); TLS if it is offered",
        &format!("  1. mx1.test:{port}: mx1.test:{port} cannot be reached: 127.0.0.9:{port}: connection refused\n"),
        &format!("  2. mx2.test:{port}: 127.0.0.2:{port} listens, "),
        "eve@null.test\n  FAILED: null.test takes no mail: its MX record says so (5.1.10)\n",
    ] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
    assert!(host.take().mails.is_empty());
    let ended = run(&["--json", "bob@a.test"]);
    assert_eq!(ended.code(), 0);
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(
        (report["hosts"][1]["tls"].as_str(), &report["hosts"][1]["addresses"][0]),
        (Some("opportunistic"), &"127.0.0.2".into())
    );
    // And where the account has a server of its own, that is where it goes.
    let program = super::Program::with(&format!("server = \"smtp://127.0.0.2:{port}\"\n"));
    let ended = super::run(&mut program.posthaste(&["route", "bob@a.test"]), b"");
    assert!(ended.stdout.contains(&format!("  1. 127.0.0.2:{port}: 127.0.0.2:{port} listens")), "{}", ended.stdout);
}
