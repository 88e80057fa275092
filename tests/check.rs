//! `posthaste check` and `posthaste sink` as a person uses them: what is refused, what is shown, what cures it.

#![cfg(feature = "sink")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_posthaste");

/// A sink in a process of its own, which ends with this value.
struct Sink {
    child: Child,
    port: String,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sink(directory: &Path, more: &[&str]) -> Sink {
    let mut child = Command::new(BINARY)
        .args(["sink", "--listen", "127.0.0.1:0", "--ca-file"])
        .arg(directory.join("ca.pem"))
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim_end().rsplit(':').next().unwrap().to_owned();
    Sink { child, port }
}

/// Checks `submission://USER@localhost:PORT` with these variables.
fn check(directory: &Path, sink: &Sink, user: &str, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .arg("check")
        .args(arguments)
        .env_clear()
        .env("HOME", directory)
        .env("POSTHASTE_SERVER", format!("submission://{user}localhost:{}", sink.port))
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

#[test]
fn a_refused_certificate_is_shown_with_the_pin_that_cures_it() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(directory.path(), &[]);
    let refused = check(directory.path(), &sink, "", &[], &[]);
    let said = text(&refused.stdout);
    assert_eq!(refused.status.code(), Some(75), "{said}");
    assert!(said.contains("REFUSED") && said.contains("FAILED: ") && said.contains("unknown issuer"), "{said}");
    let pin = said.split("tls-pin = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();

    let pinned = check(directory.path(), &sink, "", &[("POSTHASTE_TLS_PIN", pin)], &[]);
    let said = text(&pinned.stdout);
    assert_eq!(pinned.status.code(), Some(0), "{said}");
    assert!(said.contains("; pinned\n") && !said.contains("REFUSED"), "{said}");

    let other = pin.replace(|c: char| c.is_ascii_digit(), "0");
    let mistaken = check(directory.path(), &sink, "", &[("POSTHASTE_TLS_PIN", &other)], &[]);
    assert_eq!(mistaken.status.code(), Some(75));
    assert!(text(&mistaken.stdout).contains(pin));
}

/// P-162 P-178: a login that fails is told from all other trouble.
#[test]
fn the_authority_of_a_sink_is_trusted_and_its_login_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let sink = sink(directory.path(), &["--user", "alice", "--password-file", password.to_str().unwrap()]);
    let authority = directory.path().join("ca.pem");
    let trusting = ("POSTHASTE_TLS_CA_FILE", authority.to_str().unwrap());

    let right = [trusting, ("POSTHASTE_PASSWORD_FILE", password.to_str().unwrap())];
    let checked = check(directory.path(), &sink, "alice@", &right, &["--json"]);
    assert_eq!((checked.status.code(), text(&checked.stderr)), (Some(0), ""));
    let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&report["ok"], &report["tls"]["check"]), (&true.into(), &"verified".into()));
    assert_eq!(report["tls"]["names"][0], "localhost");
    let steps: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["connect", "greeting", "ehlo", "starttls", "tls", "ehlo", "login"]);
    // The sink knows one password, so it can speak SCRAM; it does not bind.
    let login = report["steps"][6]["result"].as_str().unwrap();
    assert!(login.starts_with("SCRAM-SHA-256: 235 "), "{login}");

    let wrong = [trusting, ("POSTHASTE_PASSWORD", "hunter2")];
    let checked = check(directory.path(), &sink, "alice@", &wrong, &[]);
    let said = text(&checked.stdout);
    assert_eq!(checked.status.code(), Some(77), "{said}");
    assert!(said.contains("FAILED: ") && said.contains("535") && said.contains("  hint: "), "{said}");
    assert!(!said.contains("hunter2") && checked.stderr.is_empty());
}

/// P-218 P-219: an access token that a command prints is taken, and one that is refused is told with its cure.
#[test]
fn an_access_token_logs_in() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "ya29.token-0815\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let sink = sink(directory.path(), &["--user", "alice", "--password-file", token.to_str().unwrap()]);
    let authority = directory.path().join("ca.pem");
    let trusting = ("POSTHASTE_TLS_CA_FILE", authority.to_str().unwrap());
    let command = format!("cat {}", token.display());
    for mechanism in ["oauthbearer", "xoauth2"] {
        let auth = ("POSTHASTE_AUTH", mechanism);
        let right = [trusting, auth, ("POSTHASTE_PASSWORD_COMMAND", &command)];
        let checked = check(directory.path(), &sink, "alice@", &right, &["--json"]);
        assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stdout));
        let report: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
        let login = report["steps"][6]["result"].as_str().unwrap();
        assert!(login.starts_with(&format!("{}: 235 ", mechanism.to_uppercase())), "{login}");

        let wrong = [trusting, auth, ("POSTHASTE_PASSWORD", "ya29.token-4711")];
        let checked = check(directory.path(), &sink, "alice@", &wrong, &[]);
        let said = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(77), "{said}");
        assert!(said.contains("access token refused by localhost") && said.contains("invalid_token"), "{said}");
        assert!(said.contains("must print a fresh one") && !said.contains("4711"), "{said}");
    }
}

/// P-124 P-125 P-126 P-301: what is asked, and the code for what is answered.
#[test]
fn questions_are_asked_and_answers_printed() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(directory.path(), &[]);
    let ask = |arguments: &[&str]| {
        let output = Command::new(BINARY)
            .args(arguments)
            .env_clear()
            .env("HOME", directory.path())
            .env("POSTHASTE_SERVER", format!("smtp://localhost:{}", sink.port))
            .env("POSTHASTE_TLS", "none")
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout).to_owned(), text(&output.stderr).to_owned())
    };
    let (code, answer, _) = ask(&["vrfy", "bob", "carol"]);
    assert_eq!((code, answer.lines().count()), (Some(0), 2), "{answer}");
    assert!(answer.contains("try to send"), "{answer}");
    let (code, answer, error) = ask(&["expn", "staff"]);
    assert_eq!((code, answer.as_str()), (Some(69), ""));
    assert!(error.contains("does not answer EXPN: 502 "), "{error}");
    assert_eq!(ask(&["etrn", "example.com"]).0, Some(69));
    let (code, answer, _) = ask(&["server-help", "mail"]);
    assert!(code == Some(0) && answer.contains("EHLO"), "{answer}");
    assert_eq!(ask(&["vrfy", "a\r\nDATA"]).0, Some(64));
}

#[test]
fn nothing_is_told_of_a_server_that_does_not_answer() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody listens on it (tcpmux).
    let port = 1;
    let output = Command::new(BINARY)
        .arg("check")
        .env_clear()
        .env("HOME", directory.path())
        .env("POSTHASTE_SERVER", format!("submission://127.0.0.1:{port}"))
        .output()
        .unwrap();
    let expected = format!(
        "127.0.0.1:{port} (account default)\n  FAILED: 127.0.0.1:{port} cannot be reached: connection refused\n  \
         hint: Nothing listens there, or a firewall says so: check host and port, and that the server runs.\n"
    );
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(75), expected.as_str()));
}

/// Mail to root needs the alias file; what is the first thing to run must tell of it.
#[test]
fn an_alias_file_that_cannot_be_used_is_told_beside_the_servers() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(directory.path(), &[]);
    let aliases = directory.path().join("aliases");
    std::fs::write(&aliases, "root alice@example.org\n").unwrap();
    let (aliases, pem) = (aliases.to_str().unwrap(), directory.path().join("ca.pem"));
    let pem = pem.to_str().unwrap();
    for (file, ca, code, words) in [
        (aliases, pem, 78, "aliases:1: there is no colon behind the name"),
        ("/nonexistent/aliases", pem, 78, "the alias file /nonexistent/aliases is not there"),
        // The server's trouble comes first.
        (aliases, "", 75, "aliases:1: there is no colon behind the name"),
        ("none", pem, 0, ""),
    ] {
        let variables = [("POSTHASTE_ALIASES", file), ("POSTHASTE_TLS_CA_FILE", ca)];
        let output = check(directory.path(), &sink, "", &variables, &[]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(words) && words.is_empty() == output.stderr.is_empty(), "{output:?}");
    }
}

/// P-375: a key that would stop every message is told beforehand, in one line with the file.
#[test]
fn a_key_for_dkim_that_cannot_be_used_is_told_beside_the_servers() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(directory.path(), &[]);
    let pem = directory.path().join("ca.pem");
    let key = directory.path().join("key.pem");
    let made = Command::new(BINARY)
        .args(["dkim", "keygen", "--selector", "s", "--domain", "example.org", "--type", "ed25519"])
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let good = std::fs::read(&key).unwrap();
    for (content, mode, words) in [
        (&good[..], 0o600, ""),
        (&good, 0o644, "key.pem is not safe: it holds a private key"),
        (&good, 0o602, "key.pem is not safe: "),
        (&good[..60], 0o600, "key.pem cannot be used: it holds no private key in PEM: its text is damaged"),
        (b"no key\n", 0o600, "key.pem cannot be used: it holds no private key in PEM: none was found"),
        (b"", 0o600, "key.pem cannot be read: it is empty"),
        (RSA_OF_512_BITS.as_bytes(), 0o600, "key.pem cannot be used: its RSA key has less than 2048 bits"),
        (P_256.as_bytes(), 0o600, "key.pem cannot be used: its key is neither RSA nor Ed25519, or is broken"),
    ] {
        std::fs::write(&key, content).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        assert_key_is_judged(directory.path(), &sink, pem.to_str().unwrap(), &key, words);
    }
    std::fs::remove_file(&key).unwrap();
    assert_key_is_judged(directory.path(), &sink, pem.to_str().unwrap(), &key, "key.pem cannot be read: no such file");
    std::fs::create_dir(&key).unwrap();
    assert_key_is_judged(directory.path(), &sink, pem.to_str().unwrap(), &key, "key.pem cannot be read: ");
}

/// By `check`, which tries the server nonetheless, and by `sendmail -bC`.
#[track_caller]
fn assert_key_is_judged(directory: &Path, sink: &Sink, ca: &str, key: &Path, words: &str) {
    let variables = [
        ("POSTHASTE_DKIM_SELECTOR", "s"),
        ("POSTHASTE_DKIM_KEY", key.to_str().unwrap()),
        ("POSTHASTE_TLS_CA_FILE", ca),
        ("POSTHASTE_ALIASES", "none"),
    ];
    let checked = check(directory, sink, "", &variables, &[]);
    assert!(text(&checked.stdout).contains("\n  ok: "), "{checked:?}");
    let judged = Command::new(BINARY)
        .args(["sendmail", "-bC"])
        .env_clear()
        .envs([("POSTHASTE_SERVER", "submission://localhost"), ("HOME", "/nonexistent")])
        .envs(variables)
        .output()
        .unwrap();
    for output in [checked, judged] {
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(if words.is_empty() { 0 } else { 78 }), "{words}: {output:?}");
        assert!(said.contains(words) && said.lines().count() == usize::from(!words.is_empty()), "{said}");
    }
}

const RSA_OF_512_BITS: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAsohKrwRTJ0eHlhGM\n\
    LgwXKICwhgATKGWdvKDuhjmS2/cQEyE6NOxVU7UEX7Zk84BpD5tG0XkT31WynJss\n\
    6eGSfQIDAQABAkEAon1pe+FzzUxNG0jdTQu0CCkYgN2QkjPqXMQcVA4SnB+8PzKt\n\
    93XV5a2R8M6FP4OQoe1TxqzOpywvTjf2+YhAAQIhANrDINRWLZb0jo5yvo6SZBTv\n\
    N9X3jLsOZ+yPLl7Vyi5NAiEA0OwXjT4t7lKACqu65sy/JLiRoYVR4uS6T/cB7tPR\n\
    7PECIQDQsQVIi03CjFrSmbQf3peLQQpLHHUsnXmWuqDJ57mQoQIgF3gOBT3Q5w65\n\
    d3lnG3owlq1tHpndYwGStFzpCK0ezeECIQCivpftAe94mjDKeCC23u9Y+rbaIiAX\n\
    /7Od1qwabG1bGw==\n\
    -----END PRIVATE KEY-----\n";

const P_256: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgkUwpd6T+MPMhR+xB\n\
    xsP+p5n2jqISvX5ZFDPHnHWa0O2hRANCAAThSV0euH9mF1AAAjFGDmENa9yTtWLm\n\
    Aoh0XAWriV/6HCvz8BnipiPkqURczJnr1TU+iTIFqDAvpP+jDwzj/JGY\n\
    -----END PRIVATE KEY-----\n";

#[test]
fn a_sink_fails_as_addresses_ask_where_it_was_told_to() {
    let directory = tempfile::tempdir().unwrap();
    for (flags, refused, deferred) in [(&[][..], 0, 0), (&["--faults"][..], 67, 75)] {
        let sink = sink(directory.path(), flags);
        for (recipient, expected) in [("refuse-550@example.org", refused), ("defer-451@example.org", deferred)] {
            let sent = Command::new(BINARY)
                .args(["send", "--from", "a@example.org", "--to", recipient, "--body", "hello"])
                .env_clear()
                .env("POSTHASTE_SERVER", format!("smtp://127.0.0.1:{}", sink.port))
                .envs([("POSTHASTE_TLS", "none"), ("POSTHASTE_AUTH", "none")])
                .output()
                .unwrap();
            assert_eq!(sent.status.code(), Some(expected), "{flags:?} {recipient}: {}", text(&sent.stderr));
        }
    }
}
