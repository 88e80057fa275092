use std::collections::HashMap;

use super::host::{Host, Manner};
use super::ports::free_port;
use super::program::{Program, run};
use super::stub::Stub;
use super::verifier::{records, verify};

/// Puts a key into the place of the program, and gives its record.
fn key(program: &Program) -> HashMap<String, String> {
    let keygen = ["dkim", "keygen", "--selector", "s", "--domain", "example.org", "--type", "ed25519"];
    let made = run(program.posthaste(&keygen).arg(program.path("key.pem")), b"");
    assert_eq!((made.code(), made.stderr.as_str()), (0, ""));
    records(&made.stdout)
}

/// P-370: each host gets octets that its signature is of, whatever the hosts before it were able to take.
#[test]
fn a_message_for_several_hosts_is_signed_for_each() {
    // There is a signature already, so that nothing is encoded before a host asks for it.
    let input = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=y.test; s=s; h=from; bh=x; b=x\n\
        From: al@example.org\nSubject: s\n\nGr\u{fc}\u{df}e  \n.dot\n\n";
    let dns = Stub::start(
        "a.test MX 10 mx1.test\nb.test MX 10 mx2.test\nc.test MX 10 mx3.test\nmx1.test A 127.0.0.2\n\
         mx2.test A 127.0.0.3\nmx3.test A 127.0.0.4",
    );
    for takes_8bit in [[true, false, true], [false, true, false]] {
        let port = free_port();
        let hosts: Vec<Host> = (2..)
            .zip(takes_8bit)
            .map(|(last, takes)| {
                Host::start(last, port, Manner { extension: takes.then_some("8BITMIME"), ..Manner::default() })
            })
            .collect();
        let keys = "dkim-selector = \"s\"\ndkim-key = \"key.pem\"\ndkim-domain = \"example.org\"\n";
        let program = super::direct(&dns, port, keys);
        let records = key(&program);
        let ended = program.sendmail(&["-f", "al@example.org", "x@a.test", "y@b.test", "z@c.test"], input);
        ended.assert_silent_success();
        for (host, takes) in hosts.iter().zip(takes_8bit) {
            let seen = host.take();
            let [message] = &seen.messages[..] else { panic!("{seen:?}") };
            assert_eq!(message.is_ascii(), !takes);
            let found = verify(message, &records);
            assert_eq!(found.len(), 2, "{}", String::from_utf8_lossy(message));
            assert_eq!(found[0].as_ref().unwrap()["d"], "example.org");
        }
    }
}
