//! What a run learns of a server makes the next one faster, and no run less safe.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[allow(dead_code, reason = "shared with other tests")]
#[path = "support/ports.rs"]
mod ports;

const BINARY: &str = env!("CARGO_BIN_EXE_posthaste");
const STATE: &str = ".local/state/posthaste/servers";

/// A sink in a process of its own, which ends with this value.
struct Sink {
    child: Child,
    port: u16,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Begins a sink at this port, 0 for any, that wants a login as alice.
fn sink(home: &Path, port: u16, more: &[&str]) -> Sink {
    let mut child = Command::new(BINARY)
        .args(["sink", "--listen", &format!("127.0.0.1:{port}"), "--user", "alice", "--password-file"])
        .arg(password(home))
        .arg("--ca-file")
        .arg(home.join("ca.pem"))
        .arg("--maildir")
        .arg(home.join("caught"))
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim_end().rsplit(':').next().unwrap().parse().unwrap();
    Sink { child, port }
}

fn password(home: &Path) -> PathBuf {
    let path = home.join("password");
    fs::write(&path, "correct-horse\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// Runs the program for this account, and gives the exit code and the transcript.
fn run(home: &Path, sink: &Sink, variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(BINARY)
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .env("HOME", home)
        .env("POSTHASTE_SERVER", format!("submission://alice@localhost:{}", sink.port))
        .env("POSTHASTE_TLS_CA_FILE", home.join("ca.pem"))
        .env("POSTHASTE_PASSWORD_FILE", password(home))
        .env("POSTHASTE_AUTH", "plain")
        .env("POSTHASTE_CHUNKING", "always")
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A check reads nothing and may be over.
    let _ = child.stdin.take().unwrap().write_all(b"Subject: a test\n\nhello\n");
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn send(home: &Path, sink: &Sink, variables: &[(&str, &str)]) -> String {
    let (code, said) =
        run(home, sink, variables, &["send", "-v", "--from", "alice@example.org", "--to", "bob@example.net"]);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// The verbs of the flight that begins with AUTH.
fn flight(transcript: &str) -> Vec<&str> {
    let client = transcript.lines().skip_while(|line| !line.starts_with("C: AUTH"));
    client.map_while(|line| line.strip_prefix("C: ")?.split([' ', ',']).next()).collect()
}

fn caught(home: &Path) -> usize {
    fs::read_dir(home.join("caught/new")).unwrap().count()
}

/// P-411 P-414: from the second run on the envelope goes with AUTH, and with what a check has seen the message too, as long as
/// the server offers the same.
#[test]
fn each_run_is_as_fast_as_those_before_have_shown_to_be_safe() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let port = ports::free_port();
    let sink = self::sink(home, port, &[]);
    assert_eq!(flight(&send(home, &sink, &[])), ["AUTH"]);
    assert_eq!(flight(&send(home, &sink, &[])), ["AUTH", "MAIL", "RCPT"]);
    let (code, said) = run(home, &sink, &[], &["-v", "check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("C: MAIL FROM:<>\nS: 530 "), "{said}");
    assert_eq!(flight(&send(home, &sink, &[])), ["AUTH", "MAIL", "RCPT", "BDAT", "[message"]);
    let kept = fs::read_to_string(home.join(STATE)).unwrap();
    assert!(kept.contains("login=proven mail=refused bdat=taken"), "{kept}");
    assert!(!kept.contains("correct") && !kept.contains("example.net"), "{kept}");
    assert_eq!(home.join(STATE).metadata().unwrap().permissions().mode() & 0o777, 0o600);

    drop(sink);
    let another = self::sink(home, port, &["--max-size", "100K"]);
    assert_eq!(flight(&send(home, &another, &[])), ["AUTH"]);
    assert_eq!(flight(&send(home, &another, &[])), ["AUTH", "MAIL", "RCPT"]);
    assert_eq!(caught(home), 5);
}

/// A wrong password is told as ever, from the fast plan too, and counts once.
#[test]
fn a_wrong_password_is_told_and_nothing_is_sent() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let sink = self::sink(home, 0, &[]);
    send(home, &sink, &[]);
    run(home, &sink, &[], &["check"]);
    send(home, &sink, &[]);
    let wrong = home.join("wrong");
    fs::write(&wrong, "battery-staple\n").unwrap();
    fs::set_permissions(&wrong, Permissions::from_mode(0o600)).unwrap();
    let variables = [("POSTHASTE_PASSWORD_FILE", wrong.to_str().unwrap())];
    let arguments = ["send", "-v", "--from", "alice@example.org", "--to", "bob@example.net"];
    let (code, said) = run(home, &sink, &variables, &arguments);
    assert_eq!(code, Some(77), "{said}");
    assert_eq!(flight(&said), ["AUTH", "MAIL", "RCPT", "BDAT", "[message"]);
    assert_eq!(said.matches("C: AUTH").count(), 1, "{said}");
    assert!(!said.contains("staple"), "{said}");
    assert_eq!(caught(home), 2);
}

#[test]
fn nothing_is_remembered_where_that_is_not_wanted_or_cannot_be() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let sink = self::sink(home, 0, &[]);
    let elsewhere = home.join("elsewhere");
    for (variable, value) in [("POSTHASTE_STATE_FILE", "none"), ("HOME", "/proc/nowhere"), ("XDG_STATE_HOME", "/proc")]
    {
        for _ in 0..2 {
            assert_eq!(flight(&send(home, &sink, &[(variable, value)])), ["AUTH"], "{variable}");
        }
        assert!(!home.join(STATE).exists());
    }
    let variables = [("POSTHASTE_STATE_FILE", elsewhere.to_str().unwrap())];
    send(home, &sink, &variables);
    assert_eq!(flight(&send(home, &sink, &variables)), ["AUTH", "MAIL", "RCPT"]);
    assert!(elsewhere.is_file() && !home.join(STATE).exists());
}

/// A name without a directory is in the one where the program runs.
#[test]
fn a_bare_name_is_a_place() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path();
    let sink = self::sink(home, 0, &[]);
    let variables = [("POSTHASTE_STATE_FILE", "bare")];
    send(home, &sink, &variables);
    assert_eq!(flight(&send(home, &sink, &variables)), ["AUTH", "MAIL", "RCPT"]);
    assert!(home.join("bare").is_file());
}
