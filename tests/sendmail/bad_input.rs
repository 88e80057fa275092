//! Messages that are hard to read, or that the server does not take: each is sent whole, or not at all.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use posthaste::server::options::{Extension, Options};

use super::program::{Program, WAYS, Way, finish, me, run};
use super::relay::{Mail, Relay, plain, without};

const S: &[u8] = b"Subject: s\n\nb\n";

fn sent(input: &[u8], check: fn(&Mail)) {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["-i", "bob@x.test"], input).assert_silent_success();
        let mail = relay.take().mail();
        mail.assert_clean();
        check(&mail);
    }
}

fn refused(session: Options, input: &[u8], code: i32, words: &[&str]) {
    let relay = Relay::start(session);
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        let ended = program.run(way, &["-i", "bob@x.test"], input);
        match way {
            Way::Pipe | Way::File => ended.assert_failure(code, words),
            Way::Bare => assert_eq!(ended.code(), code),
        }
        relay.take().assert_nothing();
    }
}

#[test]
fn a_directory_is_no_message() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let directory = File::open("/").unwrap();
    let ended = finish(program.named("sendmail").arg("bob@x.test").stdin(directory), b"");
    ended.assert_failure(74, &["cannot read", "directory"]);
    assert_eq!(relay.take().wire.connections, 0);
}

#[test]
fn a_descriptor_for_writing_only_cannot_be_read() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let write_only = File::create(program.path("out")).unwrap();
    let ended = finish(program.named("sendmail").arg("bob@x.test").stdin(write_only), b"");
    ended.assert_failure(74, &["cannot read"]);
    assert_eq!(relay.take().wire.connections, 0);
}

/// P-133
#[test]
fn nothing_at_all_is_an_empty_message() {
    sent(b"", |mail| {
        assert_eq!(mail.author().1, me());
        assert_eq!(mail.body(), b"");
    });
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    finish(program.named("sendmail").arg("bob@x.test").stdin(Stdio::null()), b"").assert_silent_success();
    relay.take().mail().assert_clean();
    // Standard input is not even open.
    run(&mut program.in_shell(r#"exec "$@" <&-"#, &["bob@x.test"]), b"").assert_silent_success();
    relay.take().mail().assert_clean();
}

#[test]
fn a_header_without_a_body_is_a_message() {
    for input in [&b"Subject: s"[..], b"Subject: s\n", b"Subject: s\r\n", b"Subject: s\n\n"] {
        sent(input, |mail| assert_eq!((mail.field("Subject").as_str(), mail.body()), ("s", &b""[..])));
    }
}

/// P-079 P-080
#[test]
fn odd_octets_never_reach_the_wire() {
    sent(b"Subject: a\0b\n\n\0\0x\0\n", |mail| {
        assert_eq!((mail.field("Subject").as_str(), mail.text()), ("ab", "x\r\n"));
    });
    sent(b"Subject: s\n\na\rb\r\r\nc\n\rd\r", |mail| assert_eq!(mail.text(), "a\r\nb\r\nc\r\n\r\nd\r\n"));
    // A bare CR in the header must not make a field.
    sent(b"Subject: a\rBcc: x@x.test\n\nb\n", |mail| {
        assert_eq!((mail.field("Subject").as_str(), mail.text()), ("a Bcc: x@x.test", "b\r\n"));
    });
    // Nor may any end of a line but CRLF come before or behind a dot.
    for end in ["\n.\r\nMAIL FROM:<a@b>\r\n", "\r.\r\n", "\r\n.\r", "\n.\n", "\r.\r", "\r\n\0.\r\n"] {
        sent(format!("Subject: s\n\nx{end}y\n").as_bytes(), |mail| assert!(mail.text().ends_with("y\r\n")));
    }
}

/// P-082 P-401
#[test]
fn a_body_in_one_line_of_a_megabyte_arrives_whole() {
    let line = "0123456789 abcdef".repeat(64 << 10);
    let input = format!("Subject: s\n\n{line}\n");
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["bob@x.test"], input.as_bytes()).assert_silent_success();
        let mail = relay.take().mail();
        mail.assert_clean();
        assert!(mail.decoded() == format!("{line}\n"));
    }
}

#[test]
fn a_line_that_is_too_long_and_may_not_be_encoded_is_refused() {
    let long = "x".repeat(1000);
    let signed = format!("Content-Type: multipart/signed; boundary=b\n\n--b\n\n{long}\n--b--\n");
    refused(plain(), signed.as_bytes(), 65, &["1000 octets", "998"]);
}

#[test]
fn a_header_of_a_megabyte_is_sent_and_a_larger_one_is_refused() {
    let field = format!("X-Trace: {}\n", "0123456789 ".repeat(80));
    let most = field.repeat((1 << 20) / field.len());
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["bob@x.test"], format!("{most}\nb\n").as_bytes()).assert_silent_success();
        let mail = relay.take().mail();
        mail.assert_clean();
        assert_eq!((mail.fields("X-Trace").len(), mail.text()), (most.lines().count(), "b\r\n"));
    }
    refused(plain(), format!("{most}{field}{field}\nb\n").as_bytes(), 65, &["header", "1 MiB"]);
    refused(plain(), &[b"Subject: ", &b"x".repeat(2 << 20)[..], b"\n\nb\n"].concat(), 65, &["header", "1 MiB"]);
}

/// P-250
#[test]
fn eight_bit_content_is_not_sent_to_a_server_that_does_not_take_it() {
    let input = "Subject: s\nMIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b\n\n--b\n\nhé\n--b--\n";
    let extensions = vec![Extension::Pipelining, Extension::Size];
    refused(Options { extensions, ..plain() }, input.as_bytes(), 65, &["8-bit", "hint:"]);
}

/// P-229
#[test]
fn a_message_that_is_too_large_is_refused_before_anything_is_sent() {
    // A Message-ID of the program's own is not always of the same length.
    let header = "Message-ID: <m@x.test>\nDate: Fri, 5 Jan 2024 12:55:00 +0000\nFrom: a@x.test\n";
    let input = format!("{header}\n{}", "0123456789\n".repeat(200_000));
    let session = Options { max_size: 2_000_000, ..plain() };
    refused(session, input.as_bytes(), 65, &["octets", "2000000"]);
    // What fits to the octet is sent.
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    program.sendmail(&["bob@x.test"], &input).assert_silent_success();
    let size = relay.take().mail().octets.len() as u64;
    let relay = Relay::start(Options { max_size: size, ..plain() });
    Program::to(relay.wire.address).sendmail(&["bob@x.test"], &input).assert_silent_success();
    assert_eq!(relay.take().mail().octets.len() as u64, size);
}

/// The limit of the account counts even where the server names none.
#[test]
fn a_message_larger_than_the_account_allows_is_refused() {
    let relay = Relay::start(without(Extension::Size));
    let settings = format!("server = \"smtp://{}\"\ntls = \"none\"\nmax-size = 100\n", relay.wire.address);
    let ended = Program::with(&settings).sendmail(&["bob@x.test"], S);
    ended.assert_failure(65, &["max-size is 100"]);
    assert_eq!(relay.take().wire.connections, 0);
}

/// Larger than memory: the body waits in a file, or stays where it is.
#[test]
fn a_large_message_arrives_octet_for_octet() {
    let mut body = Vec::new();
    let mut random = File::open("/dev/urandom").unwrap().take(3 << 20);
    random.read_to_end(&mut body).unwrap();
    let body: Vec<u8> =
        body.iter().enumerate().map(|(n, octet)| if n % 71 == 70 { b'\n' } else { b'!' + octet % 64 }).collect();
    let input = [b"Subject: s\n\n", &body[..], b"\n"].concat();
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    for way in WAYS {
        program.run(way, &["-i", "bob@x.test"], &input).assert_silent_success();
        let mail = relay.take().mail();
        mail.assert_clean();
        assert!(mail.text().replace("\r\n", "\n").as_bytes() == [&body[..], b"\n"].concat());
    }
}

#[test]
fn a_temporary_file_that_cannot_be_made_is_named_by_its_place() {
    let relay = Relay::start(plain());
    let program = Program::to(relay.wire.address);
    let mut command = program.named("sendmail");
    command.args(["-i", "bob@x.test"]).env("TMPDIR", "/nonexistent/place");
    let input = [S, &b"a line\n".repeat(300_000)].concat();
    run(&mut command, &input).assert_failure(73, &["no such file or directory (hint", "/nonexistent/place", "TMPDIR"]);
    relay.take().assert_nothing();
}
