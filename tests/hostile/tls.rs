//! Tricks before TLS, in place of it, and under it, against an account with a login.

use std::io::{self, Read as _};
use std::sync::Arc;

use rcgen::{KeyPair, date_time_ymd};
use rustls::ServerConfig;

use crate::case::Account::{Implicit, StartTls};
use crate::case::{Account, Case, case, play_all};
use crate::certificates::{certificates, params, server, with_chain};
use crate::foe::Foe;
use crate::login;

/// What answers STARTTLS, and the words that it ends with.
const ANSWERS: [(&str, &[u8], &str); 10] = [
    ("454", b"454 4.7.0 not now\r\n", "454 4.7.0 not now"),
    ("502", b"502 5.5.1 what?\r\n", "502 5.5.1 what?"),
    ("554", b"554 never\r\n", "554 never"),
    ("250", b"250 go\r\n", ""),
    ("235", b"235 welcome\r\n", ""),
    ("334", b"334 VXNlcm5hbWU6\r\n", ""),
    ("354", b"354 go\r\n", ""),
    ("421", b"421 4.3.0 bye\r\n", "421 4.3.0 bye"),
    ("garbage", b"\xff\xff\r\n", "no SMTP reply"),
    ("HTTP", b"HTTP/1.1 200 OK\r\n\r\n", "HTTP"),
];

/// What answers the ClientHello.
const INSTEAD: [(&str, &[u8]); 16] = [
    ("SMTP", b"250-x\r\n250 AUTH PLAIN LOGIN\r\n235 welcome\r\n250 ok\r\n250 ok\r\n354 go\r\n"),
    ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ("octets that are no record", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("a fatal alert", b"\x15\x03\x03\x00\x02\x02\x28"),
    ("an alert with controls", b"\x15\x03\x03\x00\x02\x1b\x5b"),
    ("close_notify", b"\x15\x03\x03\x00\x02\x01\x00"),
    ("half a record", b"\x16\x03\x03\x40\x00\x02\x00"),
    ("a record of 65535 octets", b"\x16\x03\x03\xff\xff\x02"),
    ("a record of no version", b"\x16\x99\x99\x00\x01\x02"),
    ("SSL 2", b"\x80\x2e\x04\x00\x01\x00\x02\x00\x00\x00\x03\x00\x00\x00\x10"),
    ("SSL 3", b"\x16\x03\x00\x00\x04\x02\x00\x00\x00"),
    ("a ServerHello of nothing", b"\x16\x03\x03\x00\x04\x02\x00\x00\x00"),
    ("a message of 16 MiB", b"\x16\x03\x03\x00\x05\x02\xff\xff\xff\x00"),
    ("a ClientHello", b"\x16\x03\x03\x00\x05\x01\x00\x00\x01\x00"),
    ("application data", b"\x17\x03\x03\x00\x05hello"),
    ("a HelloRequest", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
];

/// What answers the ClientHello without end.
const RECORDS: [(&str, &[u8]); 5] = [
    ("empty records", b"\x16\x03\x03\x00\x00"),
    ("warnings", b"\x15\x03\x03\x00\x02\x01\x5a"),
    ("changes of the cipher", b"\x14\x03\x03\x00\x01\x01"),
    ("HelloRequests", b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"),
    ("pieces of a long message", b"\x16\x03\x03\x00\x05\x0b\xff\xff\xff\x00"),
];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let stripped = |foe: &mut Foe<'_>| {
        foe.hello(&["AUTH PLAIN LOGIN CRAM-MD5"])?;
        foe.say("221 bye\r\n")
    };
    cases.push(case("STARTTLS is stripped", StartTls, stripped).deferred("STARTTLS"));
    for (what, octets, words) in ANSWERS {
        let script = move |foe: &mut Foe<'_>| {
            foe.hello(&["STARTTLS", "AUTH PLAIN LOGIN"])?;
            foe.say(octets)?;
            agree(foe)
        };
        cases.push(case(format!("{what} to STARTTLS"), StartTls, script).deferred(words));
    }
    // A server that would please any client, but for what stands behind its 220.
    for injected in ["250 ok\r\n", "250-x\r\n250 AUTH PLAIN\r\n", "2", "\r\n", "\0", "\x16"] {
        let script = move |foe: &mut Foe<'_>| {
            foe.hello(&["STARTTLS"])?;
            foe.say(format!("220 go\r\n{injected}"))?;
            let mut server = foe.secure(&certificates().trusted)?;
            server.answer(&["250-x\r\n250 AUTH PLAIN"])?;
            server.line()?;
            login::good(&mut server)
        };
        cases.push(case(format!("{injected:?} behind the 220"), StartTls, script).deferred("octets in the clear"));
    }
    for account in [StartTls, Implicit] {
        for (what, octets) in INSTEAD {
            let script = move |foe: &mut Foe<'_>| {
                client_hello(foe, account)?;
                foe.say(octets)
            };
            cases.push(named(account, &format!("{what} to the ClientHello"), script));
        }
        for (what, record) in RECORDS {
            let script = move |foe: &mut Foe<'_>| {
                client_hello(foe, account)?;
                foe.flood(b"", record)
            };
            cases.push(named(account, &format!("{what} without end"), script));
        }
        let drips = move |foe: &mut Foe<'_>| {
            client_hello(foe, account)?;
            // The server's hello, of 16,000 octets.
            foe.say(b"\x16\x03\x03\x3e\x80\x02\x00\x3e\x7c")?;
            foe.drip(b"\x03")
        };
        cases.push(named(account, "a handshake that drips", drips).impatient().deferred("in time"));
        let silent = move |foe: &mut Foe<'_>| {
            client_hello(foe, account)?;
            foe.be_deaf()
        };
        cases.push(named(account, "silence to the ClientHello", silent).impatient().deferred("in time"));
        let reset = move |foe: &mut Foe<'_>| {
            client_hello(foe, account)?;
            foe.reset()
        };
        cases.push(named(account, "a reset at the ClientHello", reset));
        for (what, config) in certificates_that_are_wrong() {
            let script = move |foe: &mut Foe<'_>| {
                if account == StartTls { foe.start_tls(&config) } else { foe.secure(&config) }.map(drop)
            };
            cases.push(named(account, what, script));
        }
    }
    cases
}

fn named(account: Account, name: &str, script: impl FnMut(&mut Foe<'_>) -> io::Result<()> + Send + 'static) -> Case {
    case(format!("{name} ({account:?})"), account, script).deferred("")
}

/// As a server does that wants the login at any price.
fn agree(foe: &mut Foe<'_>) -> io::Result<()> {
    let mut block = [0; 4096];
    loop {
        let count = foe.stream.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        foe.record(&block[..count]);
        foe.say("250-x\r\n250 AUTH PLAIN LOGIN\r\n334 VXNlcm5hbWU6\r\n235 welcome\r\n")?;
    }
}

/// Gets as far as the ClientHello, and reads it.
fn client_hello(foe: &mut Foe<'_>, account: Account) -> io::Result<()> {
    if account == StartTls {
        foe.hello(&["STARTTLS"])?;
        foe.say("220 go\r\n")?;
    }
    let mut head = [0; 5];
    foe.stream.read_exact(&mut head)?;
    let mut rest = vec![0; usize::from(head[3]) << 8 | usize::from(head[4])];
    foe.stream.read_exact(&mut rest)
}

fn certificates_that_are_wrong() -> Vec<(&'static str, Arc<ServerConfig>)> {
    let authority = &certificates().authority;
    let mut expired = params();
    expired.not_after = date_time_ymd(2001, 1, 1);
    let mut early = params();
    early.not_before = date_time_ymd(2900, 1, 1);
    let named = |name: &str| rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params().self_signed(&key).unwrap();
    let leaf = params().signed_by(&key, authority).unwrap();
    let mut tickets = server(authority, named("127.0.0.2"));
    tickets.send_tls13_tickets = 5000;
    let configs = vec![
        ("a certificate that has expired", server(authority, expired)),
        ("a certificate that is not valid yet", server(authority, early)),
        ("a certificate for another address", server(authority, named("127.0.0.2"))),
        ("a certificate for a name", server(authority, named("localhost"))),
        ("a certificate of its own", with_chain(vec![own.der().clone()], &key)),
        ("a chain of a thousand", with_chain(vec![leaf.der().clone(); 1000], &key)),
        ("another's certificate, and thousands of tickets", tickets),
    ];
    let strange = ("a certificate by a stranger", certificates().strange.clone());
    configs.into_iter().map(|(name, config)| (name, Arc::new(config))).chain([strange]).collect()
}

/// P-138 P-143 P-154 P-156 P-196
#[test]
fn tls() {
    play_all(cases());
}
