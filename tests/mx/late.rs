//! Policies that are late: a domain whose web server or name server is slow holds up its own mail alone.

use std::sync::Arc;

use super::send;
use super::side::{At, Event, Got, server};
use super::sts::{World, ZONE, named, policy};
use super::web::{text, text_after};

/// A host that tells of the first message that it has accepted.
fn host(last: u8, port: u16) -> (Got, Arc<Event>) {
    let accepted = Arc::new(Event::default());
    let happening = accepted.clone();
    let got = server(last, port, "", move |at| {
        if at == At::Accepted {
            happening.happen()
        }
    });
    (got, accepted)
}

/// A line of JSON for each recipient: who, and what became of them.
fn told(stdout: &str) -> Vec<String> {
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{} {}", line["recipient"].as_str().unwrap(), line["verdict"].as_str().unwrap())
    };
    stdout.lines().map(line).collect()
}

/// P-324, P-327: the web server of a.test says nothing before b.test has its mail, with hosts of their own and with the same
/// one. The policy that comes then is kept to, and everybody is served once. That a server has one session at a time is shown
/// in `side`.
#[test]
fn a_slow_policy_holds_up_its_own_domain_alone() {
    for (mode, others, settings) in [
        ("enforce", "b.test MX 10 mx2.b.test\nmx2.b.test A 127.0.0.3", ""),
        ("enforce", "b.test MX 10 mx1.a.test", ""),
        ("testing", "b.test MX 10 mx1.a.test", ""),
        ("none", "b.test MX 10 mx1.a.test", "max-sessions = 1\n"),
    ] {
        let happened = Arc::new(Event::default());
        let says = text_after(&happened, &policy(mode, &["*.a.test"]));
        let settings = format!("timeout = \"20s\"\n{settings}");
        let world = World::with(&format!("{ZONE}\n{others}"), named("mta-sts.a.test"), says, &settings);
        let (mx1, first) = host(2, world.port);
        let (mx2, second) = host(3, world.port);
        let own = others.contains("127.0.0.3");
        let (waiting, happening) = (if own { second } else { first }, happened.clone());
        std::thread::spawn(move || {
            waiting.wait();
            happening.happen();
        });
        let ended = send(&world.program, &["-v", "--json"], &["bob@a.test", "bob@b.test", "eve@a.test"]);
        // Its host has no TLS.
        let (code, verdict) = if mode == "enforce" { (75, "deferred") } else { (0, "accepted") };
        assert_eq!(ended.code(), code, "{others}: {}", ended.stderr);
        let expected =
            [format!("bob@a.test {verdict}"), "bob@b.test accepted".to_owned(), format!("eve@a.test {verdict}")];
        assert_eq!(told(&ended.stdout), expected, "{others}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(&format!("a.test: MTA-STS policy 1: {mode}, hosts *.a.test")),
            "{}",
            ended.stderr
        );
        let messages = [&mx1, &mx2].map(|got| got.lock().unwrap().len());
        let of_a = usize::from(mode != "enforce");
        assert_eq!(messages, if own { [of_a, 1] } else { [of_a + 1, 0] }, "{others}");
    }
}

/// P-323: so does a name server that says nothing of the record of a.test before b.test has its mail.
#[test]
fn a_slow_record_holds_up_its_own_domain_alone() {
    // A collector is told of a session, and whether the domain wants that is looked up behind it.
    let zone = format!(
        "{ZONE}\n_mta-sts.a.test TXT !until _smtp._tls.b.test\nb.test MX 10 mx2.b.test\nmx2.b.test A 127.0.0.3"
    );
    let says = text(&policy("enforce", &["*.a.test"]));
    let settings = "tlsrpt = \"socket:collector\"\ndns-timeout = \"6s\"\n";
    let world = World::with(&zone, named("mta-sts.a.test"), says, settings);
    let (mx1, _) = host(2, world.port);
    let (mx2, _) = host(3, world.port);
    let ended = send(&world.program, &["-v", "--json"], &["bob@a.test", "bob@b.test"]);
    assert_eq!(told(&ended.stdout), ["bob@a.test deferred", "bob@b.test accepted"], "{}", ended.stderr);
    assert_eq!([mx1, mx2].map(|got| got.lock().unwrap().len()), [0, 1]);
}
