//! Messages with DKIM signatures, as a server gets them, and the keys for that.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use posthaste::server::options::{Extension, Options};

use super::program::{Program, WAYS, run};
use super::relay::{Mail, Relay, plain};
use super::verifier::{Tags, records, verify};
use super::wire::holds;

/// RSA keys are made by one of the two providers alone.
const KINDS: &[&str] = if cfg!(feature = "aws-lc-rs") { &["rsa", "ed25519"] } else { &["ed25519"] };

const COMMON: &str =
    "mail-domain = \"example.org\"\nhostname = \"box.example.org\"\nlog = \"none\"\naliases = \"none\"\n";

/// A program whose account signs for example.org, and the records of its keys.
fn signing(server: &str, more: &str) -> (Program, HashMap<String, String>) {
    let program = Program::with("server = \"smtp://unused\"\n");
    let mut zone = String::new();
    for kind in KINDS {
        let file = program.path(&format!("{kind}.pem"));
        let arguments = ["dkim", "keygen", "--selector", kind, "--domain", "example.org", "--type", kind];
        let ended = run(program.posthaste(&arguments).arg(file), b"");
        assert_eq!((ended.code(), ended.stderr.as_str()), (0, ""));
        zone.push_str(&ended.stdout);
    }
    let list = |end: &str| KINDS.iter().map(|kind| format!("\"{kind}{end}\"")).collect::<Vec<_>>().join(", ");
    let keys = format!("dkim-selector = [{}]\ndkim-key = [{}]\n", list(""), list(".pem"));
    let config = format!("{COMMON}server = \"{server}\"\ntls = \"none\"\n{keys}{more}");
    fs::write(program.config(), config).unwrap();
    (program, records(&zone))
}

fn smtp(relay: &Relay) -> String {
    format!("smtp://{}", relay.wire.address)
}

/// The signatures of a message, all of which fit: one for each key.
#[track_caller]
fn signatures(mail: &Mail, records: &HashMap<String, String>) -> Vec<Tags> {
    let tags: Vec<Tags> = verify(&mail.octets, records).into_iter().map(|found| found.unwrap()).collect();
    assert_eq!(tags.iter().map(|tags| tags["s"].as_str()).collect::<Vec<_>>(), KINDS);
    assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64), "SIZE is not that of what was sent");
    tags
}

fn seven_bit() -> Options {
    Options { extensions: vec![Extension::Pipelining, Extension::Size, Extension::Chunking], ..plain() }
}

/// P-371 P-374 P-377: whatever the body ends in, by DATA and by BDAT; and a message that was altered on the way shows it.
#[test]
fn a_signature_fits_what_was_sent() {
    let relay = Relay::start(plain());
    let bodies =
        ["", "\n", "x", "x\n", "x\n\n\n", " \n\t\n", "..dot\n.x\n", "a  b\t c \n \n d\n", "\n\n\nx\n\n", "x\r\ny\rz\n"];
    for chunking in ["never", "always", "same-flight"] {
        let (program, records) = signing(&smtp(&relay), &format!("chunking = \"{chunking}\"\n"));
        for body in bodies {
            let folded = "X: y\nTo: a@x.test,\n\t b@x.test  \nSubject:  long   \n  and\tfolded \nTo: c@x.test\n";
            let input = format!("From: al@example.org\n{folded}\n{body}");
            program.sendmail(&["-i", "bob@x.test"], input).assert_silent_success();
            let seen = relay.take();
            assert_eq!(holds(&seen.wire.octets, b"BDAT "), chunking != "never");
            let mail = seen.mail();
            mail.assert_clean();
            for tags in signatures(&mail, &records) {
                assert_eq!(tags["d"], "example.org");
            }
            let place = |text: &[u8]| memchr::memmem::find(&mail.octets, text).unwrap();
            let unsigned = place(b"X: y")..place(b"X: y") + 4;
            for at in place(b"\r\nDate: ") + 2..mail.octets.len() {
                let mut altered = mail.octets.clone();
                altered[at] ^= 1;
                // A colon is no other octet, or there would be a line that is no field.
                if mail.octets[at] != b':' && !mail.octets[at].is_ascii_whitespace() && !unsigned.contains(&at) {
                    assert!(verify(&altered, &records).iter().all(Result::is_err), "octet {at} after {body:?}");
                }
            }
        }
    }
}

/// P-370 P-134: 8-bit content is encoded before it is signed, although the server would take it.
#[test]
fn what_is_signed_needs_no_encoding_on_the_way() {
    let relay = Relay::start(plain());
    let (program, records) = signing(&smtp(&relay), "");
    for way in WAYS {
        let input = "From: J\u{f6}rg <al@example.org>\nSubject: Gr\u{fc}\u{df}e\n\nGr\u{fc}\u{df}e\n";
        program.run(way, &["bob@x.test"], input.as_bytes()).assert_silent_success();
        let mail = relay.take().mail();
        assert!(mail.octets.is_ascii());
        assert_eq!(mail.field("Content-Transfer-Encoding"), "quoted-printable");
        signatures(&mail, &records);
        assert_eq!(mail.decoded(), "Gr\u{fc}\u{df}e\n");
    }
}

/// A message that cannot be encoded beforehand is signed as it is; and one that has a signature keeps it.
#[test]
fn what_must_stay_as_it_is_is_signed_as_it_is() {
    let relay = Relay::start(plain());
    let (program, records) = signing(&smtp(&relay), "");
    let parts = "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=b; protocol=x\n\n--b\n\nh\u{e9}\n--b\n\nx\n--b--\n";
    program.sendmail(&["bob@x.test"], format!("From: al@example.org\n{parts}")).assert_silent_success();
    let mail = relay.take().mail();
    assert!(!mail.octets.is_ascii());
    signatures(&mail, &records);
    let other = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=y.test; s=s; h=from; bh=x; b=x\nFrom: al@example.org\n\nh\u{e9}\n";
    program.sendmail(&["bob@x.test"], other).assert_silent_success();
    let mail = relay.take().mail();
    assert!(!mail.octets.is_ascii());
    let found = verify(&mail.octets, &records);
    assert!(found[..KINDS.len()].iter().all(Result::is_ok) && found[KINDS.len()..] == [Err("body hash".to_owned())]);
}

/// P-370: one for whom a server makes us encode it is signed anew, and the signature of before is gone.
#[test]
fn what_was_encoded_for_a_server_is_signed_anew() {
    let relay = Relay::start(seven_bit());
    for chunking in ["never", "always"] {
        // Beforehand nothing is encoded, because there is a signature already, which is worth nothing afterwards.
        let (program, records) = signing(&smtp(&relay), &format!("chunking = \"{chunking}\"\n"));
        let input = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=y.test; s=s; h=from; bh=x; b=x\n\
            From: al@example.org\n\nh\u{e9}  \n\n";
        program.sendmail(&["bob@x.test"], input).assert_silent_success();
        let mail = relay.take().mail();
        assert!(mail.octets.is_ascii());
        let found = verify(&mail.octets, &records);
        assert_eq!(found.len(), KINDS.len() + 1, "{}", mail.header());
        assert!(found[..KINDS.len()].iter().all(Result::is_ok), "{found:?}");
        assert_eq!(mail.envelope.declared_size, Some(mail.octets.len() as u64));
    }
}

/// P-372: what a reader would see cannot be added.
#[test]
fn a_field_that_is_added_breaks_the_signature() {
    let relay = Relay::start(plain());
    let (program, records) = signing(&smtp(&relay), "");
    let input = "From: al@example.org\nTo: bob@x.test\nSubject: s\nList-Id: l\n\nx\n";
    program.sendmail(&["bob@x.test"], input).assert_silent_success();
    let mail = relay.take().mail();
    let with = |field: &str| verify(&[format!("{field}\r\n").as_bytes(), &mail.octets].concat(), &records);
    for name in ["From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "MIME-Version", "Content-Type"] {
        assert!(with(&format!("{name}: x")).iter().all(Result::is_err), "{name}");
    }
    for name in ["Received", "Return-Path", "X-Spam", "Comments", "List-Id"] {
        assert!(with(&format!("{name}: x")).iter().all(Result::is_ok), "{name}");
    }
}

/// P-378: the second of two authors is of a domain without a key.
#[test]
fn who_is_of_another_domain_is_sent_without_or_refused() {
    let relay = Relay::start(plain());
    let own = "From: al@mail.example.org\n\nx\n";
    let other = "From: al@other.test\n\nx\n";
    let (program, records) = signing(&smtp(&relay), "dkim-domain = \"example.org\"\n");
    program.sendmail(&["bob@x.test"], own).assert_silent_success();
    assert_eq!(signatures(&relay.take().mail(), &records)[0]["d"], "example.org");
    program.sendmail(&["bob@x.test"], other).assert_silent_success();
    assert!(verify(&relay.take().mail().octets, &records).is_empty());
    let told =
        run(&mut program.posthaste(&["send", "--from", "al@other.test", "--to", "b@x.test", "--body", "x"]), b"");
    let words = "posthaste: sent without a DKIM signature: its author is of other.test, and the account signs for example.org\n";
    assert_eq!((told.code(), told.stderr.as_str()), (0, words));
    relay.take().mail();
    let (program, _) = signing(&smtp(&relay), "dkim-domain = \"example.org\"\ndkim-unsigned = \"refuse\"\n");
    program.sendmail(&["bob@x.test"], own).assert_silent_success();
    relay.take().mail();
    program.sendmail(&["bob@x.test"], other).assert_failure(65, &["no DKIM signature", "other.test", "dkim-unsigned"]);
    relay.take().assert_nothing();
}

/// Nothing is sent without the signature that the account wants.
#[test]
fn a_key_that_cannot_be_used_is_told_and_nothing_is_sent() {
    let relay = Relay::start(plain());
    let (program, _) = signing(&smtp(&relay), "");
    let file = program.path("ed25519.pem");
    let key = fs::read(&file).unwrap();
    let refused = |words: &[&str]| {
        program.sendmail(&["bob@x.test"], "From: al@example.org\n\nx\n").assert_failure(78, words);
        relay.take().assert_nothing();
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    refused(&["dkim-key", "ed25519.pem is not safe: it holds a private key", "chmod"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&file, "no key\n").unwrap();
    refused(&["ed25519.pem cannot be used: it holds no private key in PEM"]);
    fs::remove_file(&file).unwrap();
    refused(&["ed25519.pem cannot be read"]);
    fs::write(&file, key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    program.sendmail(&["bob@x.test"], "From: al@example.org\n\nx\n").assert_silent_success();
}

#[test]
fn each_message_of_a_batch_and_of_a_client_on_stdin_is_signed() {
    let relay = Relay::start(seven_bit());
    let (program, records) = signing(&smtp(&relay), "");
    let message = |n: u32| format!("From: al@example.org\nTo: bob{n}@x.test\n\nGr\u{fc}\u{df}e {n}\n");
    let mbox: String = (0..5).map(|n| format!("From x Mon Jan  1 00:00:00 2026\n{}\n", message(n))).collect();
    let file = program.file("mbox", mbox);
    run(program.posthaste(&["send", "--batch"]).arg(file), b"").assert_silent_success();
    let seen = relay.take();
    assert_eq!(seen.mails.len(), 5);
    seen.mails.iter().for_each(|mail| _ = signatures(mail, &records));
    let dialogue =
        "HELO x\nMAIL FROM:<al@example.org>\nRCPT TO:<b@x.test>\nDATA\nFrom: al@example.org\n\n..x\n.\nQUIT\n";
    assert_eq!(program.sendmail(&["-bs"], dialogue).code(), 0);
    signatures(&relay.take().mail(), &records);
}

#[test]
fn what_a_dry_run_prints_is_signed() {
    let (program, records) = signing("smtp://localhost", "");
    let ended = run(
        &mut program.posthaste(&["send", "-n", "--from", "al@example.org", "--to", "b@x.test", "--body", "x"]),
        b"",
    );
    assert_eq!(ended.stderr, "");
    let message = ended.stdout.split_once("\n\n").unwrap().1.replace("\r\n", "\n").replace('\n', "\r\n") + "\r\n";
    assert!(verify(message.as_bytes(), &records).iter().all(Result::is_ok));
    let told = run(&mut program.posthaste(&["dkim", "record"]), b"");
    assert_eq!((told.code(), super::verifier::records(&told.stdout)), (0, records));
}

#[test]
fn a_key_is_never_overwritten_and_only_its_owner_reads_it() {
    let (program, _) = signing("smtp://localhost", "");
    let file = program.path("ed25519.pem");
    let before = fs::read(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let keygen = |more: &[&str]| run(program.posthaste(&["dkim", "keygen"]).args(more).arg(&file), b"");
    let name = ["--selector", "s", "--domain", "example.org"];
    keygen(&name).assert_failure(if cfg!(feature = "aws-lc-rs") { 73 } else { 69 }, &["ed25519.pem"]);
    keygen(&[&name[..], &["--type", "ed25519"]].concat()).assert_failure(73, &["is there already"]);
    keygen(&[&["--selector", "a b"], &name[2..]].concat()).assert_failure(64, &["is not a selector"]);
    assert_eq!(fs::read(&file).unwrap(), before);
}
