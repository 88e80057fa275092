use super::ports::Closed;
use super::program::{Ended, Program};
use super::relay::{Relay, guarded, plain};
use super::wire::{Peer, Wire};
use super::{MESSAGE, TO};

/// A first server that says this, command by command, and hangs up; and the relay as the second one.
struct Pair {
    first: Wire,
    second: Relay,
}

impl Pair {
    fn new(script: impl FnMut(&mut Peer) -> std::io::Result<()> + Send + 'static) -> Pair {
        Pair { first: Wire::open(script), second: Relay::start(plain()) }
    }

    fn saying(replies: &'static [&'static str]) -> Pair {
        Pair::new(move |peer| peer.answer(replies))
    }

    fn run(&self, to: &[&str]) -> Ended {
        let servers = format!("[\"smtp://{}\", \"smtp://{}\"]", self.first.address, self.second.wire.address);
        Program::with(&format!("server = {servers}\ntls = \"none\"\n")).sendmail(to, MESSAGE)
    }

    /// Who got the message from the second server.
    fn delivered(&self) -> Vec<String> {
        assert_eq!(self.first.take().connections, 1);
        self.second.take().mails.into_iter().flat_map(|mail| mail.recipients).collect()
    }
}

/// P-004 P-006 P-007 P-029 P-117 P-118: whatever the first server has against us before it has the message, the second
/// one is asked.
#[test]
fn the_next_server_is_tried() {
    let table: &[&[&str]] = &[
        &[],
        &["421 4.3.2 busy"],
        &["450 later"],
        &["550 go away"],
        &["554 no service here"],
        &["no SMTP at all"],
        &["220 mx", "550 5.7.1 who are you", "550 5.7.1 who are you"],
        &["220 mx", "421 4.3.2 closing"],
        &["220 mx", "250 mx", "451 4.3.0 later"],
        &["220 mx", "250 mx"],
        &["220 mx", "250 mx", "250 ok", "450 4.2.1 later"],
        &["220 mx", "250 mx", "250 ok", "250 ok", "451 4.3.0 later"],
        &["220 mx", "250 mx", "250 ok", "250 ok"],
    ];
    for replies in table {
        let pair = Pair::saying(replies);
        pair.run(TO).assert_silent_success();
        assert_eq!(pair.delivered(), TO, "{replies:?}");
    }
}

/// P-117: the message was not sent whole.
#[test]
fn the_next_server_is_tried_when_the_message_is_cut_off() {
    let pair = Pair::new(|peer| {
        peer.answer(&["220 mx", "250 mx", "250 ok", "250 ok", "354 go"])?;
        // More than these octets never fits into the buffers between.
        peer.stream.shutdown(std::net::Shutdown::Both)
    });
    let servers = format!("[\"smtp://{}\", \"smtp://{}\"]", pair.first.address, pair.second.wire.address);
    let program = Program::with(&format!("server = {servers}\ntls = \"none\"\n"));
    let message = format!("Subject: long\n\n{}", "a line of text\n".repeat(1_000_000));
    program.sendmail(TO, message).assert_silent_success();
    assert_eq!(pair.delivered(), TO);
}

/// P-117 P-118 P-089: a recipient that is refused, and a message that was judged or has perhaps been delivered, are the
/// end.
#[test]
fn the_next_server_is_not_tried() {
    let table: &[(&[&str], i32, &str)] = &[
        (&["220 mx", "250 mx", "550 5.7.1 not from you"], 69, "not from you"),
        (&["220 mx", "250 mx", "250 ok", "550 5.1.1 no such user", "221 bye"], 67, "no such user"),
        (&["220 mx", "250 mx", "250 ok", "250 ok", "554 5.7.1 no"], 69, "no"),
    ];
    for (replies, code, words) in table {
        let pair = Pair::saying(replies);
        pair.run(TO).assert_failure(*code, &[words]);
        assert!(pair.delivered().is_empty(), "{replies:?}");
    }
    for (last, code, words) in [
        ("451 4.7.1 greylisted", 75, "greylisted"),
        ("554 5.7.1 spam", 69, "spam"),
        ("421 4.3.2 closing", 75, "closing"),
        ("what?", 75, "may have been delivered"),
        ("", 75, "may have been delivered"),
    ] {
        let pair = Pair::new(move |peer| {
            peer.answer(&["220 mx", "250 mx", "250 ok", "250 ok", "354 go"])?;
            peer.message()?;
            if last.is_empty() { Ok(()) } else { peer.say(format!("{last}\r\n")) }
        });
        pair.run(TO).assert_failure(code, &[words]);
        assert!(pair.delivered().is_empty(), "{last:?}");
    }
}

/// P-118: only those who are deferred.
#[test]
fn each_recipient_has_its_own_way() {
    let pair = Pair::new(|peer| {
        peer.answer(&["220 mx", "250 mx", "250 ok", "250 ok", "450 later", "550 5.1.1 no such user", "354 go"])?;
        peer.message()?;
        peer.say("250 taken\r\n")
    });
    let ended = pair.run(&["taken@example.net", "later@example.net", "never@example.net"]);
    ended.assert_failure(67, &["never@example.net: refused", "no such user"]);
    assert_eq!(pair.delivered(), ["later@example.net"]);
}

/// P-006: the refusal of one server to speak to us is final only where no other may still take the message.
#[test]
fn a_server_that_may_come_back_is_hope() {
    let closed = Closed::tcp();
    let refusing = Wire::open(|peer| peer.answer(&["554 5.3.2 no service here"]));
    let run = |servers: [std::net::SocketAddr; 2]| {
        let servers = servers.map(|server| format!("\"smtp://{server}\"")).join(", ");
        Program::with(&format!("server = [{servers}]\ntls = \"none\"\n")).sendmail(TO, MESSAGE)
    };
    run([closed.address, refusing.address]).assert_failure(75, &["connection refused"]);
    run([refusing.address, closed.address]).assert_failure(75, &["connection refused"]);
    run([refusing.address, refusing.address]).assert_failure(69, &["no service here"]);
}

/// P-117 P-151: TLS that does not come about is no reason for clear text, but one for the next server.
#[test]
fn the_next_server_is_tried_without_tls() {
    for replies in [
        &["220 mx", "250 mx"][..],
        &["220 mx", "250-mx\r\n250 STARTTLS", "454 4.7.0 later"],
        &["220 mx", "250-mx\r\n250 STARTTLS", "554 5.7.0 no"],
        &["220 mx", "250-mx\r\n250 STARTTLS", "220 go"],
    ] {
        let first = Wire::open(move |peer| peer.answer(replies));
        let second = Relay::start(guarded("alice", "secret"));
        let servers =
            format!("[\"submission://alice@{}\", \"submission://alice@{}\"]", first.address, second.wire.address);
        let settings = format!("server = {servers}\npassword = \"secret\"\ntls-ca-file = \"ca.pem\"\n");
        let program = Program::with(&settings);
        program.file("ca.pem", &second.pem);
        program.sendmail(TO, MESSAGE).assert_silent_success();
        assert!(!first.take().has(b"MAIL"));
        assert_eq!(second.take().mails.len(), 1);
    }
}

/// P-189: one user, one attempt with a password that is refused; a server with another user in its URL is another matter.
#[test]
fn a_refused_login_is_not_tried_elsewhere() {
    let run = |reply: &'static str, other: &str| {
        let first = Wire::open(move |peer| peer.answer(&["220 mx", "250-mx\r\n250 AUTH PLAIN", reply]));
        let second = Wire::open(|peer| {
            peer.answer(&["220 mx", "250-mx\r\n250 AUTH PLAIN", "235 in", "250 ok", "250 ok", "354 go"])?;
            peer.message()?;
            peer.say("250 taken\r\n")
        });
        let servers = format!("[\"smtp://alice@{}\", \"smtp://{other}@{}\"]", first.address, second.address);
        let settings = format!("server = {servers}\npassword = \"secret\"\nauth = \"PLAIN\"\ntls = \"none\"\n");
        let ended = Program::with(&settings).sendmail(TO, MESSAGE);
        assert_eq!(first.take().connections, 1);
        (ended.code(), String::from_utf8(second.take().octets).unwrap())
    };
    let (code, second) = run("535 5.7.8 wrong", "alice");
    assert_eq!((code, second.as_str()), (77, ""));
    let (code, second) = run("535 5.7.8 wrong", "bob");
    assert_eq!(code, 0);
    assert!(second.contains("AUTH PLAIN AGJvYgBzZWNyZXQ="), "{second}");
    let (code, second) = run("454 4.7.0 later", "alice");
    assert_eq!(code, 0);
    assert!(second.contains("AUTH PLAIN AGFsaWNlAHNlY3JldA=="), "{second}");
}

/// P-137: TLS from the first octet and STARTTLS are tried in the order of the account, and clear text is no third way.
#[test]
fn both_kinds_of_tls_and_no_third() {
    let implicit = Wire::open(|peer| {
        let mut octet = [0];
        std::io::Read::read_exact(&mut peer.stream, &mut octet)?;
        peer.record(&octet);
        Ok(())
    });
    let settings = |second: std::net::SocketAddr| {
        let servers = format!("[\"submissions://alice@{}\", \"submission://alice@{second}\"]", implicit.address);
        format!("server = {servers}\npassword = \"secret\"\ntls-ca-file = \"ca.pem\"\n")
    };
    let relay = Relay::start(guarded("alice", "secret"));
    let program = Program::with(&settings(relay.wire.address));
    program.file("ca.pem", &relay.pem);
    program.sendmail(TO, MESSAGE).assert_silent_success();
    // A ClientHello is the first thing that is said.
    assert!(implicit.take().octets.starts_with(b"\x16"));
    assert_eq!(relay.take().mails.len(), 1);
    let stripped = Wire::open(|peer| peer.answer(&["220 mx", "250-mx\r\n250 AUTH PLAIN LOGIN"]));
    let program = Program::with(&settings(stripped.address));
    program.file("ca.pem", &relay.pem);
    program.sendmail(TO, MESSAGE).assert_failure(75, &["does not offer STARTTLS, and TLS is required"]);
    assert_eq!(stripped.take().octets, b"EHLO box.example.org\r\nQUIT\r\n");
}
